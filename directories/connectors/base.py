"""The connector protocol: what every kind of directory can be asked to do, and how it answers.

A connector speaks to one directory through plain settings and plain data: no Django model, no ORM, no Celery, so that
it can run outside the portal too. It does not retry, does not log to the journal and knows no dry run: those live once,
in the portal's delivery. Dropping a module with a ``Connector`` subclass into this package registers it; its declared
``fields`` draw the admin form.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Self

from directories.attributes import Value

Cursor = Mapping[str, Any]  # a connector's own words for a moment of its directory; JSON can hold it


_BELOW = re.compile(r"(?:[^,\\]|\\.)*,?", re.DOTALL)  # an entry's own part of a DN


class ConnectorError(Exception):
    """Someone must mend data or settings; the same call would fail again.

    ``message`` says in a helpdesk's words what is wrong and what to do next; it never holds a secret, a value of a
    statement or a driver's exception text. ``code`` is a stable name of the cause, so that operations parked for one
    cause can be retried together.
    """

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class Unavailable(ConnectorError):
    """The directory cannot be reached now (time-out, lock, 429, 5xx); the same call may succeed later.

    ``retry_after`` is in seconds, None when the directory did not say. ``whole_directory`` is False when only this
    account is affected (a row lock, a deadlock), so that other accounts are not held up.
    """

    code = "unavailable"

    def __init__(self, message: str, *, retry_after: float | None = None, whole_directory: bool = True) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.whole_directory = whole_directory


class NotFound(ConnectorError):
    """The account that was to be changed is not in the directory."""

    code = "not_found"


class CursorLost(ConnectorError):
    """What changed since the cursor was taken cannot be told any more; only a whole import will do."""

    code = "cursor"


class Conflict(ConnectorError):
    """Another account of the directory already holds a value that must be unique."""

    code = "conflict"


class Capability(StrEnum):
    """What a connector may be able to do; the admin offers only what the connector declares."""

    IMPORT = "import"
    CREATE = "create"
    UPDATE = "update"
    DISABLE = "disable"
    ENABLE = "enable"
    DELETE = "delete"
    SET_PASSWORD = "set_password"
    IMPORT_GROUPS = "import_groups"
    CREATE_GROUP = "create_group"
    UPDATE_GROUP = "update_group"
    DELETE_GROUP = "delete_group"
    MEMBERS = "members"  # adding and removing them
    INCREMENTAL = "incremental"  # telling what changed since a cursor
    LISTEN = "listen"  # telling that something changed, at once


class FieldType(StrEnum):
    """How the admin form draws a field."""

    TEXT = "text"
    SECRET = "secret"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    TEXTAREA = "textarea"


@dataclass(frozen=True, slots=True)
class ConnectorField:
    """One setting of a connector. A SECRET is encrypted at rest and masked everywhere.

    ``harmless``: changing it does not change who is given the secrets, so that they need not be typed again.
    """

    name: str
    label: str
    type: FieldType = FieldType.TEXT
    required: bool = False
    default: Any = None
    help_text: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    group: str = "Connection"
    minimum: int | None = None
    maximum: int | None = None
    harmless: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """What the portal knows of one account, given with every call about it.

    ``key`` is the user name; ``ref`` the lasting remote id, "" before the account exists; ``attributes`` the mapped
    directory attributes and ``person`` the portal's attributes by bare name (both by the names the admin uses).
    """

    key: str
    ref: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    person: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """One account as the directory holds it.

    ``enabled`` is None when the directory does not say. ``place`` is where the entry stands now (LDAP: its DN in one
    normal form), "" where accounts have no place of their own. ``problem`` is set instead of attributes when the row
    cannot be used (no key, undecodable bytes): the reason, in a helpdesk's words. ``waits``: a part could not be
    written yet, the reason in such words; the portal tries again by itself.
    """

    ref: str
    key: str
    attributes: Mapping[str, Value] = field(default_factory=dict)
    enabled: bool | None = None
    password: str | None = field(default=None, repr=False)
    problem: str = ""
    place: str = ""
    waits: str = ""

    @property
    def container(self) -> str:
        """The place above its own, "" for none."""
        return _BELOW.sub("", self.place, count=1)


@dataclass(frozen=True, slots=True)
class ShownAttribute:
    """One attribute of an entry as people read it; ``more`` values are left out."""

    name: str
    values: Sequence[str]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Inspection:
    """One entry with everything that the portal's login sees of it.

    ``place`` is its DN as the directory writes it, ``id_attribute`` where its lasting id stands. ``groups`` are the
    names in ``group_attribute``. ``notes`` say what an import would make of it.
    """

    account: RemoteAccount
    place: str
    identifier: str
    id_attribute: str
    attributes: Sequence[ShownAttribute]
    group_attribute: str = ""
    groups: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RemoteGroup:
    """One group as the directory holds it. ``place`` and ``problem`` are as with ``RemoteAccount``."""

    ref: str
    name: str
    description: str = ""
    place: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """What the portal knows of one group, given with every call about it; ``ref`` is "" before the group exists."""

    name: str
    ref: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class GroupPage:
    """One page of a crawl of groups; only one whose final page says ``last`` was complete."""

    groups: Sequence[RemoteGroup]
    last: bool = False


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page of a group's direct members, users and groups alike: by lasting id (``refs``) or by place.

    Only a list whose final page says ``last`` was complete.
    """

    refs: Sequence[str] = ()
    places: Sequence[str] = ()
    last: bool = False


