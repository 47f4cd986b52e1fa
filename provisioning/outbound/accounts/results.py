"""What was carried out on one account becomes its outcome: new values and report lines. Nothing is written here."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from django.utils import timezone

from directories.attributes import Value
from directories.config import DirectoryConfig
from directories.connectors.base import ConnectorError, Entry, RemoteAccount, Unavailable
from directories.mapping import Catalogue
from provisioning.models import Account
from provisioning.models.accounts import AccountState, LastResult
from provisioning.outbound.accounts import grace, messages
from provisioning.outbound.accounts.outcome import AccountOutcome, wait
from provisioning.outbound.accounts.plan import Plan, Situation, Step, UserStatus, waits
from provisioning.outbound.compare import differences, same
from provisioning.outbound.digests import place_digest
from provisioning.outbound.leases import Parked
from provisioning.outbound.passwords.pending import Pending
from provisioning.outbound.passwords.step import PasswordStep
from provisioning.receipts.book import Proof
from reports.journal import Line
from reports.models import Operation, Result


@dataclass(slots=True)
class Turn:
    """One account: what is to be done, and what became of it.

    ``pending`` is the password that it is to get. ``looked``: ``found`` is what the directory held at the time ``at``;
    ``held`` is what it holds after the steps of ``plan``. ``written`` is what became of the one step of an account that
    was written together with others. ``lost`` is the step that the directory was asked for before and did not answer,
    "" for none, None while the directory was not looked at. ``given``: the password was set, or was not because of
    ``refusal``. ``sent_at`` is when the directory was told the last step, and ``proof`` what was seen of a leaver.
    """

    account: Account
    now: Situation
    entry: Entry
    pending: Pending | None = None
    at: float = 0.0
    looked: bool = False
    found: RemoteAccount | None = None
    plan: Plan = field(default_factory=Plan)
    written: RemoteAccount | ConnectorError | None = None
    held: RemoteAccount | None = None
    lost: str | None = None
    given: bool = False
    refusal: ConnectorError | None = None
    sent_at: dt.datetime | None = None
    proof: Proof | None = None


class Results:
    """The results of the accounts of one directory."""

    def __init__(
        self, config: DirectoryConfig, catalogue: Catalogue, passwords: PasswordStep, look_up_hint: str
    ) -> None:
        self.name, self.directory_id, self.passwords = config.name, config.id or 0, passwords
        self.labels = messages.labels(config.rules, catalogue)
        self.look_up_hint = look_up_hint
        self.delete_after_days = config.features.delete_after_days
        # A Check query may select every column; only what is mapped is kept, never a password.
        self.remembers = config.features.import_users
        self.mapped = {name.casefold() for name in config.connector.attributes}

    def of(self, turn: Turn, actor: str) -> AccountOutcome:
        """Return the outcome of what was carried out, with the account's new values."""
        account, now, plan, name = turn.account, turn.now, turn.plan, self.name
        waits = turn.held.waits if turn.held else ""
        ignored = _ignored(plan, turn.held)
        if waits:
            plan = _so_far(plan, turn.held)
        elif ignored:
            plan = replace(plan, changes={key: pair for key, pair in plan.changes.items() if key not in ignored})
        lines = self._lines(turn, plan, ignored, actor)
        if (plan.blocked or plan.left_open) and account.last_message != plan.reason:
            words = messages.left_open(account.key, name, plan.reason) if plan.left_open else plan.reason
            lines.append(messages.line(account, name, messages.meant(now), Result.SKIPPED, words, actor=actor))
        if turn.given and not turn.refusal:
            lines.append(self.passwords.succeeded(account, actor))
        before, before_waiting = (account.state, account.place), (account.last_result, account.attempts)
        self._store(account, now, plan, turn.held)
        if turn.lost is not None:
            account.unanswered = ""
        account.last_message = lines[-1].message if lines and not plan.reason else plan.reason
        outcome = AccountOutcome(account, lines, moved=before[0] != account.state, proof=turn.proof)
        self._schedule(outcome, turn, actor)
        if account.unseen:
            account.pushed_digest = ""  # the next try looks again
            cause = Parked("unseen", messages.unseen(account.key, name, self.look_up_hint))
            words = f"{account.key}: {cause.message}"
            outcome.park(cause, messages.line(account, name, Operation.CREATE, Result.FAILED, words, actor=actor))
        outcome.renamed = bool(before[1] and account.place and before[1] != account.place)
        if waits:
            account.last_result, account.attempts = before_waiting
            wait(outcome, name, waits, actor).busy = Unavailable(waits)
        if turn.given and turn.pending and turn.refusal:
            self.passwords.refuse(outcome, turn.pending, turn.refusal, actor)
        elif turn.given and turn.pending:
            outcome.password, account.password_set_at = turn.pending.version, timezone.now()
        return outcome

    def _lines(self, turn: Turn, plan: Plan, ignored: Sequence[str], actor: str) -> list[Line]:
        """Return the lines of the steps of a plan, and of what the directory took and did not apply."""
        account, name = turn.account, self.name
        lines: list[Line] = []
        late = _late(turn, plan)
        if late:
            lines.append(self._late_line(late, turn, actor))
        for step in plan.steps:
            if step is late or (step, late) == (Step.LINK, Step.CREATE) or _is_made_disabled(step, plan):
                continue
            if step is Step.UPDATE and ignored and not plan.changes:
                continue
            gone = turn.found is None and step is not Step.CREATE
            words = messages.done(step, account.key, name, plan, self.labels, gone=gone)
            if step is Step.LINK and turn.lost:
                words = messages.linked_after_all(account.key, name)
            operation, changes = messages.OPERATIONS[step], {} if step is Step.LINK else plan.changes
            lines.append(messages.line(account, name, operation, Result.SUCCESS, words, changes=changes, actor=actor))
        if ignored:
            words = messages.ignored(account.key, name, ignored, self.labels)
            operation = messages.meant(turn.now)
            lines.append(messages.line(account, name, operation, Result.PARTLY, words, actor=actor))
        return lines

    @cached_property
    def _behind(self) -> dt.timedelta:
        """By how much the clock of this worker is behind the database's, which says when accounts are deleted."""
        return grace.clock(self.directory_id) - timezone.now()

    def _schedule(self, outcome: AccountOutcome, turn: Turn, actor: str) -> None:
        """Say when the account is to be deleted, or that it is not any more."""
        account, now = turn.account, turn.now
        outcome.left = now.leaving
        outcome.returned = not outcome.left or account.state == AccountState.ABSENT
        if outcome.returned or account.state != AccountState.DISABLED or not waits(now):
            return
        if account.delete_at is None and not account.kept_by and self.delete_after_days:
            outcome.delete_at = timezone.now() + self._behind + dt.timedelta(days=self.delete_after_days)
            words = messages.scheduled(account.key, self.name, outcome.delete_at)
            outcome.lines.append(
                messages.line(account, self.name, Operation.DELETE, Result.WAITING, words, actor=actor)
            )

    def _late_line(self, step: Step, turn: Turn, actor: str) -> Line:
        """Return the line about a step that was done before, and of which the portal learns now."""
        account, now, changes = turn.account, turn.now, {}
        if step not in (Step.DISABLE, Step.DELETE):
            made, _ = differences(now.desired, now.known, {})
            changes = {name: pair for name, pair in made.items() if name not in turn.plan.changes}
        words = messages.done(
            step, account.key, self.name, replace(turn.plan, changes=changes), self.labels, gone=False
        )
        operation, words = messages.OPERATIONS[step], messages.late(words)
        return messages.line(account, self.name, operation, Result.SUCCESS, words, changes=changes, actor=actor)

    def _store(self, account: Account, now: Situation, plan: Plan, held: RemoteAccount | None) -> None:
        account.state = plan.state
        if plan.state == AccountState.ABSENT:
            # Who was deleted is known again when the directory still shows the row to an import.
            account.remote_id = account.remote_id if now.status is UserStatus.DELETED and self.remembers else ""
            account.place, account.attributes, account.pushed_digest = "", {}, ""
        elif held is not None:
            account.remote_id = held.ref
            account.place = place_digest(held.place) if held.place else account.place
            shown = {name: value for name, value in held.attributes.items() if name.casefold() in self.mapped}
            account.attributes = _merged(account.attributes, shown, now.desired if plan.settled else {})
        if plan.settled and plan.state != AccountState.ABSENT:
            account.pushed_digest = now.digest
        account.attempts = 0
        unsettled = LastResult.OPEN if plan.left_open else LastResult.NONE
        account.last_result = LastResult.OK if plan.settled else unsettled
        account.last_synced_at = timezone.now()


