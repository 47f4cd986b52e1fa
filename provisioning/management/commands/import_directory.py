"""``manage.py import_directory NAME [--preview]``."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from directories.models import Directory
from provisioning import services
from provisioning.imports import engine, runs
from provisioning.models import ImportRun
from provisioning.models.imports import RunStatus, Trigger


class Command(BaseCommand):
    """Imports the users of one directory here and now, or shows what an import would do."""

    help = "Import the users of a directory, or with --preview show what that would do."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the directory's name."""
        parser.add_argument("name", help="the directory's name")
        parser.add_argument("--preview", action="store_true", help="plan only; nothing is changed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the import in this process and print how it ended; any other end than success is an error."""
        directory = Directory.objects.filter(name__iexact=options["name"]).first()
        if directory is None:
            names = ", ".join(Directory.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no directory named {options['name']}. Directories: {names}.")
        try:
            run = services.start_import(
                directory, preview=options["preview"], actor=getpass.getuser(), trigger=Trigger.COMMAND
            )
        except runs.ImportRefused as refused:
            raise CommandError(refused.message) from None
        engine.execute(run.pk)
        run.refresh_from_db()
        self._tell(run)

    def _tell(self, run: ImportRun) -> None:
        match run.status:
            case RunStatus.FINISHED:
                self.stdout.write(self.style.SUCCESS(run.message))
            case RunStatus.PLANNED:
                self.stdout.write(runs.preview_summary(run))
                if run.message:
                    self.stdout.write(self.style.WARNING(run.message))
            case _:
                raise CommandError(run.message or f"The run is {run.get_status_display().lower()}.")
