"""Reading the accounts of an LDAP directory: finding one, streaming all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import ldap3
from ldap3.utils.conv import escape_bytes, escape_filter_chars

from directories.attributes import Value
from directories.connectors.base import ConnectorConfig, ConnectorError, Entry, Page, RemoteAccount
from directories.connectors.ldap import names, values
from directories.connectors.ldap.decoding import Raw
from directories.connectors.ldap.manager_references import MANAGER, References
from directories.connectors.ldap.referrals import demand_absent, demand_all
from directories.connectors.ldap.session import LdapSession
from directories.connectors.ldap.settings import NO_STATE, NS_LOCK
from directories.connectors.ldap.tree import Tree

LOOKED_UP = 200  # ids in one filter


class LdapReader:
    """Reads accounts. What Active Directory does otherwise is in ``active_directory.DomainReader``."""

    def __init__(self, config: ConnectorConfig, session: LdapSession, tree: Tree) -> None:
        self.attributes = config.attributes
        self.session, self.tree, self.settings = session, tree, session.settings
        self.references = References(session, lambda name: self.name_filter(Entry(name)))

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the account with the entry's lasting id, or, before it has one, with its unique identifier."""
        raw = self.look(entry)
        if raw is None:
            return None
        account = self.found(raw)
        return replace(account, key=entry.key) if self.named(raw, entry) else account

    def found(self, raw: Raw) -> RemoteAccount:
        """Return the account of an entry, with the entry itself for the call that follows."""
        return replace(self.account(raw), raw=raw)

    def look(self, entry: Entry) -> Raw | None:
        """Return the entry with the account's lasting id, or, before it has one, with its unique identifier."""
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

    def named(self, raw: Raw, entry: Entry) -> bool:
        """Whether the entry is the one that was asked for by name: servers compare more loosely than people."""
        wanted = self.identifier_of(entry).strip().casefold()
        held = (value.decode(errors="replace").strip().casefold() for value in raw.get(self.settings.identifier))
        return bool(entry.ref) or wanted in held

    def crawl(self, search_filter: str, page_size: int) -> Iterator[Page]:
        """Stream the accounts that a filter finds below the base; the final page says ``last``."""
        size = max(1, min(page_size, self.settings.page_size))
        connection = self.session.new()
        cookie = b""
        waiting: list[RemoteAccount] | None = None
        try:
            while waiting is None or cookie:
                found = self.session.search(
                    search_filter,
                    self.wanted,
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
        place = names.normal(raw.dn)
        attributes: dict[str, Value] = {}
        for name in self.attributes:
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
        asked = (settings.id_attribute, settings.identifier, *self.state_attributes(), *self.attributes)
        return tuple({name.lower(): name for name in asked if name.lower() not in ("dn", NO_STATE)}.values())

    def state_attributes(self) -> tuple[str, ...]:
        """Return the attributes that tell the account's state."""
        return (self.settings.state_attribute,)

    def name_filter(self, entry: Entry) -> str:
        """Return the filter that finds the account by its unique identifier."""
        return f"({self.settings.identifier}={escape_filter_chars(self.identifier_of(entry))})"

    def identifier_of(self, entry: Entry) -> str:
        """Return the unique identifier that the account has, or is to have."""
        return str(mapped(entry, self.settings.identifier) or entry.key)


def mapped(entry: Entry, name: str) -> Value:
    """Return the value that the mapping gives for an attribute, None for none."""
    return next((value for given, value in entry.attributes.items() if given.lower() == name.lower()), None)
