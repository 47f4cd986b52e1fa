"""``manage.py let_in NAME``: for the superuser who cannot sign in any more, and whom no other one can help."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from config import one_time_links
from config.second_factor import held
from config.signin.models import Tries
from provisioning import services
from provisioning.models import User
from provisioning.models.people import fold
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

ACTOR = "the machine's operator"


class Command(BaseCommand):
    """Take the second factors of a superuser away, end pauses and sessions, and print a one-time link."""

    help = "Let a superuser in again who lost password or second factor. Whoever runs this could do anything anyway."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the name."""
        parser.add_argument("name", help="The user name of a superuser.")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        """Do it, and tell the report and the evidence."""
        user = User.objects.filter(username_key=fold(name)).first()
        if user is None or not user.is_superuser:
            raise CommandError(f"{name} is no superuser. Make a new one: manage.py createsuperuser")
        with transaction.atomic():
            if not (user.is_active and user.is_staff):
                user.is_active = user.is_staff = True
                services.save_user(user, ACTOR)
            number = held.take_away(user)
            Tries.objects.all().delete()
            path = one_time_links.make(user, ACTOR)
            words = f"{ACTOR} let {user} in again: no second factor, no sessions, and a one-time link."
            line = Line(
                identifier=user.username,
                application="",
                direction=Direction.PORTAL,
                operation=Operation.SIGN_IN,
                result=Result.SUCCESS,
                message=f"{words[0].upper()}{words[1:]}",
                actor=ACTOR,
                user_id=user.pk,
            )
            record(line)
            evidence.changed(f"second factor {user.pk}", {"taken away": number}, line.message, ACTOR)
        self.stdout.write(f"Open this link within 24 hours and choose a password:\n{settings.PORTAL_URL}{path}")
