"""The provisioning report as its readers see it."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from provisioning.models import User
from reports import search
from reports.forms import span_bounds
from reports.models import Direction, Event, Operation, Result
from tests.reports.conftest import Write

URL = "/reports/event/"


def shown(client: Client, **parameters: str) -> str:
    response = client.get(URL, parameters)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def test_no_filter_lists_the_newest(reader: Client, write: Write) -> None:
    write(60, message="An old line.", at=timezone.now() - dt.timedelta(days=1))
    write(message="The newest line.")
    html = shown(reader)
    assert html.index("The newest line.") < html.index("An old line.")
    assert html.count("An old line.") == 49
    assert "Older →" in html
    assert "← Newer" not in html


@pytest.mark.heavy
def test_each_filter_narrows(reader: Client, write: Write) -> None:
    how = {"operation": Operation.DELETE, "result": Result.FAILED, "direction": Direction.IN}
    write(message="Match.", identifier="Zoë.M", application="HR", actor="HR (import)", run_id=7, group_id=3, **how)
    write(message="Other.", identifier="anna", application="APPSDB", actor="ada", run_id=8, group_id=4)
    filters = {
        "identifier": "zoë",
        "application": "HR",
        "operation": "delete",
        "result": "failed",
        "direction": "in",
        "actor": "HR",
        "run_id": "7",
        "group_id": "3",
    }
    for name, value in filters.items():
        html = shown(reader, **{name: value})
        assert "Match." in html, name
        assert "Other." not in html, name


def test_an_empty_result_offers_the_search_without_each_filter(reader: Client, write: Write) -> None:
    write(identifier="zoë", application="HR")
    html = shown(reader, identifier="zoë", application="APPSDB", span="hour", user_id="7")
    assert "No lines match" in html
    found = re.findall(r'<a class="rc-button( rc-next)?" href="([^"]*)">Without ([^<]*)</a>', html)
    assert [words for _, _, words in found] == [
        "Time span: Last hour", "Application name: APPSDB", "End-user identifier: zoë", "the history of one user",
    ]  # fmt: skip
    assert [bool(lit) for lit, _, _ in found] == [True, False, False, False]
    assert found[0][1].replace("&amp;", "&") == "?identifier=zo%C3%AB&application=APPSDB&user_id=7"
    assert "Without" not in shown(reader, identifier="zoë")


@pytest.mark.heavy
@override_settings(TIME_ZONE="Europe/Berlin")
def test_spans_are_in_the_portals_zone(reader: Client, write: Write) -> None:
    zone = timezone.get_default_timezone()
    write(message="Late evening.", at=dt.datetime(2026, 3, 1, 23, 59, 30, tzinfo=zone))
    write(message="Midnight.", at=dt.datetime(2026, 3, 2, 0, 0, tzinfo=zone))
    html = shown(reader, **{"from": "2026-03-01", "to": "2026-03-01"})
    assert "Late evening." in html
    assert "2026-03-01 23:59:30" in html
    assert "Midnight." not in html
    assert 'value="2026-03-01T00:00"' in html
    assert 'value="2026-03-01T23:59"' in html
    assert "Late evening." in shown(reader, **{"from": "2026-03-01T23:59", "to": "2026-03-01T23:59"})
    assert "Late evening." not in shown(reader, **{"from": "2026-03-02T00:00"})
    assert "Europe/Berlin" in html


@pytest.mark.parametrize(
    ("span", "begins", "ends"),
    [
        ("hour", "2026-03-29T09:30", ""),
        ("today", "2026-03-29T00:00", ""),
        ("yesterday", "2026-03-28T00:00", "2026-03-29T00:00"),
        ("7d", "2026-03-22T10:30", ""),
        ("30d", "2026-02-27T10:30", ""),
        ("month", "2026-03-01T00:00", ""),
        ("", "", ""),
    ],
)
@override_settings(TIME_ZONE="Europe/Berlin")
def test_preset_spans(span: str, begins: str, ends: str) -> None:
    """On the day when the summer time begins, when midnight is nine and a half hours ago at half past ten."""
    zone = timezone.get_default_timezone()
    now = dt.datetime(2026, 3, 29, 10, 30, tzinfo=zone)

    def moment(text: str) -> dt.datetime | None:
        return dt.datetime.fromisoformat(text).replace(tzinfo=zone) if text else None

    assert span_bounds(span, now) == (moment(begins), moment(ends))


def test_a_preset_span_narrows(reader: Client, write: Write) -> None:
    write(message="Inside.", at=timezone.now() - dt.timedelta(minutes=50))
    write(message="Outside.", at=timezone.now() - dt.timedelta(minutes=61))
    html = shown(reader, span="hour")
    assert "Inside." in html
    assert "Outside." not in html
    assert "Outside." in shown(reader, span="hour", **{"from": "2026-01-01"})


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"from": "yesterday"}, "This is not a time."),
        ({"to": "9999-12-31"}, "This is not a time."),
        ({"from": "2026-02-30"}, "This is not a time."),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "The span ends before it begins."),
        ({"operation": "explode"}, "There is no such operation."),
        ({"result": "explode"}, "There is no such result."),
        ({"direction": "up"}, "There is no such direction."),
        ({"span": "century"}, "There is no such time span."),
        ({"identifier": "x" * 300}, "at most 255 characters"),
        ({"user_id": "anna"}, "Enter a whole number."),
        ({"run_id": "9" * 40}, "less than or equal"),
        ({"identifier": "a\x00b"}, "Null characters are not allowed."),
        ({"application": "a\x00b"}, "Null characters are not allowed."),
    ],
)
def test_a_wrong_filter_is_explained_and_nothing_is_shown(
    reader: Client, write: Write, parameters: dict[str, str], words: str
) -> None:
    write(message="A line.")
    html = shown(reader, **parameters)
    assert words in html
    assert "Nothing was searched" in html
    assert "A line." not in html
    assert reader.get(f"{URL}export/", parameters)["Location"].startswith(URL)


@pytest.mark.heavy
def test_the_page_costs_the_same_with_any_number_of_lines(reader: Client, write: Write) -> None:
    write(1, user_id=1, run_id=1)
    reader.get(URL)
    with CaptureQueriesContext(connection) as few:
        reader.get(URL)
    for number in range(60):
        write(user_id=number + 1, run_id=number + 1, account_id=number + 1, application=f"App {number}")
    with CaptureQueriesContext(connection) as many:
        reader.get(URL)
    assert len(many) == len(few) <= 18
    assert not [query["sql"] for query in many if "reports_event" in query["sql"] and "COUNT(" in query["sql"].upper()]
    assert not [query["sql"] for query in many if "reports_event" in query["sql"] and "OFFSET" in query["sql"].upper()]


def test_links_lead_only_to_what_still_exists(reader: Client, write: Write) -> None:
    user = User.objects.create_user("anna", provisioned=False)
    Event.objects.all().delete()
    write(identifier="anna", user_id=user.pk, account_id=7)
    write(identifier="gone", user_id=user.pk + 999)
    html = shown(reader)
    assert reverse("admin:provisioning_user_change", args=[user.pk]) in html
    assert reverse("admin:provisioning_user_change", args=[user.pk + 999]) not in html
    gone = Event.objects.get(identifier="gone")
    assert f"{URL}?user_id={user.pk + 999}" in reader.get(f"{URL}{gone.pk}/").content.decode()


def test_history_of_one_account_says_so_and_can_be_left(reader: Client, write: Write) -> None:
    write(message="Of seven.", account_id=7)
    write(message="Of eight.", account_id=8)
    html = shown(reader, account_id="7")
    assert "Of seven." in html
    assert "Of eight." not in html
    assert "Only the history of one account." in html


def test_differences_show_before_and_after_and_are_escaped(reader: Client, write: Write) -> None:
    write(
        message="<b>Bold</b>",
        identifier="<script>alert(1)</script>",
        changes={"first_name": ("Anna", "<i>Ännä</i>"), "active": (True, False), "phone": (None, "")},
    )
    html = shown(reader)
    assert "3 differences" in html
    assert "&lt;i&gt;Ännä&lt;/i&gt;" in html
    assert "<td>yes</td><td>no</td>" in html
    assert "<td>(empty)</td><td>(empty)</td>" in html
    assert "<b>Bold" not in html
    assert "<script>alert" not in html


@pytest.mark.heavy
def test_pages_keep_the_filters(reader: Client, write: Write) -> None:
    write(120, application="HR", message="HR line.")
    write(120, application="Other", message="Other line.")
    html = shown(reader, application="HR")
    seen = 0
    while match := re.search(r'href="(\?[^"]*after=[^"]*)"', html):
        seen += html.count("HR line.")
        html = re.sub(r"\s+", " ", reader.get(URL + match[1].replace("&amp;", "&")).content.decode())
        assert "Other line." not in html
        assert "← Newer" in html
    assert seen + html.count("HR line.") == 120


def test_a_search_that_is_too_slow_is_explained(reader: Client, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise search.TooSlow

    monkeypatch.setattr("reports.admin.page", slow)
    assert "This search takes too long." in shown(reader)


def test_an_empty_portal_says_what_will_come(reader: Client) -> None:
    Event.objects.all().delete()
    assert "Nothing has happened yet" in shown(reader)


@pytest.mark.parametrize("path", ["add/", "1/change/", "1/delete/", "1/history/"])
def test_history_cannot_be_written(admin_client: Client, write: Write, path: str) -> None:
    write()
    assert admin_client.get(URL + path, follow=True).status_code == 404
    assert admin_client.post(URL + path, follow=True).status_code == 404


def test_an_unlisted_application_can_be_asked_for(reader: Client, write: Write) -> None:
    write(application="APPSDB")
    html = shown(reader, application="New <HR>")
    assert "No lines match" in html
    assert '<option value="New &lt;HR&gt;" selected>' in html
