"""``manage.py api_client``: a typed Python client of the REST API, as one file."""

from typing import Any

from django.core.management.base import BaseCommand

from provisioning.api import client


class Command(BaseCommand):
    """Writes it to the standard output."""

    help = "Write a typed Python client of the REST API to the standard output."

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        self.stdout.write(client.source(), ending="")
