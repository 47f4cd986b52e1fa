"""The settings of a SCIM application: the fields of its form, and their values with those of its preset behind them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from directories.connectors.base import ConnectorError, ConnectorField, FieldType
from directories.connectors.form_values import number_of, text_of
from directories.connectors.outgoing import address_problem
from directories.connectors.scim.presets import GENERIC, ScimPreset, all_names, load
from directories.connectors.shared_fields import (
    AUTHORITY,
    CERTIFICATE,
    LIMITS,
    SECONDS,
    UNCHECKED,
    request_limits,
)
from directories.connectors.sign_in import Credentials, header_name, header_value

SIGN_IN, OAUTH, HEADERS, ACCOUNTS = "Sign-in", "Only where it signs in by OAuth 2", "Further headers", "Accounts"
MEGABYTES = 10
AS_PRODUCT = "As the product does"
AUTHS = (
    ("", AS_PRODUCT),
    ("bearer", "Bearer token"),
    ("basic", "User name and password"),
    ("oauth2", "OAuth 2 client credentials, with a secret"),
    ("oauth2_key", "OAuth 2 client credentials, with a private key"),
    ("none", "None"),
)
UPDATES = (
    ("", "As the application says"),
    ("patch", "Send what changed (PATCH)"),
    ("put", "Read it, and send it whole (PUT)"),
)
_HEADER = re.compile(r"\s*([^:\s]+)\s*:\s*(.*?)\s*")
NO_LINE = "Write each header in a line of its own, as in X-Customer: 42."


def form_fields() -> tuple[ConnectorField, ...]:
    """Return the form."""
    choice, number, secret, switch = FieldType.CHOICE, FieldType.INTEGER, FieldType.SECRET, FieldType.BOOLEAN
    return (
        ConnectorField(
            "product",
            "Product",
            choice,
            default=GENERIC,
            choices=tuple((name, load(name).label) for name in all_names()),
            help_text="The portal keeps to what its makers say of it.",
        ),
        ConnectorField("url", "Base URL", required=True, help_text="The address below which /Users and /Groups are."),
        CERTIFICATE,
        AUTHORITY,
        ConnectorField("auth", "Sign-in", choice, choices=AUTHS, group=SIGN_IN),
        ConnectorField("user", "User name or client id", group=SIGN_IN),
        ConnectorField("secret", "Token, password, client secret or private key", secret, group=SIGN_IN),
        ConnectorField("token_url", "Address of tokens", group=OAUTH),
        ConnectorField("scope", "Scope", help_text="Where the application asks for one.", group=OAUTH),
        ConnectorField(
            "key_id", "Name of the private key", help_text="Its kid, where the application asks for it.", group=OAUTH
        ),
        ConnectorField(
            "headers",
            "Further headers",
            FieldType.TEXTAREA,
            help_text="Sent with every request, one a line, as in X-Customer: 42. They are not kept secret.",
            group=HEADERS,
        ),
        ConnectorField(
            "secret_header",
            "Further secret header",
            secret,
            help_text="As in X-Api-Key: the key.",
            group=HEADERS,
        ),
        ConnectorField(
            "by_email",
            "Look accounts up by e-mail too",
            switch,
            help_text="Whoever is there already under another user name is taken over, by the mapped e-mail address.",
            group=ACCOUNTS,
            harmless=True,
        ),
        ConnectorField(
            "passwords",
            "Give passwords",
            switch,
            help_text="Only for an application in which people sign in with a password of its own.",
            group=ACCOUNTS,
            harmless=True,
        ),
        ConnectorField("update", "Changes", choice, choices=UPDATES, group=ACCOUNTS, harmless=True),
        ConnectorField(
            "trusts_modified",
            "Its times of changes can be trusted",
            switch,
            help_text="Then an import can ask for what changed since the last one (meta.lastModified).",
            group=ACCOUNTS,
            harmless=True,
        ),
        *request_limits(MEGABYTES),
        ConnectorField(
            "in_flight",
            "Requests at a time",
            number,
            help_text="For each worker. Blank: as the product does.",
            group=LIMITS,
            minimum=1,
            maximum=32,
            harmless=True,
        ),
    )


@dataclass(frozen=True, slots=True)
class ScimSettings:
    """The values of the form, with the preset's where a box is blank. ``largest`` is in bytes, ``timeout`` in seconds.

    ``update`` is patch, put, or "" for what the application says of itself.
    """

    preset: ScimPreset
    url: str
    ca: str
    checked: bool
    credentials: Credentials
    headers: Mapping[str, str] = field(repr=False)
    by_email: bool
    passwords: bool
    update: str
    trusts_modified: bool
    timeout: int
    largest: int
    in_flight: int
    no_duplicate: tuple[re.Pattern[str], ...]


def preset_of(values: Mapping[str, Any]) -> ScimPreset:
    """Return what is known of the chosen product; one that is not known (any more) is any other."""
    name = text_of(values, "product")
    return load(name if name in all_names() else GENERIC)


def scim_settings(values: Mapping[str, Any]) -> ScimSettings:
    """Read a form's values, which may be blank or text; raise ConnectorError."""
    preset = preset_of(values)
    update = text_of(values, "update")
    if update not in dict(UPDATES):
        raise ConnectorError("Choose one of what is offered.", code="settings")
    return ScimSettings(
        preset=preset,
        url=text_of(values, "url").rstrip("/"),
        ca=text_of(values, "ca"),
        checked=text_of(values, "check_certificate") != UNCHECKED,
        credentials=_credentials(values, preset),
        headers={**preset.headers, **_headers(text_of(values, "headers"), text_of(values, "secret_header"))},
        by_email=bool(values.get("by_email")),
        passwords=bool(values.get("passwords")),
        update=update,
        trusts_modified=bool(values.get("trusts_modified")),
        timeout=number_of(values, "timeout", SECONDS),
        largest=number_of(values, "largest", MEGABYTES) * 1024 * 1024,
        in_flight=number_of(values, "in_flight", preset.in_flight),
        no_duplicate=tuple(re.compile(pattern, re.IGNORECASE) for pattern in preset.user.conflict_is_not_duplicate),
    )


def url_problem(url: str) -> str:
    """Return what is wrong with the base URL, "" for nothing."""
    if problem := address_problem(url):
        return problem
    return "The base URL ends before the question mark. Take the rest out." if "?" in url or "#" in url else ""


def _credentials(values: Mapping[str, Any], preset: ScimPreset) -> Credentials:
    auth = text_of(values, "auth") or preset.auth.ways[0]
    if auth not in dict(AUTHS):
        raise ConnectorError("Choose one of what is offered.", code="settings")
    return Credentials(
        auth=auth,
        user=text_of(values, "user"),
        secret=str(values.get("secret") or "").strip(),
        token_url=text_of(values, "token_url") or preset.auth.token_url,
        scope=text_of(values, "scope") or preset.auth.scope,
        key_id=text_of(values, "key_id"),
    )


def _headers(plain: str, secret: str) -> dict[str, str]:
    found = {}
    for line in [*plain.splitlines(), secret]:
        if not line.strip():
            continue
        match = _HEADER.fullmatch(line)
        if match is None:
            raise ConnectorError(NO_LINE, code="settings")
        found[header_name(match[1])] = header_value(match[2])
    return found