class RefusedMember(NamedTuple):
    """A member that could not be added or removed, and why."""

    entry: Entry
    error: ConnectorError


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a crawl. Only a crawl whose final page says ``last`` was complete: an error is never an absence.

    ``gone`` are lasting ids of accounts that the directory says were deleted; only ``changes`` knows them.
    """

    accounts: Sequence[RemoteAccount]
    last: bool = False
    gone: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ConnectionStep:
    """One part of a connection test ("Login", "User table"): None when it was not reached.

    ``caution``: it works, and somebody ought to know what is wrong with it all the same.
    """

    name: str
    ok: bool | None
    message: str
    caution: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """What a connection test found: its steps in order, the server's version, latency in milliseconds, columns."""

    steps: Sequence[ConnectionStep]
    version: str = ""
    latency_ms: float | None = None
    attributes: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether every step succeeded."""
        return all(step.ok for step in self.steps)


@dataclass(frozen=True, slots=True)
class ConnectorConfig:
    """Everything a connector is opened with.

    ``settings`` holds the declared fields, secrets included in clear; ``templates`` the admin's statements by operation
    (see ``directories.query_templates``); ``attributes`` the directory attributes that are mapped.
    """

    settings: Mapping[str, Any]
    templates: Mapping[str, Sequence[str]] = field(default_factory=dict)
    attributes: Sequence[str] = ()
    with_passwords: bool = False


class Connector(ABC):
    """One open directory. A context manager that always closes."""

    kind: ClassVar[str]
    label: ClassVar[str]
    fields: ClassVar[tuple[ConnectorField, ...]] = ()
    # What stands for blank boxes, by the value of the field ``fills_by`` ("" without one): shown in the empty boxes.
    fills_by: ClassVar[str] = ""
    fills: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    folded: ClassVar[frozenset[str]] = frozenset()  # groups of fields that can mostly be left alone
    inspects: ClassVar[bool] = False  # whether ``inspect`` shows an entry
    clear_passwords: ClassVar[bool] = False  # whether the directory itself hashes the passwords that it is given
    nested_groups: ClassVar[bool] = False  # whether a group may be a member of another

    def __init__(self, config: ConnectorConfig) -> None:
        self.config = config

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    @abstractmethod
    def capabilities(self) -> frozenset[Capability]:
        """What this directory can do as it is configured now."""

    @classmethod
    def cautions(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """Return what is dangerous about settings that work, a sentence each."""
        return ()

    def lacking(self, capability: Capability) -> str:
        """Return what is missing for a capability that it does not declare: words that follow "it has no"."""
        return "such function"

    @property
    def creates_with_password(self) -> bool:
        """Whether ``create`` itself gives an account the password that comes with it."""
        return True

    @abstractmethod
    def test(self) -> ConnectionTest:
        """Try the connection part by part; a failure is a step of the result, not an exception."""

    @abstractmethod
    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the account that ``entry`` names, or None when the directory has none."""

    @abstractmethod
    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Create the account (only called after ``find`` gave None) and return it as the directory now holds it."""

    @abstractmethod
    def update(self, entry: Entry) -> RemoteAccount:
        """Make the account hold ``entry.attributes`` and return it; raise NotFound when it is absent."""

    @abstractmethod
    def disable(self, entry: Entry) -> RemoteAccount | None:
        """Stop the account from being used; return it when it is elsewhere now. Raise NotFound when it is absent.

        Called again for an account that is disabled and not where leavers are to be.
        """

    @abstractmethod
    def enable(self, entry: Entry) -> RemoteAccount | None:
        """Let the account be used again; return it when it is elsewhere now. Raise NotFound when it is absent."""

    @abstractmethod
    def delete(self, entry: Entry) -> None:
        """Remove the account. Deleting what is absent is success."""

    # --- Changes: a connector that declares the capability overrides these ---------------------------------------

    def cursor(self) -> Cursor | None:
        """Return where the directory stands now: what changes from here on, ``changes`` gives. None: it cannot say."""
        return None

    def changes(self, cursor: Cursor, page_size: int = 1000) -> Iterator[Page]:
        """Stream the accounts that changed since ``cursor`` was taken, some of them perhaps without a difference.

        Raise CursorLost when the directory cannot tell any more, so that everything has to be read.
        """
        raise CursorLost("This kind of directory does not tell what changed.")

    def changed_groups(self, cursor: Cursor, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream the groups that changed since ``cursor`` was taken, as ``changes`` does accounts."""
        raise CursorLost("This kind of directory does not tell what changed.")

    def news(self, stop: Event) -> Iterator[bool]:
        """Listen until ``stop`` is set: yield True when something changed, False every few seconds as a sign of life.

        The first True says that the directory is listened to from now on. Raise Unavailable when the connection ends.
        """
        raise ConnectorError("This kind of directory does not tell of changes by itself.", code="unsupported")

    @abstractmethod
    def set_password(self, entry: Entry, password: str) -> None:
        """Set the account's password; raise NotFound when it is absent."""

    @abstractmethod
    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream every account in pages of ``page_size``; the final page says ``last``."""

    def inspect(self, name: str) -> Inspection | None:
        """Return the entry of that user name with all its attributes, None when there is none."""
        raise _cannot("entries to look into")

    def look_up(self, refs: Sequence[str]) -> Sequence[RemoteAccount] | None:
        """Return those accounts with these lasting ids that ``accounts`` would give now, None when it cannot tell.

        Asked for accounts that a complete crawl did not show: an entry that was moved meanwhile is no leaver.
        """
        return None

    def wanted_container(self, entry: Entry, *, leaving: bool = False) -> str:
        """Return where the account is to stand, in the normal form of ``RemoteAccount.place``; "" where it may stay.

        ``leaving``: where it is to stand disabled. It is a part of what the account is to hold, although no attribute
        shows it. May raise ConnectorError.
        """
        return ""

    # --- Groups: a connector that declares the capability overrides these ----------------------------------------

    def groups(self, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream every group in pages; the final page says ``last``."""
        raise _cannot("groups")

    def members(self, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        """Stream the direct members of a group that ``groups`` gave; the final page says ``last``."""
        raise _cannot("groups")

    def find_group(self, group: GroupEntry) -> RemoteGroup | None:
        """Return the group with the entry's ref, or before it has one with its name; None when there is none."""
        raise _cannot("groups")

    def create_group(self, group: GroupEntry) -> RemoteGroup:
        """Create the group (only called after ``find_group`` gave None) and return it as the directory holds it."""
        raise _cannot("groups")

    def update_group(self, group: GroupEntry) -> RemoteGroup:
        """Rename the group, or change its description, and return it; raise NotFound when it is absent."""
        raise _cannot("groups")

    def delete_group(self, group: GroupEntry) -> None:
        """Remove the group, not its members. Deleting what is absent is success."""
        raise _cannot("groups")

    def add_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Put accounts into the group, who may be in it already; return those that could not be.

        Raise NotFound when the group is absent, Unavailable when the directory is.
        """
        raise _cannot("groups")

    def remove_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Take accounts out of the group, who may be out of it already; otherwise as ``add_members``."""
        raise _cannot("groups")

    def count(self) -> int | None:
        """Return how many accounts ``accounts`` will give, for a progress bar; None when that is not cheap."""
        return None

    def close(self) -> None:
        """Give back every connection."""
        return


def _cannot(what: str) -> ConnectorError:
    return ConnectorError(f"This kind of directory has no {what}.", code="unsupported")
