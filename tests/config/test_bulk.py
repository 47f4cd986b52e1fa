"""Many rows written at once hold what was put on them, by whichever statement, and many texts are found by an index."""

import uuid

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone

from config.database import bulk, commits
from provisioning.imports.users import correlate
from provisioning.models import Account, User
from reports.models import Event
from tests.reports.conftest import Write, write

__all__ = ["write"]

pytestmark = pytest.mark.django_db
NAMES = ("message", "changes", "user_id", "at", "identifier")


@pytest.mark.parametrize(
    ("few", "number"), [(bulk.FEW, 60), (10_000, 60), (10_000, 2)], ids=["unnest", "upsert", "one row"]
)
def test_rows_hold_what_was_put_on_them(write: Write, monkeypatch: pytest.MonkeyPatch, few: int, number: int) -> None:
    monkeypatch.setattr(bulk, "FEW", few)
    write(number)
    rows = list(Event.objects.order_by("pk"))
    untouched = rows.pop()
    for number, row in enumerate(rows):
        row.message = f'Zoë\'s "{number}" \\ {{NULL}}, ä\n'
        row.changes = {"e-mail": [None, f"{number}@example.org"], "naïve, {x}": ["'", '"']}
        row.user_id = number if number % 2 else None
        row.at = timezone.now()
        row.identifier = "" if number % 3 else "NULL"
    bulk.update(rows, NAMES)
    stored = {event.pk: event for event in Event.objects.all()}
    for row in rows:
        assert [getattr(stored[row.pk], name) for name in NAMES] == [getattr(row, name) for name in NAMES]
    assert stored[untouched.pk].message == untouched.message


def test_folded_copies_follow_and_what_is_too_long_is_refused() -> None:
    """A cast to the column's type would cut a text off without a word."""
    people = User.objects.bulk_create([User(username=f"user{n}") for n in range(bulk.FEW)])
    for person in people:
        person.last_name = "Łovelace"
    bulk.update(people, ["last_name", "last_name_key"])
    assert set(User.objects.values_list("last_name_key", flat=True)) == {"łovelace"}
    people[0].last_name = "x" * 1000
    with pytest.raises(DataError), transaction.atomic():
        bulk.update(people, ["last_name"])


AWKWARD = ["", "plain", "\\N", "a\tb", "a\nb\r", "back\\slash", "Zoë 🙂", '{"x": "\\u0041"}', "\x01\x7f", "',%s"]


@pytest.mark.parametrize("number", [1, 3, 200], ids=["one", "insert", "copy"])
def test_new_rows_hold_what_was_given(number: int) -> None:
    rows = [
        {
            "username": f"user{n}",
            "display_name": AWKWARD[n % len(AWKWARD)],
            "custom_attributes": {"x": AWKWARD[n % len(AWKWARD)], "n": 2**70, "none": None},
            "is_active": n % 2 == 0,
            **({"scim_id": uuid.UUID(int=n), "department": f"D{n}"} if n % 3 else {}),
        }
        for n in range(number)
    ]
    ids = bulk.insert_returning(User, rows)
    people = User.objects.in_bulk(ids)
    for pk, row in zip(ids, rows, strict=True):
        assert {name: getattr(people[pk], name) for name in row} == row
        assert people[pk].username_key == row["username"]
        assert (people[pk].manager_id, people[pk].custom_profile) == (None, {})
    assert len({person.scim_id for person in people.values()}) == number
    assert all(person.created_at for person in people.values())


@pytest.mark.parametrize("texts", [[], [""], AWKWARD, ["a", 'q"uote', '","'], [*AWKWARD, '","']])
def test_any_of_finds_these_texts_and_no_other(texts: list[str]) -> None:
    bulk.insert(User, [{"username": f"u{n}", "title": text} for n, text in enumerate([*AWKWARD, '","', "other"])])
    found = User.objects.filter(title__any_of=texts).values_list("title", flat=True)
    assert set(found) == set(texts) & {*AWKWARD, '","'}


def test_any_number_of_lasting_ids_is_found_by_their_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        wanted = Account.objects.filter(remote_id__any_of=[f"r{n}" for n in range(2000)])
        assert "account_remote_id_once" in wanted.explain()
        cursor.execute(f"EXPLAIN {correlate.ACCOUNTS}", ["{a,b}", 1])
        assert "account_remote_id_once" in str(cursor.fetchall())


def overlap(rows: list[dict[str, object]], divisor: int = 1) -> None:
    """Insert these rows and 60 others at once, unless the divisor is 0."""
    with transaction.atomic(), bulk.overlapping():
        bulk.insert(User, [{"username": f"first{n}"} for n in range(60)])
        bulk.insert(User, rows)
        assert 1 / divisor


def test_what_overlaps_is_written_in_order_or_not_at_all() -> None:
    rows = [{"username": f"user{n}"} for n in range(200)]
    with transaction.atomic(), bulk.overlapping():
        bulk.insert(User, rows[:100])
        bulk.insert(User, rows[100:])
        assert User.objects.count() == 200  # a query sees what was inserted before it
    with pytest.raises(IntegrityError):
        overlap([*rows[:60], *rows[:60]])
    with pytest.raises(ZeroDivisionError):
        overlap([{"username": f"more{n}"} for n in range(60)], 0)
    assert User.objects.count() == 200
    with transaction.atomic():
        assert len(bulk.insert_returning(User, [{"username": f"last{n}"} for n in range(60)])) == 60


def test_the_statement_that_breaks_a_foreign_key_is_refused() -> None:
    people = [{"user_id": 10**9 + n, "directory_id": 10**9, "key": f"nobody{n}"} for n in range(bulk.FEW)]
    with pytest.raises(IntegrityError), transaction.atomic(), commits.checked_at_once(), bulk.overlapping():
        bulk.insert(Account, people)
