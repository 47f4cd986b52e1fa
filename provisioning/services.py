"""The public door of provisioning: what admin pages, SCIM, the API and commands may ask for.

Users, groups and memberships are written through it alone, which import-linter holds (pyproject.toml). Everything here
is set-based: a million ids are pages, not queries.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Count, QuerySet

from directories import config as directory_config
from directories import health
from directories.attributes import Value
from directories.connectors.base import ConnectorError
from directories.models import Directory
from provisioning.guard.administrators import LastAdministrator
from provisioning.identities import lifecycle
from provisioning.identities.grants import give as give_role
from provisioning.identities.grants import keep_by_hand as keep_roles_by_hand
from provisioning.identities.grants import set_roles
from provisioning.identities.grants import take as take_role
from provisioning.identities.grants import tidy as tidy_grants
from provisioning.identities.groups import delete as delete_groups
from provisioning.identities.groups import mark_privileged
from provisioning.identities.groups import save as save_group
from provisioning.identities.membership import add as add_members
from provisioning.identities.membership import add_child as nest_group
from provisioning.identities.membership import leave as leave_groups
from provisioning.identities.membership import remove as remove_members
from provisioning.identities.membership import remove_child as unnest_group
from provisioning.identities.restoring import Restored, restore_page
from provisioning.identities.users import (
    add_user,
    remove_manager,
    rename_and_save,
    renamed,
    save_user,
    set_portal_password,
    write_user,
)
from provisioning.identities.users import rename as rename_user
from provisioning.impact.impact import Impact, Reckoned
from provisioning.impact.reckoning import decides_imports
from provisioning.impact.reckoning import of_change as impact_of_change
from provisioning.impact.reckoning import of_everything as impact_of_everything
from provisioning.impact.reckoning import stored as stored_configuration
from provisioning.imports.doors.actions import AppliedNow, applied, delete_by_plan, restore_by_plan, switch_by_plan
from provisioning.imports.doors.contracts import settle as settle_contracts
from provisioning.imports.doors.hour import undo_span
from provisioning.imports.doors.merging import MergePreview, merge_by_plan
from provisioning.imports.doors.merging import preview as merge_preview
from provisioning.imports.doors.pushes import undo_pushes
from provisioning.imports.doors.rules import evaluate_soon as evaluate_rules
from provisioning.imports.doors.undo import losses_of, undo
from provisioning.imports.doors.upload import FileLine, upload, values_of
from provisioning.imports.requests import approve_import, cancel_import, plan_again, refuse_changes, start_import
from provisioning.imports.runs import ImportRefused
from provisioning.models import Account, Change, User
from provisioning.models.accounts import AccountState, LastResult
from provisioning.models.outbox import HELD, QueuedChange
from provisioning.outbound import full_sync
from provisioning.outbound.accounts import deletions, messages, on_demand, outbox, scope
from provisioning.outbound.accounts.deletions import Rescheduling
from provisioning.outbound.accounts.deletions import cancel as cancel_deletions
from provisioning.outbound.accounts.deletions import delete_now as delete_accounts_now
from provisioning.outbound.accounts.finality import of_deletions as final_deletions
from provisioning.outbound.accounts.finality import of_leaving as final_leaving
from provisioning.outbound.accounts.outbox import enqueue_user as provision
from provisioning.outbound.accounts.outbox import enqueue_users as provision_many
from provisioning.outbound.accounts.plan import Step, UserStatus, assumed, without_looking
from provisioning.outbound.accounts.plan import why_not_early as why_no_early_account
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.outbound.accounts.scope import gives_to, is_early, lost_to
from provisioning.outbound.dispatch import DRAIN, PUSH, send_on_commit
from provisioning.outbound.groups.adoption import adopt as adopt_group
from provisioning.outbound.groups.adoption import can_adopt as can_adopt_group
from provisioning.outbound.kinds import KINDS, kind_of
from provisioning.outbound.outlook import LetGoRefused
from provisioning.outbound.outlook import ask as ask_for_outlook
from provisioning.outbound.outlook import let_go as let_directory_go
from provisioning.outbound.passwords import pending
from provisioning.outbound.passwords.send import send as set_passwords
from provisioning.outbound.passwords.send import takers as password_takers
from provisioning.profile import person
from reports.journal import Line, record, record_many
from reports.models import Direction, Operation, Result

__all__ = [
    "HELD",
    "AppliedNow",
    "FileLine",
    "Impact",
    "ImportRefused",
    "LastAdministrator",
    "LeftOpen",
    "LetGoRefused",
    "MergePreview",
    "Preview",
    "Reckoned",
    "Rescheduling",
    "Restored",
    "Step",
    "UserStatus",
    "add_members",
    "add_user",
    "adopt_group",
    "applied",
    "approve_import",
    "ask_for_outlook",
    "can_adopt_group",
    "cancel_deletions",
    "cancel_import",
    "decides_imports",
    "delete_accounts_now",
    "delete_by_plan",
    "delete_groups",
    "delete_users",
    "disable_everywhere",
    "evaluate_rules",
    "final_deletions",
    "final_leaving",
    "give_back",
    "give_role",
    "gives_to",
    "held_changes",
    "impact_of_change",
    "impact_of_everything",
    "keep_roles_by_hand",
    "leave_groups",
    "left_open",
    "let_directory_go",
    "look_at_left_open",
    "losses_of",
    "lost_to",
    "mark_privileged",
    "merge_by_plan",
    "merge_preview",
    "nest_group",
    "on_demand",
    "password_takers",
    "plan_again",
    "preview",
    "provision",
    "provision_directory",
    "provision_many",
    "refuse",
    "refuse_changes",
    "release",
    "remove_manager",
    "remove_members",
    "rename_and_save",
    "rename_user",
    "renamed",
    "restore_by_plan",
    "restore_users",
    "retry",
    "retry_cause",
    "save_group",
    "save_user",
    "set_active",
    "set_password",
    "set_passwords",
    "set_portal_password",
    "set_roles",
    "settle_contracts",
    "start_import",
    "stored_configuration",
    "switch_by_plan",
    "take_role",
    "tidy_grants",
    "try_directory",
    "undo",
    "undo_pushes",
    "undo_span",
    "unnest_group",
    "upload",
    "values_of",
    "write_user",
]


REFUSED = "{actor} refused to take this away. The next change of the person asks again."
DISABLED_EVERYWHERE = "disabled everywhere"


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done for one user in one directory now: the steps, before and after, and why not more."""

    steps: tuple[str, ...] = ()
    changes: Mapping[str, tuple[Value, Value]] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """Accounts of leavers in one directory that will not be closed, and why."""

    directory: str
    number: int
    reason: str


