"""Bulk actions on people: each is a plan, which the guard sees and which can be undone; a small one is applied now."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from provisioning.guard.limits import how_many
from provisioning.imports import engine
from provisioning.imports.doors import people
from provisioning.imports.doors.runs import AT_ONCE, plan
from provisioning.imports.users.plan import Planned
from provisioning.models import ImportRun
from provisioning.models.imports import Action, Door, RunStatus
from provisioning.recycle.models import DeletedUser


@dataclass(frozen=True, slots=True)
class AppliedNow:
    """What became of a bulk action: its run, and whether it is applied, waits for approval, or is worked on."""

    run: ImportRun

    @property
    def waits(self) -> bool:
        """Whether somebody has to approve it."""
        return self.run.status == RunStatus.APPROVAL

    @property
    def words(self) -> str:
        """What to say to whoever asked."""
        if self.waits:
            return f"Nothing was changed yet. {self.run.message}"
        if self.run.status == RunStatus.FINISHED:
            return self.run.message
        return "This is more than is done while you wait. It goes on in the background."


def switch_by_plan(user_ids: Collection[int], active: bool, actor: str) -> AppliedNow:
    """Activate or deactivate users."""
    subject = f"{'Activate' if active else 'Deactivate'} {how_many(len(user_ids), 'user')}"
    return applied(plan(Door.ACTION, subject, actor, people.switching(user_ids, active=active)))


def delete_by_plan(user_ids: Collection[int], actor: str) -> AppliedNow:
    """Delete users, who go into the recycle bin."""
    return applied(plan(Door.ACTION, f"Delete {how_many(len(user_ids), 'user')}", actor, people.deleting(user_ids)))


def restore_by_plan(wanted: Mapping[int, str], actor: str) -> AppliedNow:
    """Restore rows of the recycle bin, each under the name that is given, or under its own where that is blank."""
    rows = DeletedUser.objects.filter(pk__in=wanted).order_by("pk").values_list("pk", "username", "department")
    planned = [
        Planned(
            Action.RESTORE,
            wanted[pk].strip() or name,
            department=department,
            row={"deleted": pk, "name": wanted[pk].strip()},
        )
        for pk, name, department in rows
    ]
    return applied(plan(Door.ACTION, f"Restore {how_many(len(planned), 'user')}", actor, [planned]))


def applied(run: ImportRun) -> AppliedNow:
    """Apply a run that may be, unless it is so large that a worker does."""
    if run.status == RunStatus.APPLYING and run.planned <= AT_ONCE:
        engine.execute(run.pk)
        run.refresh_from_db()
    return AppliedNow(run)
