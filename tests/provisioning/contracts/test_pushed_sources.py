"""A source that pushes its people: who may, what is taken, what becomes of it, and what a mistake cannot do."""

import base64
import json
import re
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from directories import deliveries
from directories.config import load, open_connector
from directories.models import (
    AttributeMapping,
    Directory,
    ProvisioningSettings,
    PushedDelivery,
    PushedRecord,
    PushToken,
)
from provisioning import services, tasks
from provisioning.api import pushed, sources
from provisioning.contracts.models import Contract, Department
from provisioning.imports import engine
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus
from provisioning.roles import HELPDESK, IT_STAFF
from reports.models import Event
from tests.provisioning.admin import roll
from tests.provisioning.contracts.conftest import others

pytestmark = pytest.mark.django_db
Record = dict[str, Any]
MAPPING = {"first": "profile.first_name", "title": "contract.title", "dept": "contract.department"}
JSON = "application/json"


def person(number: int, first: str = "Zoë", *contracts: Record) -> Record:
    return {"id": f"p{number}", "first": first, "contracts": list(contracts)}


def people(number: int, first: str = "Zoë") -> list[Record]:
    return [person(at, first) for at in range(number)]


class Hr:
    """A source, and whoever pushes to it with its token."""

    def __init__(self, name: str = "HR") -> None:
        settings = {"id": "id", "contracts": "contracts", "contract_id": "id", "departments": "pushed"}
        settings |= {"department_id": "id", "department_name": "name"}
        self.directory = Directory.objects.create(name=name, kind="push", settings=settings)
        ProvisioningSettings.objects.create(
            directory=self.directory, import_users=True, deactivate_missing=True, max_department_percent=100
        )
        for theirs, ours in MAPPING.items():
            kind, _, attribute = ours.partition(".")
            AttributeMapping.objects.create(
                directory=self.directory,
                directory_attribute=theirs,
                kind=kind,
                portal_attribute=attribute,
                direction="in",
            )
        self.token = deliveries.issue_token(self.directory)
        self.client = Client()

    def post(self, path: str, body: Any = b"", kind: str = JSON, token: str = "", **headers: str) -> Any:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = {"Authorization": f"Bearer {token or self.token}", **headers}
        return self.client.post(f"/api/v1/sources/{self.directory.name}/{path}", data, kind, headers=headers)

    def push(self, body: Any, query: str = "") -> Record:
        answer = self.post(f"records{query}", body)
        assert answer.status_code == 202, answer.content
        found: Record = answer.json()
        assert answer["Location"] == found["address"]
        return found

    def shown(self, number: int) -> Record:
        address = f"/api/v1/sources/{self.directory.name}/deliveries/{number}"
        found: Record = self.client.get(address, headers={"Authorization": f"Bearer {self.token}"}).json()
        return found

    def work(self) -> ImportRun:
        """Let a worker do what was started."""
        run = ImportRun.objects.latest("pk")
        engine.execute(run.pk)
        run.refresh_from_db()
        return run

    def whole(self, records: list[Record]) -> ImportRun:
        self.push(records, "?close=true")
        return self.work()


@pytest.fixture
def hr() -> Hr:
    return Hr()


def refused(answer: Any, status: int, words: str) -> Record:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    found: Record = answer.json()
    assert words in found["detail"]
    assert not PushedRecord.objects.exists()
    return found


# --- What becomes of it ----------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_people_departments_and_contracts_arrive_and_the_delivery_says_how_far_they_are(hr: Hr) -> None:
    hr.post("departments", [{"id": "1", "name": "Board"}])
    tasks.start_due_imports()
    hr.work()
    found = hr.push([person(1, "Ann", {"id": 7, "title": "Head", "dept": "1"}), person(2)])
    assert (found["state"], found["records"], found["changed"], found["run"]["state"]) == ("open", 2, 2, "queued")
    run = hr.work()
    assert (run.status, run.created, run.incremental) == (RunStatus.FINISHED, 2, True), run.message
    after = hr.shown(found["delivery"])
    assert (after["run"]["state"], after["run"]["created"], after["waits"]) == ("finished", 2, False)
    assert Department.objects.get().name == "Board"
    assert Contract.objects.get().account.user.first_name == "Ann"  # type: ignore[union-attr]


