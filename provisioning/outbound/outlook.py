"""What would be changed in a directory that is kept back, and letting it go.

Letting a directory go makes the portal look at every account there, whatever it believes of it: what it believes is as
old as the backup. So the outlook is the same plan for every account, made from what the portal knows, or from what the
directory holds now, and counted; nothing is written to the directory.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from directories import config as directory_config
from directories.connectors.base import Capability, Connector, ConnectorError, RemoteAccount
from directories.models import Directory
from provisioning.models import Account, Change, GroupAccount, GroupChange, User
from provisioning.models.people import fold
from provisioning.outbound import full_sync
from provisioning.outbound.accounts import scope
from provisioning.outbound.accounts.plan import (
    Plan,
    Situation,
    Step,
    UserStatus,
    after_looking,
    assumed,
    without_looking,
)
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.outbound.batch import log_unexpected
from provisioning.outbound.digests import OUTDATED
from provisioning.outbound.dispatch import LOOK, PUSH, SWEEP, send_on_commit
from provisioning.profile import person
from provisioning.restore import holding
from provisioning.restore.models import HeldDirectory

PAGE = 1000
SAMPLES = 20
UNKNOWN, STAYS_OFF = "unknown", "stays_off"
GRAVE = (Step.CREATE, Step.DISABLE, Step.DELETE)
INCOMPLETE = "{name} stopped before its last account was read. Try again."
UNEXPECTED = "Something unexpected went wrong in the portal. Its log has the details."
NOT_SEEN = "Look at what would be changed in {name} first."
LOOKED_AT = "A worker looks at {name} just now. Wait until it is done."
FAILED = (
    "The last look at {name} failed, and what is shown is that of {at:%Y-%m-%d %H:%M}. Look again first; where the "
    "directory cannot be read, look without asking it."
)
CHANGED = "That is not the number of accounts that would be created or closed in {name}: type {number}."
GONE = "{name} is not kept back any more."
log = logging.getLogger(__name__)


class LetGoRefused(Exception):
    """The directory is not let go; ``message`` says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(slots=True)
class Outlook:
    """How many accounts each step would be taken for, by its name, with some of their names."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    samples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, what: str, names: list[str], number: int | None = None) -> None:
        """Count accounts, of which these are some."""
        if number := len(names) if number is None else number:
            self.counts[what] += number
        self.samples[what] += names[: SAMPLES - len(self.samples[what])]

    def add_plan(self, plan: Plan, account: Account, remote: RemoteAccount | None) -> None:
        """Count the steps of one account's plan."""
        for step in plan.steps:
            if step not in (Step.DISABLE, Step.DELETE) or remote is not None:
                self.add(step.value, [account.key])


def look(directory_id: int, *, read: bool) -> None:
    """Reckon, and keep, what letting the directory go would change; say why where that cannot be."""
    held = HeldDirectory.objects.filter(directory=directory_id).select_related("directory").first()
    if held is None:
        return
    found: dict[str, Any] = {"asked_at": None}
    try:
        outlook = _outlook(held.directory, read=read)
        kept = {"counts": dict(outlook.counts), "samples": dict(outlook.samples)}
        found |= {"outlook": kept, "looked_at": timezone.now(), "was_read": read, "failure": ""}
    except ConnectorError as error:
        found["failure"] = error.message
    except Exception as error:
        log_unexpected(error, f"looking at directory {directory_id}")
        found["failure"] = UNEXPECTED
    HeldDirectory.objects.filter(pk=held.pk).update(**found)


def ask(held: HeldDirectory, *, read: bool) -> None:
    """Let a worker look."""
    with transaction.atomic():
        HeldDirectory.objects.filter(pk=held.pk).update(asked_at=timezone.now(), failure="")
        send_on_commit(LOOK, held.directory_id, read)


def unseen() -> list[int]:
    """Return the directories that nobody has looked at since they are kept back."""
    waiting = HeldDirectory.objects.filter(looked_at=None, failure="").order_by("pk")
    return list(waiting.values_list("directory_id", flat=True))


def grave(held: HeldDirectory) -> int:
    """Return how many accounts would be created, disabled or deleted, as of the last look."""
    counts = held.outlook.get("counts", {})
    return sum(int(counts.get(step.value, 0)) for step in GRAVE)


def let_go(held_id: int, number: int | None, actor: str) -> Directory:
    """Let a directory go whose outlook a person saw, who typed how many accounts are created or closed.

    Every account is looked at then: what the portal believes of them is forgotten. Raise LetGoRefused.
    """
    with transaction.atomic():
        rows = HeldDirectory.objects.select_for_update(of=("self",)).select_related("directory")
        held = rows.filter(pk=held_id).first()
        if held is None:
            raise LetGoRefused(GONE.format(name="This directory"))
        directory = held.directory
        if held.looked_at is None:
            raise LetGoRefused(NOT_SEEN.format(name=directory.name))
        if held.asked_at is not None:
            raise LetGoRefused(LOOKED_AT.format(name=directory.name))
        if held.failure:
            raise LetGoRefused(FAILED.format(name=directory.name, at=timezone.localtime(held.looked_at)))
        wanted = grave(held)
        if wanted and number != wanted:
            raise LetGoRefused(CHANGED.format(name=directory.name, number=f"{wanted:,}"))
        how = "read from the directory" if held.was_read else "by what the portal knew"
        holding.let_go_line(directory.name, actor, f"To be changed, {how}: {in_words(held)}.")
        held.delete()
        Account.objects.filter(directory=directory).exclude(pushed_digest="").update(pushed_digest="")
        groups = GroupAccount.objects.filter(directory=directory).exclude(pushed_digest="")
        groups.update(pushed_digest=OUTDATED)
        if full_sync.start(directory.pk, actor):
            send_on_commit(PUSH, directory.pk)
    return directory


