"""How the work on one account ended."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from provisioning.models import Account
from provisioning.outbound.accounts import messages
from provisioning.outbound.batch import Outcome
from provisioning.outbound.leases import Parked
from provisioning.receipts.book import Proof
from reports.models import Operation, Result


@dataclass(slots=True)
class AccountOutcome(Outcome):
    """How one account (``row``) ended.

    ``moved``: the account came into being or went, so its groups need a look; ``renamed``: its entry is elsewhere now;
    ``left``: its user has left.
    ``delete_at`` is when an account that is disabled now is to be deleted; ``returned`` that nothing of the kind is
    left, because its user is back or it is gone. ``proof`` is what was seen of the account of somebody who left.
    ``password`` is the version of the password that the directory took, ``refused`` the one that it did not, and why.
    """

    moved: bool = False
    renamed: bool = False
    left: bool = False
    delete_at: dt.datetime | None = None
    returned: bool = False
    proof: Proof | None = None
    password: UUID | None = None
    refused: tuple[UUID, str] | None = None


def park(account: Account, directory: str, operation: Operation, cause: Parked, actor: str) -> AccountOutcome:
    """Return the outcome of an account that someone must see to."""
    words = messages.failed(account.key, directory, operation, cause.message)
    line = messages.line(account, directory, operation, Result.FAILED, words, actor=actor)
    return AccountOutcome(account).park(cause, line)


def wait(outcome: AccountOutcome, directory: str, message: str, actor: str) -> AccountOutcome:
    """Let an account be tried again later."""
    words = messages.waiting(outcome.row.key, message)
    line = messages.line(outcome.row, directory, Operation.UPDATE, Result.WAITING, words, actor=actor)
    return outcome.wait(message, line)
