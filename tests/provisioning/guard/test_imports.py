"""Hostile imports: what is over a limit waits, and the rest goes on."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.connectors.base import RemoteAccount
from directories.models import QueryTemplate, Schedule, TemplateOperation
from provisioning import services
from provisioning.guard.models import Loss
from provisioning.imports import engine, requests, runs
from provisioning.models import Change, Group, ImportRun, Membership, PlannedChange, PlannedMember, User
from provisioning.models.imports import RunStatus
from tests.fixtures.directories import AppsDb, save_directory
from tests.provisioning.imports.conftest import Source, SourceConnector, source, user
from tests.provisioning.imports.group_source import GroupSource, groups
from tests.provisioning.imports.test_groups import who
from tests.provisioning.imports.test_sql import run as run_of

__all__ = ["groups", "source"]
pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
USUAL = {"max_leavers": 50, "max_leavers_percent": 10, "max_blanked": 100, "max_blanked_percent": 10}
PEOPLE = 120


@pytest.fixture
def crew(source: Source) -> Source:
    """HR with people in three departments, and with the limits that a directory has by itself."""
    source.map(DEPT="profile.department", TITLE="profile.title")
    source.set(
        **{"max_leavers_percent": 10, "max_blanked_percent": 10, "max_changed_percent": 30, "max_created_percent": 20},
        **{"max_created": 200, "max_department_percent": 50, "max_group_percent": 50},
    )
    for number in range(PEOPLE):
        put(source, number)
    assert source.run().status == RunStatus.FINISHED
    return source


def put(source: Source, number: int, **other: Any) -> None:
    """Write the row of a person: tens have a department each."""
    values = {"first": f"First{number}", "last": "L", "mail": f"{number}@example.org", **other}
    dept = other.get("dept", f"D{number // 40}")
    title = other.get("title", "Clerk")
    source.put(f"user{number}", values["first"], values["last"], values["mail"], also={"DEPT": dept, "TITLE": title})


def active() -> int:
    return User.objects.filter(is_active=True).count()


def held(run: ImportRun) -> set[str]:
    return set(PlannedChange.objects.filter(run=run, held=True).values_list("key", flat=True))


def test_a_filter_that_hides_nine_of_ten_holds_the_leavers_and_nothing_else(crew: Source) -> None:
    crew.remove(*(f"user{number}" for number in range(12, PEOPLE)))
    put(crew, 0, title="Boss")
    crew.put("new", "New", "Person", "new@example.org")
    run = crew.run()
    assert run.status == RunStatus.APPROVAL
    assert run.message.startswith(
        "108 people of 120 would be deactivated because they are missing from HR; the limit is 50. Check"
    )
    assert (run.held, len(held(run))) == (108, 108)
    assert active() == PEOPLE + 1
    assert (user("user0").title, user("new").first_name) == ("Boss", "New")
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.deactivated, run.applied) == (RunStatus.FINISHED, 108, 110)
    assert active() == 13


def test_what_waited_is_planned_again_by_the_next_scheduled_import(crew: Source, sent_tasks: Any) -> None:
    crew.remove(*(f"user{number}" for number in range(60)))
    crew.set(schedule=Schedule.HOURLY, next_import_at=timezone.now())
    first = crew.run()
    assert first.status == RunStatus.APPROVAL
    with pytest.raises(services.ImportRefused, match="waiting for approval"):
        crew.start()  # a person decides about it first
    requests.start_due_imports()
    first.refresh_from_db()
    assert (first.status, first.message, first.deactivated) == (RunStatus.CANCELLED, runs.REPLACED, 0)
    second = ImportRun.objects.latest("pk")
    engine.execute(second.pk)
    second.refresh_from_db()
    assert (second.status, second.held) == (RunStatus.APPROVAL, 60)
    assert active() == PEOPLE
    services.cancel_import(second, "boss")
    second.refresh_from_db()
    assert (second.status, second.deactivated) == (RunStatus.CANCELLED, 0)


def test_three_per_cent_a_run_add_up_to_the_limit_of_a_day(crew: Source) -> None:
    statuses = []
    for turn in range(20):
        crew.remove(*(f"user{number}" for number in range(4 * turn, 4 * turn + 4)))
        run = crew.run()
        statuses.append(run.status)
        if run.status == RunStatus.APPROVAL:
            services.cancel_import(run, "boss")
    assert statuses == [RunStatus.FINISHED] * 3 + [RunStatus.APPROVAL] * 17
    assert active() == PEOPLE - 12
    assert "after 12 in the last 24 hours; the limit is" in run.message
    Loss.objects.update(at=timezone.now() - dt.timedelta(hours=25))
    crew.rows = []
    for number in range(16, PEOPLE):
        put(crew, number)
    assert crew.run().status == RunStatus.FINISHED
    assert active() == PEOPLE - 16


def test_swapped_columns_wait(crew: Source) -> None:
    for number in range(PEOPLE):
        put(crew, number, first="L", last=f"First{number}")
    put(crew, 1, first="L", last="First1", title="Boss", mail="1@example.org")
    run = crew.run()
    assert run.status == RunStatus.APPROVAL
    assert "First name would be another for 120 people of 120; the limit is 30 %." in run.message
    assert "Last name would be another for 120 people of 120; the limit is 30 %." in run.message
    assert user("user7").first_name == "First7"


def test_one_address_for_everybody_waits_and_titles_go_on(crew: Source) -> None:
    for number in range(PEOPLE):
        put(crew, number, **({"mail": "unknown@example.org"} if number > 9 else {"title": "Boss"}))
    run = crew.run()
    assert run.status == RunStatus.APPROVAL
    assert run.message.startswith("E-mail would be another for 110 people of 120; the limit is 30 %.")
    assert run.held == 110
    assert (user("user20").email, user("user3").title) == ("20@example.org", "Boss")
    assert not Loss.objects.filter(scope="profile.email").exists()
    assert Loss.objects.get(scope="profile.title").number == 10


def test_swapped_user_names_make_nobody_new(crew: Source) -> None:
    crew.set(deactivate_missing=False)
    for number in range(60):
        crew.remove(f"user{number}")
        crew.put(f"{number}@example.org", f"First{number}", "L", f"user{number}")
    run = crew.run()
    assert run.status == RunStatus.APPROVAL
    assert "60 people would be added to the 120 whom HR gave before; the limit is 20 %." in run.message
    assert User.objects.count() == PEOPLE


def test_blanked_addresses_wait(crew: Source) -> None:
    for number in range(PEOPLE):
        put(crew, number, **({"mail": ""} if number % 2 else {}))
    run = crew.run()
    assert (run.status, run.held) == (RunStatus.APPROVAL, 60)
    assert "60 people of 120 would lose a value because it is empty in HR; the limit is 10 %." in run.message
    assert user("user1").email == "1@example.org"


def test_most_of_one_department_waits_below_the_limit_of_all(crew: Source) -> None:
    for number in range(PEOPLE, PEOPLE + 10):
        put(crew, number, dept="Small")
    crew.run()
    crew.set(max_leavers_percent=50)
    crew.remove(*(f"user{number}" for number in range(PEOPLE, PEOPLE + 7)), "user0")
    run = crew.run()
    assert run.status == RunStatus.APPROVAL
    words = "7 people of 10 in the department Small would be deactivated because they are missing from HR"
    assert run.message.startswith(f"{words}; the limit is 50 %.")
    assert len(held(run)) == 7
    assert active() == PEOPLE + 10 - 1  # who left another department is gone


def test_leavers_who_cannot_be_looked_up_are_not_proven(crew: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SourceConnector, "look_up", lambda *_: None)
    crew.remove(*(f"user{number}" for number in range(5)))
    assert crew.run().status == RunStatus.FINISHED  # few
    crew.remove(*(f"user{number}" for number in range(5, 11)))
    run = crew.run()
    assert run.status == RunStatus.APPROVAL
    words = "6 people are missing from HR, and it cannot be asked for single accounts: not proven."
    assert run.message.startswith(words)
    assert active() == PEOPLE - 5


def test_a_row_that_a_crawl_missed_and_a_look_up_finds_is_no_leaver(
    crew: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    missed = [row for row in crew.rows if row.ref in {f"user{number}" for number in range(8)}]
    crew.remove(*(row.ref for row in missed))
    monkeypatch.setattr(SourceConnector, "look_up", lambda _, refs: [row for row in missed if row.ref in refs])
    run = crew.run()
    assert (run.status, run.deactivated) == (RunStatus.FINISHED, 0)
    assert active() == PEOPLE


def test_a_source_that_says_more_than_it_gives_changes_nothing(crew: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    crew.remove(*(f"user{number}" for number in range(4)))
    put(crew, 9, title="Boss")
    monkeypatch.setattr(SourceConnector, "count", lambda _: PEOPLE + 2)
    run = crew.run()
    assert run.status == RunStatus.FAILED
    assert "HR said that it has 122 users and gave 116, so it was not read to the end." in run.message
    assert (active(), user("user9").title) == (PEOPLE, "Clerk")
    monkeypatch.setattr(SourceConnector, "count", lambda _: PEOPLE)
    run = crew.run()  # a little less is what happened meanwhile, and is said
    assert run.message.startswith("Imported 5 users from HR (4 fewer than it counted):")


def test_a_source_that_became_small_waits_where_missing_people_stay(crew: Source) -> None:
    crew.set(deactivate_missing=False)
    crew.rows = crew.rows[:60]
    put(crew, 1, mail="")
    put(crew, 2, title="Boss")
    run = crew.run()
    assert run.status == RunStatus.APPROVAL
    words = "HR gave 60 users, and 120 at the last import of everything; the limit is 50."
    assert run.message.startswith(words)
    assert (held(run), user("user2").title) == ({"user1"}, "Boss")
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    assert user("user1").email == ""
    assert crew.run().status == RunStatus.FINISHED  # that is what it has now


def test_the_guard_costs_no_query_for_each_row_and_none_where_nothing_changed(crew: Source) -> None:
    crew.set(max_changed=10_000)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert crew.run().status == RunStatus.FINISHED
        return len([one for one in captured if "guard_loss" in one["sql"]])

    assert queries() == 0
    for number in range(20):
        put(crew, number, title="Boss")
    assert queries() == 2  # what was lost before, and what is lost now
    for number in range(40):
        put(crew, number, title="Chief")
    crew.set(max_changed_percent=100)
    assert queries() == 2


# --- Groups ----------------------------------------------------------------------------------------------------------


def test_who_stays_for_now_keeps_their_groups(groups: GroupSource) -> None:
    people = [f"user{number}" for number in range(20)]
    for name in people:
        groups.person(name)
    groups.put("dev", *people)
    groups.put("ops", *people[:2])
    assert groups.people.run().status == RunStatus.FINISHED
    groups.people.set(max_leavers=5)
    groups.people.remove(*people[10:])
    groups.put("dev", *people[:10])
    groups.put("ops", *people[1:2])
    run = groups.people.run()
    assert (run.status, run.held) == (RunStatus.APPROVAL, 21)
    assert (len(who("dev")), who("ops")) == (20, {"user0", "user1"})  # nobody loses anything to half a source
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    assert (len(who("dev")), who("ops"), active()) == (10, {"user1"}, 10)


def test_a_long_list_of_members_that_waited_is_applied_in_full(
    groups: GroupSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.imports.groups.apply.MEMBERS", 4)
    people = [f"user{number}" for number in range(14)]
    for name in people:
        groups.person(name)
    groups.put("admins", *people[:6])
    assert groups.people.run().status == RunStatus.FINISHED
    Group.objects.filter(name="admins").update(privileged=True)
    groups.put("admins", *people[4:])
    run = groups.people.run()
    assert (run.status, who("admins")) == (RunStatus.APPROVAL, set(people[4:6]))
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    assert who("admins") == set(people[4:])


def test_a_group_that_loses_a_nested_one_loses_all_in_it(groups: GroupSource) -> None:
    people = [f"user{number}" for number in range(30)]
    for name in people:
        groups.person(name)
    groups.put("team", *people)
    groups.put("crew", "user0")
    groups.put("all", "team", "crew")
    assert groups.people.run().status == RunStatus.FINISHED
    groups.people.set(max_group_percent=50)
    groups.put("all", "crew")
    run = groups.people.run()
    assert run.status == RunStatus.APPROVAL
    assert run.message.startswith("30 memberships of 30 of the group all would be lost; the limit is 50 %.")
    assert PlannedMember.objects.get(held=True).group_account_id
    assert Group.objects.get(name="all").nestings.count() == 2


def test_a_department_that_is_renamed_empties_a_group_only_when_somebody_agrees(pg_appsdb: AppsDb) -> None:
    directory = save_directory(
        pg_appsdb, import_users=True, deactivate_missing=True, sync_groups=True, max_created_percent=100
    )
    for operation, sql in (
        (TemplateOperation.IMPORT_GROUPS, "SELECT DISTINCT LASTNAME AS name FROM USERS"),
        (TemplateOperation.IMPORT_MEMBERS, "SELECT USERNAME AS member FROM USERS WHERE LASTNAME='##GROUP##'"),
    ):
        QueryTemplate.objects.create(directory=directory, operation=operation, sql=sql)
    pg_appsdb.many(
        "INSERT INTO USERS VALUES (%s, '', 'F', %s, '')",
        [(f"user{number}", "Sales" if number < 20 else "Works") for number in range(200)],
    )
    assert run_of(directory).status == RunStatus.FINISHED
    assert Membership.objects.count() == 200
    pg_appsdb.execute("UPDATE USERS SET LASTNAME='Selling' WHERE LASTNAME='Sales'")
    waiting = run_of(directory)
    assert waiting.status == RunStatus.APPROVAL
    assert "20 memberships of 20 of the group Sales would be lost; the limit is 50 %." in waiting.message
    assert len(who("Sales")) == len(who("Selling")) == 20  # who comes in, comes in at once
    services.approve_import(waiting, "boss", plan_hash=waiting.plan_hash)
    engine.execute(waiting.pk)
    assert (Group.objects.filter(name="Sales").exists(), len(who("Selling"))) == (False, 20)


def test_privileged_groups_get_few_people_without_a_question(groups: GroupSource) -> None:
    people = [f"user{number}" for number in range(9)]
    for name in people:
        groups.person(name)
    groups.put("team")
    groups.put("admins", "user0", "team")
    assert groups.people.run().status == RunStatus.FINISHED
    Group.objects.filter(name="admins").update(privileged=True)
    groups.put("team", *people[1:8])
    run = groups.people.run()
    assert run.status == RunStatus.APPROVAL
    assert run.message.startswith("7 memberships of privileged groups would be given by HR; the limit is 5.")
    assert who("team") == set()
    services.cancel_import(run, "boss")
    groups.put("team", "user1", "user2")
    assert groups.people.run().status == RunStatus.FINISHED
    groups.put("team", *people[1:7])
    assert "after 2 in the last 24 hours" in groups.people.run().message


# --- Real servers ----------------------------------------------------------------------------------------------------


def test_a_real_source_that_is_emptied_cut_or_blanked(appsdb: AppsDb) -> None:
    directory = save_directory(appsdb, import_users=True, deactivate_missing=True, max_created=100_000, **USUAL)
    appsdb.add_many(600)
    assert run_of(directory).status == RunStatus.FINISHED
    appsdb.execute("UPDATE USERS SET EMAIL_ADDRESS=NULL")
    assert (run_of_and_cancelled(directory)).held == 600
    assert User.objects.exclude(email="").count() == 600
    appsdb.execute("DELETE FROM USERS WHERE USERNAME LIKE 'user5%' OR EMAIL_ADDRESS IS NULL")
    failed = run_of(directory)
    assert (failed.status, failed.planned) == (RunStatus.FAILED, 0)
    assert User.objects.filter(is_active=True).count() == 600
    appsdb.add_many(600)
    appsdb.execute("DELETE FROM USERS WHERE USERNAME LIKE 'user5%'")
    waiting = run_of(directory)
    assert (waiting.status, waiting.held) == (RunStatus.APPROVAL, 111)
    assert User.objects.filter(is_active=True).count() == 600
    assert not Change.objects.exists()


def run_of_and_cancelled(directory: Any) -> ImportRun:
    run = run_of(directory)
    services.cancel_import(run, "boss")
    return run


def test_a_look_up_by_lasting_id_reads_what_an_import_would(appsdb: AppsDb) -> None:
    from directories.config import load, open_connector

    appsdb.add_many(3)
    directory = save_directory(appsdb)
    with open_connector(load(directory.pk)) as connector:
        found = connector.look_up(["user1", "nobody", "user2"])
        assert found is not None
        rows: dict[str, RemoteAccount] = {row.ref: row for row in found}
        assert set(rows) == {"user1", "user2"}
        assert rows["user1"] == next(
            row for page in connector.accounts() for row in page.accounts if row.ref == "user1"
        )
