"""Tokens of the REST API: what they may, when they end, and the page on which they are made."""

import datetime as dt
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group as Role
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from config.signin import again
from provisioning import services
from provisioning.models import User
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF
from provisioning.tokens import issuing
from provisioning.tokens.models import ApiToken
from reports.models import Event, Evidence
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import EVERYTHING, Program, of_service, personal

pytestmark = pytest.mark.django_db
MAKE = "/tokens/apitoken/make/"


def made(client: Client, **fields: str) -> Any:
    return client.post(MAKE, {"name": "sync", "days": "90", "users": "read", **fields})


# --- What a token may ------------------------------------------------------------------------------------------------


def test_a_personal_token_has_no_more_rights_than_its_owner(staff: User) -> None:
    token = personal(roll.staff(HELPDESK, "hilda"))
    assert token.get("users").status_code == 200
    refused = token.ask("POST", "users", {"username": "new"})
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    assert not User.objects.filter(username="new").exists()


def test_a_personal_token_loses_what_its_owner_loses(staff: User, program: Program) -> None:
    assert program.get("users").status_code == 200
    staff.groups.clear()
    assert program.get("users").status_code == 403
    staff.groups.add(Role.objects.get(name=IT_STAFF))
    User.objects.filter(pk=staff.pk).update(is_active=False)
    assert program.get("users").status_code == 403
    User.objects.filter(pk=staff.pk).update(is_active=True, is_staff=False)
    assert program.get("users").status_code == 403
    staff.delete()
    assert program.get("users").status_code == 401


def test_a_service_token_has_the_rights_of_its_role(db: None) -> None:
    auditor = of_service(AUDITOR)
    assert auditor.get("evidence").status_code == 200
    assert auditor.ask("POST", "users", {"username": "new"}).status_code == 403
    worker = of_service(IT_STAFF)
    assert worker.ask("POST", "users", {"username": "new"}).status_code == 201
    assert worker.get("evidence").status_code == 403
    Role.objects.get(name=IT_STAFF).permissions.clear()
    assert worker.get("users").status_code == 403


def test_a_service_token_may_no_more_than_who_answers_for_it(db: None) -> None:
    worker = of_service(IT_STAFF)
    maker = User.objects.get(username="root")
    assert worker.get("directories").status_code == 200
    User.objects.filter(pk=maker.pk).update(is_superuser=False)
    assert worker.get("users").status_code == 403
    maker.groups.add(Role.objects.get(name=HELPDESK))
    assert worker.get("users").status_code == 200
    assert worker.get("directories").status_code == 403
    assert worker.ask("POST", "users", {"username": "new"}).status_code == 403
    for gone in ({"is_active": False}, {"is_active": True, "is_staff": False}):
        User.objects.filter(pk=maker.pk).update(**gone)
        left = worker.get("users")
        assert (left.status_code, "root, who answered for this token, has left" in left.json()["detail"]) == (401, True)
    User.objects.filter(pk=maker.pk).delete()
    assert worker.get("users").status_code == 401


def test_who_made_a_service_token_is_told_by_the_name_that_they_have_now(db: None) -> None:
    worker = of_service(IT_STAFF)
    root = User.objects.get(username="root")
    services.rename_and_save(root, "chief", "root")
    assert worker.ask("POST", "users", {"username": "new"}).status_code == 201
    assert Event.objects.filter(actor="chief, by service token HR sync").exists()
    assert "chief answers for it" in roll.words(roll.signed_in(User.objects.get(pk=root.pk)).get("/tokens/apitoken/"))
    User.objects.filter(pk=root.pk).update(is_active=False)
    assert "chief, who answered for this token, has left" in worker.get("users").json()["detail"]


def test_who_made_a_token_before_this_was_kept_answers_for_it(db: None) -> None:
    worker = of_service(IT_STAFF)
    ApiToken.objects.update(maker=None)
    assert worker.get("users").status_code == 401
    import_module("provisioning.tokens.migrations.0002_who_answers").fill(apps, None)
    assert worker.get("users").status_code == 200


def test_a_superuser_answers_for_a_token_whose_maker_left(db: None) -> None:
    worker = of_service(IT_STAFF)
    token = ApiToken.objects.get()
    address = f"/tokens/apitoken/{token.pk}/take-over/"
    boss = roll.signed_in(roll.staff("", "boss"))
    assert "root answers for HR sync." in roll.words(boss.post(address, follow=True))
    assert "is safer" not in roll.words(boss.get("/tokens/apitoken/"))
    token.refresh_from_db()
    assert token.created_by == "root"
    User.objects.filter(username="root").update(is_active=False)
    page = roll.words(boss.get("/tokens/apitoken/"))
    assert "nobody answers for it, since root left" in page
    assert address in page
    assert "Whoever left may know the secret" in page
    assert roll.signed_in(roll.staff(IT_STAFF)).post(address).status_code == 403
    assert worker.get("users").status_code == 401
    assert "You answer for HR sync" in roll.words(boss.post(address, follow=True))
    assert worker.get("users").status_code == 200
    assert worker.ask("POST", "users", {"username": "new"}).status_code == 201
    assert Event.objects.filter(message__startswith="boss answers for the API token HR sync").exists()
    assert Event.objects.filter(actor="boss, by service token HR sync").exists()
    personal_one = ApiToken.objects.create(
        name="mine", owner=User.objects.get(username="boss"), digest="x", expires_at=timezone.now()
    )
    assert boss.post(f"/tokens/apitoken/{personal_one.pk}/take-over/").status_code == 404


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [({"users": "read"}, 200, 403), ({"users": "write"}, 200, 201), ({"groups": "write"}, 403, 403), ({}, 403, 403)],
)
def test_a_token_may_only_what_its_scopes_say(staff: User, scopes: Any, reads: int, writes: int) -> None:
    token = personal(staff, scopes)
    assert token.get("users").status_code == reads
    answer = token.ask("POST", "users", {"username": "new"})
    assert answer.status_code == writes
    if writes == 403:
        assert "users: write" in answer.json()["detail"]


