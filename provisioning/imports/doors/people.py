"""What other doors plan for people of the portal: a page of them as planned changes, with before and after."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from provisioning.imports.doors.writing import STAFF
from provisioning.imports.users.plan import Planned
from provisioning.imports.users.state import ACTIVE
from provisioning.models import User
from provisioning.models.imports import Action
from provisioning.outbound.accounts.outbox import pages

FIELDS = ("username", "department", "is_active", "is_staff", "is_superuser")


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


def about(
    user: User,
    action: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    message: str = "",
) -> Planned:
    """Return a planned change of one user, by somebody who may change them."""
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


def _pages(user_ids: Iterable[int]) -> Iterator[Sequence[User]]:
    for page in pages(user_ids):
        yield list(User.objects.filter(pk__in=page).only(*FIELDS).order_by("pk"))
