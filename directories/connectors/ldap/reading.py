"""Reading an LDAP directory: finding one account, streaming all of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from threading import Event
from typing import Any, ClassVar

import ldap3
from ldap3.utils.conv import escape_bytes, escape_filter_chars

from directories.attributes import Value
from directories.connectors.base import (
    Capability,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    ConnectorError,
    Cursor,
    Entry,
    GroupPage,
    MemberPage,
    Page,
    RemoteAccount,
    RemoteGroup,
)
from directories.connectors.ldap import dn, values
from directories.connectors.ldap.changes import Changes
from directories.connectors.ldap.diagnosis import diagnose
from directories.connectors.ldap.groups.reading import GroupReader
from directories.connectors.ldap.groups.settings import group_settings, preset_of
from directories.connectors.ldap.listening import listen
from directories.connectors.ldap.manager_references import MANAGER, References
from directories.connectors.ldap.referrals import demand_absent, demand_all
from directories.connectors.ldap.session import Control, Raw, Session
from directories.connectors.ldap.settings import NO_STATE, NONE, NS_LOCK, PRESETS, UNCHECKED, Preset, ldap_settings
from directories.connectors.ldap.tree import Tree

UNPROTECTED = (
    "The connection is not encrypted: the portal's password and everybody's data cross the network in the clear."
)
UNCHECKED_WORDS = (
    "The server's certificate is not checked: whoever is in between can read and change everything, and learns the "
    "portal's password. Paste the certificate of its authority, and choose Checked."
)
LOOKED_UP = 200  # ids in one filter
_STATE = {Capability.DISABLE, Capability.ENABLE}
NO_STATE_WORDS = "The directory has no attribute for disabled accounts. Choose one under Connection (Disabling)."


class Reading(Connector):
    """An LDAP server that is read."""

    clear_passwords = True
    key_source = "the unique identifier that is set under Connection"
    folded = frozenset({"New accounts", "Leavers", "Groups", "Limits"})
    nested_groups = True
    counts_changes: ClassVar[bool] = False  # as Active Directory does
    controls: ClassVar[tuple[Control, ...]] = ()

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.settings = ldap_settings(config.settings, self.preset(config.settings))
        self.session = Session(self.settings, controls=self.controls)
        self.tree = Tree(self.session)
        self.references = References(self.session, lambda name: self.name_filter(Entry(name)))

    @classmethod
    def preset(cls, settings: Mapping[str, Any]) -> Preset:
        """Return what stands for blank settings."""
        return PRESETS.get(str(settings.get("preset") or ""), PRESETS["other"])

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """Accounts are disabled only where the server has an attribute for it."""
        if capability in _STATE:
            chosen = config.settings.get("state_attribute") or cls.preset(config.settings).state_attribute
            if chosen == NO_STATE:
                return NO_STATE_WORDS
        return super().lacking(capability, config)

    @property
    def patience(self) -> float:
        """The limits of connecting and of one answer, in seconds."""
        return float(self.settings.connect_timeout + self.settings.statement_timeout)

    @classmethod
    def cautions(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """Switching encryption or checks off is loud."""
        if settings.get("encryption") == NONE:
            return [UNPROTECTED]
        return [UNCHECKED_WORDS] if settings.get("check_certificate") == UNCHECKED else []

    def test(self) -> ConnectionTest:
        """Try the connection part by part."""
        return diagnose(self.settings, self.controls)

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the account with the entry's lasting id, or, before it has one, with its unique identifier."""
        raw = self._find(entry)
        if raw is None:
            return None
        account = self.found(raw)
        return replace(account, key=entry.key) if self._named(raw, entry) else account

    def found(self, raw: Raw) -> RemoteAccount:
        """Return the account of an entry, with the entry itself for the call that follows."""
        return replace(self.account(raw), raw=raw)

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream the entries that the filter finds, on a connection of their own."""
        return self.crawl(self.settings.user_filter, page_size)

    def crawl(self, search_filter: str, page_size: int) -> Iterator[Page]:
        """Stream the accounts that a filter finds below the base; the final page says ``last``."""
        size = max(1, min(page_size, self.settings.page_size))
        connection = self.session.new()
        cookie = b""
        waiting: list[RemoteAccount] | None = None
        try:
            while waiting is None or cookie:
                found = self.session.search(
                    *(search_filter, self.wanted),
                    connection=connection,
                    page=size,
                    cookie=cookie,
                )
                demand_all(found.references)
                cookie = found.cookie
                if waiting is not None and found.entries:
                    yield Page(waiting)
                if found.entries or waiting is None:
                    waiting = [self.account(raw) for raw in found.entries]
        finally:
            self.session.drop(connection)
        yield Page(waiting, last=True)

    def cursor(self) -> Cursor | None:
        """Return where the server stands now."""
        return self.moments.cursor()

    def changes(self, cursor: Cursor, page_size: int = 1000) -> Iterator[Page]:
        """Stream the entries that changed since; before them the ids of those that were deleted or may have left."""
        since = self.moments.since(cursor)
        size = max(1, min(page_size, self.settings.page_size))
        for refs in chain(self.moments.gone(since, size), self.moments.left(since, size)):
            if refs:
                yield Page((), gone=refs)
        yield from self.crawl(f"(&{self.settings.user_filter}{since})", page_size)

    def changed_groups(self, cursor: Cursor, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream the groups that changed since."""
        return self.group_reader.pages(page_size, self.moments.since(cursor))

    def news(self, stop: Event) -> Iterator[bool]:
        """Listen to the server until ``stop`` is set."""
        return listen(self.session, self.tree, stop, active_directory=self.counts_changes)

    @cached_property
    def moments(self) -> Changes:
        """What tells changes apart by their moment."""
        return Changes(self.session, self.tree, counted=self.counts_changes)

    def look_up(self, refs: Sequence[str]) -> Sequence[RemoteAccount]:
        """Ask the crawl's own question for these ids alone, some hundred at a time."""
        attribute, found = self.settings.id_attribute, list[RemoteAccount]()
        for start in range(0, len(refs), LOOKED_UP):
            ids = (escape_bytes(values.encode(attribute, ref)[0]) for ref in refs[start : start + LOOKED_UP] if ref)
            asked = "".join(f"({attribute}={each})" for each in ids)
            answer = self.session.search(f"(&{self.settings.user_filter}(|{asked}))", self.wanted)
            demand_all(answer.references)
            found += [self.account(raw) for raw in answer.entries]
        return found

    def account(self, raw: Raw) -> RemoteAccount:
        """Return what an entry says of its account; one that cannot be used carries its problem."""
        ref = str(values.decode(self.settings.id_attribute, raw.get(self.settings.id_attribute)[:1]) or "")
        key = raw.text(self.settings.identifier).strip()
        place = dn.normal(raw.dn)
        attributes: dict[str, Value] = {}
        for name in self.config.attributes:
            try:
                attributes[name] = self._value(raw, name)
            except UnicodeDecodeError:
                return RemoteAccount(ref, key, problem=f"{name} holds bytes that are not text (UTF-8).", place=place)
        problem = ""
        if not ref:
            problem = (
                f"The portal's login cannot see the {self.settings.id_attribute} of this entry. Give it the right."
            )
        elif not key:
            problem = f"The entry has no {self.settings.identifier}, which is its unique identifier here."
        return RemoteAccount(ref, key, attributes, self.enabled(raw), None, problem, place)

    def _value(self, raw: Raw, name: str) -> Value:
        if name.lower() == "dn":
            return raw.dn
        if name.lower() == MANAGER and raw.get(name):
            return self.references.name_of(raw.text(name)) or None
        return values.decode(name, raw.get(name))

    def enabled(self, raw: Raw) -> bool | None:
        """Return whether the account may be used, None when the server does not say."""
        attribute = self.settings.state_attribute
        held = raw.get(attribute)
        if attribute == NO_STATE:
            return None
        if attribute == NS_LOCK:
            return not (held and held[0].strip().lower() == b"true")
        return not held or (held[0] != values.LOCKED_FOR_GOOD and not self.settings.lockout_disables)

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
        found = self.session.search(f"(&{self.settings.user_filter}{self.name_filter(entry)})", self.wanted)
        if len(found.entries) > 1:
            message = f"The directory has several entries with this {self.settings.identifier}. Make it unique there."
            raise ConnectorError(message, code="ambiguous")
        if not found.entries:
            demand_all(found.references)
        return found.entries[0] if found.entries else None

    def by_ref(self, ref: str, wanted: Sequence[str] = ()) -> Raw | None:
        """Return the entry with a lasting id, wherever it is, with the ``wanted`` attributes or those of an account."""
        attribute = self.settings.id_attribute
        escaped = escape_bytes(values.encode(attribute, ref)[0])
        found = self.session.search(
            f"({attribute}={escaped})", wanted or self.wanted, base=self.tree.top, scope=ldap3.SUBTREE
        )
        if not found.entries:
            demand_absent(found.references, self.settings.base_dn)
        return found.entries[0] if found.entries else None

    def name_filter(self, entry: Entry) -> str:
        """Return the filter that finds the account by its unique identifier."""
        return f"({self.settings.identifier}={escape_filter_chars(self.identifier_of(entry))})"

    def identifier_of(self, entry: Entry) -> str:
        """Return the unique identifier that the account has, or is to have."""
        return str(mapped(entry, self.settings.identifier) or entry.key)

    def _named(self, raw: Raw, entry: Entry) -> bool:
        """Whether the entry is the one that was asked for by name: servers compare more loosely than people."""
        wanted = self.identifier_of(entry).strip().casefold()
        held = (value.decode(errors="replace").strip().casefold() for value in raw.get(self.settings.identifier))
        return bool(entry.ref) or wanted in held

    def groups(self, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream the groups that the group filter finds, or that users' attributes name."""
        return self.group_reader.pages(page_size)

    def members(self, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        """Stream a group's direct members, users and groups."""
        return self.group_reader.members(group, page_size)

    @cached_property
    def group_reader(self) -> GroupReader:
        """What reads groups; raise ConnectorError when its settings cannot be used."""
        values = self.config.settings
        preset = preset_of(self.kind, str(values.get("preset") or ""))
        return GroupReader(self.session, group_settings(values, preset))

    def close(self) -> None:
        """Log out."""
        if "group_reader" in self.__dict__:
            self.group_reader.close()
        self.session.close()


def mapped(entry: Entry, name: str) -> Value:
    """Return the value that the mapping gives for an attribute, None for none."""
    return next((value for given, value in entry.attributes.items() if given.lower() == name.lower()), None)
