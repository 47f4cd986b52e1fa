"""Fixtures: a real OpenID provider on this machine, and a browser that signs in there."""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from django.test import Client
from oidc_provider_mock import User as Theirs
from oidc_provider_mock import run_server_in_thread

from config.sso.models import IdentityProvider

HOST = "localhost"


@pytest.fixture(scope="session")
def oidc_server() -> Iterator[str]:
    """The address of a provider that asks for nonces; each test writes its own people into it."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    with run_server_in_thread(require_nonce=True, user_claims=[Theirs(sub="nobody")]) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def keycloak(db: None, oidc_server: str) -> IdentityProvider:
    return IdentityProvider.objects.create(
        name="Keycloak", slug="keycloak", issuer=oidc_server, client_id="rollcall", secret="s3cret"
    )


def knows(provider: IdentityProvider, sub: str, **claims: Any) -> None:
    """Let the provider know somebody."""
    httpx2.put(f"{provider.issuer}/users/{sub}", json=claims).raise_for_status()


def to_provider(client: Client, **more: str) -> str:
    """Begin a sign-in; return the address at the provider."""
    answer = client.get("/login/with/keycloak/", more, headers={"Host": HOST})
    assert answer.status_code == 302, answer
    return str(answer["Location"])


def at_provider(address: str, sub: str) -> str:
    """Sign in at the provider; return the path with which it sends the browser back."""
    answer = httpx2.post(address, data={"sub": sub})
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def come_back(client: Client, path: str) -> Any:
    return client.get(path, headers={"Host": HOST})


def sign_in_as(sub: str, client: Client | None = None, **more: str) -> Any:
    """Sign in through the provider; return the portal's last answer."""
    browser = client or Client()
    return come_back(browser, at_provider(to_provider(browser, **more), sub))
