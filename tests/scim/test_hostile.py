"""Whatever is sent, a SCIM error of the right class comes back: never a 500, never a partial write."""

import gzip
import json
from typing import Any

import pytest

from provisioning.models import User
from reports.models import Event
from scim.models import UserLink
from tests.scim.conftest import ENTERPRISE, USER, Answer, Scim

WRONG: list[Any] = [
    5,
    -1.5,
    10**30,
    True,
    "x",
    "",
    [],
    {},
    [[]],
    [1, None],
    {"value": {"value": 1}},
    [{"value": 5, "type": 7, "primary": "maybe"}],
    None,
    "x" * 5000,
]
NAMES = [
    "schemas",
    "id",
    "externalId",
    "meta",
    "userName",
    "name",
    "displayName",
    "nickName",
    "profileUrl",
    "title",
    "userType",
    "preferredLanguage",
    "locale",
    "timezone",
    "active",
    "password",
    "emails",
    "phoneNumbers",
    "ims",
    "photos",
    "addresses",
    "groups",
    "entitlements",
    "roles",
    "x509Certificates",
    ENTERPRISE,
    "urn:vendor:2.0",
    "name.givenName",
    'emails[type eq "work"].value',
]


def sane(answer: Answer) -> None:
    """A success, or a SCIM error of the client's."""
    assert answer.status < 500, answer
    if answer.status >= 400:
        assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert answer.json["status"] == str(answer.status)
        assert answer.json["detail"]


@pytest.mark.heavy
@pytest.mark.parametrize("name", NAMES)
def test_wrong_types_in_every_attribute(scim: Scim, name: str) -> None:
    anna = scim.add("anna", displayName="Anna")
    path = f"/Users/{anna['id']}"
    for number, value in enumerate(WRONG):
        before = User.objects.count()
        answer = scim.post("/Users", {"schemas": [USER], "userName": f"user{number}", name: value})
        sane(answer)
        assert User.objects.count() == before + (answer.status == 201)
        if number % 3 == 0:
            sane(scim.put(path, {"schemas": [USER], "userName": "anna", name: value}))
        way = {"op": "replace", "path": name, "value": value} if number % 2 else {"op": "add", "value": {name: value}}
        sane(scim.patch(path, way))
    sane(scim.get(path))
    assert not Event.objects.filter(message__contains="Traceback").exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"5",
        b"\xff\xfe{}",
        b'{"userName": "\xff"}',
        b'{"userName": "\\ud800"}',
        b'{"userName": "a\\u0000b"}',
        b'{"userName": "anna", "a\\u0000b": 1}',
        b'{"userName": NaN}',
        b'{"userName": "anna", "active": Infinity}',
        b'{"userName": ' + b"9" * 5000 + b"}",
        b'{"userName": "anna", "externalId": ' + b"9" * 5000 + b"}",
        b'{"userName": "anna", "name": ' + b"9" * 400 + b"}",
        b'{"userName": "anna", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"userName": "anna", "name": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
        b'{"userName": "anna", "x": ' + b'{"a":' * 30 + b"1" + b"}" * 30 + b"}",
        b'{"userName": ""}',
        b'{"userName": "   "}',
        b'{"userName": null}',
        b"{}",
        json.dumps({"userName": "x" * 151}).encode(),
        json.dumps({"userName": "x" * 300}).encode(),
        json.dumps({"userName": "anna\u200b"}).encode(),
        json.dumps({"userName": "an\r\nna"}).encode(),
        json.dumps({"userName": "anna", "externalId": "x" * 300}).encode(),
        json.dumps({"userName": "anna", "displayName": "x" * 301}).encode(),
        json.dumps({"userName": "anna", "password": "x" * 5000}).encode(),
        json.dumps({"userName": "anna", "emails": [{"value": "x" * 300, "type": "work"}]}).encode(),
    ],
)
def test_bodies_that_cannot_be(scim: Scim, body: bytes) -> None:
    answer = scim("POST", "/Users", body)
    sane(answer)
    assert answer.status == 400, answer
    assert not User.objects.exists()
    assert not UserLink.objects.exists()


