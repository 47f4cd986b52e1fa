"""Evaluation: who gains and loses what, why, and that exactly the plan is applied, guarded and undone."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from directories.models import Directory
from provisioning import services
from provisioning.contracts import services as contracts
from provisioning.contracts.models import Contract, Department
from provisioning.imports import engine
from provisioning.imports.doors import rules as doors
from provisioning.imports.doors.contracts import settle
from provisioning.models import ImportRun, Nesting, PlannedChange, User
from provisioning.models.imports import Door, RunStatus
from provisioning.rules.book import published
from provisioning.rules.models import BusinessRule, Granted, Look
from reports.models import Event
from tests.provisioning.contracts.conftest import Clock
from tests.provisioning.rules.conftest import account, evaluate, give, given, group, members, others, person, rule

pytestmark = pytest.mark.django_db

Departments = dict[str, Department]


@pytest.mark.heavy
def test_a_move_of_department_gives_and_takes_and_says_why(
    clock: Clock, hr: Directory, departments: Departments
) -> None:
    others(200)
    ward, sales = group("Ward staff"), group("Sales team")
    rule("Care", 'contract.branch eq "Care"', ward)
    rule("Sales", 'contract.branch eq "Sales"', sales)
    ada = person("ada", department="Ward")
    theirs = account(ada, hr)
    give(theirs, "12", "2026-01-01", department=departments["W"])
    clock.at("2026-11-30 12:00")
    done = evaluate()
    assert done is not None
    assert (done.run.door, done.run.status, done.run.updated) == (Door.RULES, RunStatus.FINISHED, 1)
    assert done.run.message == "Rules: Everybody: 1 updated, 1 membership added"
    assert (members(ward), members(sales), given(ada)) == ({"ada"}, set(), ["Care"])
    row = PlannedChange.objects.get(run=done.run)
    assert (row.cause, row.department) == ("gains", "Ward")
    assert row.message == "Gains group Ward staff (rule Care, contract 12)."
    assert Granted.objects.get().contract == Contract.objects.get()
    owner = contracts.ContractOwner(account=theirs.pk)
    contracts.write_contracts([contracts.ContractRow(owner, "12", _in(departments["S"]))])
    settle()
    moved = doors.evaluate_due("admin")
    assert moved is not None
    assert (members(ward), members(sales), given(ada)) == (set(), {"ada"}, ["Sales"])
    row = PlannedChange.objects.get(run=moved.run)
    assert row.cause == "loses"
    assert row.message == (
        "Gains group Sales team (rule Sales, contract 12). "
        "Loses group Ward staff (rule Care, contract 12): its condition does not hold any more."
    )
    line = Event.objects.filter(user_id=ada.pk, message__contains="removed from the group").get()
    assert (line.message, line.run_id) == ("Ada (ada) was removed from the group Ward staff by a rule.", moved.run.pk)
    assert evaluate() is None
    assert doors.evaluate_due("admin") is None


def _in(department: Department) -> dict[str, Any]:
    return {"starts": dt.date(2026, 1, 1), "department_id": department.pk}


@pytest.mark.heavy
def test_windows_open_and_close_by_the_tick_without_an_import(clock: Clock, hr: Directory) -> None:
    others(200)
    badge = group("Badge")
    rule("Starters", "contract.number pr", badge, days_before=7, days_after=30)
    ada = person("ada", is_active=False)
    give(account(ada, hr), "1", "2026-12-10", "2026-12-31")
    clock.at("2026-11-30 12:00")
    evaluate()
    assert (members(badge), Look.objects.get(user=ada).next_at) == (set(), dt.datetime(2026, 12, 3, tzinfo=dt.UTC))
    clock.set(dt.datetime(2026, 12, 2, 23, 59, tzinfo=dt.UTC))
    assert not _tick(clock, "2026-11-30 23:59")
    assert _tick(clock, "2026-12-03 00:00")
    assert members(badge) == {"ada"}
    assert Look.objects.get(user=ada).next_at == dt.datetime(2027, 1, 31, tzinfo=dt.UTC)
    assert _tick(clock, "2027-01-31 00:00")
    assert members(badge) == set()


def _tick(clock: Clock, text: str) -> Any:
    clock.set(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))
    return doors.evaluate_due()


@pytest.mark.heavy
def test_it_goes_when_the_last_rule_stops_and_what_was_there_by_hand_stays() -> None:
    others(200)
    both, mine = group("Both"), group("By hand")
    first = rule("A", 'user.title eq "Nurse"', both, mine)
    second = rule("B", 'user.title eq "nurse"', both)
    ada = person("ada", title="Nurse")
    services.add_members(mine, [ada.pk], "admin")
    evaluate()
    assert (members(both), members(mine)) == ({"ada"}, {"ada"})
    BusinessRule.objects.filter(pk=first.pk).update(published=False)
    evaluate()
    assert (members(both), members(mine), given(ada)) == ({"ada"}, {"ada"}, ["B"])
    BusinessRule.objects.filter(pk=second.pk).update(published=False)
    done = evaluate()
    assert done is not None
    assert (
        "Loses group Both (rule B): the rule is not published any more."
        in PlannedChange.objects.get(run=done.run).message
    )
    assert (members(both), members(mine), given(ada)) == (set(), {"ada"}, [])


@pytest.mark.heavy
def test_whoever_was_taken_out_by_hand_stays_out() -> None:
    ward = group("Ward")
    rule("A", 'user.title eq "Nurse"', ward)
    ada = person("ada", title="Nurse")
    evaluate()
    services.remove_members(ward, [ada.pk], "admin")
    assert evaluate() is None
    assert members(ward) == set()


@pytest.mark.heavy
def test_of_two_rules_that_fight_the_first_in_order_wins_and_the_earlier_value_comes_back() -> None:
    others(200)
    late = rule("Late", 'user.title eq "Nurse"', ("profile.cost_center", "200"), position=20)
    early = rule("Early", 'user.title eq "Nurse"', ("profile.cost_center", "100"), position=10)
    ada = person("ada", title="Nurse", cost_center="7")
    assert evaluate() is not None
    assert _cost(ada) == "100"
    assert {one.entitlement.rule.name: one.wins for one in Granted.objects.all() if one.entitlement} == {
        "Early": True,
        "Late": False,
    }
    assert evaluate() is None
    BusinessRule.objects.filter(pk=early.pk).update(published=False)
    evaluate()
    assert _cost(ada) == "200"
    BusinessRule.objects.filter(pk=late.pk).update(published=False)
    evaluate()
    assert (_cost(ada), Granted.objects.count()) == ("7", 0)


def _cost(user: User) -> str:
    return User.objects.get(pk=user.pk).cost_center


@pytest.mark.heavy
def test_a_value_that_a_person_changed_meanwhile_stays() -> None:
    one = rule("Cost", 'user.title eq "Nurse"', ("profile.cost_center", "100"))
    ada = person("ada", title="Nurse")
    evaluate()
    User.objects.filter(pk=ada.pk).update(cost_center="9")
    assert evaluate() is None
    BusinessRule.objects.filter(pk=one.pk).update(published=False)
    evaluate()
    assert (_cost(ada), Granted.objects.count()) == ("9", 0)


@pytest.mark.heavy
def test_a_rule_that_takes_from_many_waits_and_is_applied_as_it_was_planned_and_undone() -> None:
    others(600)
    User.objects.filter(username__startswith="other").update(title="Nurse")
    ward = group("Ward")
    one = rule("All", 'user.title eq "Nurse"', ward)
    done = evaluate()
    assert done is not None
    assert (done.run.memberships_added, done.run.status) == (600, RunStatus.FINISHED)
    BusinessRule.objects.filter(pk=one.pk).update(published=False)
    waits = evaluate()
    assert waits is not None
    assert waits.waits
    assert "600 memberships of 600 would be lost; the limit is 500." in waits.run.message
    assert len(members(ward)) == 600
    again = evaluate()
    assert again is None, "the same waits already"
    BusinessRule.objects.filter(pk=one.pk).update(published=True)
    assert evaluate() is None
    assert ImportRun.objects.get(pk=waits.run.pk).status == RunStatus.CANCELLED
    BusinessRule.objects.filter(pk=one.pk).update(published=False)
    waits = evaluate()
    assert waits is not None
    services.approve_import(waits.run, "boss", plan_hash=waits.run.plan_hash)
    engine.execute(waits.run.pk)
    assert (members(ward), Granted.objects.count()) == (set(), 0)
    run = services.undo(ImportRun.objects.get(pk=waits.run.pk), "boss")
    assert any("Rules that are published" in words for words in services.losses_of(waits.run))
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    assert (len(members(ward)), Granted.objects.count()) == (600, 600)


@pytest.mark.heavy
def test_a_rule_that_names_what_is_gone_stops_and_takes_nothing_away(departments: Departments) -> None:
    sales = group("Sales team")
    one = rule("Sales", 'contract.department eq "Sales"', sales)
    ada = person("ada")
    give(ada, "1", department=departments["S"])
    evaluate()
    assert members(sales) == {"ada"}
    Department.objects.filter(pk=departments["S"].pk).update(name="Markets")
    assert evaluate() is None, "a new name changes nothing"
    contracts.delete_departments([departments["S"].pk])
    assert evaluate() is None
    assert members(sales) == {"ada"}

    assert "is not there any more" in published().stopped[one.pk][0]


@pytest.mark.heavy
def test_in_the_group_asks_for_what_people_decided() -> None:
    others(200)
    staff, extra = group("Staff"), group("Extra")
    rule("In", 'user.groups eq "Staff"', extra)
    rule("Round", 'user.groups eq "Extra"', staff)
    ada, bob = person("ada"), person("bob")
    services.add_members(staff, [ada.pk], "admin")
    services.add_members(extra, [bob.pk], "admin")
    evaluate()
    assert (members(extra), members(staff)) == ({"ada", "bob"}, {"ada", "bob"})
    assert evaluate() is None
    services.remove_members(staff, [ada.pk], "admin")
    evaluate()
    assert (members(extra), members(staff)) == ({"bob"}, {"bob"})


def test_privileged_groups_are_always_asked_about() -> None:
    root = group("Root", privileged=True)
    rule("All", "user.active eq true", root)
    person("ada")
    waits = evaluate()
    assert waits is not None
    assert waits.waits
    assert "1 membership of privileged groups would be given; the limit is 0" in waits.run.message


def test_a_group_in_a_privileged_one_is_asked_about_too() -> None:
    helpers = group("Helpers")
    Nesting.objects.create(parent=group("Root", privileged=True), child=helpers)
    rule("All", "user.active eq true", helpers)
    person("ada")
    waits = evaluate()
    assert waits is not None
    assert waits.waits


@pytest.mark.heavy
def test_a_page_takes_the_same_queries_whatever_the_number_of_people_and_rules(hr: Directory) -> None:
    def grow(number: int) -> int:
        for place in range(number):
            rule(f"rule {number} {place}", f'contract.title eq "{number}-{place}"', group(f"group {number} {place}"))
            ada = person(f"p{number}-{place}")
            give(account(ada, hr), f"{number}-{place}", "2026-01-01", title=f"{number}-{place}")
        with CaptureQueriesContext(connection) as queries:
            done = doors.evaluate("admin", look=True)
        assert done is not None
        assert PlannedChange.objects.filter(run=done.run).count() >= number
        ImportRun.objects.filter(pk=done.run.pk).update(status=RunStatus.CANCELLED)
        return len(queries)

    grow(1)
    assert grow(2) == grow(20)


def test_where_there_are_many_people_the_page_leaves_it_to_the_next_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "FEW", 1)
    ward = group("Ward")
    rule("Nurses", 'user.title eq "Nurse"', ward)
    person("ada", title="Nurse")
    person("bob")
    assert services.evaluate_rules("grace", look=True) is None
    done = doors.evaluate_due()
    assert done is not None
    assert (done.run.actor, done.run.status, members(ward)) == ("grace", RunStatus.PLANNED, set())
