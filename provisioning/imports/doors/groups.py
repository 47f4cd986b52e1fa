"""The groups of a run of the portal's own: planned as groups of the portal with members of the portal."""

from collections.abc import Sequence
from typing import Any

from django.db.models import F
from django.utils import timezone

from config.database import bulk
from provisioning.identities import groups, membership
from provisioning.imports.decisions import groups_to_apply
from provisioning.imports.doors.runs import record_losses
from provisioning.imports.groups.plan import DESCRIPTION, NAME
from provisioning.imports.runs import Lease, caused_by
from provisioning.models import Group, ImportRun, Membership, PlannedGroup, PlannedMember
from provisioning.models.imports import GroupAction
from provisioning.models.people import fold

MEMBERS = 2000
DELETED = "The group was deleted since the plan was made."
CHANGED = "The group was changed since the plan was made, so it was left as it is."
TAKEN = "Another group is called {} by now."


def plan_members(run: ImportRun, group: Group, user_ids: Sequence[int], *, add: bool) -> None:
    """Plan that users join or leave one group of the portal, and count it in the run's row.

    Whoever is in it, or out of it, already is left out: an undo of the run would take them out, or put them in.
    """
    members = set(Membership.objects.filter(group=group, user__in=user_ids).values_list("user_id", flat=True))
    changing = [pk for pk in user_ids if (pk in members) != add]
    if not changing:
        return
    counted = {"added" if add else "removed": len(changing)}
    planned = PlannedGroup.objects.create(
        run=run, action=GroupAction.KEEP, name=group.name, group_id=group.pk, **counted
    )
    rows: list[dict[str, Any]] = [{"planned_group_id": planned.pk, "add": add, "user_id": pk} for pk in changing]
    bulk.insert(PlannedMember, rows)
    gains = {f"memberships_{name}": F(f"memberships_{name}") + number for name, number in counted.items()}
    ImportRun.objects.filter(pk=run.pk).update(
        groups_changed=F("groups_changed") + 1, planned=F("planned") + 1 + len(changing), **gains
    )


class PortalGroupApplier:
    """Applies the planned groups of one run under its lease; a crash resumes at the first group or page not applied."""

    def __init__(self, run: ImportRun, lease: Lease) -> None:
        self.run, self.lease, self.actor = run, lease, caused_by(run)

    def run_all(self) -> None:
        """Apply every group that is not applied yet."""
        last = 0
        while one := groups_to_apply(self.run).filter(pk__gt=last).order_by("pk").first():
            last = one.pk
            self._one(one)

    def _one(self, one: PlannedGroup) -> None:
        group = Group.objects.filter(pk=one.group_id or 0).first()
        problem = "" if one.action == GroupAction.ERROR else DELETED if group is None else self._problem(one, group)
        if problem:
            one.action, one.message = GroupAction.ERROR, problem
        elif group is not None and one.action != GroupAction.ERROR:
            self._members(one, group)
        with self.lease.page() as gains:
            if group is not None and not problem and one.action != GroupAction.ERROR:
                self._change(one, group)
            if problem:
                gains["errors"] = 1
            gains["applied"] = 1
            one.applied_at = timezone.now()
            one.save(update_fields=["action", "message", "applied_at"])

    def _problem(self, one: PlannedGroup, group: Group) -> str:
        if any(getattr(group, name) not in (one.before.get(name), value) for name, value in one.after.items()):
            return CHANGED
        name = one.after.get(NAME)
        if name and Group.objects.filter(name_key=fold(name)).exclude(pk=group.pk).exists():
            return TAKEN.format(name)
        return ""

    def _change(self, one: PlannedGroup, group: Group) -> None:
        if one.action == GroupAction.DELETE:
            groups.delete([group.pk], self.actor, cleared=True)
        elif one.after:
            group.name = one.after.get(NAME, group.name)
            group.description = one.after.get(DESCRIPTION, group.description)
            groups.save(group, self.actor)

    def _members(self, one: PlannedGroup, group: Group) -> None:
        """Write the members in pages; a cursor says how far that has come."""
        rows = PlannedMember.objects.filter(planned_group=one).order_by("pk")
        while page := list(rows.filter(pk__gt=one.row.get("cursor", 0))[:MEMBERS]):
            with self.lease.page() as gains:
                membership.add(group, [row.user_id for row in page if row.add and row.user_id], self.actor)
                leaving = [row.user_id for row in page if not row.add and row.user_id]
                membership.remove(group, leaving, self.actor, cleared=True)
                record_losses(self.run, memberships=sum(not row.add for row in page))
                for row in page:
                    self._nested(group, row)
                one.row = {**one.row, "cursor": page[-1].pk}
                one.save(update_fields=["row"])
                gains["applied"] = len(page)

    def _nested(self, group: Group, row: PlannedMember) -> None:
        child = Group.objects.filter(pk=row.child_id).first() if row.child_id else None
        if child is not None and child.pk != group.pk:
            (membership.add_child if row.add else membership.remove_child)(group, child, self.actor)
