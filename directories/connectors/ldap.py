"""LDAP directories: OpenLDAP, 389 Directory Server, FreeIPA and others, through ldap3.

An account's lasting remote id is what the server itself gives an entry (entryUUID and its like); its DN is only data,
so a renamed or moved entry is the same account. Every value that reaches a filter or a DN is escaped on its way.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import ldap3
from ldap3.utils.conv import escape_bytes, escape_filter_chars

from directories.attributes import Value
from directories.connectors import _ldap_names as names
from directories.connectors import _ldap_values as values
from directories.connectors._ldap_diagnosis import diagnose
from directories.connectors._ldap_errors import refused_password
from directories.connectors._ldap_fields import LDAP_FIELDS
from directories.connectors._ldap_session import Control, Raw, Session
from directories.connectors._ldap_settings import LOCKED_TIME, NO_STATE, NS_LOCK, PRESETS, Preset, ldap_settings
from directories.connectors._ldap_tree import Tree
from directories.connectors.base import (
    Capability,
    Conflict,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    ConnectorError,
    ConnectorField,
    Entry,
    NotFound,
    Page,
    RemoteAccount,
)

LOCKED_FOR_GOOD = b"000001010000Z"  # draft-behera-ldap-password-policy-10, section 5.3.3
ALLOWED = {Capability.DISABLE, Capability.ENABLE}


class Ldap(Connector):
    """An LDAP server. What Active Directory does otherwise is in ``active_directory``."""

    kind: ClassVar[str] = "ldap"
    label: ClassVar[str] = "LDAP (OpenLDAP, 389 DS, FreeIPA)"
    fields: ClassVar[tuple[ConnectorField, ...]] = LDAP_FIELDS
    clear_passwords = True
    controls: ClassVar[tuple[Control, ...]] = ()

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.settings = ldap_settings(config.settings, self.preset())
        self.session = Session(self.settings)
        self.tree = Tree(self.session)
        self._looked: tuple[str, Raw | None] | None = None

    def preset(self) -> Preset:
        """Return what stands for blank settings."""
        return PRESETS.get(str(self.config.settings.get("preset") or ""), PRESETS["other"])

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Everything, but disabling only where the server has an attribute for it."""
        return frozenset(Capability) - (ALLOWED if self.settings.state_attribute == NO_STATE else frozenset())

    def test(self) -> ConnectionTest:
        """Try the connection part by part."""
        return diagnose(self.settings, self.controls)

    # --- reading -----------------------------------------------------------------------------------------------------

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the account with the entry's lasting id, or, before it has one, with its unique identifier."""
        raw = self._find(entry)
        if raw is None:
            self._looked = (entry.ref or entry.key, None)
            return None
        account = self.account(raw)
        self._looked = (account.ref, raw)
        return replace(account, key=entry.key) if self._named(raw, entry) else account

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream the entries that the filter finds, on a connection of their own."""
        size = max(1, min(page_size, self.settings.page_size))
        connection = self.session.new()
        cookie = b""
        waiting: list[RemoteAccount] | None = None
        try:
            while waiting is None or cookie:
                found = self.session.search(
                    *(self.settings.user_filter, self.wanted),
                    controls=self.controls,
                    connection=connection,
                    page=size,
                    cookie=cookie,
                )
                cookie = found.cookie
                if waiting is not None and found.entries:
                    yield Page(waiting)
                if found.entries or waiting is None:
                    waiting = [self.account(raw) for raw in found.entries]
        finally:
            self.session.drop(connection)
        yield Page(waiting, last=True)

    def account(self, raw: Raw) -> RemoteAccount:
        """Return what an entry says of its account; one that cannot be used carries its problem."""
        ref = str(values.decode(self.settings.id_attribute, raw.get(self.settings.id_attribute)[:1]) or "")
        key = raw.text(self.settings.identifier).strip()
        attributes: dict[str, Value] = {}
        for name in self.config.attributes:
            try:
                attributes[name] = raw.dn if name.lower() == "dn" else values.decode(name, raw.get(name))
            except UnicodeDecodeError:
                return RemoteAccount(ref, key, problem=f"{name} holds bytes that are not text (UTF-8).")
        problem = ""
        if not ref:
            problem = (
                f"The portal's login cannot see the {self.settings.id_attribute} of this entry. Give it the right."
            )
        elif not key:
            problem = f"The entry has no {self.settings.identifier}, which is its unique identifier here."
        return RemoteAccount(ref, key, attributes, self.enabled(raw), None, problem)

    def enabled(self, raw: Raw) -> bool | None:
        """Return whether the account may be used, None when the server does not say."""
        attribute = self.settings.state_attribute
        held = raw.get(attribute)
        if attribute == NO_STATE:
            return None
        if attribute == NS_LOCK:
            return not (held and held[0].strip().lower() == b"true")
        return not held or (held[0] != LOCKED_FOR_GOOD and not self.settings.lockout_disables)

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """The attributes that are asked for, each once."""
        settings = self.settings
        asked = (settings.id_attribute, settings.identifier, *self.state_attributes(), *self.config.attributes)
        return tuple({name.lower(): name for name in asked if name.lower() not in ("dn", NO_STATE)}.values())

    def state_attributes(self) -> tuple[str, ...]:
        """Return the attributes that tell the account's state."""
        return (self.settings.state_attribute,)

    def _find(self, entry: Entry) -> Raw | None:
        if entry.ref:
            return self.by_ref(entry.ref)
        found = self.session.search(
            f"(&{self.settings.user_filter}{self.name_filter(entry)})", self.wanted, controls=self.controls
        ).entries
        if len(found) > 1:
            message = f"The directory has several entries with this {self.settings.identifier}. Make it unique there."
            raise ConnectorError(message, code="ambiguous")
        return found[0] if found else None

    def by_ref(self, ref: str) -> Raw | None:
        """Return the entry with a lasting id, wherever it is."""
        attribute = self.settings.id_attribute
        escaped = escape_bytes(values.encode(attribute, ref)[0])
        found = self.session.search(
            f"({attribute}={escaped})", self.wanted, base=self.tree.top, scope=ldap3.SUBTREE, controls=self.controls
        )
        return found.entries[0] if found.entries else None

    def name_filter(self, entry: Entry) -> str:
        """Return the filter that finds the account by its unique identifier."""
        return f"({self.settings.identifier}={escape_filter_chars(self.identifier_of(entry))})"

    def identifier_of(self, entry: Entry) -> str:
        """Return the unique identifier that the account has, or is to have."""
        return str(_mapped(entry, self.settings.identifier) or entry.key)

    def _named(self, raw: Raw, entry: Entry) -> bool:
        """Whether the entry is the one that was asked for by name: servers compare more loosely than people."""
        wanted = self.identifier_of(entry).strip().casefold()
        held = (value.decode(errors="replace").strip().casefold() for value in raw.get(self.settings.identifier))
        return bool(entry.ref) or wanted in held

    # --- writing -----------------------------------------------------------------------------------------------------

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Add the entry in its container, give it its password, and return it as the server holds it."""
        looked, self._looked = self._looked, None
        if (looked != (entry.key, None)) and self._find(Entry(entry.key, "", entry.attributes, entry.person)):
            raise Conflict(f"Another entry of the directory already has the same {self.settings.identifier}.")
        wanted = self.new_attributes(entry)
        rdn = self.settings.rdn_attribute
        container = names.from_template(self.settings.container, entry.person)
        first = next(iter(wanted[rdn.lower()][1]), entry.key.encode()).decode()
        dn = f"{rdn}={names.escape(first)},{container}"
        self.tree.add(dn, self.settings.object_classes, dict(wanted.values()), create=self.settings.create_containers)
        try:
            self.finish(dn, password)
        except ConnectorError:
            self.tree.delete(dn)  # half an account is none: the next try makes it whole
            raise
        raw = self.session.read(dn, self.wanted)
        if raw is None or not raw.get(self.settings.id_attribute):
            message = "The account was added, but the portal's login cannot read it. Give it the right to."
            raise ConnectorError(message, code="no_right")
        return self.account(raw)

    def new_attributes(self, entry: Entry) -> dict[str, tuple[str, list[bytes]]]:
        """Return the attributes of a new entry by lower-case name; what its classes need and nobody maps is added."""
        found: dict[str, tuple[str, list[bytes]]] = {}
        for name, value in entry.attributes.items():
            if name.lower() not in values.READ_ONLY:
                found[name.lower()] = (name, values.encode(name, value))
        fallback: dict[str, Value] = {self.settings.identifier: entry.key, "cn": entry.key, "sn": entry.key}
        fallback |= {
            "cn": entry.person.get("display_name") or entry.key,
            "sn": entry.person.get("last_name") or entry.key,
        }
        fallback[self.settings.rdn_attribute] = _mapped(entry, self.settings.rdn_attribute) or entry.key
        for name, value in fallback.items():
            found.setdefault(name.lower(), (name, values.encode(name, value)))
        return found

    def finish(self, dn: str, password: str | None) -> None:
        """Make a new entry usable."""
        if password:
            self.write_password(dn, password)

    def update(self, entry: Entry) -> RemoteAccount:
        """Send what differs; rename the entry when its naming attribute changed, move it when that is wanted."""
        raw = self._must(entry)
        changes: dict[str, list[tuple[str, list[bytes]]]] = {}
        naming, held_name = names.rdn(raw.dn)
        new_name = held_name
        for name, value in self.wanted_values(entry, raw).items():
            if name.lower() == naming.lower():
                new_name = str(value or "") or held_name
            elif name.lower() not in values.READ_ONLY:
                found = values.differences(
                    raw.get(name), values.encode(name, value), whole=isinstance(value, tuple | list)
                )
                changes |= {name: found} if found else {}
        if changes:
            self.session.run(lambda connection: connection.modify(raw.dn, _operations(changes)))
        container = self._container(entry, raw)
        if new_name != held_name or container:
            self.tree.move(raw.dn, f"{naming}={names.escape(new_name)}", container, self.settings.create_containers)
        account = self.account(raw)
        return RemoteAccount(account.ref, account.key, {**account.attributes, **entry.attributes}, account.enabled)

    def wanted_values(self, entry: Entry, raw: Raw) -> Mapping[str, Value]:
        """Return what the entry is to hold."""
        return entry.attributes

    def _container(self, entry: Entry, raw: Raw) -> str:
        """Return where the entry is to be moved, "" when it stays."""
        if not self.settings.move_entries or self.enabled(raw) is False:
            return ""
        container = names.from_template(self.settings.container, entry.person)
        return "" if names.same(container, names.parent(raw.dn)) else container

    def disable(self, entry: Entry) -> None:
        """Mark the account as disabled, and move it to the leavers when they have a container."""
        raw = self._must(entry)
        self.write_state(raw, enabled=False)
        leavers = names.from_template(self.settings.leavers_container, entry.person)
        if leavers and not names.same(leavers, names.parent(raw.dn)):
            self.tree.move(raw.dn, names.split(raw.dn)[0], leavers, self.settings.create_containers)

    def enable(self, entry: Entry) -> None:
        """Let the account be used again, and bring it back from the leavers."""
        raw = self._must(entry)
        leavers = names.from_template(self.settings.leavers_container, entry.person)
        self.write_state(raw, enabled=True)
        if leavers and names.same(leavers, names.parent(raw.dn)):
            container = names.from_template(self.settings.container, entry.person)
            self.tree.move(raw.dn, names.split(raw.dn)[0], container, self.settings.create_containers)

    def write_state(self, raw: Raw, *, enabled: bool) -> None:
        """Write whether the account may be used, when it says otherwise now."""
        attribute = self.settings.state_attribute
        if attribute == NO_STATE:
            raise ConnectorError("This directory has no attribute for disabled accounts. Choose one.", code="settings")
        wanted = [] if enabled else [LOCKED_FOR_GOOD if attribute == LOCKED_TIME else b"TRUE"]
        if found := values.differences(raw.get(attribute), wanted, whole=True):
            self.session.run(lambda connection: connection.modify(raw.dn, _operations({attribute: found})))

    def delete(self, entry: Entry) -> None:
        """Remove the entry, with what is below it when that is wanted."""
        raw = self._known(entry)
        if raw is not None:
            self.tree.delete(raw.dn, below=self.settings.delete_subtree)

    def set_password(self, entry: Entry, password: str) -> None:
        """Set the account's password."""
        self.write_password(self._must(entry).dn, password)

    def write_password(self, dn: str, password: str) -> None:
        """Set a password by the password modify operation (RFC 3062), so that the server's policy applies."""
        self.session.run(
            lambda connection: connection.extend.standard.modify_password(user=dn, new_password=password),
            fails=refused_password,
        )

    def close(self) -> None:
        """Log out."""
        self.session.close()

    def _known(self, entry: Entry) -> Raw | None:
        """Return the entry that was just looked at, or look."""
        looked, self._looked = self._looked, None
        if looked and looked[0] == entry.ref and looked[1] is not None:
            return looked[1]
        return self._find(entry)

    def _must(self, entry: Entry) -> Raw:
        raw = self._known(entry)
        if raw is None:
            raise NotFound("The account is not in the directory.")
        return raw


def _mapped(entry: Entry, name: str) -> Value:
    """Return the value that the mapping gives for an attribute, None for none."""
    return next((value for given, value in entry.attributes.items() if given.lower() == name.lower()), None)


def _operations(changes: Mapping[str, Sequence[tuple[str, list[bytes]]]]) -> dict[str, Any]:
    return {name: list(found) for name, found in changes.items()}
