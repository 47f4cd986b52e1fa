"""Giving roles and taking them away: by a person, by an identity provider, or because their time is over."""

import datetime as dt
from collections.abc import Iterable, Mapping

from django.contrib.auth.models import Group as Role
from django.db import transaction
from django.utils import timezone

from provisioning import reach
from provisioning.identities import rights
from provisioning.identities.users import report_line
from provisioning.models import Grant, User
from reports.journal import record, record_many
from reports.models import Operation

NOBODY = "the end of its time"  # who takes a role away that ended
PAGE = 1000


@transaction.atomic
def set_roles(user: User, roles: Iterable[Role], actor: str, source: str = "") -> None:
    """Give the user exactly these roles from ``source``, "" is by hand; what comes from elsewhere stays.

    A role that is held from there already keeps its reason and its end; one that has ended begins anew, without.
    """
    before = held(user)
    wanted = {role.pk for role in roles}
    there = Grant.objects.filter(user=user, source=source)
    kept = set(there.current().filter(role__in=wanted).values_list("role_id", flat=True))
    there.current().exclude(role__in=kept).delete()
    there.filter(role__in=wanted - kept).delete()  # these have ended
    Grant.objects.bulk_create(
        Grant(user=user, role_id=pk, source=source, given_by=actor) for pk in sorted(wanted - kept)
    )
    _told(user, before, actor)


@transaction.atomic
def give(
    user: User,
    role: Role,
    actor: str,
    *,
    reason: str = "",
    until: dt.datetime | None = None,
    within: Mapping[str, list[int]] | None = None,
) -> Grant:
    """Give the user a role by hand; one that they have by hand already gets this reason, end and limit."""
    before = held(user)
    grant, _ = Grant.objects.update_or_create(
        user=user,
        role=role,
        source="",
        defaults={"given_by": actor, "given_at": timezone.now(), "reason": reason, "until": until, "within": within},
    )
    _told(user, before, actor, f" Why: {reason}" if reason else "")
    return grant


@transaction.atomic
def take(grant: Grant, actor: str) -> None:
    """Take one grant away; what the role's other sources give stays."""
    before = held(grant.user)
    Grant.objects.filter(pk=grant.pk).delete()
    _told(grant.user, before, actor)


@transaction.atomic
def keep_by_hand(source: str) -> None:
    """Let what a source gave stay as if it had been given by hand: the source is no more.

    It takes the place of what was given by hand where that ends, or is for some people only.
    """
    for one in Grant.objects.filter(source=source):
        same = Grant.objects.filter(source="", user=one.user_id, role=one.role_id)
        if same.everywhere().filter(until=None).exists():
            one.delete()
        else:
            same.delete()
            one.source = ""
            one.save(update_fields=["source"])


def tidy() -> int:
    """Delete the grants that have ended, with a line for each in report and evidence; return how many there were.

    They gave nothing any more since their moment, whether this runs or not.
    """
    number = 0
    while True:
        with transaction.atomic():
            over = Grant.objects.filter(until__lte=timezone.now()).select_for_update(skip_locked=True, of=("self",))
            page = list(over.select_related("role", "user").order_by("pk")[:PAGE])
            if not page:
                return number
            Grant.objects.filter(pk__in=[one.pk for one in page]).delete()
            lines, told = [], []
            for one in page:
                words = f"The role {one.role} of {one.user} ended. It was given by {one.given_by or 'nobody known'}."
                lines.append(report_line(one.user, Operation.UPDATE, words, NOBODY, {"Roles": (str(one), "")}))
                told.append((one.user, {"Roles": [[str(one)], []]}))
            record_many(lines)
            rights.told(told, NOBODY)
            number += len(page)


def held(user: User) -> list[str]:
    """Return the user's roles at this moment in words, each with its end and where it comes from."""
    grants = Grant.objects.current().filter(user=user).select_related("role")
    return sorted(f"{one} ({reach.in_words(one.within)})" if one.within is not None else str(one) for one in grants)


def _told(user: User, before: list[str], actor: str, why: str = "") -> None:
    after = held(user)
    if before == after:
        return
    changes = {"Roles": (", ".join(before), ", ".join(after))}
    record(report_line(user, Operation.UPDATE, f"The roles of {user} were changed.{why}", actor, changes))
    rights.told([(user, {"Roles": [before, after]})], actor)
