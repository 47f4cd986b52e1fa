"""Reckoning what a configuration would do, from what the portal knows: the plan of deliveries, made twice and compared.

No directory is contacted. Accounts are streamed; of very many only some are looked at, spread over all of them, and the
numbers are then estimates. People who have left are few, lose most, and are counted by themselves.
"""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When

from directories import config as directory_config
from directories.config import DirectoryConfig
from directories.connectors.base import ConnectorError
from directories.encryption import SecretLost
from directories.models import PushGroups
from provisioning.impact import differences
from provisioning.impact.impact import SAMPLES, Impact
from provisioning.models import Account, Group
from provisioning.models.accounts import AccountState
from provisioning.outbound.accounts import finality, scope
from provisioning.outbound.accounts.deletions import Rescheduling
from provisioning.outbound.accounts.plan import Plan, Step, UserStatus, assumed
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.outbound.groups.scope import pushed_to
from provisioning.profile import person

EVERY = 20_000  # accounts up to which each is looked at
SOME = 5_000  # accounts that are looked at where there are more
PAGE = 2_000
THERE = (AccountState.ACTIVE, AccountState.DISABLED)
WANTED = Q(user__is_active=True, user__provisioned=True)
NOTHING = Plan()
UNKNOWN = "(what the directory holds)"  # the value before, of an attribute that the portal never read
DONE = {Step.CREATE: "opened", Step.ENABLE: "opened", Step.DISABLE: "disabled", Step.DELETE: "deleted"}
WORDS = {"opened": "Open", "disabled": "Disable", "deleted": "Delete", "changed": "Change"}


def stored(directory_id: int) -> DirectoryConfig | None:
    """Return the configuration as it is stored; None when it cannot be used, because a secret of it is lost."""
    try:
        return directory_config.load(directory_id)
    except SecretLost:
        return None


def of_change(old: DirectoryConfig | None, new: DirectoryConfig) -> Impact | None:
    """Return what putting one configuration of a directory in the place of another does; None when that is nothing."""
    if old is None:
        return _of_all(new)
    accounts, groups = differences.reaches_accounts(old, new), differences.reaches_groups(old, new)
    imports = differences.decides_imports(old, new)
    if not accounts and not groups and not imports:
        return None
    impact = Impact(imports=imports, known=_there(new).count())
    if accounts:
        _reckon(impact, old, new)
        _reckon_scheduled(impact, old, new)
    if groups:
        _reckon_groups(impact, old, new)
    return impact


def decides_imports(old: DirectoryConfig | None, new: DirectoryConfig) -> bool:
    """Return whether the new configuration decides anew whom the imports of a directory in use see."""
    return old is not None and bool(differences.decides_imports(old, new)) and _there(new).exists()


def of_everything(directory_id: int) -> Impact:
    """Return what pushing everything to the directory now would do, as it is configured; raises ConnectorError."""
    return _of_all(directory_config.load(directory_id))


def _of_all(now: DirectoryConfig) -> Impact:
    impact = Impact(known=_there(now).count())
    _reckon(impact, None, now)
    _reckon_groups(impact, None, now)
    return impact


@dataclass(slots=True)
class _Part:
    """What was found in one part of the accounts, to be scaled up where not each was looked at."""

    counts: Counter[str] = field(default_factory=Counter)
    blanked: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)


def _reckon(impact: Impact, old: DirectoryConfig | None, new: DirectoryConfig) -> None:
    catalogue = person.catalogue()
    with ExitStack() as stack:

        def planner(config: DirectoryConfig) -> AccountReconciler:
            connector = stack.enter_context(directory_config.open_connector(config))
            return AccountReconciler(config, catalogue, connector, Owners(_id(config), ()))

        try:
            after = planner(new)
        except ConnectorError as error:
            impact.unclear, impact.trouble = impact.known, error.message
            return
        impact.final = finality.of_step(after, after.situation_of_any(UserStatus.DELETED, ""), Step.DELETE)
        try:
            before = planner(old) if old else None
        except ConnectorError:
            before = None  # what could not be used until now did nothing
        given = scope.given_to(_id(new), new.features.accounts_for, "user")
        inside = Case(When(given, then=True), default=False) if given else Value(True)
        of_directory = Account.objects.filter(directory=_id(new)).annotate(inside=inside)
        leaving = of_directory.filter(state__in=THERE).filter(Q(user=None) | ~WANTED | Q(inside=False))
        for rows in (leaving, of_directory.filter(WANTED, inside=True)):
            _look_at(impact, rows, before, after)
        _missing(impact, before, after)


def _reckon_scheduled(impact: Impact, old: DirectoryConfig, new: DirectoryConfig) -> None:
    """Count what becomes of scheduled deletions, and which are added; those that come due would be made at once."""
    change = Rescheduling(_id(new), old.features, new.features)
    due = change.due.count()
    impact.deleted += due
    impact.moved, impact.unscheduled = change.moving.count() - due, change.ending.count()
    impact.scheduled, impact.first_due = change.starting.count(), change.first_due
    for key in change.due.order_by("pk").values_list("key", flat=True)[:SAMPLES]:
        impact.sample(key, WORDS["deleted"], {})