def provision_directory(directory: Directory, actor: str) -> None:
    """Push everyone to the directory, and its groups. Returns within seconds; workers go on where it stopped."""
    if full_sync.start(directory.pk, actor):
        send_on_commit(PUSH, directory.pk)


def delete_users(user_ids: Iterable[int], actor: str, *, by_person: bool = False) -> int:
    """Delete users from the portal and let their directories know; return how many there were.

    What a person decides about one user (``by_person``), here and below, is not asked about again on its way out.
    """
    ids = set(user_ids)
    cleared = by_person and len(ids) == 1
    return sum(lifecycle.delete_page(page, actor, cleared=cleared) for page in outbox.pages(ids))


def restore_users(wanted: Mapping[int, str], actor: str) -> list[Restored]:
    """Restore rows of the recycle bin, each under the given user name or, where that is blank, under its own."""
    pages = outbox.pages(wanted)
    return [one for page in pages for one in restore_page({pk: wanted[pk] for pk in page}, actor)]


def set_active(user_ids: Iterable[int], active: bool, actor: str, *, by_person: bool = False) -> int:
    """Activate or deactivate users and let their directories know; return how many changed."""
    ids = set(user_ids)
    cleared = by_person and len(ids) == 1
    return sum(lifecycle.set_active_page(page, active, actor, cleared=cleared) for page in outbox.pages(ids))