@pytest.mark.heavy
def test_an_open_delivery_is_a_change_of_those_who_are_named(hr: Hr) -> None:
    hr.push(people(5))
    hr.work()
    hr.push([person(1, "Ann")])
    run = hr.work()
    assert (run.updated, run.deactivated, run.seen) == (1, 0, 1)
    assert User.objects.filter(is_active=True).count() == 5


@pytest.mark.heavy
def test_only_a_closed_delivery_shows_who_is_missing(hr: Hr) -> None:
    others(100)
    hr.whole(people(12))
    first = hr.push(people(6))["delivery"]
    hr.push([person(at) for at in range(6, 11)], f"?delivery={first}")
    assert not PushedDelivery.objects.get(pk=first).waits, "nobody changed"
    assert User.objects.filter(username__startswith="p", is_active=True).count() == 12
    answer = hr.post(f"deliveries/{first}/close?people=11").json()
    assert (answer["state"], answer["records"], answer["missing"]) == ("closed", 11, 1)
    run = hr.work()
    assert (run.status, run.deactivated, run.incremental) == (RunStatus.FINISHED, 1, False), run.message
    assert not User.objects.get(username="p11").is_active


@pytest.mark.heavy
def test_the_same_batch_twice_changes_nothing(hr: Hr) -> None:
    hr.push(people(5))
    hr.work()
    turned = [dict(reversed(one.items())) for one in people(5)]
    again = hr.push(turned)
    assert (again["records"], again["changed"], again["run"], again["waits"]) == (5, 0, None, False)
    closed = hr.post(f"deliveries/{again['delivery']}/close").json()
    run = hr.work()
    assert (run.status, run.planned, run.unchanged) == (RunStatus.FINISHED, 0, 5)
    repeated = hr.post(f"deliveries/{again['delivery']}/close").json()
    assert repeated["run"]["id"] == closed["run"]["id"] == run.pk, "an answer that was lost is asked for again"


@pytest.mark.heavy
def test_half_a_list_that_is_closed_by_mistake_is_held_and_the_whole_one_mends_it(hr: Hr) -> None:
    ProvisioningSettings.objects.update(max_leavers=10, max_leavers_percent=10)
    hr.whole(people(100))
    half = hr.whole(people(50))
    assert half.status == RunStatus.APPROVAL
    assert User.objects.filter(is_active=True).count() == 100
    last = hr.push(people(100), "?close=true")
    assert last["run"]["whole"]
    run = hr.work()
    half.refresh_from_db()
    assert (half.status, run.status, run.deactivated) == (RunStatus.CANCELLED, RunStatus.FINISHED, 0)
    assert User.objects.filter(is_active=True).count() == 100


@pytest.mark.heavy
def test_who_was_pushed_again_is_not_taken_away_by_an_approval(hr: Hr) -> None:
    ProvisioningSettings.objects.update(max_leavers=1, max_leavers_percent=1)
    hr.whole(people(100))
    half = hr.whole(people(97))
    assert (half.status, half.held) == (RunStatus.APPROVAL, 3)
    waits = hr.push([person(98)])
    assert (waits["waits"], waits["run"]) == (True, None), "after what waits for somebody"
    services.approve_import(half, "boss", plan_hash=half.plan_hash)
    engine.execute(half.pk)
    assert sorted(User.objects.filter(is_active=False).values_list("username", flat=True)) == ["p97", "p99"]
    tasks.start_due_imports()
    assert hr.shown(waits["delivery"])["run"]["state"] == "queued"
    assert hr.work().status == RunStatus.FINISHED


@pytest.mark.heavy
def test_what_comes_while_an_import_runs_is_imported_after_it(hr: Hr) -> None:
    hr.push(people(3))
    second = hr.push([person(9)])
    assert second["waits"]
    hr.work()
    tasks.start_due_imports()
    assert ImportRun.objects.count() == 2
    run = hr.work()
    assert (run.status, run.planned) == (RunStatus.FINISHED, 0), "the first one had read it"
    assert User.objects.filter(username="p9").exists()
    tasks.start_due_imports()
    assert ImportRun.objects.count() == 2


