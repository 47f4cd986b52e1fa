"""Undo: the inverse of a run's plan, from its before-images, previewed, guarded and applied like any other plan.

What changed since is listed and left as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.fields.json import KT
from django.utils import timezone

from config.database import bulk, keyset
from provisioning.contracts.planned import number_of
from provisioning.imports import departments
from provisioning.imports.decisions import to_apply
from provisioning.imports.doors.people import about, merging, without_staff
from provisioning.imports.doors.runs import plan, start
from provisioning.imports.runs import ImportRefused
from provisioning.imports.users import contracts
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.listing import shown
from provisioning.imports.users.plan import CONTRACTS, GIVEN, GRANTS, USERNAME, Planned
from provisioning.imports.users.state import ACTIVE
from provisioning.imports.users.writing import value_of
from provisioning.models import Account, GroupAccount, ImportRun, PlannedChange, PlannedGroup, PlannedMember, User
from provisioning.models.imports import ENDED, Action, Door, GroupAction, RunStatus, Verdict
from provisioning.models.people import fold
from provisioning.profile.person import catalogue
from provisioning.recycle.models import DeletedUser
from provisioning.rules.difference import inverse
from reports.models import Event, Operation, Result

PAGE = 1000
AWAY = (Action.DELETE, Action.MERGE)
DONE = (Action.CREATE, Action.UPDATE, Action.DEACTIVATE, Action.RESTORE, *AWAY)
NOT_BACK = (
    "Accounts that a directory deleted meanwhile are made anew there, with new passwords.",
    "Passwords that were set, and mails and events that were sent, stay as they are.",
)
KEPT = "Left as it is, because it was changed since: {}."
GONE = "This person was deleted since, so there is nothing to take back."
NOT_IN_BIN = "This person is not in the recycle bin any more, so nobody can bring them back."
GROUP_GONE = "The group was removed with its members, and that cannot be taken back."
STILL_RULES = (
    "Rules that are published give, and take away, the same again the next time they are evaluated. Change them first."
)
OWNED = "{} owns this group: its next import of everything decides again who is in it."
UNDONE = "This run is being undone, or was: open its newest undo in the import history."


def losses_of(run: ImportRun) -> list[str]:
    """Say before an undo what cannot be brought back."""
    found = [*NOT_BACK]
    if run.directory is not None:
        found.append(f"What {run.directory.name} itself says does not change: correct it there too.")
    if run.door == Door.RULES:
        found.append(STILL_RULES)
    if PlannedGroup.objects.filter(run=run, action=GroupAction.DELETE).exists():
        found.append("Groups that were removed with their members do not come back.")
    return found


def undo(run: ImportRun, actor: str, *, delete_created: bool = False) -> ImportRun:
    """Plan to take back what a run did, and let it wait for somebody to look at it; raise ImportRefused with words.

    People whom the run created are deactivated, or with ``delete_created`` deleted.
    """
    if run.status not in ENDED or not (run.applied or run.groups_changed or run.departments_changed):
        raise ImportRefused("Only a run that has ended, and changed something, can be undone.")
    with transaction.atomic():
        ImportRun.objects.select_for_update(no_key=True).get(pk=run.pk)
        if ImportRun.objects.filter(undoes=run.pk).exclude(status__in=[RunStatus.CANCELLED, RunStatus.FAILED]).exists():
            raise ImportRefused(UNDONE)
        made = start(Door.UNDO, f"{run.get_door_display()} {run.source} of {run.created_at:%Y-%m-%d %H:%M}", actor)
        made.undoes = run.pk
        _groups(run, made)
        made.refresh_from_db(fields=["memberships_added", "memberships_removed", "groups_changed", "planned"])
        made.departments_changed = departments.plan_back(run, made)
        people = without_staff(_people(run, delete_created=delete_created), actor)
        return plan(Door.UNDO, "", actor, people, run=made, look=True)


def _applied(run: ImportRun) -> Any:
    rows = PlannedChange.objects.filter(run=run, action__in=DONE).exclude(verdict=Verdict.REFUSED).order_by("pk")
    if run.status != RunStatus.FINISHED:
        begun = to_apply(run).filter(pk__lte=run.applied_up_to)
        done = Q(verdict=Verdict.DONE) | Q(pk__in=begun.values("pk"))
        rows = rows.filter(done | Q(held=False) if run.rest_applied else done)
    rows = rows.annotate(source=KT(f"row__{CONTRACTS}"))
    return rows if run.door == Door.RULES else rows.defer("row")  # what rules give is undone by its steps


def _people(run: ImportRun, *, delete_created: bool) -> Iterator[list[Planned]]:
    labels = Labels(catalogue())
    for page in keyset.pages(_applied(run), PAGE):
        created = _created(run, [one for one in page if one.action in (Action.CREATE, Action.RESTORE)])
        ids = {created.get(one.key_folded, one.user_id or 0) for one in page}
        users = {user.pk: user for user in User.objects.filter(pk__in=ids).select_related("manager")}
        bosses = {user.manager_id or 0: user.manager.username for user in users.values() if user.manager}
        theirs = _contracts(page, created)
        binned = _in_bin([one.user_id or 0 for one in page if one.action in AWAY])
        split = _split_from([created.get(one.key_folded, 0) for one in page if one.action == Action.RESTORE])
        found = []
        for one in page:
            user_id = created.get(one.key_folded) if one.action in (Action.CREATE, Action.RESTORE) else one.user_id
            user = users.get(user_id or 0)
            if one.action in AWAY:
                found.append(_back(one, binned.get(one.user_id or 0)))
            elif user is None:
                found.append(Planned(Action.LEAVE, one.key, message=GONE, department=one.department))
            elif one.action == Action.RESTORE and user.pk in split:
                found.append(merging(user, split[user.pk]))
            elif one.action == Action.RESTORE:
                found.append(about(user, Action.DELETE))
            elif one.action == Action.CREATE:
                found.append(_uncreated(one, _Now(user, bosses, theirs.get(one.pk, {})), labels, delete=delete_created))
            else:
                found.append(_inverse(one, _Now(user, bosses, theirs.get(one.pk, {})), labels))
        yield [one for one in found if one.action != Action.LINK]


@dataclass(frozen=True, slots=True)
class _Now:
    """A user as they are now; ``contracts`` are those that the row is about, by path."""

    user: User
    bosses: Mapping[int, str]
    contracts: Mapping[str, Any]

    def value(self, name: str) -> Any:
        """Return a value as plans hold it."""
        return value_of(self.user, name, self.bosses, self.contracts)


def _contracts(page: Sequence[Any], created: Mapping[str, int]) -> dict[int, dict[str, Any]]:
    """Return the present contracts that the rows of a page are about: two queries, none without contracts."""
    rows = [
        Planned(
            one.action,
            one.key,
            user_id=created.get(one.key_folded) if one.action == Action.CREATE else one.user_id,
            before=one.before,
            after=one.after,
            row={CONTRACTS: int(one.source)},
            id=one.pk,
        )
        for one in page
        if one.source
    ]
    return contracts.held_by(rows)


def _created(run: ImportRun, rows: Sequence[PlannedChange]) -> dict[str, int]:
    """Return whom the run made or brought back, by the folded name that they got: the report's lines know the ids.

    Lines are gone after ``REPORT_DAYS``: then it is who came to be while the run went, or came out of the recycle bin,
    and is called so.
    """
    if not rows:
        return {}
    lines = Event.objects.filter(
        run_id=run.pk,
        operation=Operation.CREATE,
        result__in=[Result.SUCCESS, Result.PARTLY],
        identifier_key__in=[one.key_folded for one in rows],
        user_id__isnull=False,
    )
    found = {key: user_id or 0 for key, user_id in lines.values_list("identifier_key", "user_id")}
    names = [one.key_folded for one in rows if one.key_folded not in found]
    if names and run.started_at:
        until = run.finished_at or timezone.now()
        back = DeletedUser.objects.filter(
            user_id=OuterRef("pk"), restored_at__gte=run.started_at, restored_at__lte=until
        )
        came = Q(created_at__gte=run.started_at, created_at__lte=until) | Exists(back)
        found |= dict(User.objects.filter(came, username_key__in=names).values_list("username_key", "pk"))
    return found


def _in_bin(user_ids: Sequence[int]) -> dict[int, DeletedUser]:
    rows = DeletedUser.objects.filter(user_id__in=user_ids, restored_at=None).order_by("pk").defer("image")
    return {row.user_id: row for row in rows}


def _split_from(user_ids: Sequence[int]) -> dict[int, int]:
    """Return of restored users from whom they were split."""
    rows = DeletedUser.objects.filter(user_id__in=user_ids, merged_into__isnull=False, restored_at__isnull=False)
    pairs = rows.order_by("pk").values_list("user_id", "merged_into") if user_ids else ()
    return {pk: into for pk, into in pairs if into is not None}


def _back(one: PlannedChange, row: DeletedUser | None) -> Planned:
    if row is None:
        return Planned(Action.LEAVE, one.key, message=NOT_IN_BIN, department=one.department)
    return Planned(Action.RESTORE, row.username, department=row.department, row={"deleted": row.pk})


def _uncreated(one: PlannedChange, now: _Now, labels: Labels, *, delete: bool) -> Planned:
    user = now.user
    others = [name for name, value in one.after.items() if name != USERNAME and now.value(name) != value]
    message = f"Changed since: {_listed(others, now, labels)}." if others else ""
    if delete:
        return about(user, Action.DELETE, message=message)
    theirs = {name: value for name, value in now.contracts.items() if name not in others and value is not None}
    before, after = {**theirs}, dict[str, Any](dict.fromkeys(theirs))
    if user.is_active:
        before[ACTIVE], after[ACTIVE] = True, False
    return _with_contracts(
        about(user, Action.UPDATE if after else Action.LINK, before=before, after=after, message=message), one
    )


def _inverse(one: PlannedChange, now: _Now, labels: Labels) -> Planned:
    """Return the change that gives back what the run took, as far as nobody changed it since."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    others = []
    for name, value in one.after.items():
        if name == GIVEN:
            continue
        held, earlier = now.value(name), one.before.get(name)
        if held == earlier:
            continue
        if held != value:
            others.append(name)
        else:
            before[name], after[name] = held, earlier
    message = KEPT.format(_listed(others, now, labels)) if others else ""
    if GIVEN in one.after:
        before[GIVEN], after[GIVEN] = one.after[GIVEN] or None, one.before.get(GIVEN) or ""
    action = Action.UPDATE if after else Action.LEAVE if others else Action.LINK
    planned = about(now.user, action, before=before, after=after, message=message)
    if USERNAME in after:
        planned.match_value = fold(after[USERNAME])
    if GIVEN in after:
        planned.row[GRANTS] = inverse(one.row[GRANTS])
    return _with_contracts(planned, one)


