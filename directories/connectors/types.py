"""What a connector is opened with, asked and answers: plain data. Part of the protocol: import it from ``base``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from directories.attributes import Value
from directories.connectors.errors import ConnectorError, without_again
from directories.connectors.server_certificate import ServerCertificate

Choices = tuple[tuple[str, str], ...]  # values and what people read
Cursor = Mapping[str, Any]  # a connector's own words for a moment of its directory; JSON can hold it


class Capability(StrEnum):
    """What a connector may be able to do; the admin offers only what it can (see ``base.METHODS``)."""

    IMPORT = "import"
    IMPORT_PASSWORDS = "import_passwords"
    CONTRACTS = "contracts"  # accounts come with the contracts of their people
    DEPARTMENTS = "departments"
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
    INSPECT = "inspect"  # showing one entry with everything that it holds


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
    ``suggested``: a connection test may find out what it can be, so a test does not ask for it.
    ``selects``: it decides whom an import sees. ``choices`` are asked for each time where they change.
    """

    name: str
    label: str
    type: FieldType = FieldType.TEXT
    required: bool = False
    default: Any = None
    help_text: str = ""
    choices: Choices | Callable[[], Choices] = ()
    group: str = "Connection"
    minimum: int | None = None
    maximum: int | None = None
    harmless: bool = False
    suggested: bool = False
    selects: bool = False

    @property
    def values(self) -> list[str]:
        """What can be chosen now."""
        return [value for value, _ in (self.choices() if callable(self.choices) else self.choices)]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the portal knows of one account, given with every call about it.

    ``key`` is the user name; ``ref`` the lasting remote id, "" before the account exists; ``attributes`` the mapped
    directory attributes and ``person`` the portal's attributes by bare name (both by the names the admin uses).
    ``portal_id`` is what the portal calls the user for ever, "" for one that was deleted.
    ``manager_ref`` is the lasting id of the account of the person's manager, "" where the portal does not know one.
    ``usable``: whether a new account is to be enabled. A connector that cannot add it disabled adds it enabled, and is
    told to disable it next.
    """

    key: str
    ref: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    person: Mapping[str, Value] = field(default_factory=dict)
    portal_id: str = ""
    usable: bool = True
    manager_ref: str = ""


@dataclass(frozen=True, slots=True)
class RemoteContract:
    """One contract of a person as a source of truth holds it: its number there, and its values by the source's names.

    ``problem`` says in a helpdesk's words why the contract cannot be used; its person is then left as they are.
    """

    ref: str
    attributes: Mapping[str, Value] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RemoteDepartment:
    """One department as a source of truth holds it. ``parent`` is a department's number there, ``manager`` a person's.

    ``attributes`` are its values by the source's names, and ``problem`` says why it cannot be used.
    """

    ref: str
    name: str
    parent: str = ""
    manager: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    problem: str = ""


@dataclass(slots=True)
class RemoteAccount:
    """One account as the directory holds it. Nobody changes one; to freeze it would cost as much as to read it.

    ``contracts`` are those of its person, in any order; None: the directory says nothing of contracts, which is not
    the same as none.

    ``enabled`` is None when the directory does not say. ``place`` is where the entry stands now, by which the members
    of groups may name it (LDAP: its DN in one normal form), "" where accounts have no place of their own. ``problem``
    is set instead of attributes when the row cannot be used (no key, undecodable bytes): the reason, in a helpdesk's
    words. ``waits``: a part could not be written yet, the reason in such words; the portal tries again by itself.
    ``ignored`` are names of attributes that the directory took without a word and does not hold after all.
    ``manager_ref`` is the lasting id of the manager's account, "" where the directory names managers in other ways.
    ``raw`` is the connector's own: what it found the account as, for the call that follows.
    """

    ref: str
    key: str
    attributes: Mapping[str, Value] = field(default_factory=dict)
    enabled: bool | None = None
    password: str | None = field(default=None, repr=False)
    problem: str = ""
    place: str = ""
    waits: str = ""
    ignored: Sequence[str] = ()
    contracts: Sequence[RemoteContract] | None = None
    manager_ref: str = ""
    raw: object = field(default=None, repr=False, compare=False)


class Write(NamedTuple):
    """An account to be created with a password, or updated."""

    capability: Capability
    entry: Entry
    password: str | None = None


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
    """What the portal knows of one group, given with every call about it; ``ref`` is "" before the group exists.

    ``portal_id`` is what the portal calls the group for ever, "" for one that was deleted.
    """

    name: str
    ref: str = ""
    description: str = ""
    portal_id: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """Statements of an operation to be tried for somebody: shown, and with ``run`` run and rolled back."""

    operation: str
    entry: Entry
    password: str | None
    group: GroupEntry
    run: bool


@dataclass(frozen=True, slots=True)
class TriedStatement:
    """One statement with its values. ``rows`` and ``milliseconds`` are None when it was not run.

    ``parameters`` are the bound values by name; a password is masked. ``error`` says why it was not run or failed.
    """

    bound_sql: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    rows: int | None = None
    milliseconds: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class GroupPage:
    """One page of a crawl of groups; only one whose final page says ``last`` was complete."""

    groups: Sequence[RemoteGroup]
    last: bool = False


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page of a group's direct members, users and groups alike: by lasting id (``refs``) or by place.

    ``names`` are those of the refs that the directory does not know: the portal compares them with user names too.
    Only a list whose final page says ``last`` was complete.
    """

    refs: Sequence[str] = ()
    places: Sequence[str] = ()
    names: Sequence[str] = ()
    last: bool = False