@pytest.mark.heavy
def test_nothing_is_whole_before_a_delivery_was_closed(hr: Hr) -> None:
    hr.push(people(3))
    hr.work()
    run = services.start_import(hr.directory, preview=False, actor="tester")
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.deactivated) == (RunStatus.FAILED, 0)
    assert "No whole delivery was closed yet" in run.message
    with open_connector(load(hr.directory.pk)) as connector:
        assert next((step.name, step.ok) for step in connector.test().steps) == ("Deliveries", True)


@pytest.mark.heavy
def test_a_change_of_the_mapping_reads_all_that_was_pushed_and_misses_nobody(hr: Hr) -> None:
    hr.push([{**person(at), "last": "Lee"} for at in range(3)])
    hr.work()
    AttributeMapping.objects.create(
        directory=hr.directory, directory_attribute="last", portal_attribute="last_name", direction="in"
    )
    hr.push([person(7)])
    run = hr.work()
    assert (run.updated, run.created, run.deactivated) == (3, 1, 0)


@pytest.mark.heavy
def test_a_person_who_was_dropped_and_is_pushed_again_is_read_again(hr: Hr) -> None:
    others(100)
    hr.whole(people(12))
    hr.whole(people(11))
    assert not User.objects.get(username="p11").is_active
    hr.push([person(11)])
    hr.work()
    assert User.objects.get(username="p11").is_active


# --- What is taken ---------------------------------------------------------------------------------------------------


def bulk(*operations: Record) -> Record:
    return {"schemas": [pushed.BULK], "Operations": list(operations)}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (people(2), JSON),
        (b"\n".join(map(orjson.dumps, people(2))) + b"\n", "application/x-ndjson"),
        (b"\xef\xbb\xbf" + b"\r\n\r\n".join(map(orjson.dumps, people(2))), "text/plain"),
        (bulk(*({"method": "POST", "path": "/Users", "data": one} for one in people(2))), "application/scim+json"),
        (bulk(*({"method": "put", "path": f"/Users/{one['id']}", "data": one} for one in people(2))), JSON),
    ],
)
def test_lists_lines_and_bulk_requests_are_the_same(hr: Hr, body: Any, kind: str) -> None:
    assert hr.post("records", body, kind).status_code == 202
    assert set(PushedRecord.objects.values_list("ref", flat=True)) == {"p0", "p1"}
    assert hr.push(people(2))["changed"] == 0
    assert hr.push(person(0))["changed"] == 0, "a record alone"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no records"),
        (b"[]", "no records"),
        (b'"x"', "no records"),
        (b"7", "no records"),
        (b'[{"id": "p0"', "no JSON"),
        (b'{"id": "p0"}\n{"id": ', "no JSON"),
        (b'[{"id": NaN}]', "no JSON"),
        (b'[{"id": "\\ud800"}]', "no JSON"),
        (b'[{"id": "\xff"}]', "no JSON"),
        (b"[" * 100_000, "The body nests more than 1,024 levels deep"),
        (b'{"id": "p0"}\n' + b"[" * 2000, "A record nests more than 1,024 levels deep"),
        ({"schemas": [pushed.BULK]}, "no records"),
        ({"schemas": 7}, "cannot be used"),
        ([{"id": "p0"}, 7], "1 of 2 records"),
        ([{"name": "x"}], "cannot be used"),
        ([{"id": ""}], "cannot be used"),
        ([{"id": {"a": 1}}], "cannot be used"),
        ([{"id": "p0"}, {"id": "p0", "first": "x"}], "1 of 2 records"),
        ([{"id": "x" * 513}], "cannot be used"),
        ([{"id": "a\0b"}], "cannot be used"),
        ([person(0, "A", {"title": "no number"})], "cannot be used"),
        ([person(0, "A", {"id": 1}, {"id": 1})], "cannot be used"),
        (b'[{"id": "p0", "deep": ' + b"[" * 600 + b"]" * 600 + b"}]", "cannot be used"),
        (bulk({"method": "DELETE", "path": "/Users/p0"}), "cannot be pushed"),
        (bulk({"method": "POST", "path": "/Groups", "data": {"id": "g"}}), "cannot be pushed"),
        (bulk({"method": "POST", "path": "/Users"}), "cannot be used"),
        (bulk("x"), "cannot be pushed"),  # type: ignore[arg-type]
    ],
)
def test_a_body_that_cannot_be_used_is_refused_as_a_whole(hr: Hr, body: Any, words: str) -> None:
    refused(hr.post("records", body), 400, words)


