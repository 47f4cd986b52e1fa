"""Invitations, and links for those who forgot their password: who gets one, what is told, and what nobody learns."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from config import link_mails
from config.signin.models import LinkMail, SignInSettings
from provisioning.models import User
from reports.models import Event
from tests.config.signin.conftest import HERE, sign_in
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
FORGOTTEN = "/login/forgotten/"
NEW = {"new_password1": "battery-staple-7", "new_password2": "battery-staple-7"}


@pytest.fixture(autouse=True)
def mails(settings: Any, db: None) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    settings.PORTAL_URL = "https://portal.example.org"
    SignInSettings.objects.create(pk=1, self_service=True)


def ask(name: str) -> Any:
    return Client().post(FORGOTTEN, {"name": name}, REMOTE_ADDR=HERE, headers={"Host": "localhost"})


def link() -> str:
    found = re.search(r"https://portal\.example\.org(/welcome/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


@pytest.mark.parametrize("name", ["anna", "ANNA ", "anna@example.org"])
def test_whoever_forgot_a_password_chooses_another_one(name: str) -> None:
    anna = User.objects.create_user("anna", email="Anna@example.org", display_name="Anna Berg")
    ask(name)
    assert not mail.outbox
    assert link_mails.send_due() == 1
    assert mail.outbox[0].to == ["Anna@example.org"]
    assert "Your user name is anna." in str(mail.outbox[0].body)
    told = Event.objects.get(operation="password")
    assert (
        told.message == f"A one-time link goes to the e-mail address of Anna Berg (anna): it was asked for from {HERE}."
    )
    assert told.user_id == anna.pk
    client = Client()
    page = client.get(link(), follow=True)
    assert client.post(page.redirect_chain[-1][0], NEW)["Location"] == "/login/"
    assert sign_in("anna", "battery-staple-7")["Location"] == "/my/"
    assert "used already" in Client().get(link(), follow=True).content.decode()
    assert link_mails.send_due() == 0


def test_nobody_learns_who_there_is(django_assert_num_queries: Any) -> None:
    User.objects.create_user("anna", email="anna@example.org")
    first = ask("anna").content
    for name in ("nobody", "anna"):
        with django_assert_num_queries(11):
            page = ask(name)
        assert page.status_code == 200
        shown = [re.sub(rb'name="csrfmiddlewaretoken" value="\w+"', b"", text) for text in (page.content, first)]
        assert shown[0] == shown[1]
    User.objects.create_user("gone", email="gone@example.org", is_active=False)
    User.objects.create_user("mute")
    for name in ("gone", "mute"):
        ask(name)
    link_mails.send_due()
    assert {tuple(sent.to) for sent in mail.outbox} == {("anna@example.org",)}
    assert not LinkMail.objects.exists()


@pytest.mark.heavy
def test_a_mailbox_is_not_filled_and_an_address_asks_only_so_often() -> None:
    User.objects.create_user("anna", email="anna@example.org")
    for _ in range(10):
        assert "on its way" in ask("anna").content.decode()
    link_mails.send_due()
    assert len(mail.outbox) == 3
    assert "Too many links were asked for. Try again in 15 minutes." in ask("bob").content.decode()


def test_a_mail_server_that_is_away_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.create_user("anna", email="anna@example.org")
    ask("anna")

    def away(*_: Any, **__: Any) -> int:
        raise ConnectionRefusedError

    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", away)
        assert link_mails.send_due() == 0
    assert link_mails.send_due() == 0
    LinkMail.objects.update(due_at=timezone.now())
    assert link_mails.send_due() == 1


def test_without_a_mail_server_there_is_no_such_page(settings: Any) -> None:
    settings.EMAIL_HOST = ""
    assert Client().get(FORGOTTEN).status_code == 404
    assert "Forgot" not in Client().get("/login/").content.decode()


def test_people_are_invited_from_the_list() -> None:
    people = [roll.person("anna", email="anna@example.org"), roll.person("bob"), roll.person("cleo", email="c@x.org")]
    User.objects.filter(username="cleo").update(is_active=False)
    client = roll.it_staff()
    chosen = {"action": "invite", "_selected_action": [person.pk for person in people]}
    said = roll.words(client.post("/provisioning/user/", chosen, follow=True))
    assert "Invited: 1." in said
    assert "Left out: 2" in said
    assert link_mails.send_due() == 1
    assert mail.outbox[0].subject == "[Rollcall] Your account"
    assert Event.objects.get(operation="password").message.startswith("it.staff invited anna")


@pytest.mark.parametrize(
    ("mail_server", "on", "expected"), [("", True, "no mail server"), ("m", False, "Switch that on")]
)
def test_invitations_need_a_mail_server_and_self_service(
    settings: Any, mail_server: str, on: bool, expected: str
) -> None:
    settings.EMAIL_HOST = mail_server
    SignInSettings.objects.update(self_service=on)
    anna = roll.person("anna", email="anna@example.org")
    chosen = {"action": "invite", "_selected_action": [anna.pk]}
    assert expected in roll.words(roll.it_staff().post("/provisioning/user/", chosen, follow=True))
    assert not LinkMail.objects.exists()
