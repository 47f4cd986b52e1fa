"""OAuth 2 client credentials (RFC 6749 section 4.4): the token endpoint, and what its tokens open."""

import base64
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from scim.access import tokens
from scim.models import Token, TokenKind
from tests.scim.conftest import Scim, make_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def scim(db: None) -> Scim:
    return make_client(allow_oauth=True)


def ask(scim: Scim, **values: str) -> Any:
    sent = {"grant_type": "client_credentials", "client_id": scim.client.slug, "client_secret": scim.token}
    return Browser().post("/scim/token", sent | values)


def test_an_access_token_opens_the_service(scim: Scim) -> None:
    response = ask(scim)
    answer = response.json()
    assert response.status_code == 200
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", tokens.ACCESS_SECONDS)
    assert "no-store" in response["Cache-Control"]
    assert Scim(scim.client, answer["access_token"]).get("/Users").status == 200
    kept = Token.objects.get(kind=TokenKind.ACCESS)
    assert kept.secret is None
    assert answer["access_token"] not in str(Token.objects.values_list())


def test_the_secret_may_come_in_the_header(scim: Scim) -> None:
    """RFC 6749 section 2.3.1 demands that servers support this way."""
    credentials = base64.b64encode(f"{scim.client.slug}:{scim.token}".encode()).decode()
    response = Browser().post(
        "/scim/token", {"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {credentials}"}
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("values", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type"),
        ({"client_id": "\x00"}, 401, "invalid_client"),
        ({"client_secret": "ü\x00"}, 401, "invalid_client"),
    ],
)
def test_others_get_nothing(scim: Scim, values: dict[str, str], status: int, error: str) -> None:
    response = ask(scim, **values)
    assert response.status_code in {status, 400}
    assert response.json()["error"] == error
    assert not Token.objects.filter(kind=TokenKind.ACCESS).exists()


def test_get_is_not_allowed() -> None:
    assert Browser().get("/scim/token").status_code == 405


def test_an_application_needs_the_right_way_on() -> None:
    scim = make_client(allow_oauth=False)
    assert ask(scim).status_code in {400, 401}


def test_an_access_token_is_no_secret(scim: Scim) -> None:
    access = ask(scim).json()["access_token"]
    assert ask(scim, client_secret=access).status_code in {400, 401}


def test_what_ends_the_secret_ends_its_access(scim: Scim) -> None:
    access = Scim(scim.client, ask(scim).json()["access_token"])
    tokens.revoke(scim.client.tokens.get(kind=TokenKind.BEARER), "grace")
    assert access.get("/Users").status == 401
    assert ask(scim).status_code in {400, 401}


def test_switching_oauth_off_ends_access(scim: Scim) -> None:
    access = Scim(scim.client, ask(scim).json()["access_token"])
    type(scim.client).objects.update(allow_oauth=False)
    assert access.get("/Users").status == 401


def test_access_tokens_end_and_do_not_pile_up(scim: Scim) -> None:
    access = Scim(scim.client, ask(scim).json()["access_token"])
    Token.objects.filter(kind=TokenKind.ACCESS).update(expires_at=timezone.now())
    assert access.get("/Users").status == 401
    ask(scim)
    assert Token.objects.filter(kind=TokenKind.ACCESS).count() == 1
