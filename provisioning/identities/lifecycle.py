"""Users deleted, activated and deactivated, a page a transaction; their accounts are enqueued in the same one."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from provisioning.guard import administrators
from provisioning.identities import rights
from provisioning.identities.membership import membership_ends
from provisioning.identities.users import manager_leaves, report_line
from provisioning.models import Account, Membership, User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.scope import AccountsInScope
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.outbound.passwords import pending
from provisioning.profile import person
from provisioning.profile.facts import ACTIVE, differences, facts
from provisioning.recycle import images
from reports.journal import record_many
from reports.models import Operation

_enqueued: ContextVar[bool] = ContextVar("enqueued", default=False)


def already_enqueued() -> bool:
    """Return whether the deletion under way has enqueued the accounts already, so that its signals need not."""
    return _enqueued.get()


@transaction.atomic
def delete_page(
    user_ids: Collection[int],
    actor: str,
    run_id: int | None = None,
    *,
    cleared: bool = False,
    merged_into: User | None = None,
) -> int:
    """Delete the users; their accounts stay with what they last were, until the directories are in sync.

    ``cleared``: that passed the guard, or somebody decided it about one user. ``merged_into``: who has what was theirs
    by now; they are in the recycle bin already.
    """
    users = list(User.objects.filter(pk__in=user_ids).select_related("manager").order_by("pk"))
    _must_leave_an_administrator(users)
    forget(users, actor, cleared=cleared, kept=merged_into is not None)
    known = person.catalogue()
    words = f"{{}} was merged into {merged_into}." if merged_into else "{} was deleted from the portal."
    lines = (
        report_line(user, Operation.DELETE, words.format(user), actor, differences(facts(user, known), {}))
        for user in users
    )
    record_many(replace(line, run_id=run_id) for line in lines)
    with _quiet():
        User.objects.filter(pk__in=[user.pk for user in users]).delete()
    rights.told([(user, {"Deleted": [False, True]}) for user in users if user.may_sign_in], actor)
    return len(users)


def forget(users: Collection[User], actor: str, *, cleared: bool = False, kept: bool = False) -> None:
    """Before users are deleted: keep what their accounts need, and enqueue those and the people that they manage.

    ``kept``: they are in the recycle bin already.
    """
    by_id = {user.pk: user for user in users}
    if not kept:
        images.keep(users, actor)
    accounts = list(Account.objects.filter(user__in=by_id).order_by("pk").select_for_update(no_key=True))
    by_directory: dict[int, list[int]] = {}
    now = timezone.now()
    for account in accounts:
        user = by_id[account.user_id or 0]
        account.key = user.username
        account.person = person.snapshot(person.person_of(user))
        account.deleted_at = now
        account.kept_by = ""  # another decision than the one after which somebody wanted it to be kept
        by_directory.setdefault(account.directory_id, []).append(account.pk)
    Account.objects.bulk_create(
        accounts,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["key", "key_folded", "person", "deleted_at", "kept_by"],
    )
    pending.forget(account.pk for account in accounts)
    leaving = {account.pk for account in accounts}
    outbox.enqueue(by_directory, "deleted", actor, leaving=leaving, cleared=cleared)
    if cleared and len(by_id) == 1:
        outbox.count_decided(AccountsInScope(by_directory, leaving))
    group_outbox.users_leave(by_id, "deleted", actor, cleared=cleared)
    managed = User.objects.filter(manager__in=by_id).exclude(pk__in=by_id).order_by("pk")
    lines = manager_leaves(managed, {pk: user.username for pk, user in by_id.items()}, actor)
    record_many(lines)
    outbox.enqueue_users([line.user_id for line in lines if line.user_id], "manager left", actor)
    memberships = Membership.objects.filter(user__in=by_id)
    membership_ends(memberships, ", because they were deleted from the portal", actor)


@transaction.atomic
def set_active_page(
    user_ids: Collection[int], active: bool, actor: str, *, cleared: bool = False, reason: str = ""
) -> int:
    """Set ``is_active`` of those users that differ; ``cleared``: somebody decided that about this one user.

    ``reason`` says of their accounts why, if not just that.
    """
    rows = User.objects.filter(pk__in=user_ids, is_active=not active).order_by("pk").select_for_update(no_key=True)
    users = list(rows)
    ids = [user.pk for user in users]
    if not active:
        _must_leave_an_administrator(users)
    User.objects.filter(pk__in=ids).update(is_active=active, updated_at=timezone.now())
    word = "activated" if active else "deactivated"
    operation = Operation.ENABLE if active else Operation.DISABLE
    changes = {ACTIVE: (not active, active)}
    record_many(report_line(user, operation, f"{user} was {word} in the portal.", actor, changes) for user in users)
    outbox.enqueue_users(ids, reason or word, actor, cleared=cleared, decided=cleared)
    rights.told([(user, {ACTIVE: [not active, active]}) for user in users if user.may_sign_in], actor)
    return len(ids)


def _must_leave_an_administrator(users: Collection[User]) -> None:
    if any(user.is_superuser for user in users):
        administrators.must_remain([user.pk for user in users])


@contextmanager
def _quiet() -> Iterator[None]:
    token = _enqueued.set(True)
    try:
        yield
    finally:
        _enqueued.reset(token)
