"""The connector protocol: what every kind of directory can be asked to do, and how it answers.

A connector speaks to one directory through plain settings and plain data: no Django model, no ORM, no Celery, so that
it can run outside the portal too. It does not retry, does not log to the journal and knows no dry run: those live once,
in the portal's delivery. Dropping a module with a ``Connector`` subclass into this package registers it; its declared
``fields`` draw the admin form. Connectors and their callers import the whole protocol from here.

What a connector can do follows from the methods that it overrides (``METHODS``); ``lacking`` may take some of it away
for settings that do not allow it. Nothing else says so.
"""

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, ClassVar, Self

from directories.connectors.errors import (
    AGAIN,
    Conflict,
    ConnectorError,
    CursorLost,
    NotFound,
    Unavailable,
    without_again,
)
from directories.connectors.types import (
    Capability,
    ConnectionStep,
    ConnectionTest,
    ConnectorConfig,
    ConnectorField,
    Cursor,
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
    RemoteContract,
    RemoteDepartment,
    RemoteGroup,
    ShownAttribute,
    Trial,
    TriedStatement,
    Write,
)

__all__ = [
    "AGAIN",
    "Capability",
    "Conflict",
    "ConnectionStep",
    "ConnectionTest",
    "Connector",
    "ConnectorConfig",
    "ConnectorError",
    "ConnectorField",
    "Cursor",
    "CursorLost",
    "DepartmentPage",
    "Entry",
    "FieldType",
    "GroupEntry",
    "GroupPage",
    "Inspection",
    "MemberPage",
    "NotFound",
    "Page",
    "RefusedMember",
    "RemoteAccount",
    "RemoteContract",
    "RemoteDepartment",
    "RemoteGroup",
    "ShownAttribute",
    "Trial",
    "TriedStatement",
    "Unavailable",
    "Write",
    "without_again",
]


# What a connector overrides to have a capability: methods, and an attribute for what comes with accounts.
METHODS: Mapping[Capability, Sequence[str]] = {
    Capability.IMPORT: ("accounts",),
    Capability.IMPORT_PASSWORDS: ("gives_passwords",),
    Capability.CONTRACTS: ("gives_contracts",),
    Capability.DEPARTMENTS: ("departments",),
    Capability.CREATE: ("create",),
    Capability.UPDATE: ("update",),
    Capability.DISABLE: ("disable",),
    Capability.ENABLE: ("enable",),
    Capability.DELETE: ("delete",),
    Capability.SET_PASSWORD: ("set_password",),
    Capability.IMPORT_GROUPS: ("groups", "members"),
    Capability.CREATE_GROUP: ("find_group", "create_group"),
    Capability.UPDATE_GROUP: ("update_group",),
    Capability.DELETE_GROUP: ("delete_group",),
    Capability.MEMBERS: ("add_members", "remove_members"),
    Capability.INCREMENTAL: ("cursor", "changes"),
    Capability.LISTEN: ("news",),
    Capability.INSPECT: ("inspect",),
}
# What a directory cannot do, in the words that follow "cannot".
_WORDS: Mapping[Capability, str] = {
    Capability.IMPORT: "give its accounts",
    Capability.IMPORT_PASSWORDS: "give passwords away",
    Capability.CONTRACTS: "give people's contracts",
    Capability.DEPARTMENTS: "give its departments",
    Capability.CREATE: "create accounts",
    Capability.UPDATE: "update accounts",
    Capability.DISABLE: "disable accounts",
    Capability.ENABLE: "enable accounts",
    Capability.DELETE: "delete accounts",
    Capability.SET_PASSWORD: "set passwords",
    Capability.IMPORT_GROUPS: "give its groups",
    Capability.CREATE_GROUP: "create groups",
    Capability.UPDATE_GROUP: "rename groups",
    Capability.DELETE_GROUP: "delete groups",
    Capability.MEMBERS: "change who is in a group",
    Capability.INCREMENTAL: "tell what changed",
    Capability.LISTEN: "tell of changes by itself",
    Capability.INSPECT: "show one entry",
}


