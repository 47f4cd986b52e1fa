"""The outbox of events: the only writer of ``OutgoingEvent``.

An event is written in the transaction of what it tells, from the same rows as the report, a statement for many. Nothing
is written, and nothing asked, while nobody subscribes.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save

from config.database import bulk
from provisioning.background import Gathered
from provisioning.events.kinds import told_by
from provisioning.events.models import OutgoingEvent, Subscription
from provisioning.models import Group
from provisioning.notices.causes import CAUSES
from provisioning.notices.models import Notice
from provisioning.notices.signals import notice_closed, notice_opened
from provisioning.outbound import dispatch
from reports import journal

FAN_OUT = "provisioning.tasks.fan_out_events"
OF_REPORT = ("at", "identifier", "application", "actor", "user_id", "group_id", "run_id")
IMPORT_FAILED = "The import of {} failed. Its page in the portal says why and what to do."
PLAN_FAILED = "A plan failed. Its page in the portal says why and what to do."
PAUSE = 0.1  # seconds in which transactions share one message to the worker that fans out


class _Known:
    """Whether anybody subscribes, as this process last saw it."""

    def __init__(self) -> None:
        self.wanted = False
        self.until = float("-inf")


_known = _Known()


def listen() -> None:
    """Hear of every line of the report, of every notice, and of subscriptions that this process changes."""
    journal.LISTENERS.append(note)
    notice_opened.connect(_notice_opened, dispatch_uid="events")
    notice_closed.connect(_notice_closed, dispatch_uid="events")
    for signal in (post_save, post_delete):
        signal.connect(look_again, sender=Subscription, dispatch_uid=f"events {id(signal)}")


def wanted() -> bool:
    """Return whether anybody subscribes; asked anew every ``EVENTS_LOOK_SECONDS``, so that no save pays for it."""
    now = time.monotonic()
    if now >= _known.until:
        _known.wanted = Subscription.objects.filter(enabled=True).exists()
        _known.until = now + settings.EVENTS_LOOK_SECONDS
    return _known.wanted


def look_again(**_: Any) -> None:
    """Ask at the next event whether anybody subscribes."""
    _known.until = float("-inf")


def assume_nobody() -> None:
    """Take it that nobody subscribes: what a process of tests begins with."""
    _known.wanted, _known.until = False, float("inf")


def note(rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the events that rows of the report are, inside the caller's transaction."""
    if wanted():
        write(list(_events(rows)))


def write(events: Sequence[Mapping[str, Any]]) -> None:
    """Write events, and wake the worker that fans them out after the commit."""
    if not events:
        return
    bulk.insert(OutgoingEvent, events)
    if all(entry[1] is not _wake for entry in connection.run_on_commit):  # once a transaction
        transaction.on_commit(_wake, robust=True)


def _wake() -> None:
    if settings.SEND_BESIDE:
        _waker.put(None)
    else:
        dispatch.send(FAN_OUT)


def _events(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    told = [(row, kind, changes) for row in rows for kind, changes in told_by(row)]
    going = _groups_of([row["group_id"] for row, kind, _ in told if kind == "group.deleted"])
    for row, kind, changes in told:
        yield {
            **{name: row[name] for name in OF_REPORT},
            "kind": kind,
            "changes": changes,
            "subject": _subject(row),
            "message": _message(kind, row),
            "about": going.get(row["group_id"], {}) if kind == "group.deleted" else {},
        }


def _message(kind: str, row: Mapping[str, Any]) -> str:
    """Return our own words about an import: those of its directory may name what a receiver is not to know."""
    if kind == "import.failed":
        return IMPORT_FAILED.format(row["application"]) if row["application"] else PLAN_FAILED
    return str(row["message"]) if kind == "import.finished" else ""


def _groups_of(ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return what is known of groups that are about to go."""
    if not ids:
        return {}
    rows = Group.objects.filter(pk__in=ids).values_list("pk", "scim_id", "name")
    return {pk: {"group": {"id": str(scim_id), "name": name}} for pk, scim_id, name in rows}


def _subject(row: Mapping[str, Any]) -> str:
    """Return what the order of a row's event is kept by: its person first."""
    for name in ("user_id", "account_id", "group_id", "run_id"):
        if row[name]:
            return f"{name.removesuffix('_id')} {row[name]}"
    return "portal"


def _notice_opened(notice: Notice, **_: Any) -> None:
    _of_notice(notice, "guard.waiting")


def _notice_closed(notice: Notice, **_: Any) -> None:
    _of_notice(notice, "guard.cleared")


def _of_notice(notice: Notice, kind: str) -> None:
    """Tell of a notice by its cause: its own words may name people whom a receiver is not to know."""
    if wanted():
        cause = CAUSES.get(notice.cause)
        message = cause.label if cause else ""
        write([{"kind": kind, "subject": f"notice {notice.pk}", "identifier": notice.cause, "message": message}])


def _send(_: list[None]) -> None:
    dispatch.send(FAN_OUT)


_waker: Gathered[None] = Gathered("Events", _send, pause=PAUSE, most=10_000, most_waiting=10_000)