def _with_contracts(planned: Planned, one: Any) -> Planned:
    """Say of a change that gives contracts back which source's they are."""
    if one.source and any(number_of(name) for name in planned.after):
        planned.row[CONTRACTS] = int(one.source)
    return planned


def _listed(names: Sequence[str], now: _Now, labels: Labels) -> str:
    return ", ".join(
        labels[name] if number_of(name) else f"{labels[name]} ({shown(now.value(name))})" for name in names
    )


# --- Groups ----------------------------------------------------------------------------------------------------------


def _groups(run: ImportRun, made: ImportRun) -> None:
    """Plan the inverse of the run's groups, one after the other, with their members a page at a time."""
    numbers = {"memberships_added": 0, "memberships_removed": 0, "groups_changed": 0, "planned": 0, "errors": 0}
    rows = PlannedGroup.objects.filter(run=run).exclude(action=GroupAction.ERROR)
    accounts = dict(
        GroupAccount.objects.filter(directory=run.directory_id or 0).exclude(group=None).values_list("pk", "group_id")
    )
    for one in rows.exclude(applied_at=None).order_by("pk").iterator(chunk_size=500):
        group_id = one.group_id or accounts.get(one.group_account_id or 0)
        planned = PlannedGroup(run=made, group_id=group_id, name=one.name, action=GroupAction.KEEP)
        if one.action == GroupAction.DELETE or group_id is None:
            planned.action, planned.message = GroupAction.ERROR, GROUP_GONE
            numbers["errors"] += 1
        elif one.action == GroupAction.CREATE:
            planned.action = GroupAction.DELETE
        elif one.after:
            planned.action, planned.before, planned.after = GroupAction.UPDATE, one.after, one.before
        if run.directory is not None and planned.action in (GroupAction.KEEP, GroupAction.UPDATE):
            planned.message = OWNED.format(run.directory.name)
        planned.save()
        numbers["planned"] += 1
        numbers["groups_changed"] += planned.action != GroupAction.ERROR
        if planned.action in (GroupAction.KEEP, GroupAction.UPDATE):
            _members(run, one, planned, numbers)
    ImportRun.objects.filter(pk=made.pk).update(
        undoes=run.pk, **{name: F(name) + number for name, number in numbers.items()}
    )


