"""LDAP directories: OpenLDAP, 389 Directory Server, FreeIPA and others, through ldap3.

An account's lasting remote id is what the server itself gives an entry (entryUUID and its like); its DN is only data,
so a renamed or moved entry is the same account. Every value that reaches a filter or a DN is escaped on its way.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from threading import Event
from typing import Any, ClassVar

from directories.connectors.base import (
    Capability,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    ConnectorField,
    Cursor,
    Entry,
    GroupEntry,
    GroupPage,
    Inspection,
    MemberPage,
    Page,
    RefusedMember,
    RemoteAccount,
    RemoteGroup,
)
from directories.connectors.ldap import names
from directories.connectors.ldap.changes import Changes
from directories.connectors.ldap.diagnosis import certificates_until, diagnose
from directories.connectors.ldap.form_fields import LDAP_FIELDS
from directories.connectors.ldap.groups.creation import new_groups
from directories.connectors.ldap.groups.membership import MemberWriter
from directories.connectors.ldap.groups.reading import LdapGroupReader
from directories.connectors.ldap.groups.settings import NAMES, group_settings, preset_of
from directories.connectors.ldap.groups.writing import LdapGroupWriter
from directories.connectors.ldap.inspection import Inspector
from directories.connectors.ldap.listening import listen
from directories.connectors.ldap.reading import LdapReader
from directories.connectors.ldap.session import Control, LdapSession
from directories.connectors.ldap.settings import (
    NO_STATE,
    NONE,
    PRESETS,
    UNPROTECTED,
    Preset,
    filled,
    ldap_settings,
)
from directories.connectors.ldap.tree import Tree
from directories.connectors.ldap.writing import LdapWriter
from directories.connectors.shared_fields import UNCHECKED, UNCHECKED_WORDS

NO_STATE_WORDS = "The directory has no attribute for disabled accounts. Choose one under Connection (Disabling)."
ONLY_NAMES = (
    "The directory's groups are only names in an attribute of its users, so the portal cannot write them. "
    "Choose another Membership under Connection."
)
# Operational attributes that carry NO-USER-MODIFICATION (RFC 4512 3.4, 4530, 5020; draft-behera-ldap-password-policy-10
# section 5.3), and those that servers keep in the same way.
_KEPT_BY_SERVER = """
createtimestamp creatorsname modifytimestamp modifiersname structuralobjectclass governingstructurerule
subschemasubentry entrydn entryuuid entrycsn hassubordinates numsubordinates memberof pwdaccountlockedtime
pwdchangedtime pwdfailuretime pwdhistory pwdgraceusetime pwdlastsuccess authtimestamp nsuniqueid ipauniqueid
"""
KEPT_BY_SERVER = frozenset(_KEPT_BY_SERVER.split())
_STATE = frozenset({Capability.DISABLE, Capability.ENABLE})
_GROUPS = frozenset({Capability.CREATE_GROUP, Capability.UPDATE_GROUP, Capability.DELETE_GROUP, Capability.MEMBERS})


class Ldap(Connector):
    """An LDAP server: what reads and writes accounts and groups are objects of their own.

    What Active Directory does otherwise is in ``active_directory``.
    """

    kind: ClassVar[str] = "ldap"
    label: ClassVar[str] = "LDAP (OpenLDAP, 389 DS, FreeIPA)"
    icon: ClassVar[str] = "account_tree"
    fields: ClassVar[tuple[ConnectorField, ...]] = LDAP_FIELDS
    fills_by = "preset"
    fills = {name: filled(preset) for name, preset in PRESETS.items()}
    folded = frozenset({"New accounts", "Leavers", "Groups", "Limits"})
    key_source = "the unique identifier that is set under Connection"
    deletion_is_final = "the entry is gone with its id, its password and its groups."
    look_up_hint = "Let new accounts lie below the base DN and pass the filter for users, both under Connection."
    clear_passwords = True
    kept_by_server = KEPT_BY_SERVER
    nested_groups = True
    reader_class: ClassVar[type[LdapReader]] = LdapReader
    writer_class: ClassVar[type[LdapWriter]] = LdapWriter
    controls: ClassVar[tuple[Control, ...]] = ()  # sent with every search
    counts_changes: ClassVar[bool] = False  # as Active Directory does
    reads_ahead = True

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.settings = ldap_settings(config.settings, self.preset(config.settings))
        self.session = LdapSession(self.settings, controls=self.controls)
        self.tree = Tree(self.session)
        self.reader = self.reader_class(config, self.session, self.tree)
        self.writer = self.writer_class(self.reader)
        self.inspector = Inspector(self.reader, str(config.settings.get("group_attribute") or ""))

    @classmethod
    def preset(cls, settings: Mapping[str, Any]) -> Preset:
        """Return what stands for blank settings."""
        return PRESETS.get(str(settings.get("preset") or ""), PRESETS["other"])

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """Accounts are disabled only where there is an attribute for it, groups written only where they are entries."""
        if capability in _STATE:
            chosen = config.settings.get("state_attribute") or cls.preset(config.settings).state_attribute
            if chosen == NO_STATE:
                return NO_STATE_WORDS
        if capability in _GROUPS and config.settings.get("membership") == NAMES:
            return ONLY_NAMES
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

    def certificate_until(self) -> dt.datetime | None:
        """Return until when the first of the servers' certificates is valid."""
        return certificates_until(self.settings)

    # --- Accounts ----------------------------------------------------------------------------------------------------

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the account with the entry's lasting id, or, before it has one, with its unique identifier."""
        return self.reader.find(entry)

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream the entries that the filter finds, on a connection of their own."""
        return self.reader.crawl(self.settings.user_filter, page_size)

    def look_up(self, refs: Sequence[str]) -> Sequence[RemoteAccount]:
        """Ask the crawl's own question for these ids alone."""
        return self.reader.look_up(refs)

    def inspect(self, name: str) -> Inspection | None:
        """Find the entry as an import and a delivery would, or else by any name that people know it by."""
        return self.inspector.inspect(name)

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Add the entry in its container, give it its password, and return it as the server holds it."""
        return self.writer.create(entry, password)

    def update(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        """Send what differs; rename the entry when its naming attribute changed, move it when that is wanted."""
        return self.writer.update(entry, found)

    def disable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount | None:
        """Mark the account as disabled, and then move it to the leavers when they have a container."""
        return self.writer.disable(entry, found)

    def enable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        """Bring the account back from the leavers, and then let it be used."""
        return self.writer.enable(entry, found)

    def delete(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Remove the entry, with what is below it when that is wanted."""
        self.writer.delete(entry, found)

    def set_password(self, entry: Entry, password: str) -> None:
        """Set the account's password."""
        self.writer.set_password(entry, password)

    def wanted_container(self, entry: Entry, *, leaving: bool = False) -> str:
        """Return the container that the template gives, when accounts move with it; for leavers, theirs."""
        return self.writer.wanted_container(entry, leaving=leaving)

    def container_of(self, account: RemoteAccount) -> str:
        """Return the DN above the entry's, in the same normal form."""
        return names.parent(account.place)

    # --- Changes -----------------------------------------------------------------------------------------------------

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
        yield from self.reader.crawl(f"(&{self.settings.user_filter}{since})", page_size)

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

    # --- Groups ------------------------------------------------------------------------------------------------------

    def groups(self, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream the groups that the group filter finds, or that users' attributes name."""
        return self.group_reader.pages(page_size)

    def members(self, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        """Stream a group's direct members, users and groups."""
        return self.group_reader.members(group, page_size)

    @cached_property
    def group_reader(self) -> LdapGroupReader:
        """What reads groups; raise ConnectorError when its settings cannot be used."""
        preset = preset_of(self.kind, str(self.config.settings.get("preset") or ""))
        return LdapGroupReader(self.session, group_settings(self.config.settings, preset))

    @cached_property
    def group_writer(self) -> LdapGroupWriter:
        """What writes groups; raise ConnectorError when its settings cannot be used."""
        kind = str(self.config.settings.get("preset") or "") if self.kind == "ldap" else self.kind
        new = new_groups(self.config.settings, kind)
        return LdapGroupWriter(self.session, self.tree, self.group_reader, new, self.reader.by_ref)

    def find_group(self, group: GroupEntry) -> RemoteGroup | None:
        """Return the group with the entry's lasting id or, before it has one, with its name."""
        raw = self.group_writer.look(group)
        return self.group_reader.group(raw) if raw else None

    def create_group(self, group: GroupEntry) -> RemoteGroup:
        """Add the group in the container of new groups."""
        return self.group_writer.create(group)

    def update_group(self, group: GroupEntry) -> RemoteGroup:
        """Rename the group, or change its description."""
        return self.group_writer.update(group)

    def delete_group(self, group: GroupEntry) -> None:
        """Remove the group's entry."""
        self.group_writer.delete(group)

    def add_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Put accounts into the group."""
        return MemberWriter(self.group_writer, group).add(members)

    def remove_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Take accounts out of the group."""
        return MemberWriter(self.group_writer, group).remove(members)

    def close(self) -> None:
        """Log out."""
        if "group_reader" in self.__dict__:
            self.group_reader.close()
        self.session.close()
