"""The live log: what was asked and answered, with secrets masked, for as long as it is of use."""

import datetime as dt
import json
from typing import Any

import pytest
from django.utils import timezone

from scim.log import record as live_log
from scim.models import RequestLog
from tests.scim.conftest import USER, Scim

SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


def last() -> RequestLog:
    line = RequestLog.objects.first()
    assert line is not None
    return line


def test_a_request_is_one_line(scim: Scim, django_assert_max_num_queries: Any) -> None:
    scim.get("/Users?count=1")  # the token's last use is written once a minute
    with django_assert_max_num_queries(8) as queries:
        scim.get("/Users?count=1", User_Agent="Okta SCIM Client 1.0.0")
    assert sum("scim_requestlog" in query["sql"] for query in queries.captured_queries) == 1
    line = last()
    assert (line.client, line.method, line.path, line.status) == (scim.client, "GET", "/scim/v2/Users?count=1", 200)
    assert line.agent == "Okta SCIM Client 1.0.0"
    assert json.loads(line.response_body)["totalResults"] == 0


def test_what_was_done_is_said(scim: Scim) -> None:
    anna = scim.add("anna", displayName="Anna Berg")
    assert last().done == "Added or claimed Anna Berg (anna)."
    scim.put(f"/Users/{anna['id']}", anna)
    assert last().done == "Anna Berg (anna) is so already."
    scim.post("/Users", {"userName": "anna"})
    assert (last().status, "exists already" in last().response_body) == (409, True)


@pytest.mark.heavy
def test_passwords_are_masked_wherever_they_stand(scim: Scim) -> None:
    anna = scim.post("/Users", {"schemas": [USER], "userName": "anna", "password": "hunter2 secret"}).json
    path = f"/Users/{anna['id']}"
    scim.patch(path, {"op": "replace", "path": "password", "value": "hunter2 secret"})
    scim.patch(path, {"op": "replace", "value": {"password": "hunter2 secret", "title": "CEO"}})
    scim.patch(path, {"op": "replace", "path": f"{USER}:password", "value": {"x": "hunter2 secret"}})
    scim.get('/Users?filter=password eq "hunter2 secret"')
    scim("POST", "/Users", b'{"password": "hunter2 secret", ')
    scim("POST", "/Users", b'{"a": {"b": {"Password": ["hunter2 secret"]}}}')
    for text in ('password eq "hunter2 \\" hunter2"', 'a eq "x" and Password eq "hunter2" and'):
        scim.get(f"/Users?filter={text}&count=5")
        scim.post("/.search", {"schemas": [SEARCH], "filter": text})
    scim.get('/Users?filter=pass%77ord eq "hunter2"')
    scim.patch(path, {"op": "remove", "path": 'roles[value eq "x" and password eq "hunter2"]'})
    assert RequestLog.objects.count() == 13
    for line in RequestLog.objects.all():
        everything = f"{line.request_body}{line.response_body}{line.path}{line.done}"
        assert "hunter2" not in everything, line
    assert '"title":"CEO"' in "".join(RequestLog.objects.values_list("request_body", flat=True))


def test_strangers_leave_a_line_without_a_body_where_the_address_names_a_client(scim: Scim) -> None:
    stranger = Scim(scim.client, "wrong", "/scim/okta/v2")
    stranger.post("/Users", {"userName": "anna"})
    line = last()
    assert (line.status, line.request_body, line.response_body) == (401, "", "")
    Scim(scim.client, "wrong").post("/Users", {"userName": "anna"})
    assert RequestLog.objects.count() == 1


@pytest.mark.heavy
def test_long_bodies_are_cut(scim: Scim) -> None:
    scim.post("/Users", {"userName": "anna", "roles": [{"value": f"role {number}"} for number in range(2000)]})
    assert len(last().request_body) <= live_log.MOST_BODY + 1
    assert len(last().response_body) <= live_log.MOST_BODY + 1


def test_old_lines_go(scim: Scim, settings: Any) -> None:
    for _ in range(3):
        scim.get("/Users")
    old = RequestLog.objects.order_by("pk")[:2]
    RequestLog.objects.filter(pk__in=list(old.values_list("pk", flat=True))).update(
        at=timezone.now() - dt.timedelta(days=settings.SCIM_LOG_DAYS, seconds=1)
    )
    assert live_log.prune() == 2
    assert RequestLog.objects.count() == 1


def test_of_a_busy_application_the_newest_lines_stay(new_client: Any, settings: Any) -> None:
    settings.SCIM_LOG_LINES = 3
    busy, quiet = new_client("Busy"), new_client("Quiet")
    for number in range(5):
        busy.get(f"/Users?count={number}")
        quiet.get("/Users") if number < 2 else None
    assert live_log.prune() == 2
    assert busy.client.requests.count() == 3
    assert quiet.client.requests.count() == 2
    assert not busy.client.requests.filter(path__endswith="count=1").exists()


def test_strangers_do_not_fill_the_log(scim: Scim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_log, "MOST_STRANGERS", 3)
    stranger = Scim(scim.client, "wrong", "/scim/okta/v2")
    for _ in range(6):
        assert stranger.get("/Users").status == 401
    assert RequestLog.objects.count() == 3
    assert scim.get("/Users").status == 200
    assert RequestLog.objects.count() == 4