def _late(turn: Turn, plan: Plan) -> Step | None:
    """Return the step that the directory did not answer before, and that it shows as done now."""
    found = turn.found
    match turn.lost:
        case Step.CREATE if found is not None:
            return Step.CREATE
        case Step.DELETE if found is None and plan.state == AccountState.ABSENT:
            return Step.DELETE
        case Step.UPDATE if found is not None and not plan.steps and plan.settled:
            return Step.UPDATE
        case Step.ENABLE if found is not None and found.enabled and Step.ENABLE not in plan.steps:
            return Step.ENABLE
        case Step.DISABLE if found is not None and found.enabled is False and Step.DISABLE not in plan.steps:
            return Step.DISABLE
    return None


def _ignored(plan: Plan, held: RemoteAccount | None) -> Sequence[str]:
    """Return the attributes that were just written and that the directory took without holding them after all."""
    written = {Step.CREATE, Step.UPDATE} & {*plan.steps}
    return held.ignored if held is not None and written else ()


def _is_made_disabled(step: Step, plan: Plan) -> bool:
    """Return whether a step only sees to it that a new account is disabled, which the line of its making says."""
    return step is Step.DISABLE and Step.CREATE in plan.steps


def _so_far(plan: Plan, held: RemoteAccount | None) -> Plan:
    """Return the plan of which a part has to wait: what the directory holds is done, and the rest is not settled."""
    shown = held.attributes if held else {}
    done = {name: pair for name, pair in plan.changes.items() if name not in shown or same(shown[name], pair[1])}
    return replace(plan, changes=done, settled=False)


def _merged(*layers: Mapping[str, Value]) -> dict[str, Value]:
    """Merge attributes by name without case, keeping the first spelling, as JSON holds them."""
    spelt: dict[str, str] = {}
    merged: dict[str, Value] = {}
    for layer in layers:
        for name, value in layer.items():
            merged[spelt.setdefault(name.casefold(), name)] = messages.plain(value)
    return merged
