"""What people, and policies, do about findings: a page of findings a transaction, each with a line in the report.

Nothing here writes to a directory: accounts are enqueued, and the delivery looks at each before it acts. A finding
whose person or account changed in the portal since it was compared is refused.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from config.database import bulk
from directories.config import DirectoryConfig, load, open_connector
from directories.connectors.base import ConnectorError, RemoteAccount
from directories.models import OnLeave
from provisioning.models import Account, GroupAccount, PushedMember, User
from provisioning.models.accounts import AccountState
from provisioning.models.people import fold
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.plan import Plan, after_looking, without_looking
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.outbound.groups import outbox as groups
from provisioning.profile.person import catalogue, wanted
from provisioning.reconciliation.models import MEMBERS, Finding, FindingKind, FindingState
from reports.journal import Line, record_many
from reports.models import Direction, Operation, Result

PAGE = 500
REASON = "reconciliation"
POLICY = "reconciliation policy"  # the actor of what a policy does
PUSHED = (FindingKind.MISSING, FindingKind.DIFFERENT, FindingKind.ENABLED, FindingKind.DISABLED)
AUTOMATIC = (*PUSHED, *MEMBERS)  # what a policy may push: none of it deletes what the portal does not know
PUSHABLE = (*AUTOMATIC, FindingKind.ORPHAN)  # of orphans those whose users have left, and that should be gone
STALE = "changed in the portal since it was compared. Reconcile again."
GONE = "is not in the portal any more. Reconcile again."
NOT_THIS = "That cannot be done about a finding of this kind."
NOT_OURS = "comes from the directory. Import the directory, and the portal follows it."
TAKEN = "has an account in this directory by now. Reconcile again."
NOBODYS = "belongs to nobody in the portal. Adopt it, or have it closed."
NO_MATCH = "matches no user, so it cannot be adopted."
MATCHED = "may be the account of a user in the portal. Adopt it, or ignore it."
OWNED = "belongs to somebody in the portal by now. Reconcile again."
CLOSES_NOT = "{name} is set up to leave the accounts of people who were deleted. Change that under Features & schedule."
BELIEVED = {
    FindingKind.ENABLED: AccountState.ACTIVE,
    FindingKind.DISABLED: AccountState.DISABLED,
    FindingKind.ORPHAN: AccountState.ACTIVE,  # then a delivery looks, and closes it
}


@dataclass(slots=True)
class ActionOutcome:
    """How many findings were acted on, and why others were not, with the number of each."""

    number: int = 0
    refused: Counter[str] = field(default_factory=Counter)


Act = Callable[["FindingsPage"], None]


class FindingsPage:
    """Open findings that are locked, and what becomes of them; ``config`` and ``actor`` are the same for all."""

    def __init__(self, findings: Sequence[Finding], config: DirectoryConfig, actor: str, done: ActionOutcome) -> None:
        self.findings, self.config, self.actor, self.done = findings, config, actor, done
        self.left = {one.pk: one for one in findings}
        self.lines: list[Line] = []

    def refuse(self, finding: Finding, why: str, *, of_it: bool = True) -> None:
        """Leave a finding as it is and say why; ``of_it``: the words go on after its name."""
        self.left.pop(finding.pk, None)
        self.done.refused[f"{finding.key or finding.remote_id} {why}" if of_it else why] += 1

    def of(self, *kinds: str) -> list[Finding]:
        """Return the findings of these kinds that are not refused."""
        return [one for one in self.left.values() if one.kind in kinds]

    def finish(self, action: str, operation: Operation, words: str) -> None:
        """Mark what is left as done, and write a line for each."""
        now = timezone.now()
        Finding.objects.filter(pk__in=list(self.left)).update(
            state=FindingState.DONE, action=action, decided_by=self.actor, decided_at=now
        )
        name = self.config.name
        record_many(
            Line(
                identifier=one.key,
                application=name,
                direction=Direction.PORTAL,
                operation=operation,
                result=Result.SUCCESS,
                message=f"{self.actor} {words.format(key=one.key, name=name)} It was found: "
                f"{one.get_kind_display().lower()}.",
                changes={key: (pair[1], pair[0]) for key, pair in one.values.items()},
                actor=self.actor,
                user_id=one.user_id,
                account_id=one.account_id,
            )
            for one in self.left.values()
        )
        self.done.number += len(self.left)


def push(findings: QuerySet[Finding], actor: str) -> ActionOutcome:
    """Let the directory be brought in step with the portal: each account concerned is enqueued."""
    return _each(findings, actor, _push)


def adopt(findings: QuerySet[Finding], actor: str) -> ActionOutcome:
    """Make each orphan the account of the user that it matches."""
    return _each(findings, actor, _adopt)


def close(findings: QuerySet[Finding], actor: str) -> ActionOutcome:
    """Have orphans disabled or deleted, as the directory's settings say for people who were deleted."""
    return _each(findings, actor, _close)


