"""Who is in a group, and which group is in another: the only writer of ``Membership`` and ``Nesting``.

Everything is set-based, so that five hundred pasted names are a handful of statements, and notifies the directories
that the groups are pushed to. What an import writes goes through ``write_pairs`` and ``erase_pairs``, which record
nothing: it has lines of its own.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models import QuerySet, Value

from config.database import bulk
from provisioning.groups import nesting
from provisioning.models import Group, Membership, Nesting, User
from provisioning.models.outbox import Lane
from provisioning.outbound.accounts import outbox as accounts
from provisioning.outbound.groups import outbox
from provisioning.profile.facts import CHILDREN, MEMBER
from provisioning.rules import looks
from provisioning.rules.models import BusinessRule, ScopeGroup
from reports.journal import Line, record, record_many
from reports.models import Direction, Operation, Result

Pair = tuple[int, int]  # the id of a group, and of a user

BATCH = 1000
ASKED = 0  # in the place of a group and a directory: a rule asks for groups
NAMES = ("username", "display_name", "first_name", "last_name")  # what a user is called by


@transaction.atomic
def add(group: Group, user_ids: Iterable[int], actor: str, *, via: str = "") -> int:
    """Make the users members and return how many were not members before; ``via`` is the application that asks."""
    return sum(_add_page(group, page, actor, via) for page in _pages(user_ids))


@transaction.atomic
def remove(
    group: Group, user_ids: Iterable[int], actor: str, *, via: str = "", by_person: bool = True, cleared: bool = False
) -> int:
    """Take the users out of the group and return how many were in it; ``cleared``: that passed the guard.

    No program (not ``by_person``), and no application, takes the last one out of a privileged group.
    """
    wanted = set(user_ids)
    by_person = by_person and not via
    if group.privileged and not by_person:
        wanted -= {user for _, user in last_of({group.pk}, [(group.pk, user) for user in wanted])}
    decided = cleared or (by_person and len(wanted) == 1)  # about one user
    return sum(_remove_page(group, page, actor, via, cleared=decided) for page in _pages(wanted))


@transaction.atomic
def leave(user: User, groups: Iterable[Group], actor: str, *, via: str = "") -> int:
    """Take one user out of many groups, in as many queries as out of one; return in how many they were."""
    by_id = {group.pk: group for group in groups}
    pairs = [(pk, user.pk) for pk in by_id]
    kept = last_of({pk for pk, group in by_id.items() if via and group.privileged}, pairs)
    gone = erase_pairs([pair for pair in pairs if pair not in kept], "removed from the group", actor)
    record_many(_member_line(user, by_id[pk].name, pk, actor=actor, via=via, verb="removed from") for pk, _ in gone)
    return len(gone)


@transaction.atomic
def add_child(parent: Group, child: Group, actor: str, *, via: str = "") -> bool:
    """Put a group into another; False when it is there already. Circles are allowed, a group in itself is not."""
    if parent.pk == child.pk:
        raise ValueError("A group cannot be a member of itself.")
    _, made = Nesting.objects.get_or_create(parent=parent, child=child)
    if made:
        record(_nesting_line(parent, child, actor, via, "added to"))
        outbox.group_changed(nesting.above([parent.pk]), "group nested", actor)
    return made


@transaction.atomic
def remove_child(parent: Group, child: Group, actor: str, *, via: str = "") -> bool:
    """Take a group out of another; False when it was not in it."""
    gone, _ = Nesting.objects.filter(parent=parent, child=child).delete()
    if gone:
        outbox.group_changed(nesting.above([parent.pk]), "group no longer nested", actor, lane=Lane.LEAVERS)
        record(_nesting_line(parent, child, actor, via, "removed from"))
    return bool(gone)


def write_pairs(pairs: Collection[Pair], reason: str, actor: str, *, notify: bool = True) -> list[Pair]:
    """Make users members of many groups at once, and return those pairs that were not there before.

    The caller holds a transaction and records what it did; without ``notify`` no directory hears of it.
    """
    there = set(_among(pairs).values_list("group_id", "user_id"))
    fresh = [pair for pair in sorted(set(pairs)) if pair not in there]
    rows = [Membership(group_id=group, user_id=user) for group, user in fresh]
    Membership.objects.bulk_create(rows, ignore_conflicts=True, batch_size=BATCH)
    _follow(fresh, reason, actor)
    if notify:
        _notify(fresh, reason, actor)
    return fresh


def erase_pairs(
    pairs: Collection[Pair], reason: str, actor: str, *, notify: bool = True, cleared: bool = False
) -> list[Pair]:
    """Take users out of many groups at once, as ``write_pairs`` puts them in; return the pairs that were there.

    ``cleared``: that passed the guard, or somebody decided it about one user.
    """
    wanted = set(pairs)
    rows = _among(pairs).order_by("pk").select_for_update().values_list("pk", "group_id", "user_id")
    found = [(pk, (group, user)) for pk, group, user in rows if (group, user) in wanted]
    bulk.delete(Membership.objects.filter(pk__in=[pk for pk, _ in found]))
    erased = [pair for _, pair in found]
    _follow(erased, reason, actor, cleared=cleared)
    if notify:
        _notify(erased, reason, actor, Lane.LEAVERS, cleared=cleared)
    return erased


def change_pairs(
    joining: Collection[Pair], leaving: Collection[Pair], actor: str, *, why: str, run_id: int, cleared: bool = False
) -> tuple[list[Pair], list[Pair]]:
    """Put users into many groups and take others out, with lines of the run; return the pairs that were written.

    ``why`` ends the sentence of each line. The last active member of a privileged group stays in it.
    """
    groups = Group.objects.in_bulk({group for group, _ in (*joining, *leaving)})
    stay = last_of({pk for pk, group in groups.items() if group.privileged}, leaving)
    joined = write_pairs([pair for pair in joining if pair[0] in groups], "added to the group", actor)
    gone = [pair for pair in leaving if pair not in stay]
    left = erase_pairs(gone, "removed from the group", actor, cleared=cleared)
    users = User.objects.only(*NAMES).in_bulk({user for _, user in (*joined, *left)})
    record_many(
        replace(
            _member_line(users[user], groups[group].name, group, actor=actor, via="", verb=verb, why=why), run_id=run_id
        )
        for pairs, verb in ((joined, "added to"), (left, "removed from"))
        for group, user in pairs
    )
    return joined, left


def last_of(privileged: Collection[int], pairs: Collection[Pair]) -> set[Pair]:
    """Return those pairs without which one of the privileged groups would have no active member left.

    No machine takes them out: who administers something is decided by people.
    """
    found: set[Pair] = set()
    for group in {group for group, _ in pairs} & {*privileged}:
        leaving = {user for each, user in pairs if each == group}
        staying = Membership.objects.filter(group=group, user__is_active=True).exclude(user__in=leaving)
        if not staying.exists():
            found |= {(group, user) for user in leaving}
    return found


def nest_pairs(pairs: Collection[Pair], actor: str, *, notify: bool = True) -> list[Pair]:
    """Put groups into others (the outer group first), and return those pairs that were not there before."""
    parents, children = {parent for parent, _ in pairs}, {child for _, child in pairs}
    rows = Nesting.objects.filter(parent__in=parents, child__in=children).values_list("parent_id", "child_id")
    there = set(rows) if pairs else set()
    fresh = [pair for pair in sorted(set(pairs)) if pair not in there]
    made = [Nesting(parent_id=parent, child_id=child) for parent, child in fresh]
    Nesting.objects.bulk_create(made, ignore_conflicts=True, batch_size=BATCH)
    if notify and fresh:
        outbox.group_changed(nesting.above({parent for parent, _ in fresh}), "group nested", actor)
    return fresh


def free_pairs(pairs: Collection[Pair], actor: str, *, notify: bool = True, cleared: bool = False) -> list[Pair]:
    """Take groups out of others, as ``nest_pairs`` puts them in; return the pairs that were there."""
    wanted = set(pairs)
    rows = Nesting.objects.filter(parent__in={parent for parent, _ in pairs}, child__in={child for _, child in pairs})
    found = [one for one in rows if (one.parent_id, one.child_id) in wanted] if pairs else []
    Nesting.objects.filter(pk__in=[one.pk for one in found]).delete()
    gone = [(one.parent_id, one.child_id) for one in found]
    if notify and gone:
        around = nesting.above({parent for parent, _ in gone})
        outbox.group_changed(around, "group no longer nested", actor, lane=Lane.LEAVERS, cleared=cleared)
    return gone


def _among(pairs: Collection[Pair]) -> "QuerySet[Membership]":
    """Return the memberships between any of the groups and any of the users: the pairs, and perhaps some others."""
    groups, users = {group for group, _ in pairs}, {user for _, user in pairs}
    return Membership.objects.filter(group__in=groups, user__in=users)


def _notify(pairs: Iterable[Pair], reason: str, actor: str, lane: Lane = Lane.USUAL, *, cleared: bool = False) -> None:
    """Enqueue the pairs for reconciliation; groups with the same users at once: many groups of one are few queries."""
    by_group: dict[int, list[int]] = {}
    for group, user in pairs:
        by_group.setdefault(group, []).append(user)
    by_users: dict[tuple[int, ...], list[int]] = {}
    for group, users in by_group.items():
        by_users.setdefault(tuple(users), []).append(group)
    for users_of, groups in by_users.items():
        outbox.memberships_changed(groups, users_of, reason, actor, lane, cleared=cleared)


def _follow(pairs: Collection[Pair], reason: str, actor: str, *, cleared: bool = False) -> None:
    """Let rules, and directories that give accounts to members of groups, look at whoever joined or left: one query.

    ``cleared``: a person decided it, or it passed the guard.
    """
    if not pairs:
        return
    users = {user for _, user in pairs}
    scoped = ScopeGroup.objects.order_by().values_list("group_id", "directory_id")
    asking = BusinessRule.objects.filter(published=True, asks_groups=True).order_by()
    concerned = set(scoped.union(asking.values_list(Value(ASKED), Value(ASKED))))
    if (ASKED, ASKED) in concerned:
        looks.ask(users)
    directories = _giving(concerned - {(ASKED, ASKED)}, {group for group, _ in pairs})
    for directory in directories:
        accounts.enqueue_users(users, reason, actor, only=directory, cleared=cleared)


def _giving(scoped: Collection[Pair], groups: Collection[int]) -> list[int]:
    """Return the directories that give accounts to members of these groups; ``scoped`` are groups with directories."""
    if not scoped:
        return []
    around = nesting.above(groups)
    return sorted({directory for group, directory in scoped if group in around})


def _add_page(group: Group, page: Sequence[int], actor: str, via: str) -> int:
    fresh = write_pairs([(group.pk, user) for user in page], "added to the group", actor)
    _record(group, [user for _, user in fresh], actor, via, "added to")
    return len(fresh)


def _remove_page(group: Group, page: Sequence[int], actor: str, via: str, *, cleared: bool) -> int:
    pairs = [(group.pk, user) for user in page]
    gone = erase_pairs(pairs, "removed from the group", actor, cleared=cleared)
    _record(group, [user for _, user in gone], actor, via, "removed from")
    return len(gone)


def _pages(ids: Iterable[int]) -> Iterable[list[int]]:
    wanted = sorted(set(ids))
    return (wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH))


def _record(group: Group, user_ids: Collection[int], actor: str, via: str, verb: str) -> None:
    if not user_ids:
        return
    record_many(
        _member_line(user, group.name, group.pk, actor=actor, via=via, verb=verb)
        for user in User.objects.filter(pk__in=user_ids).only(*NAMES)
    )


def membership_ends(memberships: "QuerySet[Membership]", why: str, actor: str, via: str = "") -> None:
    """Record of each of the memberships that it ends, before they go with their user or their group."""
    record_many(_lines(memberships, "removed from", why, actor, via))


def memberships_return(memberships: "QuerySet[Membership]", why: str, actor: str) -> None:
    """Record of each of the memberships that it is there again, with its user."""
    record_many(_lines(memberships, "added to", why, actor, ""))


def _lines(memberships: "QuerySet[Membership]", verb: str, why: str, actor: str, via: str) -> Iterator[Line]:
    rows = memberships.select_related("user", "group").order_by("pk")
    rows = rows.only("user_id", "group__name", *(f"user__{name}" for name in NAMES))
    for one in rows.iterator(chunk_size=BATCH):
        yield _member_line(one.user, one.group.name, one.group_id, actor=actor, via=via, verb=verb, why=why)


def membership_changes(name: str, verb: str, label: str = MEMBER) -> dict[str, tuple[Any, Any]]:
    """Return what a line of the report says of a membership before and after."""
    return {label: (None, name) if verb == "added to" else (name, None)}


def _member_line(user: User, name: str, group_id: int, *, actor: str, via: str, verb: str, why: str = "") -> Line:
    return _line(
        user.username,
        f"{user} was {verb} the group {name}{why}.",
        actor,
        via,
        user_id=user.pk,
        group_id=group_id,
        changes=membership_changes(name, verb),
    )


def _nesting_line(parent: Group, child: Group, actor: str, via: str, verb: str) -> Line:
    return _line(
        child.name,
        f"The group {child.name} was {verb} the group {parent.name}.",
        actor,
        via,
        group_id=parent.pk,
        changes=membership_changes(child.name, verb, CHILDREN),
    )


def _line(identifier: str, message: str, actor: str, via: str, **about: Any) -> Line:
    return Line(
        identifier=identifier,
        application=via,
        direction=Direction.IN if via else Direction.PORTAL,
        operation=Operation.UPDATE,
        result=Result.SUCCESS,
        message=message,
        actor=actor,
        **about,
    )
