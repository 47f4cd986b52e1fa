"""Pages by index (RFC 7644 section 3.4.2.4) and by cursor (RFC 9865), on the database."""

import re
from collections.abc import Iterator

import pytest
from django.core import signing

from provisioning.models import Group, User
from scim.errors import ScimError
from scim.lists import cursors, paging
from scim.lists.paging import DEFAULT_COUNT, MAX_COUNT, ListPage, ListSource, Order, PageRequest, page

LETTERS = ["b", "a", "d", "c", "a", "e", "b"]  # the last names, doubled on purpose


@pytest.fixture
def people(db: None) -> ListSource:
    User.objects.bulk_create(User(username=f"person{n}", last_name=name) for n, name in enumerate(LETTERS))
    return ListSource(User.objects.all())


@pytest.fixture
def groups(db: None) -> ListSource:
    Group.objects.bulk_create(Group(name=f"group{n}") for n in range(3))
    return ListSource(Group.objects.all())


def by_index(sources: list[ListSource], start: int, count: int) -> ListPage:
    return page(sources, PageRequest(start, count), "all")


def names(found: ListPage) -> list[str]:
    return [str(getattr(row, "username", None) or row.name) for row in found.rows]


def pages(sources: list[ListSource], count: int) -> Iterator[ListPage]:
    cursor: str | None = ""
    while cursor is not None:
        found = page(sources, PageRequest(1, count, cursor), "all")
        yield found
        cursor = found.next_cursor or None


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [(1, 3, [0, 1, 2]), (4, 3, [3, 4, 5]), (7, 3, [6]), (8, 3, []), (100, 3, []), (1, 0, []), (1, 100, [*range(7)])],
)
def test_an_index_names_the_first_resource_and_the_total_is_always_whole(people, start, count, expected):
    found = by_index([people], start, count)
    assert names(found) == [f"person{n}" for n in expected]
    assert (found.total, found.start_index) == (7, start)


@pytest.mark.heavy
@pytest.mark.parametrize("descending", [False, True])
def test_a_page_far_down_is_read_from_the_nearer_end(people, groups, monkeypatch, descending):
    """It is the same page, whichever end it is read from, and also where another list follows."""
    order = Order(("last_name", "pk"), descending=descending)
    known = ListSource(people.rows, order, people.count)
    for sources in ([known], [known, groups]):
        monkeypatch.setattr(paging, "FAR", 1000)
        plain = {(start, count): by_index(sources, start, count) for start in range(1, 13) for count in range(5)}
        monkeypatch.setattr(paging, "FAR", 1)
        for (start, count), expected in plain.items():
            found = by_index(sources, start, count)
            assert (names(found), found.total) == (names(expected), expected.total), (start, count)


def test_a_page_read_from_the_end_is_the_same_while_people_are_added(people, monkeypatch):
    monkeypatch.setattr(paging, "FAR", 1)
    plain = names(by_index([people], 6, 1))

    def total() -> int:
        found = people.count()
        User.objects.create(username=f"late{found}", last_name="Zz")  # another's transaction, right after the count
        return found

    assert names(by_index([ListSource(people.rows, total=total)], 6, 1)) == plain


def test_a_page_that_shows_the_end_needs_no_count(people, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert by_index([people], 1, 7).total == 7
    with django_assert_num_queries(2):  # the keys, then their rows
        assert by_index([people], 5, 7).total == 7
    with django_assert_num_queries(2):  # the rows, then the count
        assert by_index([people], 1, 6).total == 7
    with django_assert_num_queries(1):
        assert by_index([people], 1, 0).total == 7


def test_a_source_that_knows_its_total_is_not_counted(people, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert by_index([ListSource(people.rows, total=lambda: 70)], 1, 6).total == 70


def test_rows_skipped_are_found_by_their_key_alone(people, django_assert_num_queries):
    with django_assert_num_queries(3) as queries:
        by_index([people], 2, 2)
    keys = queries.captured_queries[0]["sql"]
    assert "OFFSET 1" in keys
    assert "last_name" not in keys


@pytest.mark.parametrize("start", range(1, 12))
def test_two_types_are_one_list(people, groups, start):
    everything = [f"person{n}" for n in range(7)] + [f"group{n}" for n in range(3)]
    found = by_index([people, groups], start, 4)
    assert names(found) == everything[start - 1 : start + 3]
    assert found.total == 10


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 10, 11])
def test_cursors_go_through_the_list_and_back(people, groups, count):
    everything = [f"person{n}" for n in range(7)] + [f"group{n}" for n in range(3)]
    there = list(pages([people, groups], count))
    assert [name for found in there for name in names(found)] == everything
    assert there[0].total == 10
    assert not there[0].previous_cursor
    back, cursor = [], there[-1].previous_cursor
    while cursor:
        found = page([people, groups], PageRequest(1, count, cursor), "all")
        back = names(found) + back
        assert found.next_cursor
        cursor = found.previous_cursor
    assert back == everything[: len(everything) - len(there[-1].rows)]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_cursors_follow_the_order_and_equal_values_are_not_lost(people, descending, count):
    source = ListSource(people.rows, Order(("last_name", "pk"), descending))
    found = [(row.last_name, row.pk) for each in pages([source], count) for row in each.rows]
    assert found == sorted(found, reverse=descending)
    assert len(found) == len(LETTERS)