def test_faults_are_named_by_their_place(hr: Hr) -> None:
    found = refused(hr.post("records", [*people(2), {"first": "x"}, person(0), 7]), 400, "3 of 5 records")
    assert [fault["record"] for fault in found["errors"]] == [2, 3, 4]
    assert found["errors"][0]["detail"] == "The record has no id."
    many = refused(hr.post("records", [7] * 100), 400, "100 of 100")
    assert len(many["errors"]) == pushed.SHOWN


def test_a_body_has_limits(hr: Hr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushed, "MOST", 3)
    refused(hr.post("records", people(4)), 400, "several batches")
    refused(hr.post("records", b"\n".join(map(orjson.dumps, people(4)))), 400, "several batches")
    monkeypatch.setattr(sources, "LARGEST", 50)
    refused(hr.post("records", [person(0, "x" * 60)]), 413, "larger than")
    refused(hr.post("records", b"\x1f\x8b", **{"Content-Encoding": "gzip"}), 415, "compressed")


def test_values_that_the_database_cannot_hold_are_cleaned_and_not_lost(hr: Hr) -> None:
    hr.push([person(0, "Zo\0ë")])
    run = hr.work()
    assert run.status == RunStatus.FINISHED
    assert (run.created, run.errors) in {(1, 0), (0, 1)}


@pytest.mark.heavy
def test_deliveries_are_closed_with_everybody_in_them_and_take_nothing_more(hr: Hr) -> None:
    assert hr.post("deliveries/4711/close").status_code == 404
    empty = hr.post("departments", [{"id": "1", "name": "Board"}]).json()["delivery"]
    answer = hr.post(f"deliveries/{empty}/close")
    assert (answer.status_code, "Nobody is in this delivery" in answer.json()["detail"]) == (409, True)
    number = hr.push(people(3))["delivery"]
    short = hr.post(f"deliveries/{number}/close?people=5")
    assert (short.status_code, short.json()["detail"][:8]) == (409, "5 people")
    assert hr.post(f"deliveries/{number}/close?people=many").status_code == 400
    assert hr.post(f"deliveries/{number}/close").status_code == 202
    late = hr.post(f"records?delivery={number}", [person(7)])
    assert (late.status_code, "is closed" in late.json()["detail"]) == (409, True)
    assert not PushedRecord.objects.filter(ref="p7").exists()
    assert hr.post("records?delivery=x", [person(7)]).status_code == 400


