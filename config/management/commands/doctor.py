"""``manage.py doctor``."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.doctor.examination import Examination, examine
from config.doctor.mistakes import RED, YELLOW


class Command(BaseCommand):
    """Looks at the installation and says what is wrong; nothing is changed."""

    help = "Find the usual mistakes of an installation. The exit code is 1 when something is red."
    requires_system_checks = []  # they are made as one check among the others

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="Write one JSON object, for programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make all checks."""
        result = examine()
        self.stdout.write(_as_json(result) if options["json"] else self._as_text(result))
        if not result.healthy:
            sys.exit(1)

    def _as_text(self, result: Examination) -> str:
        styles = {RED: self.style.ERROR, YELLOW: self.style.WARNING}
        mistakes = [mistake for found in result.found.values() for mistake in found]
        mistakes.sort(key=lambda mistake: mistake.level)  # red comes before yellow, also in the alphabet
        lines = [f"{styles[one.level](f'{one.level:6}')} {one.what} {one.next}".rstrip() for one in mistakes]
        if result.left_out:
            lines.append(f"Not looked at before that is mended: {', '.join(result.left_out)}.")
        number = len(result.found)
        if mistakes:
            lines.append(f"{number} checks: {result.number(RED)} red, {result.number(YELLOW)} yellow.")
        else:
            lines.append(f"{number} checks: everything is in order.")
        return "\n".join(lines)


def _as_json(result: Examination) -> str:
    mistakes = [{"check": name, **asdict(one)} for name, found in result.found.items() for one in found]
    return json.dumps(
        {
            "healthy": result.healthy,
            "checks": list(result.found),
            "left_out": result.left_out,
            "mistakes": mistakes,
        },
        indent=2,
    )
