"""The outbox of accounts: the only writer of ``Change``.

A change is appended in the transaction of whatever it tells of; ``provisioning.outbound.leases`` says what becomes of
it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import transaction

from config.database import bulk
from provisioning.models import Account, Change, User
from provisioning.models.outbox import Lane
from provisioning.outbound import dispatch
from provisioning.outbound.accounts import scope
from provisioning.outbound.leases import PAGE, Leases

CHUNK = 200  # accounts a message
LEASES = Leases(name="accounts", chunk=CHUNK, target=Account, change=Change, link="account")


def enqueue(
    account_ids: Mapping[int, Iterable[int]], reason: str, actor: str = "", *, leaving: Collection[int] = ()
) -> None:
    """Append a change for each account (ids by directory) and wake the workers after commit; needs a transaction.

    Those of ``leaving`` go before everybody else.
    """
    if leaving:
        LEASES.hurry(leaving)
    common = {"reason": reason[:64], "actor": actor[:255]}
    rows: list[dict[str, Any]] = []
    lanes: dict[tuple[Lane, int], list[int]] = {}
    for directory_id, ids in account_ids.items():
        for pk in ids:
            lane = Lane.LEAVERS if pk in leaving else Lane.USUAL
            rows.append({**common, "account_id": pk, "directory_id": directory_id, "lane": lane})
            lanes.setdefault((lane, directory_id), []).append(pk)
    bulk.insert(Change, rows)
    for (lane, directory_id), accounts in sorted(lanes.items()):  # leavers first
        LEASES.wake(directory_id, accounts, lane)


def enqueue_user(user: User, reason: str, actor: str = "") -> None:
    """Enqueue the accounts of one user as held in memory: what was just saved is not read again."""
    with transaction.atomic(savepoint=False):
        found = scope.accounts_of(user)
        enqueue(found.by_directory, reason, actor, leaving=found.leaving)


def enqueue_users(
    user_ids: Iterable[int], reason: str, actor: str = "", *, exclude: int | None = None, only: int | None = None
) -> None:
    """Enqueue each user's accounts for reconciliation, a page of users a transaction.

    ``exclude`` leaves out the directory that the news came from, and ``only`` all the others.
    """
    for page in pages(user_ids):
        with transaction.atomic(savepoint=False):
            found = scope.accounts_for(page, exclude=exclude, only=only)
            enqueue(found.by_directory, reason, actor, leaving=found.leaving)


def pages(ids: Iterable[int]) -> Iterable[list[int]]:
    """Cut ids into sorted pages, none of them twice."""
    return dispatch.chunks(sorted(set(ids)), PAGE)
