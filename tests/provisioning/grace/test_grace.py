"""Disabled now, deleted later; who returns keeps the account. What a directory holds is read back."""

import datetime as dt
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.connectors.base import Capability
from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.guard.models import Loss
from provisioning.models import Account, Change, GroupChange, User
from provisioning.models.accounts import AccountState
from provisioning.models.outbox import LastResult
from provisioning.outbound import batch
from provisioning.outbound.accounts import deletions
from provisioning.outbound.kinds import KINDS
from provisioning.receipts import book
from provisioning.receipts.models import Receipt, ReceiptAccount, ReceiptStatus
from provisioning.recycle.models import DeletedUser
from reports import evidence
from reports.models import Event, Evidence
from tests.provisioning.crew import Crews, crews, save_crew_directory
from tests.provisioning.groups.push import held as members_of
from tests.provisioning.groups.push import make_group, make_users, mem

__all__ = ["crews", "mem"]
pytestmark = pytest.mark.django_db
DELETES = {"on_deactivate": "delete", "on_delete": "delete", "delete_after_days": 30}


def work(directory: Directory) -> None:
    """Deliver all that is due, as workers would."""
    for kind in KINDS:
        while due := kind.leases.due(directory.pk, 200):
            batch.deliver(kind.work, directory.pk, due)


def later(days: float) -> None:
    """Let days pass for what is scheduled."""
    Account.objects.exclude(delete_at=None).update(
        delete_at=deletions.F("delete_at") - dt.timedelta(days=days),
        last_synced_at=timezone.now() - dt.timedelta(days=days),
    )


def employed(directory: Directory, name: str = "ann.lee") -> User:
    user = User.objects.create(username=name, first_name="Ann", employee_number=f"7-{name}", email="ann@example.org")
    work(directory)
    return user


def scheduled() -> Account:
    account = Account.objects.get()
    assert account.state == AccountState.DISABLED
    assert account.delete_at is not None
    return account


def said(**filters: object) -> list[str]:
    return list(Event.objects.filter(direction="out", **filters).order_by("pk").values_list("message", flat=True))


@pytest.fixture
def crm(crews: Crews) -> Directory:
    """A directory CRM that disables leavers now and deletes them after 30 days."""
    return save_crew_directory("CRM", **DELETES)


@pytest.mark.heavy
def test_a_leaver_is_disabled_now_and_deleted_when_that_is_due(crews: Crews, crm: Directory) -> None:
    user, crew = employed(crm), crews["CRM"]
    services.set_active([user.pk], False, "admin")
    work(crm)
    book.settle()
    assert (set(crew.rows), crew.disabled) == ({"ann.lee"}, {"ann.lee"})
    account = scheduled()
    at = account.delete_at
    assert at is not None
    assert abs(at - timezone.now() - dt.timedelta(days=30)) < dt.timedelta(minutes=1)
    assert Receipt.objects.get().status == ReceiptStatus.CLOSED, "access has ended"
    assert said()[-2:] == [
        "Disabled ann.lee in CRM.",
        f"ann.lee will be deleted from CRM on {timezone.localtime(at):%Y-%m-%d}, unless they return.",
    ]
    later(29)
    deletions.sweep()
    assert not Change.objects.exists(), "it is not due yet"
    services.provision_many([user.pk], "asked for", "admin")
    work(crm)
    assert crew.done("delete") == []
    later(1)
    deletions.sweep()
    deletions.sweep()
    change = Change.objects.get()
    assert (change.reason, change.cleared, change.lane) == ("grace time over", False, 1)
    work(crm)
    assert crew.rows == {}
    account.refresh_from_db()
    assert (account.state, account.delete_at, account.kept_by) == (AccountState.ABSENT, None, "")
    assert said()[-1] == "Deleted ann.lee from CRM."
    assert sum(Loss.objects.filter(kind="closed").values_list("number", flat=True)) == 2
    deletions.sweep()
    assert not Change.objects.exists()


