"""``manage.py push_token NAME [--label TEXT | --list | --revoke NUMBER]``."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from directories.connectors.push import Push
from directories.models import Directory, PushToken
from provisioning import push_tokens


class Command(BaseCommand):
    """Makes, lists and takes back the tokens with which a source pushes."""

    help = "Make a token with which a source may push its people; it is shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the source's name and what is to be done."""
        parser.add_argument("name", help="the source's name")
        parser.add_argument("--label", default="", help="who uses the token")
        parser.add_argument("--list", action="store_true", help="list the tokens there are")
        parser.add_argument("--revoke", type=int, metavar="NUMBER", help="take the token of this number back")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; a new token is the last word of what is printed."""
        directory = Directory.objects.filter(name__iexact=options["name"], kind=Push.kind).first()
        if directory is None:
            names = ", ".join(Directory.objects.filter(kind=Push.kind).values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no source {options['name']} that pushes. Those that do: {names}.")
        tokens = PushToken.objects.filter(directory=directory)
        if options["list"]:
            for token in tokens:
                used = f"last used {token.used_at:%Y-%m-%d %H:%M} UTC" if token.used_at else "never used"
                ended = f", {words}" if (words := push_tokens.ended(token)) else ""
                self.stdout.write(f"{token.pk}  {token}  made {token.created_at:%Y-%m-%d}, {used}{ended}")
        elif options["revoke"] is not None:
            if not push_tokens.withdraw(directory, options["revoke"], getpass.getuser()):
                raise CommandError("There is no such token. See --list.")
            self.stdout.write("The token is taken back.")
        else:
            secret = push_tokens.make(directory, options["label"], None, getpass.getuser())
            self.stdout.write("The token is shown only now. Send it as Authorization: Bearer")
            self.stdout.write(secret)
