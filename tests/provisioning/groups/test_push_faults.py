"""Groups going out when things break: a directory that stops, a worker that dies, two workers at once."""

import datetime as dt
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from directories import health
from directories.connectors.base import ConnectorError, Entry, GroupEntry, RefusedMember, RemoteGroup, Unavailable
from directories.connectors.memory import Memory
from directories.models import Directory
from provisioning import tasks
from provisioning.identities import membership
from provisioning.models import Account, GroupAccount, GroupChange, PushedMember
from provisioning.outbound.accounts import delivery as account_delivery
from provisioning.outbound.accounts import outbox
from provisioning.outbound.groups import delivery, record
from provisioning.outbound.groups import outbox as group_outbox
from tests.directory_servers import OpenLDAP, bound
from tests.fixtures.ldap import openldap_unit, save_ldap_directory
from tests.provisioning.groups.push import held, lines, make_group, make_users, run, run_groups

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
PUSH = {"create_users": True, "sync_groups": True, "push_groups": "all", "delete_groups": True}


class Killed(BaseException):
    """The worker is gone."""


def test_a_server_that_stops_keeps_groups_waiting_and_gets_them_when_it_is_back(own_openldap: OpenLDAP) -> None:
    unit = openldap_unit(own_openldap.server(0))
    directory = save_ldap_directory(unit, **PUSH)
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(directory)
    dn = f"cn=Developers,{unit.base}"
    assert _members(unit, dn) == ["anna"]
    own_openldap.stop()
    membership.add(group, [ben.pk], "tester")
    result = run_groups(directory)
    assert result.retry_in is not None
    directory.refresh_from_db()
    assert directory.unreachable_since is not None
    assert GroupAccount.objects.get().last_result == "waiting"
    assert GroupChange.objects.filter(parked=None).count() == 1
    assert run_groups(directory).claimed == 0  # nobody asks before it is time
    own_openldap.start()
    health.retry_now(directory.pk)
    assert run_groups(directory).resumed
    assert _members(unit, dn) == ["anna", "ben"]
    assert not GroupChange.objects.exists()
    assert sum("wait" in line for line in lines()) == 1


def _members(unit: Any, dn: str) -> list[str]:
    link = bound(f"ldaps://{unit.settings['host']}", unit.settings["user"], unit.settings["password"])
    link.search(dn, "(objectClass=*)", "BASE", attributes=["member"])
    found = link.response[0]["attributes"]["member"]
    link.unbind()
    return sorted(member.split(",")[0].removeprefix("uid=") for member in found if member.startswith("uid="))


