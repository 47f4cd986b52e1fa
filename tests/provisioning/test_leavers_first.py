"""Whoever loses access goes before everything else, for accounts and for groups."""

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.connectors.base import ConnectorError, Entry, GroupEntry, RefusedMember, Unavailable
from directories.connectors.memory import Memory
from directories.models import Directory
from provisioning import services, tasks
from provisioning.identities import membership
from provisioning.models import Account, Change, Group, GroupAccount, GroupChange, User
from provisioning.models.outbox import Lane
from provisioning.outbound import batch, dispatch
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.outbound.dispatch import LEAVERS
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.outbound.leases import Leases
from tests.fixtures.directories import AppsDb
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until
from tests.provisioning.crew import Crews, save_crew_directory
from tests.provisioning.groups.push import held, lines, make_group, make_users, mem, run, save_memory_directory
from tests.provisioning.test_delivery_faults import OUT, write_every_insert_down

__all__ = ["mem"]
pytestmark = pytest.mark.django_db
Message = tuple[Any, ...]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Messages in the order in which a worker takes them: task, arguments, queue."""
    found: list[Message] = []

    def send(task: str, *args: object, queue: str | None = None, **options: object) -> bool:
        found.append((task.rpartition(".")[2], args, queue))
        return True

    monkeypatch.setattr(dispatch, "send_on_commit", send)  # the test's own transaction does not end
    monkeypatch.setattr(tasks, "send", send)
    return found


def work(sent: list[Message], *, leavers_only: bool = False) -> None:
    """Do what the messages say, as one worker would that has no time for what comes meanwhile."""
    for task, args, queue in [*sent]:
        if queue == LEAVERS or not leavers_only:
            getattr(tasks, task)(*args)


def add_many(number: int) -> list[User]:
    return User.objects.bulk_create([User(username=f"user{n}", first_name="Old") for n in range(number)])


# --- Accounts --------------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_leavers_pass_five_thousand_changes_of_names(crews: Crews, sent: list[Message]) -> None:
    directory = save_crew_directory()
    users = add_many(5000)
    accounts = Account.objects.bulk_create(
        Account(user=user, directory=directory, key=user.username, remote_id=user.username, state="active")
        for user in users
    )
    crews["CREW"].rows.update({user.username: {"FIRSTNAME": "Old"} for user in users})
    User.objects.update(first_name="New")
    services.provision_many([user.pk for user in users], "test")
    services.set_active([users[4000].pk], False, "admin")
    services.delete_users([users[4500].pk], "admin")
    switched_off = User.objects.get(pk=users[4900].pk)
    switched_off.provisioned = False
    switched_off.save()
    gone = [accounts[number].pk for number in (4000, 4500, 4900)]
    assert outbox.LEASES.due(directory.pk, 5) == [*gone, accounts[0].pk, accounts[1].pk]
    assert outbox.LEASES.due(directory.pk, 5, leavers=True) == gone

    sent.clear()  # every message is lost; the sweep finds the work
    tasks.sweep()
    first, *others = sent
    assert first == ("drain", first[1], LEAVERS)
    assert first[1][2:] == ("accounts", True)
    assert {queue for *_, queue in others} == {None}
    work(sent[:1])
    left = [("disable", "user4000"), ("delete", "user4500"), ("disable", "user4900")]
    assert crews["CREW"].done("disable", "delete", "update") == left  # and nothing else by this message

    # A usual drain with a limit takes them first as well.
    Account.objects.update(not_before=timezone.now())
    services.set_active([users[4100].pk, users[4200].pk], False, "admin")
    crews["CREW"].calls.clear()
    tasks.drain(directory.pk)
    assert crews["CREW"].done("disable", "update")[:3] == [
        ("disable", "user4100"),
        ("disable", "user4200"),
        ("update", "user0"),
    ]


def test_a_leavers_message_has_a_queue_of_its_own(crews: Crews, sent: list[Message]) -> None:
    directory = save_crew_directory()
    users = add_many(3)
    services.provision_many([user.pk for user in users], "test")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    sent.clear()
    User.objects.filter(pk=users[1].pk).update(is_active=False)
    services.provision_many([user.pk for user in users], "import")
    accounts = list(Account.objects.order_by("pk").values_list("pk", flat=True))
    assert [(args[1], queue) for _, args, queue in sent] == [([accounts[1]], LEAVERS), ([*accounts[::2]], None)]
    assert dict(Change.objects.values_list("account", "lane")) == {
        accounts[0]: Lane.USUAL,
        accounts[1]: Lane.LEAVERS,
        accounts[2]: Lane.USUAL,
    }
    work(sent)
    sent.clear()
    services.provision_many([users[1].pk], "renamed")  # access has ended already
    assert [queue for *_, queue in sent] == [None]


def test_finding_leavers_reads_an_index(crews: Crews) -> None:
    directory = save_crew_directory()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        outbox.LEASES.due(directory.pk, 10, leavers=True)
    if connection.vendor != "postgresql":
        pytest.skip("the plan is PostgreSQL's")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        assert "change_leavers" in str(cursor.fetchall())


def test_a_leavers_pause_ends_and_the_next_one_is_short(crews: Crews) -> None:
    directory = save_crew_directory()
    user = User.objects.create(username="anna")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    Account.objects.update(not_before=timezone.now() + dt.timedelta(minutes=50), attempts=9)
    services.set_active([user.pk], False, "admin")

    def fail(call: str, key: str) -> None:
        raise Unavailable("The row is locked.", whole_directory=False)

    crews["CREW"].fail = fail
    assert deliver(directory.pk, outbox.LEASES.due(directory.pk, 10)).claimed == 1
    Account.objects.update(attempts=9, not_before=timezone.now())
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    pause = Account.objects.get().not_before - timezone.now()
    assert dt.timedelta(seconds=30) < pause < dt.timedelta(seconds=61)


def test_who_becomes_a_leaver_during_a_call_that_ends_busy_waits_a_short_time(crews: Crews) -> None:
    directory = save_crew_directory()
    user = User.objects.create(username="anna")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    Account.objects.update(attempts=9)
    user.first_name = "New"
    user.save()

    def fail(call: str, key: str) -> None:
        services.set_active([user.pk], False, "admin")
        raise Unavailable("The row is locked.", whole_directory=False)

    crews["CREW"].fail = fail
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    pause = Account.objects.get().not_before - timezone.now()
    assert dt.timedelta(seconds=30) < pause < dt.timedelta(seconds=61)


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("leaver_commits", ["before the pause", "after the pause"])
def test_who_becomes_a_leaver_while_a_pause_is_written_waits_a_short_time(
    crews: Crews, monkeypatch: pytest.MonkeyPatch, leaver_commits: str
) -> None:
    """Neither the worker nor the leaver's transaction sees what the other writes at that moment."""
    directory = save_crew_directory()
    user = User.objects.create(username="anna")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    Account.objects.update(attempts=9)
    user.first_name = "New"
    user.save()
    asked, written, done = threading.Event(), threading.Event(), threading.Event()

    def leave() -> None:
        try:
            with transaction.atomic():
                services.set_active([user.pk], False, "admin")
                asked.set()
                assert leaver_commits == "before the pause" or written.wait(20)
        finally:
            done.set()
            connection.close()

    leaver = threading.Thread(target=leave)
    record = batch.record_many

    def slow_record(lines: Any) -> None:
        leaver.start()
        assert asked.wait(20)
        assert leaver_commits == "after the pause" or done.wait(20)
        record(lines)

    def fail(call: str, key: str) -> None:
        raise Unavailable("The row is locked.", whole_directory=False)

    monkeypatch.setattr(batch, "record_many", slow_record)
    crews["CREW"].fail = fail
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    written.set()
    leaver.join()
    account = Account.objects.get()
    assert outbox.LEASES.leavers_among([account.pk])
    assert account.not_before - timezone.now() < dt.timedelta(seconds=61)


