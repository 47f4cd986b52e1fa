"""Writing planned changes of users, a page at a time."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, QuerySet

from config.database import bulk
from provisioning.imports.runs import COUNTED
from provisioning.imports.users.plan import Planned
from provisioning.models import PlannedChange
from provisioning.models.imports import Action


def store(run_id: int, planned: Sequence[Planned], gains: dict[str, Any]) -> None:
    """Write planned changes; ``gains`` is what the run's counters gain."""
    rows = [
        {
            "run_id": run_id,
            "action": one.action,
            "key": one.key,
            "match_value": one.match,
            "remote_id": one.remote_id,
            "place": one.place,
            "user_id": one.user_id,
            "account_id": one.account_id,
            "before": one.before,
            "after": one.after,
            "row": one.row,
            "message": one.message,
        }
        for one in planned
    ]
    bulk.insert(PlannedChange, rows)
    gain(gains, "planned", len(rows))
    for one in planned:
        gain(gains, COUNTED[Action(one.action)], 1)


def refuse(changes: QuerySet[PlannedChange], reason: str, gains: dict[str, Any]) -> None:
    """Make errors of planned changes that are not to be applied."""
    wrong = changes.exclude(action=Action.ERROR).order_by()
    for action, number in wrong.values_list("action").annotate(Count("pk")):
        gain(gains, COUNTED[Action(action)], -number)
        gain(gains, "errors", number)
    wrong.update(action=Action.ERROR, message=reason)


def gain(gains: dict[str, Any], counter: str, number: int) -> None:
    """Add to what a counter gains."""
    gains[counter] = gains.get(counter, 0) + number
