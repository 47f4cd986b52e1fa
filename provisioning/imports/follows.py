"""What comes of a plan in other directories, counted by sets before anything is applied."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from directories.models import AccountsFor, Directory, OnLeave
from provisioning.contracts.planned import ATTRIBUTE
from provisioning.guard.limits import how_many
from provisioning.imports.users.state import ACTIVE
from provisioning.models import Account, ImportRun, PlannedChange, PlannedGroup, User
from provisioning.models.accounts import AccountState
from provisioning.models.imports import Action
from provisioning.outbound.accounts import finality, scope
from provisioning.outbound.accounts.plan import UserStatus


@dataclass(frozen=True, slots=True)
class Follows:
    """How many accounts one other directory would open, disable and delete."""

    directory: str
    opened: int = 0
    disabled: int = 0
    deleted: int = 0

    @property
    def words(self) -> str:
        """What happens there, as a part of a sentence."""
        parts = [(self.opened, "opened"), (self.disabled, "disabled"), (self.deleted, "deleted")]
        counts = [f"{how_many(number, 'account')} {what}" for number, what in parts if number]
        return f"{', '.join(counts)} in {self.directory}"


def count(run: ImportRun, rows: "QuerySet[PlannedChange] | None" = None) -> list[Follows]:
    """Return what a finished plan leads to elsewhere, by directory; those where nothing happens are left out.

    With ``rows``, only what these of its changes lead to.

    The rule is that of ``outbound.accounts.scope``: whoever is active gets an account in every directory that creates
    users and gives them one, and whoever is not active any more loses the one that they have, as the directory's
    settings say. Of new people, a directory for members of chosen groups counts all where the plan puts anybody into a
    group, and one for whom rules give an account counts none: rules are asked later, by a plan of their own. A few
    queries for each directory, whatever the number of people.
    """
    others = Directory.objects.filter(provisioning__isnull=False).exclude(pk=run.directory_id or 0)
    others = others.filter(Q(provisioning__create_users=True) | Q(provisioning__deactivate_users=True))
    planned = PlannedChange.objects.filter(run=run) if rows is None else rows
    directories = list(others.select_related("provisioning").order_by("name"))
    takes_new = {AccountsFor.EVERYONE: True, AccountsFor.RULES: False}
    if any(one.provisioning.accounts_for == AccountsFor.GROUPS for one in directories):
        takes_new[AccountsFor.GROUPS] = PlannedGroup.objects.filter(run=run, added__gt=0).exists()
    found = [_in(one, planned, new_too=takes_new[AccountsFor(one.provisioning.accounts_for)]) for one in directories]
    return [one for one in found if one.opened or one.disabled or one.deleted]


def load(run: ImportRun) -> list[Follows]:
    """Return what a run kept."""
    return [Follows(**one) for one in run.follows]


def final(changes: Sequence[PlannedChange]) -> dict[int, list[str]]:
    """Return, by user, what planned changes lead to in directories that cannot be undone, in words."""
    leaving = {
        change.user_id: UserStatus.DELETED if change.action == Action.DELETE else UserStatus.DEACTIVATED
        for change in changes
        if change.user_id
        and (
            change.action in (Action.DEACTIVATE, Action.DELETE)
            or (change.action == Action.UPDATE and change.after.get(ACTIVE) is False)
        )
    }
    there = Account.objects.filter(user__in=leaving, state=AccountState.ACTIVE) if leaving else Account.objects.none()
    accounts = list(there.order_by("directory__name").values_list("user_id", "directory_id"))
    found: dict[int, list[str]] = {}
    for status in set(leaving.values()):
        theirs = [(user, directory) for user, directory in accounts if leaving[user] is status]
        words = finality.of_leaving({directory for _, directory in theirs}, status)
        for user, directory in theirs:
            if directory in words:
                found.setdefault(user or 0, []).append(words[directory])
    return found


def less(whole: Iterable[Follows], part: Iterable[Follows]) -> list[Follows]:
    """Return what is left of the whole without the part."""
    taken = {one.directory: one for one in part}
    found = []
    for one in whole:
        gone = taken.get(one.directory, Follows(one.directory))
        opened, disabled, deleted = one.opened - gone.opened, one.disabled - gone.disabled, one.deleted - gone.deleted
        if max(opened, disabled, deleted) > 0:
            found.append(
                Follows(one.directory, opened=max(0, opened), disabled=max(0, disabled), deleted=max(0, deleted))
            )
    return found


def _in(directory: Directory, planned: "QuerySet[PlannedChange]", *, new_too: bool) -> Follows:
    settings = directory.provisioning
    turned_off = planned.filter(Q(action=Action.DEACTIVATE) | Q(action=Action.UPDATE, **{f"after__{ACTIVE}": False}))
    opened = off = 0
    if settings.create_users:
        new = planned.filter(action=Action.CREATE) if new_too else planned.none()
        inactive = new.filter(**{f"after__{ACTIVE}": False})
        others = planned.exclude(attributes=f"|{ATTRIBUTE}|")  # what contracts lead to is planned after them
        changed = others.filter(action=Action.UPDATE).exclude(user_id__in=turned_off.values("user_id"))
        activated = changed.filter(**{f"after__{ACTIVE}": True})
        active = Q(is_active=True) | Q(pk__in=activated.values("user_id"))
        given = scope.given_to(directory.pk, settings.accounts_for)
        people = User.objects.filter(active, given, pk__in=changed.values("user_id"), provisioned=True)
        there = Account.objects.filter(user=OuterRef("pk"), directory=directory).exclude(state=AccountState.ABSENT)
        opened = new.count() - inactive.count() + people.exclude(Exists(there)).count()
    if settings.deactivate_users and settings.on_deactivate != OnLeave.LEAVE:
        accounts = Account.objects.filter(directory=directory, state=AccountState.ACTIVE)
        off = accounts.filter(user__in=turned_off.values("user_id")).count()
    deletes = settings.on_deactivate == OnLeave.DELETE and settings.delete_after_days is None
    return Follows(directory.name, opened=opened, disabled=0 if deletes else off, deleted=off if deletes else 0)
