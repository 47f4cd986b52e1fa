"""Who is in a group: set-based, so that five hundred pasted names are a handful of statements."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.db import transaction

from provisioning.models import Group, Membership, User
from provisioning.models.people import fold
from reports.journal import Line, record_many
from reports.models import Direction, Operation, Result

BATCH = 1000
MOST_NAMES = 10_000


@dataclass
class Found:
    """What a pasted text says: the users' ids, and the names that nobody on the roll has."""

    ids: list[int] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def find(text: str) -> Found:
    """Read user names or e-mail addresses, one a line or separated by commas or semicolons."""
    names = {fold(name): name.strip() for name in re.split(r"[\n,;\t]+", text) if name.strip()}
    wanted, found = list(names), Found()
    for start in range(0, len(wanted), BATCH):
        page = wanted[start : start + BATCH]
        by_name = dict(User.objects.filter(username_key__in=page).order_by().values_list("username_key", "pk"))
        rest = [name for name in page if name not in by_name]
        mails = User.objects.filter(email_key__in=rest).order_by().values_list("email_key", "pk") if rest else []
        by_mail = _unique(mails)
        found.ids += [*by_name.values(), *by_mail.values()]
        found.unknown += [names[name] for name in rest if name not in by_mail]
    return found


def add(group: Group, user_ids: Iterable[int], actor: str) -> int:
    """Make the users members and return how many were not members before."""
    wanted, added = sorted(set(user_ids)), 0
    with transaction.atomic():
        for start in range(0, len(wanted), BATCH):
            page = wanted[start : start + BATCH]
            there = set(group.memberships.filter(user__in=page).values_list("user_id", flat=True))
            fresh = [pk for pk in page if pk not in there]
            rows = [Membership(group=group, user_id=pk) for pk in fresh]
            Membership.objects.bulk_create(rows, ignore_conflicts=True)
            _record(group, fresh, actor, "added to")
            added += len(fresh)
    return added


def remove(group: Group, user_ids: Collection[int], actor: str) -> int:
    """Take the users out of the group and return how many were in it."""
    with transaction.atomic():
        members = group.memberships.filter(user__in=user_ids)
        gone = list(members.values_list("user_id", flat=True))
        members.delete()
        _record(group, gone, actor, "removed from")
    return len(gone)


def _record(group: Group, user_ids: Collection[int], actor: str, verb: str) -> None:
    fields = ("username", "display_name", "first_name", "last_name")
    record_many(
        Line(
            identifier=user.username,
            application="",
            direction=Direction.PORTAL,
            operation=Operation.UPDATE,
            result=Result.SUCCESS,
            message=f"{user} was {verb} the group {group.name}.",
            actor=actor,
            user_id=user.pk,
        )
        for user in User.objects.filter(pk__in=user_ids).only(*fields)
    )


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the pairs whose first is there once: an address that two people share names neither."""
    seen: dict[str, list[int]] = {}
    for key, pk in pairs:
        seen.setdefault(key, []).append(pk)
    return {key: found[0] for key, found in seen.items() if len(found) == 1}
