"""Secrets in a blueprint: never the secret, always where it is found."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from pydantic import SecretStr

from directories.filters import slug

MAX_BYTES = 65_536
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HOW = "Write where it is found, env:NAME or file:/path, and never the secret itself."
_IN_CLEAR: ContextVar[bool] = ContextVar("in_clear", default=False)


class ReferenceProblem(ValueError):
    """A reference leads nowhere; the message is for the admin and never holds what was found."""


@contextmanager
def in_clear() -> Iterator[None]:
    """Take each secret for itself: what comes over the network never says what to read on this machine."""
    before = _IN_CLEAR.set(True)
    try:
        yield
    finally:
        _IN_CLEAR.reset(before)


def resolve(text: str) -> SecretStr:
    """Return the secret that ``env:NAME`` or ``file:/path`` refers to; raise ReferenceProblem."""
    if _IN_CLEAR.get():
        if not 0 < len(text) <= MAX_BYTES:
            raise ReferenceProblem(f"A secret has 1 to {MAX_BYTES:,} characters.")
        return SecretStr(text)
    scheme, _, rest = text.strip().partition(":")
    if scheme == "env":
        return SecretStr(_from_environment(rest))
    if scheme == "file":
        return SecretStr(_from_file(rest))
    raise ReferenceProblem(f"This is a secret. {HOW}")


def _from_environment(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ReferenceProblem("The name of an environment variable is expected after env:.")
    value = os.environ.get(name, "")
    if not value:
        raise ReferenceProblem(f"The environment variable {name} is not set.")
    return value


def _from_file(name: str) -> str:
    path = Path(name)
    if not path.is_absolute():
        raise ReferenceProblem("The path after file: must begin with /.")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode()
    except OSError:
        raise ReferenceProblem(f"The file {path} cannot be read.") from None
    except ValueError:
        raise ReferenceProblem(f"The file {path} is not text in UTF-8.") from None
    if len(raw) > MAX_BYTES:
        raise ReferenceProblem(f"The file {path} is longer than {MAX_BYTES} bytes.")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ReferenceProblem(f"The file {path} is empty.")
    return text


class Placeholders:
    """Makes the references that an export writes in place of secrets, each once."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def reference(self, directory: str, secret: str) -> str:
        """Return a new reference for the secret of the directory, for example ``env:ROLLCALL_APPSDB_PASSWORD``."""
        wanted = "_".join(filter(None, ("ROLLCALL", slug(directory, "_"), slug(secret, "_")))).upper()
        name, number = wanted, 1
        while name in self.names:
            number += 1
            name = f"{wanted}_{number}"
        self.names.append(name)
        return f"env:{name}"
