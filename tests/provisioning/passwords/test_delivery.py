"""Passwords on their way to directories: set, delivered, refused, too late; on a directory in memory that can fail."""

import datetime as dt
import logging
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from directories.connectors.base import Capability, ConnectorError, Unavailable
from directories.models import Directory
from provisioning import services, tasks
from provisioning.models import Account, Change, PendingPassword, User
from provisioning.outbound.accounts import delivery, outbox
from provisioning.outbound.passwords import pending
from provisioning.outbound.passwords import send as passwords
from reports.models import Event
from tests.provisioning.crew import Crew, Crews, save_crew_directory

pytestmark = pytest.mark.django_db
CLEAR = "Zebra-walks-81"
OTHER = "Otter-swims-42"
POLICY = ConnectorError("The directory's policy refuses the password: too short", code="password_policy")


def directory(name: str = "CREW", **features: Any) -> Directory:
    return save_crew_directory(name, **{"set_passwords": True, **features})


def run(target: Directory) -> None:
    delivery.deliver(target.pk, outbox.LEASES.due(target.pk, 10_000))


def anna(target: Directory) -> User:
    """A user whose account is there already."""
    user = User.objects.create(username="anna", first_name="Anna")
    run(target)
    return user


def refusing(crew: Crew, error: Exception) -> None:
    def fail(call: str, key: str) -> None:
        if call == "set_password":
            raise error

    crew.fail = fail


def lines(**filters: Any) -> list[tuple[str, str]]:
    found = Event.objects.filter(operation="password", **filters).order_by("pk")
    return list(found.values_list("result", "message"))


def test_a_password_reaches_the_account_that_is_there_without_anything_else_being_done(crews: Crews) -> None:
    target = directory()
    user = anna(target)
    crews["CREW"].calls.clear()
    assert services.set_password(user, CLEAR, "helpdesk") == ["CREW"]
    run(target)
    assert crews["CREW"].calls == [("set_password", "anna")]
    assert crews["CREW"].passwords["anna"] == CLEAR
    assert not PendingPassword.objects.exists()
    assert not Change.objects.exists()
    account = Account.objects.get(user=user)
    assert account.password_set_at is not None
    assert (account.state, account.last_result) == ("active", "ok")
    assert lines() == [
        ("success", "A new password of anna is on its way to CREW."),
        ("success", "The password of anna was set in CREW."),
    ]
    assert set(Event.objects.filter(operation="password").values_list("actor", flat=True)) == {"helpdesk"}
    user.refresh_from_db()
    assert user.password == ""  # the portal's own password is another one


def test_an_account_that_is_created_now_gets_it_as_its_first_password(crews: Crews) -> None:
    target = directory()
    user = User.objects.create(username="anna")
    services.set_password(user, CLEAR, "helpdesk")
    run(target)
    assert crews["CREW"].done("create", "set_password") == [("create", "anna")]
    assert crews["CREW"].passwords == {"anna": CLEAR}
    assert not PendingPassword.objects.exists()
    assert lines(direction="out") == [("success", "The password of anna was set in CREW.")]


@pytest.mark.heavy
def test_it_is_stored_in_the_form_that_the_directory_wants(crews: Crews) -> None:
    target = directory(password_storage="bcrypt")
    services.set_password(anna(target), CLEAR, "")
    run(target)
    stored = crews["CREW"].passwords["anna"]
    assert stored is not None
    assert stored.startswith("$2b$")


@pytest.mark.parametrize("off", ["feature", "capability"])
def test_a_directory_that_takes_no_passwords_gets_none(crews: Crews, off: str) -> None:
    target = directory(set_passwords=off != "feature")
    user = anna(target)
    if off == "capability":
        crews["CREW"].capabilities = frozenset(Capability) - {Capability.SET_PASSWORD}
    assert services.set_password(user, CLEAR, "") == []
    assert not PendingPassword.objects.exists()


def test_switched_off_meanwhile_it_waits_and_is_not_sent(crews: Crews) -> None:
    target = directory()
    user = anna(target)
    services.set_password(user, CLEAR, "")
    target.provisioning.set_passwords = False
    target.provisioning.save()
    run(target)
    assert crews["CREW"].done("set_password") == []
    assert PendingPassword.objects.count() == 1


def test_an_account_that_is_there_but_unknown_is_found_for_its_password(crews: Crews) -> None:
    target = directory(update_users=False)
    crews["CREW"].rows["anna"] = {"FIRSTNAME": "Anna"}
    user = User.objects.create(username="anna", first_name="Anna")
    Account.objects.filter(user=user).delete()
    target.provisioning.create_users = True
    services.set_password(user, CLEAR, "")
    run(target)
    assert crews["CREW"].passwords == {"anna": CLEAR}
    assert Account.objects.get(user=user).state == "active"


@pytest.mark.heavy
def test_a_refused_password_parks_in_the_policys_words_and_is_not_offered_again_by_itself(crews: Crews) -> None:
    target = directory()
    user = anna(target)
    refusing(crews["CREW"], POLICY)
    services.set_password(user, CLEAR, "helpdesk")
    run(target)
    words = "The directory's policy refuses the password: too short. Set another password for anna."
    change = Change.objects.get()
    assert (change.parked_code, change.parked_message) == ("password_policy", words)
    assert lines(direction="out") == [("failed", f"The password of anna was not set in CREW: {words}")]
    user.first_name = "Anne"
    user.save()
    run(target)
    assert crews["CREW"].rows["anna"]["FIRSTNAME"] == "Anne"  # a refused password holds nothing else up
    assert len(crews["CREW"].done("set_password")) == 1
    assert Change.objects.get().parked_code == "password_policy"
    assert len(lines(direction="out")) == 1
    crews["CREW"].fail = lambda call, key: None
    services.retry(Change.objects.all(), "helpdesk")
    run(target)
    assert crews["CREW"].passwords["anna"] == CLEAR
    assert not Change.objects.exists()


