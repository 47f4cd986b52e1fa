"""Sources over HTTP: paging and its ends, signing in, pace, what refusals mean, and the presets."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import orjson
import pytest

from directories.connectors import outgoing
from directories.connectors.base import (
    Capability,
    ConnectorConfig,
    ConnectorError,
    CursorLost,
    Entry,
    RemoteAccount,
    Unavailable,
)
from directories.connectors.http_json import paging, service
from directories.connectors.http_json.connector import HttpJson
from directories.connectors.http_json.presets import presets
from directories.connectors.http_json.settings import HttpSettings
from directories.connectors.json_text import NESTED
from tests.directories.connectors.contract import crawl
from tests.fixtures.http import HttpServer, Request, Responder, reply

PEOPLE = [{"id": number, "mail": f"p{number}@example.org"} for number in range(5)]
Answering = Callable[[dict[str, str], Request], Any]


def query(handler: Request) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(handler.path).query))


@contextmanager
def serving(answer: Answering) -> Iterator[HttpServer]:
    """Serve what ``answer`` returns as JSON; None: it answered by itself."""

    def respond(handler: Request) -> None:
        found = answer(query(handler), handler)
        if found is not None:
            reply(handler, orjson.dumps(found))

    with HttpServer(respond).running() as server:
        yield server


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been slept."""
    slept: list[float] = []
    monkeypatch.setattr(service, "sleep", slept.append)
    return slept


def opened(server: HttpServer, **settings: Any) -> HttpJson:
    return HttpJson(ConnectorConfig({"url": f"{server.url}/people", **settings}))


def read(server: HttpServer, **settings: Any) -> list[RemoteAccount]:
    with opened(server, **settings) as connector:
        pages, accounts = crawl(connector, 2)
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return accounts


def refused(server: HttpServer, **settings: Any) -> ConnectorError:
    """Return why a crawl is incomplete."""
    pages = []
    with opened(server, **settings) as connector, pytest.raises(ConnectorError) as caught:
        pages.extend(connector.accounts(2))
    assert not [page for page in pages if page.last]
    return caught.value


def keys(accounts: list[RemoteAccount]) -> list[str]:
    return [account.key for account in accounts]


# --- Pages ---

NUMBERED = {"paging": "page", "page_param": "page", "size_param": "size", "page_size": 2, "records": "data"}


def numbered(asked: dict[str, str], handler: Request) -> Any:
    start = (int(asked["page"]) - 1) * 2
    return {"data": PEOPLE[start : start + 2], "total": len(PEOPLE)}


def test_one_answer_with_everybody() -> None:
    with serving(lambda asked, handler: PEOPLE) as server:
        assert keys(read(server)) == ["0", "1", "2", "3", "4"]
        assert server.asked == [("GET", "/people")]


def test_numbered_pages_end_with_an_empty_one_or_with_the_number_of_all() -> None:
    with serving(numbered) as server:
        assert len(read(server, **NUMBERED)) == 5
        assert [path for _, path in server.asked] == [f"/people?size=2&page={page}" for page in (1, 2, 3, 4)]
        server.asked.clear()
        assert len(read(server, **NUMBERED, total="total")) == 5
        assert len(server.asked) == 3


def test_a_first_page_may_be_number_0_and_parameters_of_the_address_stay() -> None:
    def from_0(asked: dict[str, str], handler: Request) -> Any:
        start = int(asked["p"]) * 2
        return PEOPLE[start : start + 2]

    with serving(from_0) as server:
        url = f"{server.url}/people?status=all&p=77&fields=a,b"
        found = read(server, url=url, paging="page", page_param="p", first_page="0")
        assert len(found) == 5
        assert server.asked[0][1] == "/people?status=all&fields=a,b&p=0"


def test_an_offset_goes_by_what_came_however_little_the_service_gives_at_once() -> None:
    def short_pages(asked: dict[str, str], handler: Request) -> Any:
        return PEOPLE[int(asked["from"]) : int(asked["from"]) + 2]  # it was asked for 500

    with serving(short_pages) as server:
        found = read(server, paging="offset", page_param="from", size_param="limit", page_size=500)
        assert keys(found) == ["0", "1", "2", "3", "4"]
        assert [query_of(path)["from"] for _, path in server.asked] == ["0", "2", "4", "5"]


def query_of(path: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(path).query))


