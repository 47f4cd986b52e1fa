"""How the work on one account ended: its new values and report lines, to be written by ``delivery``."""

import logging
import traceback
from dataclasses import dataclass, field
from uuid import UUID

from directories.connectors.base import Unavailable
from provisioning.models import Account
from provisioning.models.accounts import LastResult
from provisioning.outbound.accounts import messages
from provisioning.outbound.accounts.outbox import Parked, pause
from reports.journal import Line
from reports.models import Operation, Result

log = logging.getLogger(__name__)
UNEXPECTED = Parked("internal", "Something unexpected went wrong in the portal. Its log has the details.")


@dataclass(slots=True)
class Outcome:
    """How one account ended. ``parked`` is set when someone must see to it; ``waits`` when it is tried again later.

    ``moved``: the account came into being or went, so its groups need a look; ``renamed``: its entry is elsewhere now.
    ``password`` is the version of the password that the directory took, ``refused`` the one that it did not, and why.
    """

    account: Account
    lines: list[Line] = field(default_factory=list)
    parked: Parked | None = None
    waits: bool = False
    moved: bool = False
    renamed: bool = False
    password: UUID | None = None
    refused: tuple[UUID, str] | None = None


def log_unexpected(error: Exception, doing: str) -> None:
    """Log an exception by type and place: its text may hold values of a statement."""
    log.error("%s while %s:\n%s", type(error).__name__, doing, "".join(traceback.format_tb(error.__traceback__)))


def park(account: Account, directory: str, operation: Operation, cause: Parked, actor: str) -> Outcome:
    """Return the outcome of an account that someone must see to."""
    words = messages.failed(account.key, directory, operation, cause.message)
    account.last_result, account.last_message, account.attempts = LastResult.PARKED, cause.message, 0
    return Outcome(
        account, [messages.line(account, directory, operation, Result.FAILED, words, actor=actor)], parked=cause
    )


def wait(account: Account, directory: str, message: str, actor: str) -> Outcome:
    """Return the outcome of an account that is tried again later; it gets a line only when it begins to wait."""
    lines = []
    if account.last_result != LastResult.WAITING:
        words = messages.waiting(account.key, message)
        lines.append(messages.line(account, directory, Operation.UPDATE, Result.WAITING, words, actor=actor))
    account.last_result, account.last_message = LastResult.WAITING, message
    return Outcome(account, lines, waits=True)


def busy(account: Account, directory: str, error: Unavailable, actor: str) -> Outcome:
    """Return the outcome of an account that is held up by itself (a row lock, say): its own pause grows."""
    account.not_before = pause(account.attempts, error.retry_after)
    account.attempts += 1
    return wait(account, directory, error.message, actor)
