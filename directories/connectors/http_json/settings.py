"""The settings of an HTTP source: the fields of its form, and their values with those of the preset behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from directories.connectors.base import ConnectorError, ConnectorField, FieldType
from directories.connectors.form_values import number_of, text_of
from directories.connectors.http_json.presets import presets
from directories.connectors.records import department_fields, person_fields
from directories.connectors.shared_fields import AUTHORITY, LIMITS, SECONDS, request_limits

SIGN_IN, PAGES, CHANGES = "Sign-in", "Pages", "Changes"
MEGABYTES = 50
PAGE_SIZE = 100

AS_PRODUCT = "As the product does"
AUTHS = (
    ("", AS_PRODUCT),
    ("none", "None"),
    ("bearer", "Bearer token"),
    ("basic", "User name and password"),
    ("header", "API key in a header"),
    ("oauth2", "OAuth 2 client credentials"),
)
PAGINGS = (
    ("", AS_PRODUCT),
    ("none", "One answer with everybody"),
    ("page", "Numbered pages"),
    ("offset", "Offset: how many to leave out"),
    ("cursor", "Cursor, or the next address, in the answer"),
    ("link", "Link header"),
)
SINCE = (
    ("", AS_PRODUCT),
    ("instant", "2026-01-31T09:30:00Z"),
    ("date", "2026-01-31"),
    ("epoch", "Seconds since 1970"),
)

# What stands for a blank box where no product, or none that says otherwise, is chosen.
USUAL: Mapping[str, str] = {
    "auth": "none",
    "token_path": "access_token",
    "paging": "none",
    "first_page": "1",
    "page_size": str(PAGE_SIZE),
    "since_format": "instant",
    "timeout": str(SECONDS),
    "largest": str(MEGABYTES),
    "id": "id",
    "contract_id": "id",
    "department_id": "id",
    "department_name": "name",
}


def form_fields() -> tuple[ConnectorField, ...]:
    """Return the form."""
    products = (("", "Another service"), *((name, preset.label) for name, preset in presets().items()))
    number, choice = FieldType.INTEGER, FieldType.CHOICE
    harmless: dict[str, Any] = {"harmless": True}
    departments = ConnectorField(
        "departments_url",
        "Address of the departments",
        help_text="Blank: the source has no departments.",
        group="Departments",
    )
    return (
        ConnectorField(
            "product",
            "Product",
            choice,
            choices=products,
            help_text="Fills the blank boxes below with what its documents say.",
        ),
        ConnectorField(
            "url",
            "Address of the people",
            help_text="For example https://hr.example.com/api/people?status=all. What comes in pages is added to it.",
            selects=True,
        ),
        ConnectorField(
            "body",
            "Body",
            FieldType.TEXTAREA,
            help_text="JSON that is posted to the address. Blank: the address is read with GET.",
            selects=True,
        ),
        AUTHORITY,
        ConnectorField("auth", "Sign-in", choice, choices=AUTHS, group=SIGN_IN),
        ConnectorField("user", "User name or client id", group=SIGN_IN),
        ConnectorField("secret", "Password, token, key or client secret", FieldType.SECRET, group=SIGN_IN),
        ConnectorField("header", "Header of the API key", help_text="For example X-Api-Key.", group=SIGN_IN),
        ConnectorField("token_url", "Address of tokens", help_text="For OAuth 2.", group=SIGN_IN),
        ConnectorField("scope", "Scope", help_text="For OAuth 2, where the service asks for one.", group=SIGN_IN),
        ConnectorField(
            "token_path",
            "Token in the answer",
            help_text="A JMESPath, where the service does not call it as OAuth 2 does.",
            group=SIGN_IN,
        ),
        ConnectorField("paging", "Pages", choice, choices=PAGINGS, group=PAGES, **harmless),
        ConnectorField("page_param", "Parameter of the page, offset or cursor", group=PAGES, **harmless),
        ConnectorField(
            "first_page", "Number of the first page", number, group=PAGES, minimum=0, maximum=1_000_000, **harmless
        ),
        ConnectorField("size_param", "Parameter of the page size", group=PAGES, **harmless),
        ConnectorField("page_size", "Page size", number, group=PAGES, minimum=1, maximum=10_000, **harmless),
        ConnectorField(
            "next",
            "Next cursor or address",
            help_text="A JMESPath. The list has ended when it is null or empty.",
            group=PAGES,
            **harmless,
        ),
        ConnectorField(
            "total",
            "Number of all people",
            help_text="A JMESPath, where the answer says it. A list with fewer is taken for incomplete.",
            group=PAGES,
            **harmless,
        ),
        ConnectorField(
            "records",
            "List of people",
            help_text="A JMESPath. Blank: the whole answer is the list.",
            group="People",
            selects=True,
            **harmless,
        ),
        *person_fields(
            where="A JMESPath",
            contracts_help="A JMESPath to the list of a person's contracts.",
            number_help="A JMESPath in a contract. Unique to its person.",
        ),
        ConnectorField(
            "person",
            "Fields of a person",
            help_text="A JMESPath that makes an object with the fields that are mapped. Blank: the record as it is.",
            group="People",
            **harmless,
        ),
        *department_fields(departments, id="", name="", parent="", manager=""),
        ConnectorField(
            "departments_records",
            "List of departments",
            help_text="A JMESPath. Blank: the whole answer is the list.",
            group="Departments",
            **harmless,
        ),
        ConnectorField(
            "since_param",
            "Parameter of the time of the last change",
            help_text="For example updated_since. Blank: the source does not tell what changed.",
            group=CHANGES,
            **harmless,
        ),
        ConnectorField("since_format", "How the time is written", choice, choices=SINCE, group=CHANGES, **harmless),
        *request_limits(MEGABYTES),
        ConnectorField(
            "per_minute",
            "Requests a minute",
            number,
            help_text="Blank: as fast as the service answers. When it asks for a pause, it gets one.",
            group=LIMITS,
            minimum=1,
            maximum=100_000,
            **harmless,
        ),
    )


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The values of the form, or of the preset where a box is blank."""

    url: str
    body: str
    ca: str
    auth: str
    user: str
    secret: str = field(repr=False)
    header: str
    token_url: str
    scope: str
    token_path: str
    paging: str
    page_param: str
    first_page: int
    size_param: str
    page_size: int
    next: str
    total: str
    records: str
    departments_url: str
    departments_records: str
    since_param: str
    since_format: str
    timeout: int
    largest: int
    per_minute: int


def with_preset(values: Mapping[str, Any], name: str) -> str:
    """Return a setting as text; where it is blank, what the chosen product's preset says, or the usual."""
    if typed := text_of(values, name):
        return typed
    preset = presets().get(text_of(values, "product"))
    return (preset.settings.get(name) if preset else None) or USUAL.get(name, "")


def http_settings(values: Mapping[str, Any]) -> HttpSettings:
    """Read the form, which may be blank or text; raise ConnectorError."""
    known: dict[str, Any] = {name: with_preset(values, name) for name in HttpSettings.__dataclass_fields__}
    known["secret"] = str(values.get("secret") or "")
    for name, offered in (("auth", AUTHS), ("paging", PAGINGS), ("since_format", SINCE)):
        if known[name] not in dict(offered):
            raise ConnectorError("Choose one of what is offered.", code="settings")
    for name in ("first_page", "page_size", "timeout", "largest", "per_minute"):
        known[name] = _number(known, name)
    return HttpSettings(**known)


def _number(known: Mapping[str, Any], name: str) -> int:
    """Return a whole number that may be 0; raise ConnectorError."""
    return 0 if known[name] == "0" else number_of(known, name, 0)
