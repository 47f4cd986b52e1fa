"""Finding people and groups by any part of what they are called, at any size of the roll.

Each raises ``reports.search.TooSlow`` when the database gives up.
"""

import datetime as dt
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models import Q, QuerySet

from directories.models import Directory
from provisioning.models import Account, Group, User
from provisioning.models.people import fold
from provisioning.search.index import GROUPS, PEOPLE, SearchedKind
from provisioning.search.models import SearchIndex
from provisioning.search.text import Wanted, plain
from reports.search import limited_time

RANKED = 60  # matches that are put in order: the best of them are shown
TAIL = 500  # rows not in the index yet that are looked at one by one, the newest
FAR_BACK = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Row = TypeVar("Row", bound=models.Model)


def people(users: QuerySet[User], text: str, limit: int, also: Collection[int] = ()) -> list[User]:
    """Return those of ``users`` who are found by the text, the likeliest first: six queries at the most.

    Whoever has exactly this user name, address, number, or account in a directory comes first; so does who is among
    ``also``, whom others know by the text.
    """
    wanted = Wanted.of(text)
    if not wanted.ways:
        return []
    ids = {*_owners(text), *also}
    exact = Q(username_key=fold(text)) | Q(email_key=fold(text)) | Q(employee_number__in=spellings(text))
    with limited_time():
        first = list(users.filter(exact | Q(pk__in=ids) if ids else exact).order_by()[:limit])
        rest = _matches(users, wanted, PEOPLE)
    known = {user.pk for user in first}
    rest = [user for user in rest if user.pk not in known]
    return [*first, *sorted(rest, key=lambda user: _rank(user, wanted, text))][:limit]


def ids_of_people(text: str, most: int) -> list[int] | None:
    """Return the ids of everybody who is found by the text, None for more than ``most``."""
    wanted = Wanted.of(text)
    if not wanted.ways:
        return []
    with limited_time():
        state = _state(PEOPLE)
        found = {row.pk for row in _tail(User.objects.all(), wanted, PEOPLE, state)}
        texts = PEOPLE.texts._default_manager.filter(wanted.condition("text")).order_by()
        with _by_trigrams(state):
            found |= set(texts.values_list("pk", flat=True)[: most + 1])
    found |= _owners(text)
    return sorted(found) if len(found) <= most else None


def groups(those: QuerySet[Group], text: str, limit: int) -> list[Group]:
    """Return those of the groups that are found by the text, the likeliest first."""
    wanted = Wanted.of(text)
    if not wanted.ways:
        return []
    with limited_time():
        found = _matches(those, wanted, GROUPS)
    return sorted(found, key=lambda group: (plain(group.name) != plain(text), group.name_key))[:limit]


def spellings(text: str) -> set[str]:
    """Return how an id may be written, for indexes that know case."""
    return {text, text.lower(), text.upper(), text.title(), text.strip("{}").lower()} - {""}


def _matches(rows: QuerySet[Row], wanted: Wanted, kind: SearchedKind) -> list[Row]:
    """Return some rows that match, by the texts and among those that have none yet; needs a transaction."""
    state = _state(kind)
    late = _tail(rows, wanted, kind, state)
    with _by_trigrams(state):
        found = list(rows.filter(wanted.condition("search_text__text")).order_by()[:RANKED])
    known = {row.pk for row in found}
    return [*found, *(row for row in late if row.pk not in known)]


def _tail(rows: QuerySet[Row], wanted: Wanted, kind: SearchedKind, state: SearchIndex | None) -> list[Row]:
    """Return those who match among the rows that the index may not have yet."""
    since = state.since if state and state.since else FAR_BACK
    newest: Any = rows.filter(updated_at__gte=since).order_by("-updated_at")[:TAIL]
    attributes = state.attributes if state else []
    return [row for row in newest if wanted.matches(kind.text(row, attributes))]


def _owners(text: str) -> set[int]:
    """Return the users whose account some directory knows by this id or name."""
    known = Q(remote_id__in=spellings(text)) | Q(
        directory__in=list(Directory.objects.values_list("pk", flat=True)), key__in=spellings(text)
    )
    owners = Account.objects.filter(known, user__isnull=False).order_by().values_list("user_id", flat=True)
    return {pk for pk in owners[:RANKED] if pk is not None}


def _rank(user: User, wanted: Wanted, text: str) -> tuple[bool, bool, bool, str]:
    """Return the place of a match: whole names first, then beginnings of words, and people who have left last."""
    whole = plain(text) in {plain(each) for each in (user.get_full_name(), user.first_name, user.last_name)}
    begins = wanted.begins_words_of(PEOPLE.text(user, ()))
    return not whole, not begins, not user.is_active, user.username_key


def _state(kind: SearchedKind) -> SearchIndex | None:
    return SearchIndex.objects.filter(pk=kind.name).first()


@contextmanager
def _by_trigrams(state: SearchIndex | None) -> Iterator[None]:
    """Let PostgreSQL look nowhere but into the trigrams; needs a transaction.

    By its own reckoning it would rather read the tables in some order, in the hope of early matches.
    """
    there = state is not None and state.trigrams
    if there:
        _set_plans("off")
    yield
    if there:
        _set_plans("on")


def _set_plans(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('enable_seqscan', %s, true), set_config('enable_indexscan', %s, true)", [value, value]
        )