def disable_everywhere(user_ids: Iterable[int], actor: str) -> None:
    """Deactivate users and have every account that they may still have closed now, each with a receipt.

    Their accounts go before everything else, disabled ones included, which are looked at once more. Directories that
    cannot be reached are tried at once instead of at their next trial.
    """
    ids = set(user_ids)
    cleared = len(ids) == 1  # a person's decision about one user
    for page in outbox.pages(ids):
        with transaction.atomic():
            lifecycle.set_active_page(page, False, actor, cleared=cleared, reason=DISABLED_EVERYWHERE)
            there = Account.objects.filter(user__in=page).exclude(state=AccountState.ABSENT).order_by("pk")
            by_directory: dict[int, list[int]] = {}
            for directory_id, pk in there.values_list("directory_id", "pk"):
                by_directory.setdefault(directory_id, []).append(pk)
            leaving = {pk for ids in by_directory.values() for pk in ids}
            outbox.enqueue(by_directory, DISABLED_EVERYWHERE, actor, leaving=leaving, cleared=cleared)
            away = Directory.objects.filter(pk__in=by_directory, unreachable_since__isnull=False)
            for directory in away.order_by("pk"):
                try_directory(directory)


def left_open(user_ids: Collection[int], *, deleted: bool = False) -> Iterator[LeftOpen]:
    """Say which directories will not close the accounts of users that are deactivated, or deleted.

    Only the portal's own knowledge is asked; the number of queries depends on the directories, not on the users.
    """
    status = UserStatus.DELETED if deleted else UserStatus.DEACTIVATED
    accounts = Account.objects.filter(user__in=user_ids, state=AccountState.ACTIVE).order_by()
    counts = dict(accounts.values_list("directory").annotate(Count("pk")))
    for directory in Directory.objects.filter(pk__in=counts).order_by("name"):
        try:
            with _reconciler(directory) as reconciler:
                plan = without_looking(reconciler.situation_of_any(status, AccountState.ACTIVE))
        except ConnectorError:
            continue  # the directory's own page says what is wrong with it
        if plan is not None and plan.left_open:
            yield LeftOpen(directory.name, counts[directory.pk], plan.reason)


def look_at_left_open(directory: Directory, actor: str) -> None:
    """Look again at the accounts of leavers that were left open, after the directory's settings changed."""
    accounts = Account.objects.filter(directory=directory, last_result=LastResult.OPEN).order_by("pk")
    for page in outbox.pages(accounts.values_list("pk", flat=True)):
        with transaction.atomic():
            outbox.enqueue({directory.pk: page}, "settings changed", actor, leaving=set(page))


@transaction.atomic
def give_back(user: User, account_id: int, actor: str) -> bool:
    """Give a user the account of a deleted person, since somebody says that they are one; ``lost_to`` lists them.

    Return False when the directory has made the user another account meanwhile, or is about to.
    """
    account = scope.give_back(user, account_id)
    if account is None:
        return False
    name = account.directory.name
    said = messages.given_back(str(user), account.remote_id, name, actor)
    record_many([messages.line(account, name, Operation.LINK, Result.SUCCESS, said, actor=actor)])
    provision(user, "given back", actor)
    return True


def set_password(user: User, clear: str, actor: str) -> list[str]:
    """Give the user's accounts a password in every directory that takes passwords; return the directories' names.

    The portal's own password is another one: it stays as it is.
    """
    return set_passwords({user.pk: clear}, actor)


def retry(changes: QuerySet[Any], actor: str) -> int:
    """Try changes of one kind again now, and the directories that could not be reached; return how many there were."""
    for directory_id in changes.order_by().values_list("directory_id", flat=True).distinct():
        health.retry_now(directory_id)
    kind = kind_of(changes.model)
    if kind.change is Change:
        pending.try_again(changes)
    return kind.leases.retry(changes, actor)