@pytest.mark.heavy
def test_a_leaver_whom_the_directory_does_not_let_go_stays_one(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    anna, *_ = make_users("anna")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(mem)

    def refuse(self: Memory, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        return [RefusedMember(member, ConnectorError("No.")) for member in members]

    monkeypatch.setattr(Memory, "remove_members", refuse)
    membership.remove(group, [anna.pk], "tester")
    run(mem)
    change = GroupChange.objects.get()
    assert (change.parked_message, change.lane) == ("No.", Lane.LEAVERS)


def test_the_pauses_of_leavers_end_at_once_in_all_directories(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    save_memory_directory("OTHER")
    group = make_group("Developers")
    ended: list[set[int]] = []
    monkeypatch.setattr(Leases, "hurry", lambda leases, ids: ended.append(set(ids)))
    services.delete_groups([group.pk], "tester")
    assert ended[0] == set(GroupAccount.objects.values_list("pk", flat=True))
    assert len(ended[0]) == 2


def test_a_parked_leaver_stays_one(crews: Crews, sent: list[Message]) -> None:
    directory = save_crew_directory()
    user = User.objects.create(username="anna")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    services.set_active([user.pk], False, "admin")
    User.objects.get(pk=user.pk).save()

    def fail(call: str, key: str) -> None:
        raise ConnectorError("No.", code="refused")

    crews["CREW"].fail = fail
    Change.objects.filter(pk=Change.objects.latest("pk").pk).update(lane=Lane.USUAL)  # the change that is kept
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    assert Change.objects.get().lane == Lane.LEAVERS
    sent.clear()
    services.retry(Change.objects.all(), "admin")
    assert [queue for *_, queue in sent] == [LEAVERS]


@pytest.mark.heavy
def test_a_batch_gives_back_whoever_leaves_while_waiting_in_it(
    crews: Crews, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "LOOK_SECONDS", 0.0)
    directory = save_crew_directory()
    users = add_many(3)
    services.provision_many([user.pk for user in users], "test")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    User.objects.update(first_name="New")
    services.provision_many([user.pk for user in users], "test")
    crews["CREW"].calls.clear()
    sent.clear()
    leaver = Account.objects.get(user=users[2])

    def leave(call: str, key: str) -> None:
        if (call, key) == ("update", "user0"):
            services.set_active([users[2].pk], False, "admin")
        if (call, key) == ("find", "user1"):
            assert Account.objects.get(pk=leaver.pk).leased_until is None  # free for the workers of leavers
            assert sent[-1] == ("deliver", (directory.pk, [leaver.pk], "accounts"), LEAVERS)

    crews["CREW"].fail = leave
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    assert crews["CREW"].done("update", "disable") == [("update", "user0"), ("update", "user1")]
    crews["CREW"].fail = lambda call, key: None
    work(sent[-1:])
    assert crews["CREW"].done("disable") == [("disable", "user2")]


@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_a_batch_lets_whoever_leaves_go_before_its_end(
    crews: Crews, sent: list[Message], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """They were updated by it already, so the message about their leaving found them taken."""
    monkeypatch.setattr(batch, "LOOK_SECONDS", seconds)
    monkeypatch.setattr(batch, "FLUSH_SECONDS", 1000.0 - seconds)  # or their results are written just then
    directory = save_crew_directory()
    users = add_many(3)
    services.provision_many([user.pk for user in users], "test")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    User.objects.update(first_name="New")
    services.provision_many([user.pk for user in users], "test")
    leaver = Account.objects.get(user=users[0])
    message = ("deliver", (directory.pk, [leaver.pk], "accounts"), LEAVERS)

    def leave(call: str, key: str) -> None:
        if (call, key) == ("update", "user0"):
            services.set_active([users[0].pk], False, "admin")
            sent.clear()
        if (call, key) == ("update", "user2"):
            assert Account.objects.get(pk=leaver.pk).leased_until is None
            assert sent == [message]

    crews["CREW"].fail = leave
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    assert ("update", "user2") in crews["CREW"].done()
    work([message])
    assert crews["CREW"].done("disable") == [("disable", "user0")]


# --- Groups ----------------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_lost_memberships_pass_thousands_of_joins(mem: Directory, sent: list[Message]) -> None:
    anna, ben = make_users("anna", "ben")
    groups = [make_group(name) for name in ("Alpha", "Beta", "Gamma")]
    for group in groups:
        membership.add(group, [anna.pk, ben.pk], "tester")
    run(mem)
    users = add_many(5000)
    services.provision_many([user.pk for user in users], "test")
    Account.objects.update(state="active")
    many = GroupAccount.objects.bulk_create(
        GroupAccount(group=Group.objects.create(name=f"Group {n}"), directory=mem, key=f"Group {n}") for n in range(50)
    )
    accounts = list(Account.objects.values_list("pk", flat=True))
    GroupChange.objects.bulk_create(
        GroupChange(directory=mem, reason="test", group_account=many[n % 50], account_id=accounts[n])
        for n in range(5000)
    )
    sent.clear()
    membership.remove(groups[1], [anna.pk], "admin")
    services.delete_groups([groups[2].pk], "admin")
    theirs = [GroupAccount.objects.get(key=name).pk for name in ("Beta", "Gamma")]
    assert [(args[1], queue) for _, args, queue in sent] == [([pk], LEAVERS) for pk in theirs]
    assert group_outbox.LEASES.due(mem.pk, 3) == [*theirs, many[0].pk]

    sent.clear()
    tasks.sweep()
    drains = [(args[2:], queue) for task, args, queue in sent if task == "drain"]
    assert (("groups", True), LEAVERS) in drains[:2]
    before = len(lines())
    work(sent, leavers_only=True)
    assert lines()[before:] == ["anna was removed from Beta in MEM.", "Deleted the group Gamma from MEM."]
    assert held(mem) == {"Alpha": ["anna", "ben"], "Beta": ["ben"]}


def revoke_by_unnesting(group: Group, user: User) -> None:
    child = make_group("Child")
    membership.add_child(group, child, "tester")
    GroupChange.objects.all().delete()
    membership.remove_child(group, child, "tester")


def revoke_by_choosing_no_directory(group: Group, user: User) -> None:
    services.save_group(group, "tester", [])


def revoke_by_deleting_the_user(group: Group, user: User) -> None:
    services.delete_users([user.pk], "tester")


@pytest.mark.parametrize("revoke", [revoke_by_unnesting, revoke_by_choosing_no_directory, revoke_by_deleting_the_user])
def test_every_way_to_lose_a_membership_goes_first(
    mem: Directory, sent: list[Message], revoke: Callable[[Group, User], None]
) -> None:
    (anna,) = make_users("anna")
    group = make_group("Developers", [mem])
    membership.add(group, [anna.pk], "tester")
    assert set(GroupChange.objects.values_list("lane", flat=True)) == {Lane.USUAL}
    run(mem)
    sent.clear()
    revoke(group, anna)
    assert set(GroupChange.objects.values_list("lane", flat=True)) == {Lane.LEAVERS}
    assert {queue for _, args, queue in sent if args[2] == "groups"} >= {LEAVERS}


# --- On a real broker ------------------------------------------------------------------------------------------------


def test_a_worker_for_leavers_serves_them_while_the_others_are_busy(
    portal: Portal, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb, **OUT)
    leaver = User.objects.create(username="leaver", first_name="Lea")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    assert "leaver" in pg_appsdb.people()
    write_every_insert_down(pg_appsdb, 0.3)
    for number in range(100):
        User.objects.create(username=f"user{number}")
    portal.worker("--pool=threads", "--concurrency=1", "--queues=leavers", "--hostname=leavers@%h")
    portal.worker("--pool=threads", "--concurrency=1", "--queues=celery,backlog,beat")
    wait_until(lambda: len(pg_appsdb.people()) > 2, 60, "the worker to be busy")
    services.delete_users([leaver.pk], "admin")
    wait_until(lambda: "leaver" not in pg_appsdb.people(), 60, "the leaver to be deleted")
    assert len(pg_appsdb.people()) < 100
