"""Plain data of the protocol as JSON and back, for what travels between the portal and a gateway.

A codec is made of a type of ``connectors.base`` once, from its annotations. Who decodes believes nothing: what does not
have the shape of its type raises Malformed, and nothing of it is used.
"""

import dataclasses
import datetime as dt
import math
import types
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from directories.attributes import UnreadableValue, Value
from directories.connectors.errors import Conflict, ConnectorError, CursorLost, NotFound, Unavailable

Convert = Callable[[Any], Any]
ERRORS: Mapping[str, type[ConnectorError]] = {
    kind.__name__: kind for kind in (ConnectorError, Unavailable, NotFound, Conflict, CursorLost)
}
MOST_WORDS = 2000  # characters of a message
MOST_CODE = 32
MOST_DIGITS = 400  # of a number that JSON cannot hold
MOST_ZEROS = 20_000  # before or behind them; PostgreSQL has at most 16,383 digits behind the point
LONGEST_PAUSE = 86_400.0  # seconds


class Malformed(ConnectorError):
    """What arrived has not the shape that was agreed upon."""

    code = "protocol"

    def __init__(self) -> None:
        super().__init__(
            "What the gateway and the portal said to each other does not fit. Run the same version of both, then try "
            "again."
        )


class Codec(NamedTuple):
    """How values of one type become JSON, and what is read becomes such a value or raises Malformed."""

    encode: Convert
    decode: Convert


@cache
def codec(hint: Any) -> Codec:
    """Return the codec of a type."""
    if hint == Value:
        return Codec(encode_value, decode_value)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(next(one for one in arguments if one is not type(None)))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(arguments[1])
    if origin is not None and issubclass(origin, Sequence):
        return _sequence(codec(arguments[0]))
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Codec(str, lambda data: _word(hint, data))
    if isinstance(hint, type) and issubclass(hint, ConnectorError):
        return Codec(encode_error, decode_error)
    return _record(hint)


# --- Values of attributes --------------------------------------------------------------------------------------------


def encode_value(value: Any) -> Any:
    """Return a value of an attribute as JSON; what JSON does not know goes into an object of one name."""
    if type(value) is str or value is None or value is True or value is False:
        return value
    match value:
        case UnreadableValue():
            return {"u": str.__str__(value)}
        case str():
            return str.__str__(value)
        case int():
            return value if -(2**53) < value < 2**53 else {"i": str(value)}
        case float():
            return {"f": value.hex() if math.isfinite(value) else str(value)}
        case Decimal():
            return {"n": str(value)}
        case dt.datetime():
            return {"t": value.isoformat()}
        case dt.date():
            return {"d": value.isoformat()}
        case list() | tuple():
            return [str(one) for one in value]
    raise ConnectorError(f"A value of the type {type(value).__name__} cannot pass through a gateway.", code="mapping")


def decode_value(data: Any) -> Value:
    """Return what ``encode_value`` was given."""
    if type(data) is str or data is None or type(data) in (bool, int, float):
        found: Value = data
        return found
    if type(data) is list and all(type(one) is str for one in data):
        return tuple(data)
    if type(data) is not dict or len(data) != 1:
        raise Malformed
    ((kind, text),) = data.items()
    if type(text) is not str or kind not in _TAGS:
        raise Malformed
    try:
        value: Value = _TAGS[kind](text)
    except (ValueError, OverflowError, InvalidOperation):
        raise Malformed from None
    return value


def _short(convert: Convert) -> Convert:
    def read(text: str) -> Any:
        if len(text) > MOST_DIGITS:
            raise ValueError
        return convert(text)

    return read


def _decimal(text: str) -> Decimal:
    """Return a number; raise ValueError for one that would fill the memory once it is written out."""
    number = Decimal(text)
    if number.is_finite() and abs(int(number.as_tuple().exponent)) > MOST_ZEROS:
        raise ValueError
    return number


def _float(text: str) -> float:
    return float.fromhex(text) if "0x" in text else float(text)


_TAGS: Mapping[str, Convert] = {
    "u": UnreadableValue,
    "i": _short(int),
    "f": _short(_float),
    "n": _short(_decimal),
    "t": dt.datetime.fromisoformat,
    "d": dt.date.fromisoformat,
}


