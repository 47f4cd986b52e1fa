"""The form of an LDAP directory."""

from typing import Any

from directories.connectors.base import ConnectorField, FieldType
from directories.connectors.ldap.groups.creation import new_group_fields
from directories.connectors.ldap.groups.settings import AD_GROUPS, group_fields
from directories.connectors.ldap.settings import (
    ACTIVE_DIRECTORY,
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    LDAPS,
    LEVEL,
    LOCKED_TIME,
    MOST_PAGE,
    NO_STATE,
    NONE,
    NS_LOCK,
    PRESETS,
    STARTTLS,
    SUBTREE,
    Preset,
)
from directories.connectors.shared_fields import CERTIFICATE

TEXT, CHOICE, SWITCH, NUMBER = FieldType.TEXT, FieldType.CHOICE, FieldType.BOOLEAN, FieldType.INTEGER
ENCRYPTIONS = (
    (LDAPS, "LDAPS: encrypted from the first byte (port 636)"),
    (STARTTLS, "StartTLS: encrypted before the login (port 389)"),
    (NONE, "None: passwords and users' data cross the network in the clear"),
)
SCOPES = ((SUBTREE, "The base and everything below it"), (LEVEL, "Only the entries directly below the base"))
AS_PRESET = ("", "As this kind of server has it")
IDS = (AS_PRESET, *((name, name) for name in ("entryUUID", "nsUniqueId", "ipaUniqueID", "objectGUID")))
STATES = (
    AS_PRESET,
    (LOCKED_TIME, "pwdAccountLockedTime (password policy of OpenLDAP)"),
    (NS_LOCK, "nsAccountLock (389 Directory Server, FreeIPA)"),
    (NO_STATE, "None: accounts cannot be disabled"),
)


def _safe(name: str, label: str, type: FieldType, group: str, help_text: str = "", **more: Any) -> ConnectorField:
    """Return a field that says nothing of the server to which the password goes."""
    return ConnectorField(name, label, type, help_text=help_text, group=group, harmless=True, **more)


def _connection(login: str) -> tuple[ConnectorField, ...]:
    return (
        ConnectorField(
            "host",
            "Servers",
            TEXT,
            required=True,
            help_text="Tried in order, for example: dc1.example.org dc2.example.org:636",
        ),
        ConnectorField("encryption", "Encryption", CHOICE, False, LDAPS, "", ENCRYPTIONS),
        CERTIFICATE,
        ConnectorField(
            "ca",
            "Certificate authority (PEM)",
            FieldType.TEXTAREA,
            help_text="Only when the server's certificate is not signed by an authority that this machine knows.",
        ),
        ConnectorField("user", "Login", TEXT, True, None, f"For example {login}"),
        ConnectorField("password", "Password", FieldType.SECRET, True),
    )


def _users(preset: Preset | None) -> tuple[ConnectorField, ...]:
    base = "OU=People,DC=example,DC=org" if preset else "ou=people,dc=example,dc=org"
    blank = "Left blank: {}." if preset else "Left blank: as this kind of server has it."
    identifier = blank.format(preset.identifier if preset else "")
    return (
        _safe(
            "base_dn",
            "Base DN",
            TEXT,
            "Users",
            help_text=f"Where the users are, for example {base}",
            required=True,
            suggested=True,
            selects=True,
        ),
        _safe(
            "user_filter",
            "User filter",
            TEXT,
            "Users",
            blank.format(preset.user_filter if preset else ""),
            selects=True,
        ),
        _safe("scope", "Scope", CHOICE, "Users", default=SUBTREE, choices=SCOPES, selects=True),
        _safe(
            "identifier",
            "Unique identifier",
            TEXT,
            "Users",
            selects=True,
            help_text="The attribute that holds the user name: sAMAccountName, userPrincipalName, uid, mail, cn … "
            f"{identifier}",
        ),
    )


def _new_accounts(preset: Preset | None) -> tuple[ConnectorField, ...]:
    group = "New accounts"
    blank = "Left blank: {}." if preset else "Left blank: as this kind of server has it."
    return (
        _safe(
            "container",
            "Container",
            TEXT,
            group,
            help_text=(
                "For example OU={{ department }},OU=People,DC=example,DC=org; a part without a value is left out. "
                "Left blank: the base DN."
            ),
        ),
        _safe(
            "rdn_attribute",
            "Naming attribute",
            TEXT,
            group,
            help_text="The first part of an entry's name. " + blank.format(preset.rdn_attribute if preset else ""),
        ),
        _safe("object_classes", "Object classes", TEXT, group, blank.format(preset.object_classes if preset else "")),
        _safe(
            "create_containers",
            "Add missing containers",
            SWITCH,
            group,
            help_text="Add the organisational units that the container names and that are not there yet.",
        ),
        _safe(
            "move_entries",
            "Move accounts",
            SWITCH,
            group,
            help_text="An account that is updated moves to the container above when it is elsewhere.",
        ),
    )


LEAVERS = (
    _safe(
        "leavers_container",
        "Leavers' container",
        TEXT,
        "Leavers",
        help_text="A disabled account moves here, and back when it is enabled. Left blank: it stays where it is.",
    ),
    _safe(
        "delete_subtree",
        "Delete what is below",
        SWITCH,
        "Leavers",
        help_text="An account may have entries of its own below it, such as devices. "
        "Off: such an account is not deleted.",
    ),
    _safe(
        "lockout_disables",
        "Locked out is inactive",
        SWITCH,
        "Leavers",
        help_text="Import an account that is locked after wrong passwords as inactive.",
    ),
)
LIMITS = (
    _safe(
        "page_size",
        "Page size",
        NUMBER,
        "Limits",
        help_text="Active Directory gives at most 1000.",
        default=MOST_PAGE,
        minimum=1,
        maximum=10_000,
    ),
    _safe(
        "connect_timeout",
        "Connect time-out (seconds)",
        NUMBER,
        "Limits",
        default=CONNECT_SECONDS,
        minimum=1,
        maximum=300,
    ),
    _safe(
        "statement_timeout",
        "Answer time-out (seconds)",
        NUMBER,
        "Limits",
        help_text="For one answer, such as one page.",
        default=ANSWER_SECONDS,
        minimum=1,
        maximum=3600,
    ),
)
LDAP_FIELDS = (
    *_connection("cn=portal,dc=example,dc=org"),
    _safe(
        "preset",
        "Kind of server",
        CHOICE,
        "Users",
        help_text="Fills the boxes that are left blank.",
        default="openldap",
        choices=tuple((name, preset.label) for name, preset in PRESETS.items()),
    ),
    *_users(None),
    _safe("id_attribute", "Lasting id", CHOICE, "Users", "It stays when an entry is renamed or moved.", choices=IDS),
    *_new_accounts(None),
    _safe("state_attribute", "Disabling", CHOICE, "Leavers", choices=STATES),
    *LEAVERS,
    *group_fields(None),
    *new_group_fields(classes=True),
    *LIMITS,
)
AD_FIELDS = (
    *_connection("portal@example.org"),
    *_users(ACTIVE_DIRECTORY),
    *_new_accounts(ACTIVE_DIRECTORY),
    _safe(
        "upn_suffix",
        "User principal name suffix",
        TEXT,
        "New accounts",
        help_text="The part after the @. Left blank: the domain of the base DN.",
    ),
    *LEAVERS,
    *group_fields(AD_GROUPS),
    *new_group_fields(classes=False),
    *LIMITS,
)