def _members(run: ImportRun, one: PlannedGroup, planned: PlannedGroup, numbers: dict[str, int]) -> None:
    added, removed = 0, 0
    rows = PlannedMember.objects.filter(planned_group=one)
    if one.verdict == Verdict.REFUSED or not (run.approved or one.verdict == Verdict.DONE):
        rows = rows.filter(held=False)  # what was held was never applied
    for page in keyset.pages(rows, PAGE):
        users = _users(run, page)
        children = dict(
            GroupAccount.objects.filter(pk__in=[row.group_account_id or 0 for row in page]).values_list(
                "pk", "group_id"
            )
        )
        inverse: list[dict[str, Any]] = []
        for row in page:
            user_id = row.user_id or users.get(str(row.account_id or row.ref))
            child_id = row.child_id or children.get(row.group_account_id or 0)
            if user_id or child_id:
                who = {"user_id": user_id} if user_id else {"child_id": child_id}
                inverse.append({"planned_group_id": planned.pk, "add": not row.add, **who})
        bulk.insert(PlannedMember, inverse)
        added += sum(bool(row["add"]) for row in inverse)
        removed += sum(not row["add"] for row in inverse)
    PlannedGroup.objects.filter(pk=planned.pk).update(added=added, removed=removed)
    numbers["planned"] += added + removed
    numbers["memberships_added"] += added
    numbers["memberships_removed"] += removed


def _users(run: ImportRun, page: Sequence[PlannedMember]) -> dict[str, int]:
    """Return the users of planned memberships by the id of their account, or by what named them."""
    ids = [row.account_id for row in page if row.account_id]
    refs = [row.ref for row in page if row.ref]
    found = Account.objects.filter(user__isnull=False)
    users = {str(pk): user or 0 for pk, user in found.filter(pk__in=ids).values_list("pk", "user_id")}
    for name in ("remote_id", "place") if refs else ():
        rows = found.filter(directory=run.directory_id or 0, **{f"{name}__in": refs}).values_list(name, "user_id")
        users |= {ref: user or 0 for ref, user in rows if ref}
    return users