@pytest.mark.heavy
def test_a_refused_first_password_leaves_no_account_and_another_one_makes_it(crews: Crews) -> None:
    target = directory()

    def fail(call: str, key: str) -> None:
        if call == "create":
            raise POLICY

    crews["CREW"].fail = fail
    user = User.objects.create(username="anna")
    services.set_password(user, CLEAR, "")
    run(target)
    assert Change.objects.get().parked_code == "password_policy"
    assert "Set another password for anna." in Change.objects.get().parked_message
    services.provision(user, "again")
    run(target)
    assert len(crews["CREW"].done("create")) == 1  # not with some other password
    crews["CREW"].fail = lambda call, key: None
    services.set_password(user, OTHER, "")
    run(target)
    assert crews["CREW"].passwords == {"anna": OTHER}
    assert not Change.objects.exists()


def test_a_directory_that_is_away_gets_it_later(crews: Crews) -> None:
    target = directory()
    user = anna(target)
    refusing(crews["CREW"], Unavailable("Away.", whole_directory=False))
    services.set_password(user, CLEAR, "")
    run(target)
    assert PendingPassword.objects.count() == 1
    assert Account.objects.get().last_result == "waiting"
    crews["CREW"].fail = lambda call, key: None
    Account.objects.update(not_before=timezone.now())
    run(target)
    assert crews["CREW"].passwords["anna"] == CLEAR


def test_a_newer_password_that_came_meanwhile_is_not_forgotten(crews: Crews) -> None:
    target = directory()
    user = anna(target)
    services.set_password(user, CLEAR, "")

    def newer(call: str, key: str) -> None:
        if call == "set_password" and not crews["CREW"].passwords.get("seen"):
            crews["CREW"].passwords["seen"] = "yes"
            services.set_password(user, OTHER, "")

    crews["CREW"].fail = newer
    run(target)
    assert PendingPassword.objects.get().secret == OTHER
    run(target)
    assert crews["CREW"].passwords["anna"] == OTHER
    assert not PendingPassword.objects.exists()


@pytest.mark.heavy
def test_after_a_day_it_is_forgotten_and_the_report_says_so(crews: Crews) -> None:
    target = directory()
    user = anna(target)
    refusing(crews["CREW"], POLICY)
    services.set_password(user, CLEAR, "helpdesk")
    run(target)
    PendingPassword.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert pending.read([Account.objects.get().pk]) == {}
    tasks.sweep()
    assert not PendingPassword.objects.exists()
    assert "did not reach CREW within 24 hours" in lines()[-1][1]
    run(target)
    assert not Change.objects.exists()  # nothing is left to do


@pytest.mark.heavy
def test_many_users_take_few_queries(crews: Crews, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    target = directory()
    users = User.objects.bulk_create([User(username=f"user{n}") for n in range(300)])
    with django_assert_max_num_queries(25):
        services.set_passwords({user.pk: f"{CLEAR}{n}" for n, user in enumerate(users)}, "file")
    assert PendingPassword.objects.count() == 300
    run(target)
    assert {crews["CREW"].passwords[f"user{n}"] for n in range(300)} == {f"{CLEAR}{n}" for n in range(300)}
    assert not PendingPassword.objects.exists()


def test_the_clear_password_is_nowhere_but_encrypted(
    crews: Crews, caplog: pytest.LogCaptureFixture, sent_tasks: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    target = directory()
    user = anna(target)
    refusing(crews["CREW"], RuntimeError(CLEAR))
    services.set_password(user, CLEAR, "helpdesk")
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM provisioning_pendingpassword")
        assert CLEAR not in cursor.fetchone()[0]
    assert CLEAR not in repr(pending.read([Account.objects.get().pk]))
    run(target)
    assert Change.objects.get().parked_code == "internal"
    everything = [caplog.text, str(sent_tasks)]
    everything += [str(list(model.objects.values())) for model in (Event, Change, Account)]
    assert not any(CLEAR in text for text in everything)


def test_reencrypt_covers_it(crews: Crews, settings: Any) -> None:
    target = directory()
    services.set_password(anna(target), CLEAR, "")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ENCRYPTION_KEYS]
    call_command("reencrypt", stdout=StringIO())
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    assert PendingPassword.objects.get().secret == CLEAR
    assert passwords.takers() == {target.pk: "CREW"}


@pytest.mark.heavy
def test_the_password_of_a_deleted_user_is_forgotten_and_never_reaches_whoever_gets_the_name(crews: Crews) -> None:
    target = directory()
    user = anna(target)
    Directory.objects.update(enabled=False)
    services.set_password(user, CLEAR, "helpdesk")
    services.delete_users([user.pk], "helpdesk")
    assert not PendingPassword.objects.exists()
    User.objects.create(username="anna", first_name="Another")
    Directory.objects.update(enabled=True)
    run(target)
    assert "set_password" not in [call for call, _ in crews["CREW"].calls]
    assert crews["CREW"].passwords["anna"] != CLEAR
