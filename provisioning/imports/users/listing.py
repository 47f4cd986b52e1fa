"""The list of a run's planned changes: filtered, searched by the start of the key, paged by id, never counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from provisioning.imports import follows
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.plan import USERNAME
from provisioning.models import Decision, PlannedChange
from provisioning.models.imports import Action
from provisioning.profile.person import catalogue

PAGE = 50
CHANGES = "changes"
FILTERS: Mapping[str, tuple[Action, ...]] = {
    "": (),
    CHANGES: (Action.CREATE, Action.UPDATE, Action.DEACTIVATE, Action.DELETE, Action.MERGE, Action.RESTORE),
    **{action.value: (action,) for action in Action},
}


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One attribute before and after, as a page shows it."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One planned change with its differences, what was decided about it, and what of it cannot be undone."""

    change: PlannedChange
    differences: Sequence[ShownChange]
    decision: Decision | None = None
    final: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list; ``before`` and ``after`` are the ids to page from, None where there is no more."""

    rows: Sequence[Listed]
    before: int | None
    after: int | None


def listing(
    rows: QuerySet[PlannedChange], *, before: int | None = None, after: int | None = None, ahead: bool = False
) -> Listing:
    """Return the page after, or before, an id; the first one without either. ``ahead``: nothing of it is done yet."""
    rows = rows.defer("row")
    if before is not None:
        found = list(rows.filter(pk__lt=before).order_by("-pk")[: PAGE + 1])[::-1]
        more, found = len(found) > PAGE, found[-PAGE:]
        return _page(found, earlier=more, later=bool(found), ahead=ahead)
    found = list(rows.filter(pk__gt=after or 0).order_by("pk")[: PAGE + 1])
    return _page(found[:PAGE], earlier=bool(after and found), later=len(found) > PAGE, ahead=ahead)


def _page(found: Sequence[PlannedChange], *, earlier: bool, later: bool, ahead: bool) -> Listing:
    labels = Labels(catalogue())
    decided = Decision.objects.in_bulk([change.decision_id for change in found if change.decision_id])
    final = follows.final(found) if ahead else {}
    rows = [
        Listed(
            change,
            _differences(change, labels),
            decided.get(change.decision_id or 0),
            final.get(change.user_id or 0, ()),
        )
        for change in found
    ]
    return Listing(rows, found[0].pk if earlier else None, found[-1].pk if later else None)


def _differences(change: PlannedChange, labels: Labels) -> list[ShownChange]:
    after = {path: value for path, value in change.after.items() if path != USERNAME or change.before}
    found = [
        ShownChange(label, shown(held), shown(wanted))
        for label, held, wanted in labels.differences(change.before, after)
    ]
    return sorted(found, key=lambda one: one.label.partition(":")[0])


def shown(value: Any) -> str:
    """Return a value as people read it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)
