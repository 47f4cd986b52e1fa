"""Who may come in, and what strangers get (RFC 7644 section 2, RFC 6750, RFC 7617)."""

import base64
import datetime as dt
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.utils import timezone

from scim import authentication
from scim.models import Client, Token, TokenKind
from tests.scim.conftest import Scim


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer " + "x" * 100_000,
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Digest x",
        "Bearer \udcff",
        "Bearer a b c",
    ],
)
def test_strangers_get_401_with_a_scim_body(scim: Scim, header: str) -> None:
    answer = scim.get("/Users", Authorization=header.encode("utf-8", "replace").decode("latin-1"))
    assert answer.status == 401
    assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert answer.json["status"] == "401"
    assert answer.json["detail"]
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert "realm=" in answer.headers["WWW-Authenticate"]


def test_the_token_is_kept_as_a_keyed_hash_and_encrypted(scim: Scim) -> None:
    from django.db import connection

    token = Token.objects.get()
    assert token.secret == scim.token
    assert token.digest == authentication.digest(scim.token)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM scim_token")
        assert scim.token not in str(cursor.fetchall())


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - dt.timedelta(seconds=1)},
    ],
)
def test_old_tokens_open_nothing(scim: Scim, change: dict[str, Any]) -> None:
    Token.objects.update(**change)
    assert scim.get("/Users").status == 401


def test_a_client_that_is_switched_off(scim: Scim) -> None:
    Client.objects.update(enabled=False)
    assert scim.get("/Users").status == 401


def test_modes_are_switched_one_by_one(scim: Scim) -> None:
    header = basic("okta", scim.token)
    assert scim.get("/Users", Authorization=header).status == 401
    Client.objects.update(allow_basic=True, allow_bearer=False)
    assert scim.get("/Users", Authorization=header).status == 200
    assert scim.get("/Users", Authorization=basic("other", scim.token)).status == 401
    refused = scim.get("/Users")
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert scim.get("/Users", Authorization=basic("okta", "x")).headers["WWW-Authenticate"].startswith("Basic")


def test_access_tokens_are_for_oauth(scim: Scim) -> None:
    until = timezone.now() + dt.timedelta(hours=1)
    digest = authentication.digest("an access token")
    Token.objects.create(client=scim.client, kind=TokenKind.ACCESS, digest=digest, expires_at=until)
    assert scim.get("/Users", Authorization="Bearer an access token").status == 401
    Client.objects.update(allow_oauth=True)
    assert scim.get("/Users", Authorization="bearer an access token").status == 200


def test_several_tokens_and_their_last_use(scim: Scim, django_assert_num_queries: Any) -> None:
    second, secret = authentication.issue(scim.client, "second")
    assert scim.get("/Users", Authorization=f"Bearer {secret}").status == 200
    assert scim.get("/Users").status == 200
    used = Token.objects.get(pk=second.pk).last_used_at
    assert used is not None
    scim.get("/Users", Authorization=f"Bearer {secret}")
    assert Token.objects.get(pk=second.pk).last_used_at == used  # not a write for each request


def test_the_own_address_of_a_client(scim: Scim, new_client: Any) -> None:
    entra = new_client("Entra")
    own = Scim(scim.client, scim.token, "/scim/okta/v2")
    created = own.add("anna")
    assert created["meta"]["location"] == f"http://testserver/scim/okta/v2/Users/{created['id']}"
    assert own.get("/ServiceProviderConfig").json["meta"]["location"].startswith("http://testserver/scim/okta/v2/")
    assert Scim(entra.client, entra.token, "/scim/okta/v2").get("/Users").status == 401
    assert Scim(entra.client, entra.token, "/scim/nobody/v2").get("/Users").status == 401


def test_a_client_whose_name_begins_like_the_version(new_client: Any) -> None:
    made = new_client("v2 app")
    own = Scim(made.client, made.token, "/scim/v2-app/v2")
    assert own.add("anna")["meta"]["location"].startswith("http://testserver/scim/v2-app/v2/Users/")


def test_trailing_slashes_and_empty_parameters(scim: Scim) -> None:
    """OneLogin sends a trailing ``&`` and ``?``."""
    created = scim.add("anna")
    for path in ("/Users/", "/Users?", "/Users?startIndex=1&", f"/Users/{created['id']}/", "/ServiceProviderConfig/"):
        assert scim.get(path).status == 200, path


def test_methods(scim: Scim) -> None:
    created = scim.add("anna")
    for method, path, allowed in (
        ("PUT", "/Users", "GET, HEAD, POST, OPTIONS"),
        ("PATCH", "/Users", "GET, HEAD, POST, OPTIONS"),
        ("DELETE", "/Users", "GET, HEAD, POST, OPTIONS"),
        ("POST", f"/Users/{created['id']}", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("TRACE", "/Users", "GET, HEAD, POST, OPTIONS"),
        ("BREW", "/Users", "GET, HEAD, POST, OPTIONS"),
    ):
        answer = scim(method, path, {})
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
        assert answer.json["status"] == "405"
    options = scim("OPTIONS", "/Users")
    assert (options.status, options.headers["Allow"]) == (204, "GET, HEAD, POST, OPTIONS")
    head = scim("HEAD", f"/Users/{created['id']}")
    got = scim.get(f"/Users/{created['id']}")
    assert (head.status, head.content) == (200, b"")
    assert head.headers["ETag"] == got.headers["ETag"]
    assert head.headers["Content-Length"] == str(len(got.content))


def test_tokens_survive_a_rotation_of_the_keys_and_another_secret_key(scim: Scim, settings: Any) -> None:
    old, new = settings.ENCRYPTION_KEYS, Fernet.generate_key().decode()
    settings.SECRET_KEY = "another"
    settings.ENCRYPTION_KEYS = [new, *old]
    assert scim.get("/Users").status == 200
    call_command("reencrypt", check=False)
    settings.ENCRYPTION_KEYS = [new]
    assert scim.get("/Users").status == 200
    settings.ENCRYPTION_KEYS = old
    assert scim.get("/Users").status == 401