def test_a_cursor_in_the_answer() -> None:
    def cursors(asked: dict[str, str], handler: Request) -> Any:
        start = int(asked.get("after", "c0")[1:])
        following = f"c{start + 2}" if start + 2 < len(PEOPLE) else None
        return {"people": PEOPLE[start : start + 2], "meta": {"next": following}}

    with serving(cursors) as server:
        found = read(server, paging="cursor", page_param="after", next="meta.next", records="people")
    assert keys(found) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("whole", [True, False])
def test_the_next_address_in_the_answer(whole: bool) -> None:
    def addresses(asked: dict[str, str], handler: Request) -> Any:
        start = int(asked.get("skip", "0"))
        found: dict[str, Any] = {"value": PEOPLE[start : start + 2]}
        if start + 2 < len(PEOPLE):
            base = f"http://{handler.headers['Host']}" if whole else ""
            found["@odata.nextLink"] = f"{base}/people?skip={start + 2}"
        return found

    with serving(addresses) as server:
        found = read(server, paging="cursor", next='"@odata.nextLink"', records="value")
    assert keys(found) == ["0", "1", "2", "3", "4"]


def test_a_link_header() -> None:
    def linked(asked: dict[str, str], handler: Request) -> None:
        start = int(asked.get("skip", "0"))
        links = ['</people?skip=0>; rel="first"']
        if start + 2 < len(PEOPLE):
            links.append(f'</people?skip={start + 2}&a=1,2>; title="b; rel=no"; rel="prefetch next"')
        reply(handler, orjson.dumps(PEOPLE[start : start + 2]), Link=", ".join(links))

    with serving(linked) as server:
        assert keys(read(server, paging="link")) == ["0", "1", "2", "3", "4"]


def test_a_list_that_ends_too_early_is_not_complete() -> None:
    with serving(lambda asked, handler: {"data": PEOPLE[:3] if asked["page"] == "1" else [], "total": 5}) as server:
        error = refused(server, **NUMBERED, total="total")
    assert isinstance(error, Unavailable)
    assert error.message.startswith("The list ended after 3 of 5 records")


def test_a_list_that_changes_while_it_is_read_is_not_complete() -> None:
    def shrinking(asked: dict[str, str], handler: Request) -> Any:
        return numbered(asked, handler) | {"total": 5 if asked["page"] == "1" else 4}

    with serving(shrinking) as server:
        assert refused(server, **NUMBERED, total="total").message.startswith("The list changed while it was read")


@pytest.mark.parametrize("status", [401, 403, 404, 400, 500, 503, 302, 204])
def test_a_page_that_is_refused_is_no_end(status: int) -> None:
    def breaking(asked: dict[str, str], handler: Request) -> Any:
        return numbered(asked, handler) if asked["page"] == "1" else reply(handler, b"", status)

    with serving(breaking) as server:
        error = refused(server, **NUMBERED)
    assert isinstance(error, Unavailable) is (status >= 500)


def test_an_answer_that_nests_too_deeply_is_called_that() -> None:
    with serving(lambda asked, handler: reply(handler, b'{"data":' * 2000)) as server:
        assert refused(server, **NUMBERED).message == NESTED.format(what="The answer")


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sign in</html>", b"{}", b'{"data": null}', b'{"data": {}}', b'{"data": [']
)
def test_an_answer_without_the_list_is_no_end(body: bytes) -> None:
    def odd(asked: dict[str, str], handler: Request) -> Any:
        return numbered(asked, handler) if asked["page"] == "1" else reply(handler, body)

    with serving(odd) as server:
        assert refused(server, **NUMBERED).code == "answer"


def test_a_service_that_does_not_turn_pages_is_seen() -> None:
    with serving(lambda asked, handler: PEOPLE[:2]) as server:
        assert refused(server, paging="page", page_param="wrong").message == paging.SAME_AGAIN
        assert refused(server, paging="offset", page_param="wrong").message == paging.SAME_AGAIN
        assert len(server.asked) == 4
    with serving(lambda asked, handler: {"items": PEOPLE[:2], "next": "again"}) as server:
        cursor = {"paging": "cursor", "page_param": "c", "next": "next", "records": "items"}
        assert refused(server, **cursor).message == paging.SAME_AGAIN


