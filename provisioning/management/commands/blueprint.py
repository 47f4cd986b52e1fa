"""``manage.py blueprint export FILE``, ``apply FILE [--check]``, ``list`` and ``undo``: the configuration as YAML."""

import getpass
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from directories.described.document import DocumentError
from provisioning.blueprints import undo
from provisioning.blueprints.apply import Applied, apply
from provisioning.blueprints.export import export


class Command(BaseCommand):
    """Export and apply blueprints, and take back what one changed."""

    help = "Write the portal's configuration to a YAML file, or make it what a file says."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the two actions."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="export|apply|list|undo")
        actions.add_parser("list", help="Say which blueprints were applied lately.")
        undoing = actions.add_parser("undo", help="Take back what a blueprint changed; what was changed since stays.")
        undoing.add_argument("which", type=int, nargs="?", help="Its number, as list shows; the newest without.")
        undoing.add_argument("--check", action="store_true", help="Change nothing; show what would be taken back.")
        undoing.add_argument("--number", type=int, help="How many it reaches, where limits are passed.")
        exporting = actions.add_parser("export", help="Write attributes, groups and directories; no secret.")
        exporting.add_argument("file", metavar="FILE", help="The file to write; - is the standard output.")
        applying = actions.add_parser("apply", help="Make the portal what the file says: all of it or nothing.")
        applying.add_argument("file", metavar="FILE", help="The file to read; - is the standard input.")
        applying.add_argument(
            "--check", action="store_true", help="Change nothing; show the difference and exit 1 when there is one."
        )
        applying.add_argument(
            "--number",
            type=int,
            help="How many accounts or people it reaches, as --check shows; needed where limits are passed.",
        )

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        """Run the action."""
        match action:
            case "export":
                self._export(options["file"])
            case "apply":
                self._apply(options["file"], check=options["check"], number=options["number"])
            case "list":
                for line in undo.listed():
                    self.stdout.write(line)
            case "undo":
                self._undo(options["which"], check=options["check"], number=options["number"])

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
        except DocumentError as error:
            name = "standard input" if file == "-" else file
            lines = "\n".join(f"{name}: {problem}" for problem in error.problems)
            raise CommandError(f"{lines}\nNothing was changed.") from None
        self._say(applied, check=check)

    def _undo(self, which: int | None, *, check: bool, number: int | None) -> None:
        try:
            undone = undo.undo(which, actor=_actor(), check=check, reached=number)
        except DocumentError as error:
            lines = "\n".join(problem.message for problem in error.problems)
            raise CommandError(f"{lines}\nNothing was changed.") from None
        for line in undone.kept:
            self.stdout.write(f"= {line}")
        self._say(undone, check=check)

    def _say(self, applied: Applied, *, check: bool) -> None:
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
