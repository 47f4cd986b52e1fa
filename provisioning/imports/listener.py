"""Following directories as they change: ``manage.py listen`` keeps one listener thread for each that is followed.

A listener holds the connection and nothing else: no database. Whatever it hears becomes an import of what changed,
started by the one loop here, which also looks for directories that were switched on or off or changed, and writes down
how each listener is doing, for the directory's page.
"""

import datetime as dt
import logging
import random
import threading
import time

from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from directories import config as directory_config
from directories.config import DirectoryConfig
from directories.connectors.base import Capability, ConnectorError
from directories.models import Directory
from provisioning import heartbeat
from provisioning.imports.requests import start_import
from provisioning.imports.runs import WORKING, ImportRefused
from provisioning.models import ImportRun
from provisioning.models.imports import RunStatus, Trigger

TURN = 0.3  # seconds between two looks at the listeners
LOOK = 5.0  # seconds between two looks at what is to be listened to
STAMP = 10.0  # seconds between two heartbeats
STALE = dt.timedelta(seconds=60)
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
AFTER_REFUSAL = 2.0  # seconds until an import is tried again, when another one is running
UNUSABLE = "The portal cannot read how to connect. Its log has the details."
UNDER_WAY = (*WORKING, RunStatus.APPROVAL)
UNEXPECTED = "Listening stopped because of a fault in the portal; its log has the details. It tries again."
log = logging.getLogger(__name__)


class DirectoryListener:
    """Listens to one directory in a thread of its own until it is told to stop, and comes back after every failure."""

    def __init__(self, config: DirectoryConfig) -> None:
        self.config = config
        self.heard = threading.Event()  # something changed
        self.stopped = threading.Event()
        self.problem = "Connecting."
        self.again_at = 0.0  # not before this moment is an import tried
        self._thread = threading.Thread(target=self._run, name=f"listen-{config.id}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self.stopped.set()

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self.stopped.is_set():
            began = time.monotonic()
            try:
                self._listen()
            except ConnectorError as error:
                self.problem = error.message
            except Exception as error:  # the thread must outlive whatever a connection does
                log.error("%s while listening to directory %s", type(error).__name__, self.config.id)
                self.problem = UNEXPECTED
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            self.stopped.wait(pause * random.uniform(0.75, 1.0))  # noqa: S311
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _listen(self) -> None:
        with directory_config.open_connector(self.config) as connector:
            if Capability.LISTEN not in connector.capabilities:
                raise ConnectorError("This kind of directory does not tell of changes by itself.", code="unsupported")
            for news in connector.news(self.stopped):
                self.problem = ""
                if news:
                    self.heard.set()


class Listeners:
    """Every listener, and the loop that looks after them."""

    def __init__(self) -> None:
        self.listeners: dict[int, DirectoryListener] = {}
        self.made_from: dict[int, dt.datetime] = {}
        self.looked = self.stamped = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Listen until ``stop`` is set."""
        while not stop.wait(TURN):
            try:
                self.turn()
            except Exception as error:  # the portal's database may be away for a while
                log.error("%s while listening", type(error).__name__)
                close_old_connections()
                stop.wait(LOOK)
        for listener in self.listeners.values():
            listener.stop()
        for listener in self.listeners.values():
            listener.join(5.0)

    def turn(self) -> None:
        """Look once."""
        now = time.monotonic()
        if now - self.looked >= LOOK:
            close_old_connections()
            self._look_for_directories()
            self.looked = now
        for pk, listener in self.listeners.items():
            if listener.heard.is_set() and now >= listener.again_at:
                self._import(pk, listener, now)
        if now - self.stamped >= STAMP:
            self.stamp()

    def stamp(self) -> None:
        """Write down how each listener is doing."""
        for pk, listener in self.listeners.items():
            heartbeat.stamp(name_of(pk), listener.problem)
        self.stamped = time.monotonic()

    def _look_for_directories(self) -> None:
        """Begin with directories that are new or were changed, and leave those that are off."""
        wanted = Directory.objects.filter(enabled=True, provisioning__listen=True, provisioning__import_users=True)
        now = dict(wanted.values_list("pk", "updated_at"))
        for pk in [pk for pk in self.listeners if now.get(pk) != self.made_from[pk]]:
            self.listeners.pop(pk).stop()
            heartbeat.forget(name_of(pk))
        for pk, changed in now.items():
            if pk not in self.listeners:
                self._begin(pk, changed)

    def _begin(self, pk: int, changed: dt.datetime) -> None:
        """Listen to one more directory; that one cannot be used must not keep the others from being heard."""
        try:
            config = directory_config.load(pk)
        except DatabaseError:
            raise
        except Exception as error:
            log.error("%s while beginning to listen to directory %s", type(error).__name__, pk)
            heartbeat.stamp(name_of(pk), UNUSABLE)
            return
        self.listeners[pk], self.made_from[pk] = DirectoryListener(config), changed
        self.stamped = float("-inf")

    def _import(self, pk: int, listener: DirectoryListener, now: float) -> None:
        if ImportRun.objects.filter(directory=pk, status__in=UNDER_WAY).exists():
            listener.again_at = now + AFTER_REFUSAL  # it may have read already what was told now
            return
        listener.heard.clear()  # before the import begins: what is heard from now on asks for another one
        listener.again_at = now + AFTER_REFUSAL
        try:
            directory = Directory.objects.get(pk=pk)
            start_import(directory, preview=False, actor="", trigger=Trigger.LISTENER, incremental=True)
        except ImportRefused:
            listener.heard.set()
        except Exception:
            listener.heard.set()  # the portal's database is away, and what was heard is not said again
            raise
        else:
            listener.again_at = now + TURN


def name_of(directory_id: int) -> str:
    """Return the name under which a listener leaves its heartbeats."""
    return f"listen:{directory_id}"


def state_of(directory: Directory) -> tuple[bool, str]:
    """Return whether a directory is followed now, and in words how that is going."""
    found = heartbeat.last(name_of(directory.pk))
    if found is None or timezone.now() - found.at > STALE:
        return False, "The listener does not run. Start it: manage.py listen."
    if found.message:
        return False, f"{found.message} The listener tries again."
    return True, "Changes in the directory reach the portal within seconds."
