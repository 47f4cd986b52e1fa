"""Looking into one entry: what an administrator sees who types a user name.

Every attribute is shown as people read it: ids, times and flags in words, anything binary as its size.
"""

import datetime as dt
from collections.abc import Sequence

import ldap3
from ldap3.utils.conv import escape_filter_chars

from directories.connectors.base import ConnectorError, Inspection, ShownAttribute
from directories.connectors.ldap import names, values
from directories.connectors.ldap.decoding import Raw
from directories.connectors.ldap.reading import LdapReader
from directories.connectors.ldap.session import SearchResult
from directories.connectors.ldap.settings import SUBTREE

_ALSO = ("sAMAccountName", "uid", "userPrincipalName", "mail", "cn")
GROUP_ATTRIBUTE = "memberOf"
MOST_VALUES, MOST_CHARACTERS = 100, 500
# What a search for "*" and "+" leaves out although it helps to understand an account: attributes that are computed.
COMPUTED = ("msDS-User-Account-Control-Computed", "msDS-UserPasswordExpiryTimeComputed", "canonicalName")
# Attributes that hold passwords or what is as good, by name and, for those of RFC 4519 and 3112, by number.
_SECRETS = frozenset(
    {"userpassword", "unicodepwd", "dbcspwd", "ntpwdhistory", "lmpwdhistory", "supplementalcredentials", "pwdhistory"}
    | {"krbprincipalkey", "krbextradata", "sambantpassword", "sambalmpassword", "ipanthash", "authpassword"}
    | {"ms-mcs-admpwd", "mslaps-password", "mslaps-encryptedpassword"}
    | {"2.5.4.35", "1.3.6.1.4.1.4203.1.3.4"}
)
# [MS-ADTS] 2.2.16, and for the computed ones 3.1.1.4.5.17.
_UAC = {
    0x0002: "disabled",
    0x0008: "home folder required",
    0x0010: "locked out",
    0x0020: "no password required",
    0x0040: "cannot change its password",
    0x0200: "normal account",
    0x0800: "trust between domains",
    0x1000: "computer",
    0x2000: "domain controller",
    0x10000: "password never expires",
    0x40000: "smart card required",
    0x80000: "trusted for delegation",
    0x100000: "may not be delegated",
    0x400000: "no Kerberos pre-authentication",
    0x800000: "password has expired",
}
_FLAGS = frozenset({"useraccountcontrol", "msds-user-account-control-computed"})
_FILETIMES = values.FILETIMES | {"msds-userpasswordexpirytimecomputed"}
_ZERO = {"accountexpires": "never", "pwdlastset": "the password must be changed at the next login"}
_GROUPS = {"512": "Domain Admins", "513": "Domain Users", "514": "Domain Guests", "515": "Domain Computers"}