def test_a_cursor_is_not_moved_by_what_is_added_or_deleted(people):
    first = page([people], PageRequest(1, 3, ""), "all")
    User.objects.filter(username__in=["person0", "person2"]).delete()
    rest = page([people], PageRequest(1, 100, first.next_cursor), "all")
    assert names(rest) == ["person3", "person4", "person5", "person6"]


def test_a_cursor_holds_only_unreserved_characters(people):
    for found in pages([people], 2):
        for cursor in (found.next_cursor, found.previous_cursor):
            assert re.fullmatch(r"[A-Za-z0-9._~-]*", cursor)


def test_a_cursor_of_another_query_is_refused(people):
    cursor = page([people], PageRequest(1, 2, ""), "all").next_cursor
    with pytest.raises(ScimError) as refused:
        page([people], PageRequest(1, 2, cursor), "another")
    assert (refused.value.status, refused.value.scim_type) == (400, "invalidCursor")


@pytest.mark.parametrize("cursor", ["x", "~~~", "é\x00", "a" * 5000, "\ud800", ".eJw~1~2"])
def test_a_cursor_made_up_is_refused(people, cursor):
    with pytest.raises(ScimError) as refused:
        page([people], PageRequest(1, 2, cursor), "all")
    assert refused.value.scim_type == "invalidCursor"


def test_a_cursor_signed_for_something_else_is_refused(people):
    with pytest.raises(ScimError):
        page([people], PageRequest(1, 2, signing.dumps([1, 2])), "all")


def test_an_old_cursor_says_that_it_expired(people, monkeypatch):
    cursor = page([people], PageRequest(1, 2, ""), "all").next_cursor
    monkeypatch.setattr(cursors, "TIMEOUT", -1)
    with pytest.raises(ScimError) as refused:
        page([people], PageRequest(1, 2, cursor), "all")
    assert refused.value.scim_type == "expiredCursor"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, PageRequest(1, DEFAULT_COUNT, None)),
        ({"startIndex": "0", "count": "-5"}, PageRequest(1, 0, None)),
        ({"startIndex": -3, "count": 10**9}, PageRequest(1, MAX_COUNT, None)),
        ({"startIndex": "11", "count": "10"}, PageRequest(11, 10, None)),
        ({"startIndex": "", "count": ""}, PageRequest(1, DEFAULT_COUNT, None)),
        ({"cursor": ""}, PageRequest(1, DEFAULT_COUNT, "")),
        ({"cursor": "abc", "count": "5"}, PageRequest(1, 5, "abc")),
        ({"startIndex": "9" * 19}, PageRequest(2**31, DEFAULT_COUNT, None)),
    ],
)
def test_parameters(values, expected):
    assert PageRequest.read(values) == expected


@pytest.mark.parametrize(
    ("values", "scim_type"),
    [
        ({"count": "ten"}, "invalidValue"),
        ({"startIndex": "1.5"}, "invalidValue"),
        ({"startIndex": "9" * 5000}, "invalidValue"),
        ({"count": True}, "invalidValue"),
        ({"count": [1]}, "invalidValue"),
        ({"count": "ten", "cursor": ""}, "invalidCount"),
        ({"cursor": 5}, "invalidCursor"),
        ({"cursor": "", "startIndex": "1"}, "invalidValue"),
    ],
)
def test_parameters_that_are_none_are_refused(values, scim_type):
    with pytest.raises(ScimError) as refused:
        PageRequest.read(values)
    assert (refused.value.status, refused.value.scim_type) == (400, scim_type)
