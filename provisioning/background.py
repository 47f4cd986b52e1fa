"""Work of a process that no request waits for: a thread does what has gathered, a few times a second."""

import atexit
import logging
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, Generic, TypeVar, cast

from django.db import connections

T = TypeVar("T")
_END: Any = object()
PATIENCE = 5.0  # seconds that the end of the process waits for what has gathered

log = logging.getLogger(__name__)


class Gathered(Generic[T]):
    """A thread that calls ``work`` with lists of what was ``put``, at most ``most`` in one, and then pauses.

    What comes after a quiet time is done at once; what comes during the pause (seconds) gathers. Beyond
    ``most_waiting`` things are dropped, so that they do not eat the memory. The process's end waits for what has
    gathered; a crash takes it along.
    """

    def __init__(
        self, name: str, work: Callable[[list[T]], None], *, pause: float, most: int, most_waiting: int
    ) -> None:
        self._name, self._work = name, work
        self._pause, self._most, self._most_waiting = pause, most, most_waiting
        self._waiting: SimpleQueue[T] = SimpleQueue()
        self._lock = Lock()
        self._stop = Event()
        self._thread: Thread | None = None

    def put(self, item: T) -> None:
        """Hand something over; it is done in order."""
        if self._waiting.qsize() < self._most_waiting:
            self._waiting.put(item)
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def close(self) -> None:
        """Do what waits and end the thread."""
        self._stop.set()
        self._waiting.put(cast(T, _END))
        if self._thread:
            self._thread.join(PATIENCE)

    def _start(self) -> None:
        """Start the thread with the first thing, and again in a process that was forked since."""
        with self._lock:
            if self._thread is None:
                atexit.register(self.close)
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        ended = False
        while not ended:
            items = self._taken()
            if ended := items[-1] is _END:
                items.pop()
            try:
                if items:
                    self._work(items)
            except Exception as error:  # the next things are no worse for it
                log.warning("%s: %s", self._name, type(error).__name__)
                time.sleep(0.01)
            self._stop.wait(self._pause)
        connections.close_all()

    def _taken(self) -> list[T]:
        """Wait for something, and return it with all that waits, up to the end."""
        items = [self._waiting.get()]
        while len(items) < self._most and items[-1] is not _END:
            try:
                items.append(self._waiting.get_nowait())
            except Empty:
                break
        return items
