"""Who is in a group, and which group is in another: the only writer of ``Membership`` and ``Nesting``.

Everything is set-based, so that five hundred pasted names are a handful of statements, and tells the directories that
the groups are pushed to. What an import writes goes through ``write`` and ``erase``, which record nothing: it has lines
of its own.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from provisioning.models import Group, Membership, Nesting, User
from provisioning.models.people import fold
from reports.journal import Line, record, record_many
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


@transaction.atomic
def add(group: Group, user_ids: Iterable[int], actor: str, *, via: str = "") -> int:
    """Make the users members and return how many were not members before; ``via`` is the application that asks."""
    return sum(_add_page(group, page, actor, via) for page in _pages(user_ids))


@transaction.atomic
def remove(group: Group, user_ids: Iterable[int], actor: str, *, via: str = "") -> int:
    """Take the users out of the group and return how many were in it."""
    return sum(_remove_page(group, page, actor, via) for page in _pages(user_ids))


@transaction.atomic
def add_child(parent: Group, child: Group, actor: str, *, via: str = "") -> bool:
    """Put a group into another; False when it is there already. Circles are allowed, a group in itself is not."""
    if parent.pk == child.pk:
        raise ValueError("A group cannot be a member of itself.")
    _, made = Nesting.objects.get_or_create(parent=parent, child=child)
    if made:
        record(_nesting_line(parent, child, actor, via, "added to"))
    return made


@transaction.atomic
def remove_child(parent: Group, child: Group, actor: str, *, via: str = "") -> bool:
    """Take a group out of another; False when it was not in it."""
    gone, _ = Nesting.objects.filter(parent=parent, child=child).delete()
    if gone:
        record(_nesting_line(parent, child, actor, via, "removed from"))
    return bool(gone)


def direct_page(group: Group, after: int, limit: int) -> list[Membership]:
    """Return the direct members after a user's id, in the order of those ids, with their users."""
    rows = Membership.objects.filter(group=group, user_id__gt=after).order_by("user_id")
    return list(rows.select_related("user")[:limit])


def write(group_id: int, user_ids: Iterable[int], reason: str, actor: str) -> int:
    """Make users members, a page at a time, and tell the directories; return how many were not members before.

    The caller holds a transaction and records what it did.
    """
    return sum(len(_write_page(group_id, page, reason, actor)) for page in _pages(user_ids))


def erase(group_id: int, user_ids: Iterable[int], reason: str, actor: str) -> int:
    """Take users out of a group, as ``write`` puts them in; return how many were in it."""
    return sum(len(_erase_page(group_id, page, reason, actor)) for page in _pages(user_ids))


def _add_page(group: Group, page: Sequence[int], actor: str, via: str) -> int:
    fresh = _write_page(group.pk, page, "added to the group", actor)
    _record(group, fresh, actor, via, "added to")
    return len(fresh)


def _remove_page(group: Group, page: Sequence[int], actor: str, via: str) -> int:
    gone = _erase_page(group.pk, page, "removed from the group", actor)
    _record(group, gone, actor, via, "removed from")
    return len(gone)


def _write_page(group_id: int, page: Sequence[int], reason: str, actor: str) -> list[int]:
    there = set(Membership.objects.filter(group=group_id, user__in=page).values_list("user_id", flat=True))
    fresh = [pk for pk in page if pk not in there]
    rows = [Membership(group_id=group_id, user_id=pk) for pk in fresh]
    Membership.objects.bulk_create(rows, ignore_conflicts=True)
    return fresh


def _erase_page(group_id: int, page: Sequence[int], reason: str, actor: str) -> list[int]:
    members = Membership.objects.filter(group=group_id, user__in=page)
    gone = list(members.order_by("pk").select_for_update().values_list("user_id", flat=True))
    Membership.objects.filter(group=group_id, user__in=gone)._raw_delete(members.db)
    return gone


def _pages(ids: Iterable[int]) -> Iterable[list[int]]:
    wanted = sorted(set(ids))
    return (wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH))


def _record(group: Group, user_ids: Collection[int], actor: str, via: str, verb: str) -> None:
    if not user_ids:
        return
    fields = ("username", "display_name", "first_name", "last_name")
    record_many(
        _line(user.username, f"{user} was {verb} the group {group.name}.", actor, via, user.pk)
        for user in User.objects.filter(pk__in=user_ids).only(*fields)
    )


def _nesting_line(parent: Group, child: Group, actor: str, via: str, verb: str) -> Line:
    return _line(child.name, f"The group {child.name} was {verb} the group {parent.name}.", actor, via)


def _line(identifier: str, message: str, actor: str, via: str, user_id: int | None = None) -> Line:
    return Line(
        identifier=identifier,
        application=via,
        direction=Direction.IN if via else Direction.PORTAL,
        operation=Operation.UPDATE,
        result=Result.SUCCESS,
        message=message,
        actor=actor,
        user_id=user_id,
    )


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the pairs whose first is there once: an address that two people share names neither."""
    seen: dict[str, list[int]] = {}
    for key, pk in pairs:
        seen.setdefault(key, []).append(pk)
    return {key: found[0] for key, found in seen.items() if len(found) == 1}
