"""Pure: the kinds of events, and which of them a line of the report is."""

from collections.abc import Mapping
from typing import Any

from provisioning.profile.facts import ACTIVE, MEMBER
from reports.models import Direction, Operation, Result

TEST = "test"
FAMILIES: Mapping[str, str] = {
    "user": "Users",
    "group": "Groups",
    "membership": "Memberships",
    "account": "Accounts in directories",
    "import": "Imports",
    "guard": "Guards and notices",
}
KINDS: Mapping[str, str] = {
    "user.created": "A user was added",
    "user.updated": "A user was changed",
    "user.activated": "A user was activated",
    "user.deactivated": "A user was deactivated",
    "user.deleted": "A user was deleted",
    "group.created": "A group was added",
    "group.updated": "A group was changed",
    "group.deleted": "A group was deleted",
    "membership.added": "Somebody joined a group",
    "membership.removed": "Somebody left a group",
    "account.created": "An account was created in a directory",
    "account.updated": "An account was changed in a directory",
    "account.enabled": "An account was enabled in a directory",
    "account.disabled": "An account was disabled in a directory",
    "account.deleted": "An account was deleted in a directory",
    "account.failed": "A directory refused a change of an account",
    "import.finished": "An import has ended",
    "import.failed": "An import failed",
    "guard.waiting": "A guard or a fault needs somebody",
    "guard.cleared": "What needed somebody is over",
}
# What can be told as a SCIM event of RFC 9967: its events are of SCIM resources.
OF_SCIM = ("user", "group", "membership")

_USERS = {
    Operation.CREATE: "created",
    Operation.UPDATE: "updated",
    Operation.LINK: "updated",
    Operation.ENABLE: "activated",
    Operation.DISABLE: "deactivated",
    Operation.DELETE: "deleted",
}
_GROUPS = {Operation.CREATE: "created", Operation.UPDATE: "updated", Operation.DELETE: "deleted"}
_ACCOUNTS = {
    Operation.CREATE: "created",
    Operation.UPDATE: "updated",
    Operation.ENABLE: "enabled",
    Operation.DISABLE: "disabled",
    Operation.DELETE: "deleted",
}
_IMPORTS = {
    Result.SUCCESS: "finished",
    Result.PARTLY: "finished",
    Result.FAILED: "failed",
}


def family(kind: str) -> str:
    """Return the family of a kind."""
    return kind.partition(".")[0]


def told_by(row: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the kinds of events that a row of the report is, each with its changes, in the order of telling.

    Somebody who was changed and (de)activated at once was changed, and then (de)activated: receivers may have asked
    for one of the two alone.
    """
    kind, changes = kind_of(row), row["changes"]
    if kind not in ("user.activated", "user.deactivated"):
        return [(kind, changes)] if kind else []
    switched = {label: pair for label, pair in changes.items() if label == ACTIVE}
    others = {label: pair for label, pair in changes.items() if label != ACTIVE}
    return [*([("user.updated", others)] if others else []), (kind, switched)]


def kind_of(row: Mapping[str, Any]) -> str:
    """Return the kind of event that a row of the report is, "" for none: sign-ins, settings, tries and skipped rows."""
    operation, result = row["operation"], row["result"]
    if operation == Operation.IMPORT:
        ending = _IMPORTS.get(result) if row["run_id"] and not row["identifier"] else None  # a run's own line
        return f"import.{ending}" if ending else ""
    if row["direction"] == Direction.OUT:
        return _of_account(row) if row["account_id"] and not row["group_id"] else ""
    if result != Result.SUCCESS:
        return ""
    if row["group_id"]:
        return _of_membership(row) if row["user_id"] else _named("group", _GROUPS.get(operation))
    return _of_user(row) if row["user_id"] else ""


def _of_account(row: Mapping[str, Any]) -> str:
    if row["result"] == Result.FAILED:
        return "account.failed"
    return _named("account", _ACCOUNTS.get(row["operation"])) if row["result"] == Result.SUCCESS else ""


def _of_membership(row: Mapping[str, Any]) -> str:
    before, after = row["changes"].get(MEMBER, (None, None))
    if before == after:
        return ""
    return "membership.added" if after is not None else "membership.removed"


def _of_user(row: Mapping[str, Any]) -> str:
    changes = row["changes"]
    if row["operation"] == Operation.LINK and not changes:
        return ""
    if row["operation"] in (Operation.UPDATE, Operation.LINK) and ACTIVE in changes:
        return "user.activated" if changes[ACTIVE][1] in (True, "yes", "true", "True") else "user.deactivated"
    return _named("user", _USERS.get(row["operation"]))


def _named(family: str, ending: str | None) -> str:
    return f"{family}.{ending}" if ending else ""
