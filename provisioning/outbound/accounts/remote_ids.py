"""Whose account in a directory it is: one remote id belongs to one account of the portal."""

from collections.abc import Collection
from typing import NamedTuple

from django.db.models import Case, Exists, OuterRef, Q, Value, When

from provisioning.models import Account, Change
from provisioning.models.accounts import AccountState
from provisioning.models.people import fold


class RemoteIdOwner(NamedTuple):
    """An account that has a remote id.

    ``deleted``: its user was deleted from the portal. ``leaving``: because of that it is still to be looked at.
    """

    account_id: int
    name: str
    deleted: bool
    leaving: bool


class Owners:
    """Answers who has a remote id, for a batch of accounts that are not linked yet.

    A directory's remote id mostly is the user name, so those of the batch are read in one query, and others singly.
    """

    def __init__(self, directory_id: int, keys: Collection[str]) -> None:
        self.directory_id = directory_id
        self._read: dict[str, RemoteIdOwner | None] = dict.fromkeys(keys)
        self._leaving: set[str] = set()
        if self._read:
            self._fetch(*self._read, leaving=True)

    def other(self, remote_id: str, account_id: int) -> RemoteIdOwner | None:
        """Return whose other account has the remote id; None when it is free."""
        if remote_id not in self._read:
            self._read[remote_id] = None
            self._fetch(remote_id)
        owner = self._read[remote_id]
        return owner if owner and owner.account_id != account_id else None

    def leaving(self, key: str) -> bool:
        """Return whether the account of somebody of that name, who was deleted, is still to be looked at."""
        return fold(key) in self._leaving

    def before(self, remote_id: str, account_id: int) -> int | None:
        """Return the account of somebody who was deleted that had the remote id of an account made just now."""
        owner = self._read.get(remote_id)
        return owner.account_id if owner and owner.deleted and owner.account_id != account_id else None

    def _fetch(self, *remote_ids: str, leaving: bool = False) -> None:
        """Read who has the remote ids, and in the same query whose accounts of those names are to be looked at."""
        columns = ("remote_id", "pk", "key", "user__username", "leaves", "named")
        waiting = Exists(Change.objects.filter(account=OuterRef("pk"), parked=None))
        leaves = Q(waiting, user=None) & ~Q(state=AccountState.ABSENT)
        here = Account.objects.filter(directory=self.directory_id)
        owners = here.filter(remote_id__in=remote_ids)
        rows = owners.annotate(leaves=Case(When(leaves, then=1), default=0), named=Value(0)).values_list(*columns)
        if leaving:
            there = here.filter(leaves, key_folded__in=[fold(key) for key in remote_ids])
            rows = rows.union(there.annotate(leaves=Value(1), named=Value(1)).values_list(*columns), all=True)
        for ref, pk, key, username, leaving_now, named in rows:
            if named:
                self._leaving.add(fold(key))
                continue
            self._read[ref] = RemoteIdOwner(
                account_id=pk,
                name=username or key,
                deleted=username is None,
                leaving=bool(leaving_now),
            )


class ManagerIds:
    """Answers which account the manager of somebody has in a directory: those of a batch are read in one query."""

    def __init__(self, directory_id: int) -> None:
        self.directory_id = directory_id
        self._refs: dict[int, str | None] = {}

    def ref_of(self, user_id: int) -> str | None:
        """Return the remote id of a manager's account, "" where it is still to be made, None where there is none."""
        self.read({user_id})
        return self._refs[user_id]

    def read(self, user_ids: Collection[int]) -> None:
        """Read those that are not known yet."""
        new = set(user_ids) - set(self._refs)
        if not new:
            return
        self._refs |= dict.fromkeys(new)
        rows = Account.objects.filter(directory=self.directory_id, user__in=new)
        columns = ("user_id", "remote_id", "state", "in_scope", "early", "user__is_active", "user__provisioned")
        for user_id, remote_id, state, in_scope, early, active, provisioned in rows.values_list(*columns):
            there = bool(remote_id) and state in (AccountState.ACTIVE, AccountState.DISABLED)
            comes = in_scope and provisioned and (active or early)
            self._refs[user_id] = remote_id if there else ("" if comes else None)
