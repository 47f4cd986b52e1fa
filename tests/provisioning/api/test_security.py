"""The API with the eyes of somebody who means ill: what is not theirs, what is too large, and what was not offered."""

from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.test import Client

from directories import config
from directories.config import open_connector
from directories.connectors.base import ConnectorError
from directories.models import Directory
from provisioning.models import User
from provisioning.roles import HELPDESK, IT_STAFF
from provisioning.tokens.models import ApiToken, RepeatAnswer
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import Program, personal
from tests.provisioning.api.test_configuration import APPSDB, SECRET, add
from tests.provisioning.api.test_rights import operations
from tests.provisioning.api.test_rules import SECRET as SIGNING
from tests.provisioning.api.test_rules import receiver

pytestmark = pytest.mark.django_db
NOT_YOURS = {
    "is_superuser": True,
    "is_staff": True,
    "password": "x",
    "groups": [1],
    "user_permissions": [1],
    "scim_id": "00000000-0000-0000-0000-000000000000",
    "id": 1,
    "created_at": "2020-01-01T00:00:00Z",
}


def test_nobody_gives_rights_or_numbers_by_fields_that_were_not_offered(program: Program) -> None:
    role = Role.objects.get(name=IT_STAFF)
    made = program.ask("POST", "users", {"username": "mallory", **NOT_YOURS, "groups": [role.pk]})
    user = User.objects.get(username="mallory")
    assert made.status_code == 201
    program.ask("PATCH", f"users/{user.pk}", NOT_YOURS)
    user.refresh_from_db()
    assert (user.is_superuser, user.is_staff, user.groups.count(), user.has_usable_password()) == (
        False,
        False,
        0,
        False,
    )
    assert (str(user.scim_id) == NOT_YOURS["scim_id"], user.pk == 1, user.created_at.year > 2020) == (
        False,
        False,
        True,
    )
    directory = add(program, id=1, created_at="2020-01-01T00:00:00Z", quarantined=True, last_error="x").json()
    held = Directory.objects.get(pk=directory["id"])
    assert (held.created_at.year > 2020, held.quarantined, held.last_error) == (True, False, "")


@pytest.mark.parametrize(
    "name", ["secrets", "secrets.password", "secrets__password", "fixed_password", "provisioning.fixed_password"]
)
def test_no_filter_asks_for_a_secret_of_a_directory(program: Program, name: str) -> None:
    add(program)
    for address in ("directories", "provisioning-settings"):
        answer = program.get(f"{address}?filter={name}+sw+%22p%22")
        assert answer.status_code == 400, answer.content
        assert SECRET not in answer.content.decode()


@pytest.mark.parametrize("name", ["url", "secret", "token", "secrets", "password", "digest"])
def test_no_filter_asks_for_a_secret_of_a_receiver_or_a_user(program: Program, name: str) -> None:
    receiver(program, secret=SIGNING)
    for address in ("subscriptions", "users"):
        assert program.get(f"{address}?filter={name}+pr").status_code == 400


def test_an_answer_is_replayed_to_nobody_else(staff: User, program: Program) -> None:
    body = {"username": "anna"}
    first = program.ask("POST", "users", body, Idempotency_Key="1")
    assert first.status_code == 201
    second = personal(staff, name="other")
    assert (
        second.ask("POST", "users", body, Idempotency_Key="1").status_code == 400
    )  # the name is taken: it was asked anew
    helpdesk = personal(roll.staff(HELPDESK, "hilda"))
    assert helpdesk.ask("POST", "users", body, Idempotency_Key="1").status_code == 403
    ApiToken.objects.filter(owner=staff).update(scopes={"users": "read"})
    assert program.ask("POST", "users", body, Idempotency_Key="1").status_code == 403
    assert program.ask("POST", "directories", body, Idempotency_Key="1").status_code == 403


def test_what_is_kept_to_be_replayed_holds_no_secret(program: Program) -> None:
    made = program.ask("POST", "directories", APPSDB, Idempotency_Key="1")
    address = f"directories/{made.json()['id']}"
    moved = {"secrets": {"password": "an0ther-secret"}}
    program.ask("PATCH", address, moved, If_Match="*", Idempotency_Key="2")
    program.ask(
        "POST", f"subscriptions/{receiver(program, secret=SIGNING).json()['id']}/rotate", {}, Idempotency_Key="3"
    )
    kept = str(list(RepeatAnswer.objects.values()))
    assert RepeatAnswer.objects.count() == 3
    for secret in (SECRET, "an0ther-secret", SIGNING, "whsec_"):
        assert secret not in kept


def test_the_same_key_with_another_version_is_another_request(program: Program) -> None:
    made = add(program)
    address = f"directories/{made.json()['id']}"
    first = program.ask("PATCH", address, {"description": "a"}, If_Match=made["ETag"], Idempotency_Key="1")
    assert first.status_code == 200
    again = program.ask("PATCH", address, {"description": "a"}, If_Match=made["ETag"], Idempotency_Key="1")
    assert (again.status_code, again["Idempotency-Replayed"], again["ETag"]) == (200, "true", first["ETag"])
    other = program.ask("PATCH", address, {"description": "b"}, If_Match="*", Idempotency_Key="1")
    assert other.status_code == 422


def test_what_goes_on_in_the_background_is_shown_to_those_who_may_see_it(program: Program) -> None:
    directory = roll.directory(import_users=True)
    started = program.ask("POST", "runs", {"directory": directory.pk}, Prefer="respond-async")
    assert started.status_code == 202
    assert personal(roll.staff(HELPDESK, "hilda")).get(started["Location"]).status_code == 403
    assert Client().get(started["Location"]).status_code == 401


@pytest.mark.parametrize("size", [1024 * 1024 + 1])
def test_a_body_that_is_too_large_is_refused_by_every_writing(program: Program, size: int, uncounted: None) -> None:
    for method, route, _ in operations():
        if method in ("post", "patch"):
            address = f"/api/v1/{route.replace('<int:pk>', '1')}"
            send = getattr(program.client, method)
            headers = {"Authorization": f"Bearer {program.secret}"}
            answer = send(address, b" " * size, content_type="application/json", headers=headers)
            assert answer.status_code == 413, route


def test_a_session_writes_with_the_token_of_its_pages_alone(staff: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff)
    for address, body in (("directories", APPSDB), ("attribute-definitions", {"name": "x", "label": "X"})):
        answer: Any = client.post(f"/api/v1/{address}", body, content_type="application/json")
        assert answer.status_code == 403
    assert not Directory.objects.exists()


def test_what_is_added_here_opens_no_address_in_the_machines_own_network(program: Program) -> None:
    body = {
        "name": "SaaS",
        "kind": "scim",
        "settings": {"url": "https://169.254.169.254/scim/v2", "auth": "bearer"},
        "secrets": {"secret": "x"},
    }
    made = program.ask("POST", "directories", body)
    assert made.status_code == 201, made.json()
    connector = open_connector(config.load(made.json()["id"]))
    with pytest.raises(ConnectorError, match="a network that the portal does not open"), connector:
        next(iter(connector.accounts(10)))
