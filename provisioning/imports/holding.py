"""Asking the guard about a finished plan: what is over a limit is held, and the rest goes on."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from directories.config import DirectoryConfig, Features
from provisioning.contracts.models import Contract
from provisioning.groups import nesting
from provisioning.guard import ledger
from provisioning.guard.limits import FEW, Before, Counted, Limit, Objection, memberships, objections, people
from provisioning.guard.losses import BITS, DEPARTMENT, GROUP, OF_CONTRACTS, LossKind
from provisioning.imports import follows
from provisioning.imports.groups.drift import DRIFT
from provisioning.imports.groups.losses import lost_by_group
from provisioning.imports.runs import DOOR, Lease, is_first
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.tally import Tally, kinds_of
from provisioning.models import (
    Account,
    Group,
    GroupAccount,
    ImportRun,
    PlannedChange,
    PlannedGroup,
    PlannedMember,
    User,
)
from provisioning.models.imports import Action, GroupAction, RunStatus

DESTRUCTIVE = (LossKind.OFF, LossKind.BLANKED, LossKind.RENAMED, LossKind.CONTRACTS_REMOVED)


@dataclass(frozen=True, slots=True)
class CrawlCounts:
    """What a crawl came to: rows, the people whom it missed, and how many of those could not be looked up by id.

    ``known`` are the active people who came from the directory before, and ``inactive`` the others: what is done to a
    name or a value is compared with all of them. ``lost`` are the memberships that its groups lose, ``joined`` those
    that they gain.
    """

    rows: int
    known: int
    inactive: int
    labels: Labels
    missing: int = 0
    unproven: int = 0
    lost: int = 0
    joined: int = 0


def judge(run: ImportRun, config: DirectoryConfig, lease: Lease, tally: Tally, seen: CrawlCounts) -> list[str]:
    """Hold what of a plan is over a limit, and return why, a sentence each; none means that all may be applied."""
    elsewhere = follows.count(run)
    lease.write(
        switched_off=tally.kinds[LossKind.OFF],
        switched_on=tally.kinds[LossKind.ON],
        blanked=tally.kinds[LossKind.BLANKED],
        renamed=tally.kinds[LossKind.RENAMED],
        follows=[asdict(one) for one in elsewhere],
    )
    question = _Question(run, config, tally, seen, elsewhere)
    if question.objections():
        # Rows that two claimed have become errors since they were counted.
        question.tally = _counted_again(run, tally)
        if found := question.objections():
            with lease.page(durable=False) as gains:
                gains["held"] = _hold(run, found)
            return [one.words for one in found if one.words]
    return []


class _Question:
    """What the guard is asked about one plan."""

    def __init__(
        self,
        run: ImportRun,
        config: DirectoryConfig,
        tally: Tally,
        seen: CrawlCounts,
        elsewhere: Iterable[follows.Follows],
    ) -> None:
        self.run, self.tally, self.seen, self.elsewhere = run, tally, seen, list(elsewhere)
        self.name, self.features = config.name, config.features
        asked = tally.kinds or tally.changed or seen.lost or seen.joined
        self.before: Before = ledger.before(DOOR, run.directory_id) if asked else {}

    def objections(self) -> list[Objection]:
        """Return what is over a limit."""
        found = objections(self._of_all(), self.before)
        kinds = {one.kind for one in found}
        if LossKind.OFF not in kinds:
            found += objections(self._of_departments(), self.before)
        if LossKind.MEMBERS not in kinds and self.seen.lost:
            found += objections(self._of_groups(), self.before)
        return (
            found
            + objections(self._elevated(), self.before)
            + self._unproven()
            + self._shrank(LossKind.OFF in kinds)
            + self._opened()
        )

    def _of_all(self) -> Iterator[Counted]:
        """Count what the whole directory loses, or is given."""
        limits, kinds, known, name = self.features, self.tally.kinds, self.seen.known, self.name
        everybody = known + self.seen.inactive
        yield Counted(
            LossKind.OFF,
            kinds[LossKind.OFF],
            known,
            leavers(limits),
            f"{people(kinds[LossKind.OFF])} of {known:,} would be deactivated because {self._why()}",
            gone=True,
        )
        yield Counted(
            LossKind.ON,
            kinds[LossKind.ON],
            known + kinds[LossKind.ON],
            Limit(limits.max_activated, limits.max_activated_percent),
            f"{people(kinds[LossKind.ON])} would be activated again because {name} has them active again",
        )
        yield Counted(
            LossKind.RENAMED,
            kinds[LossKind.RENAMED],
            everybody,
            leavers(limits),
            f"{people(kinds[LossKind.RENAMED])} of {everybody:,} would be renamed because {name} names them otherwise",
        )
        yield Counted(
            LossKind.BLANKED,
            kinds[LossKind.BLANKED],
            everybody,
            Limit(limits.max_blanked, limits.max_blanked_percent),
            f"{people(kinds[LossKind.BLANKED])} of {everybody:,} would lose a value because it is empty in {name}",
        )
        if kinds[LossKind.CREATED] and not is_first(self.run):
            yield Counted(
                LossKind.CREATED,
                kinds[LossKind.CREATED],
                everybody + kinds[LossKind.CREATED],
                Limit(limits.max_created, limits.max_created_percent),
                f"{people(kinds[LossKind.CREATED])} would be added to the {everybody:,} whom {name} gave before",
            )
        yield from self._of_contracts(everybody)
        labels = self.seen.labels
        for path, number in sorted(self.tally.changed.items()):
            yield Counted(
                LossKind.CHANGED,
                number,
                everybody,
                Limit(limits.max_changed, limits.max_changed_percent),
                f"{labels[path]} would be another for {people(number)} of {everybody:,}",
                scope=path,
            )
        if self.seen.lost:
            groups = Group.objects.filter(owner=self.run.directory_id).values_list("pk", flat=True)
            held = sum(nesting.effective_counts(list(groups)).values())
            lost = min(self.seen.lost, held)
            yield Counted(
                LossKind.MEMBERS,
                lost,
                held,
                Limit(limits.max_lost_members, limits.max_lost_members_percent),
                f"{memberships(lost)} of {held:,} in groups of {name} would be lost",
                gone=True,
            )

    def _of_contracts(self, everybody: int) -> Iterator[Counted]:
        """Count whose contracts change, and who is blocked; the first contracts of a source take nothing away."""
        limits, kinds, name = self.features, self.tally.kinds, self.name
        if not any(kinds[kind] for kind in (*OF_CONTRACTS, LossKind.BLOCKED)):
            return
        words = {
            LossKind.CONTRACTS_ADDED: "would get another contract",
            LossKind.CONTRACTS_REMOVED: f"would lose a contract because {name} does not give it any more",
            LossKind.CONTRACTS_CHANGED: f"would have another contract because {name} says something else",
            LossKind.BLOCKED: f"are blocked in {name}, or cannot be taken",
        }
        limit = {
            LossKind.CONTRACTS_ADDED: Limit(limits.max_contracts_added, limits.max_contracts_added_percent),
            LossKind.CONTRACTS_REMOVED: Limit(limits.max_contracts_removed, limits.max_contracts_removed_percent),
            LossKind.CONTRACTS_CHANGED: Limit(limits.max_contracts_changed, limits.max_contracts_changed_percent),
            LossKind.BLOCKED: Limit(limits.max_blocked, limits.max_blocked_percent),
        }
        if not Contract.objects.filter(account__directory=self.run.directory_id).exists():
            del words[LossKind.CONTRACTS_ADDED]
        known = everybody or self.seen.rows
        for kind, told in words.items():
            yield Counted(kind, kinds[kind], known, limit[kind], f"{people(kinds[kind])} of {known:,} {told}")

    def _why(self) -> str:
        if not self.seen.missing:
            return f"they are inactive in {self.name}"
        if self.tally.kinds[LossKind.OFF] > self.seen.missing:
            return f"they are missing from {self.name} or inactive there"
        return f"they are missing from {self.name}"

    def _of_departments(self) -> Iterator[Counted]:
        """Count whom each department loses: two queries, and none where it is about few people."""
        limit = Limit(self.features.max_leavers, self.features.max_department_percent)
        earlier = {scope: number for (kind, scope), number in self.before.items() if kind == LossKind.OFF and scope}
        if not self._many(self.tally.kinds[LossKind.OFF] + sum(earlier.values()), limit):
            return
        leaving = User.objects.filter(pk__in=_of_kind(self.run, LossKind.OFF).values("user_id")).exclude(department="")
        numbers = dict(leaving.order_by().values_list("department").annotate(Count("pk")))
        asked = [
            name
            for name, number in numbers.items()
            if self._many(number + earlier.get(f"{DEPARTMENT}{name}", 0), limit)
        ]
        imported = Account.objects.filter(~Q(seen_digest=""), directory=self.run.directory_id).values("user")
        there = User.objects.filter(department__in=asked, is_active=True, pk__in=imported) if asked else None
        known = dict(there.order_by().values_list("department").annotate(Count("pk"))) if there is not None else {}
        for name in sorted(asked):
            yield Counted(
                LossKind.OFF,
                numbers[name],
                known.get(name, 0),
                limit,
                f"{people(numbers[name])} of {known.get(name, 0):,} in the department {name} would be deactivated "
                f"because {self._why()}",
                scope=f"{DEPARTMENT}{name}",
                gone=True,
            )

    def _of_groups(self) -> Iterator[Counted]:
        """Count whom each group loses in effect, also through the groups in it."""
        limit = Limit(self.features.max_lost_members, self.features.max_group_percent)
        earlier = {scope: number for (kind, scope), number in self.before.items() if kind == LossKind.MEMBERS and scope}
        if not self._many(self.seen.lost + sum(earlier.values()), limit):
            return
        lost = lost_by_group(self.run)
        asked = [pk for pk, number in lost.items() if self._many(number + earlier.get(f"{GROUP}{pk}", 0), limit)]
        known = nesting.effective_counts(asked)
        names = dict(Group.objects.filter(pk__in=asked).order_by("name_key").values_list("pk", "name"))
        for pk, name in names.items():
            held = known.get(pk, 0)
            number = min(lost[pk], held)  # whoever is in it by several ways is lost with each of them
            yield Counted(
                LossKind.MEMBERS,
                number,
                held,
                limit,
                f"{memberships(number)} of {held:,} of the group {name} would be lost",
                scope=f"{GROUP}{pk}",
                gone=True,
            )

    def _elevated(self) -> Iterator[Counted]:
        """Count who would come into groups that give special rights."""
        if self.seen.joined and (number := _elevating(self.run).count()):
            yield Counted(
                LossKind.ELEVATED,
                number,
                number,
                Limit(self.features.max_elevated, 100),
                f"{memberships(number)} of privileged groups would be given by {self.name}",
            )

    def _unproven(self) -> list[Objection]:
        number = self.seen.unproven
        if number <= FEW:
            return []
        words = (
            f"{people(number)} are missing from {self.name}, and it cannot be asked for single accounts: not proven."
        )
        return [Objection(LossKind.UNPROVEN, words)]

    def _shrank(self, said: bool) -> list[Objection]:
        """Compare with the last good import of everything; who is missing may have ``said`` so already."""
        if self.run.incremental:
            return []
        good = ImportRun.objects.filter(
            directory=self.run.directory_id, incremental=False, preview=False, status=RunStatus.FINISHED
        )
        last = good.exclude(pk=self.run.pk).order_by("-created_at", "-pk").values_list("seen", flat=True).first() or 0
        words = f"{self.name} gave {self.seen.rows:,} users, and {last:,} at the last import of everything"
        found = objections([Counted(LossKind.SHRANK, last - self.seen.rows, last, leavers(self.features), words)], {})
        return [Objection(LossKind.SHRANK, "") for _ in found] if said else found

    def _opened(self) -> list[Objection]:
        opened, most = sum(one.opened for one in self.elsewhere), self.features.max_opened
        if opened <= most:
            return []
        where = ", ".join(f"{one.opened:,} in {one.directory}" for one in self.elsewhere if one.opened)
        words = f"{opened:,} accounts would be opened in other directories ({where}); the limit is {most:,}."
        return [Objection(LossKind.OPENED, words)]

    @staticmethod
    def _many(number: int, limit: Limit) -> bool:
        """Return whether a share is asked about at all."""
        return number > FEW or bool(number and not limit.percent)


def leavers(features: Features) -> Limit:
    """Return how many people may be deactivated."""
    return Limit(features.max_leavers, features.max_leavers_percent)


# --- Holding --------------------------------------------------------------------------------------------------------


def _hold(run: ImportRun, found: Iterable[Objection]) -> int:
    """Mark what is objected to, and what hangs on it; return how many rows wait."""
    changes, members = PlannedChange.objects.filter(run=run), PlannedMember.objects.filter(planned_group__run=run)
    groups = PlannedGroup.objects.filter(run=run)
    for one in found:
        if (rows := _changes_of(run, one)) is not None:
            rows.update(held=True)
        if (lost := _members_of(run, one)) is not None:
            lost.update(held=True)
            _deleted_of(run, one).update(held=True)
    waiting = changes.filter(held=True)
    # Who stays keeps their groups, and who is not added yet gets into none.
    members.filter(add=False, account_id__in=waiting.filter(_bit(LossKind.OFF)).values("account_id")).update(held=True)
    new = waiting.filter(action=Action.CREATE)
    coming = Q(ref__in=new.exclude(remote_id="").values("remote_id")) | Q(ref__in=new.exclude(place="").values("place"))
    members.filter(coming, add=True).exclude(ref="").update(held=True)
    groups.filter(pk__in=members.filter(held=True).values("planned_group")).update(held=True)
    return (
        waiting.count()
        + members.filter(held=True).count()
        + groups.filter(held=True, action=GroupAction.DELETE).count()
    )


def _changes_of(run: ImportRun, one: Objection) -> "QuerySet[PlannedChange] | None":
    """Return the planned changes of people that an objection is about."""
    rows = PlannedChange.objects.filter(run=run)
    match one.kind:
        case LossKind.OFF if one.scope:
            there = User.objects.filter(department=one.scope.removeprefix(DEPARTMENT))
            return _of_kind(run, LossKind.OFF).filter(user_id__in=there.values("pk"))
        case LossKind.OFF | LossKind.ON | LossKind.BLANKED | LossKind.RENAMED | LossKind.CREATED:
            return _of_kind(run, one.kind)
        case LossKind.CONTRACTS_ADDED | LossKind.CONTRACTS_REMOVED | LossKind.CONTRACTS_CHANGED:
            return _of_kind(run, one.kind)
        case LossKind.CHANGED:
            changing = rows.filter(action=Action.UPDATE, after__has_key=one.scope)
            nulls = Q(**{f"before__{one.scope}": None}) | Q(**{f"after__{one.scope}": None})
            return changing.exclude(nulls)
        case LossKind.UNPROVEN:
            return rows.filter(action=Action.DEACTIVATE)
        case LossKind.OPENED:
            return rows.filter(action__in=[Action.CREATE, Action.UPDATE]).exclude(_bit(LossKind.OFF))
        case LossKind.SHRANK | LossKind.BLOCKED:
            return rows.filter(_bit(*DESTRUCTIVE))
    return None


def _of_kind(run: ImportRun, *kinds: LossKind) -> "QuerySet[PlannedChange]":
    return PlannedChange.objects.filter(_bit(*kinds), run=run)


def _bit(*kinds: LossKind) -> Q:
    """Return the condition that a planned change is one of the kinds of losses."""
    mask = sum(BITS[kind] for kind in kinds)
    return Q(losses__in=[bits for bits in range(1, 2 * max(BITS.values())) if bits & mask])


def _members_of(run: ImportRun, one: Objection) -> "QuerySet[PlannedMember] | None":
    """Return the planned memberships that an objection is about."""
    rows = PlannedMember.objects.filter(planned_group__run=run)
    match one.kind:
        case LossKind.MEMBERS | LossKind.SHRANK:
            lost = rows.filter(add=False).exclude(planned_group__row__has_key=DRIFT)
            return lost.filter(planned_group__group_account_id__in=_accounts_below(one)) if one.scope else lost
        case LossKind.ELEVATED:
            return _elevating(run)
    return None


def _deleted_of(run: ImportRun, one: Objection) -> "QuerySet[PlannedGroup]":
    """Return the planned deletions of groups that an objection is about."""
    rows = PlannedGroup.objects.filter(run=run, action=GroupAction.DELETE)
    if one.kind not in (LossKind.MEMBERS, LossKind.SHRANK):
        return rows.none()
    return rows.filter(group_account_id__in=_accounts_below(one)) if one.scope else rows


def _accounts_below(one: Objection) -> "QuerySet[GroupAccount, Any]":
    """Return the group accounts of a group and of those in it: whoever leaves one of them leaves the group."""
    groups = nesting.below([int(one.scope.removeprefix(GROUP))])
    return GroupAccount.objects.filter(group__in=groups).values("pk")


def _elevating(run: ImportRun) -> "QuerySet[PlannedMember]":
    """Return the planned memberships of privileged groups, direct or through a group in one of them."""
    privileged = nesting.leading_to_privileged()
    if not privileged:
        return PlannedMember.objects.none()
    accounts = GroupAccount.objects.filter(group__in=privileged, directory=run.directory_id)
    into = PlannedMember.objects.filter(planned_group__run=run, add=True)
    return into.filter(planned_group__group_account_id__in=accounts.values("pk"))


def _counted_again(run: ImportRun, tally: Tally) -> Tally:
    """Count the plan as it stands now."""
    rows = PlannedChange.objects.filter(run=run, losses__gt=0).order_by()
    found = Tally(changed=tally.changed)
    for bits, number in rows.values_list("losses").annotate(Count("pk")):
        for kind in kinds_of(bits):
            found.kinds[kind] += number
    return found
