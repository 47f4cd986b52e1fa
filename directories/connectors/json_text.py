"""JSON that others wrote: no JSON is told from JSON that nests more deeply than it can be read."""

from typing import Any

import orjson

from directories.connectors.errors import ConnectorError

NESTED = "{what} nests more than 1,024 levels deep, so it cannot be read. Let the source write less of it."

DEPTH = ("depth", "limit", "recursion")  # how orjson's releases call it


class TooDeep(ConnectorError):
    """It nests too deeply; perhaps the rest of it is sound."""

    code = "answer"


def read(text: bytes | str, what: str) -> Any:
    """Return what JSON says; raise orjson.JSONDecodeError, or TooDeep, which calls it ``what``."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if any(word in error.msg.casefold() for word in DEPTH):
            raise TooDeep(NESTED.format(what=what)) from None
        raise
