"""Setting passwords of users in directories: who takes them, and sending them on their way."""

from collections.abc import Mapping

from django.db import transaction

from directories import config
from directories.connectors.base import Capability, ConnectorError
from directories.models import Directory
from provisioning.models import Account, Change, User
from provisioning.outbound.accounts import outbox, scope
from provisioning.outbound.passwords import pending
from reports.journal import Line, record_many
from reports.models import Direction, Operation, Result

REASON = "password"


def sweep() -> None:
    """Forget passwords that were not delivered in time; operations that waited for another one have nothing left."""
    while accounts := pending.expire():
        waiting = Change.objects.filter(account__in=accounts, parked_code=pending.REFUSED)
        outbox.LEASES.retry(waiting.filter(parked__isnull=False))


def takers() -> dict[int, str]:
    """Return the directories that take passwords from the portal: those with the feature on, and able to."""
    found = {}
    for pk, name in (
        Directory.objects.filter(provisioning__set_passwords=True).order_by("name").values_list("pk", "name")
    ):
        try:
            with config.open_connector(config.load(pk)) as connector:
                if Capability.SET_PASSWORD in connector.capabilities:
                    found[pk] = name
        except ConnectorError:
            continue  # its settings cannot be used, which its page says
    return found


def send(clear: Mapping[int, str], actor: str) -> list[str]:
    """Store each user's password (by the user's id) for their accounts, and enqueue the accounts.

    Return the names of the directories that at least one of the passwords goes to.
    """
    names = takers()
    reached: set[int] = set()
    for page in outbox.pages(clear) if names else ():
        with transaction.atomic():
            accounts = {pk: ids for pk, ids in scope.accounts_for(page).by_directory.items() if pk in names}
            owners = _owners(accounts)
            pending.put({account: clear[user] for account, (user, _) in owners.items()}, actor)
            _record(page, owners, names, actor)
            outbox.enqueue(accounts, REASON, actor)
            reached |= accounts.keys()
    return sorted(names[pk] for pk in reached)


def _owners(accounts: Mapping[int, list[int]]) -> dict[int, tuple[int, int]]:
    """Return user and directory of each account."""
    ids = [pk for found in accounts.values() for pk in found]
    rows = Account.objects.filter(pk__in=ids, user__isnull=False).values_list("pk", "user_id", "directory_id")
    return {pk: (user, directory) for pk, user, directory in rows if user is not None}


def _record(page: list[int], owners: Mapping[int, tuple[int, int]], names: Mapping[int, str], actor: str) -> None:
    """Note who set whose password, and where it goes; never the password."""
    where: dict[int, list[str]] = {}
    for user, directory in owners.values():
        where.setdefault(user, []).append(names[directory])
    people = User.objects.filter(pk__in=where).values_list("pk", "username")
    record_many(
        Line(
            identifier=username,
            application="",
            direction=Direction.PORTAL,
            operation=Operation.PASSWORD,
            result=Result.SUCCESS,
            message=f"A new password of {username} is on its way to {', '.join(sorted(where[pk]))}.",
            actor=actor,
            user_id=pk,
        )
        for pk, username in people
    )