def let_all_go(actor: str) -> None:
    """Let every directory go as it is, without a look, and wake the workers: a command's way."""
    with transaction.atomic():
        holding.let_all_go(actor)
        send_on_commit(SWEEP)


def in_words(held: HeldDirectory) -> str:
    """Return the numbers of the last look in one line."""
    counts = held.outlook.get("counts", {})
    parts = [f"{counts[step.value]:,} {word}" for step, word in WORDS.items() if counts.get(step.value)]
    return ", ".join(parts) or "no account"


WORDS = {
    Step.CREATE: "created",
    Step.LINK: "taken over",
    Step.ENABLE: "enabled",
    Step.UPDATE: "updated",
    Step.DISABLE: "disabled",
    Step.DELETE: "deleted",
}


def waiting(directory: Directory) -> tuple[int, int]:
    """Return how many changes of accounts and of groups wait for the directory."""
    changes = Change.objects.filter(directory=directory, parked=None).count()
    return changes, GroupChange.objects.filter(directory=directory, parked=None).count()


def _outlook(directory: Directory, *, read: bool) -> Outlook:
    config = directory_config.load(directory.pk)
    with directory_config.open_connector(config) as connector:
        reconciler = AccountReconciler(config, person.catalogue(), connector, Owners(directory.pk, ()))
        found = Outlook()
        if read:
            _read(directory, connector, reconciler, found)
            return found
        for account in _all(directory):
            now = _forgotten(account, reconciler)
            remote = account.state in ("active", "disabled")
            found.add_plan(assumed(now), account, RemoteAccount("", "") if remote else None)
        if config.features.create_users:
            new = scope.without_account(directory.pk, config.features.accounts_for)
            found.add(Step.CREATE.value, _names(new), new.count())
        return found


def _read(directory: Directory, connector: Connector, reconciler: AccountReconciler, found: Outlook) -> None:
    """Compare every account there with the one here; raise ConnectorError."""
    if Capability.IMPORT not in connector.capabilities:
        raise ConnectorError(connector.lacks(Capability.IMPORT))
    seen: set[int] = set()
    taken_over: set[int] = set()
    complete = False
    without = scope.without_account(directory.pk, reconciler.config.features.accounts_for)
    for page in connector.accounts(PAGE):
        complete = page.last
        remotes = {remote.ref: remote for remote in page.accounts if remote.ref and not remote.problem}
        names = {fold(remote.key): remote for remote in remotes.values()}
        known = Q(remote_id__in=remotes) | Q(remote_id="", user__isnull=False, key_folded__in=names)
        theirs = Account.objects.filter(known, directory=directory).select_related("user__manager")
        matched = set()
        for account in theirs:
            remote = remotes.get(account.remote_id) or names[account.key_folded]
            matched.add(remote.ref)
            seen.add(account.pk)
            now = _forgotten(account, reconciler)
            found.add_plan(_plan(now, remote), account, remote)
            if now.status is UserStatus.WANTED and remote.enabled is False and account.state == "active":
                found.add(STAYS_OFF, [account.key])
        strangers = {name: remote for name, remote in names.items() if remote.ref not in matched}
        if reconciler.config.features.create_users:
            new = without.filter(username_key__in=strangers)
            for pk, key in new.values_list("pk", "username_key"):
                taken_over.add(pk)
                found.add(Step.LINK.value, [strangers.pop(key).key])
        found.add(UNKNOWN, [remote.key for remote in strangers.values()])
    if not complete:
        raise ConnectorError(INCOMPLETE.format(name=directory.name))
    for account in _all(directory):
        if account.pk not in seen:
            found.add_plan(_plan(_forgotten(account, reconciler), None), account, None)
    if reconciler.config.features.create_users:
        names_left = [name for pk, name in _pairs(without, SAMPLES + len(taken_over)) if pk not in taken_over]
        found.add(Step.CREATE.value, names_left[:SAMPLES], without.count() - len(taken_over))


def _plan(now: Situation, remote: RemoteAccount | None) -> Plan:
    return without_looking(now) or after_looking(now, remote)


def _forgotten(account: Account, reconciler: AccountReconciler) -> Situation:
    """Return the situation of an account of which the portal believes nothing any more; raise ConnectorError."""
    return replace(reconciler.situation(account)[0], pushed_digest="")


def _all(directory: Directory) -> Iterator[Account]:
    return Account.objects.filter(directory=directory).select_related("user__manager").order_by("pk").iterator(PAGE)


def _pairs(users: QuerySet[User], most: int) -> list[tuple[int, str]]:
    return list(users.order_by("pk").values_list("pk", "username")[:most])


def _names(users: QuerySet[User]) -> list[str]:
    return [name for _, name in _pairs(users, SAMPLES)]
