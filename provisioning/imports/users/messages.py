"""What an import tells the provisioning report, a line for each person that it changed or could not change."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provisioning.imports.runs import caused_by
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.plan import LEAVE, LINK, Planned
from provisioning.imports.users.state import ACTIVE
from provisioning.imports.users.writing import Written
from provisioning.models import ImportRun
from provisioning.models.imports import Action
from provisioning.profile.person import catalogue
from reports.journal import Line
from reports.models import Direction, Operation, Result

_RESULTS: Mapping[str, Result] = {Action.ERROR: Result.FAILED, Action.BLOCK: Result.SKIPPED}
IN, SUCCESS = Direction.IN, Result.SUCCESS  # Python 3.11 takes long to look up a member


class Lines:
    """Words for the changes of one run."""

    def __init__(self, directory: str, run: ImportRun) -> None:
        self.directory = directory
        self.run_id = run.pk
        self.caused_by = caused_by(run)
        self.labels = Labels(catalogue())

    def of(self, changes: Sequence[Planned], written: Written) -> Iterator[Line]:
        """Yield the lines of one page. A row that was only noted again is not worth one, unless there is a warning."""
        for change in changes:
            action, message = written.outcome(change)
            noted = action == LINK and change.id not in written.linked
            if action == LEAVE or (noted and not message):
                continue
            operation, words = self._words(change, action, message)
            user_id, account_id = written.people.get(change.id, (change.user_id, change.account_id))
            yield Line(
                identifier=change.key,
                application=self.directory,
                direction=IN,
                operation=operation,
                result=_RESULTS.get(action, SUCCESS),
                message=words,
                changes={} if action in _RESULTS else self._changes(change),
                actor=self.caused_by,
                user_id=user_id,
                account_id=account_id,
                run_id=self.run_id,
            )

    def _words(self, change: Planned, action: str, message: str) -> tuple[Operation, str]:
        who, where = change.key or "A row without a user name", self.directory
        match action:
            case Action.CREATE:
                operation, words = Operation.CREATE, f"{who} was created from {where}."
            case Action.DEACTIVATE:
                return Operation.DISABLE, f"{who} was deactivated, because {where} no longer has this account."
            case Action.LINK if message:
                operation, words = Operation.LINK, f"Nothing of {who} was changed from {where}."
            case Action.LINK:
                return Operation.LINK, f"{who} was linked to the account in {where}; nothing differed."
            case Action.ERROR:
                return Operation.IMPORT, f"{who} was not imported from {where}: {message}"
            case Action.BLOCK:
                return Operation.IMPORT, f"{who} is blocked in {where}, so nothing was done: {message}"
            case _ if ACTIVE in change.after:
                word = "activated" if change.after[ACTIVE] else "deactivated"
                operation = Operation.ENABLE if change.after[ACTIVE] else Operation.DISABLE
                words = f"{who} was {word} from {where}{self._named(change)}."
            case _:
                operation, words = Operation.UPDATE, f"{who} was updated from {where}{self._named(change)}."
        return operation, f"{words} {message}".rstrip()

    def _named(self, change: Planned) -> str:
        names = [self.labels[path] for path in change.after]
        return f": {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}"

    def _changes(self, change: Planned) -> dict[str, tuple[Any, Any]]:
        found = self.labels.differences(change.before, change.after)
        return {label: (held, wanted) for label, held, wanted in found}