def ignore(findings: QuerySet[Finding], actor: str, *, reason: str, owner: str, until: dt.date) -> ActionOutcome:
    """Leave findings out until a day, for a reason, with somebody who answers for it; they come back after it."""

    def act(page: FindingsPage) -> None:
        Finding.objects.filter(pk__in=list(page.left)).update(reason=reason, owner=owner[:255], ignored_until=until)
        words = f"ignores {{key}} in {{name}} until {until:%Y-%m-%d} ({owner} answers for it): {_escaped(reason)}."
        page.finish("ignore", Operation.SETTINGS, words)
        Finding.objects.filter(pk__in=list(page.left)).update(state=FindingState.IGNORED)

    return _each(findings, actor, act)


def open_now() -> Q:
    """Return the condition of findings that wait for somebody; those whose time of being ignored is over do again."""
    return Q(state=FindingState.OPEN) | Q(state=FindingState.IGNORED, ignored_until__lt=timezone.localdate())


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}").rstrip(".")


def _each(findings: QuerySet[Finding], actor: str, act: Act) -> ActionOutcome:
    """Act on open findings of one directory, a page a transaction; the number of queries depends on the pages."""
    done, last, config = ActionOutcome(), 0, None
    while True:
        with transaction.atomic():
            rows = findings.filter(open_now(), pk__gt=last).order_by("pk").select_for_update(no_key=True)
            page = list(rows[:PAGE])
            if not page:
                return done
            last = page[-1].pk
            if config is None or config.id != page[0].directory_id:
                config = load(page[0].directory_id)
            act(FindingsPage(page, config, actor, done))


# --- Pushing ---------------------------------------------------------------------------------------------------------


def _push(page: FindingsPage) -> None:
    for one in page.findings:
        if one.kind not in PUSHABLE:
            page.refuse(one, NOT_THIS, of_it=False)
    for one in page.of(FindingKind.ORPHAN):
        if not _should_be_gone(one):
            page.refuse(one, NOBODYS)
    _push_accounts(page, [one for one in page.of(*PUSHED, FindingKind.ORPHAN) if one.account_id])
    _push_users(page, [one for one in page.of(FindingKind.MISSING) if not one.account_id])
    _push_members(page, page.of(*MEMBERS))
    page.finish("push", Operation.UPDATE, "had {key} in {name} brought in step with the portal.")


def _push_accounts(page: FindingsPage, findings: Sequence[Finding]) -> None:
    """Enqueue accounts, after what was seen of them is believed: only then does a delivery look and act."""
    if not findings:
        return
    accounts = accounts_of([one.account_id for one in findings])
    with _reconciler(page.config) as reconciler:
        for one in findings:
            account = accounts.get(one.account_id or 0)
            if why := _why_not(one, account, reconciler):
                page.refuse(one, why, of_it=why in (STALE, GONE))
    kept = [one for one in findings if one.pk in page.left]
    for kind, state in BELIEVED.items():
        Account.objects.filter(pk__in=[one.account_id for one in kept if one.kind == kind]).update(state=state)
    ids = [one.account_id or 0 for one in kept]
    Account.objects.filter(pk__in=ids).update(pushed_digest="")
    leaving = {one.account_id or 0 for one in kept if one.kind in (FindingKind.ENABLED, FindingKind.ORPHAN)}
    if ids:
        outbox.enqueue({page.config.id or 0: ids}, REASON, page.actor, leaving=leaving)


def _why_not(finding: Finding, account: Account | None, reconciler: AccountReconciler) -> str:
    """Return why a push would do nothing, or something else than was seen; "" when it may be."""
    if account is None:
        return GONE
    try:
        now, _ = reconciler.situation(account)
    except ConnectorError as error:
        return error.message
    if now.digest != finding.version:
        return STALE
    believed = replace(now, state=BELIEVED.get(FindingKind(finding.kind), now.state), pushed_digest="")
    plan = without_looking(believed)
    if plan is None:
        held = {**account.attributes, **{name: pair[1] for name, pair in finding.values.items()}}
        remote = RemoteAccount(account.remote_id, account.key, held, enabled=finding.usable)
        plan = after_looking(believed, None if finding.kind == FindingKind.MISSING else remote)
    return "" if _does_something(plan) else plan.reason


