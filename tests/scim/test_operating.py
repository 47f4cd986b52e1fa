"""What goes on with an application: the live log, dry runs, the conformance check, and what needs attention."""

import datetime as dt
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client as Browser
from django.utils import timezone

from config import attention
from provisioning.models import Account, AttributeDefinition, Change, Group, User
from reports.models import Event
from scim.models import Client, RequestLog, Token, UserLink
from scim.upkeep import conformance, health
from tests.fixtures.databases import Database
from tests.fixtures.directories import make_appsdb, save_directory
from tests.provisioning.admin.pages import text
from tests.scim.conftest import Scim

pytestmark = pytest.mark.django_db
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@pytest.fixture
def root(db: None) -> Browser:
    browser = Browser()
    browser.force_login(User.objects.create_superuser("root"))
    return browser


def log(browser: Browser, client: Client, rest: str = "") -> str:
    return text(browser.get(f"/scim/client/{client.pk}/log/{rest}"))


def replay(browser: Browser, logged: RequestLog) -> str:
    return text(browser.post(f"/scim/client/{logged.client_id}/log/{logged.pk}/replay/"))


def newest(scim: Scim) -> RequestLog:
    return scim.client.requests.order_by("-pk")[0]


def footprint() -> dict[str, Any]:
    """Return everything that a request may leave behind."""
    tables = (User, Group, Account, Change, Event, RequestLog, Token, UserLink)
    return {table.__name__: sorted(map(repr, table.objects.values_list())) for table in tables}


def test_the_log_shows_the_newest_requests(root: Browser, scim: Scim) -> None:
    assert "No request yet" in log(root, scim.client)
    anna = scim.add("anna", password="s3cret-Zebra-81")
    scim.get('/Users?filter=userName%20eq%20"anna"')
    scim.get('/Users?filter=shoe%20eq%20"42"')
    html = log(root, scim.client)
    assert html.index("shoe eq &quot;42&quot;") < html.index("userName eq &quot;anna&quot;") < html.index("/Users<")
    assert "There is no attribute shoe." in html
    assert "<strong>POST</strong>" not in log(root, scim.client, "?which=failed")
    assert "<strong>GET</strong>" not in log(root, scim.client, "?which=writes")
    posted = scim.client.requests.get(method="POST")
    detail = log(root, scim.client, f"{posted.pk}/")
    assert anna["id"] in detail
    assert "s3cret" not in detail


@pytest.mark.heavy
def test_the_log_costs_the_same_for_any_number(root: Browser, scim: Scim, django_assert_max_num_queries: Any) -> None:
    for number in range(60):
        scim.get(f'/Users?filter=userName%20eq%20"a{number}"')
    with django_assert_max_num_queries(6):
        html = log(root, scim.client)
    assert html.count("rcs-request") == 50


def test_another_application_s_requests_are_not_found(root: Browser, scim: Scim, new_client: Any) -> None:
    scim.get("/Users")
    other = new_client("Entra")
    assert root.get(f"/scim/client/{other.client.pk}/log/{newest(scim).pk}/").status_code == 404


@pytest.mark.heavy
def test_a_dry_run_shows_what_would_be_done_and_does_nothing(
    root: Browser, scim: Scim, sqlite_directory: Database
) -> None:
    save_directory(make_appsdb(sqlite_directory), create_users=True, update_users=True)
    anna = scim.add("anna", title="Nurse")
    scim.patch(f"/Users/{anna['id']}", {"op": "replace", "path": "title", "value": "Surgeon"})
    logged = newest(scim)
    scim.patch(f"/Users/{anna['id']}", {"op": "replace", "path": "title", "value": "Retired"})
    before = footprint()
    html = replay(root, logged)
    assert footprint() == before
    assert "Retired" in html
    assert "Surgeon" in html
    assert "1 change would go out to directories." in html
    assert User.objects.get(username="anna").title == "Retired"


def test_a_dry_run_of_what_fails_says_so(root: Browser, scim: Scim) -> None:
    scim.add("anna")
    logged = newest(scim)
    html = replay(root, logged)
    assert "409" in html
    assert "(it was 201 then)" in html


def test_a_dry_run_works_while_the_application_is_off(root: Browser, scim: Scim) -> None:
    scim.add("anna")
    logged = newest(scim)
    User.objects.filter(username="anna").delete()
    Client.objects.update(enabled=False, allow_bearer=False, allow_basic=True)
    assert ">201<" in replay(root, logged)
    assert not Client.objects.get().enabled
    assert not User.objects.filter(username="anna").exists()


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ({"userName": "anna", "password": "s3cret"}, "/Users", "secrets masked"),
        ({"userName": "anna", "emails": [{"value": f"a{n}@example.org"} for n in range(101)]}, "/Users", "whole body"),
        ({"userName": "anna", "title": "x" * 140, "roles": [{"value": "r" * 90}] * 60}, "/Users", "whole body"),
        (b"{not json", "/Users", "whole body"),
        (None, "/Users?filter=displayName%20eq%20%22" + "a" * 2000 + "%22", "as it was sent"),
    ],
)
def test_what_the_log_does_not_hold_is_not_sent_again(
    root: Browser, scim: Scim, body: Any, path: str, words: str
) -> None:
    scim("POST" if body else "GET", path, body)
    logged = newest(scim)
    assert words in replay(root, logged)
    assert words in log(root, scim.client, f"{logged.pk}/")
    assert "Replay as dry run" not in log(root, scim.client, f"{logged.pk}/")