def test_the_next_page_may_not_be_on_another_server() -> None:
    with serving(lambda asked, handler: {"items": PEOPLE, "next": "https://elsewhere.example.com/people"}) as server:
        error = refused(server, paging="cursor", next="next", records="items", auth="bearer", secret="s3cret")
    assert error.message == paging.ELSEWHERE


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"paging": "page"}, paging.NO_PARAMETER),
        ({"paging": "cursor"}, paging.NO_NEXT),
        ({"records": "[["}, "This is no JMESPath: [[. Correct it."),
        ({"records": "abs('a')"}, "The JMESPath abs('a') does not fit what the service says."),
        ({"auth": "header"}, "Name the header of the API key, for example X-Api-Key."),
        ({"auth": "header", "header": "X\r\nEvil"}, "Name the header of the API key, for example X-Api-Key."),
        ({"url": ""}, outgoing.NO_ADDRESS),
    ],
)
def test_settings_that_cannot_work_say_what_to_do(settings: dict[str, Any], words: str) -> None:
    with serving(lambda asked, handler: PEOPLE) as server:
        assert refused(server, **settings).message == words


def test_a_body_is_posted() -> None:
    def posted(asked: dict[str, str], handler: Request) -> Any:
        body = orjson.loads(handler.body)
        return {"employees": PEOPLE} if body == {"showInactive": True} else None

    with serving(posted) as server:
        assert len(read(server, body='{"showInactive": true}', records="employees")) == 5
        assert server.asked == [("POST", "/people")]
        assert server.headers[0]["content-type"] == "application/json"


# --- What a record says ---


def test_places_in_a_record_are_jmespaths_and_fields_are_flat() -> None:
    record = {
        "person": {"number": 7, "login": "ann", "name": {"given": "Ann"}, "phones": [{"n": "1"}, {"n": "2"}]},
        "tags": ["a", "b"],
        "jobs": [{"key": {"no": 1}, "from": "2026-01-01", "unit": {"code": "D1"}}, {"key": {"no": 2}, "from": None}],
    }
    places = {"id": "person.number", "user_name": "person.login", "contracts": "jobs", "contract_id": "key.no"}
    with serving(lambda asked, handler: [record]) as server:
        (ann,) = read(server, **places)
        (shaped,) = read(server, **places, person="{given: person.name.given, first: tags[0]}")
    assert (ann.ref, ann.key) == ("7", "ann")
    assert ann.attributes["person.name.given"] == "Ann"
    assert ann.attributes["person.phones.1.n"] == "2"
    assert ann.attributes["tags"] == ("a", "b")
    assert not [name for name in ann.attributes if name.startswith("jobs")]
    assert ann.contracts is not None
    assert [(one.ref, dict(one.attributes)) for one in ann.contracts] == [
        ("1", {"key.no": 1, "from": "2026-01-01", "unit.code": "D1"}),
        ("2", {"key.no": 2, "from": None}),
    ]
    assert shaped.attributes == {"given": "Ann", "first": "a"}


def test_records_that_cannot_be_used_carry_their_problem_and_the_others_go_on() -> None:
    jobs = [{"id": 1}, {"id": 1}]
    records = [{"mail": "x"}, 7, {"id": None}, {"id": True}, {"id": "1", "jobs": jobs}, {"id": "2", "jobs": [{}]}]
    with serving(lambda asked, handler: [*records, {"id": "ok", "jobs": None}]) as server:
        found = read(server, contracts="jobs")
    assert [bool(account.problem) for account in found] == [True, True, True, True, True, False, False]
    assert found[4].problem == "Two contracts of this person have the number 1."
    assert [one.problem for one in found[5].contracts or ()] == ["A contract has no number. Correct it in the source."]
    assert found[6].contracts == []


# --- Signing in ---


def test_the_ways_to_sign_in() -> None:
    with serving(lambda asked, handler: PEOPLE) as server:
        read(server, auth="bearer", secret="t0ken")
        read(server, auth="basic", user="ann", secret="pä:ss")
        read(server, auth="header", header="X-Api-Key", secret="k3y")
        sent = server.headers
    assert sent[0]["authorization"] == "Bearer t0ken"
    assert base64.b64decode(sent[1]["authorization"].removeprefix("Basic ")).decode() == "ann:pä:ss"
    assert sent[2]["x-api-key"] == "k3y"
    assert "authorization" not in sent[2]


class Tokens:
    """An OAuth 2 server and the service behind it, which takes the newest token only."""

    def __init__(self, *, in_body: bool = False, expires: int | None = 3600) -> None:
        self.in_body, self.expires, self.given = in_body, expires, 0

    def __call__(self, asked: dict[str, str], handler: Request) -> Any:
        if handler.path == "/token":
            form = parse_qs(handler.body.decode())
            if self.in_body and form.get("client_secret") != ["s3cret"]:
                return reply(handler, b"{}", 401)
            if not self.in_body and not handler.headers.get("Authorization", "").startswith("Basic "):
                return reply(handler, b"{}", 401)
            assert form["grant_type"] == ["client_credentials"]
            self.given += 1
            return {"access_token": f"t{self.given}", "expires_in": self.expires}
        if handler.headers["Authorization"] != f"Bearer t{self.given}":
            return reply(handler, b"", 401)
        return numbered(asked, handler)