def _does_something(plan: Plan) -> bool:
    return bool(plan.steps) or plan.settled


def _should_be_gone(finding: Finding) -> bool:
    """Whether an orphan is the account of somebody who has left, which the directory's settings delete."""
    return finding.kind == FindingKind.ORPHAN and bool(finding.account_id and finding.version)


def _push_users(page: FindingsPage, findings: Sequence[Finding]) -> None:
    users = {
        user.pk: user for user in User.objects.filter(pk__in=[one.user_id for one in findings]).select_for_update()
    }
    for one in findings:
        user = users.get(one.user_id or 0)
        if user is None:
            page.refuse(one, GONE)
        elif not wanted(user):
            page.refuse(one, STALE)
        elif not page.config.features.create_users:
            page.refuse(one, f"Creating users is switched off for {page.config.name}.", of_it=False)
    kept = [one.user_id for one in findings if one.pk in page.left and one.user_id]
    if kept:
        outbox.enqueue_users(kept, REASON, page.actor, only=page.config.id)


def _push_members(page: FindingsPage, findings: Sequence[Finding]) -> None:
    """Correct what the portal noted of pushed groups, and enqueue the members: the delivery puts in and takes out."""
    if not findings:
        return
    directory = page.config.id
    held = GroupAccount.objects.filter(pk__in={one.group_account_id for one in findings}, group__isnull=False)
    pushed = set(held.exclude(group__owner=directory).values_list("pk", flat=True))
    for one in findings:
        if one.group_account_id not in pushed:
            page.refuse(one, NOT_OURS)
    kept = [one for one in findings if one.pk in page.left]
    pairs = [(one.group_account_id or 0, one.account_id or 0, one.kind) for one in kept]
    less = Q(pk=None)
    for group, account, kind in pairs:
        if kind == FindingKind.LESS:
            less |= Q(group_account=group, account=account)
    PushedMember.objects.filter(less).delete()
    more = [
        {"group_account_id": group, "account_id": account} for group, account, kind in pairs if kind == FindingKind.MORE
    ]
    bulk.insert(PushedMember, more, ignore_conflicts=True)
    groups.enqueue_pairs({directory or 0: [(group, account) for group, account, _ in pairs]}, REASON, page.actor)


# --- Orphans ---------------------------------------------------------------------------------------------------------


def _adopt(page: FindingsPage) -> None:
    free = _free(page)
    users = {
        user.pk: user
        for user in User.objects.filter(pk__in=[one.user_id for one in free if one.user_id]).order_by("pk")
    }
    compared = free[0].run.started_at if free else None
    theirs = Account.objects.filter(directory=page.config.id, user__in=list(users)).select_for_update(no_key=True)
    held = {account.user_id: account for account in theirs.order_by("pk")}
    made: list[dict[str, Any]] = []
    given: list[Account] = []
    for one in free:
        user = users.pop(one.user_id or 0, None)
        account = held.get(one.user_id)
        if user is None:
            page.refuse(one, GONE if one.user_id else NO_MATCH)
        elif compared is None or user.updated_at >= compared:  # who matched then need not match now
            page.refuse(one, STALE)
        elif account is not None and account.remote_id:
            page.refuse(one, TAKEN)
        elif account is not None:
            account.remote_id, account.state, account.pushed_digest = one.remote_id, _state(one), ""
            given.append(account)
        else:
            row = {"user_id": user.pk, "directory_id": page.config.id, "key": user.username}
            made.append({**row, "remote_id": one.remote_id, "state": _state(one)})
    Account.objects.bulk_update(given, ["remote_id", "state", "pushed_digest"])
    bulk.insert(Account, made)
    adopted = [one.user_id for one in free if one.pk in page.left and one.user_id]
    if adopted:
        outbox.enqueue_users(adopted, REASON, page.actor, only=page.config.id)
    page.finish("adopt", Operation.LINK, "gave the account {key} in {name} to the user whom it matches.")