def test_a_stranger_s_request_is_logged_but_not_replayed(root: Browser, scim: Scim) -> None:
    Scim(scim.client, "wrong", f"/scim/{scim.client.slug}/v2").post("/Users", {"userName": "mallory"})
    logged = newest(scim)
    assert (logged.status, logged.request_body) == (401, "")
    assert "without a valid token" in replay(root, logged)


@pytest.mark.heavy
def test_the_conformance_check_leaves_nothing_behind(root: Browser, scim: Scim) -> None:
    scim.add("anna")
    AttributeDefinition.objects.create(name="badge", label="Badge", type="text")
    AttributeDefinition.objects.create(name="remote", label="Works remotely", type="boolean")
    before = footprint()
    html = text(root.post(f"/scim/client/{scim.client.pk}/conformance/"))
    assert footprint() == before
    assert "Every check is as the standard wants it." in html
    assert "checks passed" in html
    assert html.count("rcs-check") > 50


@pytest.mark.heavy
def test_the_conformance_check_sees_a_service_that_is_wrong(scim: Scim) -> None:
    Client.objects.update(sync_groups=False)
    scim.client.refresh_from_db()
    outcome = conformance.run(scim.client, "http://testserver/scim/v2", ["Group"])
    assert any(check.title.startswith("Group: ") for check in outcome.bad)


@pytest.mark.parametrize(
    ("ends", "label"),
    [
        (None, ""),
        (dt.timedelta(days=60), ""),
        (dt.timedelta(days=3), "Token ends soon"),
        (-dt.timedelta(1), "Token expired"),
    ],
)
def test_a_token_that_ends_needs_attention(root: Browser, scim: Scim, ends: dt.timedelta | None, label: str) -> None:
    scim.client.tokens.update(expires_at=timezone.now() + ends if ends else None)
    found = [trouble.label for _, trouble in health.troubles(10)]
    assert found == ([label] if label else [])
    assert (f"Okta: {label.lower()}" in text(root.get("/"))) == bool(label)
    assert (attention.scim_badge(HttpRequest()) is not None) == bool(label)


def test_attention_costs_the_same_for_any_number_of_applications(
    new_client: Any, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        scim = new_client(f"Idp {number}")
        scim.get("/Users")
    with django_assert_num_queries(1):
        assert health.troubles(10) == []


def test_a_second_token_is_enough(scim: Scim) -> None:
    Token.objects.create(client=scim.client, digest="1", expires_at=timezone.now())
    assert health.troubles(10) == []


@pytest.mark.heavy
def test_requests_that_fail_need_attention(root: Browser, scim: Scim) -> None:
    for _ in range(10):
        scim.get("/Users/00000000-0000-4000-8000-000000000000")
    assert health.troubles(10) == [], "asking whether somebody is there is no failure"
    for _ in range(health.MANY):
        scim.get('/Users?filter=shoe%20eq%20"42"')
    (_, trouble), *_ = health.troubles(10)
    assert trouble.text.startswith(f"{health.MANY} of the last 15 requests failed.")
    assert "Okta: requests fail" in text(root.get("/"))
    Client.objects.update(enabled=False)
    assert health.troubles(10) == []


@pytest.mark.heavy
def test_the_list_tells_how_each_application_does(root: Browser, scim: Scim, new_client: Any) -> None:
    scim.add("anna")
    new_client("Entra", enabled=False)
    html = text(root.get("/scim/client/"))
    for words in ("Working", "Switched off", "now", "never"):
        assert words in html


def test_activity_counts_people_and_groups(root: Browser, scim: Scim) -> None:
    anna = scim.add("anna")
    scim.post("/Groups", {"displayName": "Nurses", "members": [{"value": anna["id"]}]})
    html = text(root.get(f"/scim/client/{scim.client.pk}/activity/"))
    assert html.count('text-base">1<') == 4
    assert "/Groups" in html


def test_a_few_failures_are_not_called_working(root: Browser, scim: Scim) -> None:
    scim.get("/Users")
    scim.get('/Users?filter=shoe%20eq%20"42"')
    html = text(root.get("/scim/client/"))
    assert "Some requests fail" in html
    assert "Working" not in html


@pytest.mark.heavy
def test_an_empty_list_says_so_once(root: Browser) -> None:
    html = text(root.get("/scim/client/"))
    assert "No SCIM application yet" in html
    for words in ("No results", "There is nothing here yet"):
        assert words not in html, words
    for path in ("/scim/client/?q=nothing", "/provisioning/user/?q=nothing"):
        assert "No results found" not in text(root.get(path)), path
    assert "Nothing matches the search" in text(root.get("/provisioning/user/?q=nothing"))


def test_the_log_is_in_the_order_of_time(root: Browser, scim: Scim) -> None:
    """Processes write their lines a moment later, so the ids are in no exact order."""
    now = timezone.now()
    for path, seconds in (("/second", 2), ("/third", 3), ("/first", 1)):
        RequestLog.objects.create(
            client=scim.client,
            method="GET",
            path=path,
            status=200,
            milliseconds=1,
            at=now + dt.timedelta(seconds=seconds),
        )
    html = log(root, scim.client)
    assert html.index("/third") < html.index("/second") < html.index("/first")
