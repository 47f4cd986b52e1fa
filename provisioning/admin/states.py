"""How a directory or an application does, as every page says it: its state, its numbers, its newest results."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from reports.models import Event, Result

MOST = 10_000  # rows that are counted for a page; beyond it says "more than"
NEWEST = 10
RESULT_COLOURS = {Result.SUCCESS: "success", Result.FAILED: "danger", Result.WAITING: "warning"}


@dataclass(frozen=True, slots=True)
class State:
    """How it does, in one or two words, a colour of unfold's labels, and the longer story."""

    label: str
    colour: str
    detail: str = ""


def counted(rows: QuerySet[Any]) -> str:
    """Count at most ``MOST`` rows: there may be millions."""
    found = rows.order_by().values("pk")[: MOST + 1].count()
    return f"more than {MOST:,}" if found > MOST else f"{found:,}"


def newest_results(application: str) -> list[tuple[Event, str]]:
    """Return the newest lines of the report about it, each with its colour."""
    newest = Event.objects.filter(application=application)[:NEWEST]
    return [(event, RESULT_COLOURS.get(Result(event.result), "default")) for event in newest]
