"""People whom an application deactivated or deleted, and who are deleted when their recycle period is over."""

import datetime as dt

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from provisioning import services
from provisioning.models import Group, User
from reports.journal import Line, record_many
from reports.models import Direction, Operation, Result
from scim.models import Client, UserLink

PAGE = 500
_GONE = {"is_active": False, "is_staff": False, "is_superuser": False}


def follow(client: Client, link: UserLink, user: User) -> None:
    """After the client said that somebody is off or on, and they are so: set, or forget, when they are to be deleted.

    Who was inactive already leaves as well, counted from when the client says so with the switch on.
    """
    if user.is_active:
        UserLink.objects.filter(user=user, leaves_at__isnull=False).update(leaves_at=None)
        link.leaves_at = None
    elif client.delete_deactivated and link.leaves_at is None:
        link.leaves_at = timezone.now() + dt.timedelta(days=client.recycle_days)
        if link.pk:
            UserLink.objects.filter(pk=link.pk).update(leaves_at=link.leaves_at)


def leave_groups(client: Client, user: User) -> None:
    """Take a user out of the client's groups: no group may name somebody whom the client cannot see any more."""
    groups = Group.objects.filter(memberships__user=user, scim_links__client=client).order_by("pk")
    services.leave_groups(user, groups, client.name, via=client.name)


def delete_due() -> int:
    """Delete the users that are still inactive; return how many.

    Whoever came back by another door is to be deleted no more. One who comes back at this very moment stays too, and so
    do staff and those whose application deletes nobody any more.
    """
    UserLink.objects.filter(leaves_at__isnull=False, user__is_active=True).update(leaves_at=None)
    gone = 0
    while links := list(_due()[:PAGE]):
        with transaction.atomic():
            still = User.objects.filter(pk__in=[link.user_id for link in links], **_GONE).order_by("pk")
            found = set(still.select_for_update(no_key=True).values_list("pk", flat=True))
            record_many(_line(link) for link in links if link.user_id in found)
            gone += services.delete_users(found, "Recycle period")
    return gone


def _due() -> "QuerySet[UserLink]":
    over = UserLink.objects.filter(leaves_at__lte=timezone.now())
    staying = over.exclude(client__delete_deactivated=True, **{f"user__{name}": value for name, value in _GONE.items()})
    staying.update(leaves_at=None)
    return over.select_related("user", "client").defer("kept").order_by("leaves_at")


def _line(link: UserLink) -> Line:
    name = link.client.name
    message = f"{link.user} leaves the roll: {name} switched them off more than {link.client.recycle_days} days ago."
    return Line(
        link.user.username,
        name,
        Direction.IN,
        Operation.DELETE,
        Result.SUCCESS,
        message,
        actor=name,
        user_id=link.user_id,
    )
