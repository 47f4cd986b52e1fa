"""Passwords on their way to directories: the only writer of ``PendingPassword``.

A password is stored encrypted when somebody sets it, read by the worker that has the account to itself, and deleted
once the directory took it, or a day later. It never travels in a message, an event or a difference.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import QuerySet
from django.utils import timezone

from directories import encryption
from provisioning.models import Account, Change, PendingPassword
from provisioning.outbound.accounts import messages
from reports.journal import record_many
from reports.models import Operation, Result

LIFETIME = dt.timedelta(hours=24)
PAGE = 1000
REFUSED = "password_policy"  # the code of operations that wait for another password
EXPIRED = (
    "The new password of {key} did not reach {directory} within 24 hours, so it was forgotten. Set it again when "
    "{directory} can be reached."
)


@dataclass(frozen=True, slots=True)
class Pending:
    """A password that an account is to get; ``refused`` is why the directory did not take it."""

    version: uuid.UUID
    clear: str = field(repr=False)
    refused: str = ""


def put(clear: Mapping[int, str], actor: str) -> None:
    """Let each account (by id) get its password; an older one that is still on its way is replaced."""
    until = timezone.now() + LIFETIME
    rows = (
        PendingPassword(account_id=pk, secret=text, version=uuid.uuid4(), actor=actor, expires_at=until, refused="")
        for pk, text in clear.items()
    )
    PendingPassword.objects.bulk_create(
        rows,
        batch_size=PAGE,
        update_conflicts=True,
        unique_fields=["account"],
        update_fields=["secret", "version", "actor", "expires_at", "refused"],
    )


def read(account_ids: Collection[int]) -> dict[int, Pending]:
    """Return the passwords that wait for these accounts; raise SecretLost when no key opens one."""
    rows = PendingPassword.objects.filter(account__pk__any_id=account_ids, expires_at__gt=timezone.now())
    values = rows.values_list("account_id", "version", "secret", "refused")
    return {
        account: Pending(version, encryption.clear(secret), refused) for account, version, secret, refused in values
    }


def delivered(versions: Iterable[uuid.UUID]) -> None:
    """Forget passwords that their directories took; one that was set meanwhile has another version and stays."""
    if taken := [*versions]:
        PendingPassword.objects.filter(version__in=taken).delete()


def forget(account_ids: Iterable[int]) -> None:
    """Forget what was set for accounts whose user leaves: whoever gets the account next is somebody else."""
    PendingPassword.objects.filter(account__in=list(account_ids)).delete()


def refused(causes: Mapping[uuid.UUID, str]) -> None:
    """Note why directories did not take passwords, so that they are not offered again and again."""
    for words in {*causes.values()}:
        versions = [version for version, cause in causes.items() if cause == words]
        PendingPassword.objects.filter(version__in=versions).update(refused=words)


def try_again(changes: QuerySet[Change]) -> None:
    """Offer the passwords of these changes' accounts once more, for somebody asked for it."""
    accounts = changes.order_by().values("account")
    PendingPassword.objects.filter(account__in=accounts).exclude(refused="").update(refused="")


def expire() -> list[int]:
    """Forget passwords whose time is over, a page a call, and report each; return their accounts."""
    old = PendingPassword.objects.filter(expires_at__lte=timezone.now()).order_by("pk")
    found = list(old.values_list("account_id", "version", "actor")[:PAGE])
    if not found:
        return []
    accounts = Account.objects.select_related("directory").in_bulk([account for account, _, _ in found])
    PendingPassword.objects.filter(version__in=[version for _, version, _ in found]).delete()
    record_many(
        messages.line(
            accounts[pk],
            accounts[pk].directory.name,
            Operation.PASSWORD,
            Result.FAILED,
            EXPIRED.format(key=accounts[pk].key, directory=accounts[pk].directory.name),
            actor=actor,
        )
        for pk, _, actor in found
        if pk in accounts
    )
    return [account for account, _, _ in found]