@pytest.mark.heavy
def test_the_later_deletion_is_in_the_evidence_once(crews: Crews, crm: Directory) -> None:
    user = employed(crm)
    services.set_active([user.pk], False, "admin")
    work(crm)
    book.sweep()
    (proven,) = Evidence.objects.filter(kind="receipt")
    later(30)
    deletions.sweep()
    work(crm)
    for _ in range(2):
        book.sweep()
    _, row = Evidence.objects.filter(kind="receipt").order_by("seq")
    account = ReceiptAccount.objects.get()
    assert account.gone_at is not None
    assert (account.seen, account.gone_evidence) == ("disabled", row.seq)
    assert (row.payload["proven_by"], row.payload["username"]) == (proven.seq, "ann.lee")
    at = account.gone_at.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    assert row.payload["deleted"] | {"read_at": ""} == {
        **{"directory": "CRM", "key": "ann.lee", "remote_id": "ann.lee", "gone_at": at, "read_at": ""},
    }
    assert not list(evidence.faults())
    Evidence.objects.filter(pk=row.pk).update(payload={**row.payload, "username": "bob"})
    assert [fault.seq for fault in evidence.faults()] == [row.seq]


def test_a_return_in_the_grace_time_cancels_it_and_opens_the_same_account(crews: Crews, crm: Directory) -> None:
    user, crew = employed(crm), crews["CRM"]
    services.set_active([user.pk], False, "admin")
    work(crm)
    account = scheduled()
    services.set_active([user.pk], True, "admin")
    account.refresh_from_db()
    assert account.delete_at is None, "at once, not when a worker gets to it"
    later(31)
    deletions.sweep()
    work(crm)
    back = Account.objects.get()
    assert (back.pk, back.remote_id, back.state) == (account.pk, account.remote_id, AccountState.ACTIVE)
    assert (crew.disabled, crew.done()) == (
        set(),
        [("create", "ann.lee"), ("disable", "ann.lee"), ("enable", "ann.lee")],
    )


@pytest.mark.heavy
def test_who_is_deleted_and_restored_or_made_again_has_the_same_account(crews: Crews, crm: Directory) -> None:
    user, crew = employed(crm), crews["CRM"]
    services.delete_users([user.pk], "admin")
    work(crm)
    account = scheduled()
    services.restore_users({DeletedUser.objects.get().pk: ""}, "admin")
    account.refresh_from_db()
    assert (account.user_id, account.delete_at) == (user.pk, None)
    work(crm)
    assert (crew.disabled, Account.objects.get().state) == (set(), AccountState.ACTIVE)
    services.delete_users([user.pk], "admin")
    work(crm)
    scheduled()
    again = User.objects.create(username="ann.lee", first_name="Ann", employee_number="7-ann.lee")
    work(crm)
    rehired = Account.objects.get()
    assert (rehired.pk, rehired.user_id, rehired.delete_at) == (account.pk, again.pk, None)
    assert (crew.disabled, crew.done("delete")) == (set(), [])


@pytest.mark.heavy
def test_what_a_person_cancelled_is_not_scheduled_again_until_they_have_returned(crews: Crews, crm: Directory) -> None:
    user, crew = employed(crm), crews["CRM"]
    services.set_active([user.pk], False, "admin")
    work(crm)
    account = scheduled()
    assert services.cancel_deletions(Account.objects.all(), "boss") == 1
    for _ in range(2):
        later(400)
        deletions.sweep()
        services.provision_many([user.pk], "asked for", "admin")
        work(crm)
        account.refresh_from_db()
        assert (account.state, account.delete_at, account.kept_by) == (AccountState.DISABLED, None, "boss")
        ProvisioningSettings.objects.update(delete_after_days=None)  # at once, but a person decided
    assert said(operation="delete")[-1] == (
        "ann.lee will not be deleted from CRM: boss cancelled that. The account stays disabled."
    )
    ProvisioningSettings.objects.update(delete_after_days=30)
    services.set_active([user.pk], True, "admin")
    work(crm)
    services.set_active([user.pk], False, "admin")  # another leave
    work(crm)
    assert scheduled().kept_by == ""
    assert crew.done("delete") == []


def test_a_person_deletes_one_before_its_time(crews: Crews, crm: Directory) -> None:
    ProvisioningSettings.objects.update(max_leavers=1, max_leavers_percent=100)
    user, crew = employed(crm), crews["CRM"]
    services.set_active([user.pk], False, "admin")
    work(crm)
    assert services.delete_accounts_now(Account.objects.all(), "boss") == 1
    work(crm)
    assert (crew.rows, Change.objects.count()) == ({}, 0), "no limit holds what a person decided"
    assert sum(Loss.objects.filter(kind="closed").values_list("number", flat=True)) == 2
    assert "boss had ann.lee deleted from CRM before the grace time was over." in said()


