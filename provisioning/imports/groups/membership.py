"""Who is in one group of the directory, compared with who is in it in the portal: a page of members at a time.

A page costs one query while everybody in it is known and nothing changes; whom nobody knows costs three more. What is
in the portal already is held as bits, so a group of any size fits.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from django.db.models import QuerySet

from directories.connectors.base import MemberPage
from provisioning.imports.bitmap import Bitmap
from provisioning.imports.users.plan import CREATE, storable
from provisioning.models import Account, GroupAccount, Membership, PlannedChange
from provisioning.models.people import fold
from provisioning.outbound.digests import place_digest

SCAN = 20_000
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class MemberDifference:
    """One member more or less: an account, a nested group's account, or whom the same run adds (``ref``)."""

    add: bool
    account_id: int | None = None
    group_account_id: int | None = None
    ref: str = ""


@dataclass(slots=True)
class Coming:
    """Groups that this run plans: where known ones stand now, and the ids and places of new ones."""

    places: dict[str, int] = field(default_factory=dict)
    moved: set[int] = field(default_factory=set)
    new: set[str] = field(default_factory=set)
    new_places: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ComparedGroup:
    """The group in the portal that the members are compared with; ``group_id`` is None while it does not exist."""

    account_id: int | None
    group_id: int | None
    children: frozenset[int] = frozenset()  # ids of the groups in it


@dataclass(frozen=True, slots=True)
class Unknown:
    """Members of a page, by id, digest of their place or folded user name, as long as nobody knows who they are."""

    refs: set[str]
    places: set[str]
    names: set[str]