class Connector(ABC):
    """One open directory. A context manager that always closes.

    Every method raises ConnectorError (or its kinds) for what cannot be done. ``found`` is what ``find`` or another
    call gave just now, so that the directory need not be asked twice; without it a connector looks by itself.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    icon: ClassVar[str] = "dns"  # of Material Symbols
    recommended: ClassVar[bool] = True  # those that are not come last where a kind is chosen
    fields: ClassVar[tuple[ConnectorField, ...]] = ()
    # The default values shown as placeholders in empty boxes, by the value of the field ``fills_by`` ("" without one).
    fills_by: ClassVar[str] = ""
    fills: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    notes: ClassVar[Mapping[str, str]] = {}  # what to do at the other end, by the same value
    folded: ClassVar[frozenset[str]] = frozenset()  # groups of fields that can mostly be left alone
    templated: ClassVar[bool] = False  # whether the admin writes its statements, as query templates
    # What follows up to ``describes_groups`` a connector may know only when it is open.
    attributes_word: str = "attributes"  # what people call the attributes of its accounts
    key_source: str = ""  # where the user name of an account comes from, for people; "" needs no words
    # What to change when ``find`` misses or mistakes an account that is there, and when it finds one after ``delete``.
    look_up_hint: str = "Let its look-up compare the whole user name as the directory stores it."
    finds_by_name: bool = True  # False: it looks nobody up before the portal knows their lasting id
    delete_hint: str = "Let its deletion really remove the account."
    gives_passwords: bool = False  # whether ``accounts`` can give passwords or their hashes
    gives_contracts: bool = False  # whether ``accounts`` and ``look_up`` give people's contracts
    clear_passwords: bool = False  # whether the directory itself hashes the passwords that it is given
    nested_groups: bool = False  # whether a group may be a member of another
    describes_groups: bool = True  # whether a group has a description there
    urgent: bool = False  # what is asked next is for somebody who loses access, and goes before what others wait for
    at_a_time: int = 1  # how many requests for accounts may be under way at the same time
    members_at_once: int = 1000  # how many members one call brings into a group, or takes out; then it is recorded
    # Whether reading waits for a server: then the next page is read, by one other thread, while a page is worked on.
    reads_ahead: ClassVar[bool] = False

    def __init__(self, config: ConnectorConfig) -> None:
        self.config = config

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @classmethod
    def implemented(cls) -> frozenset[Capability]:
        """Return what this kind of directory can do with the right settings: what its methods are there for."""
        return frozenset(
            capability
            for capability, names in METHODS.items()
            if all(getattr(cls, name) is not getattr(Connector, name) for name in names)
        )

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """Return what a directory of these settings lacks for a capability and what to do about it; "" for nothing.

        It is said in whole sentences, in words of the connector's own kind. ``config`` may be blank or wrong. Who
        overrides it for a setting gives everything else to ``super()``.
        """
        return "" if capability in cls.implemented() else f"This kind of directory cannot {_WORDS[capability]}."

    @classmethod
    def offered(cls, config: ConnectorConfig) -> frozenset[Capability]:
        """Return what a directory of these settings can do."""
        return frozenset(capability for capability in Capability if not cls.lacking(capability, config))

    def lacks(self, capability: Capability) -> str:
        """Return what this directory lacks for a capability as it is configured now; "" for nothing."""
        return self.lacking(capability, self.config)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this directory can do as it is configured now."""
        return self.offered(self.config)

    @classmethod
    def cautions(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """Return what is dangerous about settings that work, a sentence each."""
        return ()

    @classmethod
    def required(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """Return the attributes without which no account is made, besides the user name."""
        return ()

    @classmethod
    def meant_by(cls, attribute: str) -> str:
        """Return what an attribute is commonly called, by which a mapping is suggested for it; "" for none."""
        return attribute

    @classmethod
    def called(cls, settings: Mapping[str, Any]) -> str:
        """Return what a directory with these settings is, in few words."""
        return cls.label

    @classmethod
    def forecast(cls, settings: Mapping[str, Any], users: int) -> str:
        """Return how long it takes to bring so many users in, and why, as in "about an hour: ..."; "" when not long."""
        return ""

    @classmethod
    def sample(cls, folder: Path) -> ConnectorConfig | None:
        """Return settings for an empty directory in ``folder``, for the contract tests; None when it needs a server."""
        return None

    kept_by_server: frozenset[str] = frozenset()  # attributes (case folded) that nobody else may write
    # Attributes (case folded, what follows the last colon) that name a manager by the lasting id of their account.
    manager_names: frozenset[str] = frozenset()

    @property
    def patience(self) -> float:
        """The seconds that one call may take before the connector gives it up; leases last longer."""
        return 30.0

    @property
    def creates_with_password(self) -> bool:
        """Whether ``create`` itself gives an account the password that comes with it."""
        return True

    @property
    def update_names(self) -> Collection[str]:
        """The names that an update uses, of directory attributes and of the portal's own; empty: what is mapped."""
        return ()

    @property
    def keeps_deleted(self) -> bool:
        """Whether ``delete`` only marks an account, so that it can still be found."""
        return False

    @property
    def deletion_is_final(self) -> str:
        """What ``delete`` takes for good, in words that follow "Cannot be undone in …: "; "" when it can be undone."""
        return "the account is gone with what it owns, and a new one has another id."

    @abstractmethod
    def test(self) -> ConnectionTest:
        """Try the connection part by part; a failure is a step of the result, not an exception."""

    def certificate_until(self) -> dt.datetime | None:
        """Return until when the certificate is valid that the server shows, None without TLS or when it is away."""
        return None

    @abstractmethod
    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the account that ``entry`` names, or None when the directory has none."""

    # --- Many accounts at once: a connector overrides what saves its directory round trips ---------------------------

    at_once: int = 1  # how many accounts are worth asking ``find_many`` for, and giving to ``write_many``

    def find_many(self, entries: Sequence[Entry]) -> Mapping[int, RemoteAccount | None]:
        """Return what ``find`` would give, by position, for those of the entries that it takes few questions to say.

        The others are looked up singly. Raise Unavailable.
        """
        return {}

    def writes_together(self, capability: Capability) -> bool:
        """Return whether ``write_many`` takes accounts to create, or to update."""
        return False

    def write_many(self, writes: Sequence[Write]) -> Sequence[RemoteAccount | ConnectorError]:
        """Create and update accounts in this order, and return what ``create`` and ``update`` would have, or raised.

        Each is done or refused by itself, and one that gets Unavailable may be looked up and tried singly. All of them
        together take no longer than one call may.
        """
        raise NotImplementedError

    # --- Accounts: a connector overrides what its directory can do ------------------------------------------------

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Create the account (only called after ``find`` gave None) and return it as the directory now holds it."""
        raise _cannot(Capability.CREATE)

    def update(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        """Make the account hold ``entry.attributes``, and return it as the directory now holds it.

        Raise NotFound when it is absent.
        """
        raise _cannot(Capability.UPDATE)

    def disable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount | None:
        """Stop the account from being used; return it when it is elsewhere now. Raise NotFound when it is absent.

        Called again for an account that is disabled and not where leavers are to be.
        """
        raise _cannot(Capability.DISABLE)

    def enable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount | None:
        """Let the account be used again; return it when what ``found`` says of it is no longer true.

        Raise NotFound when it is absent.
        """
        raise _cannot(Capability.ENABLE)

    def delete(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Remove the account. Deleting what is absent is success."""
        raise _cannot(Capability.DELETE)

    def set_password(self, entry: Entry, password: str) -> None:
        """Set the account's password; raise NotFound when it is absent."""
        raise _cannot(Capability.SET_PASSWORD)

    def adopt(self, entry: Entry, found: RemoteAccount) -> RemoteAccount:
        """Mark an account that was found by its name as the portal's, where the directory has a place for that.

        Return it as the directory holds it then.
        """
        return found

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream every account in pages of ``page_size``; the final page says ``last``.

        Where ``CONTRACTS`` is among the capabilities, each comes with all contracts of its person.
        """
        raise _cannot(Capability.IMPORT)

    def departments(self, page_size: int = 1000) -> Iterator[DepartmentPage]:
        """Stream every department of a source of truth in pages; the final page says ``last``."""
        raise _cannot(Capability.DEPARTMENTS)

    # --- Changes -----------------------------------------------------------------------------------------------------

    def cursor(self) -> Cursor | None:
        """Return where the directory stands now: what changes from here on, ``changes`` gives. None: it cannot say."""
        return None

    def beginning(self) -> Cursor | None:
        """Return where changes begin, if each row of the directory can be told as one without saying who is missing.

        Then an import of what changed needs no whole one before it. None: it does.
        """
        return None

    def changes(self, cursor: Cursor, page_size: int = 1000) -> Iterator[Page]:
        """Stream the accounts that changed since ``cursor`` was taken, some of them perhaps without a difference.

        Raise CursorLost when the directory cannot tell any more, so that everything has to be read.
        """
        raise CursorLost("This kind of directory does not tell what changed.")

    def changed_groups(self, cursor: Cursor, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream the groups that changed since ``cursor`` was taken, as ``changes`` does accounts; at worst all."""
        return self.groups(page_size)

    def news(self, stop: Event) -> Iterator[bool]:
        """Listen until ``stop`` is set: yield True when something changed, False every few seconds as a heartbeat.

        The first True says that the directory is listened to from now on. Raise Unavailable when the connection ends.
        """
        raise _cannot(Capability.LISTEN)

    def inspect(self, name: str) -> Inspection | None:
        """Return the entry of that user name with all its attributes, None when there is none."""
        raise _cannot(Capability.INSPECT)

    @classmethod
    def trials(cls, config: ConnectorConfig) -> Sequence[str]:
        """Return the operations whose statements can be tried, "create" and so on; none where none are written."""
        return ()

    def try_out(self, trial: Trial) -> Sequence[TriedStatement]:
        """Return the statements of an operation with somebody's values, and run them on request; nothing is kept."""
        raise ConnectorError("Only directories with query templates can be tried.", code="template")

    def look_up(self, refs: Sequence[str]) -> Sequence[RemoteAccount] | None:
        """Return those accounts with these lasting ids that ``accounts`` would give now, None when it cannot tell.

        Asked for accounts that a complete crawl did not show: an entry that was moved meanwhile is no leaver.
        """
        return None

    def wanted_container(self, entry: Entry, *, leaving: bool = False) -> str:
        """Return the part of the directory in which the account is to stand, "" where it may stay.

        ``leaving``: where it is to stand disabled. It is a part of what the account is to hold, although no attribute
        shows it. May raise ConnectorError.
        """
        return ""

    def container_of(self, account: RemoteAccount) -> str:
        """Return where the account stands, written so that it equals ``wanted_container`` when it need not be moved.

        "" where accounts have no place of their own.
        """
        return ""

    # --- Groups ------------------------------------------------------------------------------------------------------

    def groups(self, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream every group in pages; the final page says ``last``."""
        raise _cannot(Capability.IMPORT_GROUPS)

    def members(self, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        """Stream the direct members of a group that ``groups`` gave; the final page says ``last``."""
        raise _cannot(Capability.IMPORT_GROUPS)

    def find_group(self, group: GroupEntry) -> RemoteGroup | None:
        """Return the group with the entry's ref, or before it has one with its name; None when there is none."""
        raise _cannot(Capability.CREATE_GROUP)

    def create_group(self, group: GroupEntry) -> RemoteGroup:
        """Create the group (only called after ``find_group`` gave None) and return it as the directory holds it."""
        raise _cannot(Capability.CREATE_GROUP)

    def adopt_group(self, group: GroupEntry, found: RemoteGroup) -> None:
        """Mark a group that was found by its name as the portal's, where the directory has a place for that."""
        return

    def update_group(self, group: GroupEntry) -> RemoteGroup:
        """Rename the group, or change its description, and return it; raise NotFound when it is absent."""
        raise _cannot(Capability.UPDATE_GROUP)

    def delete_group(self, group: GroupEntry) -> None:
        """Remove the group, not its members. Deleting what is absent is success."""
        raise _cannot(Capability.DELETE_GROUP)

    def add_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Put accounts into the group, who may be in it already; return those that could not be.

        Raise NotFound when the group is absent, Unavailable when the directory is.
        """
        raise _cannot(Capability.MEMBERS)

    def remove_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Take accounts out of the group, who may be out of it already; otherwise as ``add_members``."""
        raise _cannot(Capability.MEMBERS)

    def count(self) -> int | None:
        """Return how many accounts ``accounts`` will give, for a progress bar; None when that is not cheap."""
        return None

    def close(self) -> None:
        """Give back every connection."""
        return


def _cannot(capability: Capability) -> ConnectorError:
    return ConnectorError(f"This kind of directory cannot {_WORDS[capability]}.", code="unsupported")