@pytest.mark.heavy
def test_deletions_that_come_due_at_once_are_held_and_a_refused_one_is_kept(crews: Crews) -> None:
    crm = save_crew_directory("CRM", **DELETES, max_leavers=100, max_leavers_percent=100)
    people = User.objects.bulk_create([User(username=f"user{n}", first_name="F") for n in range(40)])
    services.provision_many([user.pk for user in people], "created")
    work(crm)
    services.set_active([user.pk for user in people], False, "boss")
    work(crm)
    crew = crews["CRM"]
    assert len(crew.disabled) == 40
    Loss.objects.all().delete()
    ProvisioningSettings.objects.update(max_leavers=15)
    later(31)
    with CaptureQueriesContext(connection) as queries:
        deletions.sweep()
    assert len(queries) < 12, "one page, whatever is due"
    work(crm)
    held = Change.objects.filter(parked_code="held")
    assert (len(crew.rows), held.count()) == (25, 25)
    deletions.sweep()
    assert Change.objects.count() == 25, "what is held is not asked about again"
    one = held.order_by("pk")[:1]
    assert services.refuse(Change.objects.filter(pk__in=[one[0].pk]), "boss") == 1
    deletions.sweep()
    work(crm)
    assert (len(crew.rows), held.count(), Account.objects.filter(kept_by="boss").count()) == (25, 24, 1)
    kept = Account.objects.get(kept_by="boss")
    assert (kept.last_result, kept.state) == (LastResult.OK, AccountState.DISABLED)
    services.release(held, "boss")
    work(crm)
    assert len(crew.rows) == 1


def test_a_worker_killed_between_the_disable_and_the_record_leaves_a_scheduled_account(
    crews: Crews, crm: Directory
) -> None:
    user, crew = employed(crm), crews["CRM"]
    services.set_active([user.pk], False, "admin")

    class Killed(BaseException):
        """What ends a process asks nobody."""

    def kill(call: str, key: str) -> None:
        if call == "find" and key in crew.disabled:
            raise Killed

    crew.fail = kill
    with pytest.raises(Killed):
        work(crm)
    assert Account.objects.get().delete_at is None
    crew.fail = lambda call, key: None
    Account.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    work(crm)
    scheduled()
    assert crew.done("disable") == [("disable", "ann.lee")]


def test_a_directory_that_cannot_disable_never_leaves_it_open_silently(crews: Crews, crm: Directory) -> None:
    user, crew = employed(crm), crews["CRM"]
    crew.capabilities = frozenset(Capability) - {Capability.DISABLE, Capability.UPDATE}
    services.set_active([user.pk], False, "admin")
    assert [one.directory for one in services.left_open([user.pk])] == ["CRM"]
    work(crm)
    account = Account.objects.get()
    assert (account.last_result, account.delete_at) == (LastResult.OPEN, None)
    assert account.last_message == (
        "CRM cannot disable users. There is no disable query. "
        "Or leave the days blank under Features & schedule: then accounts are deleted at once."
    )
    assert crew.done("delete") == []


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("change", "number", "moved"),
    [
        ({"delete_after_days": 10}, 2, -20),
        ({"delete_after_days": 40}, 2, 10),
        ({"on_deactivate": "disable"}, 1, 0),
        ({"delete_users": False}, 1, 0),
    ],
)
def test_changed_settings_move_or_end_what_is_scheduled(
    crews: Crews, crm: Directory, change: dict[str, object], number: int, moved: int
) -> None:
    deactivated, deleted = employed(crm), employed(crm, "bob")
    services.set_active([deactivated.pk], False, "admin")
    services.delete_users([deleted.pk], "admin")
    work(crm)
    before = dict(Account.objects.values_list("key", "delete_at"))
    old = ProvisioningSettings.objects.get()
    ProvisioningSettings.objects.update(**change)
    with CaptureQueriesContext(connection) as queries:
        services.Rescheduling(crm.pk, old, ProvisioningSettings.objects.get()).write("admin")
    assert len(queries) < 14
    left = Account.objects.exclude(delete_at=None)
    assert left.count() == number
    assert all(one.delete_at == before[one.key] + dt.timedelta(days=moved) for one in left)
    assert [one.key for one in left] == ["bob"] or "on_deactivate" not in change
    assert [one.key for one in left] == ["ann.lee"] or "delete_users" not in change


def extended(directory: Directory, days: int) -> services.Rescheduling:
    """Give the directory other days, and return what that does to what is scheduled."""
    old = ProvisioningSettings.objects.get()
    ProvisioningSettings.objects.update(delete_after_days=days)
    return services.Rescheduling(directory.pk, old, ProvisioningSettings.objects.get())


