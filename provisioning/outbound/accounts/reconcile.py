"""One account against its directory: look, plan, act.

No transaction is open here and nothing is written to the portal. What comes out is an ``AccountOutcome``: the account's
new values and the report lines, for the batch to write.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from directories.attributes import Kind, Person, Value
from directories.config import DirectoryConfig
from directories.connectors.base import (
    Capability,
    Conflict,
    Connector,
    ConnectorError,
    Entry,
    NotFound,
    RemoteAccount,
    Unavailable,
    Write,
)
from directories.mapping import AttributeRule, Catalogue, Mapper
from directories.query_templates import Values
from directories.query_templates import fold as fold_name
from provisioning.models import Account
from provisioning.models.accounts import AccountState
from provisioning.models.people import fold
from provisioning.outbound.accounts import messages
from provisioning.outbound.accounts.messages import meant
from provisioning.outbound.accounts.outcome import AccountOutcome, park
from provisioning.outbound.accounts.plan import Plan, Situation, Status, Step, after_looking, without_looking
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.outbound.accounts.results import Done, Results
from provisioning.outbound.digests import state_digest
from provisioning.outbound.groups.leaving import leave_groups
from provisioning.outbound.leases import Parked
from provisioning.outbound.passwords.pending import REFUSED, Pending
from provisioning.outbound.passwords.step import PasswordStep, advice
from provisioning.profile.person import person_behind, wanted
from reports.models import Operation

NEVER_COMPARED = {fold_name(name) for name in ("username", "password", "active")}  # they have ways of their own


FRESH = 1.0  # seconds for which a look ahead of an account's turn counts
RUN_SECONDS = 0.5  # accounts are written together as far as that probably takes no longer: leavers may be waiting
FIRST_RUN = 10  # accounts, as long as nothing is known of how quick the directory is


@dataclass(slots=True)
class Ahead:
    """What is known of an account before its turn.

    ``looked``: ``found`` is what the directory held at the time ``at``. ``written`` is what became of the one step that
    it needed, None while nothing was sent.
    """

    now: Situation
    entry: Entry
    at: float = 0.0
    looked: bool = False
    found: RemoteAccount | None = None
    plan: Plan | None = None
    written: RemoteAccount | ConnectorError | None = None


class AccountReconciler:
    """Brings accounts of one directory in sync, one after the other.

    Where the directory can be asked and told about many at once, ``begin`` does that for the accounts whose turn comes
    next; ``reconcile`` is the same with and without it. ``asked`` is whether the directory has answered yet,
    ``operation`` what a failed line calls the work on the account that is looked at, and ``replaced`` the account of a
    deleted user in whose place it was made.
    """

    def __init__(
        self,
        config: DirectoryConfig,
        catalogue: Catalogue,
        connector: Connector,
        owners: Owners,
        passwords: Mapping[int, Pending] = MappingProxyType({}),
    ) -> None:
        self.config, self.connector, self.owners = config, connector, owners
        self.passwords = PasswordStep(config, connector, passwords)
        self.asked = self.finds = False
        self.replaced: int | None = None
        self.operation = Operation.UPDATE
        self.mapper = Mapper(config.rules, catalogue)
        self.results = Results(config, catalogue, self.passwords, self.connector.look_up_hint)
        self.capabilities = connector.capabilities
        self.carries_state = carries_state(config.rules)
        self.ahead: dict[int, Ahead] = {}
        self.run = FIRST_RUN

    def situation(self, account: Account) -> tuple[Situation, Entry]:
        """Return where the account stands, and what connectors need to know of it."""
        person, status = person_behind(account), status_of(account)
        desired = self._desired(person)
        entry = Entry(account.key, account.remote_id, desired, person.flat())
        container = self._container(entry, status)
        now = replace(
            self.situation_of_any(status, account.state),
            desired=desired,
            known=account.attributes,
            digest=state_digest(desired, status is Status.WANTED, container),
            pushed_digest=account.pushed_digest,
            container=container,
            placeless=state_digest(desired, status is Status.WANTED) if container else "",
        )
        return now, entry

    def situation_of_any(self, status: Status, state: str) -> Situation:
        """Return what is the same for every account of this status and state."""
        return Situation(
            directory=self.config.name,
            status=status,
            state=state,
            switches=self.config.features,
            capabilities=self.capabilities,
            carries_state=self.carries_state,
            lacking=self.connector.lacks,
            container_of=self.connector.container_of,
        )

    def _desired(self, person: Person) -> Mapping[str, Value]:
        """Return what the mapping gives, and what else an update writes of the person: its statements name that."""
        desired = self.mapper.outbound(person)
        if not self.connector.update_names:
            return desired
        mapped, theirs = {fold_name(name) for name in desired} | NEVER_COMPARED, Values(person.flat())
        further = {name: theirs[name] for name in self.connector.update_names if name in theirs}
        return desired | {name: value for name, value in further.items() if fold_name(name) not in mapped}

    def _container(self, entry: Entry, status: Status) -> str:
        if status is Status.WANTED:
            return self.connector.wanted_container(entry)
        try:
            return self.connector.wanted_container(entry, leaving=True)
        except ConnectorError:
            return ""  # a leaver is disabled first; then the connector says what is wrong with the place

    def reconcile(self, account: Account, actor: str) -> AccountOutcome:
        """Bring the account in sync; raise ConnectorError."""
        self.operation, self.replaced = Operation.UPDATE, None
        ahead = self.ahead.pop(account.pk, None) or Ahead(*self.situation(account))
        self.operation = meant(ahead.now)
        return self.results.of(account, ahead.now, self._bring(account, ahead), actor)

    # --- Many at once ------------------------------------------------------------------------------------------------

    def begin(self, accounts: Sequence[Account]) -> set[int]:
        """Write the first of the accounts together, as far as each needs one step; return those that were written.

        Their order is kept: whoever needs more than that ends the run. Raise Unavailable.
        """
        if self.connector.at_once == 1 or not accounts:
            return set()
        begun = time.monotonic()
        if not self._is_fresh(accounts[0]):
            self._look_ahead(accounts[: self.run])
        run: list[tuple[Ahead, Write]] = []
        written: set[int] = set()
        for account in accounts[: self.run]:
            ahead = self.ahead.get(account.pk)
            plan = self._plan_ahead(account, ahead) if ahead else None
            if ahead is None or plan is None or not self._is_fresh(account):
                break
            if plan.steps:
                password = self.passwords.first(None) if plan.steps[0] is Step.CREATE else None
                run.append((ahead, Write(Capability(plan.steps[0].value), ahead.entry, password)))
                written.add(account.pk)
        if len(run) < 2:
            return set()
        answers = self.connector.write_many([write for _, write in run])
        seconds = max(0.001, time.monotonic() - begun)
        self.run = max(2, min(self.connector.at_once, int(len(run) * RUN_SECONDS / seconds)))
        for (ahead, _), answer in zip(run, answers, strict=True):
            if isinstance(answer, Unavailable):
                ahead.looked = False  # it gets a turn of its own
            else:
                ahead.written = answer
        return written

    def _is_fresh(self, account: Account) -> bool:
        ahead = self.ahead.get(account.pk)
        return ahead is not None and time.monotonic() - ahead.at < FRESH

    def _look_ahead(self, accounts: Sequence[Account]) -> None:
        """Look the accounts up, as far as the directory says something of many at once."""
        self.ahead = {}
        now = time.monotonic()
        for account in accounts:
            try:
                self.ahead[account.pk] = Ahead(*self.situation(account), now)
            except ConnectorError:
                break  # it says so when it is its turn
        waiting = [each for each in self.ahead.values() if without_looking(each.now) is None]
        waiting = [each for each in waiting if each.now.status is Status.WANTED]
        for number, found in (self.connector.find_many([each.entry for each in waiting]) if waiting else {}).items():
            self.asked = True
            waiting[number].looked, waiting[number].found = True, found

    def _plan_ahead(self, account: Account, ahead: Ahead) -> Plan | None:
        """Return the plan of an account that nothing or one write will bring in sync, None for any other."""
        new = not ahead.entry.ref
        if self.passwords.of(account) or account.unseen or (new and self.owners.leaving(account.key)):
            return None
        plan = without_looking(ahead.now)
        if plan is not None:
            return None if plan.steps else plan
        if not ahead.looked or (ahead.found is not None and new):
            return None
        ahead.plan = after_looking(ahead.now, ahead.found)
        match ahead.plan.steps:
            case ():
                return ahead.plan
            case (Step.UPDATE,) if self.connector.writes_together(Capability.UPDATE):
                return ahead.plan
            case (Step.CREATE,) if self._will_be_found(account) and self.connector.writes_together(Capability.CREATE):
                return ahead.plan
        return None

    # --- One ---------------------------------------------------------------------------------------------------------

    def refuse(self, account: Account, error: ConnectorError, actor: str) -> AccountOutcome:
        """Return the outcome of an account that the directory refused, perhaps because of the password that waits."""
        pending = self.passwords.of(account)
        cause = Parked(error.code, advice(account.key, error))
        outcome = park(account, self.config.name, self.operation, cause, actor)
        if pending and error.code == REFUSED:
            outcome.lines = [] if pending.refused else outcome.lines
            outcome.refused = (pending.version, cause.message)
        return outcome

    def _bring(self, account: Account, ahead: Ahead) -> Done:
        now, entry = ahead.now, ahead.entry
        pending = self.passwords.of(account)
        plan = without_looking(now)
        try:
            # With a password for it, an account that is not known yet is worth a look whatever is switched off.
            if plan is not None and not (pending and now.status is Status.WANTED and not entry.ref):
                return self._with_password(Done(plan), entry, pending)
            if isinstance(ahead.written, ConnectorError):
                raise ahead.written
            if ahead.written is not None and ahead.plan is not None:
                account.unseen = False
                if Step.CREATE in ahead.plan.steps:
                    self.replaced = self.owners.before(ahead.written.ref, account.pk)
                return Done(ahead.plan, ahead.found, ahead.written)
            known = ahead if ahead.looked and time.monotonic() - ahead.at < FRESH else None
            return self._look_and_act(account, now, entry, pending, known)
        except (NotFound, Conflict):
            # Somebody else was quicker between the look and the act: look once more.
            return self._look_and_act(account, now, entry, pending)

    def _with_password(self, done: Done, entry: Entry, pending: Pending | None) -> Done:
        """Set the password that waits for an account, now that the account is there."""
        there = done.plan.state in (AccountState.ACTIVE, AccountState.DISABLED)
        if pending is None or done.password or not there or not entry.ref:
            return done
        if Step.CREATE in done.plan.steps and self.connector.creates_with_password:
            return done._replace(password=pending)
        self.asked = True
        try:
            self.passwords.set(entry, pending)
        except (Unavailable, NotFound):
            raise
        except ConnectorError as error:
            return done._replace(password=pending, refusal=error)
        return done._replace(password=pending)

    def _look_and_act(
        self, account: Account, now: Situation, entry: Entry, pending: Pending | None, known: Ahead | None = None
    ) -> Done:
        if not entry.ref and now.status is Status.WANTED and self.owners.leaving(account.key):
            raise Unavailable(messages.namesake_first(account.key, self.config.name), whole_directory=False)
        found = known.found if known else self.connector.find(entry)
        self.asked = True
        if found is not None and not entry.ref:
            refusal = self._not_theirs(account, found)
            if refusal and now.status is Status.WANTED:
                raise refusal
            found = None if refusal else found
        if found is not None:
            account.unseen = False
            entry = replace(entry, ref=found.ref)
        elif account.unseen:
            hint = self.connector.look_up_hint
            raise ConnectorError(messages.unseen(account.key, self.config.name, hint), code="unseen")
        plan = after_looking(now, found)
        held, given = found, None
        if Step.DELETE in plan.steps:
            leave_groups(self.connector, account, entry)
        for step in plan.steps:
            try:
                held = self._act(step, entry, found, held, pending)
            except ConnectorError as error:
                new = Step.LINK in plan.steps or pending
                if step is not Step.ENABLE or not new or error.code != REFUSED:
                    raise
                # None is enabled without a password. A worker may have died between adding the account and its first.
                self.connector.set_password(entry, self.passwords.first(pending))
                given = pending
                held = self._act(step, entry, found, self.connector.find(entry), pending)
        if Step.DELETE in plan.steps and found is not None:
            self._must_be_gone(entry)
        if Step.CREATE in plan.steps:
            self.replaced = self.owners.before(held.ref, account.pk) if held else None
            account.unseen = not self._is_found(account, replace(entry, ref=""))
        entry = replace(entry, ref=held.ref) if held else entry
        return self._with_password(Done(plan, found, held, given), entry, pending)

    def _must_be_gone(self, entry: Entry) -> None:
        """Look whether a deleted account is gone; raise ConnectorError when the directory still has it."""
        if not self.connector.keeps_deleted and self.connector.find(entry) is not None:
            hint = self.connector.delete_hint
            raise ConnectorError(messages.still_there(self.config.name, hint), code="still_there")

    def _is_found(self, account: Account, entry: Entry) -> bool:
        """Return whether a new account is found by its name: asked for the first, and for names likely to be re-spelt.

        A look-up that never finds an account would later call it gone while it is there.
        """
        if not self._will_be_found(account):
            self.finds = self.connector.find(entry) is not None
        return self.finds

    def _will_be_found(self, account: Account) -> bool:
        return self.finds and account.key == account.key.casefold() and account.key.isascii()

    def _not_theirs(self, account: Account, found: RemoteAccount) -> ConnectorError | None:
        """Return why the account that was found by name is somebody else's, None when it is theirs."""
        name = self.config.name
        if fold(found.key) != fold(account.key):
            words = messages.another(found.key, name, self.connector.look_up_hint)
            return ConnectorError(words, code="other_account")
        if owner := self.owners.other(found.ref, account.pk):
            words = f"The account {found.ref} of {name} belongs to {owner.name} in the portal. Rename one of the two."
            if owner.deleted:
                words = messages.deleted_namesake(found.ref, name)
            return ConnectorError(words, code="other_account")
        return None

    def _act(
        self,
        step: Step,
        entry: Entry,
        remote: RemoteAccount | None,
        held: RemoteAccount | None,
        pending: Pending | None,
    ) -> RemoteAccount | None:
        connector = self.connector
        match step:
            case Step.CREATE:
                return connector.create(entry, self.passwords.first(pending))
            case Step.UPDATE:
                return connector.update(entry, held)
            case Step.ENABLE if Capability.ENABLE in self.capabilities:
                return connector.enable(entry, held) or held
            case Step.DISABLE if remote and Capability.DISABLE in self.capabilities:
                return connector.disable(entry, held) or held
            case Step.ENABLE | Step.DISABLE if remote:
                return connector.update(entry, held)
            case Step.DELETE if remote:
                connector.delete(entry, held)
                return None
        return held


def status_of(account: Account) -> Status:
    """Return how the user of an account stands."""
    if account.user is None:
        return Status.DELETED
    return Status.WANTED if wanted(account.user) else Status.DEACTIVATED


def carries_state(rules: Iterable[AttributeRule]) -> bool:
    """Return whether the mapping writes if the user is active, so that an update can disable and enable."""
    return any(
        rule.kind == Kind.PROFILE and rule.portal_attribute == "active" and rule.direction != "in" for rule in rules
    )
