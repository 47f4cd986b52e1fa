"""What follows from contracts: who is active, which contract is the primary one, what the profile gets, and when."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from directories.models import Directory
from provisioning import services
from provisioning.contracts import due
from provisioning.contracts import services as contracts
from provisioning.contracts.derive import basis, derive
from provisioning.contracts.models import Contract, Department, Employment, Location
from provisioning.contracts.services import ContractOwner, ContractRow, DepartmentRow
from provisioning.imports import engine
from provisioning.imports.doors.contracts import settle
from provisioning.imports.facets import EVERYTHING
from provisioning.models import Account, ImportRun, PlannedChange, User
from provisioning.models.accounts import AccountState
from provisioning.models.imports import Door, RunStatus
from provisioning.recycle.models import DeletedUser
from reports.models import Event
from tests.provisioning.contracts.conftest import Clock, account, active, employment, give, others, person

pytestmark = pytest.mark.django_db


def test_a_contract_that_ends_tonight_acts_tonight_without_an_import(clock: Clock, hr: Directory) -> None:
    ada = person("ada", time_zone="Australia/Melbourne")
    give(account(ada, hr), "12", "2026-01-01", "2026-11-30")
    clock.at("2026-11-30 12:00")
    assert active(ada)
    assert employment(ada).next_change_at == dt.datetime(2026, 11, 30, 13, tzinfo=dt.UTC)
    assert clock.at("2026-11-30 12:59") == []
    [done] = clock.at("2026-11-30 13:00")
    assert not active(ada)
    assert done.run.status == RunStatus.FINISHED
    line = Event.objects.get(user_id=ada.pk, operation="disable")
    assert line.message == (
        "Ada (ada) was deactivated in the portal. "
        "The last contract 12 (HR) ended on 30 Nov 2026 in Australia/Melbourne."
    )
    assert line.run_id == done.run.pk


@pytest.mark.heavy
def test_a_starter_is_activated_on_the_first_day_and_a_rehire_again(clock: Clock, hr: Directory) -> None:
    ada = person("ada", is_active=False)
    theirs = account(ada, hr)
    give(theirs, "1", "2026-12-01", "2026-12-31")
    clock.at("2026-11-30 23:59")
    assert not active(ada)
    clock.at("2026-12-01 00:00")
    assert active(ada)
    clock.at("2027-01-01 00:00")
    assert not active(ada)
    give(theirs, "2", "2027-03-01")
    clock.at("2027-03-01 00:00")
    assert active(ada)
    assert Account.objects.filter(user=ada).count() == 1


def test_between_two_contracts_that_follow_each_other_nobody_is_deactivated(clock: Clock, hr: Directory) -> None:
    ada = person("ada")
    theirs = account(ada, hr)
    give(theirs, "1", "2026-01-01", "2026-11-30", title="Clerk")
    give(theirs, "2", "2026-12-01", title="Head clerk")
    for moment in ("2026-11-30 12:00", "2026-11-30 23:59", "2026-12-01 00:00", "2026-12-01 00:01"):
        clock.at(moment)
        assert active(ada)
    assert employment(ada).primary == Contract.objects.get(external_id="2")
    assert not Event.objects.filter(operation__in=["disable", "enable"]).exists()


@pytest.mark.heavy
def test_what_a_person_decided_stays_until_the_contracts_say_something_else(clock: Clock, hr: Directory) -> None:
    ada = person("ada")
    theirs = account(ada, hr)
    give(theirs, "1", "2026-01-01", "2026-12-15")
    clock.at("2026-11-30 12:00")
    services.set_active([ada.pk], False, "admin")
    give(theirs, "1", "2026-01-01", "2026-12-15", title="Clerk")
    clock.at("2026-12-01 12:00")
    assert not active(ada)
    clock.at("2026-12-16 12:00")
    give(theirs, "2", "2027-01-01")
    clock.at("2027-01-01 12:00")
    assert active(ada), "rehired"


def test_a_first_contract_activates_nobody_whom_somebody_switched_off(clock: Clock, hr: Directory) -> None:
    ada = person("ada", is_active=False)
    give(account(ada, hr), "1", "2026-01-01")
    assert clock.at("2026-11-30 12:00") == []
    assert not active(ada)


def test_nobody_leaves_while_another_source_has_a_contract_that_holds(
    clock: Clock, hr: Directory, payroll: Directory
) -> None:
    ada = person("ada")
    give(account(ada, hr), "1", "2026-01-01", "2026-11-30")
    give(account(ada, payroll), "77", "2026-06-01", "2026-12-31")
    clock.at("2026-12-01 00:00")
    assert active(ada)
    clock.at("2027-01-01 00:00")
    assert not active(ada)
    assert "contract 77 (Payroll) ended" in Event.objects.get(operation="disable").message


def test_contracts_count_only_while_their_source_shows_the_person(
    clock: Clock, hr: Directory, payroll: Directory
) -> None:
    ada = person("ada")
    theirs = account(ada, hr)
    give(theirs, "1", "2026-01-01")
    give(account(ada, payroll), "77", "2026-06-01", "2026-12-31")
    clock.at("2026-11-30 12:00")
    Account.objects.filter(pk=theirs.pk).update(state=AccountState.ABSENT)
    clock.at("2027-01-01 00:00")
    assert not active(ada)


def test_a_contract_that_is_taken_away_is_one_that_ended(clock: Clock, hr: Directory) -> None:
    ada = person("ada")
    theirs = account(ada, hr)
    give(theirs, "1", "2026-01-01")
    clock.at("2026-11-30 12:00")
    contracts.write_contracts([], gone=[ContractRow(ContractOwner(account=theirs.pk), "1")])
    clock.at("2026-11-30 12:01")
    assert not active(ada)
    assert "No contract is left." in Event.objects.get(operation="disable").message


def test_a_contract_that_was_gone_before_anybody_looked_changes_nothing(clock: Clock) -> None:
    ada = person("ada")
    contracts.delete_contracts([give(ada, "1", "2026-01-01")], "admin")
    assert clock.at("2026-11-30 12:01") == []
    assert active(ada)
    assert not Employment.objects.exists()


def test_a_contract_that_ends_before_it_begins_never_holds_and_says_so(clock: Clock, hr: Directory) -> None:
    ada = person("ada", is_active=False)
    give(account(ada, hr), "9", "2026-05-02", "2026-05-01")
    clock.at("2026-11-30 12:00")
    [found] = derive([ada.pk], basis())
    assert found.state_words == "Contract 9 (HR) ends before it begins, so it never holds."


@pytest.mark.heavy
def test_who_is_restored_has_the_contracts_of_their_sources_again(clock: Clock, hr: Directory) -> None:
    ada = person("ada")
    give(account(ada, hr), "1", "2026-01-01", "2026-12-31")
    clock.at("2026-11-30 12:00")
    services.delete_users([ada.pk], "admin")
    [back] = services.restore_users({DeletedUser.objects.get().pk: ""}, "admin")
    assert back.problem == ""
    clock.at("2026-11-30 12:01")
    assert employment(ada).active
    clock.at("2027-01-01 00:00")
    assert not active(ada)


def test_who_may_sign_in_is_left_alone_and_that_is_said(clock: Clock, hr: Directory) -> None:
    ada = person("ada", is_staff=True)
    give(account(ada, hr), "1", "2026-01-01", "2026-11-29")
    [done] = clock.at("2026-11-30 12:00")
    assert active(ada)
    assert (done.run.left_alone, done.run.errors) == (1, 0)


def test_the_location_decides_the_zone_before_the_person_the_source_and_the_portal(clock: Clock, hr: Directory) -> None:
    ada = person("ada", time_zone="Europe/Amsterdam")
    theirs = account(ada, hr)
    la = Location.objects.create(source=hr, external_id="LA", name="Los Angeles", time_zone="America/Los_Angeles")
    everywhere = Location(source=hr, external_id="", name="Elsewhere", time_zone="Australia/Melbourne")
    contracts.save_location(everywhere, "admin")

    def ends(**values: Any) -> dt.datetime | None:
        give(theirs, "1", "2026-01-01", "2026-12-31", **values)
        clock.at("2026-11-30 12:00")
        return employment(ada).next_change_at

    assert ends(location_id=la.pk) == dt.datetime(2027, 1, 1, 8, tzinfo=dt.UTC)
    assert ends() == dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC)
    ada.time_zone = ""
    services.save_user(ada, "admin")
    assert ends() == dt.datetime(2026, 12, 31, 13, tzinfo=dt.UTC)
    contracts.delete_location(everywhere, "admin")
    clock.at("2026-11-30 12:00")
    assert employment(ada).next_change_at == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    [found] = derive([ada.pk], basis())
    assert found.contracts[0].zone.note == "No time zone is known. That of the portal counts: UTC."


def test_another_time_zone_of_a_person_moves_the_end(clock: Clock) -> None:
    ada = person("ada", time_zone="America/Los_Angeles")
    give(ada, "1", "2026-01-01", "2026-12-31")
    clock.at("2026-11-30 12:00")
    ada.time_zone = "Australia/Melbourne"
    services.save_user(ada, "admin")
    clock.at("2026-11-30 12:01")
    assert employment(ada).next_change_at == dt.datetime(2026, 12, 31, 13, tzinfo=dt.UTC)


# --- The profile ------------------------------------------------------------------------------------------------------


@pytest.fixture
def follows() -> None:
    contracts.arrange(
        [("fte", True)],
        {"profile.title": "title", "profile.department": "department", "profile.manager": "manager"},
    )


@pytest.mark.usefixtures("follows")
def test_the_profile_follows_the_primary_contract_and_says_which(clock: Clock, hr: Directory) -> None:
    contracts.write_departments(hr.pk, [DepartmentRow("10", "Finance"), DepartmentRow("20", "Audit", parent="10")])
    audit = Department.objects.get(external_id="20")
    ada, theirs = (ada := person("ada", title="Temp")), account(ada, hr)
    give(theirs, "1", "2026-01-01", "2026-11-30", fte="0.8", title="Clerk", department_id=audit.pk)
    give(theirs, "2", "2026-06-01", fte="0.2", title="Auditor")
    clock.at("2026-11-30 12:00")
    ada.refresh_from_db()
    assert (ada.title, ada.department) == ("Clerk", "Audit")
    line = Event.objects.filter(user_id=ada.pk, operation="update").latest("pk")
    assert "The profile follows contract 1 (HR)." in line.message
    assert "it has the highest FTE: 0.8" in line.message
    clock.at("2026-12-01 00:00")
    ada.refresh_from_db()
    assert (ada.title, ada.is_active) == ("Auditor", True)


@pytest.mark.heavy
@pytest.mark.usefixtures("follows")
def test_only_what_changes_in_the_contract_is_taken_over(clock: Clock, hr: Directory) -> None:
    ada = person("ada", department="Kitchen")
    theirs = account(ada, hr)
    give(theirs, "1", "2026-01-01", title="Clerk")
    clock.at("2026-11-30 12:00")
    ada.refresh_from_db()
    assert (ada.title, ada.department) == ("Clerk", "Kitchen"), "a contract without a department takes none away"
    ada.title = "Queen"
    services.save_user(ada, "admin")
    give(theirs, "1", "2026-01-01", title="Clerk", team="A")
    clock.at("2026-11-30 12:01")
    ada.refresh_from_db()
    assert ada.title == "Queen", "the contract says what it said before"
    give(theirs, "1", "2026-01-01", title="Head clerk")
    clock.at("2026-11-30 12:02")
    ada.refresh_from_db()
    assert ada.title == "Head clerk"


@pytest.mark.heavy
@pytest.mark.usefixtures("follows")
def test_the_manager_is_the_contracts_or_the_departments_head_or_the_parents(clock: Clock, hr: Directory) -> None:
    others(40)
    ada, boss, head, chief = person("ada"), person("boss"), person("head"), person("chief")
    for each in (boss, head, chief):
        account(each, hr, f"E-{each.username}")
    rows = [DepartmentRow("1", "Board", head="E-chief"), DepartmentRow("2", "IT", parent="1", head="E-head")]
    contracts.write_departments(hr.pk, rows)
    it = Department.objects.get(external_id="2")

    def manager(user: User) -> User | None:
        clock.at("2026-11-30 12:00")
        user.refresh_from_db()
        return user.manager

    theirs = account(ada, hr)
    give(theirs, "1", "2026-01-01", department_id=it.pk, manager_ref="E-boss")
    assert manager(ada) == boss
    give(theirs, "1", "2026-01-01", department_id=it.pk)
    assert manager(ada) == head
    give(Account.objects.get(user=head), "5", "2026-01-01", department_id=it.pk)
    assert manager(head) == chief, "nobody is their own manager"
    contracts.write_departments(hr.pk, [DepartmentRow("2", "IT", parent="1")])
    assert manager(ada) == chief
    it.refresh_from_db()
    it.manager = boss
    contracts.save_department(it, "admin")
    assert manager(ada) == boss, "who was chosen in the portal goes first"


@pytest.mark.usefixtures("follows")
def test_managers_in_a_circle_are_no_trouble(clock: Clock) -> None:
    ada, bob = person("ada"), person("bob")
    give(ada, "1", "2026-01-01", manager_id=bob.pk)
    give(bob, "1", "2026-01-01", manager_id=ada.pk)
    clock.at("2026-11-30 12:00")
    ada.refresh_from_db()
    bob.refresh_from_db()
    assert (ada.manager, bob.manager) == (bob, ada)


@pytest.mark.usefixtures("follows")
def test_a_value_that_does_not_fit_is_not_taken_and_the_rest_is(clock: Clock) -> None:
    ada = person("ada")
    contracts.arrange([], {"profile.time_zone": "team", "profile.title": "title"})
    give(ada, "1", "2026-01-01", team="Europe/Nowhere", title="Clerk")
    clock.at("2026-11-30 12:00")
    ada.refresh_from_db()
    assert (ada.title, ada.time_zone) == ("Clerk", "")
    assert "is not a time zone" in Event.objects.filter(user_id=ada.pk).latest("pk").message


# --- Departments ------------------------------------------------------------------------------------------------------


def test_departments_that_hang_below_themselves_are_refused_by_name_and_the_rest_is_written(hr: Directory) -> None:
    contracts.write_departments(hr.pk, [DepartmentRow("1", "Board"), DepartmentRow("2", "IT", parent="1")])
    said = contracts.write_departments(
        hr.pk,
        [DepartmentRow("1", "The board", parent="3"), DepartmentRow("3", "Ops", parent="2"), DepartmentRow("4", "HR")],
    )
    held = dict(Department.objects.values_list("external_id", "parent__external_id"))
    assert said
    assert all("below itself" in one for one in said)
    assert "Department The board (1) would be below itself" in said[0]
    assert held["1"] is None
    assert set(held) == {"1", "2", "3", "4"}
    assert Department.objects.get(external_id="1").name == "The board"


def test_a_department_of_the_portal_cannot_be_put_below_itself(hr: Directory) -> None:
    top = Department(external_id="1", name="Board")
    contracts.save_department(top, "admin")
    below = Department(external_id="2", name="IT", parent=top)
    contracts.save_department(below, "admin")
    top.parent = below
    with pytest.raises(ValueError, match="Board would be below itself"):
        contracts.save_department(top, "admin")


# --- The guard, and what waits ----------------------------------------------------------------------------------------


def leavers(hr: Directory, number: int) -> list[User]:
    people = [person(f"user{place:03}") for place in range(number)]
    rows = [
        ContractRow(ContractOwner(account=account(one, hr).pk), "1", {"ends": dt.date(2026, 11, 30), "title": "Clerk"})
        for one in people
    ]
    contracts.write_contracts(rows)
    return people


@pytest.mark.heavy
def test_too_many_who_leave_wait_for_somebody_while_the_profiles_of_others_go_on(clock: Clock, hr: Directory) -> None:
    contracts.arrange([], {"profile.title": "title"})
    people = leavers(hr, 12)
    clock.at("2026-11-30 12:00")
    ada = person("ada")
    give(account(ada, hr), "1", title="Auditor")
    found = {one.run.subject: one for one in clock.at("2026-12-01 00:00")}
    waits = found["Contracts that begin or end"]
    assert waits.waits
    assert waits.run.door == Door.CONTRACTS
    assert active(people[0])
    ada.refresh_from_db()
    assert ada.title == "Auditor"
    services.approve_import(waits.run, "boss", plan_hash=waits.run.plan_hash)
    engine.execute(waits.run.pk)
    assert not active(people[0])
    assert clock.at("2026-12-01 00:05") == []


@pytest.mark.heavy
def test_what_waits_is_taken_back_when_the_contract_is_made_longer(clock: Clock, hr: Directory) -> None:
    people = leavers(hr, 12)
    clock.at("2026-11-30 12:00")
    [waits] = clock.at("2026-12-01 00:00")
    give(Account.objects.get(user=people[0]), "1", ends="2027-06-30")
    clock.at("2026-12-01 00:01")
    row = PlannedChange.objects.get(run=waits.run, user_id=people[0].pk)
    assert row.action == "error"
    run = ImportRun.objects.get(pk=waits.run.pk)
    assert run.plan_hash != waits.run.plan_hash, "who looked at the old plan does not approve the new one"
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    assert [active(one) for one in people[:2]] == [True, False]


@pytest.mark.heavy
def test_what_waits_goes_on_waiting_when_something_else_of_the_person_changes(clock: Clock, hr: Directory) -> None:
    people = leavers(hr, 12)
    clock.at("2026-11-30 12:00")
    [waits] = clock.at("2026-12-01 00:00")
    give(Account.objects.get(user=people[0]), "1", ends="2026-11-30", team="B")
    assert clock.at("2026-12-01 00:01") == []
    assert PlannedChange.objects.get(run=waits.run, user_id=people[0].pk).action == "deactivate"


@pytest.mark.heavy
def test_a_run_of_which_nothing_is_left_ends(clock: Clock, hr: Directory) -> None:
    people = leavers(hr, 12)
    clock.at("2026-11-30 12:00")
    [waits] = clock.at("2026-12-01 00:00")
    contracts.write_contracts(
        [
            ContractRow(ContractOwner(account=one.accounts.get().pk), "1", {"ends": dt.date(2027, 1, 1)})
            for one in people
        ]
    )
    clock.at("2026-12-01 00:01")
    waits.run.refresh_from_db()
    assert waits.run.status == RunStatus.CANCELLED
    assert all(map(active, people))


# --- Cost -------------------------------------------------------------------------------------------------------------


def queries(call: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as seen:
        call()
    return len(seen)


@pytest.mark.heavy
@pytest.mark.usefixtures("follows")
def test_a_tick_with_nothing_due_is_one_query_and_a_page_costs_the_same_for_any_number(
    clock: Clock, hr: Directory
) -> None:
    contracts.write_departments(hr.pk, [DepartmentRow("1", "Board", head="user000")])
    board = Department.objects.get(external_id="1")

    def many(first: int, last: int) -> list[int]:
        people = [person(f"user{place:03}") for place in range(first, last)]
        rows = [
            ContractRow(
                ContractOwner(account=account(one, hr).pk),
                str(number),
                {"ends": dt.date(2027, 1, number), "department_id": board.pk, "manager_ref": f"user{first:03}"},
            )
            for one in people
            for number in range(1, 4)
        ]
        few = queries(lambda: contracts.write_contracts(rows))
        assert few <= 8
        return [one.pk for one in people]

    some = many(0, 2)
    known = basis()
    of_two = queries(lambda: derive(some, known))
    all_of_them = [*some, *many(2, 40)]
    of_forty = queries(lambda: derive(all_of_them, known))
    assert of_two == of_forty <= 7
    clock.at("2026-11-30 12:00")
    assert queries(settle) == 1


def test_the_tick_asks_an_index(clock: Clock, hr: Directory) -> None:
    give(account(person("ada"), hr), "1", "2026-01-01")
    due = Employment.objects.filter(next_change_at__lte=clock.now).order_by("next_change_at", "pk")[:1]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # of one row PostgreSQL asks no index
    assert "employment_due" in due.explain()


@pytest.mark.heavy
def test_thousands_who_are_due_at_midnight_go_page_by_page(
    clock: Clock, hr: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.imports.doors.contracts.PAGE", 5)
    people = leavers(hr, 12)
    clock.at("2026-11-30 12:00")
    [done] = clock.at("2026-12-01 00:00")
    assert done.run.planned == 12
    assert {one.active for one in Employment.objects.all()} == {False}
    assert len(people) == 12


def test_a_person_with_two_hundred_contracts(clock: Clock, hr: Directory) -> None:
    ada = person("ada")
    theirs = account(ada, hr)
    first = dt.date(2026, 11, 1)
    contracts.write_contracts(
        [
            ContractRow(
                ContractOwner(account=theirs.pk),
                str(number),
                {"starts": first + dt.timedelta(days=number), "ends": first + dt.timedelta(days=number)},
            )
            for number in range(200)
        ]
    )
    clock.at("2026-11-30 12:00")
    assert active(ada)
    assert employment(ada).primary == Contract.objects.get(external_id="29")
    clock.at("2027-05-20 00:00")
    assert not active(ada)


# --- What a run did not do --------------------------------------------------------------------------------------------


def ended(hr: Directory, number: int) -> list[User]:
    """People whose contracts are over before anybody looks at them, with a title that they do not have yet."""
    contracts.arrange([], {"profile.title": "title"})
    people = [person(f"user{place:03}") for place in range(number)]
    values = {"ends": dt.date(2026, 11, 28), "title": "Clerk"}
    contracts.write_contracts([ContractRow(ContractOwner(account=account(one, hr).pk), "1", values) for one in people])
    return people


@pytest.mark.heavy
def test_a_leaver_whose_title_was_changed_while_the_plan_waited_is_deactivated_all_the_same(
    clock: Clock, hr: Directory
) -> None:
    people = ended(hr, 12)
    [waits] = clock.at("2026-11-30 12:00")
    assert waits.waits
    User.objects.filter(pk=people[0].pk).update(title="Queen")
    services.approve_import(waits.run, "boss", plan_hash=waits.run.plan_hash)
    engine.execute(waits.run.pk)
    assert [active(one) for one in people[:2]] == [True, False]
    [again] = clock.at("2026-11-30 12:01")
    assert (again.run.status, again.run.deactivated) == (RunStatus.FINISHED, 1)
    assert not active(people[0])
    assert people[0].title == "Queen", "what was changed by hand stays"
    assert clock.at("2026-11-30 12:02") == []


@pytest.mark.heavy
def test_what_a_run_that_failed_did_not_do_is_planned_again(
    clock: Clock, hr: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = ended(hr, 2)

    def breaks(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("provisioning.imports.doors.writing.PortalWriter.write", breaks)
        [failed] = clock.at("2026-11-30 12:00")
    assert failed.run.status == RunStatus.FAILED
    assert clock.at("2026-11-30 12:09") == []
    [again] = clock.at("2026-11-30 12:10")
    assert again.run.status == RunStatus.FINISHED
    assert not any(map(active, people))
    assert {one.title for one in people} == {"Clerk"}
    assert clock.at("2026-11-30 12:30") == []


@pytest.mark.heavy
@pytest.mark.parametrize("how", ["cancelled", "refused"])
def test_what_somebody_refused_stays_refused_until_the_contracts_say_something_else(
    clock: Clock, hr: Directory, how: str
) -> None:
    people = ended(hr, 12)
    [waits] = clock.at("2026-11-30 12:00")
    if how == "cancelled":
        services.cancel_import(waits.run, "boss")
    else:
        services.refuse_changes(waits.run, "boss", EVERYTHING, "not yet")
    due.everybody()
    assert clock.at("2026-11-30 12:20") == []
    assert all(map(active, people))
    [found] = derive([people[0].pk], basis())
    assert found.apart.startswith("Active though no contract holds. Somebody refused the change;")
    give(Account.objects.get(user=people[0]), "1", ends="2026-11-27", title="Clerk")
    [again] = clock.at("2026-11-30 12:21")
    assert again.run.status == RunStatus.FINISHED
    assert [active(one) for one in people[:2]] == [False, True]
    assert (employment(people[0]).refused, bool(employment(people[1]).refused)) == ("", True)
    assert clock.at("2026-11-30 12:22") == []


@pytest.mark.heavy
def test_what_a_contract_says_first_is_no_question_and_another_value_for_many_is(clock: Clock, hr: Directory) -> None:
    contracts.arrange([], {"profile.title": "title"})
    people = [person(f"user{place:03}") for place in range(40)]

    def entitle(title: str) -> None:
        rows = [
            ContractRow(ContractOwner(account=account(one, hr).pk), "1", {"ends": None, "title": title})
            for one in people
        ]
        contracts.write_contracts(rows)

    entitle("Clerk")
    [first] = clock.at("2026-11-30 12:00")
    assert (first.run.status, first.run.updated) == (RunStatus.FINISHED, 40)
    entitle("Auditor")
    [second] = clock.at("2026-11-30 12:01")
    assert second.waits
    assert second.run.message.startswith("Title would be another for 40 people of 40")


@pytest.mark.heavy
@pytest.mark.parametrize("how", ["made again", "given back"])
def test_who_gets_the_account_of_a_source_back_has_its_contracts(clock: Clock, hr: Directory, how: str) -> None:
    ada = person("ada", employee_number="7" if how == "made again" else "")
    give(account(ada, hr), "1", "2026-01-01", "2026-12-31")
    clock.at("2026-11-30 12:00")
    services.delete_users([ada.pk], "admin")
    ada = person("ada", employee_number="7")
    if how == "given back":
        services.give_back(ada, Account.objects.get(directory=hr).pk, "admin")
    assert Account.objects.get(directory=hr).user == ada
    clock.at("2026-11-30 12:01")
    assert employment(ada).active
    clock.at("2027-01-01 00:00")
    assert not active(ada)


@pytest.mark.heavy
def test_a_rehire_who_is_made_before_the_new_contract_comes_stays_active(clock: Clock, hr: Directory) -> None:
    ada = person("ada", employee_number="7")
    give(account(ada, hr), "1", "2026-01-01", "2026-11-29")
    clock.at("2026-11-30 12:00")
    services.delete_users([ada.pk], "admin")
    ada = person("ada", employee_number="7")
    theirs = Account.objects.get(directory=hr)
    assert theirs.user == ada
    assert clock.at("2026-11-30 12:01") == []
    assert active(ada), "somebody made her anew after the contract had ended"
    give(theirs, "2", "2026-12-01", "2026-12-31")
    clock.at("2026-12-01 00:00")
    assert active(ada)
    clock.at("2027-01-01 00:00")
    assert not active(ada)


@pytest.mark.heavy
@pytest.mark.parametrize("since", ["before the plan", "while it waited"])
def test_who_may_not_sign_in_any_more_leaves_by_what_ended_meanwhile(clock: Clock, hr: Directory, since: str) -> None:
    people = ended(hr, 12)
    ada = people[0]
    if since == "before the plan":
        User.objects.filter(pk=ada.pk).update(is_staff=True)
    waits, *_ = clock.at("2026-11-30 12:00")
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    services.approve_import(waits.run, "boss", plan_hash=waits.run.plan_hash)
    engine.execute(waits.run.pk)
    clock.at("2026-11-30 12:01")
    assert [active(one) for one in people[:2]] == [True, False]
    assert clock.at("2026-11-30 12:02") == []
    ada.is_staff = False
    services.save_user(ada, "admin")
    clock.at("2026-11-30 12:03")
    assert not active(ada)
