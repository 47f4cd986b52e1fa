"""Hostile requests at every address, groups and searches too: a SCIM error of the right class, and nothing done."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from provisioning.models import Group, Membership, User
from scim.models import GroupLink, Reach, UserLink
from tests.scim.conftest import ENTERPRISE, Answer, Scim

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


def roll() -> tuple[Any, ...]:
    """Everything that a request may have written, as it stands."""
    return (
        list(User.objects.order_by("pk").values_list("pk", "username", "email", "title", "is_active", "updated_at")),
        list(Group.objects.order_by("pk").values_list("pk", "name", "updated_at")),
        list(Membership.objects.order_by("pk").values_list("pk")),
        list(UserLink.objects.order_by("pk").values_list("external_id", "user_name", "kept", "deleted_at")),
        list(GroupLink.objects.order_by("pk").values_list("external_id")),
    )


@pytest.fixture
def victim(scim: Scim) -> Iterator[dict[str, str]]:
    """A user in a group; at the end of the test everything is as it was before."""
    user = scim.add("victim", title="Engineer", emails=[{"value": "v@example.com", "type": "work"}], externalId="v")
    group = scim.post("/Groups", {"displayName": "Staff", "externalId": "s", "members": [{"value": user["id"]}]})
    before = roll()
    yield {"user": user["id"], "group": group.json["id"]}
    assert roll() == before


def refused(answer: Answer, *statuses: int) -> None:
    """Check that the answer is a SCIM error as RFC 7644 section 3.12 has it."""
    assert answer.status in (statuses or (400,)), answer
    assert answer.headers["Content-Type"].startswith("application/scim+json"), answer.headers
    assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert answer.json["status"] == str(answer.status)
    assert not {"Traceback", "pydantic", "psycopg"} & set(answer.json["detail"].split())


def everywhere(victim: dict[str, str]) -> list[tuple[str, str]]:
    items = [(method, f"/{kind}s/{victim[kind.lower()]}") for kind in ("User", "Group") for method in ("PUT", "PATCH")]
    return [*items, *(("POST", path) for path in ("/Users", "/Groups", "/.search", "/Users/.search", "/Bulk"))]


BODIES = {
    "nothing": b"",
    "half": b'{"displayName": "x"',
    "null": b"null",
    "a list": b'[{"displayName": "x"}]',
    "more after it": b'{"displayName": "x"} {"displayName": "y"}',
    "not a number": b'{"displayName": NaN}',
    "UTF-16": '{"displayName": "x"}'.encode("utf-16"),
    "a broken sequence": b'{"displayName": "\xf0\x28\x8c\x28"}',
    "a lone surrogate": b'{"userName": "\\ud800", "displayName": "\\ud800"}',
    "U+0000": b'{"userName": "a\\u0000b", "displayName": "a\\u0000b", "Operations": [{"op": "a\\u0000"}]}',
    "brackets": b"[" * 100_000,
    "objects in objects": b'{"a":' * 3000 + b"1" + b"}" * 3000,
    "a deep operation": b'{"Operations": [{"op": "add", "value": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}]}",
    "digits": b'{"userName": ' + b"9" * 5000 + b', "displayName": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_none(scim: Scim, victim: dict[str, str], name: str) -> None:
    for method, path in everywhere(victim):
        refused(scim(method, path, BODIES[name]), 400)


@pytest.mark.heavy
def test_a_body_that_is_too_large(scim: Scim, victim: dict[str, str]) -> None:
    body = b'{"userName": "x", "title": "' + b"x" * (5 * 1024 * 1024) + b'"}'
    for method, path in everywhere(victim):
        refused(scim(method, path, body), 400, 413)
    refused(scim("PUT", f"/Groups/{victim['group']}", b"{" + b" " * (9 * 1024 * 1024) + b"}"), 413)


FILTERS = {
    "parentheses": "(" * 2000 + "userName pr" + ")" * 2000,
    "open parentheses": "(" * 2000,
    "terms": " or ".join(['userName eq "x"'] * 2000),
    "nots": "not (" * 500 + "userName pr" + ")" * 500,
    "a long text": f'userName eq "{"x" * 20_000}"',
    "brackets": "emails[" * 300 + "value pr" + "]" * 300,
    "a quote": 'userName eq "',
    "an escape": 'userName eq "\\',
    "no operator": "userName",
    "another operator": 'userName like "x"',
    "an unknown attribute": 'nothing eq "x"',
    "an unknown part": 'name.nothing eq "x"',
    "an unknown part inside": 'emails[nothing eq "x"]',
    "a number for a text": "userName eq 5",
    "an object": "userName eq {}",
    "SQL": "userName eq 'x' OR 1=1 --",
    "a column": 'user__password eq "x"',
    "a boolean with an order": "active gt true",
    "a date that is none": 'meta.created gt "yesterday"',
    "a date of no year": 'meta.created gt "99999-01-01T00:00:00Z"',
    "digits": "meta.created gt " + "9" * 5000,
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_that_cannot_be_answered(scim: Scim, victim: dict[str, str], name: str) -> None:
    search = {"schemas": [SEARCH], "filter": FILTERS[name]}
    get = scim.get(f"/Users?filter={quote(FILTERS[name])}")
    for answer in (get, scim.post("/Users/.search", search), scim.post("/.search", search)):
        refused(answer, 400)
        assert answer.json["scimType"] in ("invalidFilter", "invalidValue")


@pytest.mark.heavy
@pytest.mark.parametrize("text", ["%", "_", "v%", "_ictim", "\\", "'", '\\"', "*", ".*", "\u0000", "\u202e", "ﬁ", "ß"])
def test_a_character_means_itself(scim: Scim, victim: dict[str, str], text: str) -> None:
    for operator in ("eq", "sw", "co", "ew"):
        for attribute in ("userName", "title", 'emails[type eq "work"].value', "externalId"):
            question = quote(f"{attribute} {operator} {orjson.dumps(text).decode()}")
            answer = scim.get(f"/Users?filter={question}")
            if text == "\u0000" and answer.status == 400:
                continue
            assert (answer.status, answer.json["totalResults"]) == (200, 0), (attribute, operator, text)


PARAMETERS = ["count=abc", "count=1.5", "startIndex=x", "startIndex=0x10", "sortBy=nothing", "sortBy=password"]
PARAMETERS += ["sortOrder=upwards", "cursor=nonsense", "cursor=" + "A" * 5000, "cursor=&startIndex=1"]
PARAMETERS += ["attributes=a&excludedAttributes=b", "filter=%00", "filter=%ff%fe"]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda text: text[:24])
def test_a_parameter_that_is_none(scim: Scim, victim: dict[str, str], parameters: str) -> None:
    for kind in ("Users", "Groups"):
        refused(scim.get(f"/{kind}?{parameters}"), 400)


@pytest.mark.heavy
def test_numbers_beyond_all_lists(scim: Scim, victim: dict[str, str]) -> None:
    assert scim.get("/Users?count=-5").json["Resources"] == []
    assert scim.get("/Users?count=0").json["totalResults"] == 1
    assert scim.get("/Users?startIndex=-5").json["startIndex"] == 1
    for number in ("1000000", "9" * 30, "9" * 5000):
        answer = scim.get(f"/Users?startIndex={number}&count={number}")
        assert answer.status in (200, 400)


@pytest.mark.heavy
def test_another_clients_resources(scim: Scim, victim: dict[str, str], new_client: Callable[..., Scim]) -> None:
    other = new_client("Other", reach=Reach.OWN)
    body = {"userName": "x", "displayName": "x"}
    for path in (f"/Users/{victim['user']}", f"/Groups/{victim['group']}"):
        refused(other.get(path), 404)
        refused(other.put(path, body), 404)
        refused(other.patch(path, {"op": "replace", "path": "displayName", "value": "x"}), 404)
        refused(other.delete(path), 404)
    assert other.get(f'/Users?filter=id eq "{victim["user"]}"').json["totalResults"] == 0
    data = {"Operations": [{"op": "remove", "path": "members"}]}
    operations = [{"method": "PATCH", "path": f"/Groups/{victim['group']}", "data": data}]
    answer = other.post("/Bulk", {"schemas": [BULK], "Operations": operations})
    assert answer.json["Operations"][0]["status"] == "404"


@pytest.mark.parametrize(
    "path",
    [
        "/Groups/{user}",
        "/Users/{group}",
        "/Groups/{upper}",
        "/Groups/{hex}",
        "/Groups/urn:uuid:{group}",
        "/Groups/%00",
        "/Groups/{group}%00",
        "/Groups/{group}%0d%0aSet-Cookie:%20a=b",
        "/Groups/%ff%fe",
        "/Groups/../Users",
        "/Groups/..%2fUsers",
        "//Groups",
        "/groups",
        "/Groups/{group}/members",
        "/Groups/{group}/members/{user}",
        "/Schemas/%0d%0aX-Evil:%201",
        "/ResourceTypes/%00",
    ],
)
def test_addresses_that_lead_nowhere(scim: Scim, victim: dict[str, str], path: str) -> None:
    key = victim["group"]
    path = path.format(user=victim["user"], group=key, upper=key.upper(), hex=uuid.UUID(key).hex)
    for method in ("GET", "DELETE"):
        answer = scim(method, path)
        refused(answer, 404, 405)
        assert not any(character in value for value in answer.headers.values() for character in "\r\n")
        assert not {"Set-Cookie", "X-Evil"} & set(answer.headers)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "GETX"])
def test_methods_on_the_collections(scim: Scim, victim: dict[str, str], method: str) -> None:
    for path in ("/Users", "/Groups"):
        refused(scim(method, path, {"userName": "x", "displayName": "x"}), 405)


def test_a_bulk_of_nonsense(scim: Scim, victim: dict[str, str]) -> None:
    operations: list[Any] = [
        {"method": "DELETE", "path": "/Users"},
        {"method": "POST", "path": f"/Users/{victim['user']}", "bulkId": "a", "data": {"userName": "x"}},
        {"method": "PATCH", "path": f"/Groups/{victim['group']}", "data": {"Operations": [{"op": "remove"}]}},
        {"method": "GET", "path": "/Users"},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": 5}},
        {"method": "POST", "path": "/../../admin/", "bulkId": "c", "data": {}},
        {"method": "POST", "path": "/Bulk", "bulkId": "d", "data": {"schemas": [BULK], "Operations": []}},
        {"method": "PUT", "path": "/Groups/bulkId:nobody", "data": {"displayName": "x"}},
        {"method": ["x"], "path": {}, "data": 7},
        "nonsense",
        None,
    ]
    answer = scim.post("/Bulk", {"schemas": [BULK], "Operations": operations})
    assert answer.status == 200, answer
    assert {each["status"] for each in answer.json["Operations"]} <= {"400", "404", "405", "409"}


@pytest.mark.heavy
def test_too_many_operations(scim: Scim, victim: dict[str, str]) -> None:
    many = [{"op": "replace", "path": "title", "value": str(number)} for number in range(5000)]
    refused(scim.patch(f"/Users/{victim['user']}", *many), 413)
    adds = [{"op": "add", "path": "members", "value": [{"value": str(uuid.uuid4())}]} for _ in range(500)]
    refused(scim.patch(f"/Groups/{victim['group']}", *adds), 400)
    nested = {"op": "add", "path": f"emails[{'(' * 2000}value pr{')' * 2000}]", "value": {}}
    refused(scim.patch(f"/Users/{victim['user']}", nested), 400)


def test_an_extension_that_is_no_object(scim: Scim, victim: dict[str, str]) -> None:
    for value in (5, "x", [1], True):
        refused(scim.post("/Users", {"userName": "x", ENTERPRISE: value}), 400)
        refused(scim.patch(f"/Users/{victim['user']}", {"op": "add", "value": {ENTERPRISE: value}}), 400)
        refused(scim.patch(f"/Users/{victim['user']}", {"op": "add", "path": ENTERPRISE, "value": value}), 400)


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["displayName", "externalId", "members", "members.value", "id", "schemas", "meta"])
def test_wrong_types_in_a_group(scim: Scim, victim: dict[str, str], name: str) -> None:
    head, _, sub = name.partition(".")
    for value in (True, 10**19, "x" * 5000, [[]], [1], [None], {"value": {"value": {}}}, [{"value": ["x"], "": 1}]):
        inner = {head: [{sub: value}] if sub else value}
        for answer in (
            scim.post("/Groups", {"displayName": "Wrong", **inner}),
            scim.put(f"/Groups/{victim['group']}", {"displayName": "Staff", "externalId": "s", **inner}),
            scim.patch(f"/Groups/{victim['group']}", {"op": "replace", "path": name, "value": value}),
        ):
            if answer.status >= 400:
                refused(answer, 400)
        Group.objects.filter(name="Wrong").delete()
