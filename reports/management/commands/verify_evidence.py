"""``manage.py verify_evidence``: walk the chain of evidence and say which row was altered, is missing or was put in."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reports import evidence

SHOWN = 20


class Command(BaseCommand):
    """Exit code 1 when something is wrong; else print the head of the chain, for an auditor to keep."""

    help = "Verify the chain of evidence: receipts of leavers, decisions about imports, configuration changes."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--head", help="A head that was printed before and kept outside: it must be in the chain.")

    def handle(self, *args: Any, head: str | None, **options: Any) -> None:
        """Read every row once."""
        try:
            kept = evidence.Head.parse(head) if head else None
        except ValueError as error:
            raise CommandError(str(error)) from None
        now = evidence.head()
        found = 0
        for fault in evidence.faults(kept):
            found += 1
            if found <= SHOWN:
                self.stderr.write(fault.words)
        if found:
            raise CommandError(f"The evidence is not whole: {found} faults, the first {min(found, SHOWN)} are above.")
        rows = "1 row" if now.number == 1 else f"{now.number:,} rows"
        self.stdout.write(f"The evidence is whole: {rows}. Keep this head outside the portal:")
        self.stdout.write(str(now))
