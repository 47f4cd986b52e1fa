"""The chain of evidence: receipts, decisions about imports and changes of the configuration; nobody alters it unseen.

Each row holds the hash of the row before it, so that an altered, missing or inserted row shows (``faults``). Whoever
rewrites every row from some point on is found by a head, "so many rows, and the hash of the last", that an auditor
keeps outside the portal. The hash is SHA-256 (FIPS 180-4) over the row's canonical text.

Appending locks the head until the transaction ends, so it is the last thing that a transaction does.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from reports.models import Evidence, EvidenceHead, EvidenceKind, KnownState

PAGE = 2000
SECRET = "(secret)"  # begins what stands for a secret in a state
UNREADABLE = "(cannot be read: its key is not among ENCRYPTION_KEYS)"  # stands for secrets that no key opens
Payload = Mapping[str, Any]
_put_back: ContextVar[int | None] = ContextVar("put_back", default=None)


@dataclass(frozen=True, slots=True)
class Head:
    """So many rows, and the hash of the last; in text ``12:9f86…``."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Return the head that was written down; raise ValueError for anything else."""
        number, _, digest = text.strip().lower().partition(":")
        if not (number.isascii() and number.isdecimal()) or len(digest) != len(hashlib.sha256().hexdigest()):
            raise ValueError("A head is a number, a colon and 64 hexadecimal digits.")
        int(digest, 16)
        return cls(int(number), digest)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with the chain, and at which row."""

    seq: int
    words: str


def append(kind: EvidenceKind, payload: Payload) -> int:
    """Append one row in the caller's transaction and return its number."""
    return append_many(kind, [payload])[0]


def append_many(kind: EvidenceKind, payloads: Sequence[Payload]) -> list[int]:
    """Append rows in the caller's transaction, in three statements, and return their numbers."""
    if not payloads:
        return []
    now = timezone.now()
    with transaction.atomic(savepoint=False):
        end = EvidenceHead.objects.select_for_update().first() or _new_head()
        rows = []
        for payload in payloads:
            row = Evidence(seq=end.number + 1, at=now, kind=kind.value, payload=_plain(payload), previous=end.hash)
            row.hash = digest(row)
            row.subject, row.actor = searched(row)
            end.number, end.hash = row.seq, row.hash
            rows.append(row)
        Evidence.objects.bulk_create(rows, batch_size=PAGE)
        end.save(update_fields=["number", "hash"])
    return [row.seq for row in rows]


def changed(subject: str, state: Payload | None, words: str, actor: str) -> None:
    """Append what changed of something's configuration since it was last told, before and after; None: it is gone.

    ``subject`` is its lasting name, "directory 7". ``words`` say what was done. A value that is secret is
    ``masked`` by the caller.
    """
    changed_many([(subject, state, words)], actor)


def changed_many(told: Iterable[tuple[str, Payload | None, str]], actor: str) -> None:
    """Append the same of many things, each once, in at most seven statements."""
    rows = {subject: ({} if state is None else _plain(state), state is None, words) for subject, state, words in told}
    held = {one.subject: one for one in KnownState.objects.filter(subject__in=rows)}
    new, other, gone, payloads = [], [], [], []
    for subject, (after, is_gone, words) in rows.items():
        known = held.get(subject)
        changes = dict(_differences((), known.state if known else {}, after))
        if known is not None and is_gone:
            gone.append(known.pk)
        elif known is not None and changes:
            known.state = after
            other.append(known)
        elif known is None and not is_gone:
            new.append(KnownState(subject=subject, state=after))
        shown = {path: [_shown(before), _shown(now)] for path, (before, now) in changes.items()}
        payload = {"subject": subject, "what": words, "by": actor, "first": not known, "changes": shown}
        if (version := _put_back.get()) is not None:
            payload["put back"] = version
        payloads.append(payload)
    KnownState.objects.bulk_create(new, batch_size=PAGE)
    if other:
        KnownState.objects.bulk_update(other, ["state"], batch_size=PAGE)
    if gone:
        KnownState.objects.filter(pk__in=gone).delete()
    append_many(EvidenceKind.CONFIGURATION, payloads)