def test_a_worker_that_dies_after_the_call_repeats_it_without_harm(
    mem: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    membership.add(group, [anna.pk, ben.pk], "tester")
    real = record.members

    def die(*args: Any, **more: Any) -> None:
        raise Killed

    monkeypatch.setattr(record, "members", die)
    with pytest.raises(Killed):
        run(mem)
    assert held(mem) == {"Developers": ["anna", "ben"]}  # it is done there, and the portal does not know
    assert not PushedMember.objects.exists()
    assert run_groups(mem).claimed == 0  # the dead worker's lease still holds
    monkeypatch.setattr(record, "members", real)
    GroupAccount.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    run_groups(mem)
    assert held(mem) == {"Developers": ["anna", "ben"]}
    assert PushedMember.objects.count() == 2
    assert sum(line == "anna was added to Developers in MEM." for line in lines()) == 1
    assert not GroupChange.objects.exists()


def test_a_worker_that_dies_after_creating_a_group_finds_it(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    make_group("Developers")
    real = Memory.create_group

    def create(self: Memory, group: GroupEntry) -> RemoteGroup:
        real(self, group)
        raise Killed

    monkeypatch.setattr(Memory, "create_group", create)
    with pytest.raises(Killed):
        run_groups(mem)
    monkeypatch.setattr(Memory, "create_group", real)
    GroupAccount.objects.update(leased_until=None)
    run_groups(mem)
    assert held(mem) == {"Developers": []}
    assert GroupAccount.objects.get().state == "active"


def test_a_directory_that_is_busy_with_one_group_gets_the_others(
    mem: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_group("Busy")
    make_group("Free")
    real = Memory.create_group

    def create(self: Memory, group: GroupEntry) -> RemoteGroup:
        if group.name == "Busy":
            raise Unavailable("Somebody else holds this row.", whole_directory=False)
        return real(self, group)

    monkeypatch.setattr(Memory, "create_group", create)
    run_groups(mem)
    assert held(mem) == {"Free": []}
    busy = GroupAccount.objects.get(key="Busy")
    assert (busy.last_result, busy.attempts) == ("waiting", 1)
    assert busy.not_before > timezone.now()
    monkeypatch.setattr(Memory, "create_group", real)
    GroupAccount.objects.update(not_before=timezone.now())
    tasks.drain(mem.pk, kind="groups")
    assert sorted(held(mem)) == ["Busy", "Free"]


def test_what_changes_during_a_delivery_is_looked_at_afterwards(
    mem: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    real = Memory.add_members

    def add(self: Memory, to: GroupEntry, entries: Sequence[Entry]) -> Sequence[RefusedMember]:
        monkeypatch.setattr(Memory, "add_members", real)
        membership.add(group, [ben.pk], "tester")
        return real(self, to, entries)

    monkeypatch.setattr(Memory, "add_members", add)
    result = run(mem)
    assert result.again == [GroupAccount.objects.get().pk]
    run_groups(mem)
    assert held(mem) == {"Developers": ["anna", "ben"]}


def test_what_fails_after_the_last_change_was_done_is_parked(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    run(mem)
    membership.add(group, [ben.pk], "tester")
    membership.add(group, [anna.pk], "tester")
    real = Memory.add_members

    def add(self: Memory, to: GroupEntry, entries: Sequence[Entry]) -> Sequence[RefusedMember]:
        if entries[0].key == "ben":
            raise ConnectorError("No.")
        return real(self, to, entries)

    monkeypatch.setattr(Memory, "add_members", add)
    monkeypatch.setattr(Memory, "members_at_once", 1)
    run(mem)
    assert held(mem) == {"Developers": ["anna"]}
    assert GroupChange.objects.get().parked_message == "No."


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("refuses", [False, True])
def test_an_account_that_is_deleted_during_the_call_does_not_hold_up_its_group(
    mem: Directory, monkeypatch: pytest.MonkeyPatch, refuses: bool
) -> None:
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    membership.add(group, [anna.pk, ben.pk], "tester")
    account_delivery.deliver(mem.pk, outbox.LEASES.due(mem.pk, 100))
    real = Memory.add_members

    def add(self: Memory, to: GroupEntry, entries: Sequence[Entry]) -> Sequence[RefusedMember]:
        answer = real(self, to, entries)
        Account.objects.filter(user=anna).delete()
        gone = [entry for entry in entries if entry.key == "anna"]
        return [RefusedMember(entry, ConnectorError("No such account.")) for entry in gone] if refuses else answer

    monkeypatch.setattr(Memory, "add_members", add)
    run_groups(mem)
    account = GroupAccount.objects.get()
    assert (account.last_result, account.state, bool(account.remote_id)) == ("ok", "active", True)
    assert [pushed.account.key for pushed in PushedMember.objects.all()] == ["ben"]
    assert not GroupChange.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_on_the_same_groups_add_everybody_once(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    users = make_users(*(f"user{n}" for n in range(20)))
    groups = [make_group(f"Group {n}") for n in range(4)]
    for group in groups:
        membership.add(group, [user.pk for user in users], "tester")
    account_delivery.deliver(mem.pk, outbox.LEASES.due(mem.pk, 100))
    added: list[str] = []
    busy: set[str] = set()
    lock = threading.Lock()
    real = Memory.add_members

    def add(self: Memory, to: GroupEntry, entries: Sequence[Entry]) -> Sequence[RefusedMember]:
        with lock:
            assert to.name not in busy, "two workers at one group"
            busy.add(to.name)
        answer = real(self, to, entries)
        with lock:
            added.extend(f"{to.name} {entry.key}" for entry in entries)
            busy.discard(to.name)
        return answer

    monkeypatch.setattr(Memory, "add_members", add)
    start = threading.Barrier(3)

    def work() -> None:
        start.wait()
        while due := group_outbox.LEASES.due(mem.pk, 10):
            delivery.deliver(mem.pk, due)
        connection.close()

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(work) for _ in range(3)]:
            future.result(timeout=60)
    assert sorted(added) == sorted(f"{group.name} {user.username}" for group in groups for user in users)
    assert all(len(found) == 20 for found in held(mem).values())
    assert not GroupChange.objects.exists()


def test_a_pause_between_portions_that_go_in_does_not_grow(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    users = make_users("anna", "ben", "cleo")
    group = make_group("Developers")
    run(mem)
    membership.add(group, [user.pk for user in users], "tester")
    account_delivery.deliver(mem.pk, outbox.LEASES.due(mem.pk, 100))
    real, calls = Memory.add_members, [0]

    def add(self: Memory, to: GroupEntry, entries: Sequence[Entry]) -> Sequence[RefusedMember]:
        calls[0] += 1
        if calls[0] % 2 == 0:
            raise Unavailable("One a time.", whole_directory=False)
        return real(self, to, entries)

    monkeypatch.setattr(Memory, "add_members", add)
    monkeypatch.setattr(Memory, "members_at_once", 1)
    GroupAccount.objects.update(attempts=7)
    run_groups(mem)
    assert held(mem) == {"Developers": ["anna"]}
    assert GroupAccount.objects.get().attempts == 1
