"""What an import tells the provisioning report of groups: a line for each group, and for each membership."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from provisioning.identities.membership import membership_changes
from provisioning.imports.groups.plan import DESCRIPTION, NAME
from provisioning.imports.runs import caused_by
from provisioning.models import Group, ImportRun, PlannedGroup, User
from provisioning.models.imports import GroupAction
from provisioning.profile.facts import CHILDREN
from reports.journal import Line
from reports.models import Direction, Operation, Result

LABELS = {NAME: "Name", DESCRIPTION: "Description"}
OPERATIONS = {
    GroupAction.CREATE: Operation.CREATE,
    GroupAction.UPDATE: Operation.UPDATE,
    GroupAction.DELETE: Operation.DELETE,
    GroupAction.ERROR: Operation.IMPORT,
}


class GroupLines:
    """Words for the groups of one run."""

    def __init__(self, directory: str, run: ImportRun) -> None:
        self.directory, self.run, self.caused_by = directory, run, caused_by(run)

    def of_groups(self, groups: Sequence[PlannedGroup]) -> Iterator[Line]:
        """Yield a line for each group that came, changed, went or could not be used."""
        for one in groups:
            result = Result.FAILED if one.action == GroupAction.ERROR else Result.SUCCESS
            changes = {LABELS[name]: (one.before.get(name), value) for name, value in one.after.items()}
            operation = OPERATIONS[GroupAction(one.action)]
            if one.action == GroupAction.DELETE:
                changes = {LABELS[NAME]: (one.name, None)}
            words = self._message(one)
            yield self._line(one.name, operation, words, result=result, changes=changes, group_id=one.group_id)

    def of_members(self, pairs: Collection[tuple[int, int]], verb: str) -> Iterator[Line]:
        """Yield a line for each user who was added to a group or removed from it."""
        if not pairs:
            return
        names = _names({group for group, _ in pairs})
        fields = ("username", "display_name", "first_name", "last_name")
        users = User.objects.filter(pk__in={user for _, user in pairs}).only(*fields).in_bulk()
        for group, user_id in pairs:
            if user := users.get(user_id):
                message = f"{user} was {verb} the group {names.get(group, '')} from {self.directory}."
                changes = membership_changes(names.get(group, ""), verb)
                yield self._line(
                    user.username, Operation.UPDATE, message, user_id=user_id, group_id=group, changes=changes
                )

    def of_children(self, pairs: Collection[tuple[int, int]], verb: str) -> Iterator[Line]:
        """Yield a line for each group that was added to another or removed from it."""
        names = _names({pk for pair in pairs for pk in pair}) if pairs else {}
        for parent, child in pairs:
            inner, outer = names.get(child, ""), names.get(parent, "")
            message = f"The group {inner} was {verb} the group {outer} from {self.directory}."
            changes = membership_changes(inner, verb, CHILDREN)
            yield self._line(inner, Operation.UPDATE, message, group_id=parent, changes=changes)

    def _message(self, one: PlannedGroup) -> str:
        name, where = one.name or "without a name", self.directory
        match one.action:
            case GroupAction.CREATE:
                return f"The group {name} was created from {where}."
            case GroupAction.DELETE:
                return (
                    f"The group {name} was removed, because {where} no longer has it. It had {_members(one.removed)}."
                )
            case GroupAction.ERROR:
                return f"The group {name} was not imported from {where}: {one.message}"
        if NAME in one.after:
            return f"The group {name} was renamed to {one.after[NAME]} from {where}."
        return f"The description of the group {name} was changed from {where}."

    def _line(self, identifier: str, operation: Operation, message: str, **more: Any) -> Line:
        result = more.pop("result", Result.SUCCESS)
        return Line(
            identifier=identifier,
            application=self.directory,
            direction=Direction.IN,
            operation=operation,
            result=result,
            message=message,
            actor=self.caused_by,
            run_id=self.run.pk,
            **more,
        )


def _names(ids: Collection[int]) -> dict[int, str]:
    return dict(Group.objects.filter(pk__in=ids).order_by().values_list("pk", "name"))


def _members(number: int) -> str:
    return "1 member" if number == 1 else f"{number:,} members"