@pytest.mark.heavy
def test_more_days_move_what_is_due_and_held_as_well(crews: Crews, crm: Directory) -> None:
    ProvisioningSettings.objects.update(max_leavers=0)
    user, crew = employed(crm), crews["CRM"]
    services.set_active([user.pk], False, "admin", by_person=True)
    work(crm)
    later(31)
    deletions.sweep()
    work(crm)
    assert Change.objects.get().parked_code == "held"
    change = extended(crm, 60)
    assert (change.moving.count(), change.due.count()) == (1, 0)
    change.write("admin")
    account = scheduled()
    assert account.delete_at is not None
    assert abs(account.delete_at - timezone.now() - dt.timedelta(days=29)) < dt.timedelta(minutes=1)
    assert (account.last_result, Change.objects.count()) == (LastResult.OK, 0), "nobody is asked about it any more"
    deletions.sweep()
    assert not Change.objects.exists()
    later(30)
    deletions.sweep()
    work(crm)
    assert (set(crew.rows), Change.objects.get().parked_code) == ({"ann.lee"}, "held")


def test_more_days_do_not_move_what_a_person_had_deleted_now(crews: Crews, crm: Directory) -> None:
    user, crew = employed(crm), crews["CRM"]
    services.set_active([user.pk], False, "admin")
    work(crm)
    services.delete_accounts_now(Account.objects.all(), "boss")
    change = extended(crm, 60)
    assert change.moving.count() == 0
    change.write("admin")
    work(crm)
    assert crew.rows == {}