@pytest.mark.heavy
def test_a_batch_is_a_few_statements_however_large(hr: Hr) -> None:
    hr.push(person(0))
    counts = []
    for number in (10, 1000):
        with CaptureQueriesContext(connection) as queries:
            hr.push(people(number, f"Of {number}"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- Who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_token_opens_its_own_source_and_nothing_else(hr: Hr) -> None:
    other = Hr("Payroll")
    refused(hr.post("records", people(1), token=other.token), 403, "another source")
    refused(hr.post("records", people(1), token="rollcall_push_guess"), 401, "not known")
    refused(hr.client.post("/api/v1/sources/HR/records", people(1), JSON), 401, "")
    bearer = {"Authorization": f"Bearer {hr.token}"}
    assert hr.client.post("/api/v1/sources/nobody/records", [], JSON, headers=bearer).status_code == 403
    password = hr.client.post("/api/v1/users/anna/password", {"password": "x"}, JSON, headers=bearer)
    assert password.status_code in (401, 403)
    foreign = other.push(people(1))["delivery"]
    assert hr.post(f"deliveries/{foreign}/close").status_code == 404
    assert hr.post(f"records?delivery={foreign}", people(1)).status_code == 404
    kept = PushToken.objects.get(directory=hr.directory)
    assert kept.used_at is not None
    assert hr.token not in kept.digest


@pytest.mark.heavy
def test_staff_push_with_their_right(hr: Hr) -> None:
    address = "/api/v1/sources/hr/records"
    body = orjson.dumps(people(1))
    assert roll.signed_in(roll.staff(HELPDESK)).post(address, body, JSON).status_code == 403
    staff = roll.staff(IT_STAFF)
    staff.set_password("my-own-secret-1")
    staff.save()
    basic = "Basic " + base64.b64encode(f"{staff.username}:my-own-secret-1".encode()).decode()
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(address, body, JSON, headers={"Authorization": basic}).status_code == 202
    assert PushedDelivery.objects.get().actor == staff.username
    strict.force_login(staff)
    assert strict.post(address, body, JSON).status_code == 403
    memory = Directory.objects.create(name="Memory", kind="memory")
    nothing = strict.post(f"/api/v1/sources/{memory.name}/records", body, JSON, headers={"Authorization": basic})
    assert (nothing.status_code, json.loads(nothing.content)["detail"]) == (404, sources.NO_SOURCE)


def test_a_source_whose_import_is_off_takes_nothing(hr: Hr) -> None:
    ProvisioningSettings.objects.update(import_users=False)
    refused(hr.post("records", people(1)), 409, "Import is switched off")


def test_requests_are_counted(hr: Hr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.SourceEndpoint.throttle_classes[0], "rate", "2/min", raising=False)
    assert [hr.post("records", people(1)).status_code for _ in range(3)] == [202, 202, 429]


@pytest.mark.heavy
def test_tokens_are_made_shown_once_and_withdrawn_on_a_page(hr: Hr) -> None:
    PushToken.objects.all().delete()
    page = reverse("admin:directories_directory_tokens", args=[hr.directory.pk])
    assert roll.signed_in(roll.staff(HELPDESK)).get(page).status_code == 403
    staff = roll.signed_in(roll.staff(IT_STAFF))
    made = staff.post(page, {"do": "make", "label": "Payroll job", "days": "30"}).content.decode()
    (secret,) = re.findall(r"rollcall_push_[\w-]+", made)
    assert hr.post("records", people(1), token=secret).status_code == 202
    listed = staff.get(page).content.decode()
    assert "Payroll job" in listed
    assert secret not in listed
    kept = PushToken.objects.get()
    assert kept.expires_at is not None
    assert kept.used_at is not None
    assert Event.objects.filter(message__contains="made a token to push to").count() == 1
    PushToken.objects.update(expires_at=timezone.now())
    assert hr.post("records", people(1), token=secret).status_code == 401
    assert "ended" in staff.get(page).content.decode()
    PushToken.objects.update(expires_at=None)
    assert hr.post("records", people(1), token=secret).status_code == 202
    assert staff.post(page, {"do": "withdraw", "token": kept.pk}).status_code == 302
    assert hr.post("records", people(1), token=secret).status_code == 401
    assert "withdrawn" in staff.get(page).content.decode()
    assert staff.post(page, {"do": "withdraw", "token": kept.pk}).status_code == 404


def test_the_command_makes_lists_and_takes_back_tokens(hr: Hr, capsys: pytest.CaptureFixture[str]) -> None:
    PushToken.objects.all().delete()
    call_command("push_token", "hr", "--label", "Payroll job")
    token = capsys.readouterr().out.split()[-1]
    assert hr.post("records", people(1), token=token).status_code == 202
    call_command("push_token", "HR", "--list")
    listed = capsys.readouterr().out
    assert "Payroll job" in listed
    assert token not in listed
    call_command("push_token", "HR", "--revoke", str(PushToken.objects.get().pk))
    assert hr.post("records", people(2), token=token).status_code == 401
    with pytest.raises(CommandError, match="no source"):
        call_command("push_token", "nobody")
    with pytest.raises(CommandError, match="no such token"):
        call_command("push_token", "HR", "--revoke", "1")
