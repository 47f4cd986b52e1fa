"""One account against its directory: look, plan, act.

No transaction is open here and nothing is written to the portal. What comes out is an ``Outcome``: the account's new
values and the report lines, for ``delivery`` to write.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

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
)
from directories.mapping import Catalogue, Mapper
from directories.passwords import initial_password
from provisioning import wording
from provisioning.digests import state_digest
from provisioning.models import Account
from provisioning.models.accounts import AccountState, LastResult
from provisioning.models.people import fold
from provisioning.outbox import Parked
from provisioning.outcome import UNEXPECTED, Outcome, busy, log_unexpected, park
from provisioning.owners import Owners
from provisioning.people import from_snapshot, person_of, wanted
from provisioning.plan import Plan, Situation, Status, Step, after_looking, without_looking
from reports.models import Operation, Result


class Done(NamedTuple):
    """What was carried out, the account as it was found, and as the directory holds it now."""

    plan: Plan
    found: RemoteAccount | None = None
    held: RemoteAccount | None = None


class Desk:
    """What a batch of accounts of one directory shares."""

    def __init__(self, config: DirectoryConfig, catalogue: Catalogue, connector: Connector, owners: Owners) -> None:
        self.config, self.connector, self.owners = config, connector, owners
        self.asked = False  # whether the directory has answered yet
        self.mapper = Mapper(config.rules, catalogue)
        self.labels = wording.labels(config.rules, catalogue)
        self.capabilities = connector.capabilities
        # A Check query may select every column; only what is mapped is kept, never a password.
        self.mapped = {name.casefold() for name in config.connector.attributes}
        self.carries_state = any(
            rule.kind == Kind.PROFILE and rule.portal_attribute == "active" and rule.direction != "in"
            for rule in config.rules
        )

    def situation(self, account: Account) -> tuple[Situation, Person]:
        """Return where the account stands, and its person."""
        person, status = who(account)
        desired = self.mapper.outbound(person)
        now = Situation(
            self.config.name,
            status,
            account.state,
            self.config.features,
            self.capabilities,
            desired,
            account.attributes,
            state_digest(desired, status is Status.WANTED),
            account.pushed_digest,
            self.carries_state,
        )
        return now, person

    def work(self, account: Account, actor: str) -> Outcome:
        """Bring the account in step; raise Unavailable when the whole directory cannot be reached."""
        operation = Operation.UPDATE
        try:
            now, person = self.situation(account)
            operation = _meant(now)
            finished = self._bring(account, now, person)
        except Unavailable as error:
            if error.whole_directory:
                raise
            return busy(account, self.config.name, error, actor)
        except ConnectorError as error:
            self.asked = True
            return park(account, self.config.name, operation, Parked(error.code, error.message), actor)
        except Exception as error:
            log_unexpected(error, f"delivering account {account.pk}")
            return park(account, self.config.name, operation, UNEXPECTED, actor)
        return self._settle(account, now, finished, actor)

    def _bring(self, account: Account, now: Situation, person: Person) -> Done:
        plan = without_looking(now)
        if plan is not None:
            return Done(plan)
        entry = Entry(account.key, account.remote_id, now.desired, person.flat())
        try:
            return self._look_and_act(account, now, entry)
        except (NotFound, Conflict):
            # Somebody else was quicker between the look and the act: look once more.
            return self._look_and_act(account, now, entry)

    def _look_and_act(self, account: Account, now: Situation, entry: Entry) -> Done:
        found = self.connector.find(entry)
        self.asked = True
        if found is not None:
            if not entry.ref:
                self._must_be_theirs(account, found)
            entry = replace(entry, ref=found.ref)
        plan = after_looking(now, found)
        held = found
        for step in plan.steps:
            held = self._act(step, entry, found, held)
        return Done(plan, found, held)

    def _must_be_theirs(self, account: Account, found: RemoteAccount) -> None:
        """Refuse to take over what is somebody else's; raise ConnectorError."""
        name = self.config.name
        if fold(found.key) != fold(account.key):
            words = (
                f"{name} answered with the account of {found.key}. Make the Check query compare the whole user name."
            )
            raise ConnectorError(words, code="other_account")
        if owner := self.owners.other(found.ref, account.pk):
            words = f"The account {found.ref} of {name} belongs to {owner} in the portal. Rename one of the two."
            raise ConnectorError(words, code="other_account")

    def _act(
        self, step: Step, entry: Entry, remote: RemoteAccount | None, held: RemoteAccount | None
    ) -> RemoteAccount | None:
        connector = self.connector
        match step:
            case Step.CREATE:
                password = initial_password(self.config.features)
                return connector.create(entry, password.clear if connector.clear_passwords else password.stored)
            case Step.UPDATE:
                return connector.update(entry)
            case Step.ENABLE if Capability.ENABLE in self.capabilities:
                connector.enable(entry)
            case Step.DISABLE if remote and Capability.DISABLE in self.capabilities:
                connector.disable(entry)
            case Step.ENABLE | Step.DISABLE if remote:
                return connector.update(entry)
            case Step.DELETE if remote:
                connector.delete(entry)
                return None
        return held

    def _settle(self, account: Account, now: Situation, finished: Done, actor: str) -> Outcome:
        plan, name = finished.plan, self.config.name
        lines = []
        for step in plan.steps:
            gone = finished.found is None and step is not Step.CREATE
            words = wording.done(step, account.key, name, plan, self.labels, gone=gone)
            operation, changes = wording.OPERATIONS[step], {} if step is Step.LINK else plan.changes
            lines.append(wording.line(account, name, operation, Result.SUCCESS, words, changes=changes, actor=actor))
        if plan.blocked and account.last_message != plan.reason:
            lines.append(wording.line(account, name, _meant(now), Result.SKIPPED, plan.reason, actor=actor))
        self._store(account, now, plan, finished.held)
        account.last_message = lines[-1].message if lines and not plan.reason else plan.reason
        return Outcome(account, lines)

    def _store(self, account: Account, now: Situation, plan: Plan, held: RemoteAccount | None) -> None:
        account.state = plan.state
        if plan.state == AccountState.ABSENT:
            account.remote_id, account.attributes, account.pushed_digest = "", {}, ""
        elif held is not None:
            account.remote_id = held.ref
            shown = {name: value for name, value in held.attributes.items() if name.casefold() in self.mapped}
            account.attributes = _merged(account.attributes, shown, now.desired if plan.settled else {})
        if plan.settled and plan.state != AccountState.ABSENT:
            account.pushed_digest = now.digest
        account.attempts = 0
        account.last_result = LastResult.OK if plan.settled else LastResult.NONE
        account.last_synced_at = timezone.now()


def who(account: Account) -> tuple[Person, Status]:
    """Return the person behind an account and how they stand."""
    if account.user is not None:
        return person_of(account.user), Status.WANTED if wanted(account.user) else Status.DEACTIVATED
    person = from_snapshot(account.person or {"profile": {"username": account.key}})
    return replace(person, profile={**person.profile, "active": False}), Status.DELETED


def _meant(now: Situation) -> Operation:
    """Return what a failed line calls the work: the step is not known before the directory was asked."""
    if now.status is Status.WANTED:
        return Operation.UPDATE if now.state in (AccountState.ACTIVE, AccountState.DISABLED) else Operation.CREATE
    deleted = now.status is Status.DELETED
    policy = now.switches.on_delete if deleted else now.switches.on_deactivate
    return Operation.DELETE if policy == "delete" else Operation.DISABLE


def _merged(*layers: Mapping[str, Value]) -> dict[str, Value]:
    """Merge attributes by name without case, keeping the first spelling, as JSON holds them."""
    spelt: dict[str, str] = {}
    merged: dict[str, Value] = {}
    for layer in layers:
        for name, value in layer.items():
            merged[spelt.setdefault(name.casefold(), name)] = wording.plain(value)
    return merged
