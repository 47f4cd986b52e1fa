"""What is pushed to sources: batches are taken in set by set, and kept for the connector that reads them back.

Writers of one source wait for each other, so that versions only grow and whoever reads up to one has all before it.
"""

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from directories.connectors.push.store import DEPARTMENT, PERSON
from directories.models import Directory, PushedDelivery, PushedRecord, PushToken

PAGE = 2000
KEPT = dt.timedelta(days=30)
USED = dt.timedelta(minutes=1)  # so rarely is it noted that a token was used
PREFIX = "rollcall_push_"  # lets people and secret scanners tell what it is
NEWER = ("delivery", "version", "digest", "data")
CLOSED = "This delivery is closed. Push without a delivery to begin another one."
EMPTY = "Nobody is in this delivery, so it was not closed: it would say that everybody is gone."
DIFFERENT = "{told:,} people were to be in this delivery, and {found:,} are. Push the rest, then close it."


class DeliveryRefused(Exception):
    """A batch or the close of a delivery cannot be taken; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class PushedText:
    """One record as JSON, and the digest of what it says whatever the order of its names."""

    data: str
    digest: str


class Kept:
    """The store of the push connector in the portal's database."""

    def is_whole(self, source: int) -> bool:
        """Return whether a whole delivery was ever closed."""
        return PushedDelivery.objects.filter(directory=source, closed_at__isnull=False).exists()

    def version(self, source: int) -> int:
        """Return the version of the newest change."""
        return newest_version(source)

    def count(self, source: int, kind: str) -> int:
        """Return how many records there are."""
        return PushedRecord.objects.filter(directory=source, kind=kind).count()

    def records(self, source: int, kind: str, since: int = 0) -> Iterator[str]:
        """Stream the records that changed after a version, a page at a time; 0: all of them."""
        rows = PushedRecord.objects.filter(directory=source, kind=kind, version__gt=since).order_by("pk")
        last = 0
        while page := list(rows.filter(pk__gt=last).values_list("pk", "data")[:PAGE]):
            last = page[-1][0]
            for _, data in page:
                yield data

    def named(self, source: int, refs: Sequence[str]) -> list[str]:
        """Return the records of people with these lasting numbers."""
        return list(of_refs(source, PERSON, refs).values_list("data", flat=True))


def newest_version(source: int) -> int:
    """Return the version of the newest change of a source."""
    return PushedDelivery.objects.filter(directory=source).aggregate(newest=Max("version"))["newest"] or 0


def of_refs(source: int, kind: str, refs: Sequence[str]) -> "QuerySet[PushedRecord]":
    """Return the records with these numbers."""
    return PushedRecord.objects.filter(directory=source, kind=kind, ref__in=refs)


def receive(
    directory: Directory, kind: str, records: Mapping[str, PushedText], *, actor: str, number: int | None = None
) -> PushedDelivery:
    """Take in a batch, records by their lasting numbers, as a part of a delivery or as a new one.

    Raise DeliveryRefused for a delivery that is closed, PushedDelivery.DoesNotExist for one that is not the source's.
    """
    with transaction.atomic():
        _lock(directory)
        if number is None:
            _forget_old(directory)
            delivery = PushedDelivery.objects.create(directory=directory, actor=actor)
        else:
            delivery = _locked(directory, number)
        if delivery.closed_at:
            raise DeliveryRefused(CLOSED)
        changed = _store(delivery, kind, records)
        if kind == PERSON:
            inside = PushedRecord.objects.filter(directory=directory, kind=PERSON, delivery=delivery.pk)
            delivery.records = inside.count() if number else len(records)
        delivery.changed += changed
        delivery.waits = delivery.waits or changed > 0
        delivery.save()
    return delivery


