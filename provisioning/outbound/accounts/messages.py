"""The sentences of outbound report lines."""

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.utils import timezone

from directories.attributes import Kind, PortalAttribute, Value
from directories.mapping import AttributeRule
from provisioning.models import Account
from provisioning.models.outbox import AccountState
from provisioning.outbound.accounts.plan import Plan, Situation, Step, policy
from reports.journal import Line
from reports.models import Direction, Operation, Result

OPERATIONS = {
    Step.LINK: Operation.LINK,
    Step.CREATE: Operation.CREATE,
    Step.ENABLE: Operation.ENABLE,
    Step.UPDATE: Operation.UPDATE,
    Step.DISABLE: Operation.DISABLE,
    Step.DELETE: Operation.DELETE,
}
_VERBS = {
    Operation.LINK: "linked with",
    Operation.CREATE: "created in",
    Operation.ENABLE: "enabled in",
    Operation.UPDATE: "updated in",
    Operation.DISABLE: "disabled in",
    Operation.DELETE: "deleted from",
}
SAME_PERSON = "If it is the same person, press “It is the same person” on their page, under Accounts."
ANOTHER = "Set another password for {key}."


def labels(rules: Iterable[AttributeRule], catalogue: Mapping[tuple[Kind, str], PortalAttribute]) -> dict[str, str]:
    """Return what people call each directory attribute: the portal attribute that it stands for."""
    found: dict[str, str] = {}
    for rule in rules:
        attribute = catalogue.get((rule.kind, rule.portal_attribute))
        if attribute and not rule.expression:
            found.setdefault(rule.directory_attribute.casefold(), _lower_first(attribute.label))
    for (_, name), attribute in catalogue.items():  # update queries may name them
        found.setdefault(name.casefold(), _lower_first(attribute.label))
    return found


def done(step: Step, key: str, directory: str, plan: Plan, names: Mapping[str, str], *, gone: bool) -> str:
    """Return the sentence for a step that succeeded; ``gone``: the directory did not have the account any more."""
    match step:
        case Step.LINK:
            return f"Linked {key}: {directory} had this account already."
        case Step.CREATE if plan.state == AccountState.DISABLED and Step.CREATE in plan.steps:
            return f"Created {key} in {directory}, disabled until the first day."
        case Step.CREATE:
            return f"Created {key} in {directory}."
        case Step.ENABLE:
            return f"Enabled {key} in {directory}."
        case Step.UPDATE:
            what = ", ".join(names.get(name.casefold(), name) for name in plan.changes)
            return f"Updated {key} in {directory}: {what}." if what else f"Updated {key} in {directory}."
        case Step.DISABLE if gone:
            return f"There is no account of {key} in {directory} any more, so nothing is left to disable."
        case Step.DISABLE:
            return f"Disabled {key} in {directory}."
        case Step.DELETE if gone:
            return f"Deleted {key} from {directory}: the account was gone already."
    return f"Deleted {key} from {directory}."


def ignored(key: str, directory: str, attributes: Iterable[str], names: Mapping[str, str]) -> str:
    """Return the sentence about attributes that a directory took without a word and does not hold."""
    what = ", ".join(names.get(name.casefold(), name) for name in attributes)
    return f"{directory} accepted this for {key} and did not apply it: {what}."


def late(words: str) -> str:
    """Return the sentence for a step whose answer was lost, given what is said of one that was answered."""
    return f"{words} The answer was lost, and a later look found it done."


def linked_after_all(key: str, directory: str) -> str:
    """Return the sentence for an account that is there, and that a worker was at when it died."""
    return f"Linked {key}: {directory} has this account. A worker stopped before it could say whether it made it."


def left_open(key: str, directory: str, reason: str) -> str:
    """Return the sentence for a leaver's account that nothing closes, and why."""
    return f"{key} has left and still has an account in {directory}. {reason}"


def meant(now: Situation) -> Operation:
    """Return what a failed line calls the work: the step is not known before the directory was asked."""
    if not now.leaving:
        return Operation.UPDATE if now.state in (AccountState.ACTIVE, AccountState.DISABLED) else Operation.CREATE
    return Operation.DELETE if policy(now) == "delete" else Operation.DISABLE


def scheduled(key: str, directory: str, at: dt.datetime) -> str:
    """Return the sentence for an account that is disabled and will be deleted."""
    return f"{key} will be deleted from {directory} on {timezone.localtime(at):%Y-%m-%d}, unless they return."


def failed(key: str, directory: str, operation: Operation, message: str) -> str:
    """Return the sentence for a change that parks: what was meant, why it failed and what to do."""
    return f"{key} was not {_VERBS[operation]} {directory}: {message}"


def namesake_first(key: str, directory: str) -> str:
    """Return why an account is not made yet."""
    return f"The account {key} in {directory} of somebody who was deleted from the portal goes first."


def decided_anew(key: str) -> str:
    """Return why an account is not deleted just now."""
    return f"Something else was decided about {key} meanwhile, so nothing was deleted. It is looked at again."


def deleted_namesake(ref: str, directory: str) -> str:
    """Return why an account is not made: the directory keeps that of somebody else of that name."""
    return (
        f"{directory} still has the account {ref} of somebody who was deleted from the portal. Delete or rename it "
        f"there, and then retry. {SAME_PERSON}"
    )


def given_back(who: str, ref: str, directory: str, actor: str) -> str:
    """Return the sentence for an account of somebody deleted that a person gave to a user of the same name."""
    return (
        f"{actor} said that {who} is the deleted person of that name, and gave back the account {ref} in {directory}."
    )


def unseen(key: str, directory: str, hint: str) -> str:
    """Return why an account that the directory took cannot be looked after: its look-up does not find it."""
    return (
        f"{directory} took the account, and its own look-up does not find it by the name {key}. {hint} "
        "Then press Retry."
    )


def another(key: str, directory: str, hint: str) -> str:
    """Return why an account that a look-up gave is not taken: it has the name ``key``, which was not asked for."""
    return f"{directory} answered with the account of {key}. {hint}"


def still_there(directory: str, hint: str) -> str:
    """Return why a deletion is not believed."""
    return f"{directory} still has the account after deleting it. {hint}"


def still_enabled(directory: str) -> str:
    """Return why a disabled account is not believed to be."""
    return (
        f"{directory} still shows the account as enabled after disabling it. Look at what it does to disable an "
        "account, then press Retry."
    )


def password_set(key: str, directory: str) -> str:
    """Return the sentence for a password that the directory took."""
    return f"The password of {key} was set in {directory}."


def password_failed(key: str, directory: str, message: str) -> str:
    """Return the sentence for one that it did not take."""
    return f"The password of {key} was not set in {directory}: {message}"


def waiting(key: str, message: str) -> str:
    """Return the sentence for a change that begins to wait."""
    return f"The change of {key} waits. {message}"


def line(
    account: Account,
    directory: str,
    operation: Operation,
    result: Result,
    message: str,
    *,
    changes: Mapping[str, tuple[Value, Value]] | None = None,
    actor: str = "",
) -> Line:
    """Return an outbound report line about the account."""
    return Line(
        identifier=account.key,
        application=directory,
        direction=Direction.OUT,
        operation=operation,
        result=result,
        message=message,
        changes={name: (plain(old), plain(new)) for name, (old, new) in (changes or {}).items()},
        actor=actor,
        user_id=account.user_id,
        account_id=account.pk,
    )


def plain(value: Value) -> Any:
    """Return the value as JSON holds it."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _lower_first(label: str) -> str:
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]
