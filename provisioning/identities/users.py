"""What people change in the portal: one user on a page, or many from a file, with their report lines."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import Signal
from django.utils import timezone

from config.database import bulk
from directories.mapping import Catalogue
from provisioning.contracts import due
from provisioning.guard import administrators
from provisioning.models import Account, User
from provisioning.models.accounts import AccountState
from provisioning.models.people import FoldedField, fold
from provisioning.outbound.accounts import outbox
from provisioning.profile import person
from provisioning.profile.facts import ACTIVE, MANAGER, NEW, Facts, differences, facts
from provisioning.profile.person import catalogue
from reports.journal import Line, record, record_many
from reports.models import Direction, Operation, Result

_COLUMNS = [field for field in User._meta.concrete_fields if not field.primary_key]

renamed = Signal()  # ``before``: the names that users had, by id; ``by``: who renamed them


def save_user(user: User, actor: str, *, by_person: bool = True) -> None:
    """Save one user and record who changed what; the signals of ``save`` enqueue what directories need.

    What a program does (not ``by_person``) is no decision about one user: the guard asks about what it takes away.

    Whoever may sign in from now on starts without a password, unless one was set on ``user`` just now: the stored one
    may be known to whoever imported it. Directories get no account of them either, unless they have one already or
    somebody switched that on just now: ``user.provisioned`` says how it ended.
    """
    known = catalogue()
    with transaction.atomic():
        stored = User.objects.select_related("manager").filter(pk=user.pk).first() if user.pk else None
        before = facts(stored, known) if stored else None
        user.changed_by = actor
        # Who was off before stays a question, if it is one: saving something else of them decides nothing.
        user.decided = by_person and (person.wanted(user) or stored is None or person.wanted(stored))
        if user.may_sign_in and not (stored and stored.may_sign_in) and not _keeps_accounts(user, stored):
            user.provisioned = False
        if stored and user.may_sign_in and not stored.may_sign_in and user.password == stored.password:
            user.set_unusable_password()
        user.save()
        if stored and (stored.time_zone != user.time_zone or (stored.may_sign_in and not user.may_sign_in)):
            due.again([user.pk])
        record(*_lines([(user, before)], known, actor))


def rename(user: User, username: str, *, by: object = None) -> None:
    """Give the user another name, in the transaction of the caller, who then saves the user and reports it.

    Accounts that a directory holds are found by their remote ids and follow by the attribute mapping; one that is still
    to be made, or made again, is made under the new name. ``by`` is whoever asks, for the receivers of ``renamed``.
    """
    before = user.username
    user.rename(username)
    tell_renamed({user.pk: before}, {user.pk: username}, by=by)


def tell_renamed(before: Mapping[int, str], after: Mapping[int, str], *, by: object = None) -> None:
    """Let the users' accounts, and whoever listens to ``renamed``, know of their new names."""
    if not before:
        return
    accounts = list(Account.objects.filter(user__in=after).order_by("pk").select_for_update(no_key=True))
    for account in accounts:
        account.key = after[account.user_id or 0]
        account.key_folded = fold(account.key)
    bulk.update(accounts, ["key", "key_folded"])
    renamed.send(sender=User, before=before, by=by)


def rename_and_save(user: User, username: str, actor: str) -> None:
    """Rename one user on a page, and record it; directories are notified.

    Raises User.DoesNotExist, or IntegrityError when somebody else has the name.
    """
    with transaction.atomic():
        locked = User.objects.select_for_update(no_key=True, of=("self",)).get(pk=user.pk)
        rename(locked, username)
        save_user(locked, actor)


def add_user(user: User, actor: str) -> None:
    """Insert a new user and enqueue their accounts, in the caller's transaction; the caller records it.

    It does what ``User.save`` does in less time, and sends no signals. Raises IntegrityError when the name is taken.
    """
    row = {field.attname: field.pre_save(user, add=True) for field in _COLUMNS}
    [user.pk] = bulk.insert_returning(User, [row])
    user._state.adding = False
    user.rename(user.username)  # what is stored now
    outbox.enqueue_user(user, "created", actor)


def write_user(user: User, actor: str, columns: Iterable[str]) -> None:
    """Write these columns of a user, whose row the caller has locked, and enqueue their accounts, in the same way."""
    if user.stops_administering:
        administrators.must_remain([user.pk])
    changed = {*columns}
    folded = {each.name for each in _COLUMNS if isinstance(each, FoldedField) and each.source in changed}
    bulk.update([user], [*sorted(changed | folded), "updated_at"])
    if "time_zone" in changed:
        due.again([user.pk])
    outbox.enqueue_user(user, "updated", actor)


def remove_manager(manager: User, actor: str) -> int:
    """Take a user away as the manager of others, and let their directories know; return how many people that were."""
    reports = User.objects.filter(manager=manager).order_by("pk").select_for_update(no_key=True)
    lines = manager_leaves(reports, {manager.pk: manager.username}, actor)
    ids = [line.user_id for line in lines if line.user_id]
    if ids:
        User.objects.filter(pk__in=ids).update(manager=None, updated_at=timezone.now())
        record_many(lines)
        outbox.enqueue_users(ids, "manager left", actor)
    return len(ids)


def manager_leaves(reports: "QuerySet[User]", managers: Mapping[int, str], actor: str) -> list[Line]:
    """Return a line for each of the people who lose their manager with that one; ``managers`` are names by id."""
    return [
        report_line(
            user,
            Operation.UPDATE,
            f"{user} has no manager any more: {managers[user.manager_id or 0]} left.",
            actor,
            {MANAGER: (managers[user.manager_id or 0], None)},
        )
        for user in reports.only("manager_id", "username", "display_name", "first_name", "last_name")
    ]


def _keeps_accounts(user: User, stored: User | None) -> bool:
    if stored is None:
        return False
    there = Account.objects.filter(user=user.pk, state__in=[AccountState.ACTIVE, AccountState.DISABLED])
    return there.exists() or (user.provisioned and not stored.provisioned)


def set_portal_password(user: User, clear: str, actor: str) -> None:
    """Set the password with which the user signs in to the portal, and record who did it; directories keep theirs."""
    with transaction.atomic():
        user.set_password(clear)
        User.objects.filter(pk=user.pk).update(password=user.password)
        record(report_line(user, Operation.PASSWORD, f"The portal password of {user} was changed.", actor))


def _lines(users: Iterable[tuple[User, Facts | None]], known: Catalogue, actor: str) -> Iterator[Line]:
    for user, before in users:
        changes = differences(NEW if before is None else before, facts(user, known))
        if before is None:
            yield report_line(user, Operation.CREATE, f"{user} was added to the portal.", actor, changes)
        elif changes:
            yield report_line(user, Operation.UPDATE, f"{user} was {_what(changes)}.", actor, changes)


def _what(changes: Mapping[str, tuple[Any, Any]]) -> str:
    if set(changes) == {ACTIVE}:
        return f"{'activated' if changes[ACTIVE][1] == 'yes' else 'deactivated'} in the portal"
    return f"changed in the portal: {', '.join(changes)}"


def report_line(
    user: User, operation: Operation, message: str, actor: str, changes: Mapping[str, tuple[Any, Any]] | None = None
) -> Line:
    """Return the line of the report about what somebody did to a user in the portal."""
    return Line(
        identifier=user.username,
        application="",
        direction=Direction.PORTAL,
        operation=operation,
        result=Result.SUCCESS,
        message=message,
        changes=changes or {},
        actor=actor,
        user_id=user.pk,
    )
