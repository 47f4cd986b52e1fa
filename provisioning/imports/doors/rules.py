"""Evaluation: what rules give, and what people have by them, compared; the difference is a plan like any other.

Everybody is looked at when a rule became another, once a day, and when somebody asks; single people as soon as
something of them changed, or the window of one of their contracts begins or ends.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from config.database import bulk, keyset
from provisioning.groups import nesting
from provisioning.guard import door_limits
from provisioning.guard.limits import Counted, Limit, memberships, people
from provisioning.guard.losses import LossKind
from provisioning.imports.doors.actions import AppliedNow, applied
from provisioning.imports.doors.granting import ACCOUNT, closes_accounts
from provisioning.imports.doors.people import about
from provisioning.imports.doors.runs import plan, start
from provisioning.imports.doors.upload import values_of
from provisioning.imports.doors.waiting import WaitingRows
from provisioning.imports.users.plan import GAINS, GIVEN, GRANTS, LOSES, WHY, Planned
from provisioning.models import ImportRun, Membership, PlannedChange, User
from provisioning.models.imports import Action, Door
from provisioning.outbound.accounts import outbox
from provisioning.rules import holdings, looks
from provisioning.rules import services as rules
from provisioning.rules.book import Book, published
from provisioning.rules.difference import ADD, Because, Difference, HeldNow, RuledChange
from provisioning.rules.matching import Matcher
from provisioning.rules.models import Entitlement, Evaluation, Granted

PAGE = 1000
FEW = 2000  # people who are looked at while somebody waits for a page
MOST = 20_000  # people who are looked at together because something of them changed; who is left follows
EVERYBODY, SOME = "Everybody", "People of whom something changed"
NEVER = Limit(0, 0)  # somebody is always asked


def evaluate(actor: str = "", *, look: bool = False) -> AppliedNow | None:
    """Look at everybody, and return what became of the plan; None where there is nothing to change.

    ``look``: it waits for somebody in any case. Not to be called within a transaction.
    """
    with transaction.atomic():
        Evaluation.objects.get_or_create(pk=looks.ONE)
        held = Evaluation.objects.select_for_update(no_key=True).get(pk=looks.ONE)
        actor, look = actor or held.actor, look or held.look
        held.evaluated_at, held.due, held.look, held.actor = timezone.now(), False, False, ""
        held.save()
        rules.purge()
        run = _plan(EVERYBODY, actor, User.objects.all(), look=look)
    return applied(run) if run and not look else AppliedNow(run) if run else None


def evaluate_soon(actor: str, *, look: bool = False) -> AppliedNow | None:
    """Look at everybody now where these are few; else leave it to the next minute, and return None."""
    looks.ask_everybody(actor, look=look)
    return evaluate(actor, look=look) if User.objects.count() <= FEW else None


def evaluate_due(actor: str = "", *, only: Collection[int] | None = None) -> AppliedNow | None:
    """Look at everybody whose moment has come, or at ``only``; one query or two where no rule is in use."""
    if not looks.in_use():
        return None
    now = timezone.now()
    if only is None and looks.everybody_is_due(now):
        return evaluate(actor)
    ids = looks.due(now, MOST) if only is None else sorted(only)
    if not ids:
        return None
    with transaction.atomic():
        run = _plan(SOME, actor, User.objects.filter(pk__in=ids))
    return applied(run) if run else None


def _plan(subject: str, actor: str, users: "QuerySet[User]", *, look: bool = False) -> ImportRun | None:
    """Plan what is to be changed of these people; None, and no run, where that is nothing."""
    evaluation = _Evaluation(published(), WaitingRows(Door.RULES), timezone.now())
    pages = evaluation.pages(users)
    first = next(pages, None)
    if first is None:
        evaluation.waiting.close()
        return None
    run = start(Door.RULES, subject, actor)

    def every() -> Iterator[Sequence[Planned]]:
        yield first
        yield from pages
        evaluation.waiting.close()
        run.memberships_added, run.memberships_removed = evaluation.added, evaluation.removed

    return plan(Door.RULES, subject, actor, every(), run=run, look=look, also=evaluation.counted)


@dataclass(slots=True)
class _Evaluation:
    """One evaluation, a page of people after the other: some eight queries a page, whatever the number of rules."""

    book: Book
    waiting: WaitingRows
    now: dt.datetime
    added: int = 0
    removed: int = 0
    closed: int = 0
    elevated: int = 0
    matcher: Matcher = field(init=False)

    def __post_init__(self) -> None:
        self.matcher = self.book.matcher()

    def pages(self, users: "QuerySet[User]") -> Iterator[list[Planned]]:
        """Yield what is planned, without empty pages."""
        people_of = self.book.people()
        stored = {one.pk: one for one in Entitlement.objects.select_related("rule", "directory", "group")}
        difference = Difference(self.book, stored)
        privileged = nesting.leading_to_privileged()
        groups = {one.group_id for one in stored.values() if one.group_id}
        for page in keyset.pages(users.select_related("manager"), PAGE):
            ids = [user.pk for user in page]
            granted = _granted(ids)
            members = _members(ids, groups)
            earlier = self.waiting.of(ids)
            given = holdings.read(ids) if self.book.by_request else {}
            planned: list[Planned] = []
            quiet: dict[int, Because] = {}
            moments: dict[int, dt.datetime | None] = {}
            for person in people_of.read(page):
                pk = person.user.pk
                matched = self.matcher.match(person.facts, self.now)
                holdings.add(matched, given.get(pk, ()), self.book.rules, self.now)
                moments[pk] = matched.next_change_at
                mine = granted.get(pk, [])
                if not matched.matches and not mine and pk not in earlier:
                    continue
                held = HeldNow(mine, members.get(pk, frozenset()), values_of(person.user))
                change = difference.of(person, matched, held)
                quiet |= change.contracts
                if (row := self._row(person.user, change, earlier)) is not None:
                    planned.append(row)
                    self._count(row, change, privileged)
            _correct(quiet, granted)
            looks.note({user.pk: user.updated_at for user in page}, moments, self.now)
            if planned:
                yield planned

    def _row(self, user: User, change: RuledChange, earlier: Mapping[int, PlannedChange]) -> Planned | None:
        """Return what is to be planned, unless that waits already; what waits and is another is taken back."""
        row, held = planned_of(user, change), earlier.get(user.pk)
        if held is None:
            return row
        if row is not None and (row.before, row.after) == (held.before, held.after):
            return None  # it waits already
        self.waiting.withdraw(held)
        return row

    def counted(self, active: int) -> list[Counted]:
        """Return what the guard counts besides the plan's rows: accounts that people lose, and privileged groups."""
        return [
            Counted(
                LossKind.OFF,
                self.closed,
                active,
                door_limits.limits()[LossKind.OFF],
                f"{people(self.closed)} of {active:,} would lose an account",
                scope=ACCOUNT,
            ),
            Counted(
                LossKind.ELEVATED,
                self.elevated,
                self.elevated,
                NEVER,
                f"{memberships(self.elevated)} of privileged groups would be given",
            ),
        ]

    def _count(self, row: Planned, change: RuledChange, privileged: Collection[int]) -> None:
        added, removed = change.memberships
        self.added += added
        self.removed += removed
        self.closed += closes_accounts(row)
        self.elevated += sum(step.op == ADD and step.member and step.group in privileged for step in change.steps)


