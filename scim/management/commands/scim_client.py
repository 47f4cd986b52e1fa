"""``manage.py scim_client NAME``: a SCIM application for automation, added or found, with its base URL and a token."""

import getpass
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from scim.access import tokens
from scim.models import Client, Provider, Token, TokenKind
from scim.upkeep import addresses, clients


class Command(BaseCommand):
    """Add or find a SCIM application and print what the other side needs."""

    help = "Add a SCIM application, or find it, and print its base URL and a token."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the name and what may be said about it."""
        parser.add_argument("name", metavar="NAME", help="The application's name; found without regard to case.")
        parser.add_argument("--product", choices=Provider.values, default="", help="Guessed from the name if left out.")
        parser.add_argument("--new-token", action="store_true", help="Make another token; the others stay valid.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    @transaction.atomic
    def handle(self, *args: Any, name: str, **options: Any) -> None:
        """Print the same token each time, unless a new one is wanted."""
        if not name.strip() or len(name) > 100:
            raise CommandError("The name is missing, or longer than 100 characters.")
        actor = _actor()
        client = Client.objects.filter(name__iexact=name.strip()).first()
        if client is None:
            issued = clients.add(name.strip(), actor, options["product"])
            client, clear = issued.client, issued.clear
        else:
            clear = self._token(client, actor, fresh=options["new_token"])
        found = {"name": client.name, "base_url": addresses.base_url(client), "token": clear}
        found |= {"token_url": addresses.token_url(), "client_id": client.slug}
        if options["json"]:
            self.stdout.write(json.dumps(found))
            return
        self.stdout.write(f"Base URL: {found['base_url']}\nToken:    {clear}")

    def _token(self, client: Client, actor: str, *, fresh: bool) -> str:
        """Return a token that still works, or a new one."""
        kept: Token | None = None
        if not fresh:
            valid = client.tokens.filter(kind=TokenKind.BEARER, revoked_at__isnull=True, secret__isnull=False)
            kept = next((token for token in valid if token.valid), None)
        return tokens.show(kept, actor) if kept else tokens.issue(client, actor, "Command line").clear


def _actor() -> str:
    """Name who runs the command, for the provisioning report."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"
