"""Rules and receivers of events through the API: drafts, publishing through the guard, secrets that nobody reads."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning.events.models import Subscription
from provisioning.events.rotation import secrets_of
from provisioning.models import Group, ImportRun, Membership, User
from provisioning.models.imports import RunStatus
from provisioning.roles import HELPDESK
from provisioning.rules.models import BusinessRule, Entitlement, Evaluation
from reports.models import Event, Evidence
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import Program, personal
from tests.provisioning.api.test_configuration import change, errors

pytestmark = pytest.mark.django_db
CARE = 'user.department eq "Care"'
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()


def rule(program: Program, **fields: Any) -> Any:
    answer = program.ask("POST", "rules", {"name": "Nurses", "condition": CARE, **fields})
    assert answer.status_code == 201, answer.json()
    return answer


def publish(program: Program, address: str, body: Any, version: str = "*", **headers: str) -> Any:
    return program.ask("POST", f"{address}/publish", body, If_Match=version, **headers)


# --- Rules -----------------------------------------------------------------------------------------------------------


def test_a_rule_is_a_draft_until_it_is_published(program: Program) -> None:
    directory, group = roll.directory(), Group.objects.create(name="Ward")
    made = rule(program, directories=[directory.pk], groups=[group.pk], values={"profile.title": "Nurse"})
    shown = made.json()
    assert (shown["published"], shown["condition"], shown["position"]) == (False, CARE, 100)
    assert (shown["directories"], shown["groups"]) == ([directory.pk], [group.pk])
    assert shown["values"] == {"profile.title": "Nurse"}
    address = f"rules/{shown['id']}"
    changed = change(program, address, {"values": {"profile.title": None}, "groups": [], "position": 7}, made["ETag"])
    assert (changed.json()["values"], changed.json()["groups"], changed.json()["position"]) == ({}, [], 7)
    assert not change(program, address, {"published": True}).json()["published"]
    unnamed = program.ask("POST", f"{address}/publish", {})
    assert (unnamed.status_code, publish(program, address, {}, made["ETag"]).status_code) == (428, 412)
    published = publish(program, address, {}, program.get(address)["ETag"])
    assert (published.status_code, published.json()["published"]) == (202, True)
    assert Evaluation.objects.get().due
    for version, status in (({}, 428), ({"If_Match": made["ETag"]}, 412)):
        assert program.ask("POST", f"{address}/take-back", {"keep": True}, **version).status_code == status
    taken = program.ask("POST", f"{address}/take-back", {"keep": True}, If_Match="*")
    assert (taken.status_code, taken.json()["published"]) == (202, False)
    said = list(Event.objects.filter(identifier="Nurses").order_by("pk").values_list("message", flat=True))
    assert [words.split(" the rule")[0].split()[-1] for words in said if " the rule" in words] == [
        *("added", "changed", "published", "took")
    ]
    assert program.ask("DELETE", f"{address}?keep=false", If_Match="*").status_code == 204
    assert not BusinessRule.objects.exists()


def test_what_is_sent_back_as_it_was_read_changes_no_rule(program: Program) -> None:
    made = rule(program, values={"profile.title": "Nurse"})
    before = Evidence.objects.count()
    same = change(program, f"rules/{made.json()['id']}", made.json(), made["ETag"])
    assert (same.status_code, same["ETag"]) == (200, made["ETag"])
    assert Evidence.objects.count() == before


def test_publishing_is_evaluated_at_once_and_taking_back_takes_away(
    program: Program, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    anna = roll.person("anna", department="Care")
    made = rule(program, values={"profile.title": "Nurse"}).json()
    for action, body, title in (("publish", {}, "Nurse"), ("take-back", {"keep": False}, "")):
        with django_capture_on_commit_callbacks(execute=True):
            done = program.ask("POST", f"rules/{made['id']}/{action}", body, Idempotency_Key=action, If_Match="*")
            assert done.status_code == 202
        assert User.objects.get(pk=anna.pk).title == title
    assert {run["actor"] for run in program.list("runs", 'door eq "rule"')} == {"ida, by token sync"}


def test_what_a_rule_would_do_waits_as_a_run_when_that_is_asked(
    program: Program, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    anna = roll.person("anna", department="Care")
    made = rule(program, values={"profile.title": "Nurse"}).json()
    with django_capture_on_commit_callbacks(execute=True):
        assert publish(program, f"rules/{made['id']}", {"preview": True}).status_code == 202
    [waiting] = program.list("runs", 'door eq "rule"')
    assert (waiting["status"], User.objects.get(pk=anna.pk).title) == ("planned", "")
    [planned] = program.list(f"runs/{waiting['id']}/changes")
    assert planned["user_id"] == anna.pk
    with django_capture_on_commit_callbacks(execute=True):
        approved = program.ask("POST", f"runs/{waiting['id']}/approve", {"plan_hash": waiting["plan_hash"]})
    assert approved.status_code == 202, approved.json()


def test_no_program_puts_anybody_into_a_privileged_group_by_a_rule_of_its_own(
    program: Program, staff: User, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    anna, admins = roll.person("anna", department="Care"), Group.objects.create(name="Admins", privileged=True)
    made = rule(program, groups=[admins.pk]).json()
    with django_capture_on_commit_callbacks(execute=True):
        assert publish(program, f"rules/{made['id']}", {}).status_code == 202
    [waiting] = program.list("runs", 'door eq "rule"')
    body = {"plan_hash": waiting["plan_hash"]}
    refused = program.ask("POST", f"runs/{waiting['id']}/approve", body)
    assert (refused.status_code, "privileged group" in refused.json()["detail"]) == (409, True)
    assert ImportRun.objects.get(pk=waiting["id"]).status == RunStatus.APPROVAL
    in_person = roll.signed_in(staff).post(f"/api/v1/runs/{waiting['id']}/approve", body, "application/json")
    assert in_person.status_code == 202, in_person.json()
    assert not Membership.objects.filter(user=anna).exists()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "Taken"}, ["name"]),
        ({"name": "x" * 151}, ["name"]),
        ({"condition": "user.nothing eq 1"}, ["condition"]),
        ({"condition": "(("}, ["condition"]),
        ({"directories": [999]}, ["directories", "0"]),
        ({"directories": "CRM"}, ["directories"]),
        ({"groups": [True]}, ["groups"]),
        ({"groups": [10**30]}, ["groups"]),
        ({"values": {"profile.username": "x"}}, ["values", "profile.username"]),
        ({"values": []}, ["values"]),
        ({"days_before": -1}, ["days_before"]),
        ({"position": "first"}, ["position"]),
        ({"by_request": True}, ["by_request"]),
    ],
)
def test_a_rule_that_cannot_be_is_refused_at_its_place(program: Program, body: Any, path: list[str]) -> None:
    rule(program, name="Taken")
    found = errors(change(program, f"rules/{rule(program).json()['id']}", body))
    for step in path:
        assert list(found) == [step], found
        found = found[step]


def test_removing_a_rule_says_what_becomes_of_what_it_gave(program: Program) -> None:
    made = rule(program).json()
    for wrong in ("", "?keep=", "?keep=perhaps"):
        assert "keep" in errors(program.ask("DELETE", f"rules/{made['id']}{wrong}", If_Match="*"))
    assert "keep" in errors(program.ask("POST", f"rules/{made['id']}/take-back", {}))
    assert BusinessRule.objects.exists()


def test_the_rule_of_a_product_is_no_rule_here(program: Program) -> None:
    held = BusinessRule.objects.create(name="Phone", by_request=True, published=True)
    assert program.list("rules") == []
    for method, address in (("GET", ""), ("PATCH", ""), ("DELETE", "?keep=true"), ("POST", "/publish")):
        body = {"keep": True} if method in ("PATCH", "POST") else None
        assert program.ask(method, f"rules/{held.pk}{address}", body, If_Match="*").status_code == 404


def test_a_list_of_rules_costs_the_same_however_many_there_are(program: Program) -> None:
    group, counts = Group.objects.create(name="Ward"), []
    for names in ("A", "BCDE"):
        for name in names:
            rule(program, name=name, groups=[group.pk])
        with CaptureQueriesContext(connection) as queries:
            assert len(program.list("rules")) == BusinessRule.objects.count()
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert Entitlement.objects.count() == 5


# --- Receivers of events ---------------------------------------------------------------------------------------------


def receiver(program: Program, **fields: Any) -> Any:
    body = {"name": "Audit", "url": "https://hooks.example.com/key-in-the-path", "kinds": ["user.created"]}
    answer = program.ask("POST", "subscriptions", {**body, **fields})
    assert answer.status_code == 201, answer.json()
    return answer


def test_a_receiver_is_added_and_its_secrets_are_never_sent(program: Program) -> None:
    made = receiver(program, secret=SECRET, token="t0ken-of-it", fields=["profile.email"])
    shown = made.json()
    assert (shown["address"], shown["secret"], shown["token"]) == ("https://hooks.example.com", True, True)
    assert (shown["fields"], "url" in shown) == (["profile.email"], False)
    held = Subscription.objects.get()
    assert (secrets_of(held)["secret"], held.url) == (SECRET, "https://hooks.example.com/key-in-the-path")
    sent = made.content + program.get("subscriptions").content + program.get(f"subscriptions/{held.pk}").content
    for secret in (SECRET, "t0ken-of-it", "key-in-the-path"):
        assert secret not in sent.decode()
    same = change(program, f"subscriptions/{held.pk}", shown, made["ETag"])
    assert (same.status_code, same["ETag"]) == (200, made["ETag"])


def test_another_secret_leaves_the_one_before_for_a_week(program: Program) -> None:
    made = receiver(program, secret=SECRET).json()
    address = f"subscriptions/{made['id']}"
    assert program.ask("POST", f"{address}/rotate", {"secret": OTHER}, Idempotency_Key="1").status_code == 200
    known = secrets_of(Subscription.objects.get())
    assert (known["secret"], list(known["previous"])) == (OTHER, [SECRET])
    rotated = program.ask("POST", f"{address}/rotate", {})
    fresh = secrets_of(Subscription.objects.get())
    assert (set(fresh["previous"]), fresh["secret"] in rotated.content.decode()) == ({SECRET, OTHER}, False)
    assert "secret" in errors(program.ask("POST", f"{address}/rotate", {"secret": "short"}))
    assert "secret" in errors(change(program, address, {"secret": None}))


def test_a_token_follows_to_no_other_host_and_can_be_taken_away(program: Program) -> None:
    made = receiver(program, token="t0ken").json()
    address = f"subscriptions/{made['id']}"
    assert "url" in errors(change(program, address, {"url": "https://evil.example.com/x"}))
    assert change(program, address, {"token": None}).json()["token"] is False
    moved = change(program, address, {"url": "https://other.example.com/x", "enabled": False})
    assert (moved.json()["address"], moved.json()["enabled"]) == ("https://other.example.com", False)
    assert program.ask("DELETE", address, If_Match="*").status_code == 204
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "taken"}, "name"),
        ({"url": "ftp://x"}, "url"),
        ({"url": "env:HOME"}, "url"),
        ({"url": "file:/etc/passwd"}, "url"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["user.exploded"]}, "kinds"),
        ({"fields": ["profile.password"]}, "fields"),
        ({"filter": "(("}, "filter"),
        ({"give_up_days": 0}, "give_up_days"),
        ({"token": "nö"}, "token"),
        ({"stopped": True}, "stopped"),
    ],
)
def test_a_receiver_that_cannot_be_is_refused_by_field(program: Program, body: Any, field: str) -> None:
    receiver(program, name="Taken")
    assert list(errors(change(program, f"subscriptions/{receiver(program).json()['id']}", body))) == [field]


def test_how_a_receiver_answers_is_no_other_version_of_it(program: Program) -> None:
    made = receiver(program)
    Subscription.objects.update(failing_since=timezone.now(), unreachable_since=timezone.now())
    shown = program.get(f"subscriptions/{made.json()['id']}")
    assert (shown.json()["failing_since"] is not None, shown["ETag"]) == (True, made["ETag"])


def test_who_may_not_change_rules_neither_publishes_nor_rotates(program: Program, staff: User) -> None:
    made, held = rule(program).json(), receiver(program).json()
    helpdesk = personal(roll.staff(HELPDESK, "hilda"))
    reader = personal(staff, {"configuration": "read"}, "reader")
    for who in (helpdesk, reader):
        for address, body in (
            (f"rules/{made['id']}/publish", {}),
            (f"rules/{made['id']}/take-back", {"keep": False}),
            (f"subscriptions/{held['id']}/rotate", {}),
        ):
            assert who.ask("POST", address, body).status_code == 403
    assert not BusinessRule.objects.get().published
