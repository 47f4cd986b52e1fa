"""Answers that cost something to find, kept for some seconds however many ask."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class KeptAnswer(Generic[Answer]):
    """What ``find`` returned last, found anew at most once in ``seconds``; one thread of a process finds it."""

    def __init__(self, find: Callable[[], Answer], seconds: float) -> None:
        self._find, self._seconds = find, seconds
        self._lock = threading.Lock()
        self._last: list[Answer] = []
        self.until = 0.0

    def read(self) -> Answer:
        """Return the answer."""
        with self._lock:
            if time.monotonic() >= self.until:
                self._last = [self._find()]
                self.until = time.monotonic() + self._seconds
            return self._last[0]
