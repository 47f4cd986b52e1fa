"""Doing what the portal asks: the calls that the protocol has, on the directories of the gateway's file, and no others.

Connectors that answered are kept open for a while, each for one call at a time.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Any

from directories.connectors.base import (
    Capability,
    Connector,
    ConnectorConfig,
    ConnectorError,
    Entry,
    GroupEntry,
    Page,
    RemoteAccount,
    RemoteGroup,
    Unavailable,
    Write,
)
from directories.connectors.gateway.calls import (
    Call,
    FoundAccount,
    MembersOf,
    PlacedAccount,
    PlacedPage,
    WrittenAccount,
)
from directories.connectors.gateway.description import Description, describe, dump_description
from directories.gateway.settings import KEEPS_PASSWORDS, READ_ONLY, GatewayDirectory

IDLE = 30.0  # seconds for which a connector is kept that nobody uses
MOST_IDLE = 8  # of one directory
LARGEST_PAGE = 5000  # accounts, whatever the portal asks for
TOO_LONG = "The gateway had no time left for this account. The portal tries again by itself."
NO_SUCH = "The gateway's file has no directory of this name any more."
UNEXPECTED = "The gateway could not do this because of a fault in it. Its log has the details."
log = logging.getLogger(__name__)


class ConnectorWork:
    """The directories of the gateway's file."""

    def __init__(self, directories: Mapping[str, GatewayDirectory]) -> None:
        self.directories = directories
        self._idle: dict[Any, list[tuple[float, Connector]]] = {}
        self._lock = threading.Lock()

    def description(self) -> dict[str, Any]:
        """Return what the portal has to know of each directory."""
        return {name: dump_description(self._described(one)) for name, one in self.directories.items()}

    def _described(self, directory: GatewayDirectory) -> Description:
        lacking = directory.lacking()
        reads_as = directory.reads_as
        try:
            with directory.connector(directory.config) as connector:
                return describe(connector, lacking=lacking, reads_as=reads_as)
        except ConnectorError as error:
            missing = {capability.value: error.message for capability in Capability}
            return Description(directory.connector.kind, directory.connector.label, missing, reads_as=reads_as)

    def answer(self, name: str, call: Call) -> Any:
        """Return the one item of a call's answer, as JSON; raise ConnectorError."""
        directory = self._allowed(name, call)
        with _contained(call.method), self._borrowed(directory, call) as connector:
            found = ANSWERS[call.method](connector, *call.arguments)
        return call.known.gives.encode(found)

    def items(self, name: str, call: Call, stop: Event) -> Iterator[Any]:
        """Give the items of a call's answer, as JSON, as they come; raise ConnectorError."""
        directory = self._allowed(name, call)
        encode = call.known.gives.encode
        with _contained(call.method), directory.connector(_config(directory, call)) as connector:
            items: Any = STREAMS[call.method](connector, stop, *call.arguments)
            try:
                for item in items:
                    yield encode(item)
            finally:
                getattr(items, "close", lambda: None)()

    def close(self) -> None:
        """Close what nobody uses."""
        with self._lock:
            idle = [connector for found in self._idle.values() for _, connector in found]
            self._idle = {}
        for connector in idle:
            _close(connector)

    def close_old(self) -> None:
        """Close what nobody used for a while."""
        now, old = time.monotonic(), []
        with self._lock:
            for key, found in list(self._idle.items()):
                old += [connector for at, connector in found if now - at > IDLE]
                self._idle[key] = [(at, connector) for at, connector in found if now - at <= IDLE]
        for connector in old:
            _close(connector)

    def _allowed(self, name: str, call: Call) -> GatewayDirectory:
        directory = self.directories.get(name)
        if directory is None:
            raise ConnectorError(NO_SUCH, code="settings")
        if directory.read_only and call.known.writes:
            raise ConnectorError(READ_ONLY, code="settings")
        if any(map(directory.keeps, call.attributes)):
            raise ConnectorError(KEEPS_PASSWORDS, code="settings")
        return directory

    @contextmanager
    def _borrowed(self, directory: GatewayDirectory, call: Call) -> Iterator[Connector]:
        """Give a connector that is open already, or another; one that failed for now is closed."""
        config = _config(directory, call)
        key = (directory.name, tuple(config.attributes), config.with_passwords)
        with self._lock:
            kept = self._idle.get(key)
            connector = kept.pop()[1] if kept else None
        connector = connector or directory.connector(config)
        connector.urgent = call.urgent
        try:
            yield connector
        except Exception as error:
            if isinstance(error, ConnectorError) and not isinstance(error, Unavailable):
                self._keep(key, connector)
            else:
                _close(connector)
            raise
        self._keep(key, connector)

    def _keep(self, key: Any, connector: Connector) -> None:
        with self._lock:
            kept = self._idle.setdefault(key, [])
            if len(kept) < MOST_IDLE:
                kept.append((time.monotonic(), connector))
                return
        _close(connector)


def _config(directory: GatewayDirectory, call: Call) -> ConnectorConfig:
    passwords = call.with_passwords and directory.give_passwords
    return replace(directory.config, attributes=tuple(call.attributes), with_passwords=passwords)


def _close(connector: Connector) -> None:
    try:
        connector.close()
    except Exception as error:  # a connection that is broken already
        log.warning("%s while closing a connection", type(error).__name__)


@contextmanager
def _contained(doing: str) -> Iterator[None]:
    """Let nothing but the protocol's errors out: another's text may hold values of people or secrets."""
    try:
        yield
    except ConnectorError:
        raise
    except Exception as error:
        log.error("%s while doing %s", type(error).__name__, doing)
        raise ConnectorError(UNEXPECTED, code="unexpected") from None


