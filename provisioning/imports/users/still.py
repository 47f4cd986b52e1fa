"""Whether the source still says what an approved plan is about: asked for many rows at once, before they are applied.

A directory that can look accounts up by their lasting ids is asked for those of the plan; any other is read again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import QuerySet

from directories.connectors.base import Connector, Page
from provisioning.imports.bitmap import Bitmap
from provisioning.imports.decisions import to_apply
from provisioning.imports.runs import Incomplete, Lease
from provisioning.imports.users.crawl import Crawler
from provisioning.imports.users.plan import storable
from provisioning.imports.users.store import gain, refuse
from provisioning.models import ImportRun, PlannedChange
from provisioning.models.imports import Action

CHUNK = 1000
READ = 2000
CHANGED = "The row in {name} was changed since the plan was made, so it was not applied. The next import plans it anew."
GONE = "The row is not in {name} any more, so it was not applied. The next import looks again."
BACK = "This person is in {name} again, so they were not deactivated."
INCOMPLETE = "{name} stopped before its last user was read, so nothing was applied. Approve again."


@dataclass(frozen=True, slots=True)
class PlannedFrom:
    """A planned change and what it was planned from: the digest of its row, None where the row was missing."""

    id: int
    digest: str | None


def refuse_changed(run: ImportRun, connector: Connector, crawler: Crawler, lease: Lease) -> None:
    """Make errors of the planned changes whose rows are others by now, are gone, or are back."""
    last = run.applied_up_to
    while page := _page(run, last):
        last = max(told.id for told in page.values())
        found = connector.look_up(list(page))
        if found is None:
            _read_again(run, connector, crawler, lease)
            return
        same, other = _compared(page, crawler, Page(found))
        missing = {told.id for ref, told in page.items() if told.id not in same and told.id not in other}
        _settle(page.values(), missing=missing, other=other, crawler=crawler, lease=lease)


def _page(run: ImportRun, after: int) -> dict[str, PlannedFrom]:
    rows = _from_rows(run).filter(pk__gt=after).order_by("pk").values_list("pk", "remote_id", "action", "row__digest")
    return {
        ref: PlannedFrom(pk, None if action == Action.DEACTIVATE else digest)
        for pk, ref, action, digest in rows[:CHUNK]
    }


def _from_rows(run: ImportRun) -> "QuerySet[PlannedChange]":
    wanted = [Action.CREATE, Action.UPDATE, Action.DEACTIVATE, Action.LINK]
    return to_apply(run).filter(action__in=wanted).exclude(remote_id="")


def _compared(page: Mapping[str, PlannedFrom], crawler: Crawler, rows: Page) -> tuple[set[int], set[int]]:
    """Return which of the planned changes have the row that they were planned from, and which have another one."""
    same: set[int] = set()
    other: set[int] = set()
    digested = crawler.digested(rows)
    for remote, digest in zip(rows.accounts, digested.digests, strict=True):
        told = page.get(remote.ref)
        if told is not None:
            (same if told.digest is not None and digest == told.digest else other).add(told.id)
    return same, other


def _settle(page: Iterable[PlannedFrom], *, missing: set[int], other: set[int], crawler: Crawler, lease: Lease) -> None:
    """Refuse what is not as it was; who was missing while planning is to be missing still."""
    leaving = {told.id for told in page if told.digest is None}
    for ids, words in ((other - leaving, CHANGED), (missing - leaving, GONE), (other & leaving, BACK)):
        if ids:
            with lease.page() as gains:
                refuse(PlannedChange.objects.filter(pk__in=ids), words.format(name=crawler.config.name), gains)
                gain(gains, "changed_since", len(ids))


def _read_again(run: ImportRun, connector: Connector, crawler: Crawler, lease: Lease) -> None:
    """Read the whole directory, and compare the rows that the plan speaks of."""
    same = Bitmap()
    complete = False
    for rows in connector.accounts(READ):
        refs = [remote.ref for remote in rows.accounts if storable(remote.ref)]
        planned = _from_rows(run).filter(pk__gt=run.applied_up_to, remote_id__any_of=refs) if refs else []
        page = {
            one.remote_id: PlannedFrom(one.pk, None if one.action == Action.DEACTIVATE else one.row.get("digest"))
            for one in planned
        }
        found, other = _compared(page, crawler, rows)
        for pk in found | other:
            same.add(pk)
        _settle(page.values(), missing=set(), other=other, crawler=crawler, lease=lease)
        lease.write()
        complete = rows.last
    if not complete:
        raise Incomplete(INCOMPLETE.format(name=crawler.config.name))
    last = run.applied_up_to
    while chunk := _page(run, last):
        last = max(told.id for told in chunk.values())
        missing = {told.id for told in chunk.values() if told.id not in same}
        _settle(chunk.values(), missing=missing, other=set(), crawler=crawler, lease=lease)
