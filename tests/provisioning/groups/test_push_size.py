"""What pushing large groups costs: calls to the directory and queries to the portal's own database."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from directories.connectors.base import Entry, GroupEntry, RefusedMember
from directories.connectors.memory import STORES, Memory, StoredAccount
from directories.models import Directory
from provisioning.identities import membership
from provisioning.models import Account, Group, GroupChange, Membership, PushedMember, User
from provisioning.models.accounts import AccountState
from provisioning.outbound.groups import outbox
from tests.provisioning.groups.push import held, make_group, run_groups

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
Queries = Callable[..., Any]
SIZE = 2500


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every call that changes members, with how many they were."""
    found: list[tuple[str, int]] = []
    for name in ("add_members", "remove_members"):
        real = getattr(Memory, name)

        def call(
            self: Memory, group: GroupEntry, entries: Sequence[Entry], real: Any = real, name: str = name
        ) -> Sequence[RefusedMember]:
            found.append((name, len(entries)))
            answer: Sequence[RefusedMember] = real(self, group, entries)
            return answer

        monkeypatch.setattr(Memory, name, call)
    return found


@pytest.fixture
def big(mem: Directory) -> Group:
    """A group of SIZE users who all have an account in the directory, of which nothing was pushed yet."""
    users = User.objects.bulk_create(User(username=f"user{n:05}") for n in range(SIZE + 1))
    Account.objects.bulk_create(
        Account(user=user, directory=mem, key=user.username, remote_id=user.username, state=AccountState.ACTIVE)
        for user in users
    )
    STORES["MEM"].update({user.username: StoredAccount({}) for user in users})
    group = make_group("Everyone")
    Membership.objects.bulk_create(Membership(group=group, user=user) for user in users[:SIZE])
    return group


def test_the_first_push_goes_in_batches_and_one_new_member_is_one_call(
    mem: Directory, big: Group, calls: list[tuple[str, int]], django_assert_max_num_queries: Queries
) -> None:
    with django_assert_max_num_queries(74):
        run_groups(mem)
    assert calls == [("add_members", 1000), ("add_members", 1000), ("add_members", SIZE - 2000)]
    assert len(held(mem)["Everyone"]) == SIZE
    calls.clear()
    last = User.objects.get(username=f"user{SIZE:05}")
    with django_assert_max_num_queries(20):
        membership.add(big, [last.pk], "tester")
    assert GroupChange.objects.count() == 1
    with django_assert_max_num_queries(35):
        run_groups(mem)
    assert calls == [("add_members", 1)]
    assert PushedMember.objects.count() == SIZE + 1


def test_a_look_at_a_group_in_step_changes_nothing(
    mem: Directory, big: Group, calls: list[tuple[str, int]], django_assert_max_num_queries: Queries
) -> None:
    run_groups(mem)
    calls.clear()
    outbox.group_changed([big.pk], "push")
    with django_assert_max_num_queries(30):
        run_groups(mem)
    assert calls == []


def test_many_who_join_at_once_are_one_change_a_group(
    mem: Directory, big: Group, calls: list[tuple[str, int]], django_assert_max_num_queries: Queries
) -> None:
    run_groups(mem)
    other = make_group("Others")
    everyone = list(User.objects.values_list("pk", flat=True))
    GroupChange.objects.all().delete()
    with django_assert_max_num_queries(20):
        outbox.memberships_changed([other.pk], everyone, "import")
    assert GroupChange.objects.count() == 1


def test_accounts_that_come_into_being_cost_one_query_a_page(
    mem: Directory, big: Group, django_assert_max_num_queries: Queries
) -> None:
    accounts = list(Account.objects.values_list("pk", flat=True)[:800])
    with django_assert_max_num_queries(8):
        outbox.accounts_changed(accounts)
    assert GroupChange.objects.filter(account__isnull=False).count() == 800
