"""What an LDAP directory is opened with: what each kind of server has by default, and the values of the form."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from directories.connectors.base import ConnectorError
from directories.connectors.form_values import number_of, text_of
from directories.connectors.ldap import names
from directories.connectors.shared_fields import UNCHECKED

LDAPS, STARTTLS, NONE = "ldaps", "starttls", "none"
SUBTREE, LEVEL = "subtree", "level"
UAC, LOCKED_TIME, NS_LOCK, NO_STATE = "userAccountControl", "pwdAccountLockedTime", "nsAccountLock", "none"
MOST_PAGE = 1000  # Active Directory's own limit (MaxPageSize)
CONNECT_SECONDS, ANSWER_SECONDS = 10, 60
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*(;[A-Za-z0-9-]+)*")
_ADDRESS = re.compile(r"(?:(?P<scheme>ldaps?)://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/]+)(?::(?P<port>\d{1,5}))?/?", re.I)
UNPROTECTED = (
    "The connection is not encrypted: the portal's password and everybody's data cross the network in the clear."
)


@dataclass(frozen=True, slots=True)
class Preset:
    """What one kind of server has where the admin leaves a box blank."""

    label: str
    user_filter: str
    identifier: str
    id_attribute: str
    rdn_attribute: str
    object_classes: str
    state_attribute: str


def filled(preset: Preset) -> dict[str, str]:
    """Return the default values shown as placeholders of the form."""
    names = ("user_filter", "identifier", "rdn_attribute", "object_classes")
    return {name: getattr(preset, name) for name in names}


ACTIVE_DIRECTORY = Preset(
    "Active Directory",
    # No computers, no trusts between domains, and neither Administrator, Guest nor krbtgt.
    "(&(objectCategory=person)(objectClass=user)(!(isCriticalSystemObject=TRUE))"
    "(!(userAccountControl:1.2.840.113556.1.4.803:=2048)))",
    "sAMAccountName",
    "objectGUID",
    "cn",
    "top person organizationalPerson user",
    UAC,
)
PRESETS: Mapping[str, Preset] = {
    "openldap": Preset(
        "OpenLDAP", "(objectClass=inetOrgPerson)", "uid", "entryUUID", "uid", "inetOrgPerson", LOCKED_TIME
    ),
    "freeipa": Preset(
        label="FreeIPA",
        user_filter="(&(objectClass=posixAccount)(!(uid=admin)))",
        identifier="uid",
        id_attribute="ipaUniqueID",
        rdn_attribute="uid",
        object_classes="inetOrgPerson inetUser ipaObject",
        state_attribute=NS_LOCK,
    ),
    "389ds": Preset(
        "389 Directory Server", "(objectClass=inetOrgPerson)", "uid", "nsUniqueId", "uid", "inetOrgPerson", NS_LOCK
    ),
    "other": Preset("Another server", "(objectClass=person)", "uid", "entryUUID", "uid", "inetOrgPerson", NO_STATE),
}


@dataclass(frozen=True, slots=True)
class Address:
    """One server."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class LdapSettings:
    """The values of the form, with the blanks filled by the preset; time-outs in seconds."""

    servers: tuple[Address, ...]
    encryption: str
    checked: bool
    ca: str = field(repr=False)
    user: str
    password: str = field(repr=False)
    base_dn: str
    user_filter: str
    scope: str
    identifier: str
    id_attribute: str
    container: str
    rdn_attribute: str
    object_classes: tuple[str, ...]
    state_attribute: str
    upn_suffix: str
    create_containers: bool
    move_entries: bool
    leavers_container: str
    delete_subtree: bool
    lockout_disables: bool
    page_size: int
    connect_timeout: int
    statement_timeout: int


def ldap_settings(values: Mapping[str, Any], preset: Preset) -> LdapSettings:
    """Read a form's values, which may be blank or text; raise ConnectorError."""
    _check(values, preset)
    encryption = text_of(values, "encryption") or LDAPS
    base_dn = text_of(values, "base_dn")
    user_filter = text_of(values, "user_filter") or preset.user_filter
    return LdapSettings(
        servers=addresses(text_of(values, "host"), encryption),
        encryption=encryption,
        checked=text_of(values, "check_certificate") != UNCHECKED,
        ca=text_of(values, "ca"),
        user=text_of(values, "user"),
        password=str(values.get("password") or ""),
        base_dn=base_dn,
        user_filter=user_filter if user_filter.startswith("(") else f"({user_filter})",
        scope=text_of(values, "scope") or SUBTREE,
        identifier=text_of(values, "identifier") or preset.identifier,
        id_attribute=text_of(values, "id_attribute") or preset.id_attribute,
        container=text_of(values, "container") or base_dn,
        rdn_attribute=text_of(values, "rdn_attribute") or preset.rdn_attribute,
        object_classes=tuple((text_of(values, "object_classes") or preset.object_classes).replace(",", " ").split()),
        state_attribute=text_of(values, "state_attribute") or preset.state_attribute,
        upn_suffix=text_of(values, "upn_suffix").lstrip("@") or domain_of(base_dn),
        create_containers=bool(values.get("create_containers")),
        move_entries=bool(values.get("move_entries")),
        leavers_container=text_of(values, "leavers_container"),
        delete_subtree=bool(values.get("delete_subtree")),
        lockout_disables=bool(values.get("lockout_disables")),
        page_size=number_of(values, "page_size", MOST_PAGE),
        connect_timeout=number_of(values, "connect_timeout", CONNECT_SECONDS),
        statement_timeout=number_of(values, "statement_timeout", ANSWER_SECONDS),
    )


def _check(values: Mapping[str, Any], preset: Preset) -> None:
    for name in ("identifier", "id_attribute", "rdn_attribute"):
        if not _ATTRIBUTE.fullmatch(text_of(values, name) or getattr(preset, name)):
            words = name.replace("_", " ").capitalize()
            raise ConnectorError(f"{words} must be the name of one attribute, for example uid.", code="settings")
    for name in ("container", "leavers_container"):
        if text_of(values, name) and (problem := names.problem(text_of(values, name))):
            raise ConnectorError(f"{name.replace('_', ' ').capitalize()}: {problem}", code="settings")


def addresses(text: str, encryption: str) -> tuple[Address, ...]:
    """Return the servers of a list with blanks or commas; raise ConnectorError for what is no address."""
    found = []
    for part in text.replace(",", " ").split():
        match = _ADDRESS.fullmatch(part)
        if match is None or int(match["port"] or 1) > 65535:
            message = f"{part[:100]} is not the address of a server. Write for example dc1.example.org or 10.0.0.5:636."
            raise ConnectorError(message, code="settings")
        port = int(match["port"] or (636 if encryption == LDAPS else 389))
        found.append(Address(match["host"].strip("[]"), port))
    return tuple(found)


def domain_of(dn: str) -> str:
    """Return "example.org" for "OU=People,DC=example,DC=org"; "" without DC parts."""
    return ".".join(re.findall(r"(?:^|,)\s*DC\s*=\s*([^,\\]+?)\s*(?=,|$)", dn, re.IGNORECASE))
