"""The CSV export streams, holds what the page holds, and does no harm in a spreadsheet."""

import csv
import datetime as dt
import io
import tracemalloc

import pytest
from django.test import Client
from django.utils import timezone

from provisioning.models import User
from reports.csv_lines import harmless
from reports.export import csv_lines
from reports.models import Event, Result
from reports.search import EventCriteria, stream
from tests.reports.conftest import Write

URL = "/reports/event/export/"


def table(client: Client, **parameters: str) -> list[dict[str, str]]:
    response = client.get(URL, parameters)
    assert response.status_code == 200
    assert response.streaming
    text = b"".join(response).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_file_holds_all_lines_of_the_search(reader: Client, write: Write) -> None:
    at = dt.datetime(2026, 3, 4, 5, 8, 9, tzinfo=dt.UTC)
    write(
        70, at=at, application="HR", identifier="zoë", result=Result.FAILED, changes={"email": (None, "z@example.org")}
    )
    write(5, application="APPSDB")
    rows = table(reader, application="HR")
    assert len(rows) == 70
    assert rows[0]["Time (UTC)"] == "2026-03-04 05:08:09"
    assert rows[0]["End user"] == "zoë"
    assert rows[0]["Result"] == "Failed"
    assert rows[0]["Differences"] == "email: (empty) → z@example.org"
    assert len(table(reader)) == 75


def test_it_comes_as_a_file(reader: Client, write: Write) -> None:
    response = reader.get(URL)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="provisioning-report-')


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula(reader: Client, write: Write, value: str) -> None:
    assert harmless(value) == f"'{value}"
    write(identifier=value, application=value[:100], message=value, actor=value, changes={value: (value, value)})
    for cell in table(reader)[0].values():
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_quotes_and_line_breaks_survive(reader: Client, write: Write) -> None:
    write(message='He said "no",\nthen; left.')
    assert table(reader)[0]["Message"] == 'He said "no",\nthen; left.'


def test_batches_neither_repeat_nor_lose_lines_of_one_instant(write: Write) -> None:
    write(25, step=dt.timedelta(0))
    ids = [event.pk for events in stream(EventCriteria(), batch=4) for event in events]
    assert ids == sorted(Event.objects.values_list("pk", flat=True), reverse=True)


@pytest.mark.heavy
def test_memory_stays_flat(write: Write) -> None:
    def peak(count: int) -> int:
        Event.objects.all().delete()
        write(count, changes={"email": ("a" * 200, "b" * 200)}, step=dt.timedelta(seconds=1))
        tracemalloc.start()
        for _ in csv_lines(EventCriteria()):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(100)
    assert peak(12_000) < peak(4_000) * 1.5


def test_only_readers_of_the_report_may_export(client: Client, write: Write) -> None:
    write(at=timezone.now())
    assert client.get(URL).status_code == 302
    client.force_login(User.objects.create_user("norole", is_staff=True, provisioned=False))
    assert client.get(URL).status_code == 403