def close(directory: Directory, number: int, *, people: int | None = None) -> PushedDelivery:
    """Say that a delivery is whole: whoever was not pushed since it was opened is not there any more.

    ``people`` is how many its sender knows to be in it. Raise DeliveryRefused, or PushedDelivery.DoesNotExist.
    """
    with transaction.atomic():
        _lock(directory)
        delivery = _locked(directory, number)
        if delivery.closed_at:
            return delivery
        if not delivery.records:
            raise DeliveryRefused(EMPTY)
        if people not in (None, delivery.records):
            raise DeliveryRefused(DIFFERENT.format(told=people, found=delivery.records))
        older = PushedRecord.objects.filter(directory=directory, delivery__lt=delivery.pk)
        delivery.missing, _ = older.filter(kind=PERSON).delete()
        departments = PushedRecord.objects.filter(directory=directory, kind=DEPARTMENT)
        if departments.filter(delivery=delivery.pk).exists():
            older.filter(kind=DEPARTMENT).delete()
        delivery.closed_at = timezone.now()
        delivery.waits = True
        delivery.save()
    return delivery


def _store(delivery: PushedDelivery, kind: str, records: Mapping[str, PushedText]) -> int:
    """Write what is new or differs, note of the rest that it is still there, and return how many were written."""
    source = delivery.directory_id
    known = dict(of_refs(source, kind, list(records)).values_list("ref", "digest"))
    changed = {ref: record for ref, record in records.items() if known.get(ref) != record.digest}
    of_refs(source, kind, [ref for ref in records if ref not in changed]).update(delivery=delivery.pk)
    if not changed:
        return 0
    delivery.version = newest_version(source) + 1
    PushedRecord.objects.bulk_create(
        [
            PushedRecord(
                directory_id=source,
                kind=kind,
                ref=ref,
                delivery=delivery.pk,
                version=delivery.version,
                digest=record.digest,
                data=record.data,
            )
            for ref, record in changed.items()
        ],
        batch_size=PAGE,
        update_conflicts=True,
        unique_fields=["directory", "kind", "ref"],
        update_fields=NEWER,
    )
    return len(changed)


def _lock(directory: Directory) -> None:
    Directory.objects.select_for_update(no_key=True, of=("self",)).order_by().values_list("pk").get(pk=directory.pk)


def _locked(directory: Directory, number: int) -> PushedDelivery:
    return PushedDelivery.objects.select_for_update(no_key=True).get(directory=directory, pk=number)


def _forget_old(directory: Directory) -> None:
    """Drop what is known of deliveries of long ago, but for the newest and the last that was whole."""
    known = PushedDelivery.objects.filter(directory=directory)
    newest = known.aggregate(any=Max("pk"))["any"]
    whole = known.filter(closed_at__isnull=False).aggregate(any=Max("pk"))["any"]
    known.filter(opened_at__lt=timezone.now() - KEPT, waits=False).exclude(pk__in=[newest, whole]).delete()


# --- Tokens ----------------------------------------------------------------------------------------------------------


def issue_token(directory: Directory, label: str = "", expires_at: dt.datetime | None = None) -> str:
    """Make a token of a source; return it in clear, as nobody can any more."""
    secret = PREFIX + secrets.token_urlsafe(32)
    PushToken.objects.create(directory=directory, label=label, digest=_digest(secret), expires_at=expires_at)
    return secret


def withdraw_token(directory: Directory, number: int) -> PushToken | None:
    """Let nobody push with a token any more; None where there is no such token that could."""
    token = PushToken.objects.filter(directory=directory, pk=number, withdrawn_at=None).first()
    if token is not None:
        token.withdrawn_at = timezone.now()
        token.save(update_fields=["withdrawn_at"])
    return token


def source_of_token(secret: str) -> Directory | None:
    """Return the source that a token may push to, None for one that is not known, has ended or was withdrawn."""
    found = PushToken.objects.filter(digest=_digest(secret), withdrawn_at=None)
    token = found.select_related("directory__provisioning").first()
    now = timezone.now()
    if token is None or (token.expires_at is not None and token.expires_at <= now):
        return None
    if token.used_at is None or now - token.used_at > USED:
        PushToken.objects.filter(pk=token.pk).update(used_at=now)
    return token.directory


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
