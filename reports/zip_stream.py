"""ZIP archives that are sent while they are made: no member and no archive is ever held whole."""

from collections.abc import Iterable, Iterator
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from django.utils import timezone


class _Sink:
    """A file without a place, as a socket is one; what was written since is taken from it."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = b"".join(self.parts)
        self.parts.clear()
        return taken


def zipped(members: Iterable[tuple[str, Iterable[bytes]]], *, huge: bool = True) -> Iterator[bytes]:
    """Yield an archive of the members, each of which is a name and what it consists of.

    ``huge``: a member may have more than two gigabytes, which not every program reads that is not told before.
    """
    sink, now = _Sink(), timezone.localtime().timetuple()[:6]
    with ZipFile(cast("IO[bytes]", sink), "w") as archive:  # it only writes and flushes
        for name, parts in members:
            info = ZipInfo(name, now)
            info.compress_type = ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=huge) as member:
                for part in parts:
                    member.write(part)
                    if taken := sink.take():
                        yield taken
    yield sink.take()
