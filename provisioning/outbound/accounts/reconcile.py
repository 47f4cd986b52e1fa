"""One account against its directory: look, plan, act.

No transaction is open here and nothing is written to the portal. What comes out is an ``AccountOutcome``: the account's
new values and the report lines, for the batch to write.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from django.utils import timezone

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
from directories.mapping import IN, Catalogue, Mapper, writes_state
from directories.query_templates import NamedValues
from directories.query_templates import fold as fold_name
from provisioning.guard.losses import LossKind
from provisioning.models import Account
from provisioning.models.accounts import AccountState
from provisioning.models.people import fold
from provisioning.outbound.accounts import grace, messages
from provisioning.outbound.accounts.messages import meant
from provisioning.outbound.accounts.outcome import AccountOutcome, park
from provisioning.outbound.accounts.plan import Situation, Step, UserStatus, after_looking, without_looking
from provisioning.outbound.accounts.remote_ids import ManagerIds, Owners
from provisioning.outbound.accounts.results import Results, Turn
from provisioning.outbound.accounts.run_size import RunSize
from provisioning.outbound.allowance import Allowance
from provisioning.outbound.compare import loses_a_value
from provisioning.outbound.digests import state_digest
from provisioning.outbound.groups.leaving import leave_groups
from provisioning.outbound.leases import Parked
from provisioning.outbound.passwords.pending import REFUSED, Pending
from provisioning.outbound.passwords.step import PasswordStep, advice
from provisioning.profile.person import person_behind, wanted
from provisioning.receipts.book import Proof
from provisioning.receipts.models import Seen
from reports.models import Operation

NEVER_COMPARED = {fold_name(name) for name in ("username", "password", "active")}  # they have ways of their own


FRESH = 1.0  # seconds for which a look ahead of an account's turn counts
_sizes: dict[int, RunSize] = {}  # by directory: how many accounts this process writes together


class AccountReconciler:
    """Brings accounts of one directory in sync, one after the other.

    Where the directory can be asked and told about many at once, ``begin`` does that for the accounts whose turn comes
    next; ``reconcile`` is the same with and without it. ``asked`` is whether the directory has answered yet,
    ``to_prove`` are accounts of leavers that are looked at in any case, ``operation`` what a failed line calls the work
    on the account that is looked at, and ``replaced`` the account of a deleted user in whose place it was made.
    """

    def __init__(
        self,
        config: DirectoryConfig,
        catalogue: Catalogue,
        connector: Connector,
        owners: Owners,
        passwords: Mapping[int, Pending] = MappingProxyType({}),
        *,
        to_prove: Collection[int] = (),
    ) -> None:
        self.config, self.connector, self.owners = config, connector, owners
        self.passwords = PasswordStep(config, connector, passwords)
        self.allowance: Allowance | None = None  # what previews need not ask about
        self.to_prove = to_prove
        self.asked = self.finds = False
        self.replaced: int | None = None
        self.operation = Operation.UPDATE
        self.mapper = Mapper(config.rules, catalogue)
        self.results = Results(config, catalogue, self.passwords, self.connector.look_up_hint)
        self.capabilities = connector.capabilities
        self.managers = ManagerIds(config.id or 0)
        self.names_manager = _naming_managers(config, connector)
        self.carries_state = writes_state(config.rules, connector.update_names)
        self.ahead: dict[int, Turn] = {}
        self.size = _sizes.setdefault(config.id or 0, RunSize())

    def situation(self, account: Account) -> tuple[Situation, Entry]:
        """Return where the account stands, and what connectors need to know of it."""
        person, status = person_behind(account), status_of(account)
        desired, manager_ref = self._refer(account, self._desired(person))
        entry = Entry(
            key=account.key,
            ref=account.remote_id,
            attributes=desired,
            person=person.flat(),
            portal_id=str(account.user.scim_id) if account.user else "",
            usable=status is not UserStatus.EARLY,
            manager_ref=manager_ref,
        )
        container = self._container(entry, status)
        now = replace(
            self.situation_of_any(status, _state_of(account, status)),
            desired=desired,
            known=account.attributes,
            digest=state_digest(desired, status is UserStatus.WANTED, container),
            pushed_digest="" if account.unanswered else account.pushed_digest,
            container=container,
            placeless=state_digest(desired, status is UserStatus.WANTED) if container else "",
            delete_due=grace.is_due(account, self.config.features.delete_after_days, timezone.now()),
        )
        return now, entry

    def situation_of_any(self, status: UserStatus, state: str) -> Situation:
        """Return what is the same for every account of this status and state."""
        return Situation(
            directory=self.config.name,
            status=status,
            state=state,
            switches=self.config.features,
            capabilities=self.capabilities,
            carries_state=self.carries_state,
            delete_due=self.config.features.delete_after_days is None,
            lacking=self.connector.lacks,
            container_of=self.connector.container_of,
        )

    def _desired(self, person: Person) -> Mapping[str, Value]:
        """Return what the mapping gives, and what else an update writes of the person: its statements name that."""
        desired = self.mapper.outbound(person)
        if not self.connector.update_names:
            return desired
        mapped, theirs = {fold_name(name) for name in desired} | NEVER_COMPARED, NamedValues(person.flat())
        further = {name: theirs[name] for name in self.connector.update_names if name in theirs}
        return desired | {name: value for name, value in further.items() if fold_name(name) not in mapped}

    def _refer(self, account: Account, desired: Mapping[str, Value]) -> tuple[Mapping[str, Value], str]:
        """Return what is wanted as far as the manager's account is there, and that account's lasting id.

        A manager whose account is still to come is left out: once it is there, those who name it are looked at again.
        """
        manager = account.user.manager_id if account.user and self.names_manager else None
        if manager is None:
            return desired, ""
        ref = self.managers.ref_of(manager)
        if ref is None:
            return {**desired, **dict.fromkeys(self.names_manager)}, ""
        return {name: value for name, value in desired.items() if ref or name not in self.names_manager}, ref

    def read_managers(self, accounts: Iterable[Account]) -> None:
        """Read in one query which accounts the managers of these have, where the directory names them by that."""
        if self.names_manager:
            found = {account.user.manager_id for account in accounts if account.user}
            self.managers.read({pk for pk in found if pk is not None})

    def _container(self, entry: Entry, status: UserStatus) -> str:
        if status is UserStatus.WANTED:
            return self.connector.wanted_container(entry)
        if status is UserStatus.EARLY:
            return ""  # a new one is made where it belongs, and another moves on the first day
        try:
            return self.connector.wanted_container(entry, leaving=True)
        except ConnectorError:
            return ""  # a leaver is disabled first; then the connector says what is wrong with the place

    def reconcile(self, account: Account, actor: str) -> AccountOutcome:
        """Bring the account in sync; raise ConnectorError."""
        self.operation, self.replaced = Operation.UPDATE, None
        if self.allowance is not None:
            self.allowance.begin()
        turn = self.ahead.pop(account.pk, None) or self.turn_of(account)
        self.operation = meant(turn.now)
        self.connector.urgent = turn.now.status is not UserStatus.WANTED
        self._bring(turn)
        return self.results.of(turn, actor)

    def turn_of(self, account: Account) -> Turn:
        """Return the account's turn, before anything is looked at."""
        self.connector.urgent = status_of(account) is not UserStatus.WANTED
        now, entry = self.situation(account)
        return Turn(account, now, entry, self.passwords.of(account), time.monotonic())

    # --- Many at once ------------------------------------------------------------------------------------------------

    def begin(self, accounts: Sequence[Account]) -> set[int]:
        """Write the first of the accounts together, as far as each needs one step or none; return those accounts.

        Their order is kept: whoever needs more than that ends the run. Raise ConnectorError.
        """
        if self.connector.at_once == 1 or not accounts:
            return set()
        begun = time.monotonic()
        fewest = max(2, self.connector.at_a_time)  # they take as long as one
        together = self.size.next(fewest, self.connector.at_once)
        if not self._is_fresh(accounts[0]):
            self._look_ahead(accounts[:together])
        run: list[tuple[Turn, Write]] = []
        done: set[int] = set()
        for account in accounts[:together]:
            turn = self.ahead.get(account.pk)
            if turn is None or not self._is_fresh(account) or not self._plan_ahead(turn):
                break
            done.add(account.pk)
            if turn.plan.steps:
                (step,) = turn.plan.steps
                password = self.passwords.first(None) if step is Step.CREATE else None
                run.append((turn, Write(Capability(step.value), turn.entry, password)))
        if len(run) < 2:
            return set()
        for turn, write in run:
            turn.looked = False  # what was found counts no more, also when no answer comes
            turn.account.unanswered = write.capability.value
        self.connector.urgent = False
        answers = self.connector.write_many([write for _, write in run])
        self.size.took(len(run), time.monotonic() - begun)
        for (turn, _), answer in zip(run, answers, strict=True):
            if not isinstance(answer, Unavailable):  # else it is looked up and tried when it is its turn
                turn.written, turn.account.unanswered = answer, ""
        return done

    def is_written(self, account: Account) -> bool:
        """Return whether the account was written together with others and needs no more of the directory."""
        turn = self.ahead.get(account.pk)
        return turn is not None and turn.written is not None and not isinstance(turn.written, NotFound | Conflict)

    def _is_fresh(self, account: Account) -> bool:
        turn = self.ahead.get(account.pk)
        return turn is not None and time.monotonic() - turn.at < FRESH

    def _look_ahead(self, accounts: Sequence[Account]) -> None:
        """Look the accounts up, as far as the directory says something of many at once."""
        self.ahead = {}
        for account in accounts:
            try:
                self.ahead[account.pk] = self.turn_of(account)
            except ConnectorError:
                break  # it says so when it is its turn
        waiting = [turn for turn in self.ahead.values() if turn.now.status is UserStatus.WANTED]
        waiting = [turn for turn in waiting if without_looking(turn.now) is None]
        self.connector.urgent = False
        for number, found in (self.connector.find_many([turn.entry for turn in waiting]) if waiting else {}).items():
            self.asked = True
            waiting[number].looked, waiting[number].found = True, found
        for turn in waiting:
            turn.at = time.monotonic()  # an answer counts from when it comes

    def _plan_ahead(self, turn: Turn) -> bool:
        """Plan for an account that nothing or one write will bring in sync; return False for any other."""
        account, new = turn.account, not turn.entry.ref
        if turn.pending or account.unseen or account.unanswered or (new and self.owners.leaving(account.key)):
            return False
        plan = without_looking(turn.now)
        if plan is not None:
            turn.plan = plan
            return not plan.steps
        if not turn.looked or (turn.found is not None and new):
            return False
        turn.plan = after_looking(turn.now, turn.found)
        match turn.plan.steps:
            case ():
                return True
            case (Step.UPDATE,):
                return not loses_a_value(turn.plan.changes) and self.connector.writes_together(Capability.UPDATE)
            case (Step.CREATE,):
                return self._will_be_found(account) and self.connector.writes_together(Capability.CREATE)
        return False

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

    def _bring(self, turn: Turn) -> None:
        """Do what is to be done, and write down on the turn what became of it."""
        plan = without_looking(turn.now)
        proves = turn.account.pk in self.to_prove and turn.now.leaving
        if proves and plan is not None and plan.settled and plan.state == AccountState.DISABLED:
            plan = None  # somebody may have enabled it over there
        try:
            # With a password for it, an account that is not known yet is worth a look whatever is switched off.
            if plan is not None and not (turn.pending and turn.now.status is UserStatus.WANTED and not turn.entry.ref):
                turn.plan = plan
                if proves:
                    self._look_for_proof(turn)
            elif isinstance(turn.written, ConnectorError):
                raise turn.written
            elif turn.written is not None:
                turn.held, turn.account.unseen = turn.written, False
                if Step.CREATE in turn.plan.steps:
                    self.replaced = self.owners.before(turn.held.ref, turn.account.pk)
            else:
                self._look_and_act(turn)
            self._give_password(turn)
        except (NotFound, Conflict):
            # Somebody else was quicker between the look and the act: look once more.
            turn.looked = False
            self._look_and_act(turn)
            self._give_password(turn)

    def _give_password(self, turn: Turn) -> None:
        """Set the password that waits for an account, now that the account is there."""
        there = turn.plan.state in (AccountState.ACTIVE, AccountState.DISABLED)
        if turn.pending is None or turn.given or not there or not turn.entry.ref:
            return
        turn.given = True
        if Step.CREATE in turn.plan.steps and self.connector.creates_with_password:
            return
        self.asked = True
        try:
            self.passwords.set(turn.entry, turn.pending)
        except (Unavailable, NotFound):
            raise
        except ConnectorError as error:
            turn.refusal = error

    def look(self, turn: Turn) -> None:
        """Look the account up and plan for it, and write both down on the turn; nothing is done.

        Raise ConnectorError, also when what the directory has is somebody else's.
        """
        account, now = turn.account, turn.now
        turn.lost = account.unanswered
        turn.entry, turn.given = replace(turn.entry, ref=account.remote_id), False
        if not turn.entry.ref and not now.leaving and self.owners.leaving(account.key):
            raise Unavailable(messages.namesake_first(account.key, self.config.name), whole_directory=False)
        if not turn.looked or time.monotonic() - turn.at >= FRESH:
            turn.found = self.connector.find(turn.entry)
        self.asked = True
        if turn.found is not None and not turn.entry.ref and (refusal := self._not_theirs(account, turn.found)):
            if not now.leaving:
                raise refusal
            turn.found = None
        if turn.found is not None:
            account.unseen = False
            turn.entry = replace(turn.entry, ref=turn.found.ref)
        elif account.unseen:
            hint = self.connector.look_up_hint
            raise ConnectorError(messages.unseen(account.key, self.config.name, hint), code="unseen")
        turn.plan, turn.held = after_looking(now, turn.found), turn.found

    def _look_and_act(self, turn: Turn) -> None:
        self.look(turn)
        self._must_be_allowed(turn)
        account, steps = turn.account, turn.plan.steps
        if Step.DELETE in steps:
            if not grace.still_due(account):  # a batch may be long, and a deletion is for ever
                raise Unavailable(messages.decided_anew(account.key), whole_directory=False)
            leave_groups(self.connector, account, turn.entry)
        for step in steps:
            turn.held = self._take(step, turn)
            if turn.held is not None:
                turn.entry = replace(turn.entry, ref=turn.held.ref)
        if Step.DELETE in steps and turn.found is not None:
            self._must_be_gone(turn.entry)
        if turn.now.leaving:
            self._read_back(turn)
        elif turn.now.status is UserStatus.EARLY and steps:
            self._must_be_disabled(turn.entry)
        if Step.CREATE in steps:
            self.replaced = self.owners.before(turn.held.ref, account.pk) if turn.held else None
            account.unseen = not self._is_found(account, replace(turn.entry, ref=""))

    def _must_be_allowed(self, turn: Turn) -> None:
        """Raise ConnectorError when what the account loses needs a person's word first."""
        steps, found = turn.plan.steps, turn.found
        if self.allowance is None or found is None:
            return
        usable = turn.account.state == AccountState.ACTIVE if found.enabled is None else found.enabled
        if Step.DELETE in steps or (Step.DISABLE in steps and usable):
            self.allowance.must_allow(turn.account.pk, LossKind.CLOSED)
        if Step.UPDATE in steps and loses_a_value(turn.plan.changes):
            self.allowance.must_allow(turn.account.pk, LossKind.BLANKED)

    def _must_be_gone(self, entry: Entry) -> None:
        """Look whether a deleted account is gone; raise ConnectorError when the directory still has it."""
        if not self.connector.keeps_deleted and self.connector.find(entry) is not None:
            hint = self.connector.delete_hint
            raise ConnectorError(messages.still_there(self.config.name, hint), code="still_there")

    def _read_back(self, turn: Turn) -> None:
        """Look by the lasting id what the directory holds of a leaver after the steps; raise ConnectorError.

        Whoever had nothing to do was looked at just now, and so was what had to be gone after its deletion.
        """
        steps, seen = turn.plan.steps, turn.found
        if turn.found is not None and Step.DELETE in steps:
            seen = self.connector.find(turn.entry) if self.connector.keeps_deleted else None
        elif turn.found is not None and steps:
            seen = self._must_be_disabled(turn.entry)
        turn.proof = self._proof(turn, seen)

    def _must_be_disabled(self, entry: Entry) -> RemoteAccount | None:
        """Look at an account that was disabled; raise ConnectorError when the directory shows it as enabled."""
        seen = self.connector.find(entry)
        if seen is not None and self._gives_access(seen):
            raise ConnectorError(messages.still_enabled(self.config.name), code="still_enabled")
        return seen

    def _look_for_proof(self, turn: Turn) -> None:
        """Look at the account of a leaver of which the portal believes that there is nothing to do."""
        seen = self.connector.find(turn.entry)
        self.asked = True
        if seen is not None and not turn.entry.ref and self._not_theirs(turn.account, seen):
            seen = None
        turn.proof = self._proof(turn, seen)

    def _proof(self, turn: Turn, seen: RemoteAccount | None) -> Proof:
        states = {True: Seen.ACTIVE, False: Seen.DISABLED, None: Seen.UNCLEAR}
        return Proof(
            seen=Seen.ABSENT if seen is None else states[self._gives_access(seen)],
            read_at=timezone.now(),
            sent_at=turn.sent_at,
            answer=" and ".join(messages.OPERATIONS[step].label.lower() for step in turn.plan.steps if turn.sent_at),
            remote_id=turn.entry.ref,
        )

    def _gives_access(self, seen: RemoteAccount) -> bool | None:
        """Return whether an account is enabled, by what the directory says, or else by what Active is mapped to."""
        if seen.enabled is not None:
            return seen.enabled
        active = self.mapper.inbound(seen.attributes).values.get((Kind.PROFILE, "active"))
        return active if isinstance(active, bool) else None

    def _is_found(self, account: Account, entry: Entry) -> bool:
        """Return whether a new account is found by its name: asked for the first, and for names likely to be re-spelt.

        A look-up that never finds an account would later call it gone while it is there.
        """
        if not self._will_be_found(account):
            self.finds = not self.connector.finds_by_name or self.connector.find(entry) is not None
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
            if owner.leaving:
                return Unavailable(messages.namesake_first(found.ref, name), whole_directory=False)
            words = f"The account {found.ref} of {name} belongs to {owner.name} in the portal. Rename one of the two."
            if owner.deleted:
                words = messages.deleted_namesake(found.ref, name)
            return ConnectorError(words, code="other_account")
        return None

    def _take(self, step: Step, turn: Turn) -> RemoteAccount | None:
        """Take one step, and remember until the turn has ended that the directory was asked for it."""
        account, before = turn.account, turn.account.unanswered
        if step is not Step.LINK:
            account.unanswered = before or step.value
            turn.sent_at = timezone.now() if turn.found is not None else None
        try:
            return self._take_with_password(step, turn)
        except Unavailable:
            raise
        except ConnectorError:
            account.unanswered = before  # an answer
            raise

    def _take_with_password(self, step: Step, turn: Turn) -> RemoteAccount | None:
        """Take one step. None is enabled without a password: a worker may have died between adding it and its first."""
        try:
            return self._act(step, turn)
        except ConnectorError as error:
            new = Step.LINK in turn.plan.steps or turn.pending
            if step is not Step.ENABLE or not new or error.code != REFUSED:
                raise
        self.connector.set_password(turn.entry, self.passwords.first(turn.pending))
        turn.given = turn.pending is not None
        turn.held = self.connector.find(turn.entry)
        return self._act(step, turn)

    def _act(self, step: Step, turn: Turn) -> RemoteAccount | None:
        """Call the directory; return the account as it is there now, None when it is not there any more."""
        connector, entry, held = self.connector, turn.entry, turn.held
        match step:
            case Step.LINK if held and turn.now.writes:
                return connector.adopt(entry, held)
            case Step.CREATE:
                return connector.create(entry, self.passwords.first(turn.pending))
            case Step.UPDATE:
                return connector.update(entry, held)
            case Step.ENABLE if Capability.ENABLE in self.capabilities:
                return connector.enable(entry, held) or held
            case Step.DISABLE if not turn.found and held and held.enabled is False:
                return held  # it was made so
            case Step.DISABLE if held and Capability.DISABLE in self.capabilities:
                return connector.disable(entry, held) or held
            case Step.ENABLE | Step.DISABLE if turn.found:
                return connector.update(entry, held)
            case Step.DELETE if turn.found:
                connector.delete(entry, held)
                return None
        return held


