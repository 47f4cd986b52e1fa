"""``manage.py prepare``: what ``make run`` does before it starts the portal's programs."""

import json
import sys
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from config.signin.models import SignInSettings
from provisioning.demo import load_demo
from provisioning.restore import continuity


class Command(BaseCommand):
    """Migrates the database, collects static files and loads the demo; writes one line of JSON for the caller."""

    help = "Bring the embedded portal's data up to date; used by `make run`."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; progress goes to stderr, the new administrator's password (or "") to stdout."""
        self.stderr.write("Bringing the database up to date...")
        call_command("migrate", interactive=False, verbosity=0, stdout=sys.stderr)
        continuity.at_start()  # before there is a directory, so that a new database is not taken for a restored one
        call_command("collectstatic", interactive=False, verbosity=0, stdout=sys.stderr)
        password = load_demo().password
        if password:  # a new demo: whoever tries it sees what people who are not staff see
            SignInSettings.objects.get_or_create(pk=SignInSettings.ONE, defaults={"self_service": True})
        self.stdout.write(json.dumps({"password": password}))
