"""Managers hear once, by mail, that somebody of theirs leaves; the leaver's report says who was told."""

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from provisioning import services
from provisioning.admin.receipts.timeline import steps_of
from provisioning.history import timeline
from provisioning.models import Account, User
from provisioning.notices import leavers
from provisioning.notices.models import LeaverMail, ManagerMails
from provisioning.receipts import book
from provisioning.receipts.models import Receipt
from provisioning.roles import HELPDESK, IT_STAFF
from reports.models import Event
from tests.provisioning.crew import Crews, crews, save_crew_directory
from tests.provisioning.notices.test_notices import person
from tests.provisioning.receipts.test_receipts import run

__all__ = ["crews"]
pytestmark = pytest.mark.django_db
TOLD = "Boss was told by mail that Ann Lee (ann) leaves."


@pytest.fixture(autouse=True)
def mail_server(settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example.org"


@pytest.fixture
def boss(crews: Crews) -> User:
    leavers.switch("admin", on=True)
    return User.objects.create(username="Boss", email="boss@example.org", provisioned=False)


def employed(manager: User | None) -> User:
    directory = save_crew_directory("CRM")
    user = User.objects.create(username="ann", first_name="Ann", last_name="Lee", manager=manager)
    run(directory)
    return user


def leave(user: User) -> None:
    services.set_active([user.pk], False, "admin")
    leavers.look()


def told(user: User) -> list[str]:
    """Return what the report says of who was told."""
    lines = Event.objects.filter(user_id=user.pk, message__contains="leaves").order_by("pk")
    return list(lines.values_list("message", flat=True))


@pytest.mark.heavy
def test_the_manager_hears_once_a_leaving(boss: User) -> None:
    ann = employed(boss)
    leave(ann)
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["boss@example.org"], "[Rollcall] Ann Lee (ann) leaves")
    assert "Their accounts are being closed: CRM." in sent.body
    assert told(ann) == [TOLD]
    receipt = Receipt.objects.get()
    assert TOLD in [step.words for step in steps_of(receipt)]
    assert TOLD in [moment.words for moment in timeline.of_user(ann).moments]
    directory = Account.objects.get().directory
    run(directory)
    book.settle()
    Account.objects.update(state="active")  # somebody over there enabled it
    services.provision_many([ann.pk], "nightly")
    assert Receipt.objects.count() == 2
    leavers.look()
    assert len(mail.outbox) == 1, "told again, though it is the same leaving"
    run(directory)
    services.set_active([ann.pk], True, "admin")
    run(directory)
    leavers.look()
    leave(ann)
    assert len(mail.outbox) == 2
    assert told(ann) == [TOLD, TOLD]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_active": False}, "Boss is not told that Ann Lee (ann) leaves: inactive, too."),
        ({"email": ""}, "Boss is not told that Ann Lee (ann) leaves: there is no e-mail address."),
        ({}, "No manager is told that Ann Lee (ann) leaves: theirs was deleted."),
        (None, "No manager is told that Ann Lee (ann) leaves: there is none."),
    ],
)
def test_why_no_manager_is_told_is_said(boss: User, change: dict[str, object] | None, words: str) -> None:
    ann = employed(None if change is None else boss)
    services.set_active([ann.pk], False, "admin")
    if change:
        User.objects.filter(pk=boss.pk).update(**change)
    elif change is not None:
        boss.delete()
    leavers.look()
    leavers.look()
    assert told(ann) == [words]
    assert mail.outbox == []


@pytest.mark.heavy
def test_nobody_is_told_while_it_is_off_without_a_server_or_of_a_merge(boss: User, settings: Settings) -> None:
    settings.EMAIL_HOST = ""
    ann = employed(boss)
    leave(ann)
    assert told(ann) == ["Boss is not told that Ann Lee (ann) leaves: the portal has no mail server."]
    settings.EMAIL_HOST = "mail.example.org"
    leavers.switch("admin", on=False)
    for name in ("bob", "cid"):
        User.objects.create(username=name, manager=boss)
    run(Account.objects.first().directory)  # type: ignore[union-attr]
    leave(User.objects.get(username="bob"))
    leavers.switch("admin", on=True)  # who left before stays unsaid
    leavers.look()
    Account.objects.filter(key="bob").delete()
    services.merge_by_plan(User.objects.get(username="cid"), User.objects.create(username="cid2"), "admin")
    leavers.look()
    assert mail.outbox == []
    assert LeaverMail.objects.count() == 1


def test_a_mail_that_is_not_taken_is_sent_later(boss: User, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = employed(boss)
    monkeypatch.setattr(leavers, "taken", lambda message: False)
    leave(ann)
    assert told(ann) == []
    monkeypatch.undo()
    leavers.look()
    assert mail.outbox == [], "tried again at once"
    LeaverMail.objects.update(due_at="2026-01-01T00:00Z")
    leavers.look()
    assert (len(mail.outbox), told(ann)) == (1, [TOLD])


@pytest.mark.heavy
def test_it_is_switched_on_the_page_of_notices(client: Client, db: None) -> None:
    address = "/notices/notice/choices/"
    client.force_login(person("desk", HELPDESK))
    assert b"Mails to managers" not in client.get(address).content
    assert client.post(address, {"managers": "on"}).status_code == 403
    client.force_login(person("it", IT_STAFF))
    assert b"their manager gets no mail" in client.get(address).content
    for value in ("on", "off"):
        client.post(address, {"managers": value})
        assert ManagerMails.objects.get().on is (value == "on")
    assert Event.objects.filter(message="it switched mails to the managers of leavers on.").count() == 1
