"""Contracts, departments and locations that come in through an import: planned, guarded, applied and taken back."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.connectors.base import RemoteContract, RemoteDepartment, Unavailable
from directories.models import AttributeMapping, Directory
from provisioning.contracts import services as contracts
from provisioning.contracts.models import Contract, Department, Employment, Location, PlannedDepartment, SourceRecord
from provisioning.history import why
from provisioning.imports import departments, engine, plan_export, requests
from provisioning.imports.doors import undo
from provisioning.imports.doors.contracts import settle
from provisioning.imports.facets import EVERYTHING
from provisioning.imports.users import listing, records
from provisioning.models import Account, ImportRun, PlannedChange, User
from provisioning.models.imports import Action, RunStatus, Trigger
from reports.models import Event, Result
from tests.provisioning.contracts.conftest import Clock, account, active, give
from tests.provisioning.imports.conftest import Source, errors, planned, source, user

__all__ = ["source"]

pytestmark = pytest.mark.django_db
FIELDS = {
    "START": "contract.starts",
    "END": "contract.ends",
    "TITLE": "contract.title",
    "DEPT": "contract.department",
    "FTE": "contract.fte",
    "BOSS": "contract.manager",
    "GRADE": "custom_contract.grade",
}


@pytest.fixture
def hr(source: Source, clock: Clock) -> Source:
    """A source that gives contracts; it is noon on 30 November 2026."""
    for theirs, ours in FIELDS.items():
        map_in(source, theirs, ours)
    return source


def map_in(source: Source, theirs: str, ours: str, expression: str = "") -> None:
    kind, _, name = ours.partition(".")
    AttributeMapping.objects.create(
        directory=source.directory,
        directory_attribute=theirs,
        kind=kind,
        portal_attribute=name,
        direction="in",
        expression=expression,
    )


def row(starts: str = "2020-01-01", ends: str | None = None, title: str = "Tester", **more: Any) -> dict[str, Any]:
    return {"START": starts, "END": ends, "TITLE": title, **more}


def contracts_of(name: str) -> dict[str, Contract]:
    return {one.external_id: one for one in Contract.objects.filter(account__user__username=name)}


def run_of(source: Source, **how: Any) -> ImportRun:
    run = source.run(**how)
    settle()
    return run


def test_new_people_come_with_their_contracts(hr: Source) -> None:
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(DEPT="D1", FTE="0.8", BOSS="bob", GRADE="A")), ("2", row("2026-12-01")))
    hr.put("bob", "Bob")
    hr.employ("bob")
    run = run_of(hr)
    assert (run.status, run.created, run.errors) == (RunStatus.FINISHED, 2, 0)
    held = contracts_of("ann")
    assert held.keys() == {"1", "2"}
    one = held["1"]
    assert (one.starts, one.ends, one.title, float(one.fte or 0)) == (dt.date(2020, 1, 1), None, "Tester", 0.8)
    assert (one.department_ref, one.department, one.manager_ref, one.custom) == ("D1", None, "bob", {"grade": "A"})
    assert active(user("ann"))
    assert Employment.objects.get(user=user("ann")).active is True
    assert not contracts_of("bob")


@pytest.mark.heavy
def test_why_tells_of_the_fields_of_contracts(hr: Source) -> None:
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(DEPT="D1")))
    run_of(hr)
    hr.employ("ann", ("1", row(title="Chief", DEPT="D1")))
    run_of(hr)
    ann = user("ann")
    found = {one.label: one for one in why.explain(ann).attributes}
    title = found["Contract 1: Title"]
    assert (title.value, title.source, title.note) == ("Chief", "HR", "")
    assert len(title.earlier) == 1
    assert found["Contract 1: Department (number)"].value == "D1"
    hr.employ("ann")
    run_of(hr)
    gone = {one.label: one for one in why.explain(ann).attributes}["Contract 1: Title"]
    assert (gone.value, gone.note) == (None, "")


@pytest.mark.heavy
def test_what_is_unchanged_is_one_look_at_a_digest(hr: Source) -> None:
    numbers = []
    for size in (3, 30):
        for number in range(size):
            hr.put(f"p{number}", "P")
            hr.employ(f"p{number}", *[(str(each), row()) for each in range(3)])
        run_of(hr)
        hr.rows = [_turned(one) for one in reversed(hr.rows)]
        with CaptureQueriesContext(connection) as queries:
            run = hr.run()
        assert (run.unchanged, run.planned) == (size, 0)
        assert not [one["sql"] for one in queries if "contracts_contract" in one["sql"]]
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]


def _turned(one: Any) -> Any:
    one.contracts = [*reversed(one.contracts)]
    return one


@pytest.mark.heavy
def test_a_change_is_planned_field_by_field_and_told_so(hr: Source) -> None:
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(title="Tester", FTE="1")), ("2", row("2021-01-01")))
    run_of(hr)
    hr.employ("ann", ("1", row(title="Lead", FTE="1.0")), ("3", row("2026-01-01", title="Aide")))
    preview = hr.run(preview=True)
    (change,) = planned(preview, "update")
    assert change.before["contract:1"]["title"] == "Tester"
    assert change.after["contract:1"]["title"] == "Lead"
    assert change.after["contract:2"] is None
    assert "contract:3" not in change.before
    assert change.attributes == "|contract|"
    (shown,) = listing.listing(PlannedChange.objects.filter(run=preview)).rows
    told = {one.label: (one.before, one.after) for one in shown.differences}
    assert told == {
        "Contract 1: Title": ("Tester", "Lead"),
        "Contract 2: First day": ("2021-01-01", "–"),
        "Contract 2: Title": ("Tester", "–"),
        "Contract 3: First day": ("–", "2026-01-01"),
        "Contract 3: Title": ("–", "Aide"),
    }
    lines = "".join(plan_export.csv_lines(preview, EVERYTHING))
    assert "Contract 1: Title,Tester,Lead" in lines
    run = run_of(hr)
    assert run.updated == 1
    assert {number: one.title for number, one in contracts_of("ann").items()} == {"1": "Lead", "3": "Aide"}
    event = Event.objects.get(run_id=run.pk, identifier="ann")
    assert event.changes["Contract 1: Title"] == ["Tester", "Lead"]


@pytest.mark.heavy
def test_undo_brings_contracts_back(hr: Source) -> None:
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(title="Tester", GRADE="B")), ("2", row()))
    run_of(hr)
    before = {number: (one.title, one.custom, one.starts) for number, one in contracts_of("ann").items()}
    hr.employ("ann", ("1", row(title="Lead")), ("3", row()))
    run = run_of(hr)
    back = undo.undo(run, "admin")
    _apply(back)
    assert {number: (one.title, one.custom, one.starts) for number, one in contracts_of("ann").items()} == before


@pytest.mark.heavy
def test_undo_leaves_a_contract_that_was_changed_since(hr: Source) -> None:
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(title="Tester")), ("2", row()))
    run_of(hr)
    hr.employ("ann", ("1", row(title="Lead")), ("2", row(title="Aide")))
    run = run_of(hr)
    hr.employ("ann", ("1", row(title="Boss")), ("2", row(title="Aide")))
    run_of(hr)
    back = undo.undo(run, "admin")
    assert "Contract 1" in PlannedChange.objects.get(run=back).message
    _apply(back)
    assert {number: one.title for number, one in contracts_of("ann").items()} == {"1": "Boss", "2": "Tester"}


@pytest.mark.heavy
def test_undo_of_the_first_run_takes_the_contracts_away(hr: Source) -> None:
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row()))
    run = run_of(hr)
    _apply(undo.undo(run, "admin"))
    assert not active(user("ann"))
    assert not contracts_of("ann")


def _apply(run: ImportRun) -> None:
    requests.approve_import(run, "admin", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.FINISHED, run.message


@pytest.mark.heavy
def test_a_future_starter_is_added_inactive_and_starts_on_the_day(hr: Source, clock: Clock) -> None:
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row("2026-12-10")))
    run = run_of(hr)
    (change,) = planned(run, "create")
    assert change.message == "Added as inactive: the first contract begins on 10 Dec 2026."
    assert not active(user("ann"))
    clock.at("2026-12-10 09:00")
    assert active(user("ann"))
    clock.set(dt.datetime(2026, 12, 11, tzinfo=dt.UTC))
    hr.employ("ann", ("1", row("2026-12-10", "2026-12-10")))
    run_of(hr)
    assert not active(user("ann")), "the contract ended yesterday"


@pytest.mark.heavy
def test_hostile_contracts(hr: Source) -> None:
    hr.put("back", "Back")
    hr.employ("back", ("1", row("2026-05-01", "2026-04-01")))
    hr.put("over", "Over")
    hr.employ("over", ("1", row("2020-01-01", "2027-01-01")), ("2", row("2021-01-01", "2028-01-01")))
    hr.put("none", "None")
    hr.employ("none")
    hr.put("many", "Many")
    hr.employ("many", *[(str(number), row(title=f"T{number}")) for number in range(200)])
    hr.put("twice", "Twice")
    hr.employ("twice", ("7", row()), ("7", row(title="Other")))
    hr.put("bad", "Bad")
    hr.employ("bad", ("1", row(FTE="a lot")))
    hr.put("huge", "Huge")
    hr.employ("huge", ("1", row(FTE="1e9")))
    hr.put("nameless", "Nameless")
    hr.employ("nameless", (" ", row()))
    hr.put("nul", "Nul")
    hr.employ("nul", ("1\x00", row()))
    hr.put("broken", "Broken")
    hr.rows[-1].contracts = [RemoteContract("1", {}, problem="It cannot be read.")]
    run = run_of(hr)
    assert run.created == 4
    wrong = errors(run)
    assert wrong.keys() == {"twice", "bad", "huge", "nameless", "nul", "broken"}
    assert wrong["twice"].startswith("Contract 7 comes twice in the row")
    assert wrong["bad"] == "Contract 1: FTE is not a number."
    assert wrong["huge"] == "Contract 1: FTE is larger than 9999."
    assert wrong["broken"] == "Contract 1: It cannot be read."
    assert planned(run, "create")[0].message.startswith("Contract 1 ends before it begins, so it never holds.")
    assert not active(user("back"))
    assert active(user("over"))
    assert active(user("none"))
    assert len(contracts_of("many")) == 200
    blocked = dict(SourceRecord.objects.filter(blocked=True).values_list("key", "reason"))
    assert blocked.keys() == wrong.keys() - {"nul"} | {"nul"}
    assert blocked["twice"] == wrong["twice"]


@pytest.mark.heavy
def test_managers_that_go_round_manage_each_other_and_nobody_themselves(hr: Source) -> None:
    contracts.arrange([], {"profile.manager": "manager"})
    for name, boss in (("ann", "bob"), ("bob", "cia"), ("cia", "ann"), ("own", "own")):
        hr.put(name, name.title())
        hr.employ(name, ("1", row(BOSS=boss)))
    run = run_of(hr)
    assert (run.created, run.errors) == (4, 0)
    bosses = dict(User.objects.exclude(manager=None).values_list("username", "manager__username"))
    assert bosses == {"ann": "bob", "bob": "cia", "cia": "ann"}
    assert settle() == [], "and it comes to rest"


@pytest.mark.heavy
def test_who_is_blocked_is_parked_with_the_reason_and_the_others_go_on(hr: Source, clock: Clock) -> None:
    map_in(hr, "BLOCKED", "record.blocked")
    map_in(hr, "WHY", "record.reason")
    hr.put("ann", "Ann", also={"BLOCKED": "0"})
    hr.employ("ann", ("1", row()))
    hr.put("bob", "Bob", also={"BLOCKED": "1", "WHY": "Signed nothing yet"})
    hr.employ("bob", ("1", row()))
    run = run_of(hr)
    assert (run.created, run.blocked, run.errors) == (1, 1, 0)
    (change,) = planned(run, "block")
    assert (change.key, change.message, change.cause) == ("bob", "Signed nothing yet", "block")
    assert SourceRecord.objects.get(blocked=True).reason == "Signed nothing yet"
    assert Event.objects.get(run_id=run.pk, identifier="bob").result == Result.SKIPPED
    assert not User.objects.filter(username="bob").exists()

    hr.put("ann", "Anna", also={"BLOCKED": "1"})
    hr.employ("ann", ("2", row()))
    run = run_of(hr)
    assert (run.deactivated, run.blocked) == (0, 2)
    assert active(user("ann")), "who is blocked is no leaver"
    assert user("ann").first_name == "Ann"
    assert contracts_of("ann").keys() == {"1"}

    hr.put("ann", "Anna", also={"BLOCKED": "0"})
    hr.employ("ann", ("2", row()))
    hr.remove("bob")
    clock.set(clock.now + dt.timedelta(minutes=1))
    run_of(hr)
    assert contracts_of("ann").keys() == {"2"}
    assert not SourceRecord.objects.filter(blocked=True).exists(), "nobody is blocked any more"
    assert SourceRecord.objects.count() == 1


@pytest.mark.heavy
def test_who_lacks_what_is_required_is_parked_with_the_reason_and_the_others_go_on(hr: Source) -> None:
    AttributeMapping.objects.filter(directory_attribute__in=["LASTNAME", "DEPT"]).update(required=True)
    hr.put("ann", "Ann", also={"LASTNAME": "Ny"})
    hr.employ("ann", ("1", row(DEPT="D1")))
    hr.put("bob", "Bob", also={"LASTNAME": " "})
    hr.employ("bob", ("1", row(DEPT="D1")))
    hr.put("cia", "Cia", also={"LASTNAME": "Oh"})
    hr.employ("cia", ("1", row(DEPT="D1")), ("2", row()))
    run = run_of(hr)
    assert (run.created, run.blocked, run.errors) == (1, 2, 0)
    told = {one.key: one.message for one in planned(run, "block")}
    assert told == {
        "bob": "Last name is required and empty.",
        "cia": "Contract 2: Department (number) is required and empty.",
    }
    assert dict(SourceRecord.objects.filter(blocked=True).values_list("key", "reason")) == told

    hr.put("ann", "Anna", also={"LASTNAME": None})
    hr.put("bob", "Bob", also={"LASTNAME": "By"})
    run = run_of(hr)
    assert (run.created, run.updated, run.deactivated, run.blocked) == (1, 0, 0, 2)
    assert (active(user("ann")), user("ann").first_name, user("ann").last_name) == (True, "Ann", "Ny")


def test_a_column_that_is_required_and_not_there_blocks_everybody(hr: Source) -> None:
    map_in(hr, "PAYROLL", "custom.payroll")
    AttributeMapping.objects.filter(directory_attribute="PAYROLL").update(required=True)
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row()))
    run = run_of(hr)
    assert (run.created, run.blocked) == (0, 1)


@pytest.mark.heavy
def test_a_crawl_that_breaks_off_takes_nothing_away(hr: Source) -> None:
    hr.put_many(30)
    for number in range(30):
        hr.employ(f"user{number}", ("1", row()))
    run_of(hr)
    hr.page_size = 10
    hr.employ("user0")
    hr.remove("user29")

    def fail(number: int) -> None:
        if number == 2:
            raise Unavailable("The contracts cannot be read any more.")

    hr.before_page = fail
    assert hr.run().status == RunStatus.FAILED
    hr.before_page = lambda number: None
    hr.complete = False
    assert hr.run().status == RunStatus.FAILED
    assert Contract.objects.count() == 30
    assert User.objects.filter(is_active=True, username__startswith="user").count() == 30


@pytest.mark.heavy
def test_departments_come_before_their_people(hr: Source) -> None:
    hr.departments = [
        RemoteDepartment("D2", "Tools", parent="D1"),
        RemoteDepartment("D1", "Board", manager="ann", attributes={"CODE": "B"}),
    ]
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(DEPT="D1")))
    hr.put("bob", "Bob")
    hr.employ("bob", ("1", row(DEPT="D2")), ("2", row(DEPT="D9")))
    assert hr.run(preview=True).created == 2
    assert not Department.objects.exists(), "a preview writes nothing"
    run = run_of(hr)
    tools = Department.objects.get(external_id="D2")
    assert (tools.name, tools.parent and tools.parent.name, tools.parent and tools.parent.code) == (
        "Tools",
        "Board",
        "B",
    )
    held = contracts_of("bob")
    assert held["1"].department == tools
    assert (held["2"].department, held["2"].department_ref) == (None, "D9")
    assert planned(run, "create")[1].message == "Contract 2 names the department D9, which the source does not give."

    hr.departments.append(RemoteDepartment("D9", "Late"))
    run = run_of(hr)
    assert run.planned == 0
    assert contracts_of("bob")["2"].department == Department.objects.get(external_id="D9")
    assert not PlannedDepartment.objects.filter(run=hr.run()).exists(), "what is as it was is not planned"


@pytest.mark.heavy
def test_departments_that_go_round_are_refused_by_name(hr: Source) -> None:
    hr.departments = [
        RemoteDepartment("D1", "Board"),
        RemoteDepartment("D2", "Tools", parent="D3"),
        RemoteDepartment("D3", "Hammers", parent="D2"),
        RemoteDepartment("D4", "Same", parent="D4"),
        RemoteDepartment("D5", "Five"),
        RemoteDepartment("D5", "Cinq"),
        RemoteDepartment("", "Nameless"),
        RemoteDepartment("D6", "Six", parent="D77"),
        RemoteDepartment("D7", "Bad", problem="The name is not text."),
    ]
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(DEPT="D2")))
    run = run_of(hr)
    assert run.created == 1, "everybody goes on"
    told = {one.number: one.problem for one in PlannedDepartment.objects.filter(run=run).exclude(problem="")}
    assert "Tools (D2) would be below itself" in told["D2"]
    assert "Same (D4) would be below itself" in told["D4"]
    assert told["D6"] == "Its parent D77 is not among the departments, so it stands at the top."
    assert told["D7"] == "The name is not text."
    assert told[""] == "It has no number."
    assert set(Department.objects.values_list("external_id", flat=True)) == {"D1", "D2", "D3", "D4", "D6"}
    assert Department.objects.get(external_id="D4").parent is None


@pytest.mark.heavy
def test_departments_count_in_the_hash_of_a_plan(hr: Source) -> None:
    hr.departments = [RemoteDepartment("D1", "Board", manager="ann")]
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(DEPT="D1")))
    seen = hr.run(preview=True)
    assert seen.departments_changed == 1
    hr.departments = [RemoteDepartment("D1", "Board", manager="bob")]
    assert hr.run(preview=True).plan_hash != seen.plan_hash, "another head is another plan"
    hr.departments = [RemoteDepartment("D1", "Board", manager="ann")]
    assert hr.run(preview=True).plan_hash == seen.plan_hash
    run = run_of(hr)
    assert "1 department changed" in run.message
    assert hr.run(preview=True).departments_changed == 0


@pytest.mark.heavy
def test_undo_gives_departments_back(hr: Source) -> None:
    hr.departments = [RemoteDepartment("D1", "Board"), RemoteDepartment("D2", "Tools", parent="D1", manager="ann")]
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(DEPT="D2")))
    run_of(hr)
    hr.departments = [
        RemoteDepartment("D1", "The board"),
        RemoteDepartment("D2", "Hammers", parent="D3"),
        RemoteDepartment("D3", "Hardware", parent="D4"),
        RemoteDepartment("D4", "Things"),
        RemoteDepartment("D5", "Old things", parent="D4"),
    ]
    hr.employ("ann", ("1", row(DEPT="D3")))
    run = run_of(hr)
    assert run.departments_changed == 5
    Department.objects.filter(external_id="D1").update(name="Changed by hand")
    back = undo.undo(run, "admin")
    told = {one.number: (one.gone, one.usable, one.name) for one in PlannedDepartment.objects.filter(run=back)}
    assert told == {
        "D1": (False, False, "Changed by hand"),
        "D2": (False, True, "Tools"),
        "D3": (True, True, "Hardware"),
        "D4": (True, True, "Things"),
        "D5": (True, True, "Old things"),
    }
    Department.objects.create(source=hr.directory, external_id="D9", name="New", parent=_department("D5"))
    _apply(back)
    assert contracts_of("ann")["1"].department == _department("D2")
    assert (_department("D2").name, _department("D2").parent, _department("D2").manager_ref) == (
        "Tools",
        _department("D1"),
        "ann",
    )
    assert set(Department.objects.values_list("external_id", flat=True)) == {"D1", "D2", "D4", "D5", "D9"}
    stays = PlannedDepartment.objects.filter(run=back, problem=departments.IN_USE)
    assert set(stays.values_list("number", flat=True)) == {"D4", "D5"}


def _department(number: str) -> Department:
    return Department.objects.get(external_id=number)


def test_a_half_read_tree_stops_the_run(hr: Source) -> None:
    hr.departments = [RemoteDepartment("D1", "Board")]
    hr.complete = False
    hr.put("ann", "Ann")
    assert hr.run().status == RunStatus.FAILED
    assert not Department.objects.exists()


@pytest.mark.heavy
def test_places_that_only_contracts_name_are_made_of_them(hr: Source) -> None:
    for theirs, ours in (("DNAME", "department_name"), ("SITE", "location"), ("ZONE", "time_zone")):
        map_in(hr, theirs, f"contract.{ours}")
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row("2026-12-01", DNAME="Tools", SITE="SYD", ZONE="Australia/Sydney")))
    run_of(hr)
    held = contracts_of("ann")["1"]
    assert held.department is not None
    assert held.location is not None
    assert (held.department.name, held.location.external_id, held.location.time_zone) == (
        "Tools",
        "SYD",
        "Australia/Sydney",
    )
    hr.employ("ann", ("1", row("2026-12-01", DNAME="Tools", SITE="SYD", ZONE="Asia/Tokyo")))
    run = run_of(hr)
    assert run.updated == 1
    assert Location.objects.get(external_id="SYD").time_zone == "Asia/Tokyo"
    assert hr.run().planned == 0


@pytest.mark.heavy
def test_another_mapping_is_planned_from_what_was_read_last(hr: Source) -> None:
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(title="Tester", START=dt.date(2020, 1, 1), JOB="Lead of tests")))
    hr.put("gone", "Gone")
    hr.employ("gone", ("1", row()))
    run_of(hr)
    hr.remove("gone")
    run_of(hr)
    AttributeMapping.objects.filter(portal_attribute="title").update(directory_attribute="JOB")
    hr.rows = []
    hr.before_page = _never
    run = requests.plan_again(Directory.objects.get(pk=hr.directory.pk), actor="admin", trigger=Trigger.COMMAND)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.seen, run.updated, run.deactivated) == (RunStatus.PLANNED, 1, 1, 0)
    (change,) = planned(run, "update")
    assert (change.key, change.after["contract:1"]["title"]) == ("ann", "Lead of tests")
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(title="Tester", START=dt.date(2020, 1, 1), JOB="Lead of tests")))
    hr.before_page = lambda number: None
    _apply(run)
    assert contracts_of("ann")["1"].title == "Lead of tests"
    assert hr.run().planned == 0, "the digest of the record is that of the row"
    assert not active(user("gone"))


def _never(number: int) -> None:
    raise AssertionError("nothing is read")


def test_a_row_is_kept_with_the_types_of_its_values(hr: Source) -> None:
    hr.put(
        "ann", "Ann", also={"N": 1.5, "D": dt.date(2020, 2, 2), "T": ("a", "b"), "X": None, "B": True, "Z": "a\x00b"}
    )
    hr.employ("ann", ("1", {"WHEN": dt.datetime(2020, 1, 1, 3, tzinfo=dt.UTC)}))
    kept = records.decoded(records.encoded(hr.rows[0]))
    assert kept.attributes == {**hr.rows[0].attributes, "Z": "a\ufffdb"}
    assert kept.contracts == hr.rows[0].contracts


@pytest.mark.heavy
def test_known_from_two_sources_nobody_leaves_while_one_employs_them(hr: Source, payroll: Directory) -> None:
    hr.put_many(30)
    for number in range(30):
        hr.employ(f"user{number}", ("1", row()))
    run_of(hr)
    give(account(user("user0"), payroll, "P-1"), "77", "2020-01-01")
    settle()
    hr.employ("user0", ("1", row(ends="2026-11-01")))
    hr.employ("user1", ("1", row(ends="2026-11-01")))
    run_of(hr)
    assert active(user("user0"))
    assert not active(user("user1"))


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("limit", "change", "words"),
    [
        (
            "max_contracts_added",
            lambda hr, key: hr.employ(key, ("1", row()), ("2", row())),
            "would get another contract",
        ),
        ("max_contracts_removed", lambda hr, key: hr.employ(key), "would lose a contract"),
        ("max_contracts_changed", lambda hr, key: hr.employ(key, ("1", row(title="X"))), "would have another contract"),
    ],
)
def test_many_contracts_wait_for_somebody(hr: Source, limit: str, change: Any, words: str) -> None:
    hr.put_many(30)
    for number in range(30):
        hr.employ(f"user{number}", ("1", row()))
    run = run_of(hr)
    assert run.status == RunStatus.FINISHED, "the first contracts of a source are no question"
    hr.set(**{limit: 3})
    for number in range(4):
        change(hr, f"user{number}")
    hr.put("late", "Late")
    run = run_of(hr)
    assert run.status == RunStatus.APPROVAL
    assert f"4 people of 30 {words}" in run.message
    assert "the limit is 3" in run.message
    assert run.held == 4
    assert User.objects.filter(username="late").exists(), "the rest goes on"
    _apply(run)
    assert PlannedChange.objects.filter(run=run, action=Action.UPDATE).count() == 4


@pytest.mark.heavy
def test_many_blocked_people_hold_what_is_taken_away(hr: Source) -> None:
    map_in(hr, "BLOCKED", "record.blocked")
    hr.put_many(30)
    for number in range(30):
        hr.employ(f"user{number}", ("1", row()))
    run_of(hr)
    hr.set(max_blocked=3)
    for number in range(4):
        hr.put(f"user{number}", "B", also={"BLOCKED": "yes"})
        hr.employ(f"user{number}", ("1", row()))
    hr.employ("user9")
    run = run_of(hr)
    assert run.status == RunStatus.APPROVAL
    assert "4 people of 30 are blocked in HR" in run.message
    assert contracts_of("user9").keys() == {"1"}


@pytest.mark.heavy
def test_the_marks_of_a_run_are_settled_by_the_tick(hr: Source) -> None:
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(ends="2026-11-01")), ("2", row()))
    hr.run()
    assert Employment.objects.get(user=user("ann")).next_change_at == timezone.now()
    hr.employ("ann", ("1", row(ends="2026-11-01")))
    run_of(hr)
    assert not active(user("ann"))
    change = PlannedChange.objects.filter(run__door="contract").latest("pk")
    assert change.message.startswith("The last contract 1 (HR) ended on 1 Nov 2026")


def test_contracts_that_are_not_mapped_cost_and_change_nothing(source: Source) -> None:
    source.put("ann", "Ann")
    source.employ("ann", ("1", row()))
    run = source.run()
    assert (run.created, Contract.objects.count(), SourceRecord.objects.count()) == (1, 0, 0)
    source.employ("ann", ("2", row()))
    assert source.run().unchanged == 1


@pytest.mark.heavy
def test_the_accounts_of_people_know_the_digest_of_contracts_too(hr: Source) -> None:
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row()))
    hr.run()
    before = Account.objects.get(key="ann").seen_digest
    hr.employ("ann", ("1", row()), ("2", row()))
    hr.run()
    assert Account.objects.get(key="ann").seen_digest != before


@pytest.mark.heavy
def test_who_comes_later_is_the_manager_of_those_whose_contracts_named_them(hr: Source) -> None:
    contracts.arrange([], {"profile.manager": "manager"})
    hr.departments = [RemoteDepartment("D1", "Board", manager="head")]
    hr.put("ann", "Ann")
    hr.employ("ann", ("1", row(BOSS="boss")))
    hr.put("bob", "Bob")
    hr.employ("bob", ("1", row(DEPT="D1")))
    run_of(hr)
    assert (user("ann").manager, user("bob").manager) == (None, None)
    for name in ("boss", "head"):
        hr.put(name, name.title())
        hr.employ(name, ("1", row()))
    run_of(hr)
    assert (str(user("ann").manager), str(user("bob").manager)) == ("Boss (boss)", "Head (head)")
