"""Which rights on people and groups somebody needs who applies a plan of the portal's own, or takes a run back.

An import applies what its source says, by the right to import; other doors do what a person could do on the pages of
users and groups, and ask for the rights of those.
"""

from provisioning.models import ImportRun, PlannedGroup
from provisioning.models.imports import Action, Door, GroupAction

ADD, CHANGE, DELETE = "provisioning.add_user", "provisioning.change_user", "provisioning.delete_user"
CHANGE_DEPARTMENTS, DELETE_DEPARTMENTS = "contracts.change_department", "contracts.delete_department"
RESTORE = ("recycle.change_deleteduser", ADD)
CHANGE_GROUPS, DELETE_GROUPS = "provisioning.change_group", "provisioning.delete_group"


def to_apply(run: ImportRun) -> set[str]:
    """Return the rights that approving a plan asks for."""
    rights = {DELETE} if run.deleted else set()
    if run.door == Door.IMPORT:
        return rights
    if run.created:
        rights.add(ADD)
    if run.updated or run.deactivated or _merges(run):
        rights.add(CHANGE)
    if run.restored:
        rights.update(RESTORE)
    if run.departments_changed:
        rights |= {CHANGE_DEPARTMENTS, DELETE_DEPARTMENTS}
    return rights | _on_groups(run, GroupAction.DELETE)


def to_undo(run: ImportRun, *, delete_created: bool = False) -> set[str]:
    """Return the rights that taking a run back asks for: those of the inverse."""
    rights = {DELETE} if run.restored or (run.created and delete_created) else set()
    if run.created or run.updated or run.deactivated or _merges(run):
        rights.add(CHANGE)
    if run.deleted:
        rights.update(RESTORE)
    if run.departments_changed:
        rights |= {CHANGE_DEPARTMENTS, DELETE_DEPARTMENTS}
    return rights | _on_groups(run, GroupAction.CREATE)


def _merges(run: ImportRun) -> bool:
    """Return whether a run merges people, which changes who stays as well."""
    return any(action == Action.MERGE for action, *_ in run.facets.get("kinds", []))


def _on_groups(run: ImportRun, removing: GroupAction) -> set[str]:
    """Return the rights on groups; ``removing`` is the planned action that removes one."""
    if not (run.groups_changed or run.memberships_added or run.memberships_removed):
        return set()
    removes = PlannedGroup.objects.filter(run=run, action=removing).exists()
    return {CHANGE_GROUPS, DELETE_GROUPS} if removes else {CHANGE_GROUPS}
