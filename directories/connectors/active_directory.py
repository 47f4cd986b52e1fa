"""What Active Directory adds to LDAP: its account flags, its passwords, its names and its lasting ids.

Sources: [MS-ADTS] for attributes and controls, and the tests' Samba domain controller for what a server makes of them.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import ldap3
from ldap3.utils.conv import escape_filter_chars

from directories.attributes import Value
from directories.connectors import _ldap_names as names
from directories.connectors import _ldap_values as values
from directories.connectors._ldap_errors import NoBase, refused_password
from directories.connectors._ldap_fields import AD_FIELDS
from directories.connectors._ldap_session import Control, Raw
from directories.connectors._ldap_settings import ACTIVE_DIRECTORY, UAC, Preset, filled
from directories.connectors.base import Capability, Conflict, ConnectorError, Entry
from directories.connectors.ldap import Ldap

ACCOUNTDISABLE, LOCKOUT, NORMAL_ACCOUNT = 0x2, 0x10, 0x200
FLAGS_NOW = "msDS-User-Account-Control-Computed"  # [MS-ADTS] 3.1.1.4.5.17
SAM, UPN = "sAMAccountName", "userPrincipalName"
# LDAP_SERVER_DOMAIN_SCOPE_OID: no references to the forest's other partitions, which every search from the root has.
DOMAIN_SCOPE: Control = ("1.2.840.113556.1.4.1339", False, None)


class ActiveDirectory(Ldap):
    """An Active Directory domain (Microsoft's or Samba's)."""

    kind: ClassVar[str] = "active_directory"
    label: ClassVar[str] = "Active Directory"
    fields = AD_FIELDS
    fills_by = ""
    fills = {"": filled(ACTIVE_DIRECTORY)}
    controls = (DOMAIN_SCOPE,)
    counts_changes = True
    needed = {}

    def preset(self) -> Preset:
        """There is one kind of server."""
        return ACTIVE_DIRECTORY

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Passwords only over an encrypted connection: the server refuses them otherwise."""
        found = super().capabilities
        return found if self.session.protected else found - {Capability.SET_PASSWORD}

    def state_attributes(self) -> tuple[str, ...]:
        """Flags, the day on which the account expires, whether it is locked when that counts; and both login names."""
        locked = ("lockoutTime", FLAGS_NOW) if self.settings.lockout_disables else ()
        return (UAC, "accountExpires", *locked, SAM, UPN)

    def enabled(self, raw: Raw) -> bool | None:
        """Return whether the account may be used: not disabled, not expired and, if that is wanted, not locked."""
        flags = raw.text(UAC)
        if not flags:
            return None  # the portal's login may not see it
        if int(flags) & ACCOUNTDISABLE:
            return False
        expires = values.from_filetime(raw.text("accountExpires"))
        if expires is not None and expires <= values.now():  # type: ignore[operator]
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
        return f"(|{found}({UPN}={escape_filter_chars(self._principal(entry))}))"

    def _named(self, raw: Raw, entry: Entry) -> bool:
        if super()._named(raw, entry):
            return True
        return raw.text(UPN).casefold() == self._principal(entry).casefold()

    def new_attributes(self, entry: Entry) -> dict[str, tuple[str, list[bytes]]]:
        """Add the two login names: the old one made to fit, the new one whole."""
        found = super().new_attributes(entry)
        asked = next(iter(found.get(SAM.lower(), (SAM, []))[1]), entry.key.encode()).decode()
        found[SAM.lower()] = (SAM, [self._account_name(asked).encode()])
        if not found.get(UPN.lower(), (UPN, []))[1]:
            found[UPN.lower()] = (UPN, [self._principal(entry).encode()])
        found[UAC.lower()] = (UAC, [str(NORMAL_ACCOUNT | ACCOUNTDISABLE).encode()])
        return found

    def _principal(self, entry: Entry) -> str:
        return entry.key if "@" in entry.key else f"{entry.key}@{self.settings.upn_suffix}"

    def _account_name(self, asked: str) -> str:
        """Return the name as it is when it fits; else one that fits and that nobody in the domain has."""
        taken: list[str] = []
        while True:
            name = names.made_to_fit(asked, taken)
            found = self.session.search(
                f"({SAM}={escape_filter_chars(name)})",
                (SAM,),
                base=self.tree.top,
                scope=ldap3.SUBTREE,
            )
            if not found.entries:
                return name
            if name == asked and self.settings.identifier.lower() == SAM.lower():
                raise Conflict(f"Another account of the domain already has the same {SAM}.")
            taken.append(name)

    def finish(self, dn: str, password: str | None) -> None:
        """The order that the server demands: the entry, disabled; its password; then it is enabled."""
        if password:
            self.write_password(dn, password)
            self._write_flags(dn, str(NORMAL_ACCOUNT))

    def wanted_values(self, entry: Entry, raw: Raw) -> Mapping[str, Value]:
        """Keep the sAMAccountName that was once made to fit the wanted one."""
        fitted = raw.text(SAM).casefold()
        return {
            name: value
            for name, value in entry.attributes.items()
            if name.lower() != SAM.lower() or not _fits(fitted, str(value or ""))
        }

    def write_state(self, raw: Raw, *, enabled: bool) -> None:
        """Change one bit of the flags and leave the others as they are."""
        if not raw.text(UAC):
            raise ConnectorError(
                "The portal's login cannot see the account's flags. Give it the right.", code="no_right"
            )
        flags = int(raw.text(UAC))
        wanted = flags & ~ACCOUNTDISABLE if enabled else flags | ACCOUNTDISABLE
        if wanted != flags:
            self._write_flags(raw.dn, str(wanted))

    def _write_flags(self, dn: str, flags: str) -> None:
        self.session.run(
            lambda connection: connection.modify(dn, {UAC: [(ldap3.MODIFY_REPLACE, [flags.encode()])]}),
            fails=refused_password,
        )

    def write_password(self, dn: str, password: str) -> None:
        """Set unicodePwd ([MS-ADTS] 3.1.1.3.1.5.1), which crosses the network only encrypted."""
        if not self.session.protected:
            message = "Active Directory takes passwords only over an encrypted connection. Choose LDAPS or StartTLS."
            raise ConnectorError(message, code="protection")
        data = f'"{password}"'.encode("utf-16-le")
        self.session.run(
            lambda connection: connection.modify(dn, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [data])]}),
            fails=refused_password,
        )


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