def retry_cause(change: type[QueuedChange], directory_id: int, code: str, actor: str) -> int:
    """Try everything of a directory again that was parked for one cause; return how many changes that were."""
    health.retry_now(directory_id)
    parked = change._default_manager.filter(directory=directory_id, parked__isnull=False, parked_code=code)
    return retry(parked, actor)


def release(changes: QuerySet[Any], actor: str) -> int:
    """Let held changes of one kind be made, whatever they take away; return how many there were."""
    held = changes.filter(parked_code=HELD, parked__isnull=False)
    _record_decision(held, actor, "released")
    return kind_of(changes.model).leases.retry(held, actor, cleared=True)


def refuse(changes: QuerySet[Any], actor: str) -> int:
    """Drop held changes of one kind: what they would take away stays, and is asked about anew by the next change."""
    held = changes.filter(parked_code=HELD, parked__isnull=False)
    _record_decision(held, actor, "refused")
    kept = deletions.refuse(held, actor) if changes.model is Change else 0
    return kept + kind_of(changes.model).leases.drop(held, REFUSED.format(actor=actor))


def held_changes(change: type[QueuedChange], directory_id: int) -> QuerySet[Any]:
    """Return what is held in a directory."""
    parked = change._default_manager.filter(directory=directory_id, parked__isnull=False)
    return parked.filter(parked_code=HELD)


def _record_decision(held: QuerySet[Any], actor: str, word: str) -> None:
    numbers = held.order_by().values_list("directory__name").annotate(Count("pk"))
    for name, number in numbers:
        what = "1 held change" if number == 1 else f"{number:,} held changes"
        record(
            Line(
                identifier="",
                application=name,
                direction=Direction.OUT,
                operation=Operation.SETTINGS,
                result=Result.SUCCESS,
                message=f"{actor} {word} {what} of {name}.",
                actor=actor,
            )
        )


def is_delivered_to(directory: Directory) -> bool:
    """Return whether a worker is bringing accounts or groups of the directory in sync just now."""
    return any(kind.leases.workers_on(directory.pk) for kind in KINDS)


def try_directory(directory: Directory) -> None:
    """Ask a directory that could not be reached now, not at its next trial; what waits follows when it answers."""
    health.retry_now(directory.pk)
    for kind in KINDS:
        send_on_commit(DRAIN, directory.pk, 0.0, kind.name)


def preview(user: User, directory: Directory) -> Preview:
    """Return what a delivery would do now, from what the portal knows; the directory is not asked."""
    account = Account.objects.filter(user=user, directory=directory).first()
    if account is None:
        early = is_early(user, directory.pk)
        if not (early or person.wanted(user)):
            return Preview(reason=f"{directory} does not get users that are inactive or not provisioned.")
        if not gives_to(directory.pk, user.pk):
            return Preview(reason=f"{directory} does not give everyone an account, and nothing gives {user} one.")
        account = Account(directory=directory, key=user.username, early=early)
    account.user = user
    try:
        with _reconciler(directory) as reconciler:
            plan = assumed(reconciler.situation(account)[0])
    except ConnectorError as error:
        return Preview(reason=error.message)
    return Preview(tuple(plan.steps), plan.changes, plan.reason)


def why_not_early(directory_ids: Collection[int]) -> dict[int, str]:
    """Return why directories cannot have an account, disabled, before its user begins: those for which that is so."""
    found = {}
    for directory in Directory.objects.filter(pk__in=directory_ids):
        try:
            with _reconciler(directory) as reconciler:
                now = reconciler.situation_of_any(UserStatus.EARLY, AccountState.PENDING)
        except ConnectorError:
            continue  # the directory's own page says what is wrong with it
        if words := why_no_early_account(now):
            found[directory.pk] = words
    return found


@contextmanager
def _reconciler(directory: Directory) -> Iterator[AccountReconciler]:
    """Give what plans the accounts of a directory, which is not asked anything; raises ConnectorError."""
    config = directory_config.load(directory.pk)
    with directory_config.open_connector(config) as connector:
        yield AccountReconciler(config, person.catalogue(), connector, Owners(directory.pk, ()))
