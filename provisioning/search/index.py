"""Keeping the texts up to date: every few seconds, a worker writes those of rows that changed.

What changed is found by ``updated_at``, over its index. A transaction may commit rows that are older than others seen
already, so a look goes back a minute; and once a day everything is compared.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connection, models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from provisioning.models import AttributeDefinition, Group, User
from provisioning.search.models import GroupText, SearchIndex, SearchText, UserText
from provisioning.search.text import document

logger = logging.getLogger(__name__)

PAGE = 1000  # texts written at once
FOUND = 50_000  # outdated rows that one look finds
LATE = dt.timedelta(minutes=1)  # a transaction that wrote a row may end so much later
DAILY = dt.timedelta(days=1)
LEASE = dt.timedelta(minutes=5)
LONGEST = 30.0  # seconds of one run; the next one goes on

NAMES = ("username", "email", "first_name", "last_name", "display_name", "employee_number")
TELEPHONES = ("phone", "mobile")
OF_USERS = (*NAMES, *TELEPHONES, "custom_profile", "updated_at")


@dataclass(frozen=True, slots=True)
class SearchedKind:
    """One kind of row: its model, the columns that its text is made of, and the model of the texts."""

    name: str
    rows: type[models.Model]
    columns: tuple[str, ...]
    texts: type[SearchText]
    text: Callable[[Any, Sequence[str]], str]

    @property
    def table(self) -> str:
        """The table of the texts."""
        return self.texts._meta.db_table


def text_of_user(user: User, attributes: Sequence[str]) -> str:
    """Return what a user is found by: names, address, numbers, and these custom profile attributes."""
    own = [getattr(user, name) for name in NAMES]
    custom = [str(user.custom_profile[name]) for name in attributes if user.custom_profile.get(name) is not None]
    return document([*own, *custom], [getattr(user, name) for name in TELEPHONES])


def text_of_group(group: Group, attributes: Sequence[str]) -> str:
    """Return what a group is found by."""
    return document([group.name, group.description])


PEOPLE = SearchedKind("user", User, OF_USERS, UserText, text_of_user)
GROUPS = SearchedKind("group", Group, ("name", "description", "updated_at"), GroupText, text_of_group)


def searched_attributes() -> list[str]:
    """Return the names of the custom profile attributes that people are found by."""
    return sorted(AttributeDefinition.objects.filter(searchable=True).values_list("name", flat=True))


def refresh() -> None:
    """Bring the texts up to date, as far as ``LONGEST`` allows."""
    until = time.monotonic() + LONGEST
    for kind in (PEOPLE, GROUPS):
        if state := _claim(kind):
            try:
                _follow(kind, state, until)
            finally:
                SearchIndex.objects.filter(pk=state.pk).update(busy_until=None)


def _claim(kind: SearchedKind) -> SearchIndex | None:
    """Return the state, or None while another worker is at it."""
    now = timezone.now()
    SearchIndex.objects.get_or_create(pk=kind.name)
    free = SearchIndex.objects.filter(Q(busy_until=None) | Q(busy_until__lt=now), pk=kind.name)
    return SearchIndex.objects.get(pk=kind.name) if free.update(busy_until=now + LEASE) else None


def _follow(kind: SearchedKind, state: SearchIndex, until: float) -> None:
    started = timezone.now()
    attributes = searched_attributes() if kind is PEOPLE else []
    if attributes != state.attributes:
        state.attributes, state.version, state.whole_at = attributes, state.version + 1, None
        state.save(update_fields=["attributes", "version", "whole_at"])
    whole = state.since is None or state.whole_at is None or state.whole_at <= started - DAILY
    while ids := _outdated(kind, state.version, None if whole else state.since):
        for start in range(0, len(ids), PAGE):
            _write(kind, ids[start : start + PAGE], state)
            if time.monotonic() > until:
                return
        if len(ids) < FOUND:
            break
    if whole:
        there = kind.rows._default_manager.filter(pk=OuterRef("pk"))
        kind.texts._default_manager.filter(~Exists(there)).delete()
        state.whole_at, state.trigrams = started, _trigrams(kind)
    state.since = started - LATE
    state.save(update_fields=["since", "whole_at", "trigrams"])


def _outdated(kind: SearchedKind, version: int, since: dt.datetime | None) -> list[int]:
    """Return the rows whose text is missing or outdated, at most ``FOUND``; None looks at all of them."""
    current = Q(search_text__seen=F("updated_at"), search_text__version=version)
    rows = kind.rows._default_manager.filter(Q(search_text=None) | ~current)
    rows = rows.order_by("pk") if since is None else rows.filter(updated_at__gte=since).order_by("updated_at")
    return list(rows.values_list("pk", flat=True)[:FOUND])


def _write(kind: SearchedKind, ids: Sequence[int], state: SearchIndex) -> None:
    """Write the texts of a page of rows: two statements."""
    rows: Any = kind.rows._default_manager.filter(pk__any_id=ids).only(*kind.columns)
    key, same = kind.texts._meta.pk.attname, {"version": state.version}
    texts = [
        kind.texts(**{key: row.pk, "text": kind.text(row, state.attributes), "seen": row.updated_at, **same})
        for row in rows.order_by("pk")
    ]
    kind.texts._default_manager.bulk_create(
        texts,
        update_conflicts=True,
        unique_fields=[kind.texts._meta.pk.name],
        update_fields=["text", "seen", "version"],
        batch_size=PAGE,
    )


def _trigrams(kind: SearchedKind) -> bool:
    """Make PostgreSQL's index of any part of a word, if it is missing; return whether there is one.

    Made after the first texts are written, which is faster. Without the extension every text is read: slower, and as
    complete.
    """
    if connection.vendor != "postgresql":
        return False
    index = f"{kind.table}_trigrams"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [index])
            if cursor.fetchone() == (True,):
                return True
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            cursor.execute(f"CREATE INDEX {index} ON {kind.table} USING gin (text gin_trgm_ops)")
    except DatabaseError:
        logger.warning(
            "The search has no index: the portal's role may not create PostgreSQL's extension pg_trgm. "
            "Let an administrator of the database run CREATE EXTENSION pg_trgm in it; the index follows within a day."
        )
        return False
    return True
