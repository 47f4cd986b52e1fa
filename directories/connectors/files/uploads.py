"""Files that somebody uploads: kept beside the others until they were looked at, and then put in their place."""

import datetime as dt
import os
import re
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from directories.connectors import allowed
from directories.connectors.base import ConnectorError
from directories.connectors.files.folder import BAD_NAME
from directories.connectors.files.tables import format_of

WAITING = ".uploads"  # below the folder
KEPT = 24 * 3600  # seconds
NO_RIGHT = "The portal may not write to {folder}. Let whoever runs it give its system user the right."
GONE = "This file was put in its place already, or has waited for too long. Choose it again."
NOT_ONE = (
    "The source reads {pattern}, which is no name for a new file. Use * alone for what changes, as in people-*.csv."
)
OTHER = (
    "The source reads {pattern}, and this file is another kind of file. Upload one of that kind, or change the name."
)
TOO_LARGE = "The file is larger than {megabytes} MB. Raise the limit under Limits, if that is right."
EMPTY = "The file is empty. Choose another one."


def keep(parts: Iterable[bytes], largest: int) -> str:
    """Keep an upload of at most ``largest`` bytes, and return its name there; raise ConnectorError."""
    name = secrets.token_hex(16)
    written = 0
    try:
        folder = _folder()
        path = folder / name
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for part in parts:
                written += len(part)
                if written > largest:
                    break
                file.write(part)
    except OSError:
        raise ConnectorError(NO_RIGHT.format(folder=allowed.source_files()), code="file") from None
    if not 0 < written <= largest:
        path.unlink(missing_ok=True)
        raise ConnectorError(EMPTY if not written else TOO_LARGE.format(megabytes=largest // 2**20), code="file")
    return name


def waiting(name: str) -> str:
    """Return where an upload waits, as a name below the folder; raise ConnectorError for one that is not there."""
    if not re.fullmatch(r"[0-9a-f]{32}", name) or not (allowed.source_files() / WAITING / name).is_file():
        raise ConnectorError(GONE, code="file")
    return f"{WAITING}/{name}"


def put(name: str, target: str) -> None:
    """Put an upload in its place, where it is the newest file; raise ConnectorError."""
    folder = allowed.source_files()
    path = folder / waiting(name)
    place = folder / target
    try:
        if not place.parent.resolve().is_relative_to(folder.resolve()) or allowed.is_private(place):
            raise ConnectorError(BAD_NAME, code="settings")
        os.utime(path)
        path.replace(place)
    except OSError:
        raise ConnectorError(NO_RIGHT.format(folder=place.parent), code="file") from None


def target_of(pattern: str, uploaded: str, wanted: str) -> str:
    """Return the name that a file called ``uploaded`` gets where a source reads ``pattern``; raise ConnectorError.

    ``wanted`` is the format that the source's settings say, "" where the ending does.
    """
    stamp = f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}"
    ending = Path(uploaded).suffix.lower()
    named = f"{pattern.removesuffix('.*')}{ending}" if pattern.endswith(".*") else pattern
    named = named.replace("*", stamp, 1).replace("*", "")
    if not named or any(mark in named for mark in "?[]") or Path(named).is_absolute() or ".." in Path(named).parts:
        raise ConnectorError(NOT_ONE.format(pattern=pattern or "no file yet"), code="settings")
    if not wanted and format_of(named, "") != format_of(uploaded, ""):
        raise ConnectorError(OTHER.format(pattern=pattern), code="settings")
    return named


def _folder() -> Path:
    """Return the folder of uploads, without those that nobody came back for."""
    folder = allowed.source_files() / WAITING
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.stat().st_mtime < time.time() - KEPT:
            old.unlink(missing_ok=True)
    return folder
