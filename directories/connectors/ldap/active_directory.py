"""What Active Directory adds to LDAP: its account flags, its passwords, its names and its lasting ids.

Sources: [MS-ADTS] for attributes and controls, and the tests' Samba domain controller for what a server makes of them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import ldap3
from ldap3.utils.conv import escape_filter_chars

from directories.attributes import Value
from directories.connectors.base import Capability, Conflict, ConnectorConfig, ConnectorError, Entry
from directories.connectors.ldap import names, values
from directories.connectors.ldap.connector import KEPT_BY_SERVER, Ldap
from directories.connectors.ldap.decoding import Raw
from directories.connectors.ldap.errors import REFUSED_PASSWORD, NoBase, refused_password
from directories.connectors.ldap.form_fields import AD_FIELDS
from directories.connectors.ldap.reading import LdapReader
from directories.connectors.ldap.session import Control
from directories.connectors.ldap.settings import ACTIVE_DIRECTORY, NONE, UAC, LdapSettings, Preset, filled
from directories.connectors.ldap.writing import LdapWriter

ACCOUNTDISABLE, LOCKOUT, PASSWD_NOTREQD, NORMAL_ACCOUNT = 0x2, 0x10, 0x20, 0x200
PASSWORD_SET = "pwdLastSet"
FLAGS_NOW = "msDS-User-Account-Control-Computed"  # [MS-ADTS] 3.1.1.4.5.17
SAM, UPN, EXPIRES = "sAMAccountName", "userPrincipalName", "accountExpires"
MOST_STEM = 14  # of 20 characters, so that six are left for the number
UNENCRYPTED = (
    "Active Directory takes passwords only over an encrypted connection. Choose LDAPS or StartTLS under Connection."
)
NO_SLASH = (
    "The login name (userPrincipalName) has a “/” after its “@”, and Active Directory takes no password for such a "
    "name. Change the user name, or map userPrincipalName."
)
COUNTRY = "c"
TWO_LETTERS = "c takes a country as two letters, such as DE. Correct the value in the portal, or its mapping."
OF_A_VALUE = ("wrong_type", "constraint")  # codes of refusals that may be about a value's length
NO_PASSWORD = "The account has no password yet, so it is not enabled. Set one."
EXPIRED = "The account has expired (accountExpires), so it cannot be used. Give it a later day in the directory."
# LDAP_SERVER_DOMAIN_SCOPE_OID: no references to the forest's other partitions, which every search from the root has.
DOMAIN_SCOPE: Control = ("1.2.840.113556.1.4.1339", False, None)


class DomainReader(LdapReader):
    """Reads the accounts of a domain."""

    def state_attributes(self) -> tuple[str, ...]:
        """Flags, the day on which the account expires, whether it is locked when that counts; and both login names."""
        locked = ("lockoutTime", FLAGS_NOW) if self.settings.lockout_disables else ()
        return (UAC, EXPIRES, PASSWORD_SET, *locked, SAM, UPN)

    def enabled(self, raw: Raw) -> bool | None:
        """Return whether the account may be used: not disabled, not expired and, if that is wanted, not locked."""
        flags = raw.text(UAC)
        if not flags:
            return None  # the portal's login may not see it
        if int(flags) & ACCOUNTDISABLE:
            return False
        if _expired(raw):
            return False
        return not (self.settings.lockout_disables and _locked(raw))

    def by_ref(self, ref: str, wanted: Sequence[str] = ()) -> Raw | None:
        """Look the GUID up directly: it is found in every container of the domain."""
        guid = values.guid(ref)
        if guid is None:
            return None
        try:
            found = self.session.search(
                "(objectClass=*)", wanted or self.wanted, base=f"<GUID={guid}>", scope=ldap3.BASE
            )
        except NoBase:
            return None
        return found.entries[0] if found.entries else None

    def name_filter(self, entry: Entry) -> str:
        """A name that is no sAMAccountName is found by its principal name, which can be as long as it likes."""
        found = super().name_filter(entry)
        wanted = self.identifier_of(entry)
        if self.settings.identifier.lower() != SAM.lower() or names.made_to_fit(wanted) == wanted:
            return found
        return f"(|{found}({UPN}={escape_filter_chars(principal(entry, self.settings))}))"

    def named(self, raw: Raw, entry: Entry) -> bool:
        """Whether it is the entry's account by either login name."""
        if super().named(raw, entry):
            return True
        return raw.text(UPN).casefold() == principal(entry, self.settings).casefold()


