"""Fixtures of the SCIM tests: a client with its token, and requests as it sends them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as Browser

from scim import authentication
from scim.access import strangers
from scim.models import Client, ClientMapping
from scim.resources import mapping

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Answer:
    """One response: its status, its JSON and its headers."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.headers = response.headers
        self.content: bytes = b"".join(response) if response.streaming else response.content
        self.json: Any = json.loads(self.content) if self.content else None

    def __repr__(self) -> str:
        return f"{self.status} {self.content.decode()[:2000]}"


class Scim:
    """A SCIM client in process: the whole of Django's stack, without a network."""

    def __init__(self, client: Client, token: str, base: str = "/scim/v2") -> None:
        self.client, self.token, self.base = client, token, base

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        content_type = sent.pop("Content-Type", "application/scim+json")
        browser = Browser(headers=sent)
        return Answer(browser.generic(method, f"{self.base}{path}", data, content_type))

    def get(self, path: str, **headers: str) -> Answer:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> Answer:
        return self("PUT", path, body, **headers)

    def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> Answer:
        schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
        return self("PATCH", path, {"schemas": schemas, "Operations": list(operations)}, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self("DELETE", path, **headers)

    def add(self, name: str, /, **body: Any) -> Any:
        """Create a user and return it."""
        answer = self.post("/Users", {"schemas": [USER], "userName": name, **body})
        assert answer.status == 201, answer
        return answer.json


def make_client(name: str = "Okta", **settings: Any) -> Scim:
    """Save a client with the default mapping and a token."""
    slug = name.casefold().replace(" ", "-")
    client = Client.objects.create(name=name, slug=slug, **settings)
    rows = mapping.defaults()
    for row in rows:
        row.client = client
    ClientMapping.objects.bulk_create(rows)
    _, token = authentication.issue(client, "test")
    return Scim(client, token)


@pytest.fixture(autouse=True)
def no_strangers() -> None:
    """Forget the addresses that brought too many wrong tokens in another test."""
    strangers._paused.clear()


@pytest.fixture
def new_client(db: None) -> Callable[..., Scim]:
    """Make clients: ``new_client("Entra", reach="own")``."""
    return make_client


@pytest.fixture
def scim(db: None) -> Scim:
    """A client that may do everything."""
    return make_client()
