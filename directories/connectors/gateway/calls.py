"""What the portal may ask of a gateway's directory: the methods of the protocol, and what goes in and comes out."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from directories.connectors.base import (
    ConnectionTest,
    ConnectorError,
    Cursor,
    DepartmentPage,
    Entry,
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
    Write,
)
from directories.connectors.gateway.codec import Codec, Malformed, codec, encode_error


class PlacedAccount(NamedTuple):
    """An account, and where it stands as ``container_of`` writes it."""

    account: RemoteAccount
    container: str = ""


class PlacedPage(NamedTuple):
    """A page of accounts, and where each stands; no places where accounts have none."""

    page: Page
    containers: Sequence[str] = ()


class FoundAccount(NamedTuple):
    """One account that was asked for among others, by position; None: the directory has none."""

    position: int
    account: PlacedAccount | None


class WrittenAccount(NamedTuple):
    """What became of one of several writes: the account, or why it was refused."""

    account: PlacedAccount | None
    error: ConnectorError | None


class MembersOf(NamedTuple):
    """One page of the members of one of several groups, by position."""

    position: int
    page: MemberPage


@dataclass(frozen=True)
class Method:
    """One method. ``streams``: it gives items for as long as there are any. ``writes``: it may change the directory.

    What only reads can be given to another machine when the first one falls silent.
    """

    arguments: tuple[Any, ...]
    result: Any
    streams: bool = False
    writes: bool = False

    @cached_property
    def takes(self) -> Sequence[Codec]:
        """The codecs of the arguments."""
        return [codec(hint) for hint in self.arguments]

    @cached_property
    def gives(self) -> Codec:
        """The codec of the result, or of one item."""
        return codec(self.result)


METHODS: Mapping[str, Method] = {
    "test": Method((), ConnectionTest),
    "certificate_until": Method((), dt.datetime | None),
    "count": Method((), int | None),
    "forecast": Method((int,), str),
    "find": Method((Entry,), PlacedAccount | None),
    "find_many": Method((Sequence[Entry],), Sequence[FoundAccount]),
    "look_up": Method((Sequence[str],), Sequence[PlacedAccount] | None),
    "inspect": Method((str,), Inspection | None),
    "try_out": Method((Trial,), Sequence[TriedStatement], writes=True),
    "wanted_container": Method((Entry, bool), str),
    "cursor": Method((), Cursor | None),
    "beginning": Method((), Cursor | None),
    "find_group": Method((GroupEntry,), RemoteGroup | None),
    "write_many": Method((Sequence[Write],), Sequence[WrittenAccount], writes=True),
    "create": Method((Entry, str | None), PlacedAccount, writes=True),
    "update": Method((Entry,), PlacedAccount, writes=True),
    "disable": Method((Entry,), PlacedAccount | None, writes=True),
    "enable": Method((Entry,), PlacedAccount | None, writes=True),
    "adopt": Method((Entry,), PlacedAccount | None, writes=True),
    "delete": Method((Entry,), type(None), writes=True),
    "set_password": Method((Entry, str), type(None), writes=True),
    "create_group": Method((GroupEntry,), RemoteGroup, writes=True),
    "adopt_group": Method((GroupEntry,), type(None), writes=True),
    "update_group": Method((GroupEntry,), RemoteGroup, writes=True),
    "delete_group": Method((GroupEntry,), type(None), writes=True),
    "add_members": Method((GroupEntry, Sequence[Entry]), Sequence[RefusedMember], writes=True),
    "remove_members": Method((GroupEntry, Sequence[Entry]), Sequence[RefusedMember], writes=True),
    "accounts": Method((int,), PlacedPage, streams=True),
    "changes": Method((Cursor, int), PlacedPage, streams=True),
    "departments": Method((int,), DepartmentPage, streams=True),
    "groups": Method((int,), GroupPage, streams=True),
    "changed_groups": Method((Cursor, int), GroupPage, streams=True),
    "members": Method((Sequence[RemoteGroup], int), MembersOf, streams=True),
    "news": Method((), bool, streams=True),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it travels: the method with its arguments, and how the directory is to be opened.

    ``urgent``: it is for somebody who loses access, and goes before the calls of others.
    """

    method: str
    arguments: Sequence[Any] = ()
    attributes: Sequence[str] = ()
    with_passwords: bool = False
    urgent: bool = False

    @property
    def known(self) -> Method:
        """What is known of the method."""
        return METHODS[self.method]


def dump_call(call: Call) -> bytes:
    """Return a call as bytes; raise ConnectorError for a value that cannot travel."""
    arguments = [take.encode(one) for take, one in zip(call.known.takes, call.arguments, strict=True)]
    return dump([call.method, arguments, list(call.attributes), call.with_passwords, call.urgent])


def load_call(data: bytes) -> Call:
    """Return the call; raise Malformed for anything that is none."""
    found = load(data)
    if type(found) is not list or len(found) != 5:
        raise Malformed
    name, arguments, attributes, with_passwords, urgent = found
    if type(name) is not str or name not in METHODS or not (type(with_passwords) is type(urgent) is bool):
        raise Malformed
    takes = METHODS[name].takes
    if type(arguments) is not list or len(arguments) != len(takes):
        raise Malformed
    read = [take.decode(one) for take, one in zip(takes, arguments, strict=True)]
    return Call(name, read, codec(Sequence[str]).decode(attributes), with_passwords, urgent)


@dataclass(frozen=True, slots=True)
class Answers:
    """Items of one answer, already as JSON; the ``last`` ones may say with which error it ended."""

    items: Sequence[Any] = ()
    last: bool = False
    error: ConnectorError | None = None


def dump_answers(answers: Answers) -> bytes:
    """Return items as bytes."""
    error = None if answers.error is None else encode_error(answers.error)
    return dump([list(answers.items), answers.last, error])


def load_answers(data: bytes) -> Answers:
    """Return the items; raise Malformed for anything that has none."""
    found = load(data)
    if type(found) is not list or len(found) != 3 or type(found[0]) is not list or type(found[1]) is not bool:
        raise Malformed
    return Answers(found[0], found[1], codec(ConnectorError | None).decode(found[2]))


def dump(data: Any) -> bytes:
    """Return JSON; raise ConnectorError for text that no encoding has (a lone surrogate)."""
    try:
        return orjson.dumps(data)
    except TypeError:
        raise ConnectorError("A text has characters that cannot be sent on.", code="mapping") from None


def load(data: bytes) -> Any:
    """Return what the JSON says; raise Malformed."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Malformed from None