def oauth(server: HttpServer) -> dict[str, Any]:
    return {"auth": "oauth2", "token_url": f"{server.url}/token", "user": "client", "secret": "s3cret", **NUMBERED}


@pytest.mark.parametrize("in_body", [False, True])
def test_a_token_is_asked_for_once_in_either_way(in_body: bool) -> None:
    tokens = Tokens(in_body=in_body)
    with serving(tokens) as server:
        assert len(read(server, **oauth(server))) == 5
    assert tokens.given == 1


def test_a_token_that_ended_is_asked_for_anew_and_one_that_is_refused_is_the_end() -> None:
    tokens = Tokens()

    def ending(asked: dict[str, str], handler: Request) -> Any:
        if asked.get("page") == "2" and tokens.given == 1:
            return reply(handler, b"", 401)
        return tokens(asked, handler)

    with serving(ending) as server:
        assert len(read(server, **oauth(server))) == 5
        assert tokens.given == 2

    def never(asked: dict[str, str], handler: Request) -> Any:
        return tokens(asked, handler) if handler.path == "/token" else reply(handler, b"", 401)

    with serving(never) as server:
        assert refused(server, **oauth(server)).code == "login"


def test_secrets_are_in_no_message() -> None:
    with serving(lambda asked, handler: reply(handler, b"t0psecret", 401)) as server:
        for auth in ("bearer", "basic", "header", "oauth2"):
            settings = {"auth": auth, "header": "X-Key", "token_url": f"{server.url}/t", "secret": "t0psecret"}
            assert "t0psecret" not in refused(server, **settings).message
            assert "t0psecret" not in repr(opened(server, **settings).settings)


# --- Pace ---


@pytest.mark.parametrize(("status", "asked_for", "slept"), [(429, "7", 7.0), (503, "3", 3.0), (429, "", 1.0)])
def test_a_pause_that_is_asked_for_is_made(pauses: list[float], status: int, asked_for: str, slept: float) -> None:
    left = [status]

    def busy(asked: dict[str, str], handler: Request) -> Any:
        if left and asked["page"] == "2":
            return reply(handler, b"", left.pop(), **({"Retry_After": asked_for} if asked_for else {}))
        return numbered(asked, handler)

    with serving(busy) as server:
        assert len(read(server, **NUMBERED)) == 5
    assert pauses == [slept]


