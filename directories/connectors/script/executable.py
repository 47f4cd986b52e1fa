"""Which programs may be run: those that nobody but the operator can have put there."""

import os
import stat
from pathlib import Path

from directories.connectors import allowed
from directories.connectors.base import ConnectorError

NO_NAME = "Type the name of the script."
BAD_NAME = "Type the name of a script below the folder, without .. in it, for example hr/people.py."
NO_SCRIPT = "There is no script of this name in {folder}. Put it there, or correct the name."
LINK = "{name} is a link, or stands below one. Put the script itself there."
OTHERS_WRITE = (
    "{path} could be changed by others than the operator. Let only root or the portal's user own and write it."
)
NOT_EXECUTABLE = "{name} is no file that the portal's system user may execute. Give it that right (chmod u+x)."


def executable(name: str) -> Path:
    """Return the path of a script that may be run; raise ConnectorError."""
    folder = allowed.source_scripts()
    if not name:
        raise ConnectorError(NO_NAME, code="settings")
    if Path(name).is_absolute() or ".." in Path(name).parts or not name.isprintable():
        raise ConnectorError(BAD_NAME, code="settings")
    try:
        home = folder.resolve(strict=True)
        path = (home / name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise ConnectorError(NO_SCRIPT.format(folder=folder), code="file") from None
    if path != home / name:
        raise ConnectorError(LINK.format(name=name), code="file")
    for place in (path, *path.parents):
        check_owner(place)
    if not stat.S_ISREG(path.stat().st_mode) or not os.access(path, os.X_OK):
        raise ConnectorError(NOT_EXECUTABLE.format(name=name), code="file")
    return path


def check_owner(path: Path) -> None:
    """Raise ConnectorError when others could change or replace what stands there.

    A sticky folder, such as /tmp, may be written by others: they cannot replace what is not theirs.
    """
    found = path.stat()
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    if found.st_uid not in {0, os.geteuid()} or (shared and not sticky):
        raise ConnectorError(OTHERS_WRITE.format(path=path), code="file")
