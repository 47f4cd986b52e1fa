"""What stock django-scim2 0.23 gets wrong and a careful client finds out: one test a fault."""

import socket
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import pytest

from provisioning.models import Group, Membership, User
from tests.scim.conftest import Scim


@pytest.fixture
def anna(scim: Scim) -> Any:
    return scim.add("anna", externalId="e-1", emails=[{"value": "anna@example.com", "type": "work"}], title="50% more")


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ('userName eq "anna" and externalId eq "WRONG"', 0),
        ('userName eq "anna" and not (externalId eq "e-1")', 0),
        ('userName eq "nobody" or externalId eq "e-1"', 1),
        ('not (nickName eq "Babs")', None),
        ('userName eq "anna" and nickName eq "WRONG"', None),
    ],
)
def test_no_term_of_a_filter_drops_out(scim: Scim, anna: Any, question: str, count: int | None) -> None:
    """Stock, an attribute that is not mapped silently leaves and/or/not, and everybody matches."""
    answer = scim.get(f"/Users?filter={question}")
    if count is None:
        assert (answer.status, answer.json["scimType"]) == (400, "invalidFilter")
    else:
        assert (answer.status, answer.json["totalResults"]) == (200, count)


@pytest.mark.parametrize("kind", ["Groups", "Users"])
def test_filters_on_what_clients_look_up_find_it(scim: Scim, anna: Any, kind: str) -> None:
    """Stock answers an empty 200 for externalId, emails and a group's displayName, and clients create duplicates."""
    scim.post("/Groups", {"displayName": "Staff", "externalId": "g-1"})
    questions = {
        "Users": ['externalId eq "e-1"', 'emails eq "anna@example.com"', 'emails.value eq "ANNA@example.com"'],
        "Groups": ['externalId eq "g-1"', 'displayName eq "staff"'],
    }  # fmt: skip
    for question in questions[kind]:
        assert scim.get(f"/{kind}?filter={question}").json["totalResults"] == 1, question


@pytest.mark.parametrize(("text", "count"), [("50%", 1), ("5_%", 0), ("%", 1), ("_", 0), ("0% m", 1), ("0_ m", 0)])
def test_wildcards_of_sql_are_characters(scim: Scim, anna: Any, text: str, count: int) -> None:
    assert scim.get(f"/Users?filter={quote(f'title co {orjson.dumps(text).decode()}')}").json["totalResults"] == count


def test_an_absent_mail_is_absent(scim: Scim) -> None:
    """Stock gives ``""``, which a client then writes back as an address."""
    made = scim.add("ben")
    assert not {"emails", "title", "name", "phoneNumbers"} & set(made)
    assert scim.get("/Users?filter=emails pr").json["totalResults"] == 0


@pytest.mark.parametrize("kind", ["Users", "Groups"])
def test_collections_are_not_replaced_or_deleted(scim: Scim, anna: Any, kind: str) -> None:
    group = scim.post("/Groups", {"displayName": "Staff"}).json
    key = {"Users": anna, "Groups": group}[kind]["id"]
    body = {"userName": "x", "displayName": "x"}
    for method, path in [
        ("PUT", f"/{kind}"),
        ("PATCH", f"/{kind}"),
        ("DELETE", f"/{kind}"),
        ("POST", f"/{kind}/{key}"),
    ]:
        assert scim(method, path, body).status == 405, (method, path)
    assert (User.objects.count(), Group.objects.count()) == (1, 1)


@pytest.mark.parametrize("path", ["/Schemas", "/ResourceTypes"])
def test_discovery_lists_are_whole_lists(scim: Scim, path: str) -> None:
    found = scim.get(path).json
    assert found["totalResults"] == len(found["Resources"]) == found["itemsPerPage"]
    assert found["startIndex"] == 1


@pytest.mark.heavy
def test_last_modified_moves_with_every_change_and_only_then(scim: Scim, anna: Any) -> None:
    group = scim.post("/Groups", {"displayName": "Staff"}).json
    add = {"op": "add", "path": "members", "value": [{"value": anna["id"]}]}
    rename = {"op": "replace", "path": "displayName", "value": "Anna"}
    for path, operation in ((f"/Users/{anna['id']}", rename), (f"/Groups/{group['id']}", add)):
        before = scim.get(path).json["meta"]
        scim.patch(path, operation)
        after = scim.get(path).json["meta"]
        assert after["lastModified"] > before["lastModified"]
        assert after["version"] != before["version"]
        scim.patch(path, operation)
        assert scim.get(path).json["meta"] == after


def test_control_characters_of_an_address_reach_no_header(scim: Scim) -> None:
    for path in ("/Users/a%0d%0aX-Evil:%201", "/Groups/%0aX-Evil:1", "/Schemas/x%0d%0aX-Evil:1", "/%0d%0aX-Evil:1"):
        answer = scim.get(path)
        assert answer.status == 404
        assert "X-Evil" not in answer.headers
        assert not any("\n" in value or "\r" in value for value in answer.headers.values())


def test_a_password_is_never_a_question(scim: Scim) -> None:
    scim.add("anna", password="Secret words 7")
    for question in ('password eq "Secret words 7"', "password pr", 'password sw "S"', 'not (password eq "x")'):
        answer = scim.get(f"/Users?filter={question}")
        assert answer.status == 400 or answer.json["totalResults"] == 0, question
    stored = User.objects.get().password
    question = quote(f'password eq "{stored}"')
    assert scim.get(f"/Users?filter={question}").json.get("totalResults", 0) == 0


def test_members_go_with_the_user(scim: Scim, anna: Any) -> None:
    group = scim.post("/Groups", {"displayName": "Staff", "members": [{"value": anna["id"]}]}).json
    assert scim.delete(f"/Users/{anna['id']}").status == 204
    assert scim.get(f"/Groups/{group['id']}").json["members"] == []
    assert not Membership.objects.exists()


def test_a_body_in_chunks_is_read_or_refused_and_never_taken_for_empty(scim: Scim, live_server: Any) -> None:
    """Django reads a chunked body as nothing under WSGI; a PUT would clear everything."""
    made = scim.add("ben", title="Engineer")
    address = urlsplit(live_server.url)
    body = b'{"userName": "ben", "title": "Engineer"}'
    head = (
        f"PUT /scim/v2/Users/{made['id']} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {scim.token}\r\n"
        "Content-Type: application/scim+json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    ).encode()
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        answer = b""
        while part := connection.recv(65536):
            answer += part
    status = int(answer.split()[1])
    assert status in (200, 411), answer
    assert User.objects.get(username="ben").title == "Engineer"


@pytest.mark.parametrize("name", ["userName", "displayName", "externalId", "title", "active", "emails"])
@pytest.mark.parametrize("value", ["9" * 5000, '"\\ud800"', '"a\\u0000b"', f'"{"x" * 70_000}"', "1e999"])
def test_values_that_no_database_takes_are_no_server_errors(scim: Scim, name: str, value: str) -> None:
    body = f'{{"userName": "x", "{name}": {value}}}'.encode()
    answer = scim("POST", "/Users", body)
    assert answer.status in (201, 400), answer
    if answer.status == 201:  # what leads nowhere may be kept as it was sent
        assert scim.get(f"/Users/{answer.json['id']}").json == answer.json
