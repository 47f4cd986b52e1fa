"""All checks in their order: what needs the database is left out while it does not answer, and says so."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from config.doctor import database, machine, mail, portal, programs, secrets, web
from config.doctor.mistakes import RED, Mistake, red

log = logging.getLogger(__name__)
Check = Callable[[], Iterable[Mistake]]

WITHOUT_DATABASE: tuple[Check, ...] = (
    web.django_checks,
    web.debug,
    web.allowed_hosts,
    web.https,
    web.portal_url,
    web.own_certificate,
    web.metrics_token,
    web.static_files,
    mail.mail_server,
    secrets.env_file,
    machine.folders,
    machine.scripts,
    machine.room,
    machine.time_zone,
    programs.broker,
    database.database,
)
WITH_DATABASE: tuple[Check, ...] = (database.kind, database.clock, database.postgres, database.migrations)
WITH_TABLES: tuple[Check, ...] = (
    secrets.stored_secrets,
    programs.workers,
    programs.due_changes,
    portal.administrators,
    portal.demo,
    portal.notices,
)
NEEDED = ("database", "migrations")
"""Checks without which those of the next group find nothing."""


@dataclass(slots=True)
class Examination:
    """What was found by the names of the checks, an empty list where all is well, and what was not looked at."""

    found: dict[str, list[Mistake]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def number(self, level: str) -> int:
        """Return how many mistakes of a level there are."""
        return sum(mistake.level == level for mistakes in self.found.values() for mistake in mistakes)

    @property
    def healthy(self) -> bool:
        """Whether nothing is red."""
        return not self.number(RED)


def examine(groups: Iterable[Iterable[Check]] = (WITHOUT_DATABASE, WITH_DATABASE, WITH_TABLES)) -> Examination:
    """Make every check that can be made."""
    result = Examination()
    for group in groups:
        possible = not any(result.found.get(name) for name in NEEDED)
        for check in group:
            if possible:
                result.found[check.__name__] = _mistakes(check)
            else:
                result.left_out.append(check.__name__)
    return result


def _mistakes(check: Check) -> list[Mistake]:
    try:
        return list(check())
    except Exception as error:  # a check that fails is an answer, and the others are still made
        log.warning("The doctor's check %s failed (%s).", check.__name__, type(error).__name__)
        return [red(f"The check {check.__name__} could not be made.", "Look at the log, and tell who looks after it.")]
