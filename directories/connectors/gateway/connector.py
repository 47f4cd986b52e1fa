"""A directory that only a gateway reaches: every call is carried to a machine of the gateway and answered there.

The directory's own settings and secrets stand in the gateway's file. What the portal has to know of it beforehand, the
gateway tells (``description``).
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from threading import Event
from typing import Any, ClassVar

from directories.connectors.base import (
    AGAIN,
    METHODS,
    Capability,
    ConnectionStep,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    ConnectorError,
    ConnectorField,
    Cursor,
    CursorLost,
    DepartmentPage,
    Entry,
    FieldType,
    GroupEntry,
    GroupPage,
    Inspection,
    MemberPage,
    Page,
    RefusedMember,
    RemoteAccount,
    RemoteGroup,
    Trial,
    TriedStatement,
    Unavailable,
    Write,
)
from directories.connectors.form_values import text_of
from directories.connectors.gateway import post
from directories.connectors.gateway.calls import Call, MembersOf, PlacedAccount, PlacedPage
from directories.connectors.gateway.codec import Malformed
from directories.connectors.gateway.description import UNKNOWN, Description
from directories.connectors.gateway.post import Addressee

MARGIN = 40.0  # seconds that a call may wait for a machine and be on its way
AT_ONCE = 200  # accounts, so that a round trip to the gateway counts for many
READ_AS, AT = "reads_as", "at"  # the parts of a cursor
CHOOSE = "Choose the gateway and the directory of its file, under Connection."
NONE = "There is no gateway yet. Add one under Gateways, then choose it here."
NO_NAME = "Type the name that the directory has in the gateway's file."
NO_SUCH = "The gateway has no directory of this name in its file."
LESS = "The gateway answered less than it was asked for."
UPDATE = "Update the gateway to the version of the portal."
OTHER_VERSION = f"The gateway and the portal do not understand each other. {UPDATE} {AGAIN}"
UNREADABLE = (
    f"The gateway's answer cannot be read, so nobody knows what became of this. {UPDATE} The portal looks first."
)


def _gateways() -> tuple[tuple[str, str], ...]:
    try:
        return tuple((name, name) for name in post.opened().gateways())
    except ConnectorError:
        return ()


class ThroughGateway(Connector):
    """Asks a gateway. A call whose answer never came has an unknown outcome, which is Unavailable."""

    kind: ClassVar[str] = "gateway"
    label: ClassVar[str] = "On premise, through a gateway"
    icon: ClassVar[str] = "router"
    fields = (
        ConnectorField(
            "gateway",
            "Gateway",
            FieldType.CHOICE,
            required=True,
            choices=_gateways,
            help_text="The gateway that reaches the directory. Add one under Gateways.",
        ),
        ConnectorField(
            "name",
            "Name in the gateway's file",
            required=True,
            suggested=True,
            help_text="Host, login and every other setting of the directory stand under this name in the gateway's "
            "file, and its secrets never come to the portal.",
        ),
    )
    nested_groups = True
    gives_passwords = True
    gives_contracts = True
    reads_ahead = True
    at_once = AT_ONCE

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        said = described(config)
        self.description = said
        self.nested_groups, self.describes_groups = said.nested_groups, said.describes_groups
        self.members_at_once = said.members_at_once
        self.clear_passwords = said.clear_passwords
        self.gives_passwords = not said.lacks(Capability.IMPORT_PASSWORDS)
        self.gives_contracts = not said.lacks(Capability.CONTRACTS)
        self.attributes_word, self.key_source = said.attributes_word, said.key_source
        self.look_up_hint, self.delete_hint = said.look_up_hint, said.delete_hint
        self.kept_by_server, self.manager_names = frozenset(said.kept_by_server), frozenset(said.manager_names)
        self._listed: Sequence[RemoteGroup] = ()  # groups whose members are asked for next
        self._members: Iterator[MembersOf] | None = None

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """Say what the gateway said."""
        return described(config).lacks(capability)

    @classmethod
    def cautions(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """Pass on what is dangerous about the gateway's settings."""
        return described(ConnectorConfig(settings)).cautions

    @classmethod
    def required(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """Pass on what the directory requires."""
        return described(ConnectorConfig(settings)).required

    @classmethod
    def forecast(cls, settings: Mapping[str, Any], users: int) -> str:
        """Ask the gateway; one that cannot be asked now forecasts nothing."""
        config = ConnectorConfig(settings)
        call = Call("forecast", [users])
        try:
            found = post.opened().ask(addressee_of(config), call, described(config).patience)
            words: str = call.known.gives.decode(found)
        except ConnectorError:
            return ""
        return words

    @property
    def patience(self) -> float:
        """The longest that an answer is waited for: a gateway may be at several calls of the directory's for one."""
        return 2 * self.description.patience + MARGIN

    @property
    def creates_with_password(self) -> bool:
        """As the directory does."""
        return self.description.creates_with_password

    @property
    def update_names(self) -> Collection[str]:
        """As the directory has them."""
        return self.description.update_names

    @property
    def keeps_deleted(self) -> bool:
        """As the directory does."""
        return self.description.keeps_deleted

    @property
    def deletion_is_final(self) -> str:
        """As the directory says it."""
        return self.description.deletion_is_final

    # --- The connection ----------------------------------------------------------------------------------------------

    def test(self) -> ConnectionTest:
        """Look for the gateway, then let it test the directory as it does itself."""
        if not self.addressee.gateway:
            words = CHOOSE if post.opened().gateways() else NONE
            return ConnectionTest([ConnectionStep("Gateway", False, words)])
        try:
            known = post.opened().directories(self.addressee.gateway)
            if self.addressee.name not in known:
                found = ConnectionStep("Directory", False, NO_SUCH if self.addressee.name else NO_NAME)
                steps = [ConnectionStep("Gateway", True, "It answers."), found] if known else []
                if steps:
                    return ConnectionTest(steps, suggestions={"name": known})
            tested: ConnectionTest = self._ask("test")
        except ConnectorError as error:
            return ConnectionTest([ConnectionStep("Gateway", False, error.message)])
        # What would help there is to be typed into the gateway's file, which no page can do.
        steps = [ConnectionStep("Gateway", True, "It answers."), *tested.steps]
        return replace(tested, steps=steps, suggestions={}, certificate=None)

    def certificate_until(self) -> dt.datetime | None:
        """Ask the gateway."""
        found: dt.datetime | None = self._ask("certificate_until")
        return found

    # --- Accounts ----------------------------------------------------------------------------------------------------

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Ask the gateway."""
        return _placed(self._ask("find", entry))

    def find_many(self, entries: Sequence[Entry]) -> Mapping[int, RemoteAccount | None]:
        """Ask for all of them at once, whatever the directory itself takes at once."""
        found = self._ask("find_many", list(entries))
        if any(not 0 <= one.position < len(entries) for one in found):
            raise Unavailable(OTHER_VERSION)
        return {one.position: _placed(one.account) for one in found}

    def writes_together(self, capability: Capability) -> bool:
        """One round trip does for many, however the gateway writes them."""
        return capability in (Capability.CREATE, Capability.UPDATE)

    def write_many(self, writes: Sequence[Write]) -> Sequence[RemoteAccount | ConnectorError]:
        """Give all of them to the gateway."""
        try:
            answers = self._ask("write_many", list(writes))
        except Unavailable as error:
            if error.whole_directory:
                raise
            return [error] * len(writes)
        if len(answers) != len(writes):
            return [Unavailable(LESS, whole_directory=False)] * len(writes)
        return [one.error or _placed(one.account) or Unavailable(LESS, whole_directory=False) for one in answers]

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Ask the gateway."""
        return _there(self._ask("create", entry, password))

    def update(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        """Ask the gateway."""
        return _there(self._ask("update", entry))

    def disable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount | None:
        """Ask the gateway."""
        return _placed(self._ask("disable", entry))

    def enable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount | None:
        """Ask the gateway."""
        return _placed(self._ask("enable", entry))

    def adopt(self, entry: Entry, found: RemoteAccount) -> RemoteAccount:
        """Ask the gateway, if the directory has a place for that."""
        return (_placed(self._ask("adopt", entry)) if self.description.adopts else None) or found

    def delete(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Ask the gateway."""
        self._ask("delete", entry)

    def set_password(self, entry: Entry, password: str) -> None:
        """Ask the gateway."""
        self._ask("set_password", entry, password)

    def inspect(self, name: str) -> Inspection | None:
        """Ask the gateway."""
        found: Inspection | None = self._ask("inspect", name)
        return found

    @classmethod
    def trials(cls, config: ConnectorConfig) -> Sequence[str]:
        """Pass on which statements the gateway's file has."""
        return described(config).trials

    def try_out(self, trial: Trial) -> Sequence[TriedStatement]:
        """Ask the gateway, whose file has the statements."""
        found: Sequence[TriedStatement] = self._ask("try_out", trial)
        return found

    def look_up(self, refs: Sequence[str]) -> Sequence[RemoteAccount] | None:
        """Ask the gateway."""
        found = self._ask("look_up", list(refs))
        return None if found is None else [_there(one) for one in found]

    def count(self) -> int | None:
        """Ask the gateway."""
        found: int | None = self._ask("count")
        return found

    def wanted_container(self, entry: Entry, *, leaving: bool = False) -> str:
        """Ask the gateway, unless the directory never moves an account."""
        return str(self._ask("wanted_container", entry, leaving)) if self.description.containers else ""

    def container_of(self, account: RemoteAccount) -> str:
        """Return what the gateway said with the account."""
        return account.raw if isinstance(account.raw, str) else ""

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream the pages that the gateway sends ahead."""
        return self._pages("accounts", page_size)

    def _pages(self, method: str, *arguments: Any) -> Iterator[Page]:
        with closing(self._stream(method, *arguments)) as pages:
            for page in pages:
                yield _page(page)

    def departments(self, page_size: int = 1000) -> Iterator[DepartmentPage]:
        """Stream the pages that the gateway sends ahead."""
        yield from self._stream("departments", page_size)

    # --- Changes -----------------------------------------------------------------------------------------------------

    def cursor(self) -> Cursor | None:
        """Return where the directory stands, and what stands for the gateway's settings."""
        return self._marked(self._ask("cursor"))

    def beginning(self) -> Cursor | None:
        """Return where changes begin."""
        return self._marked(self._ask("beginning"))

    def changes(self, cursor: Cursor, page_size: int = 1000) -> Iterator[Page]:
        """Stream what changed; what was read with other settings of the gateway has to be read again."""
        return self._pages("changes", self._unmarked(cursor), page_size)

    def changed_groups(self, cursor: Cursor, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream the groups that changed."""
        return self._groups("changed_groups", self._unmarked(cursor), page_size)

    def news(self, stop: Event) -> Iterator[bool]:
        """Listen to the gateway, which listens to the directory."""
        with closing(self._stream("news")) as heard:
            for one in heard:
                if stop.is_set():
                    return
                yield one

    def _marked(self, cursor: Cursor | None) -> Cursor | None:
        return None if cursor is None else {READ_AS: self.description.reads_as, AT: dict(cursor)}

    def _unmarked(self, cursor: Cursor) -> Cursor:
        if cursor.get(READ_AS) != self.description.reads_as or not isinstance(cursor.get(AT), dict):
            raise CursorLost("The settings of the directory in the gateway's file changed.")
        found: Cursor = cursor[AT]
        return found

    # --- Groups ------------------------------------------------------------------------------------------------------

    def groups(self, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream the pages that the gateway sends ahead."""
        return self._groups("groups", page_size)

    def _groups(self, method: str, *arguments: Any) -> Iterator[GroupPage]:
        for page in self._stream(method, *arguments):
            self._forget_members()
            self._listed = page.groups
            yield page

    def members(self, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        """Stream a group's members; those of the next groups of its page come along, as they will be asked for."""
        if not self._listed or self._listed[0] != group:
            self._forget_members()
            self._listed = _from(self._listed, group) or (group,)
        if self._members is None:
            self._members = self._stream("members", list(self._listed), page_size)
            self._first = self._listed
        position = len(self._first) - len(self._listed)
        self._listed = self._listed[1:]
        ended = False
        try:
            for one in self._members:
                if one.position != position:
                    raise Unavailable(OTHER_VERSION)
                yield one.page
                if one.page.last:
                    ended = True
                    return
            raise Unavailable(LESS)
        finally:
            if not ended:
                self._forget_members()

    def _forget_members(self) -> None:
        ahead, self._members = self._members, None
        if ahead is not None:
            ahead.close()  # type: ignore[attr-defined]

    def find_group(self, group: GroupEntry) -> RemoteGroup | None:
        """Ask the gateway."""
        found: RemoteGroup | None = self._ask("find_group", group)
        return found

    def create_group(self, group: GroupEntry) -> RemoteGroup:
        """Ask the gateway."""
        found: RemoteGroup = self._ask("create_group", group)
        return found

    def adopt_group(self, group: GroupEntry, found: RemoteGroup) -> None:
        """Ask the gateway, if the directory has a place for that."""
        if self.description.adopts:
            self._ask("adopt_group", group)

    def update_group(self, group: GroupEntry) -> RemoteGroup:
        """Ask the gateway."""
        found: RemoteGroup = self._ask("update_group", group)
        return found

    def delete_group(self, group: GroupEntry) -> None:
        """Ask the gateway."""
        self._ask("delete_group", group)

    def add_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Ask the gateway."""
        found: Sequence[RefusedMember] = self._ask("add_members", group, list(members))
        return found

    def remove_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Ask the gateway."""
        found: Sequence[RefusedMember] = self._ask("remove_members", group, list(members))
        return found

    def close(self) -> None:
        """End what is still coming."""
        self._forget_members()

    # --- The way there -----------------------------------------------------------------------------------------------

    @cached_property
    def addressee(self) -> Addressee:
        """Whom to ask."""
        return addressee_of(self.config)

    def _ask(self, method: str, *arguments: Any) -> Any:
        """Return the answer."""
        call = self._call(method, arguments)
        with _understood(call):
            item = post.opened().ask(self.addressee, call, self.description.patience)
            return call.known.gives.decode(item)

    def _stream(self, method: str, *arguments: Any) -> Any:
        call = self._call(method, arguments)
        read = call.known.gives.decode
        answers: Any = post.opened().stream(self.addressee, call, self.description.patience)
        with _understood(call), closing(answers) as items:
            for item in items:
                yield read(item)

    def _call(self, method: str, arguments: Sequence[Any]) -> Call:
        if not (self.addressee.gateway and self.addressee.name):
            raise ConnectorError(CHOOSE, code="settings")
        return Call(method, arguments, tuple(self.config.attributes), self.config.with_passwords, self.urgent)


@contextmanager
def _understood(call: Call) -> Iterator[None]:
    """Let the directory wait while its gateway has another version, as if it were silent.

    A write whose answer cannot be read may have been done, so its outcome is unknown.
    """
    try:
        yield
    except ConnectorError as error:
        if error.code != Malformed.code:
            raise
        words = UNREADABLE if call.known.writes and isinstance(error, Malformed) else OTHER_VERSION
        raise Unavailable(words, whole_directory=not call.known.writes) from None


def addressee_of(config: ConnectorConfig) -> Addressee:
    """Return which directory of which gateway the settings name."""
    return Addressee(text_of(config.settings, "gateway"), text_of(config.settings, "name"))


def described(config: ConnectorConfig) -> Description:
    """Return what is known of the directory; nothing can be done with one of which nothing is."""
    addressee = addressee_of(config)
    if not (addressee.gateway and addressee.name):
        return Description(lacking=dict.fromkeys(METHODS, CHOOSE))
    try:
        return post.opened().description(addressee) or UNKNOWN
    except ConnectorError as error:
        return Description(lacking=dict.fromkeys(METHODS, error.message))


def _from(groups: Sequence[RemoteGroup], group: RemoteGroup) -> Sequence[RemoteGroup]:
    """Return the listed groups from this one on, none when it is not among them."""
    return groups[groups.index(group) :] if group in groups else ()


def _page(placed: PlacedPage) -> Page:
    page = placed.page
    if placed.containers:
        if len(placed.containers) != len(page.accounts):
            raise Unavailable(OTHER_VERSION)
        for account, container in zip(page.accounts, placed.containers, strict=True):
            account.raw = container
    return page


def _placed(placed: PlacedAccount | None) -> RemoteAccount | None:
    if placed is None:
        return None
    placed.account.raw = placed.container
    return placed.account


def _there(placed: PlacedAccount) -> RemoteAccount:
    placed.account.raw = placed.container
    return placed.account
