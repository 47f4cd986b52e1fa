"""A program that uses the REST API with a token."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.test import Client

from provisioning.api.access import PerAddress, PerToken
from provisioning.models import User
from provisioning.roles import IT_STAFF
from provisioning.tokens import issuing
from provisioning.tokens.families import FAMILIES
from provisioning.tokens.issuing import WRITE
from tests.provisioning.admin import roll
from tests.provisioning.imports.conftest import source

__all__ = ["source"]
EVERYTHING = dict.fromkeys(FAMILIES, WRITE)


class Program:
    """Asks with one token."""

    def __init__(self, secret: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.secret = secret

    def ask(self, method: str, address: str, body: Any = None, **headers: str) -> Any:
        """Send a request below ``/api/v1/``, or to an address that an answer had."""
        content = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        path = address if address.startswith("http") else f"/api/v1/{address}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        send = getattr(self.client, method.lower())
        return send(path, headers={"Authorization": f"Bearer {self.secret}", **named}, **content)

    def get(self, address: str, **headers: str) -> Any:
        return self.ask("GET", address, **headers)

    def list(self, address: str, filter: str = "", **parameters: Any) -> list[Any]:
        """Return the rows of the first page."""
        answer = self.client.get(
            f"/api/v1/{address}",
            {**parameters, **({"filter": filter} if filter else {})},
            headers={"Authorization": f"Bearer {self.secret}"},
        )
        assert answer.status_code == 200, answer.json()
        return list(answer.json()["items"])


def personal(owner: User, scopes: Any = EVERYTHING, name: str = "sync") -> Program:
    _, secret = issuing.make(name=name, holder=owner, scopes=scopes, days=30, maker=owner)
    return Program(secret)


def of_service(role: str, scopes: Any = EVERYTHING, name: str = "HR sync") -> Program:
    holder = Role.objects.get(name=role)
    maker = User.objects.filter(username="root").first() or roll.staff("", "root")
    _, secret = issuing.make(name=name, holder=holder, scopes=scopes, days=30, maker=maker)
    return Program(secret)


@pytest.fixture
def staff(db: None) -> User:
    return roll.staff(IT_STAFF, "ida")


@pytest.fixture
def program(staff: User) -> Program:
    """A program with a personal token of IT staff, which may everything that its owner may."""
    return personal(staff)


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test ask as often as it likes."""
    for throttle in (PerAddress, PerToken):
        monkeypatch.setattr(throttle, "allow_request", lambda *_: True)
