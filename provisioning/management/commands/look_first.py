"""``manage.py look_first on|off|status``."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from provisioning.outbound import outlook
from provisioning.restore import holding
from provisioning.restore.models import HeldDirectory


class Command(BaseCommand):
    """Keeps every directory back until a person has seen what would be changed, or ends that."""

    help = (
        "Keep every directory back, as after a restored backup: nothing is sent and no import applied until a person "
        "lets it go on the page Look first (on); let all of them go without a look (off); or say which wait (status)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to do."""
        parser.add_argument("what", choices=["on", "off", "status"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and say how it stands."""
        actor = f"{getpass.getuser()} (command line)"
        if options["what"] == "on":
            holding.hold_all(f"{actor} asked for it.", actor)
        elif options["what"] == "off":
            outlook.let_all_go(actor)
        names = list(HeldDirectory.objects.order_by("directory__name").values_list("directory__name", "why"))
        for name, why in names:
            self.stdout.write(f"{name} is kept back. {why}")
        if names:
            self.stdout.write("Let them go on the page Look first, one after the other.")
        elif options["what"] == "on":
            self.stdout.write("There is no directory that could be kept back.")
        else:
            self.stdout.write("Look first is off: no directory is kept back.")
