"""The embedded broker: messages as files of one folder, for a portal that runs on one machine.

kombu's own transport makes a message's file under its final name and writes it afterwards, so a reader may find it
empty, and what cannot be read ends the worker. Here whatever a reader can see is complete, and what it cannot read
(half a disk, a file of something else) is put aside. The name sorts by the time of sending, oldest first.
"""

import fcntl
import logging
import os
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

MESSAGE = ".msg"
UNREADABLE = ".unreadable"
PARTS = {"body", "properties", "headers"}  # what every message has

log = logging.getLogger(__name__)


class FileChannel(filesystem.Channel):
    """A channel that writes beside and renames, and outlives what it cannot read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen: dict[str, deque[str]] = {}

    def _put(self, queue: str, message: Any, **_: Any) -> None:  # type: ignore[override]
        """Add a message; raise ChannelError when the folder does not take it."""
        name = f"{time.time_ns():020}_{uuid.uuid4().hex}.{queue}{MESSAGE}"
        self._write(Path(self.data_folder_out) / name, message)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        """Take the oldest message away; raise Empty when there is none."""
        while name := self._oldest(queue):
            path = Path(self.data_folder_in) / name
            taken = path.with_name(f"{name}.taken-{uuid.uuid4().hex}")
            try:
                path.rename(taken)  # of several readers one succeeds
            except FileNotFoundError:
                continue
            try:
                message: dict[str, Any] = loads(taken.read_bytes())
                if not message.keys() >= PARTS:
                    raise ValueError("parts are missing")
            except (OSError, ValueError, AttributeError) as error:
                self._put_aside(path, taken, error)
                continue
            taken.unlink(missing_ok=True)
            return message
        raise Empty

    def _oldest(self, queue: str) -> str:
        """Return the name of the next message, or nothing; the folder is listed when all that was seen is taken."""
        seen = self._seen.setdefault(queue, deque())
        if not seen:
            names = os.listdir(self.data_folder_in)
            seen.extend(sorted(name for name in names if name.partition(".")[2] == f"{queue}{MESSAGE}"))
        return seen.popleft() if seen else ""

    def _put_aside(self, path: Path, taken: Path, error: Exception) -> None:
        """Keep a file that is no message for whoever looks into it; the sweep finds the work that it spoke of."""
        aside = path.with_name(path.name + UNREADABLE)
        log.error("The broker put %s aside, which is no message (%s).", aside, type(error).__name__)
        with suppress(OSError):
            taken.rename(aside)

    # --- Which queues an exchange leads to: one small file each, changed under a lock -----------------------------

    def get_table(self, exchange: str) -> list[Any]:
        """Return the bindings of an exchange; none when its file cannot be read, since each start writes them anew."""
        try:
            bindings = loads(self._table(exchange).read_bytes())
            return [filesystem.exchange_queue_t(*binding) for binding in bindings]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError) as error:
            log.error("The broker's file of %s cannot be read (%s).", exchange, type(error).__name__)
            return []

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        """Lead an exchange to a queue."""
        wanted = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._locked():
            bindings = self.get_table(exchange)
            if wanted not in bindings:
                self._write(self._table(exchange), [wanted, *bindings])

    def _delete(self, queue: str, exchange: str, routing_key: str, pattern: str, *_: Any, **__: Any) -> None:
        """Throw a queue's messages away, and lead the exchange there no more."""
        self._purge(queue)
        gone = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._locked():
            bindings = self.get_table(exchange)
            if gone in bindings:
                self._write(self._table(exchange), [binding for binding in bindings if binding != gone])

    def _table(self, exchange: str) -> Path:
        return self.control_folder / f"{exchange}.exchange"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.control_folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @staticmethod
    def _write(path: Path, content: object) -> None:
        """Write a file that is seen complete or not at all."""
        beside = path.with_name(f"{path.name}.part-{uuid.uuid4().hex}")
        try:
            beside.write_text(dumps(content))
            beside.rename(path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise ChannelError(f"{path} cannot be written.") from error


class FileTransport(filesystem.Transport):
    """kombu's file transport with that channel."""

    Channel = FileChannel
