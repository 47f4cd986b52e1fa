"""The paginator for big lists stops counting."""

import pytest
from django.core.paginator import EmptyPage
from pytest_django import DjangoAssertNumQueries

from reports.models import Event
from reports.paging import CappedPaginator
from tests.reports.conftest import Write


class Small(CappedPaginator):
    cap = 20


def test_few_rows_are_counted(write: Write) -> None:
    write(15)
    paginator = Small(Event.objects.all(), 10)
    assert (paginator.count, paginator.num_pages, paginator.capped) == (15, 2, False)
    assert str(paginator.count) == "15"
    assert len(paginator.page(2)) == 5


def test_many_rows_are_not(write: Write, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    write(33)
    paginator = Small(Event.objects.all(), 10)
    with django_assert_num_queries(1) as queries:
        assert (paginator.count, paginator.num_pages, paginator.capped) == (20, 2, True)
    assert "LIMIT 21" in queries[0]["sql"]
    assert "ORDER BY" not in queries[0]["sql"]
    assert str(paginator.count) == "20+"
    assert len(paginator.page(2)) == 10
    with pytest.raises(EmptyPage):
        paginator.page(3)


def test_exactly_the_cap_is_an_exact_number(write: Write) -> None:
    write(20)
    assert not Small(Event.objects.all(), 10).capped


@pytest.mark.django_db
def test_nothing_is_nothing() -> None:
    assert Small(Event.objects.none(), 10).count == 0
    assert Small([], 10).count == 0
