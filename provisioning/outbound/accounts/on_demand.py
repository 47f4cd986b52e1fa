"""One user in one directory, now: read, match, scope, map and act, each with its data; dry unless asked to act."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from directories import config as directory_config
from directories import health
from directories.config import DirectoryConfig
from directories.connectors.base import ConnectorError, RemoteAccount
from directories.mapping import IN
from directories.models import Directory
from provisioning.models import Account, Change, User
from provisioning.models.outbox import HELD
from provisioning.outbound.accounts import outbox, scope
from provisioning.outbound.accounts.delivery import AccountWork
from provisioning.outbound.accounts.plan import Plan, Step, without_looking
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.outbound.accounts.results import Turn
from provisioning.outbound.batch import deliver
from provisioning.profile import person
from reports.models import Event

READ, MATCH, SCOPE, MAP, ACT = "Read", "Match", "Scope", "Map", "Act"
WAIT = 5.0  # seconds for a worker that was quicker
HIDDEN = "••••••"
SECRET = ("password", "passwd", "pwd", "secret", "token", "hash", "credential")
HELD_BACK = "The guard holds a change of this account back. Decide about it on Failed and waiting first."
BUSY = "A worker is at this account at the moment. Look at it again in a minute."
OFF = "{} is switched off. Switch it on first."
NOT_IN_SCOPE = "There is nothing to do: {}"


@dataclass(slots=True)
class Stage:
    """One of the five steps: in words, with its data; ``failed`` when it ended the look."""

    title: str
    words: str = ""
    data: list[tuple[str, str]] = field(default_factory=list)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    failed: bool = False


@dataclass(slots=True)
class Looked:
    """What a look found: its five steps, and whether there is something that may be done."""

    stages: list[Stage]
    steps: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether one of the steps failed."""
        return any(stage.failed for stage in self.stages)


@dataclass(slots=True)
class OnDemandOutcome:
    """How it ended: why it was not tried, or the account's last words with the lines that were written."""

    refusal: str = ""
    words: str = ""
    lines: list[Event] = field(default_factory=list)
    failed: bool = False


def look(user: User, directory: Directory) -> Looked:
    """Look one user up in the directory itself and tell what a delivery would do; nothing is written anywhere."""
    stages = {title: Stage(title) for title in (READ, MATCH, SCOPE, MAP, ACT)}
    account = Account.objects.filter(user=user, directory=directory).first() or Account(
        directory=directory, key=user.username, early=scope.is_early(user, directory.pk)
    )
    is_new = account.pk is None
    account.user, account.pushed_digest = user, ""  # so that it is looked at, whatever was reached before
    steps: tuple[str, ...] = ()
    try:
        config = directory_config.load(directory.pk)
        _scope(stages[SCOPE], user, config, account)
        with directory_config.open_connector(config) as connector:
            reconciler = AccountReconciler(config, person.catalogue(), connector, Owners(directory.pk, [account.key]))
            turn = reconciler.turn_of(account)
            _mapped(stages[MAP], turn, config)
            refusal = _looked(reconciler, turn)
            _read(stages[READ], turn, config, refusal)
            _matched(stages[MATCH], turn, refusal)
            plan = without_looking(turn.now) or turn.plan
            if is_new and turn.now.leaving:
                plan = Plan(reason=f"{directory} does not get users that are inactive or not provisioned.")
            if refusal is None:
                _acted(stages[ACT], plan, directory)
                steps = tuple(plan.steps)
    except ConnectorError as error:
        _stop(stages, error.message)
    return Looked(list(stages.values()), steps)


def do_it(user: User, directory: Directory, actor: str) -> OnDemandOutcome:
    """Bring exactly this account in sync now, as a worker would: with its lease, its journal and its report lines."""
    if not directory.enabled:
        return OnDemandOutcome(refusal=OFF.format(directory))
    with transaction.atomic():
        found = scope.accounts_for([user.pk], only=directory.pk)
        account_ids = found.by_directory.get(directory.pk, [])
        if not account_ids:
            return OnDemandOutcome(refusal=NOT_IN_SCOPE.format(f"{directory} does not get an account of this user."))
        changes = Change.objects.filter(account__in=account_ids)
        if changes.filter(parked_code=HELD, parked__isnull=False).exists():
            return OnDemandOutcome(refusal=HELD_BACK)
        last = Event.objects.filter(account_id__in=account_ids).order_by("-at", "-id").values_list("id", flat=True)
        newest = last.first() or 0
        Account.objects.filter(pk__in=account_ids, leased_until=None).update(pushed_digest="")
        outbox.enqueue({directory.pk: account_ids}, "on demand", actor, leaving=found.leaving)
    health.retry_now(directory.pk)  # ends pauses, also that of a directory that could not be reached
    AccountWork.leases.retry(changes, actor)
    deliver(AccountWork, directory.pk, account_ids)
    return _outcome(account_ids, newest)


def _outcome(account_ids: list[int], newest: int) -> OnDemandOutcome:
    """Return how it ended; a worker that was quicker is waited for."""
    until = time.monotonic() + WAIT
    while Account.objects.filter(pk__in=account_ids, leased_until__isnull=False).exists():
        if time.monotonic() > until:
            return OnDemandOutcome(refusal=BUSY)
        time.sleep(0.1)
    account = Account.objects.filter(pk__in=account_ids).order_by("pk").first()
    if account is None:
        return OnDemandOutcome(refusal=BUSY)
    lines = list(Event.objects.filter(account_id=account.pk, id__gt=newest).order_by("at", "id"))
    words = account.last_message or f"It is {account.get_state_display().lower()}, and in sync."
    return OnDemandOutcome(words=words, lines=lines, failed=account.last_result in ("parked", "waiting"))


