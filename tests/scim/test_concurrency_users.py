"""What many requests at once do to users, on a real server with real commits."""

import contextlib
import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from provisioning.models import User
from scim.models import UserLink
from tests.fixtures.portal import Portal
from tests.scim.conftest import USER, Scim, make_client

pytestmark = pytest.mark.django_db(transaction=True)


def send(portal: Portal, scim: Scim, method: str, path: str, body: Any, *, chunked: bool = False) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=60)
    headers = {"Authorization": f"Bearer {scim.token}", "Content-Type": "application/scim+json"}
    data: Any = json.dumps(body).encode()
    if chunked:
        data = iter([data[:10], data[10:]])
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who answers early reads no further
        connection.request(method, f"/scim/v2{path}", data, headers, encode_chunked=chunked)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, json.loads(content) if content else None


def at_once(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_twenty_creates_of_one_name_give_one_user(portal: Portal) -> None:
    scim = make_client()
    portal.web()
    answers: list[tuple[int, Any]] = []

    def create(number: int) -> None:
        name = "anna" if number % 2 else "ANNA"
        answers.append(send(portal, scim, "POST", "/Users", {"schemas": [USER], "userName": name}))

    at_once(20, create)
    assert Counter(status for status, _ in answers) == {201: 1, 409: 19}
    assert all(body["scimType"] == "uniqueness" for status, body in answers if status == 409)
    assert User.objects.count() == UserLink.objects.count() == 1


def test_a_body_sent_in_chunks_is_read(portal: Portal) -> None:
    """Django reads it as empty, for it has no Content-Length."""
    scim = make_client()
    portal.web()
    status, body = send(portal, scim, "POST", "/Users", {"schemas": [USER], "userName": "anna"}, chunked=True)
    assert (status, body["userName"]) == (201, "anna")
    status, body = send(portal, scim, "POST", "/Users", {"userName": "b", "x": "y" * 2_000_000}, chunked=True)
    assert (status, body["status"]) == (413, "413")


def test_changes_of_different_attributes_lose_none(portal: Portal) -> None:
    scim = make_client()
    anna = scim.add("anna")
    portal.web()
    names = ["title", "nickName", "displayName", "locale", "userType", "preferredLanguage", "timezone", "profileUrl"]
    answers: list[int] = []

    def change(number: int) -> None:
        operation = {"op": "add", "path": names[number], "value": f"value {number}"}
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}
        answers.append(send(portal, scim, "PATCH", f"/Users/{anna['id']}", body)[0])

    at_once(len(names), change)
    assert set(answers) == {200}
    now = scim.get(f"/Users/{anna['id']}").json
    assert {name: now.get(name) for name in names} == {name: f"value {n}" for n, name in enumerate(names)}
