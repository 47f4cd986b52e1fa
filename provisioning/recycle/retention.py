"""How long deleted users are kept."""

import datetime as dt

from django.conf import settings
from django.utils import timezone

from config.database import bulk
from provisioning.recycle.models import DeletedUser

PAGE = 1000


def purge() -> int:
    """Delete what was deleted longer ago than ``RECYCLE_DAYS``, a page a statement; return how many there were."""
    over = DeletedUser.objects.filter(deleted_at__lt=timezone.now() - dt.timedelta(days=settings.RECYCLE_DAYS))
    number = 0
    while ids := list(over.order_by("deleted_at").values_list("pk", flat=True)[:PAGE]):
        number += bulk.delete(DeletedUser.objects.filter(pk__in=ids))
    return number