def _looked(reconciler: AccountReconciler, turn: Turn) -> ConnectorError | None:
    try:
        reconciler.look(turn)
    except ConnectorError as error:
        return error
    return None


def _read(stage: Stage, turn: Turn, config: DirectoryConfig, refusal: ConnectorError | None) -> None:
    asked = f"the lasting id {turn.entry.ref}" if turn.account.remote_id else f"the name {turn.account.key}"
    stage.data.append(("Asked for", asked))
    if turn.found is None:
        stage.failed = refusal is not None
        stage.words = refusal.message if refusal else f"{config.name} has no such account."
        return
    stage.words = f"{config.name} has the account {turn.found.key}."
    stage.data += _seen(turn.found, config)


def _seen(found: RemoteAccount, config: DirectoryConfig) -> Iterator[tuple[str, str]]:
    """Yield what came, as far as it is mapped: a look-up may select every column."""
    mapped = {name.casefold() for name in config.connector.attributes}
    yield "Lasting id", found.ref
    yield "State", {True: "enabled", False: "disabled", None: "not shown"}[found.enabled]
    for name, value in found.attributes.items():
        if name.casefold() in mapped:
            yield name, shown(name, value)


def _matched(stage: Stage, turn: Turn, refusal: ConnectorError | None) -> None:
    account = turn.account
    if turn.found is None:
        stage.words = "Nothing to match."
    elif refusal is not None:
        stage.words, stage.failed = refusal.message, True
    elif account.remote_id:
        stage.words = f"It is the account that the portal knows by its lasting id {account.remote_id}."
    else:
        stage.words = f"It has the name {account.key} and is nobody else's, so it is taken over."


NOT_GIVEN = "{} does not give everyone an account, and neither a group nor a rule gives this user one."


def _scope(stage: Stage, user: User, config: DirectoryConfig, account: Account) -> None:
    on = config.features
    wanted = person.wanted(user)
    if account.early and not wanted:
        stage.words = f"A contract begins later, and until then {config.name} is to have the account disabled."
    elif wanted:
        stage.words = f"{config.name} gets this user: active, and provisioned to directories."
    else:
        stage.words = "This user is to have no account that can be used."
    if wanted and not scope.gives_to(config.id or 0, user.pk):
        stage.words = NOT_GIVEN.format(config.name)
    elif wanted and account.pk is None and not on.create_users:
        stage.words = f"{config.name} does not get new users: creating them is switched off."
    stage.data = [
        ("User is active", _yes(user.is_active)),
        ("Provision to directories", _yes(user.provisioned)),
        ("Account in the portal", str(account.get_state_display()) if account.pk else "none"),
        ("Switched on", ", ".join(_switches(on)) or "nothing"),
    ]
    if not config.enabled:
        stage.data.append(("Directory", "switched off"))


def _switches(on: Any) -> Iterator[str]:
    names = {"create_users": "create", "update_users": "update", "deactivate_users": "deactivate"}
    return (word for name, word in {**names, "delete_users": "delete"}.items() if getattr(on, name))


def _mapped(stage: Stage, turn: Turn, config: DirectoryConfig) -> None:
    stage.words = "What the mapping makes of the user:"
    sources: dict[str, str] = {}
    for rule in config.rules:
        if rule.direction != IN and rule.portal_attribute:
            how = f"{rule.kind}.{rule.portal_attribute}" + (f" by {rule.expression}" if rule.expression else "")
            sources.setdefault(rule.directory_attribute.casefold(), how)
    for name, value in turn.now.desired.items():
        stage.changes.append((name, sources.get(name.casefold(), "named by the query"), shown(name, value)))
    if turn.now.container:
        stage.data.append(("Place", turn.now.container))


def _acted(stage: Stage, plan: Plan, directory: Directory) -> None:
    would = " and ".join(DOES[Step(step)] for step in plan.steps)
    stage.words = f"{would[:1].upper()}{would[1:]}. {plan.reason}".strip() if would else plan.reason
    stage.words = stage.words or f"{directory} is in sync."
    stage.failed = plan.blocked
    stage.changes = [(name, shown(name, old), shown(name, new)) for name, (old, new) in plan.changes.items()]


DOES: Mapping[Step, str] = {
    Step.LINK: "take over the account that is there",
    Step.CREATE: "create the account",
    Step.ENABLE: "enable the account",
    Step.UPDATE: "update the account",
    Step.DISABLE: "disable the account",
    Step.DELETE: "delete the account",
}


def _stop(stages: Mapping[str, Stage], message: str) -> None:
    """Say where it ended: in the first step that has nothing to say."""
    waiting = [stage for stage in stages.values() if not stage.words]
    if waiting:
        waiting[0].words, waiting[0].failed = message, True


def shown(name: str, value: Any) -> str:
    """Return a directory's value as people read it; what may be a secret is masked."""
    if value in (None, ""):
        return "(empty)"
    if any(word in name.casefold() for word in SECRET):
        return HIDDEN
    if isinstance(value, bool):
        return _yes(value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
