"""Which files and hosts may be a directory: whoever manages directories must not look round the portal's own machine.

Set once when the portal starts (``directories.apps``). Outside the portal everything is allowed but ``keep_private``.
"""

import ipaddress
import os
import socket
from pathlib import Path

from directories.connectors.errors import ConnectorError

PRIVATE = "This file is the portal's own. Choose the file of the directory."
LOCAL = (
    "This address leads to the portal's own machine, where it opens no directories. Use the address by which other "
    "machines reach the server, or let whoever runs the portal set ALLOW_LOCAL_DIRECTORIES."
)
# Where clouds tell a machine its own credentials, besides the link-local 169.254.169.254.
_METADATA = frozenset({"fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192"})

_private: set[Path] = set()
_folder: Path | None = None
_source_files: Path | None = None
_source_scripts: Path | None = None
_local_hosts = True


def keep_private(path: Path) -> None:
    """Never open this SQLite file as a directory: who manages directories could make themselves superuser in it."""
    _private.add(path)


def allow(
    *, folder: Path | None, local_hosts: bool, source_files: Path | None = None, source_scripts: Path | None = None
) -> None:
    """Open SQLite files below ``folder`` only, and hosts of the portal's own machine only when told so.

    ``source_files`` and ``source_scripts`` are the folders below which sources of truth have theirs.
    """
    global _folder, _local_hosts, _source_files, _source_scripts
    _folder, _local_hosts = folder, local_hosts
    _source_files, _source_scripts = source_files, source_scripts


def source_files() -> Path:
    """Return the folder below which the files of sources of truth are; raise ConnectorError when there is none."""
    if _source_files is None:
        raise ConnectorError("Files are read in no folder. Let whoever runs the portal set SOURCE_FILES_FOLDER.")
    return _source_files


def file_problem(path: str) -> str:
    """Return why ``path`` is not opened, "" when it may be: found out without a look at files outside the folder."""
    if _folder is not None and not _below(path, _folder):
        return (
            f"SQLite files are opened in {_folder} only. Put the file there, or let whoever runs the portal set "
            "SQLITE_FOLDER to the folder of the file."
        )
    return PRIVATE if is_private(path) else ""


def source_scripts() -> Path:
    """Return the folder of the scripts of sources of truth; raise ConnectorError when there is none."""
    if _source_scripts is None:
        raise ConnectorError("No scripts are run here. Let whoever runs the portal set SOURCE_SCRIPTS_FOLDER.")
    return _source_scripts


def check_host(host: str, port: int) -> None:
    """Raise ConnectorError for a host of the portal's own machine, unless they are allowed.

    A name that is not known is no problem of this function: who connects finds out.
    """
    if _local_hosts:
        return
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    if any(_is_local(str(address[0])) for *_, address in found):
        raise ConnectorError(LOCAL, code="settings")


def _below(path: str, folder: Path) -> bool:
    try:
        return Path(path).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        return False


def is_private(path: str | Path) -> bool:
    """Return whether ``path`` leads to a private file, by whatever name or link."""
    try:
        return any(os.path.samefile(path, own) for own in _private if own.exists())
    except (OSError, ValueError):
        return False  # there is no such file


def _is_local(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    outside = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
    return outside or str(address) in _METADATA
