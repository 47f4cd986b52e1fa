"""``manage.py blueprint export FILE`` and ``apply FILE [--check]``: the portal's configuration as YAML."""

import getpass
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.blueprints.apply import apply
from provisioning.blueprints.document import BlueprintError
from provisioning.blueprints.export import export


class Command(BaseCommand):
    """Export and apply blueprints."""

    help = "Write the portal's configuration to a YAML file, or make it what a file says."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the two actions."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="export|apply")
        exporting = actions.add_parser("export", help="Write attributes, groups and directories; no secret.")
        exporting.add_argument("file", metavar="FILE", help="The file to write; - is the standard output.")
        applying = actions.add_parser("apply", help="Make the portal what the file says: all of it or nothing.")
        applying.add_argument("file", metavar="FILE", help="The file to read; - is the standard input.")
        applying.add_argument(
            "--check", action="store_true", help="Change nothing; show the difference and exit 1 when there is one."
        )
        applying.add_argument(
            "--number", type=int, help="How many accounts it reaches, as --check shows; needed where limits are passed."
        )

    def handle(self, *args: Any, action: str, file: str, **options: Any) -> None:
        """Run the action."""
        if action == "export":
            self._export(file)
        else:
            self._apply(file, check=options["check"], number=options["number"])

    def _export(self, file: str) -> None:
        text = export()
        if file == "-":
            self.stdout.write(text, ending="")
            return
        path = Path(file)
        try:
            _replace(path, text)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
        self.stdout.write(self.style.SUCCESS(f"Written to {path}."))

    def _apply(self, file: str, *, check: bool, number: int | None) -> None:
        try:
            applied = apply(_read(file), actor=_actor(), check=check, number=number)
        except BlueprintError as error:
            name = "standard input" if file == "-" else file
            lines = "\n".join(f"{name}: {problem}" for problem in error.problems)
            raise CommandError(f"{lines}\nNothing was changed.") from None
        for difference in applied.differences:
            self.stdout.write(str(difference))
        for impact in applied.impacts:
            self.stdout.write(f"! {impact}")
        for warning in applied.warnings:
            self.stderr.write(self.style.WARNING(f"Warning: {warning}"))
        count = len(applied.differences)
        if check and count:
            raise CommandError(f"{count} difference{'' if count == 1 else 's'}. Nothing was changed.")
        self.stdout.write(self.style.SUCCESS("Applied." if count else "Nothing to change."))


def _read(file: str) -> str:
    try:
        return (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()).decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not text in UTF-8.") from None


def _replace(path: Path, text: str) -> None:
    """Write the whole file or leave the old one."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.replace(file.name, path)
        except OSError:
            os.unlink(file.name)
            raise


def _actor() -> str:
    """Name who runs the command, for the provisioning report."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"