# --- Errors ----------------------------------------------------------------------------------------------------------


def encode_error(error: ConnectorError) -> dict[str, Any]:
    """Return an error as JSON; one of a kind of its own becomes the nearest that both sides know."""
    name = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in ERRORS)
    found: dict[str, Any] = {"error": name, "message": error.message, "code": error.code}
    if isinstance(error, Unavailable):
        found |= {"retry_after": error.retry_after, "whole": error.whole_directory}
    return found


def decode_error(data: Any) -> ConnectorError:
    """Return the error; its words are shown to people, so nothing but printable text of a bounded length passes."""
    kind = ERRORS.get(str(data.get("error"))) if type(data) is dict else None
    if kind is None:
        raise Malformed
    message, code, again = data.get("message"), data.get("code"), data.get("retry_after")
    if type(message) is not str or type(code) is not str or not code.isidentifier() or len(code) > MOST_CODE:
        raise Malformed
    words = "".join(letter for letter in message[:MOST_WORDS] if letter.isprintable() or letter == "\n")
    if kind is not Unavailable:
        error = kind(words)
        error.code = code
        return error
    if again is not None and (type(again) not in (int, float) or not 0 <= again <= LONGEST_PAUSE):
        raise Malformed
    unavailable = Unavailable(words, retry_after=again, whole_directory=data.get("whole") is not False)
    unavailable.code = code
    return unavailable


# --- Everything else -------------------------------------------------------------------------------------------------


def _exactly(*kinds: type) -> Codec:
    def decode(data: Any) -> Any:
        if type(data) not in kinds:
            raise Malformed
        return data

    return Codec(lambda value: value, decode)


def _moment(data: Any) -> dt.datetime:
    value = decode_value(data)
    if not isinstance(value, dt.datetime):
        raise Malformed
    return value


def _word(kind: type[StrEnum], data: Any) -> StrEnum:
    try:
        return kind(data)
    except ValueError:
        raise Malformed from None


def _optional(inner_hint: Any) -> Codec:
    inner = codec(inner_hint)
    return Codec(
        lambda value: None if value is None else inner.encode(value),
        lambda data: None if data is None else inner.decode(data),
    )


def _mapping(hint: Any) -> Codec:
    if hint is Any:
        return _exactly(dict)
    inner = codec(hint)

    def encode(value: Mapping[str, Any]) -> dict[str, Any]:
        return {str(name): one if type(one) is str else inner.encode(one) for name, one in value.items()}

    def decode(data: Any) -> dict[str, Any]:
        if type(data) is not dict:
            raise Malformed
        return {name: one if type(one) is str and hint == Value else inner.decode(one) for name, one in data.items()}

    return Codec(encode, decode)


def _sequence(inner: Codec) -> Codec:
    def decode(data: Any) -> list[Any]:
        if type(data) is not list:
            raise Malformed
        read = inner.decode
        return [read(one) for one in data]

    return Codec(lambda value: [inner.encode(one) for one in value], decode)


def _record(kind: Any) -> Codec:
    """Return the codec of a dataclass or a named tuple: a list of its parts, without what only a connector knows."""
    hints = get_type_hints(kind)
    names = [one.name for one in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else [*kind._fields]
    parts = [(name, codec(hints[name])) for name in names if hints[name] is not object]
    encoders = [(name, part.encode) for name, part in parts]
    decoders = [part.decode for _, part in parts]
    wanted = [name for name, _ in parts]

    def encode(value: Any) -> list[Any]:
        return [convert(getattr(value, name)) for name, convert in encoders]

    def decode(data: Any) -> Any:
        if type(data) is not list or len(data) != len(decoders):
            raise Malformed
        found = [convert(one) for convert, one in zip(decoders, data, strict=True)]
        return kind(**dict(zip(wanted, found, strict=True)))

    return Codec(encode, decode)


_SIMPLE: Mapping[Any, Codec] = {
    str: _exactly(str),
    int: _exactly(int),
    float: _exactly(float, int),
    bool: _exactly(bool),
    type(None): _exactly(type(None)),
    dt.datetime: Codec(encode_value, _moment),
}
