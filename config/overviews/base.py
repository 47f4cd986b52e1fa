"""What each of the overviews says of itself, and what somebody asks of it."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from directories.models import Directory
from reports.charts import Picture

OverviewCell = str | int | None


@dataclass(frozen=True, slots=True)
class AskedOverview:
    """The span, from ``start`` to before ``end``, and the one directory that somebody looks at, None for all."""

    start: dt.datetime
    end: dt.datetime
    directory: Directory | None = None


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """One row; ``url`` is the page of what its first cell names."""

    cells: Sequence[OverviewCell]
    url: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """One table with a picture.

    Who sees it holds all of ``permissions``. ``rows`` are read ``size`` at a time and never all at once. ``dated``: it
    is about a span; ``by_directory``: it can be of one directory. ``note`` says what a reader has to know.
    """

    name: str
    title: str
    about: str
    icon: str
    permissions: tuple[str, ...]
    head: tuple[str, ...]
    rows: Callable[[AskedOverview, int], Iterator[OverviewRow]]
    picture: Callable[[AskedOverview], Picture | None]
    dated: bool = False
    by_directory: bool = False
    note: str = ""
    numbers: frozenset[str] = frozenset()  # columns that hold numbers


def chosen(asked: AskedOverview) -> list[Directory]:
    """Return the directories that are meant, by name."""
    return [asked.directory] if asked.directory else list(Directory.objects.order_by("name"))