# --- Calls with one answer -------------------------------------------------------------------------------------------


def _place(connector: Connector, account: RemoteAccount | None) -> PlacedAccount | None:
    return None if account is None else PlacedAccount(account, connector.container_of(account))


def _find_many(connector: Connector, entries: Sequence[Entry]) -> list[FoundAccount]:
    """Look all of them up: together as far as the directory can, and then singly."""
    ends = time.monotonic() + connector.patience / 2
    found: dict[int, RemoteAccount | None] = {}
    if connector.at_once > 1:
        for start in range(0, len(entries), connector.at_once):
            part = connector.find_many(entries[start : start + connector.at_once])
            found |= {start + position: account for position, account in part.items()}
    for position, entry in enumerate(entries):
        if time.monotonic() > ends:
            break
        if position not in found:
            try:
                found[position] = connector.find(entry)
            except ConnectorError as error:
                if _is_away(error):
                    raise
                continue  # the portal asks for that one by itself, and is told
    return [FoundAccount(position, _place(connector, account)) for position, account in sorted(found.items())]


def _write_many(connector: Connector, writes: Sequence[Write]) -> list[WrittenAccount]:
    """Write all of them in their order: together as far as the directory can, else one after the other."""
    ends = time.monotonic() + connector.patience / 2
    done: list[RemoteAccount | ConnectorError] = []
    together = connector.at_once > 1 and all(connector.writes_together(one.capability) for one in writes)
    while len(done) < len(writes):
        if time.monotonic() > ends or (done and _is_away(done[-1])):
            done += [Unavailable(TOO_LONG, whole_directory=False)] * (len(writes) - len(done))
            break
        if together:
            done += connector.write_many(writes[len(done) : len(done) + connector.at_once])
        else:
            done.append(_written(connector, writes[len(done)]))
    return [_told(connector, one) for one in done]


def _is_away(answer: RemoteAccount | ConnectorError) -> bool:
    return isinstance(answer, Unavailable) and answer.whole_directory


def _written(connector: Connector, write: Write) -> RemoteAccount | ConnectorError:
    try:
        with _contained("write_many"):
            if write.capability is Capability.CREATE:
                return connector.create(write.entry, write.password)
            return connector.update(write.entry)
    except ConnectorError as error:
        return error


def _told(connector: Connector, answer: RemoteAccount | ConnectorError) -> WrittenAccount:
    if isinstance(answer, ConnectorError):
        return WrittenAccount(None, answer)
    return WrittenAccount(_place(connector, answer), None)


def _adopt(connector: Connector, entry: Entry) -> PlacedAccount | None:
    found = connector.find(entry)
    return _place(connector, connector.adopt(entry, found)) if found is not None else None


def _adopt_group(connector: Connector, group: GroupEntry) -> None:
    found = connector.find_group(group)
    if found is not None:
        connector.adopt_group(group, found)


def _look_up(connector: Connector, refs: Sequence[str]) -> list[PlacedAccount] | None:
    found = connector.look_up(refs)
    return None if found is None else [PlacedAccount(one, connector.container_of(one)) for one in found]


def _wanted_container(connector: Connector, entry: Entry, leaving: bool) -> str:
    return connector.wanted_container(entry, leaving=leaving)


ANSWERS: Mapping[str, Callable[..., Any]] = {
    **{
        name: lambda connector, *arguments, name=name: getattr(connector, name)(*arguments)
        for name in (
            *("test", "certificate_until", "count", "inspect", "cursor", "beginning", "find_group", "delete"),
            *(
                "set_password",
                "try_out",
                "create_group",
                "update_group",
                "delete_group",
                "add_members",
                "remove_members",
            ),
        )
    },
    **{
        name: lambda connector, *arguments, name=name: _place(connector, getattr(connector, name)(*arguments))
        for name in ("find", "create", "update", "disable", "enable")
    },
    "adopt": _adopt,
    "adopt_group": _adopt_group,
    "find_many": _find_many,
    "write_many": _write_many,
    "look_up": _look_up,
    "wanted_container": _wanted_container,
    "forecast": lambda connector, users: connector.forecast(connector.config.settings, users),
}


# --- Calls whose answer is a stream ----------------------------------------------------------------------------------


def _size(wanted: int) -> int:
    return max(1, min(wanted, LARGEST_PAGE))


def _placed(connector: Connector, pages: Iterator[Page]) -> Iterator[PlacedPage]:
    for page in pages:
        containers = [connector.container_of(account) for account in page.accounts]
        yield PlacedPage(page, containers if any(containers) else ())


def _accounts(connector: Connector, stop: Event, size: int) -> Iterator[PlacedPage]:
    return _placed(connector, connector.accounts(_size(size)))


def _changes(connector: Connector, stop: Event, cursor: Mapping[str, Any], size: int) -> Iterator[PlacedPage]:
    return _placed(connector, connector.changes(cursor, _size(size)))


def _members(connector: Connector, stop: Event, groups: Sequence[RemoteGroup], size: int) -> Iterator[MembersOf]:
    for position, group in enumerate(groups):
        for page in connector.members(group, _size(size)):
            yield MembersOf(position, page)


STREAMS: Mapping[str, Callable[..., Iterator[Any]]] = {
    "accounts": _accounts,
    "changes": _changes,
    "members": _members,
    "departments": lambda connector, stop, size: connector.departments(_size(size)),
    "groups": lambda connector, stop, size: connector.groups(_size(size)),
    "changed_groups": lambda connector, stop, cursor, size: connector.changed_groups(cursor, _size(size)),
    "news": lambda connector, stop: connector.news(stop),
}
