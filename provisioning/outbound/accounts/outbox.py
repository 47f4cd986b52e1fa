"""The outbox of accounts: the only writer of ``Change``.

A change is appended in the transaction of whatever it tells of; ``provisioning.outbound.leases`` says what becomes of
it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import transaction

from config.database import bulk
from provisioning.guard import ledger
from provisioning.guard.budget import DOOR as DELIVERY
from provisioning.guard.losses import LossKind
from provisioning.models import Account, Change, User
from provisioning.models.outbox import Lane
from provisioning.outbound import dispatch
from provisioning.outbound.accounts import grace, scope
from provisioning.outbound.accounts.scope import AccountsInScope
from provisioning.outbound.leases import PAGE, Leases
from provisioning.receipts import book

CHUNK = 200  # accounts a message
LEASES = Leases(name="accounts", chunk=CHUNK, target=Account, change=Change, link="account")


def enqueue(
    account_ids: Mapping[int, Iterable[int]],
    reason: str,
    actor: str = "",
    *,
    leaving: Collection[int] = (),
    gone: Collection[int] | None = None,
    cleared: bool = False,
    closing: bool = True,
) -> None:
    """Append a change for each account (ids by directory) and wake the workers after commit; needs a transaction.

    Those of ``leaving`` go before everybody else, and a receipt is opened for whom they belong to, or only for whom
    those of ``gone`` do: who merely gets no account there any more has not left. ``cleared``: what
    they lose was decided, or passed the guard; without ``closing`` that was not about who leaves.
    """
    if leaving:
        LEASES.hurry(leaving)
        book.begin(leaving if gone is None else gone, reason, actor)
    common = {"reason": reason[:64], "actor": actor[:255]}
    rows: list[dict[str, Any]] = []
    lanes: dict[tuple[Lane, int], list[int]] = {}
    for directory_id, ids in account_ids.items():
        for pk in ids:
            lane = Lane.LEAVERS if pk in leaving else Lane.USUAL
            decided = cleared and (closing or lane != Lane.LEAVERS)
            rows.append({**common, "account_id": pk, "directory_id": directory_id, "lane": lane, "cleared": decided})
            lanes.setdefault((lane, directory_id), []).append(pk)
    bulk.insert(Change, rows)
    for (lane, directory_id), accounts in sorted(lanes.items()):  # leavers first
        LEASES.wake(directory_id, accounts, lane)


def enqueue_user(user: User, reason: str, actor: str = "", *, cleared: bool = False) -> None:
    """Enqueue the accounts of one user as held in memory: what was just saved is not read again."""
    with transaction.atomic(savepoint=False):
        found = scope.accounts_of(user)
        _enqueue_found(found, reason, actor, cleared=cleared)
        if cleared and found.leaving:
            count_decided(found)


def count_decided(found: AccountsInScope) -> None:
    """Count in each directory what a person decided about one user: nobody is asked, and it adds up with the rest."""
    for directory_id, accounts in found.by_directory.items():
        number = len(found.leaving.intersection(accounts))
        ledger.record(DELIVERY, directory_id, {(LossKind.CLOSED, ""): number})


def enqueue_users(
    user_ids: Iterable[int],
    reason: str,
    actor: str = "",
    *,
    exclude: int | None = None,
    only: int | None = None,
    cleared: bool = False,
    closing: bool = True,
    decided: bool = False,
) -> None:
    """Enqueue each user's accounts for reconciliation, a page of users a transaction.

    ``exclude`` leaves out the directory that the news came from, and ``only`` all the others. ``decided``: by a person,
    about one user.
    """
    for page in pages(user_ids):
        with transaction.atomic(savepoint=False):
            found = scope.accounts_for(page, exclude=exclude, only=only)
            _enqueue_found(found, reason, actor, cleared=cleared, closing=closing)
            if decided:
                count_decided(found)


def pages(ids: Iterable[int]) -> Iterable[list[int]]:
    """Cut ids into sorted pages, none of them twice."""
    return dispatch.chunks(sorted(set(ids)), PAGE)


def _enqueue_found(found: AccountsInScope, reason: str, actor: str, *, cleared: bool, closing: bool = True) -> None:
    if found.returning:
        book.returned(found.returning)
        grace.returned(found.returning)
    leaving, gone = found.leaving, found.gone
    enqueue(found.by_directory, reason, actor, leaving=leaving, gone=gone, cleared=cleared, closing=closing)