def _close(page: FindingsPage) -> None:
    """Keep each orphan as the account of somebody who was deleted: a delivery closes it as it does those.

    That of somebody who was deactivated is theirs, and is closed as the settings say for them.
    """
    features, name = page.config.features, page.config.name
    theirs = [one for one in page.findings if _should_be_gone(one) and one.user_id]
    _push_accounts(page, theirs)
    if not features.delete_users or features.on_delete == OnLeave.LEAVE:
        for one in page.findings:
            if one not in theirs:
                page.refuse(one, CLOSES_NOT.format(name=name), of_it=False)
    for one in page.findings:
        if one.kind != FindingKind.ORPHAN and one.pk in page.left:
            page.refuse(one, NOT_THIS, of_it=False)
    _refuse_matched(page)
    known = _still_nobodys(page, [one for one in page.of(FindingKind.ORPHAN) if one.account_id and not one.user_id])
    free = [one for one in _free(page, but=[*known, *theirs]) if one.pk in page.left]
    now = timezone.now()
    rows = [
        {
            "directory_id": page.config.id,
            "key": one.key,
            "remote_id": one.remote_id,
            "state": AccountState.ACTIVE,
            "person": {"profile": {"username": one.key}},
            "deleted_at": now,
        }
        for one in free
    ]
    ids = bulk.insert_returning(Account, rows)
    for one, pk in zip(free, ids, strict=True):
        one.account_id = pk
    ids += [one.account_id or 0 for one in known]
    Account.objects.filter(pk__in=ids).update(pushed_digest="", state=AccountState.ACTIVE)
    if ids:
        outbox.enqueue({page.config.id or 0: ids}, REASON, page.actor, leaving=set(ids))
    deletes = features.on_delete == OnLeave.DELETE and not features.delete_after_days
    operation, verb = (Operation.DELETE, "deleted") if deletes else (Operation.DISABLE, "disabled")
    page.finish("close", operation, f"had {{key}} {verb} in {{name}}.")


def _refuse_matched(page: FindingsPage) -> None:
    """Refuse what matches somebody who is to have an account: closing it would shut them out.

    That may also be somebody of the account's name who came since, and has no account there yet.
    """
    orphans = [one for one in page.of(FindingKind.ORPHAN) if not _should_be_gone(one)]
    wanted_now = User.objects.filter(is_active=True, provisioned=True)
    matched = {one.user_id for one in orphans if one.user_id}
    ids = set(wanted_now.filter(pk__in=matched).values_list("pk", flat=True)) if matched else set()
    names = {fold(one.key) for one in orphans if one.account_id is None}
    theirs = Account.objects.filter(directory=page.config.id, user=OuterRef("pk")).exclude(remote_id="")
    without = wanted_now.filter(~Exists(theirs), username_key__in=names)
    keys = set(without.values_list("username_key", flat=True)) if names else set()
    for one in orphans:
        if one.user_id in ids or (one.account_id is None and fold(one.key) in keys):
            page.refuse(one, MATCHED)


def _still_nobodys(page: FindingsPage, findings: Sequence[Finding]) -> list[Finding]:
    """Return those whose accounts are still of people who were deleted; refuse the others. The accounts are locked."""
    accounts = accounts_of([one.account_id for one in findings])
    for one in findings:
        account = accounts.get(one.account_id or 0)
        if account is None or account.user_id is not None:
            page.refuse(one, GONE if account is None else OWNED)
    return [one for one in findings if one.pk in page.left]


def _free(page: FindingsPage, but: Iterable[Finding] = ()) -> list[Finding]:
    """Return the orphans that still are nobody's; refuse the others."""
    orphans = [one for one in page.of(FindingKind.ORPHAN) if one not in but]
    for one in page.findings:
        if one.kind != FindingKind.ORPHAN and one.pk in page.left:
            page.refuse(one, NOT_THIS, of_it=False)
    refs = [one.remote_id for one in orphans]
    owned = Account.objects.filter(directory=page.config.id, remote_id__any_of=refs).values_list("remote_id", flat=True)
    taken = set(owned) if refs else set()
    for one in orphans:
        if not one.remote_id or one.remote_id in taken:
            page.refuse(one, OWNED)
    return [one for one in orphans if one.pk in page.left]


def _state(finding: Finding) -> AccountState:
    return AccountState.DISABLED if finding.usable is False else AccountState.ACTIVE


def accounts_of(ids: Iterable[int | None]) -> dict[int, Account]:
    """Return accounts with their users, locked."""
    rows = Account.objects.filter(pk__in=list(ids)).select_related("user__manager").order_by("pk")
    return {account.pk: account for account in rows.select_for_update(of=("self",), no_key=True)}


@contextmanager
def _reconciler(config: DirectoryConfig) -> Iterator[AccountReconciler]:
    """Give what plans the accounts of a directory, which is not asked anything; raises ConnectorError."""
    with open_connector(config) as connector:
        yield AccountReconciler(config, catalogue(), connector, Owners(config.id or 0, ()))
