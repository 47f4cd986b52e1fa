"""What other doors plan for people of the portal: a page of them as planned changes, with before and after."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from provisioning.imports.doors.writing import STAFF
from provisioning.imports.users.plan import Planned
from provisioning.imports.users.state import ACTIVE
from provisioning.models import User
from provisioning.models.imports import Action
from provisioning.outbound.accounts.outbox import pages

FIELDS = ("username", "department", "is_active", "is_staff", "is_superuser")
SUPERUSERS = "This person may sign in to the portal, so only a superuser can take this back."


def switching(user_ids: Iterable[int], *, active: bool) -> Iterator[list[Planned]]:
    """Plan that users are activated or deactivated; who is so already is left out."""
    for users in _pages(user_ids):
        yield [
            about(user, Action.UPDATE, before={ACTIVE: not active}, after={ACTIVE: active})
            for user in users
            if user.is_active != active
        ]


def deleting(user_ids: Iterable[int]) -> Iterator[list[Planned]]:
    """Plan that users are deleted, into the recycle bin."""
    for users in _pages(user_ids):
        yield [about(user, Action.DELETE) for user in users]


def merging(goes: User, stays_id: int, message: str = "") -> Planned:
    """Plan that a user is merged into another one."""
    planned = about(goes, Action.MERGE, message=message)
    planned.row["into"] = stays_id
    planned.match_value = str(stays_id)  # so that the hash of the plan knows who stays
    return planned


def about(
    user: User,
    action: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    message: str = "",
) -> Planned:
    """Return a planned change of one user, by somebody who may change them; one that only switches off says so."""
    if action == Action.UPDATE and after == {ACTIVE: False}:
        action = Action.DEACTIVATE
    return Planned(
        action=action,
        key=user.username,
        user_id=user.pk,
        before={**(before or {})},
        after={**(after or {})},
        row={STAFF: True} if user.may_sign_in else {},
        department=user.department,
        message=message,
    )


def without_staff(pages: Iterable[Sequence[Planned]], actor: str) -> Iterator[Sequence[Planned]]:
    """Leave people alone who may sign in to the portal, unless the actor is a superuser, who alone may change them."""
    if User.objects.filter(username=actor, is_superuser=True, is_active=True).exists():
        yield from pages
        return
    for page in pages:
        yield [
            replace(one, action=Action.LEAVE, before={}, after={}, row={}, match_value="", message=SUPERUSERS)
            if one.row.get(STAFF)
            else one
            for one in page
        ]


def _pages(user_ids: Iterable[int]) -> Iterator[Sequence[User]]:
    for page in pages(user_ids):
        yield list(User.objects.filter(pk__in=page).only(*FIELDS).order_by("pk"))
