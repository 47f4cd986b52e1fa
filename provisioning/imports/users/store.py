"""The plan of the users as rows: written and read back a page at a time, in the one shape that ``Planned`` has."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any

from django.db import connection
from django.db.models import Count, QuerySet, TextField
from django.db.models.functions import Cast

from config.database import bulk
from provisioning.imports.ahead import ahead
from provisioning.imports.runs import COUNTED
from provisioning.imports.users.plan import ERROR, USERNAME, Planned
from provisioning.models import PlannedChange
from provisioning.models.imports import Action

PAGE = 2000
NAMES = [field.name for field in fields(Planned)]
JSON = ("before", "after", "row")
_decode = json.JSONDecoder().raw_decode


def store(run_id: int, planned: Sequence[Planned], gains: dict[str, Any]) -> None:
    """Write planned changes; ``gains`` is what the run's counters gain."""
    common = {"id": None, "run_id": run_id}
    rows = [
        {**vars(one), **common, "losses": one.losses, "cause": one.cause, "attributes": one.attributes}
        for one in planned
    ]
    bulk.insert(PlannedChange, rows)
    gain(gains, "planned", len(planned))
    for one in planned:
        gain(gains, COUNTED[one.action], 1)


def pages(changes: QuerySet[PlannedChange], after: int) -> Iterator[list[Planned]]:
    """Yield planned changes in pages, those behind the id ``after``."""
    # JSON comes as text: Django's own way through json.loads takes three times as long.
    texts = {f"{name}_text": Cast(name, TextField()) for name in JSON}
    columns = [f"{name}_text" if name in JSON else name for name in NAMES]
    rows = changes.order_by("pk").annotate(**texts).values_list(*columns)
    while page := [_planned(row) for row in rows.filter(pk__gt=after)[:PAGE]]:
        yield page
        after = page[-1].id


def pages_ahead(
    changes: QuerySet[PlannedChange], after: int, go_on: Callable[[], None]
) -> AbstractContextManager[Iterator[list[Planned]]]:
    """Give the pages; one is read while the one before is applied, by a connection of its own (on PostgreSQL).

    ``go_on`` may raise Cancelled (see ``ahead``). In a caller's transaction nothing is read ahead, because no other
    connection sees a plan that it wrote.
    """
    apart = connection.vendor == "postgresql" and not connection.in_atomic_block

    def coming() -> Iterator[list[Planned]]:
        try:
            yield from pages(changes, after)
        finally:
            if apart:
                connection.close()

    return ahead(coming(), lambda page: page, wanted=apart, go_on=go_on)


def few(changes: QuerySet[PlannedChange]) -> list[Planned]:
    """Return a small number of planned changes."""
    return [Planned(*row) for row in changes.values_list(*NAMES)]


def keep_names(renames: Sequence[Planned], why: Callable[[str], str], gains: dict[str, Any]) -> None:
    """Take the new user names out of planned updates, here and where they are kept; ``why`` is given each name."""
    for one in renames:
        gain(gains, COUNTED[one.action], -1)
        one.keep_name(why(one.after[USERNAME]))
        gain(gains, COUNTED[one.action], 1)
    names = ("action", "match_value", "before", "after", "row", "message", "losses", "cause", "attributes")
    rows = [PlannedChange(id=one.id, **{name: getattr(one, name) for name in names}) for one in renames]
    PlannedChange.objects.bulk_update(rows, names)


def _planned(row: tuple[Any, ...]) -> Planned:
    planned = Planned(*row)
    planned.before, planned.after, planned.row = _read(planned.before), _read(planned.after), _read(planned.row)
    return planned


def _read(text: Any) -> dict[str, Any]:
    value: dict[str, Any] = {} if text == "{}" else _decode(text)[0]
    return value


def refuse(changes: QuerySet[PlannedChange], reason: str, gains: dict[str, Any]) -> None:
    """Make errors of planned changes that are not to be applied."""
    wrong = changes.exclude(action=Action.ERROR).order_by()
    for action, number in wrong.values_list("action").annotate(Count("pk")):
        gain(gains, COUNTED[action], -number)
        gain(gains, "errors", number)
    wrong.update(action=Action.ERROR, message=reason, losses=0, cause=ERROR, attributes="")


def gain(gains: dict[str, Any], counter: str, number: int) -> None:
    """Add to what a counter gains."""
    gains[counter] = gains.get(counter, 0) + number
