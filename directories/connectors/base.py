"""The connector protocol: what every kind of directory can be asked to do, and how it answers.

A connector speaks to one directory through plain settings and plain data: no Django model, no ORM, no Celery, so that
it can run outside the portal too. It does not retry, does not log to the journal and knows no dry run: those live once,
in the portal's delivery. Dropping a module with a ``Connector`` subclass into this package registers it; its declared
``fields`` draw the admin form. Connectors and their callers import the whole protocol from here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from threading import Event
from types import TracebackType
from typing import Any, ClassVar, Self

from directories.connectors.errors import Conflict, ConnectorError, CursorLost, NotFound, Unavailable
from directories.connectors.types import (
    Capability,
    ConnectionStep,
    ConnectionTest,
    ConnectorConfig,
    ConnectorField,
    Cursor,
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
    ShownAttribute,
)

__all__ = [
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
    "RemoteGroup",
    "ShownAttribute",
    "Unavailable",
]


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