class Inspector:
    """Shows entries."""

    def __init__(self, reader: LdapReader, group_attribute: str) -> None:
        self.reader = reader
        self.group_attribute = group_attribute.strip() or GROUP_ATTRIBUTE

    def inspect(self, name: str) -> Inspection | None:
        """Find the entry as an import and a delivery would, or else by any name that people know it by."""
        name = name.strip()
        if not name:
            return None
        settings, notes = self.reader.settings, list[str]()
        typed = escape_filter_chars(name)
        found = self._searched(f"(&{settings.user_filter}({settings.identifier}={typed}))")
        if not found.entries:
            by_name = "".join(f"({each}={typed})" for each in dict.fromkeys((settings.identifier, *_ALSO)))
            found = self._searched(f"(|{by_name})", scope=ldap3.SUBTREE)
            notes = self._left_out(found.entries, name)
        if len(found.entries) > 1:
            where = " and ".join(raw.dn for raw in found.entries[:3])
            message = f"{len(found.entries)} entries have this name: {where}. Type something that only one of them has."
            raise ConnectorError(message, code="ambiguous")
        return self._inspection(found.entries[0], notes) if found.entries else None

    def _searched(self, search_filter: str, scope: str | None = None) -> SearchResult:
        asked = ("*", "+", *COMPUTED, *self.reader.wanted, self.group_attribute)
        return self.reader.session.search(search_filter, tuple(dict.fromkeys(asked)), scope=scope)  # type: ignore[arg-type]

    def _left_out(self, entries: Sequence[Raw], name: str) -> list[str]:
        """Return why an import does not bring the entry by the name that was typed."""
        if len(entries) != 1:
            return []
        settings, raw = self.reader.settings, entries[0]
        within = names.below(raw.dn, settings.base_dn)
        if settings.scope != SUBTREE and not names.same(names.parent(raw.dn), settings.base_dn):
            return ["It is not directly below the base DN, so an import leaves it out (Scope, under Connection)."]
        if not within or not self.reader.look_up([self.reader.account(raw).ref]):
            return ["The user filter does not find it, so an import leaves it out (User filter, under Connection)."]
        return [f"Found by another attribute: its {settings.identifier} is not {name}."]

    def _inspection(self, raw: Raw, notes: Sequence[str]) -> Inspection:
        settings = self.reader.settings
        return Inspection(
            account=self.reader.account(raw),
            place=raw.dn,
            identifier=settings.identifier,
            id_attribute=settings.id_attribute,
            attributes=shown(raw),
            group_attribute=self.group_attribute,
            groups=groups_of(raw, self.group_attribute),
            notes=notes,
        )


def shown(raw: Raw) -> list[ShownAttribute]:
    """Return the entry's attributes by name, those without values left out."""
    found = {name.lower(): name for name in raw.names if raw.get(name)}
    return [_attribute(found[key], raw.get(key)) for key in sorted(found)]


def _attribute(name: str, data: Sequence[bytes]) -> ShownAttribute:
    texts = tuple(_text(name.lower(), value) for value in data[:MOST_VALUES])
    return ShownAttribute(name, texts, max(0, len(data) - MOST_VALUES))


def holds_password(name: str) -> bool:
    """Return whether an attribute holds passwords or their hashes, whatever options its name has (RFC 4512 2.5)."""
    return name.partition(";")[0].strip().casefold() in _SECRETS


def _text(key: str, value: bytes) -> str:
    base = key.partition(";")[0]
    if holds_password(key):
        return "not shown"
    if (base in values.GUIDS and len(value) == 16) or base in values.SIDS:
        return str(values.decode(base, [value]) if base in values.GUIDS else values.sid(value))
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return _size(value)
    if not all(character.isprintable() or character in "\t\r\n" for character in text):
        return _size(value)
    if words := _words(base, text):
        return f"{words} ({text})"
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}… ({len(text):,} characters)"


def _size(value: bytes) -> str:
    return f"binary, {len(value):,} byte{'' if len(value) == 1 else 's'}"


def _words(key: str, text: str) -> str:
    """Return what a value means, "" where it speaks for itself."""
    if key in _FLAGS and text.lstrip("-").isdigit():
        number = int(text) & 0xFFFFFFFF
        return ", ".join(word for bit, word in _UAC.items() if number & bit) or "no flag"
    if key in _FILETIMES:
        found = values.from_filetime(text)
        return _time(found) if isinstance(found, dt.datetime) else _ZERO.get(key, "never")
    if key == "pwdaccountlockedtime" and text == values.LOCKED_FOR_GOOD.decode():
        return "disabled"
    if key in values.TIMES or key in ("pwdaccountlockedtime", "pwdfailuretime", "dscorepropagationdata"):
        found = values.from_generalized(text)
        return _time(found) if isinstance(found, dt.datetime) else ""
    return _GROUPS.get(text, "") if key == "primarygroupid" else ""


def _time(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def groups_of(raw: Raw, attribute: str) -> list[str]:
    """Return the names in the group attribute: of DNs their first part."""
    found = []
    for value in raw.get(attribute)[:MOST_VALUES]:
        text = value.decode(errors="replace")
        found.append(names.rdn(text)[1] if "=" in text else text)
    return found