def test_the_day_is_by_the_clock_of_the_database(crews: Crews, crm: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    user, now = employed(crm), timezone.now
    wrong = SimpleNamespace(now=lambda: now() - dt.timedelta(days=3))
    monkeypatch.setattr("provisioning.outbound.accounts.results.timezone", wrong)
    services.set_active([user.pk], False, "admin")
    work(crm)
    account = scheduled()
    assert account.delete_at is not None
    assert abs(account.delete_at - timezone.now() - dt.timedelta(days=30)) < dt.timedelta(minutes=1)
    assert f"on {timezone.localtime(account.delete_at):%Y-%m-%d}" in said()[-1]


@pytest.mark.heavy
def test_what_fewer_days_make_due_is_deleted_though_it_was_looked_at_since(crews: Crews, crm: Directory) -> None:
    user, crew = employed(crm), crews["CRM"]
    services.set_active([user.pk], False, "admin")
    work(crm)
    later(20)
    services.provision_many([user.pk], "asked for", "admin")
    work(crm)
    old = ProvisioningSettings.objects.get()
    ProvisioningSettings.objects.update(delete_after_days=10)
    services.Rescheduling(crm.pk, old, ProvisioningSettings.objects.get()).write("admin")
    deletions.sweep()
    work(crm)
    assert crew.rows == {}


@pytest.mark.heavy
@pytest.mark.parametrize("call", ["delete ann.lee", "find bob"])
def test_who_returns_while_a_batch_of_deletions_is_under_way_keeps_the_account(
    crews: Crews, crm: Directory, call: str
) -> None:
    ann, bob, crew = employed(crm), employed(crm, "bob"), crews["CRM"]
    services.set_active([ann.pk, bob.pk], False, "admin")
    work(crm)
    later(31)
    deletions.sweep()

    def returns(name: str, key: str) -> None:
        if f"{name} {key}" == call:
            services.set_active([bob.pk], True, "admin")

    crew.fail = returns
    work(crm)
    crew.fail = lambda name, key: None
    assert crew.done("delete") == [("delete", "ann.lee")]
    Account.objects.update(not_before=timezone.now())
    work(crm)
    assert (crew.done("delete", "enable")[-1], set(crew.rows), crew.disabled) == (("enable", "bob"), {"bob"}, set())
    assert Account.objects.get(key="bob").state == AccountState.ACTIVE


@pytest.mark.heavy
@pytest.mark.parametrize("people", [1, 30])
def test_who_left_before_a_grace_time_is_scheduled_when_it_is_switched_on(crews: Crews, people: int) -> None:
    crm = save_crew_directory("CRM", on_deactivate="disable", on_delete="disable")
    employed(crm, "still")
    left = [User.objects.create(username=f"left{n}", email=f"{n}@example.org") for n in range(people)]
    deleted, kept = employed(crm, "deleted"), employed(crm, "kept")
    services.set_active([user.pk for user in (*left, kept)], False, "HR", by_person=True)
    services.delete_users([deleted.pk], "HR")
    work(crm)
    Account.objects.filter(key="kept").update(kept_by="boss")
    old = ProvisioningSettings.objects.get()
    ProvisioningSettings.objects.update(**DELETES)
    with CaptureQueriesContext(connection) as queries:
        services.Rescheduling(crm.pk, old, ProvisioningSettings.objects.get()).write("admin")
    assert len(queries) < 18
    going = {"deleted", *(user.username for user in left)}
    assert set(Account.objects.exclude(delete_at=None).values_list("key", flat=True)) == going
    account = Account.objects.get(key="left0")
    assert account.delete_at is not None
    assert abs(account.delete_at - timezone.now() - dt.timedelta(days=30)) < dt.timedelta(minutes=1)
    (line,) = said(result="waiting", account_id=account.pk)
    assert line == (
        f"left0 will be deleted from CRM on {timezone.localtime(account.delete_at):%Y-%m-%d}, unless they return: "
        "admin changed the directory's settings."
    )
    later(31)
    deletions.sweep()
    work(crm)
    assert set(crews["CRM"].rows) == {"still", "kept"}


@pytest.mark.heavy
def test_no_grace_any_more_makes_all_due_and_the_guard_holds_it(crews: Crews, crm: Directory) -> None:
    ProvisioningSettings.objects.update(max_leavers=0)
    user, crew = employed(crm), crews["CRM"]
    services.set_active([user.pk], False, "admin", by_person=True)
    work(crm)
    old = ProvisioningSettings.objects.get()
    ProvisioningSettings.objects.update(delete_after_days=None)
    new = ProvisioningSettings.objects.get()
    assert services.Rescheduling(crm.pk, old, new).due.count() == 1
    services.Rescheduling(crm.pk, old, new).write("admin")
    deletions.sweep()
    work(crm)
    assert (set(crew.rows), Change.objects.get().parked_code) == ({"ann.lee"}, "held")


@pytest.mark.heavy
def test_what_the_settings_do_not_delete_any_more_is_looked_at_once(crews: Crews, crm: Directory) -> None:
    user, crew = employed(crm), crews["CRM"]
    services.set_active([user.pk], False, "admin")
    work(crm)
    ProvisioningSettings.objects.update(deactivate_users=False)  # behind the portal's back
    later(31)
    for expected in (1, 0, 0):
        deletions.sweep()
        assert Change.objects.count() == expected
        work(crm)
    assert crew.done("delete") == []


@pytest.mark.heavy
@pytest.mark.parametrize("groups", ["now", "later"])
def test_groups_now_or_later_and_back_again(mem: Directory, groups: str) -> None:
    ProvisioningSettings.objects.update(**DELETES, groups_of_leavers=groups)
    ann, bob = make_users("ann", "bob")
    group = make_group("Sales")
    services.add_members(group, [ann.pk, bob.pk], "admin")
    work(mem)
    there = {user.username: Account.objects.get(user=user).remote_id for user in (ann, bob)}
    everybody, rest = sorted(there.values()), [there["bob"]]
    assert members_of(mem) == {"Sales": everybody}
    services.set_active([ann.pk], False, "admin")
    work(mem)
    assert members_of(mem) == {"Sales": rest if groups == "now" else everybody}
    services.set_active([ann.pk], True, "admin")
    work(mem)
    assert members_of(mem) == {"Sales": everybody}
    assert Account.objects.get(user=ann).remote_id == there["ann"]
    services.set_active([ann.pk], False, "admin")
    work(mem)
    later(31)
    deletions.sweep()
    work(mem)
    assert members_of(mem) == {"Sales": rest}
    assert not GroupChange.objects.exists()
    assert Account.objects.get(user=ann).state == AccountState.ABSENT


@pytest.mark.heavy
def test_groups_that_are_to_go_now_go_also_from_those_who_left_before(mem: Directory) -> None:
    ProvisioningSettings.objects.update(**DELETES)
    ann, bob = make_users("ann", "bob")
    group = make_group("Sales")
    services.add_members(group, [ann.pk, bob.pk], "admin")
    work(mem)
    services.set_active([ann.pk], False, "admin")
    work(mem)
    old = ProvisioningSettings.objects.get()
    ProvisioningSettings.objects.update(groups_of_leavers="now")
    change = services.Rescheduling(mem.pk, old, ProvisioningSettings.objects.get())
    assert change.memberships.count() == 1
    change.write("admin")
    work(mem)
    assert members_of(mem) == {"Sales": [Account.objects.get(user=bob).remote_id]}