def _naming_managers(config: DirectoryConfig, connector: Connector) -> frozenset[str]:
    """Return the directory attributes that name somebody's manager by an account: what the mapping fills from there."""
    ours = (Kind.PROFILE, "manager", "")
    return frozenset(
        rule.directory_attribute
        for rule in config.rules
        if rule.directory_attribute.casefold().rpartition(":")[2] in connector.manager_names
        and rule.direction != IN
        and (rule.kind, rule.portal_attribute, rule.expression) == ours
    )


def status_of(account: Account) -> UserStatus:
    """Return how the user of an account stands."""
    if account.user is None:
        return UserStatus.DELETED
    if account.in_scope and wanted(account.user):
        return UserStatus.WANTED
    waits = account.early and account.in_scope and account.user.provisioned
    return UserStatus.EARLY if waits else UserStatus.DEACTIVATED


def _state_of(account: Account, status: UserStatus) -> str:
    """Return what the portal believes of the account's state, given what the directory was asked for last."""
    match account.unanswered:
        case Step.DISABLE if status is UserStatus.WANTED and account.state == AccountState.ACTIVE:
            return AccountState.DISABLED
        case Step.CREATE if status is not UserStatus.WANTED and account.state in (
            AccountState.PENDING,
            AccountState.ABSENT,
        ):
            return AccountState.ACTIVE
    return account.state
