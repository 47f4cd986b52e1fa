"""The raw rows of sources of truth, kept apart from what was made of them, so that another mapping needs no new crawl.

JSON holds a row with the types of its values, so that it has the same digest as when it was read. Passwords are not
among them.
"""

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from directories.attributes import UnreadableValue, Value
from directories.connectors.base import Page, RemoteAccount, RemoteContract
from provisioning.contracts.models import SourceRecord
from provisioning.imports.users.plan import BLOCK, ERROR, MAX_KEY, MAX_REMOTE_ID, Planned, printable, storable
from provisioning.models import Account
from provisioning.models.accounts import AccountState

UPDATED = ("key", "raw", "blocked", "reason", "seen_at")


def note(directory_id: int, rows: Iterable[tuple[RemoteAccount, Planned]]) -> None:
    """Keep rows that are new or differ, with what became of each: one statement."""
    now = timezone.now()
    found = {
        remote.ref: SourceRecord(
            source_id=directory_id,
            remote_id=remote.ref,
            key=printable(remote.key)[:MAX_KEY],
            raw=encoded(remote),
            blocked=planned.action in (BLOCK, ERROR),
            reason=planned.message if planned.action in (BLOCK, ERROR) else "",
            seen_at=now,
        )
        for remote, planned in rows
        if remote.ref.strip() and len(remote.ref) <= MAX_REMOTE_ID and storable(remote.ref)
    }
    SourceRecord.objects.bulk_create(
        found.values(),
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["source", "remote_id"],
        update_fields=UPDATED,
    )


def forget_unseen(directory_id: int, before: dt.datetime) -> None:
    """After a complete crawl: drop the rows of people whom it did not show; ``before`` is when it began.

    A row that is as it was before is not written again, so a person's account says that it is still there.
    """
    rows = SourceRecord.objects.filter(source=directory_id, seen_at__lt=before)
    rows.exclude(Exists(_accounts(directory_id).exclude(state=AccountState.ABSENT).filter(user__isnull=False))).delete()


def pages(directory_id: int, size: int) -> Iterator[Page]:
    """Stream what was read last, as a crawl gives it, but for people whom the source does not show any more."""
    gone = Exists(_accounts(directory_id).filter(state=AccountState.ABSENT))
    rows = SourceRecord.objects.filter(source=directory_id).exclude(gone).order_by("pk")
    last = 0
    while page := list(rows.filter(pk__gt=last).values_list("pk", "raw")[:size]):
        last = page[-1][0]
        yield Page([decoded(raw) for _, raw in page])
    yield Page((), last=True)


def _accounts(directory_id: int) -> "QuerySet[Account]":
    return Account.objects.filter(directory=directory_id, remote_id=OuterRef("remote_id"))


def encoded(remote: RemoteAccount) -> dict[str, Any]:
    """Return a row as JSON."""
    found: dict[str, Any] = {"ref": remote.ref, "key": remote.key, "values": _values(remote.attributes)}
    for name in ("enabled", "place", "problem"):
        value = getattr(remote, name)
        if value not in (None, ""):
            found[name] = printable(value) if isinstance(value, str) else value
    if remote.contracts is not None:
        found["contracts"] = [[one.ref, _values(one.attributes), one.problem] for one in remote.contracts]
    clean: dict[str, Any] = _storable(found)
    return clean


def decoded(raw: Mapping[str, Any]) -> RemoteAccount:
    """Return the row that ``encoded`` gave."""
    contracts = raw.get("contracts")
    return RemoteAccount(
        raw["ref"],
        raw["key"],
        _read(raw["values"]),
        raw.get("enabled"),
        problem=raw.get("problem", ""),
        place=raw.get("place", ""),
        contracts=None
        if contracts is None
        else [RemoteContract(ref, _read(values), problem) for ref, values, problem in contracts],
    )


def _values(values: Mapping[str, Value]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Return a value as JSON; what JSON has no type for is an object of one member, which names the type."""
    if isinstance(value, UnreadableValue):
        return {"unreadable": str(value)}
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, dt.datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, dt.date):
        return {"date": value.isoformat()}
    return list(value) if isinstance(value, tuple) else {"text": str(value)}


def _read(values: Mapping[str, Any]) -> dict[str, Value]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Value:
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, dict):
        return value  # type: ignore[no-any-return]
    ((kind, text),) = value.items()
    match kind:
        case "unreadable":
            return UnreadableValue(text)
        case "float":
            return float(text)
        case "decimal":
            return Decimal(text)
        case "datetime":
            return dt.datetime.fromisoformat(text)
        case "date":
            return dt.date.fromisoformat(text)
    return str(text)


def _storable(value: Any) -> Any:
    """Return JSON that the database can hold: U+FFFD for every character that it cannot."""
    if isinstance(value, str):
        return value if storable(value) else printable(value)
    if isinstance(value, list):
        return [_storable(one) for one in value]
    return {_storable(name): _storable(one) for name, one in value.items()} if isinstance(value, dict) else value
