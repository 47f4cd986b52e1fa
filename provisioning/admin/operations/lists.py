"""What the page "Failed and waiting" lists: causes and waiting changes by directory, and one group of the changes.

Groups are found by skipping from one to the next in an index and counting stops at ``MOST``, so the page costs the same
with ten changes and with a million.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils import timezone

from directories.models import Directory
from provisioning.admin.operations.advice import Advice, advice_on, place_of
from provisioning.models import Change
from provisioning.models.outbox import Lane, QueuedChange
from provisioning.outbound.kinds import kind_of

MOST = 10_000
PAGE = 50


@dataclass(frozen=True, slots=True)
class CauseGroup:
    """Changes of one directory that wait for the same thing. ``code`` is None for those that need nobody."""

    directory: Directory
    code: str | None
    number: int
    oldest: dt.datetime
    message: str
    of: type[QueuedChange] = Change
    newest: dt.datetime | None = None

    @property
    def sentence(self) -> str:
        """What is wrong with how many changes: "182 changes: a value is taken in CRM"."""
        known = advice_on(self.code or "")
        number = f"{self.count} change{'' if self.number == 1 else 's'}"
        return f"{number}: {known.means} ({self.directory.name})" if known else f"{number}: {self.message}"

    @property
    def advice(self) -> Advice | None:
        """What to do about it, when that is known."""
        return advice_on(self.code or "")

    @property
    def place(self) -> str:
        """Where that is done."""
        return place_of(self.advice, self.directory) if self.advice else ""

    @property
    def next_try(self) -> dt.datetime | None:
        """When the portal tries the next of them by itself; None: as soon as a worker gets to it."""
        at = self.directory.retry_at
        return at if self.code is None and at and at > timezone.now() else None

    @property
    def count(self) -> str:
        """How many changes, "10,000+" past the limit."""
        return f"{MOST:,}+" if self.number > MOST else f"{self.number:,}"


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of a group, oldest first; ``after`` continues it, 0 at the end.

    An account comes once, with its oldest change and how many came later: they are tried together.
    """

    changes: list[tuple[Any, int]]
    after: int


def unreachable(directory_id: int | None) -> list[Directory]:
    """Return the directories in use that cannot be reached, the longest first."""
    found = Directory.objects.filter(enabled=True, unreachable_since__isnull=False).order_by("unreachable_since")
    return list(found.filter(pk=directory_id) if directory_id else found)


def parked(of: type[QueuedChange], directory_id: int | None) -> Iterator[CauseGroup]:
    """Yield one group for each directory and cause of parked changes."""
    for directory in _directories(of, directory_id, parked=True):
        code, mine = "", _parked(of, directory.pk)
        while first := mine.filter(parked_code__gt=code).order_by("parked_code", "pk").first():
            code = first.parked_code
            same = mine.filter(parked_code=code)
            oldest, newest = (
                first.parked or first.created_at,
                same.order_by("-pk").values_list("parked", flat=True).first(),
            )
            yield CauseGroup(directory, code, _count(same), oldest, first.parked_message, of, newest)


def waiting(of: type[QueuedChange], directory_id: int | None) -> Iterator[CauseGroup]:
    """Yield one group for each directory with changes that will be made without anybody's doing."""
    for directory in _directories(of, directory_id, parked=False):
        changes = _waiting(of, directory.pk)
        first = changes.order_by("pk").first()
        if first is not None:
            newest = changes.order_by("-pk").values_list("created_at", flat=True).first()
            yield CauseGroup(directory, None, _count(changes), first.created_at, _why(directory), of, newest)


def leavers_waiting(directories: Iterable[Directory]) -> dict[int, int]:
    """Return how many accounts of leavers are still open because their directory is closed, by directory: one query."""
    waiting = Change.objects.filter(directory__in=[one.pk for one in directories], lane=Lane.LEAVERS, parked=None)
    return dict(waiting.order_by().values_list("directory").annotate(Count("pk")))


def anything(of: type[QueuedChange]) -> bool:
    """Return whether any such change waits or is parked."""
    return bool(of._default_manager.exists())


def page(group: CauseGroup, after: int) -> ChangePage:
    """Return the changes of a group that come after the change id ``after``."""
    mine = _waiting(group.of, group.directory.pk) if group.code is None else _parked(group.of, group.directory.pk)
    if group.code is not None:
        mine = mine.filter(parked_code=group.code)
    return _of_parts(mine, after) if kind_of(group.of).leases.about else _of_accounts(mine, after)


def _of_parts(mine: QuerySet[Any], after: int) -> ChangePage:
    """Return changes of groups one by one: each may be about another member."""
    rows = list(mine.filter(pk__gt=after).select_related("group_account", "account").order_by("pk")[: PAGE + 1])
    return ChangePage([(change, 0) for change in rows[:PAGE]], rows[PAGE - 1].pk if len(rows) > PAGE else 0)


def _of_accounts(mine: QuerySet[Any], after: int) -> ChangePage:
    earlier = mine.filter(account=OuterRef("account"), pk__lt=OuterRef("pk"))
    oldest = mine.filter(~Exists(earlier), pk__gt=after).select_related("account__user")
    rows = list(oldest.order_by("pk")[: PAGE + 1])
    shown = mine.filter(account__in=[change.account_id for change in rows[:PAGE]]).order_by()
    numbers = dict(shown.values_list("account").annotate(Count("pk")))
    changes = [(change, numbers.get(change.account_id, 1) - 1) for change in rows[:PAGE]]
    return ChangePage(changes, rows[PAGE - 1].pk if len(rows) > PAGE else 0)


def _directories(of: type[QueuedChange], directory_id: int | None, *, parked: bool) -> QuerySet[Directory]:
    some = of._default_manager.filter(directory=OuterRef("pk"), parked__isnull=not parked)
    found = Directory.objects.filter(Exists(some)).order_by("name")
    return found.filter(pk=directory_id) if directory_id else found


def _parked(of: type[QueuedChange], directory_id: int) -> QuerySet[Any]:
    return of._default_manager.filter(directory=directory_id, parked__isnull=False)


def _waiting(of: type[QueuedChange], directory_id: int) -> QuerySet[Any]:
    return of._default_manager.filter(directory=directory_id, parked=None)


def _count(changes: QuerySet[Any]) -> int:
    return changes.order_by()[: MOST + 1].count()


def _why(directory: Directory) -> str:
    if not directory.enabled:
        return "The directory is switched off. Its changes are made once it is enabled again."
    if directory.quarantined:
        return "The directory is in quarantine: it refused everything. One change is tried now and then."
    if directory.unreachable_since:
        return "The directory cannot be reached. Its changes are made, in order, as soon as it answers again."
    return "Under way: workers make these changes now, and try those that are held up again by themselves."