class DomainWriter(LdapWriter):
    """Writes the accounts of a domain."""

    needed = {}

    def new_attributes(self, entry: Entry) -> dict[str, tuple[str, list[bytes]]]:
        """Add the two login names: the old one made to fit, the new one whole."""
        found = super().new_attributes(entry)
        asked = next(iter(found.get(SAM.lower(), (SAM, []))[1]), entry.key.encode()).decode()
        found[SAM.lower()] = (SAM, [self._account_name(asked).encode()])
        if not found.get(UPN.lower(), (UPN, []))[1]:
            found[UPN.lower()] = (UPN, [principal(entry, self.settings).encode()])
        for data in found[UPN.lower()][1][:1]:
            if b"/" in data.rpartition(b"@")[2]:
                raise ConnectorError(NO_SLASH, code="sign")
        # What the server itself gives an entry without a password; it tells that this one was never finished.
        found[UAC.lower()] = (UAC, [str(NORMAL_ACCOUNT | ACCOUNTDISABLE | PASSWD_NOTREQD).encode()])
        return found

    def _account_name(self, asked: str) -> str:
        """Return the name as it is when it fits; else one that fits and that nobody in the domain has."""
        name = names.made_to_fit(asked)
        if not self._account_names(name):
            return name
        if name == asked and self.settings.identifier.lower() == SAM.lower():
            raise Conflict(f"Another account of the domain already has the same {SAM}.")
        # One question for all that begin alike: as many as are taken would be too many where everybody is "contractor".
        return names.made_to_fit(asked, self._account_names(name[:MOST_STEM], more=True))

    def _account_names(self, name: str, *, more: bool = False) -> list[str]:
        """Return those account names of the domain that are ``name``, or with ``more`` begin with it."""
        query, held, cookie = f"({SAM}={escape_filter_chars(name)}{'*' if more else ''})", list[str](), b""
        while True:
            found = self.session.search(
                query, (SAM,), base=self.tree.top, scope=ldap3.SUBTREE, page=self.settings.page_size, cookie=cookie
            )
            held += [raw.text(SAM) for raw in found.entries]
            if not (cookie := found.cookie):
                return held

    def explained(self, error: ConnectorError, wanted: Mapping[str, tuple[str, list[bytes]]]) -> ConnectorError:
        """Name the value that is too long or too short: the server says only that one is not valid."""
        if error.code not in OF_A_VALUE:
            return error
        for name, data in wanted.values():
            if name.lower() == COUNTRY and not all(re.fullmatch(rb"[A-Za-z]{2}", value) for value in data):
                return ConnectorError(TWO_LETTERS, code="wrong_type")
        for name, (least, most) in self._ranges([name for name, _ in wanted.values()]).items():
            for size in (len(value.decode(errors="replace")) for value in wanted[name][1]):
                if most is not None and size > most:
                    message = (
                        f"{wanted[name][0]} is too long: it has {size:,} characters and the directory takes {most:,} "
                        "at most. Shorten it in the portal, or let its mapping cut it."
                    )
                    return ConnectorError(message, code="too_long")
                if size < least:
                    message = f"{wanted[name][0]} is too short: the directory wants {least:,} characters at least."
                    return ConnectorError(message, code="too_short")
        return error

    def _ranges(self, wanted: Sequence[str]) -> dict[str, tuple[int, int | None]]:
        """Return the least and the most characters of attributes, by lower-case name ([MS-ADTS] 3.1.1.2.3)."""
        root = self.session.read("", ("schemaNamingContext",))
        schema = root.text("schemaNamingContext") if root else ""
        asked = "".join(f"(lDAPDisplayName={escape_filter_chars(name)})" for name in wanted)
        if not (schema and asked):
            return {}
        try:
            found = self.session.search(
                f"(|{asked})", ("lDAPDisplayName", "rangeLower", "rangeUpper"), base=schema, scope=ldap3.LEVEL
            )
        except ConnectorError:
            return {}  # the portal's login may not read the schema: the server's own words have to do
        return {
            raw.text("lDAPDisplayName").lower(): (
                int(raw.text("rangeLower") or 0),
                int(raw.text("rangeUpper")) if raw.text("rangeUpper") else None,
            )
            for raw in found.entries
        }

    def finish(self, dn: str, password: str | None, *, usable: bool) -> None:
        """The order that the server demands: the entry, disabled; its password; then it is enabled, or is not yet."""
        if password:
            self.write_password(dn, password)
            self._write_flags(dn, str(NORMAL_ACCOUNT if usable else NORMAL_ACCOUNT | ACCOUNTDISABLE))

    def wanted_values(self, entry: Entry, raw: Raw) -> Mapping[str, Value]:
        """Keep the sAMAccountName that was once made to fit the wanted one; a day that is cleared becomes "never"."""
        fitted = raw.text(SAM).casefold()
        wanted = dict(entry.attributes)
        for name, value in entry.attributes.items():
            if name.lower() == SAM.lower() and _fits(fitted, str(value or "")):
                del wanted[name]
            elif name.lower() == EXPIRES.lower() and value in (None, ""):
                wanted[name] = raw.text(name) if values.from_filetime(raw.text(name)) is None else str(values.NEVER)
        return wanted

    def write_state(self, raw: Raw, *, enabled: bool) -> None:
        """Change one bit of the flags and leave the others as they are; end a lock that made the account inactive."""
        if not raw.text(UAC):
            raise ConnectorError(
                "The portal's login cannot see the account's flags. Give it the right.", code="no_right"
            )
        if enabled and _unfinished(raw):
            raise ConnectorError(NO_PASSWORD, code=REFUSED_PASSWORD)
        flags = int(raw.text(UAC))
        wanted = flags & ~ACCOUNTDISABLE if enabled else flags | ACCOUNTDISABLE
        if wanted != flags:
            self._write_flags(raw.dn, str(wanted))
        if not enabled:
            return
        if self.settings.lockout_disables and _locked(raw):
            unlock = {"lockoutTime": [(ldap3.MODIFY_REPLACE, [b"0"])]}  # [MS-ADTS] 3.1.1.3.1.5.2
            self.session.run(lambda connection: connection.modify(raw.dn, unlock))
        if _expired(raw) and EXPIRES.lower() not in map(str.lower, self.reader.attributes):
            raise ConnectorError(EXPIRED, code="expired")

    def _write_flags(self, dn: str, flags: str) -> None:
        self.session.run(
            lambda connection: connection.modify(dn, {UAC: [(ldap3.MODIFY_REPLACE, [flags.encode()])]}),
            fails=refused_password,
        )

    def set_password(self, entry: Entry, password: str) -> None:
        """Set the password; an account that had none is no longer one that may do without."""
        raw = self.must(entry)
        self.write_password(raw.dn, password)
        if _unfinished(raw):
            self._write_flags(raw.dn, str(int(raw.text(UAC)) & ~PASSWD_NOTREQD))

    def write_password(self, dn: str, password: str) -> None:
        """Set unicodePwd ([MS-ADTS] 3.1.1.3.1.5.1), which crosses the network only encrypted."""
        if not self.session.protected:
            raise ConnectorError(UNENCRYPTED, code="protection")
        data = f'"{password}"'.encode("utf-16-le")
        self.session.run(
            lambda connection: connection.modify(dn, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [data])]}),
            fails=refused_password,
        )