@contextmanager
def putting_back(version: int) -> Iterator[None]:
    """Let the rows that are appended meanwhile say that they put back the version that began with that row."""
    token = _put_back.set(version)
    try:
        yield
    finally:
        _put_back.reset(token)


def is_put_back() -> bool:
    """Return whether an earlier version is being put back."""
    return _put_back.get() is not None


def masked(secret: str) -> str:
    """Return what stands for a secret in a state: another one has another mark."""
    return f"{SECRET} {salted_hmac('reports.evidence', secret, algorithm='sha256').hexdigest()[:16]}"


def digest(row: Evidence) -> str:
    """Return the hash that belongs to a row: of its canonical text, whose lines are its columns."""
    at = row.at.astimezone(dt.UTC).isoformat(timespec="microseconds")
    text = "\n".join([str(row.seq), at, row.kind, _canonical(row.payload), row.previous])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def searched(row: Evidence) -> tuple[str, str]:
    """Return what a row is found by: its subject and who did it, "" of what is no change of the configuration."""
    if row.kind != EvidenceKind.CONFIGURATION:
        return "", ""
    return str(row.payload["subject"])[:255], str(row.payload["by"])[:255]


def head() -> Head:
    """Return where the chain ends."""
    last = Evidence.objects.order_by("-seq").values_list("seq", "hash").first()
    return Head(*last) if last else Head(0, "")


def faults(kept: Head | None = None) -> Iterator[Fault]:
    """Walk the chain and yield what is wrong with it; ``kept`` is a head from before. Memory does not grow with it."""
    end, found_kept = Head(0, ""), kept is None or kept.number == 0
    while True:
        noted, begun = EvidenceHead.objects.first(), end.number
        for row in Evidence.objects.filter(seq__gt=begun).order_by("seq").iterator(chunk_size=PAGE):
            yield from _faults_of(row, end)
            if kept and row.seq == kept.number:
                found_kept = True
                if row.hash != kept.hash:
                    words = f"Row {row.seq} is not the one of the head that was kept: the chain was rewritten."
                    yield Fault(row.seq, words)
            end = Head(row.seq, row.hash)
        if (noted and (noted.number, noted.hash)) == (end.number, end.hash) or end.number == begun:
            break  # else rows came while it was walked, and the next round begins with a head that counts them
    if kept and not found_kept:
        yield Fault(end.number + 1, f"The end is missing: the head that was kept counts {kept.number} rows.")
    if noted is None or (noted.number, noted.hash) != (end.number, end.hash):
        counted = noted.number if noted else 0
        words = f"The end does not fit: {counted} rows were appended, and the last one here is {end.number}."
        yield Fault(end.number + 1, words)


def _faults_of(row: Evidence, before: Head) -> Iterator[Fault]:
    number = before.number
    if row.seq != number + 1:
        missing = f"Row {number + 1} is" if row.seq == number + 2 else f"Rows {number + 1} to {row.seq - 1} are"
        yield Fault(number + 1, f"{missing} missing.")
    elif row.previous != before.hash:
        words = f"Row {row.seq} does not continue row {number}: one of them was inserted, replaced or altered."
        yield Fault(row.seq, words)
    if row.hash != digest(row) or (row.subject, row.actor) != searched(row):
        yield Fault(row.seq, f"Row {row.seq} ({row.get_kind_display()}) was altered.")


def _new_head() -> EvidenceHead:
    """Return the head where the table is empty: it goes on where the rows end."""
    last = head()
    EvidenceHead.objects.bulk_create([EvidenceHead(pk=1, number=last.number, hash=last.hash)], ignore_conflicts=True)
    return EvidenceHead.objects.select_for_update().get(pk=1)


def _plain(value: Any) -> Any:
    """Return the value as JSON gives it back from any database: text, whole numbers, lists and objects."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key).replace("\x00", ""): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return str(value)


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _differences(path: tuple[str, ...], before: Any, after: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _differences((*path, key), before.get(key), after.get(key))
    elif before != after:
        yield ".".join(path), (before, after)


def _shown(value: Any) -> Any:
    """Return the value without the marks of secrets."""
    if isinstance(value, str) and value.startswith(SECRET):
        return SECRET
    if isinstance(value, dict):
        return {key: _shown(each) for key, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list) else value
