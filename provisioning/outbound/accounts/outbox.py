"""The outbox of accounts: the only writer of ``Change``.

A change is appended in the transaction of whatever it tells of; ``provisioning.outbound.leases`` says what becomes of
it.
"""

from collections.abc import Collection, Iterable, Mapping

from django.db import transaction

from config.database import bulk
from provisioning.models import Account, Change
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
    for directory_id, ids in account_ids.items():
        common = {"directory_id": directory_id, "reason": reason[:64], "actor": actor[:255]}
        accounts = list(ids)
        leavers = [pk for pk in accounts if pk in leaving]
        usual = [pk for pk in accounts if pk not in leaving]
        for lane, found in ((Lane.LEAVERS, leavers), (Lane.USUAL, usual)):
            for page in dispatch.chunks(found, PAGE):
                bulk.insert(Change, [{**common, "account_id": pk, "lane": lane} for pk in page])
            LEASES.wake(directory_id, found, lane)


def enqueue_users(
    user_ids: Iterable[int], reason: str, actor: str = "", *, exclude: int | None = None, only: int | None = None
) -> None:
    """Enqueue each user's accounts for reconciliation, a page of users a transaction."""
    for page in pages(user_ids):
        with transaction.atomic(savepoint=False):
            found = scope.accounts_for(page, exclude=exclude, only=only)
            enqueue(found.by_directory, reason, actor, leaving=found.leaving)


def pages(ids: Iterable[int]) -> Iterable[list[int]]:
    """Cut ids into sorted pages, none of them twice."""
    return dispatch.chunks(sorted(set(ids)), PAGE)
