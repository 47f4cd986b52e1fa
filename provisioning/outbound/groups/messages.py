"""The sentences of report lines about groups in directories."""

from provisioning.models import Account
from provisioning.outbound.accounts.plan import Step
from reports.journal import Line
from reports.models import Direction, Operation, Result

OPERATIONS = {
    Step.LINK: Operation.LINK,
    Step.CREATE: Operation.CREATE,
    Step.UPDATE: Operation.UPDATE,
    Step.DELETE: Operation.DELETE,
}
_VERBS = {
    Step.LINK: "linked with",
    Step.CREATE: "created in",
    Step.UPDATE: "changed in",
    Step.DELETE: "deleted from",
}


def done(step: Step, name: str, before: str, directory: str) -> str:
    """Return the sentence for a step that succeeded; ``before`` is what the group was called in the directory."""
    match step:
        case Step.LINK:
            return f"Linked the group {name}: {directory} had this group already."
        case Step.CREATE:
            return f"Created the group {name} in {directory}."
        case Step.DELETE:
            return f"Deleted the group {name} from {directory}."
    if name != before:
        return f"Renamed the group {before} to {name} in {directory}."
    return f"Changed the description of the group {name} in {directory}."


def stays(name: str, directory: str) -> str:
    """Return the sentence for a group that is deleted in the portal and not in the directory."""
    return f"The group {name} stays in {directory}, where deleting groups is switched off. Imports leave it alone."


def namesake_first(name: str, directory: str) -> str:
    """Return why a group is not made yet."""
    return f"The group {name} in {directory} of a group that was deleted from the portal goes first."


def deleted_namesake(name: str, directory: str, *, pushed: bool) -> str:
    """Return why a group is not made: the directory keeps that of a group that was deleted from the portal.

    ``pushed``: the portal had put it there, so that it can be taken over.
    """
    same = " If it is the same group, press Take over on the group's page." if pushed else ""
    return (
        f"{directory} still has the group {name} of a group that was deleted from the portal. Delete or rename it "
        f"there, and then press Retry.{same}"
    )


def adopted(name: str, directory: str) -> str:
    """Return the sentence for a directory's group that somebody gave to another group of the portal."""
    return f"The group {name} took over the group of {directory} that a deleted group of that name had left there."


def failed(step: Step, name: str, directory: str, message: str) -> str:
    """Return the sentence for a group that parks."""
    return f"The group {name} was not {_VERBS[step]} {directory}: {message}"


def waiting(name: str, message: str) -> str:
    """Return the sentence for a group that begins to wait."""
    return f"The changes of the group {name} wait. {message}"


def line(name: str, directory: str, operation: Operation, result: Result, message: str, *, actor: str) -> Line:
    """Return a report line about the group itself."""
    return Line(
        identifier=name,
        application=directory,
        direction=Direction.OUT,
        operation=operation,
        result=result,
        message=message,
        actor=actor,
    )


def member(account: Account, group: str, directory: str, actor: str, *, added: bool, refused: str = "") -> Line:
    """Return the report line about one member; ``refused`` says why the directory did not do it."""
    verb = "added to" if added else "removed from"
    message = f"{account.key} was {'not ' if refused else ''}{verb} {group} in {directory}"
    return Line(
        identifier=account.key,
        application=directory,
        direction=Direction.OUT,
        operation=Operation.UPDATE,
        result=Result.FAILED if refused else Result.SUCCESS,
        message=f"{message}: {refused}" if refused else f"{message}.",
        actor=actor,
        user_id=account.user_id,
        account_id=account.pk,
    )
