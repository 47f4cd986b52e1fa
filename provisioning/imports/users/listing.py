"""The list of a run's planned changes: filtered, searched by the start of the key, paged by id, never counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioning.imports.users.messages import Labels
from provisioning.imports.users.plan import USERNAME
from provisioning.models import ImportRun, PlannedChange
from provisioning.models.imports import Action
from provisioning.models.people import fold
from provisioning.profile.person import catalogue

PAGE = 50
CHANGES = "changes"
FILTERS: Mapping[str, tuple[Action, ...]] = {
    "": (),
    CHANGES: (Action.CREATE, Action.UPDATE, Action.DEACTIVATE),
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
    """One planned change with its differences."""

    change: PlannedChange
    differences: Sequence[ShownChange]


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list; ``before`` and ``after`` are the ids to page from, None where there is no more."""

    rows: Sequence[Listed]
    before: int | None
    after: int | None


def listing(
    run: ImportRun, action: str, search: str, *, before: int | None = None, after: int | None = None
) -> Listing:
    """Return the page after, or before, an id; the first one without either."""
    rows = PlannedChange.objects.filter(run=run).defer("row")
    if wanted := FILTERS.get(action, ()):
        rows = rows.filter(action__in=wanted)
    if key := fold(search):
        rows = rows.filter(key_folded__startswith=key)
    if before is not None:
        found = list(rows.filter(pk__lt=before).order_by("-pk")[: PAGE + 1])[::-1]
        more, found = len(found) > PAGE, found[-PAGE:]
        return _page(found, earlier=more, later=bool(found))
    found = list(rows.filter(pk__gt=after or 0).order_by("pk")[: PAGE + 1])
    return _page(found[:PAGE], earlier=bool(after and found), later=len(found) > PAGE)


def _page(found: Sequence[PlannedChange], *, earlier: bool, later: bool) -> Listing:
    labels = Labels(catalogue())
    rows = [Listed(change, _differences(change, labels)) for change in found]
    return Listing(rows, found[0].pk if earlier else None, found[-1].pk if later else None)


def _differences(change: PlannedChange, labels: Labels) -> list[ShownChange]:
    named = sorted((labels[path], path) for path in change.after if path != USERNAME or change.before)
    return [ShownChange(label, _shown(change.before.get(path)), _shown(change.after[path])) for label, path in named]


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)