@pytest.mark.heavy
def test_large_bodies(scim: Scim) -> None:
    body = json.dumps({"schemas": [USER], "userName": "anna", "x": "y" * 5 * 1024 * 1024}).encode()
    assert scim("POST", "/Users", body).status == 413
    many = {"schemas": [USER], "userName": "anna", "roles": [{"value": f"role {n}"} for n in range(9000)]}
    assert scim.post("/Users", many).status == 413
    assert not User.objects.exists()


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_other_media_types(scim: Scim, kind: str) -> None:
    assert scim.post("/Users", {"userName": "anna"}, Content_Type=kind).status == 415


def test_a_compressed_body(scim: Scim) -> None:
    body = gzip.compress(json.dumps({"userName": "anna"}).encode())
    assert scim("POST", "/Users", body, Content_Encoding="gzip").status == 415


@pytest.mark.parametrize("kind", ["application/json", "application/scim+json; charset=utf-8", "APPLICATION/JSON"])
def test_json_media_types(scim: Scim, kind: str) -> None:
    assert scim.post("/Users", {"userName": "anna"}, Content_Type=kind).status == 201


@pytest.mark.parametrize(
    "path",
    [
        "/Users/../../admin",
        "/Users/%2e%2e",
        "/Users/%00",
        "/Users/%0d%0aSet-Cookie:%20a=b",
        "/Users/%ff%fe",
        "/%0d%0aX-Evil:1",
        "/Users?attributes=" + "a," * 5000,
        "/Users?attributes=%00,%ff",
        "/Users?startIndex=" + "9" * 5000,
        "/Users?count=-5&startIndex=-7",
        "/Users?count=1e9",
        "/Users?filter=" + "(" * 2000,
        "/Users?filter=userName%20eq%20%22%00%22",
        "/Users?filter=userName%20eq%20" + "9" * 3000,
        "/Users?sortBy=%00",
        "/Schemas/%0d%0aX-Evil:1",
    ],
)
def test_addresses_that_cannot_be(scim: Scim, path: str) -> None:
    scim.add("anna")
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        answer = scim(method, path, {"userName": "x"})
        if method != "HEAD":
            sane(answer)
        assert not {"X-Evil", "Set-Cookie"} & set(answer.headers)
    assert User.objects.get().is_active


@pytest.mark.heavy
def test_header_tricks(scim: Scim) -> None:
    anna = scim.add("anna")
    for header in ("If_Match", "If_None_Match"):
        for value in ("", "*", '"', 'W/"', ",,,", "x" * 10_000, 'W/"\xff"'):
            sane(scim.get(f"/Users/{anna['id']}", **{header: value}))
            sane(scim.put(f"/Users/{anna['id']}", {"userName": "anna"}, **{header: value}))
    sane(scim.get("/Users", X_HTTP_Method_Override="DELETE"))
    sane(scim.get("/Users", Content_Length="x"))
    sane(scim.get("/Users", Host="evil.example"))
    sane(scim.get("/Users", X_Forwarded_Host="evil.example"))


def test_an_address_of_a_stranger_is_never_repeated(scim: Scim) -> None:
    assert "evil" not in str(scim.get("/Users", X_Forwarded_Host="evil.example").json)


def test_what_fails_in_the_middle_writes_nothing(scim: Scim, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that goes away after the user was saved takes everything back."""
    from django.db import DatabaseError

    from scim.users import writing

    def fails(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("the secret of the database")

    monkeypatch.setattr(writing, "record", fails)
    answer = scim.post("/Users", {"userName": "anna"})
    assert answer.status == 500
    assert b"secret" not in answer.content
    assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert not User.objects.exists()


@pytest.mark.heavy
def test_a_long_list_in_many_operations(scim: Scim) -> None:
    """What one operation costs grows with the lists of the resource: together they would take minutes."""
    path = f"/Users/{scim.add('anna')['id']}"
    many = [{"op": "add", "path": "roles", "value": [{"value": f"role {n}"}]} for n in range(1000)]
    assert scim.patch(path, *many).status == 413
    assert scim.patch(path, *many[:40]).status == 200
    assert len(scim.get(path).json["roles"]) == 40
