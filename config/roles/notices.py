"""The notice before a role ends, to those who may see roles."""

import datetime as dt
from collections.abc import Iterator

from django.urls import reverse
from django.utils import timezone

from provisioning.models import Grant
from provisioning.notices.causes import WARNING, Cause, FoundSubject, register

BEFORE = dt.timedelta(days=7)


def _ending() -> Iterator[FoundSubject]:
    now = timezone.now()
    soon = Grant.objects.filter(until__gt=now, until__lte=now + BEFORE).select_related("user", "role")
    for one in soon.order_by("until", "pk"):
        assert one.until is not None
        end = timezone.localtime(one.until)
        why = f" It was given for: {one.reason}." if one.reason else ""
        yield FoundSubject(
            subject=f"grant {one.pk} {one.until:%Y%m%dT%H%M%S}",
            title=f"The role {one.role} of {one.user} ends on {end:%Y-%m-%d at %H:%M}",
            text=f"Give it again with a later end if it is still needed.{why}",
            path=reverse("admin:portal_staff_roles", args=[one.user_id]),
        )


register(Cause("grant_ends", "Roles that end within 7 days", WARNING, "portal.view_role", _ending))