def test_to_write_users_is_not_to_set_passwords(staff: User) -> None:
    roll.person("anna")
    refused = personal(staff, {"users": "write"}).ask("POST", "users/anna/password", {"password": "correct-horse-9"})
    assert (refused.status_code, "passwords: write" in refused.json()["detail"]) == (403, True)
    allowed = personal(staff, {"passwords": "write"}).ask(
        "POST", "users/anna/password", {"password": "correct-horse-9"}
    )
    assert allowed.status_code == 409  # no directory takes passwords here


def test_a_token_ends_is_revoked_and_is_not_guessed(staff: User, program: Program) -> None:
    token = ApiToken.objects.get()
    ApiToken.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    ended = program.get("users")
    assert (ended.status_code, ended["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    ApiToken.objects.update(expires_at=timezone.now() + dt.timedelta(days=1))
    assert program.get("users").status_code == 200
    assert issuing.revoke(token, "ida")
    assert not issuing.revoke(token, "ida")
    assert program.get("users").status_code == 401
    assert Program(f"{program.secret}x").get("users").status_code == 401
    assert Client().get("/api/v1/users").status_code == 401


def test_only_the_digest_of_a_token_is_kept_and_its_use_is_noted(staff: User, program: Program) -> None:
    token = ApiToken.objects.get()
    assert program.secret not in str(vars(token))
    assert token.used_at is None
    program.get("users")
    token.refresh_from_db()
    assert token.used_at is not None


def test_a_token_is_of_a_person_or_of_a_role_and_not_of_both(staff: User, program: Program) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiToken.objects.update(role=Role.objects.get(name=HELPDESK))


# --- The page --------------------------------------------------------------------------------------------------------


def test_the_page_makes_a_token_and_shows_it_once(staff: User) -> None:
    client = roll.signed_in(staff)
    page = made(client, groups="write")
    secret = page.context["secret"]
    assert secret in roll.words(page)
    assert secret not in roll.words(client.get("/tokens/apitoken/"))
    token = ApiToken.objects.get()
    assert (token.owner, token.scopes) == (staff, {"users": "read", "groups": "write"})
    assert Program(secret).get("users").status_code == 200
    line = Event.objects.get(message__startswith="ida made the API token sync")
    assert secret not in line.message
    assert Evidence.objects.filter(payload__subject=f"API token {token.pk}").count() == 1


def test_making_a_token_asks_for_a_recent_proof(staff: User) -> None:
    client = roll.signed_in(staff)
    session = client.session
    session[again.KEPT] = [staff.pk, 0.0]
    session.save()
    assert made(client)["Location"].startswith("/login/again/")
    assert not ApiToken.objects.exists()


@pytest.mark.heavy
def test_a_token_for_nothing_or_for_ever_is_refused(staff: User) -> None:
    client = roll.signed_in(staff)
    for wrong in ({"users": ""}, {"days": "9999"}, {"days": ""}, {"users": "everything"}, {"report": "write"}):
        assert "secret" not in made(client, **wrong).context
    assert not ApiToken.objects.exists()


def test_only_superusers_make_tokens_of_services(staff: User) -> None:
    role = Role.objects.get(name=HELPDESK)
    page = made(roll.signed_in(staff), role=str(role.pk))
    assert ApiToken.objects.get().owner == staff, roll.words(page)
    made(roll.root(), role=str(role.pk), name="HR sync")
    assert ApiToken.objects.get(name="HR sync").role == role


@pytest.mark.heavy
def test_everybody_sees_and_revokes_their_own_and_superusers_all(staff: User, program: Program) -> None:
    token = ApiToken.objects.get()
    revoke = f"/tokens/apitoken/{token.pk}/revoke/"
    other = roll.signed_in(roll.staff(IT_STAFF, "ivo"))
    assert [row["token"] for row in other.get("/tokens/apitoken/").context["rows"]] == []
    assert other.post(revoke).status_code == 404
    auditor = roll.signed_in(roll.staff(AUDITOR))
    [row] = auditor.get("/tokens/apitoken/").context["rows"]
    assert (row["token"], row["revocable"]) == (token, False)
    assert auditor.post(revoke).status_code == 403
    assert roll.signed_in(staff).post(revoke, follow=True).status_code == 200
    assert program.get("users").status_code == 401
    personal(staff, EVERYTHING, "second")
    second = ApiToken.objects.get(name="second")
    roll.root().post(f"/tokens/apitoken/{second.pk}/revoke/")
    second.refresh_from_db()
    assert second.revoked_by == "root"
