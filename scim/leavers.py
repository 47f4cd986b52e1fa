"""People whom an application deactivated or deleted, and who leave the roll when their recycle period is over."""

from django.db.models import QuerySet
from django.utils import timezone

from provisioning import services
from scim.models import UserLink

PAGE = 500


def delete_due() -> int:
    """Delete the users that are still inactive; return how many. One who came back stays, and so do staff."""
    gone = 0
    while rows := list(_due()[:PAGE]):
        by_client: dict[str, list[int]] = {}
        for user_id, name in rows:
            by_client.setdefault(name, []).append(user_id)
        for name, ids in by_client.items():
            gone += services.delete_users(ids, name)
    return gone


def _due() -> "QuerySet[UserLink, tuple[int, str]]":
    UserLink.objects.filter(leaves_at__lte=timezone.now()).exclude(
        user__is_active=False, user__is_staff=False, user__is_superuser=False
    ).update(leaves_at=None)
    due = UserLink.objects.filter(leaves_at__lte=timezone.now()).order_by("leaves_at")
    return due.values_list("user_id", "client__name")
