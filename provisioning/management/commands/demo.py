"""``manage.py demo``: load the demo by hand."""

from typing import Any

from django.core.management.base import BaseCommand

from provisioning.demo import ADMINISTRATOR, load_demo


class Command(BaseCommand):
    """Loads what is missing of the demo and says how to sign in."""

    help = "Load the demo: APPSDB with 200 people in SQLite, its directory, and an administrator. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load it; a new administrator's password is shown this once."""
        demo = load_demo()
        self.stdout.write(f"Directory {demo.directory.name}: {demo.database}")
        if demo.password:
            self.stdout.write(f"Administrator {ADMINISTRATOR}, password (shown this once): {demo.password}")
        else:
            self.stdout.write(f"Administrator {ADMINISTRATOR} is there already; its password was not changed.")