@dataclass(frozen=True, slots=True)
class DepartmentPage:
    """One page of a source's departments, in any order; only one whose final page says ``last`` was complete."""

    departments: Sequence[RemoteDepartment]
    last: bool = False


class RefusedMember(NamedTuple):
    """A member that could not be added or removed, and why."""

    entry: Entry
    error: ConnectorError


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a crawl. Only a crawl whose final page says ``last`` was complete: an error is never an absence.

    ``gone`` are lasting ids of accounts that the directory says were deleted, or of changed entries that may have been
    accounts before; only ``changes`` knows them. Each is looked up before anybody is taken for a leaver.
    ``whole``, with the last page: whoever was in none of them is not there. Where the directory may have left people
    out without a word it is False, and then nobody is taken for a leaver.
    """

    accounts: Sequence[RemoteAccount]
    last: bool = False
    gone: Sequence[str] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class ConnectionStep:
    """One part of a connection test ("Login", "User table"): None when it was not reached.

    ``caution``: it works, and somebody ought to know what is wrong with it all the same. ``left_out``: nobody asked for
    it, which is no fault.
    """

    name: str
    ok: bool | None
    message: str
    caution: bool = False
    left_out: bool = False

    @property
    def words(self) -> str:
        """The message for whoever tests: nobody but them tries again."""
        return without_again(self.message)


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """What a connection test found: its steps in order, the server's version, latency in milliseconds, columns.

    ``of_contracts``: further columns, which only contracts have.
    ``required`` are those without which no account is made.
    ``suggestions``: by the name of a setting that does not work, the values that would. ``certificate``: what the
    server shows, when it is not trusted.
    """

    steps: Sequence[ConnectionStep]
    version: str = ""
    latency_ms: float | None = None
    attributes: Sequence[str] = ()
    suggestions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    certificate: ServerCertificate | None = None
    of_contracts: Sequence[str] = ()
    required: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether every step succeeded."""
        return all(step.ok for step in self.steps)

    @property
    def dangerous(self) -> bool:
        """Whether every step succeeded and one of them calls for caution."""
        return self.ok and any(step.caution for step in self.steps)


@dataclass(frozen=True, slots=True)
class ConnectorConfig:
    """Everything a connector is opened with.

    ``settings`` holds the declared fields, secrets included in clear; ``templates`` the admin's statements by operation
    (see ``directories.query_templates``); ``attributes`` the directory attributes that are mapped. ``directory`` is the
    number of the directory in the portal, None for one that is not saved.
    """

    settings: Mapping[str, Any]
    templates: Mapping[str, Sequence[str]] = field(default_factory=dict)
    attributes: Sequence[str] = ()
    with_passwords: bool = False
    directory: int | None = None
