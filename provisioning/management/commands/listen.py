"""``manage.py listen``: follow the directories that are to be followed, as they change."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from provisioning.imports.listener import Listeners


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C. One of them is enough; while no directory is to be followed, it waits."""

    requires_system_checks = []  # they read every page, as workers do not either
    help = "Follow changes in directories that have it switched on, and import them within seconds."

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen in this process."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Listeners().run(stop)
