"""Which file is read: the newest of a name, below the folder of the operator, and the same from beginning to end."""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from directories.connectors import allowed
from directories.connectors.base import AGAIN, ConnectorError, Unavailable

NO_NAME = "Type the name of the file, or a pattern such as people-*.csv."
BAD_NAME = "Type a name below the folder, without .. and **, for example hr/people-*.csv."
NO_FILE = "There is no file of this name in {folder}. Put it there, or correct the name."
UNREADABLE = "The portal may not read {name}. Give its system user the right."
NO_PLAIN_FILE = "{name} is no plain file in {folder}. Put the file itself there."
TOO_LARGE = "{name} is larger than {megabytes} MB. Raise the limit under Limits, if that is right."
WRITTEN = f"{{name}} is being written. {AGAIN}"
CHANGED = f"{{name}} changed while it was read. {AGAIN}"

sleep = time.sleep


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was chosen, as it was then."""

    path: Path
    size: int
    mark: tuple[int, int, int]  # inode, size and time of the last change in nanoseconds
    changed_at: float  # seconds since 1970

    @property
    def name(self) -> str:
        """What people call it."""
        return self.path.name


def chosen(pattern: str) -> SourceFile:
    """Return the newest file of a name or pattern; raise ConnectorError."""
    folder = allowed.source_files()
    if not pattern:
        raise ConnectorError(NO_NAME, code="settings")
    parts = Path(pattern).parts
    if Path(pattern).is_absolute() or ".." in parts or "**" in pattern or not pattern.isprintable():
        raise ConnectorError(BAD_NAME, code="settings")
    try:
        found = [_seen(path) for path in folder.glob(pattern) if not path.is_dir()]
    except (OSError, ValueError, NotImplementedError):
        found = []
    if not found:
        raise ConnectorError(NO_FILE.format(folder=folder), code="file")
    return max(found, key=lambda one: (one.mark[2], one.path))


def _seen(path: Path) -> SourceFile:
    found = path.stat()
    return SourceFile(path, found.st_size, _mark(found), found.st_mtime)


@contextmanager
def opened(file: SourceFile, *, largest: int, settled: float) -> Iterator[BinaryIO]:
    """Open a file that nobody has written to for ``settled`` seconds; ``largest`` is in bytes.

    Raise Unavailable when it is being written, or is another one when the block has ended without an error.
    """
    age = time.time() - file.changed_at
    if 0 <= age < settled:
        sleep(settled - age)
    folder = allowed.source_files()
    try:
        path = file.path.resolve(strict=True)
        if not path.is_relative_to(folder.resolve()) or allowed.is_private(path):
            raise ConnectorError(NO_PLAIN_FILE.format(name=file.name, folder=folder), code="file")
        # Neither a link that came meanwhile nor a pipe that nobody writes to.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise ConnectorError(UNREADABLE.format(name=file.name), code="file") from None
    except (OSError, RuntimeError):
        raise Unavailable(CHANGED.format(name=file.name)) from None
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ConnectorError(NO_PLAIN_FILE.format(name=file.name, folder=folder), code="file")
        if _mark(found) != file.mark:
            raise Unavailable(WRITTEN.format(name=file.name))
        if found.st_size > largest:
            raise ConnectorError(TOO_LARGE.format(name=file.name, megabytes=largest // (1024 * 1024)), code="too_large")
        yield stream
        try:
            after = {_mark(os.fstat(stream.fileno())), _mark(path.stat())}
        except OSError:
            after = set()
        if after != {file.mark}:
            raise Unavailable(CHANGED.format(name=file.name))


def _mark(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns
