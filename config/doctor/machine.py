"""The machine that the portal runs on: folders, room, the time zone."""

import os
import shutil
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from django.conf import settings

from config.doctor.mistakes import Mistake, red, yellow
from directories.connectors.errors import ConnectorError
from directories.connectors.script.executable import check_owner

GIGABYTE = 10**9
FULL = GIGABYTE // 5  # bytes left: nothing works soon
TIGHT = 5 * GIGABYTE  # and a twentieth of the disk: somebody should know
SCRIPTS = 1000  # are looked at
UTC = {"UTC", "Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal", "GMT", "Etc/GMT"}


def folders() -> Iterator[Mistake]:
    """The portal can write its own folder, and others cannot put anything into it or read its database."""
    var = Path(settings.VAR_DIR)
    if not os.access(var, os.W_OK | os.X_OK):
        yield red(
            f"The portal's folder {var} cannot be written by this user.",
            f"Run the doctor as the portal's user. If it is, give it the folder: chown -R THE-USER {var}",
        )
    for name, folder in (("ROLLCALL_VAR_DIR", var), ("SQLITE_FOLDER", Path(settings.SQLITE_FOLDER))):
        if not folder.is_dir():
            yield yellow(f"{name} is {folder}, and there is no such folder.", "Make it, or correct the setting.")
        elif _open_to_others(folder):
            yield red(f"Others on this machine can change what is in {folder} ({name}).", f"Run: chmod o-w {folder}")
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3") and Path(database["NAME"]).is_file():
        file = Path(database["NAME"])
        if file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH) and var.stat().st_mode & stat.S_IXOTH:
            yield red(f"Others on this machine can read the portal's database {file}.", f"Run: chmod 600 {file}")


def scripts() -> Iterator[Mistake]:
    """Scripts that give people can be changed by the operator only; one that others may change is not run."""
    if not settings.SOURCE_SCRIPTS_FOLDER:
        return
    folder = Path(settings.SOURCE_SCRIPTS_FOLDER)
    if not folder.is_dir():
        yield red(
            f"SOURCE_SCRIPTS_FOLDER is {folder}, and there is no such folder.", "Make it, or correct the setting."
        )
        return
    home = folder.resolve()
    for path in (*home.parents, home, *islice(sorted(home.rglob("*")), SCRIPTS)):
        try:
            check_owner(path)
        except FileNotFoundError:  # a link that leads nowhere
            continue
        except ConnectorError:
            yield red(
                f"{path} could be changed by others, so no script there is run.",
                "Let only root or the portal's user own it, and run: chmod go-w on it.",
            )
            return


def room() -> Iterator[Mistake]:
    """There is room on the disk."""
    disk = shutil.disk_usage(settings.VAR_DIR)
    what = f"The disk of {settings.VAR_DIR} has {disk.free / GIGABYTE:.1f} GB left."
    if disk.free < FULL:
        yield red(what, "Make room at once: nothing can be saved on a full disk.")
    elif disk.free < TIGHT and disk.free < disk.total / 20:
        yield yellow(what, "Make room before it is full.")


def time_zone() -> Iterator[Mistake]:
    """Times are shown in the zone that people live in, as far as the machine knows it."""
    machine = _machine_zone()
    if "TIME_ZONE" not in os.environ and machine and machine not in UTC:
        yield yellow(
            f"Times and schedules are in UTC, while this machine is in {machine}.",
            f"Set TIME_ZONE={machine}, or TIME_ZONE=UTC when UTC is meant.",
        )


def _open_to_others(folder: Path) -> bool:
    """Return whether others may replace what is in a folder; in a sticky one, such as /tmp, they may not."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH and not mode & stat.S_ISVTX)


def _machine_zone() -> str:
    """Return the machine's time zone by its name, "" when it has none."""
    _, found, name = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    return name.removeprefix("posix/") if found else ""