def _look_at(
    impact: Impact, rows: QuerySet[Account], before: AccountReconciler | None, after: AccountReconciler
) -> None:
    """Reckon one part of the accounts."""
    total, looked, found = rows.count(), 0, _Part()
    if total > EVERY:
        impact.estimated = True
        every = list(
            rows.order_by("pk").values_list("pk", flat=True)
        )  # their ids may all be odd, so they are counted off
        rows = rows.filter(pk__any_id=every[:: total // SOME])
    for account in rows.select_related("user__manager").order_by().iterator(chunk_size=PAGE):
        looked += 1
        _look_at_one(impact, found, account, before, after)
    scale = total / looked if looked else 0
    for name, number in found.counts.items():
        setattr(impact, name, getattr(impact, name) + round(number * scale))
    for target, counted in ((impact.blanked, found.blanked), (impact.values, found.values)):
        target.update({name: round(number * scale) for name, number in counted.items()})


def _look_at_one(
    impact: Impact, found: _Part, account: Account, before: AccountReconciler | None, after: AccountReconciler
) -> None:
    then, written = _before(before, account)
    account.in_scope = bool(getattr(account, "inside", True))  # as it would be; it is not saved
    try:
        situation, _ = after.situation(account)
        now = assumed(situation)
    except ConnectorError as error:
        found.counts["unclear"] += 1
        impact.trouble = impact.trouble or error.message
        return
    found.counts["left_open"] += now.left_open and not then.left_open
    changes = {name: pair for name, pair in now.changes.items() if then.changes.get(name) != pair}
    done = next((DONE[step] for step in reversed(now.steps) if step in DONE and step not in then.steps), "")
    if not done and account.state == AccountState.ACTIVE and after.config.features.update_users:
        known = {name.casefold() for name in account.attributes} | written
        for name, value in situation.desired.items():
            if value in (None, "") and name.casefold() not in known:
                changes[name] = (UNKNOWN, None)
    if not done and changes:
        done = "changed"
    if not done:
        return
    found.counts[done] += 1
    impact.sample(account.key, WORDS[done], changes)
    if done == "changed":
        blanked = [name for name, (_, value) in changes.items() if value in (None, "")]
        found.counts["losing"] += bool(blanked)
        found.blanked.update(blanked)
        found.values.update(changes.keys())


def _before(reconciler: AccountReconciler | None, account: Account) -> tuple[Plan, set[str]]:
    """Return the plan of the old configuration, and the attributes that it writes; nothing where it cannot be used."""
    if reconciler is None:
        return NOTHING, set()
    try:
        situation, _ = reconciler.situation(account)
        return assumed(situation), {name.casefold() for name in situation.desired}
    except ConnectorError:
        return NOTHING, set()


def _missing(impact: Impact, before: AccountReconciler | None, after: AccountReconciler) -> None:
    """Count the users who have no account in the directory and would get one."""
    features = after.config.features
    if not features.create_users:
        return
    had = bool(before and before.config.features.create_users)
    if before and had and before.config.features.accounts_for == features.accounts_for:
        return
    users = scope.without_account(_id(after.config), features.accounts_for)
    some = list(users.select_related("manager").order_by("pk")[:SAMPLES])
    if not some:
        return
    for user in some:
        account = Account(directory_id=_id(after.config), user=user, key=user.username)
        try:
            plan = assumed(after.situation(account)[0])
        except ConnectorError as error:
            impact.unclear, impact.trouble = impact.unclear + 1, error.message
            continue
        if Step.CREATE not in plan.steps:
            return  # it cannot create users: its page says what is missing
        impact.sample(account.key, WORDS["opened"], plan.changes)
    impact.opened += users.count()


def _reckon_groups(impact: Impact, old: DirectoryConfig | None, new: DirectoryConfig) -> None:
    which = differences.pushed(new)
    if which == PushGroups.NONE:
        return  # nothing is written any more, and nothing is taken away
    there = pushed_to(_id(new)).filter(state=AccountState.ACTIVE)
    wanted = Group.objects.exclude(owner=_id(new))
    if which == PushGroups.CHOSEN:
        wanted = wanted.filter(directories=_id(new))
    impact.groups = wanted.exclude(Exists(there.filter(group=OuterRef("pk")))).count()
    if old is not None:
        impact.memberships = Rescheduling(_id(new), old.features, new.features).memberships.count()
    if old is None or differences.pushed(old) != which:
        impact.fewer_groups = there.exclude(group__in=wanted).count()


def _there(config: DirectoryConfig) -> QuerySet[Account]:
    return Account.objects.filter(directory=_id(config), state__in=THERE)


def _id(config: DirectoryConfig) -> int:
    assert config.id is not None, "a directory that is not saved has no accounts"
    return config.id