# systemOnly, constructed, or kept by the domain controllers ([MS-ADA1] to [MS-ADA3]).
_KEPT_BY_DOMAIN = """
objectguid objectsid objectcategory distinguishedname canonicalname whencreated whenchanged usncreated
usnchanged lastlogon lastlogontimestamp logoncount badpwdcount badpasswordtime samaccounttype tokengroups msds-
user-account-control-computed msds-userpasswordexpirytimecomputed
"""
KEPT_BY_DOMAIN = frozenset(_KEPT_BY_DOMAIN.split())


class ActiveDirectory(Ldap):
    """An Active Directory domain (Microsoft's or Samba's)."""

    kind: ClassVar[str] = "active_directory"
    label: ClassVar[str] = "Active Directory"
    fields = AD_FIELDS
    fills_by = ""
    fills = {"": filled(ACTIVE_DIRECTORY)}
    reader_class = DomainReader
    writer_class = DomainWriter
    controls = (DOMAIN_SCOPE,)
    deletion_is_final = "only the recycle bin of Active Directory, where it is switched on, gives the account back."
    counts_changes = True
    kept_by_server = KEPT_BY_SERVER | KEPT_BY_DOMAIN

    @classmethod
    def preset(cls, settings: Mapping[str, Any]) -> Preset:
        """There is one kind of server."""
        return ACTIVE_DIRECTORY

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """Passwords only over an encrypted connection: the server refuses them otherwise."""
        if capability is Capability.SET_PASSWORD and config.settings.get("encryption") == NONE:
            return UNENCRYPTED
        return super().lacking(capability, config)


def principal(entry: Entry, settings: LdapSettings) -> str:
    """Return the user principal name of an account whose mapping gives none."""
    return entry.key if "@" in entry.key else f"{entry.key}@{settings.upn_suffix}"


def _unfinished(raw: Raw) -> bool:
    """Whether the entry was added and never got a password: the portal, say, was killed in between."""
    flags = int(raw.text(UAC) or 0)
    return bool(flags & ACCOUNTDISABLE and flags & PASSWD_NOTREQD) and raw.text(PASSWORD_SET) == "0"


def _expired(raw: Raw) -> bool:
    expires = values.from_filetime(raw.text(EXPIRES))
    return expires is not None and expires <= values.now()  # type: ignore[operator]


def _locked(raw: Raw) -> bool:
    """Whether the account is locked now: lockoutTime stays when the lock has run out, the computed flag does not."""
    flags = raw.text(FLAGS_NOW)
    return bool(int(flags) & LOCKOUT) if flags else values.from_filetime(raw.text("lockoutTime")) is not None


def _fits(held: str, wanted: str) -> bool:
    """Whether a held account name is what became of the wanted one when it was made to fit."""
    fitted = names.made_to_fit(wanted).casefold()
    if held == fitted:
        return True
    stem = held.rstrip("0123456789")
    return fitted != wanted.casefold() and stem != held and fitted.startswith(stem) and len(held) >= len(fitted) - 1
