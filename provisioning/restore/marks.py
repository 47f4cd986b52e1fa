"""Marks outside the database of how far it has come: in a file of this machine, and in the broker's Redis."""

import datetime as dt
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import redis
from django.conf import settings

KEY = "rollcall:continuity"
FILE = "continuity.json"
SECONDS = 2.0  # that Redis is waited for
OTHER = "It is another database than the one that this portal used before."
OLDER = "Its database is older than what the portal did until {at}: it was restored from a backup, or lost changes."
COUNTED = ("beats", "events", "changes", "runs")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mark:
    """Which database it was, and how far it had come at a time: the highest numbers that it had given out."""

    identity: str
    beats: int
    events: int
    changes: int
    runs: int
    at: str

    @classmethod
    def parse(cls, text: str | bytes) -> Self | None:
        """Return the mark that was written, None for what is none."""
        try:
            found: Mapping[str, Any] = json.loads(text)
            numbers = {name: int(found[name]) for name in COUNTED}
            mark = cls(identity=str(found["identity"]), at=str(found["at"]), **numbers)
            dt.datetime.fromisoformat(mark.at)
        except (ValueError, KeyError, TypeError):
            log.warning("A mark of the portal's continuity cannot be read; it is written anew.")
            return None
        return mark

    def contradiction(self, now: Self, judged_at: dt.datetime | None) -> str:
        """Return why the database, which has come as far as ``now``, is not the one of this mark; "" when it is."""
        at = dt.datetime.fromisoformat(self.at)
        if judged_at is not None and at <= judged_at:
            return ""
        if self.identity != now.identity:
            return OTHER
        if any(getattr(now, name) < getattr(self, name) for name in COUNTED):
            return OLDER.format(at=f"{at:%Y-%m-%d %H:%M} UTC")
        return ""


class MarkStore(Protocol):
    """A place for the mark; neither method raises."""

    def read(self) -> Mark | None:
        """Return the mark, None when there is none or the place is away."""

    def write(self, mark: Mark) -> None:
        """Replace the mark."""


class FileStore:
    """A file in the portal's data folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def read(self) -> Mark | None:
        """Return the mark in the file."""
        try:
            return Mark.parse(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("The file %s cannot be read (%s).", self.path, type(error).__name__)
            return None

    def write(self, mark: Mark) -> None:
        """Replace the file at once, so that nobody reads half of it."""
        new = self.path.with_name(f"{FILE}.{os.getpid()}")
        try:
            new.write_text(json.dumps(asdict(mark)))
            new.replace(self.path)
        except OSError as error:
            log.warning("The file %s cannot be written (%s).", self.path, type(error).__name__)


class RedisStore:
    """A key in the broker's Redis."""

    def __init__(self, url: str) -> None:
        self.url = url

    def _client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS)

    def read(self) -> Mark | None:
        """Return the mark under the key."""
        try:
            with self._client() as client:
                found: Any = client.get(KEY)
        except redis.RedisError as error:
            log.warning("Redis does not tell the portal's continuity (%s).", type(error).__name__)
            return None
        return None if found is None else Mark.parse(found)

    def write(self, mark: Mark) -> None:
        """Replace the key."""
        try:
            with self._client() as client:
                client.set(KEY, json.dumps(asdict(mark)))
        except redis.RedisError as error:
            log.warning("Redis does not keep the portal's continuity (%s).", type(error).__name__)


def stores() -> list[MarkStore]:
    """Return where marks are kept."""
    found: list[MarkStore] = [FileStore(settings.VAR_DIR)]
    if settings.CELERY_BROKER_URL.startswith(("redis:", "rediss:")):
        found.append(RedisStore(settings.CELERY_BROKER_URL))
    return found