class MemberPlanner:
    """Compares the members of groups of one run. ``noted`` are accounts whose place the run's plan tells anew.

    ``coming`` is None where members are never groups: a user may have a group's name.
    """

    def __init__(self, run_id: int, directory_id: int, noted: Bitmap, coming: Coming | None) -> None:
        self.noted, self.coming = noted, coming
        self.nobody: set[str] = set()  # the names in the group compared last that no account here has
        self.found = False  # whether any group has a member at all
        self._accounts = Account.objects.filter(directory=directory_id, user__isnull=False)
        self._groups = GroupAccount.objects.filter(directory=directory_id, group__isnull=False)
        self._planned = PlannedChange.objects.filter(run=run_id)

    def compare(
        self, target: ComparedGroup, pages: Iterable[MemberPage], alive: Callable[[], None]
    ) -> Iterator[list[MemberDifference]]:
        """Yield what differs, page by page; raise ValueError when the list of members does not end with its last page.

        ``alive`` is called after every page.
        """
        self.nobody = set()
        held, left = self._held(target)
        seen, children, complete = Bitmap(), set[int](), False
        for page in pages:
            found: list[MemberDifference] = []
            rest = _named(page)
            self.found = self.found or bool(rest.refs or rest.places or rest.names)
            for user_id, difference in self._people(rest):
                if user_id is None:
                    found.append(difference)
                elif seen.add(user_id):
                    if user_id in held:
                        left -= 1
                    else:
                        found.append(difference)
            found += self._nested(target, rest, children)
            self.nobody |= rest.names
            alive()
            if found:
                yield found
            complete = page.last
        if not complete:
            raise ValueError("incomplete")
        if left:
            yield from self._gone(target, seen)
        if gone := target.children - children:
            rows = self._groups.filter(group__in=gone).values_list("pk", flat=True)
            yield [MemberDifference(add=False, group_account_id=pk) for pk in rows]

    def accounts(self, page: MemberPage) -> list[int]:
        """Return the accounts of those on a page whom the portal knows."""
        found = self._people(_named(page))
        return [one.account_id for user_id, one in found if user_id is not None and one.account_id is not None]

    # --- Who a page names --------------------------------------------------------------------------------------------

    def _people(self, rest: Unknown) -> Iterator[tuple[int | None, MemberDifference]]:
        """Yield the users who are named and, without an id, those whom this run adds; take them out of the rest."""
        if rest.refs:
            rows = self._accounts.filter(remote_id__any_of=set(rest.refs)).values_list("remote_id", "pk", "user_id")
            for ref, pk, user_id in rows:
                rest.refs.discard(ref)
                yield user_id, MemberDifference(add=True, account_id=pk)
        # Where somebody stands now the plan knows best: what the accounts say of it is as old as the last import.
        yield from self._planned_people("remote_id", rest.refs)
        yield from self._planned_people("place", rest.places)
        if rest.places:
            rows = self._accounts.filter(place__any_of=set(rest.places)).values_list("place", "pk", "user_id")
            for place, pk, user_id in rows:
                if pk not in self.noted:
                    rest.places.discard(place)
                    yield user_id, MemberDifference(add=True, account_id=pk)
        rest.names.intersection_update(map(fold, rest.refs))
        if rest.names:
            named = self._accounts.filter(user__username_key__any_of=set(rest.names))
            for name, pk, user_id in named.values_list("user__username_key", "pk", "user_id"):
                rest.names.discard(name)
                yield user_id, MemberDifference(add=True, account_id=pk)

    def _planned_people(self, name: str, wanted: set[str]) -> Iterator[tuple[int | None, MemberDifference]]:
        if not wanted:
            return
        rows = self._planned.filter(**{f"{name}__any_of": set(wanted)})
        for ref, action, user_id, account_id in rows.values_list(name, "action", "user_id", "account_id"):
            if user_id is None and action != CREATE:
                continue  # an error: it stays whoever it was
            wanted.discard(ref)
            yield user_id, MemberDifference(add=True, account_id=account_id, ref="" if account_id else ref)

    def _nested(self, target: ComparedGroup, rest: Unknown, children: set[int]) -> list[MemberDifference]:
        """Return the groups that are named and not in the group yet; note all that are named in ``children``."""
        refs, at, coming = rest.refs, rest.places, self.coming
        if coming is None or not (refs or at):
            return []
        found = []
        for pk, group_id in self._known_groups(refs, at, coming):
            if group_id != target.group_id and group_id not in children:
                children.add(group_id)
                if group_id not in target.children:
                    found.append(MemberDifference(add=True, group_account_id=pk))
        new = [ref for ref in refs if ref in coming.new]
        new += [coming.new_places[place] for place in at if place in coming.new_places]
        return found + [MemberDifference(add=True, ref=ref) for ref in new]

    def _known_groups(self, refs: Collection[str], at: Collection[str], coming: Coming) -> Iterator[tuple[int, int]]:
        rows = self._groups.filter(remote_id__any_of=refs).values_list("pk", "group_id") if refs else ()
        yield from ((pk, group or 0) for pk, group in rows)
        moved = [coming.places[place] for place in at if place in coming.places]
        rows = self._groups.filter(pk__in=moved).values_list("pk", "group_id") if moved else ()
        yield from ((pk, group or 0) for pk, group in rows)
        rows = self._groups.filter(place__any_of=at).values_list("pk", "group_id") if at else ()
        yield from ((pk, group or 0) for pk, group in rows if pk not in coming.moved)

    # --- Who is in the portal ----------------------------------------------------------------------------------------

    def _held(self, target: ComparedGroup) -> tuple[Bitmap, int]:
        held, number = Bitmap(), 0
        for ids in self._member_ids(target):
            number += len(ids)
            for user_id in ids:
                held.add(user_id)
        return held, number

    def _gone(self, target: ComparedGroup, seen: Bitmap) -> Iterator[list[MemberDifference]]:
        """Yield those who are in the group in the portal only. Who has no account in the directory is none of its."""
        for ids in self._member_ids(target):
            missing = [user_id for user_id in ids if user_id not in seen]
            for start in range(0, len(missing), CHUNK):
                rows: QuerySet[Account, int] = self._accounts.filter(
                    user__in=missing[start : start + CHUNK]
                ).values_list("pk", flat=True)
                yield [MemberDifference(add=False, account_id=pk) for pk in rows.order_by("pk")]

    def _member_ids(self, target: ComparedGroup) -> Iterator[list[int]]:
        last = 0
        while target.group_id is not None:
            rows = Membership.objects.filter(group=target.group_id, user__gt=last).order_by("user_id")
            ids = list(rows.values_list("user_id", flat=True)[:SCAN])
            if not ids:
                return
            yield ids
            last = ids[-1]


def _named(page: MemberPage) -> Unknown:
    return Unknown(
        refs={ref for ref in page.refs if storable(ref)},
        places={place_digest(place) for place in page.places},
        names={fold(name) for name in page.names if storable(name)},
    )