@pytest.mark.parametrize("asked_for", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_long_pause_is_left_to_the_portal(pauses: list[float], asked_for: str) -> None:
    with serving(lambda asked, handler: reply(handler, b"", 429, Retry_After=asked_for)) as server:
        error = refused(server)
    assert isinstance(error, Unavailable)
    assert error.retry_after is not None
    assert error.retry_after >= 3600
    assert pauses == []


def test_a_service_that_is_always_busy_is_given_up(pauses: list[float]) -> None:
    with serving(lambda asked, handler: reply(handler, b"", 429, Retry_After="0")) as server:
        assert isinstance(refused(server), Unavailable)
        assert len(server.asked) == service.PAUSES + 1


def test_requests_a_minute_are_kept_to(pauses: list[float]) -> None:
    with serving(numbered) as server:
        read(server, **NUMBERED, per_minute=60)
    assert [round(pause) for pause in pauses] == [1, 2, 3], "nobody really slept, so the turns pile up"


# --- What changed ---


@pytest.mark.parametrize(
    ("written", "value"), [("instant", "2026-01-31T09:30:00Z"), ("date", "2026-01-31"), ("epoch", "1769851800")]
)
def test_changes_are_asked_for_by_time(written: str, value: str) -> None:
    with serving(numbered) as server, opened(server, **NUMBERED, since_param="since", since_format=written) as source:
        assert Capability.INCREMENTAL in source.capabilities
        pages = list(source.changes({"since": "2026-01-31T09:30:00+00:00"}, 2))
        assert source.cursor() is not None
        with pytest.raises(CursorLost):
            list(source.changes({}))
    assert pages[-1].last
    assert {query_of(path)["since"] for _, path in server.asked} == {value}


def test_without_a_parameter_nothing_tells_what_changed() -> None:
    with serving(numbered) as server, opened(server, **NUMBERED) as source:
        assert source.cursor() is None
        assert "Name it under Changes" in source.lacks(Capability.INCREMENTAL)


# --- The connection test ---


def steps(server: HttpServer, **settings: Any) -> dict[str, tuple[bool | None, str]]:
    with opened(server, **settings) as connector:
        return {step.name: (step.ok, step.message) for step in connector.test().steps}


def test_the_connection_test_reads_the_first_people() -> None:
    with serving(numbered) as server:
        found = steps(server, **NUMBERED)
        assert found["People"] == (True, "People read: 5. One is 0.")
        assert found["Contracts"][0] is True
        assert "Name it under People" in found["Contracts"][1]
        wrong = steps(server, **NUMBERED, id="number")
        assert wrong["People"] == (
            False,
            "The record has no number. Its fields are: id, mail. Correct it under People.",
        )
        assert wrong["Contracts"] == (None, "Not reached.")
        assert steps(server, url="nonsense")["Address"][0] is False
    with serving(lambda asked, handler: reply(handler, b"", 401)) as server:
        assert steps(server, **oauth(server))["Sign-in"][0] is False
        assert steps(server)["People"] == (False, service.LOGIN.format(status=401))


def test_somebody_is_found_without_regard_to_case() -> None:
    with serving(numbered) as server, opened(server, **NUMBERED, user_name="mail") as source:
        found = source.find(Entry("P3@example.org"))
    assert found is not None
    assert found.ref == "3"


# --- Presets ---

ANSWERS: dict[str, dict[str, Any]] = {
    "personio": {
        "metadata": {"total_elements": 1},
        "data": [
            {
                "type": "Employee",
                "attributes": {
                    "id": {"label": "ID", "value": 7},
                    "first_name": {"label": "First name", "value": "Ann"},
                    "email": {"label": "Email", "value": "ann@example.org"},
                    "hire_date": {"label": "Hire date", "value": "2020-01-01T00:00:00+01:00"},
                    "termination_date": {"label": "Termination date", "value": None},
                    "department": {"value": {"type": "Department", "attributes": {"id": 3, "name": "Sales"}}},
                    "supervisor": {"value": {"type": "Employee", "attributes": {"id": {"value": 1}}}},
                },
            }
        ],
    },
    "hibob": {
        "employees": [
            {
                "id": "7",
                "email": "ann@example.org",
                "firstName": "Ann",
                "work": {"startDate": "2020-01-01", "department": "Sales", "reportsTo": {"id": "1"}},
            }
        ]
    },
    "workday_report": {"Report_Entry": [{"Employee_ID": "7", "First_Name": "Ann"}]},
}


@pytest.mark.parametrize("name", presets())
def test_a_preset_reads_what_its_documents_show(name: str) -> None:
    preset = presets()[name]
    url = urlsplit(preset.settings["url"])

    def product(asked: dict[str, str], handler: Request) -> Any:
        if handler.path == "/auth":
            return {"success": True, "data": {"token": "t0ken"}}
        assert urlsplit(handler.path).path == url.path
        return ANSWERS[name]

    with serving(product) as server:
        settings: dict[str, Any] = {"product": name, "url": f"{server.url}{url.path}", "secret": "s", "user": "u"}
        settings |= {"token_url": f"{server.url}/auth", "per_minute": "100000"}
        with HttpJson(ConnectorConfig(settings)) as source:
            (ann,) = crawl(source, 10)[1]
            tested = source.test()
    assert ann.ref == "7"
    assert not ann.problem
    assert "Ann" in ann.attributes.values()
    assert tested.ok
    assert [one.problem for one in ann.contracts or ()] in ([], [""])
    if ann.contracts:
        assert ann.contracts[0].attributes["department"] == "Sales"
        assert ann.contracts[0].attributes["manager"] in {"1", 1}


def test_presets_say_where_they_come_from_and_fill_boxes_that_exist() -> None:
    boxes = {field.name for field in HttpJson.fields} - {"product", "secret"}
    for preset in presets().values():
        assert preset.seen_on
        assert preset.notes.endswith(".")
        assert all(source.startswith("https://") for source in preset.sources)
        assert set(preset.settings) <= boxes
        HttpJson(ConnectorConfig({"product": "personio"}))
    assert set(HttpSettings.__dataclass_fields__) - {"secret"} <= boxes
    assert set(HttpJson.fills) == {"", *presets()}


def test_an_awkward_size_of_answer_is_refused() -> None:
    answer: Responder = lambda handler: reply(handler, b"[" + b" " * 1_100_000 + b"]")  # noqa: E731
    with HttpServer(answer).running() as server:
        assert refused(server, largest=1).code == "too_large"