def planned_of(user: User, change: RuledChange) -> Planned | None:
    """Return a person's change as a row of a plan, None where there is nothing to change."""
    if not change.steps and not change.after:
        return None
    before = {**change.before, **({GIVEN: "; ".join(change.lost)} if change.lost else {GIVEN: None})}
    after = {**change.after, GIVEN: "; ".join(change.gained)}
    row = about(user, Action.UPDATE, before=before, after=after, message=" ".join(change.why))
    row.row |= {GRANTS: [asdict(step) for step in change.steps], WHY: LOSES if change.lost else GAINS}
    return row


def _granted(ids: Sequence[int]) -> dict[int, list[Granted]]:
    found: dict[int, list[Granted]] = {}
    rows = Granted.objects.filter(user__in=ids).exclude(entitlement=None).select_related("contract").order_by("pk")
    for one in rows:
        found.setdefault(one.user_id, []).append(one)
    return found


def _members(ids: Sequence[int], groups: Collection[int]) -> dict[int, frozenset[int]]:
    if not groups:
        return {}
    found: dict[int, set[int]] = {}
    for user, group in Membership.objects.filter(user__in=ids, group__in=groups).values_list("user_id", "group_id"):
        found.setdefault(user, set()).add(group)
    return {user: frozenset(held) for user, held in found.items()}


def _correct(contracts: Mapping[int, Because], granted: Mapping[int, Sequence[Granted]]) -> None:
    """Write because of which contracts people have what they have, and when these begin, where that became another.

    Whose account is there before its time, or is not any more, is looked at anew.
    """
    if not contracts:
        return
    rows = [Granted(pk=pk, contract_id=one.contract_id, begins_at=one.begins_at) for pk, one in contracts.items()]
    bulk.update(rows, ["contract", "begins_at"])
    held = {one.pk: one for mine in granted.values() for one in mine if one.directory_id}
    moved = {
        held[pk].user_id
        for pk, one in contracts.items()
        if pk in held and (one.begins_at is None) != (held[pk].begins_at is None)
    }
    outbox.enqueue_users(moved, "a rule")
