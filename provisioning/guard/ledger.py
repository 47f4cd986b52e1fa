"""The ledger: what was lost within the last 24 hours, by door and directory.

Each import or batch does little; without the ledger they could take away everybody in small steps. It holds one row for
each kind and scope of a page, never one for each person, and sums are read from an index.
"""

import datetime as dt
from collections.abc import Mapping

from django.db.models import QuerySet, Sum
from django.utils import timezone

from config.database import bulk
from provisioning.guard.losses import MAX_SCOPE
from provisioning.guard.models import Loss

WINDOW = dt.timedelta(hours=24)
KEPT = dt.timedelta(days=7)
Counts = Mapping[tuple[str, str], int]  # by kind and scope


def record(door: str, directory_id: int | None, counts: Counts, *, agreed: bool = False) -> None:
    """Write what was lost just now, in the transaction in which it was."""
    common = {"at": timezone.now(), "door": door, "directory_id": directory_id, "agreed": agreed}
    rows = [
        {**common, "kind": kind, "scope": scope[:MAX_SCOPE], "number": number}
        for (kind, scope), number in counts.items()
        if number
    ]
    if rows:
        bulk.insert(Loss, rows)


def before(door: str, directory_id: int | None) -> dict[tuple[str, str], int]:
    """Return what was lost within the window through a door, by kind and scope, but for what somebody approved."""
    sums = window(door, directory_id).order_by().values_list("kind", "scope").annotate(Sum("number"))
    return {(kind, scope): number for kind, scope, number in sums}


def agree(door: str, directory_id: int | None) -> None:
    """Count anew: somebody who saw what was lost approved more of it."""
    window(door, directory_id).update(agreed=True)


def prune() -> None:
    """Delete what is older than anybody asks for."""
    bulk.delete(Loss.objects.filter(at__lt=timezone.now() - KEPT))


def window(door: str, directory_id: int | None) -> QuerySet[Loss]:
    """Return the rows that count now."""
    return Loss.objects.filter(door=door, directory=directory_id, at__gt=timezone.now() - WINDOW, agreed=False)
