"""Writing the accounts of an LDAP directory: entries added, changed, moved, disabled and deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from directories.attributes import Value
from directories.connectors.base import Conflict, ConnectorError, Entry, NotFound, RemoteAccount
from directories.connectors.ldap import names, values
from directories.connectors.ldap.decoding import Raw
from directories.connectors.ldap.errors import NO_MATCHING, refused_change, refused_password
from directories.connectors.ldap.manager_references import MANAGER, NOT_THERE_YET, not_there_yet
from directories.connectors.ldap.reading import LdapReader, mapped
from directories.connectors.ldap.settings import LOCKED_TIME, NO_STATE

MOST_NUMBERS = 50  # tries to name an entry


class LdapWriter:
    """Writes accounts. What Active Directory does otherwise is in ``active_directory.DomainWriter``."""

    # What inetOrgPerson must have, and the portal attribute that it comes from when it is not mapped.
    needed: ClassVar[Mapping[str, str]] = {"cn": "display_name", "sn": "last_name"}

    def __init__(self, reader: LdapReader) -> None:
        self.reader = reader
        self.session, self.tree, self.settings = reader.session, reader.tree, reader.settings

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Add the entry in its container, give it its password, and return it as the server holds it."""
        wanted = self.new_attributes(entry)
        waits = self._refer(wanted)
        container = names.from_template(self.settings.container, entry.person)
        dn = self._add(wanted, container, made=not mapped(entry, self.settings.rdn_attribute))
        try:
            self.finish(dn, password, usable=entry.usable)
        except ConnectorError:
            self.tree.delete(dn)  # roll back a partially created entry; the next try makes it whole
            raise
        return replace(self._now(dn), waits=NOT_THERE_YET if waits else "")

    def _add(self, wanted: dict[str, tuple[str, list[bytes]]], container: str, *, made: bool) -> str:
        """Add the entry and return its DN. A name that the portal ``made`` gets a number while another entry has it."""
        rdn = self.settings.rdn_attribute
        first, *others = wanted[rdn.lower()][1]
        numbered = made and not self._names_by_identifier
        for number in range(1, MOST_NUMBERS + 1):
            name = first.decode() if number == 1 else f"{first.decode()}{number}"
            wanted[rdn.lower()] = (rdn, [name.encode(), *others])
            dn = f"{rdn}={names.escape(name)},{container}"
            try:
                self.tree.add(
                    dn, self.settings.object_classes, dict(wanted.values()), create=self.settings.create_containers
                )
                return dn
            except Conflict as error:
                if self.session.read(dn, ("objectClass",)) is None:
                    raise  # it is another value that must be unique
                if not numbered or number == MOST_NUMBERS:
                    raise self._same_name(dn) from error
            except ConnectorError as error:
                raise self.explained(error, wanted) from None
        raise AssertionError  # the last number returned or raised

    @property
    def _names_by_identifier(self) -> bool:
        """Whether an entry is named by its unique identifier."""
        return self.settings.rdn_attribute.lower() == self.settings.identifier.lower()

    def _same_name(self, dn: str) -> Conflict:
        """Return that an entry has that name already: which one it is, where it is not the same user name."""
        attribute = names.rdn(dn)[0]
        if self._names_by_identifier:
            return Conflict(f"Another entry of the directory already has the same {attribute}.")
        return Conflict(
            f"Another entry here already has the same {attribute}: {dn}. Change the name of one of the two."
        )

    def explained(self, error: ConnectorError, wanted: Mapping[str, tuple[str, list[bytes]]]) -> ConnectorError:
        """Return a refusal in better words where it can be found out which of the ``wanted`` values is the matter."""
        return error

    def _now(self, dn: str) -> RemoteAccount:
        """Return the account of an entry that was just written, as the server holds it."""
        raw = self.session.read(dn, self.reader.wanted)
        if raw is None or not raw.get(self.settings.id_attribute):
            message = "The account was written, but the portal's login cannot read it. Give it the right to."
            raise ConnectorError(message, code="no_right")
        return self.reader.found(raw)

    def new_attributes(self, entry: Entry) -> dict[str, tuple[str, list[bytes]]]:
        """Return the attributes of a new entry by lower-case name; what its classes need and nobody maps is added."""
        found: dict[str, tuple[str, list[bytes]]] = {}
        for name, value in entry.attributes.items():
            if name.lower() not in values.READ_ONLY:
                found[name.lower()] = (name, values.encode(name, value))
        fallback: dict[str, Value] = {
            name: entry.person.get(source) or entry.key for name, source in self.needed.items()
        }
        rdn = self.settings.rdn_attribute
        fallback |= {self.settings.identifier: entry.key, rdn: entry.key}
        for name, value in fallback.items():
            found.setdefault(name.lower(), (name, values.encode(name, value)))
        if not found.get(rdn.lower(), (rdn, []))[1]:
            found[rdn.lower()] = (rdn, [entry.key.encode()])
        return found

    def finish(self, dn: str, password: str | None, *, usable: bool) -> None:
        """Give a new entry its password; where entries begin disabled, enable one that is to be ``usable``."""
        if password:
            self.write_password(dn, password)

    def update(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        """Send what differs; rename the entry when its naming attribute changed, move it when that is wanted."""
        raw = self.must(entry, found)
        wanted = {
            name.lower(): (name, values.encode(name, value)) for name, value in self.wanted_values(entry, raw).items()
        }
        asked = dict(wanted)
        held_part = names.split(raw.dn)[0]
        own = self._own_part(held_part, wanted)
        waits = self._refer(wanted, raw)
        several = {name.lower() for name, value in entry.attributes.items() if isinstance(value, tuple | list)}
        changes = {}
        for key, (name, data) in wanted.items():
            modifications = _modifications(key, raw.get(key), data, whole=key in several)
            if modifications and key not in values.READ_ONLY:
                changes[name] = modifications
        container = self._container(entry, raw)
        moves = own != held_part or container
        if waits and not (changes or moves):
            raise not_there_yet()
        try:
            shown = self._modify(raw, changes) if changes else raw
            if moves:
                raw, shown = replace(raw, dn=self._moved_to(raw.dn, own, container)), None
        except ConnectorError as error:
            raise self.explained(error, asked) from None
        account = self._now(raw.dn) if shown is None else self.reader.found(shown)
        return replace(account, waits=NOT_THERE_YET if waits else "")

    def _moved_to(self, dn: str, own: str, container: str) -> str:
        """Rename or move an entry and return its new DN."""
        try:
            return self.tree.move(dn, own, container, self.settings.create_containers)
        except Conflict as error:
            raise self._same_name(f"{own},{container or names.parent(dn)}") from error

    def _own_part(self, held: str, wanted: dict[str, tuple[str, list[bytes]]]) -> str:
        """Take what names the entry out of ``wanted``, and return how it is to be named: as it is when nothing differs.

        A server renames an entry and does not let its naming attributes be written otherwise (RFC 4511, 4.6).
        """
        pairs = names.named_by(held)
        new = [(name, b"".join(wanted.pop(name.lower(), ("", []))[1][:1]).decode() or value) for name, value in pairs]
        return held if new == pairs else names.part_of(new)

    def _modify(self, raw: Raw, changes: Mapping[str, list[tuple[str, list[bytes]]]]) -> Raw | None:
        """Send modifications; again as a whole when the server cannot tell the values of one of them apart.

        Return the entry as the server holds it then, None when it does not say all of that in its answer.
        """
        shown = self.reader.wanted
        try:
            found = self.session.modify(raw.dn, changes, shown=shown, fails=refused_change)
        except ConnectorError as error:
            if error.code != NO_MATCHING:
                raise
            whole = {name: values.as_a_whole(raw.get(name), change) for name, change in changes.items()}
            found = self.session.modify(raw.dn, whole, shown=shown)
        return found if found is not None and found.get(self.settings.id_attribute) else None

    def _refer(self, wanted: dict[str, tuple[str, list[bytes]]], raw: Raw | None = None) -> bool:
        """Replace the manager's user name by their DN; while they have none, leave them out and return True."""
        name, data = wanted.get(MANAGER, (MANAGER, []))
        if not data:
            return False
        held = raw.get(name) if raw else ()
        if held and self.reader.references.name_of(held[0].decode(errors="replace")) == data[0].decode():
            wanted[MANAGER] = (name, list(held))
            return False
        dn = self.reader.references.dn_of(data[0].decode())
        wanted[MANAGER] = (name, [dn.encode()] if dn else list(held))
        return not dn

    def wanted_values(self, entry: Entry, raw: Raw) -> Mapping[str, Value]:
        """Return what the entry is to hold."""
        return entry.attributes

    def wanted_container(self, entry: Entry, *, leaving: bool = False) -> str:
        """Return the container that the template gives, when accounts move with it; for leavers, theirs."""
        if leaving:
            return names.normal(names.from_template(self.settings.leavers_container, entry.person))
        if not self.settings.move_entries:
            return ""
        return names.normal(names.from_template(self.settings.container, entry.person))

    def _container(self, entry: Entry, raw: Raw) -> str:
        """Return where the entry is to be moved, "" when it stays."""
        if not self.settings.move_entries or self.reader.enabled(raw) is False:
            return ""
        container = names.from_template(self.settings.container, entry.person)
        return "" if names.same(container, names.parent(raw.dn)) else container

    def disable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount | None:
        """Mark the account as disabled, and then move it to the leavers when they have a container."""
        raw = self.must(entry, found)
        self.write_state(raw, enabled=False)
        leavers = names.from_template(self.settings.leavers_container, entry.person)
        if leavers and not names.same(leavers, names.parent(raw.dn)):
            return self.reader.account(self._moved(raw, leavers))
        return None

    def enable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        """Bring the account back from the leavers, and then let it be used: what failed in between is tried again."""
        raw = self.must(entry, found)
        leavers = names.from_template(self.settings.leavers_container, entry.person)
        if leavers and names.same(leavers, names.parent(raw.dn)):
            raw = self._moved(raw, names.from_template(self.settings.container, entry.person))
        self.write_state(raw, enabled=True)
        return self._now(raw.dn)

    def _moved(self, raw: Raw, container: str) -> Raw:
        own = names.split(raw.dn)[0]
        return replace(raw, dn=self.tree.move(raw.dn, own, container, self.settings.create_containers))

    def write_state(self, raw: Raw, *, enabled: bool) -> None:
        """Write whether the account may be used, when it says otherwise now."""
        attribute = self.settings.state_attribute
        if attribute == NO_STATE:
            raise ConnectorError("This directory has no attribute for disabled accounts. Choose one.", code="settings")
        wanted = [] if enabled else [values.LOCKED_FOR_GOOD if attribute == LOCKED_TIME else b"TRUE"]
        if found := values.differences(raw.get(attribute), wanted, whole=True):
            self.session.run(lambda connection: connection.modify(raw.dn, {attribute: found}))

    def delete(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Remove the entry, with what is below it when that is wanted."""
        raw = self._known(entry, found)
        if raw is not None:
            self.tree.delete(raw.dn, below=self.settings.delete_subtree)

    def set_password(self, entry: Entry, password: str) -> None:
        """Set the account's password."""
        self.write_password(self.must(entry).dn, password)

    def write_password(self, dn: str, password: str) -> None:
        """Set a password by the password modify operation (RFC 3062), so that the server's policy applies."""
        self.session.run(
            lambda connection: connection.extend.standard.modify_password(user=dn, new_password=password),
            fails=refused_password,
        )

    def _known(self, entry: Entry, found: RemoteAccount | None) -> Raw | None:
        """Return the entry that was just looked at, or look."""
        return found.raw if found and isinstance(found.raw, Raw) else self.reader.look(entry)

    def must(self, entry: Entry, found: RemoteAccount | None = None) -> Raw:
        """Return the account's entry; raise NotFound when it is absent."""
        raw = self._known(entry, found)
        if raw is None:
            raise NotFound("The account is not in the directory.")
        return raw


def _modifications(
    key: str, held: Sequence[bytes], wanted: Sequence[bytes], *, whole: bool
) -> list[tuple[str, list[bytes]]]:
    if key == values.ALIASES and not whole:
        return values.aliases(held, wanted)
    return values.differences(held, wanted, whole=whole)
