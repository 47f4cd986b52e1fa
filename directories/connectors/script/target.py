"""Accounts that a script keeps: a way of the operator's own into what speaks neither SQL nor LDAP nor SCIM.

Each call runs the script once. Its last argument is the operation. What it is about stands on its standard input, as
one JSON object: ``username``, ``id`` (the lasting number, "" before it is known), ``enabled``, ``attributes`` and
sometimes ``password``. It prints the account as it is then, an object of the same names without the password, or null
where there is none.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, ClassVar

import orjson

from directories.connectors.base import (
    AGAIN,
    Capability,
    Conflict,
    ConnectionStep,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    ConnectorError,
    ConnectorField,
    Entry,
    NotFound,
    Page,
    RemoteAccount,
    Unavailable,
)
from directories.connectors.form_values import text_of
from directories.connectors.records import NO_RECORD, TOO_DEEP, NestedTooDeeply, flat, key_text, paged
from directories.connectors.script.executable import executable
from directories.connectors.script.output import records
from directories.connectors.script.process import ScriptEnded
from directories.connectors.script.settings import (
    LIMITS,
    SCRIPT,
    environment_of,
    handed_over,
    limit_fields,
    limits_of,
    started,
)

SECONDS = 30
TAKEN, LATER = 73, 75  # codes of sysexits.h with which it ends: EX_CANTCREAT and EX_TEMPFAIL
FIND, LIST = "find", "list"
OPERATIONS: Mapping[Capability, str] = {
    Capability.IMPORT: LIST,
    Capability.CREATE: "create",
    Capability.UPDATE: "update",
    Capability.DISABLE: "disable",
    Capability.ENABLE: "enable",
    Capability.DELETE: "delete",
    Capability.SET_PASSWORD: "set_password",
}
SAMPLED = 50  # accounts that a connection test looks at
ACCOUNTS = "Accounts"
NOT_ABLE = "The script cannot {operation}. Write {operation} under What it can do, once it can."
NO_SUCH = "There is no operation {word}. Under What it can do stand: {known}."
NAME_TAKEN = "The script says that the name is taken there. Look who has it, or give the user another name."
NOT_NOW = f"The script says that this cannot be done now.{{said}} {AGAIN}"
NO_ACCOUNT = "The script printed no account for {operation}. Let it print the account as it is then, or null."
OTHER_ACCOUNT = "The script printed another account than it was asked for. Let it go by the id, wherever there is one."
IS_ABSENT = "The script says that the account is not there."
CAN_LIST = "It gives its accounts."
CAN_FIND = "It looks accounts up. It has no list of them, so name its attributes under Attribute mapping by hand."


class ScriptTarget(Connector):
    """Accounts that a script finds, makes and changes."""

    kind: ClassVar[str] = "script_target"
    label: ClassVar[str] = "Script that keeps accounts"
    icon: ClassVar[str] = "terminal"
    fields = (
        ConnectorField(
            "script",
            "Script",
            required=True,
            help_text="Its name in the folder that the operator gave, for example crm/accounts.py.",
            selects=True,
        ),
        ConnectorField(
            "operations",
            "What it can do",
            default=" ".join([*OPERATIONS.values()]),
            help_text=f"Of these words: {', '.join(OPERATIONS.values())}. It has to know {FIND}, too.",
            harmless=True,
        ),
        *handed_over(),
        *limit_fields(SECONDS),
    )
    folded = frozenset({LIMITS})
    look_up_hint = "Let its find compare the whole user name."
    delete_hint = "Let its delete really remove the account."
    reads_ahead = True

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.limits = limits_of(config.settings, SECONDS)
        self._answers = False  # whether it answered the last time

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """A script can do what its settings say."""
        operation = OPERATIONS.get(capability)
        if operation is None or operation in _words(config):
            return super().lacking(capability, config)
        return NOT_ABLE.format(operation=operation)

    @property
    def patience(self) -> float:
        """The time of one run."""
        return float(self.limits.seconds)

    def test(self) -> ConnectionTest:
        """Look whether the script may be run, and let it give some accounts, or look one up."""
        try:
            path = executable(self._name)
            environment_of(self.config.settings)
            wrong = next((word for word in _words(self.config) if word not in {*OPERATIONS.values(), FIND}), "")
            if wrong:
                raise ConnectorError(NO_SUCH.format(word=wrong, known=", ".join(OPERATIONS.values())))
        except ConnectorError as error:
            return ConnectionTest([ConnectionStep(SCRIPT, False, error.message)])
        steps = [ConnectionStep(SCRIPT, True, f"{path.name} may be run.")]
        names: dict[str, None] = {}
        try:
            if self.lacks(Capability.IMPORT):
                self.find(Entry("rollcall-connection-test"))
                return ConnectionTest([*steps, ConnectionStep(ACCOUNTS, True, CAN_FIND)])
            pages: Any = self.accounts(SAMPLED)
            with closing(pages):
                for account in next(pages).accounts:
                    if account.problem:
                        raise ConnectorError(account.problem)
                    names |= dict.fromkeys(account.attributes)
        except ConnectorError as error:
            return ConnectionTest([*steps, ConnectionStep(ACCOUNTS, False, error.message)])
        return ConnectionTest([*steps, ConnectionStep(ACCOUNTS, True, CAN_LIST)], attributes=[*names])

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Let it print everybody, as one list or an account a line."""
        with closing(started(self.config, self._name, self.limits, arguments=[LIST])) as run:
            for accounts, last in paged(map(_account, records(run.lines())), page_size):
                yield Page(accounts, last)

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Ask for it, by the lasting number where that is known."""
        return self._done(FIND, entry)

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Let it make the account."""
        return self._there("create", entry, password)

    def update(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        """Let it write what differs."""
        return self._there("update", entry)

    def disable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount | None:
        """Let it close the account."""
        return self._there("disable", entry)

    def enable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount | None:
        """Let it open the account."""
        return self._there("enable", entry)

    def delete(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Let it remove the account."""
        self._done("delete", entry)

    def set_password(self, entry: Entry, password: str) -> None:
        """Let it set the password."""
        self._there("set_password", entry, password)

    @property
    def _name(self) -> str:
        return text_of(self.config.settings, "script")

    def _there(self, operation: str, entry: Entry, password: str | None = None) -> RemoteAccount:
        found = self._done(operation, entry, password)
        if found is None:
            raise NotFound(IS_ABSENT)
        return found

    def _done(self, operation: str, entry: Entry, password: str | None = None) -> RemoteAccount | None:
        """Run the script once; return the account that it prints, None for null."""
        asked = {
            "operation": operation,
            "username": entry.key,
            "id": entry.ref,
            "enabled": entry.usable,
            "attributes": entry.attributes,
            **({} if password is None else {"password": password}),
        }
        try:
            given = orjson.dumps(asked, default=str)
        except TypeError:
            raise ConnectorError("A text has characters that cannot be given to the script.", code="mapping") from None
        hidden = [] if password is None else [password]
        run = started(self.config, self._name, self.limits, arguments=[operation], given=given, secrets=hidden)
        with closing(run):
            try:
                printed = b"\n".join(run.lines()).strip()
                self._answers = True
            except ScriptEnded as ended:
                self._answers = True
                raise _meant(ended, run.said()) from None
            except Unavailable as slow:  # with this account alone, if it answered just before
                alone, self._answers = self._answers, False
                raise Unavailable(slow.message, whole_directory=not alone) from None
        found = _read(printed, operation)
        if entry.ref and found is not None and found.ref != entry.ref:
            raise ConnectorError(OTHER_ACCOUNT, code="answer")
        return found


def _words(config: ConnectorConfig) -> list[str]:
    return text_of(config.settings, "operations").replace(",", " ").split()


def _meant(ended: ScriptEnded, said: str) -> ConnectorError:
    """Return what the code with which it ended says."""
    if ended.exit_code == TAKEN:
        return Conflict(NAME_TAKEN)
    if ended.exit_code == LATER:
        return Unavailable(NOT_NOW.format(said=said), whole_directory=False)
    return ended


def _read(printed: bytes, operation: str) -> RemoteAccount | None:
    try:
        found: Any = orjson.loads(printed)
    except orjson.JSONDecodeError:
        found = ""
    if found is None or operation == "delete":
        return None
    account = _account(found)
    if account.problem:
        raise ConnectorError(NO_ACCOUNT.format(operation=operation), code="answer")
    return account


def _account(printed: object) -> RemoteAccount:
    """Return one account as the script prints it; one that cannot be used carries its problem."""
    if not isinstance(printed, Mapping):
        return RemoteAccount("", "", problem=NO_RECORD)
    ref, key = key_text(printed.get("id")), key_text(printed.get("username"))
    attributes, enabled = printed.get("attributes"), printed.get("enabled")
    if not ref or not key:
        return RemoteAccount(ref, key, problem=f"The account has no {'username' if ref else 'id'}.")
    if not isinstance(attributes, Mapping) or not (enabled is None or isinstance(enabled, bool)):
        return RemoteAccount(ref, key, problem="The account has no attributes, or enabled is neither true nor false.")
    try:
        return RemoteAccount(ref, key, flat(attributes), enabled)
    except NestedTooDeeply:
        return RemoteAccount(ref, key, problem=TOO_DEEP)
