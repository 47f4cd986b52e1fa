"""Why something of a user is as it is, and why something is not: from report lines and the portal's own tables."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from directories.mapping import OUT
from directories.models import AccountsFor, AttributeMapping, Directory, ProvisioningSettings
from provisioning.contracts.derive import contracts_of
from provisioning.contracts.planned import differences, of_stored
from provisioning.groups.effective_members import groups_of
from provisioning.history import lines
from provisioning.imports.users.labels import RULES_GIVE, Labels
from provisioning.models import Account, Change, Group, User
from provisioning.models.accounts import AccountState, LastResult
from provisioning.profile.facts import MEMBER, facts
from provisioning.profile.person import catalogue
from provisioning.rules.difference import named
from provisioning.rules.models import Granted
from provisioning.services import HELD, gives_to, lost_to
from reports.models import Direction, Event

EARLIER = 4  # changes of one attribute that are shown besides the last one
LOOKED_AT = 1000  # of the newest lines of a user
CONTRACT = "Contract "  # what the labels of fields of contracts begin with
NAMED = ("department_name", "location_name", "time_zone")  # fields of contracts that are shown besides their numbers
PORTAL, APPLICATION, UNKNOWN = "In the portal", "SCIM application", "Not known"


@dataclass(slots=True)
class Reason:
    """One thing of a user: its value, where that comes from and how, and the line that tells so, None where none does.

    ``earlier`` are lines about it before that one, newest first. ``note`` says what is not known.
    """

    label: str
    value: Any
    source: str = UNKNOWN
    how: str = ""
    line: Event | None = None
    earlier: list[Event] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why a user has no usable account in a directory, or is not in a group; ``since`` when that is known."""

    what: str
    words: str
    since: dt.datetime | None = None


@dataclass(slots=True)
class Explanation:
    """Everything about one user. ``cut``: there are more lines than were read."""

    attributes: list[Reason] = field(default_factory=list)
    groups: list[Reason] = field(default_factory=list)
    accounts: list[Reason] = field(default_factory=list)
    not_in: list[WhyNot] = field(default_factory=list)
    begins: dt.datetime | None = None
    cut: bool = False


def explain(user: User) -> Explanation:
    """Return why the user is as they are; the number of queries depends on nothing."""
    found = list(lines.of_user(user.pk)[: LOOKED_AT + 1])
    events, answer = found[:LOOKED_AT], Explanation(begins=lines.begins(), cut=len(found) > LOOKED_AT)
    rules, directories = _rules(), list(Directory.objects.select_related("provisioning").order_by("name"))
    values = {label: lines.plain(value) for label, value in facts(user, catalogue()).items()}
    by_label: dict[str, list[Event]] = {}
    for event in events:
        for pair in lines.pairs(event):
            by_label.setdefault(pair.label, []).append(event)
    by_label.pop(MEMBER, None)
    names = {one.name for one in directories}
    given = by_label.pop(RULES_GIVE, [])
    answer.attributes += _given(user, given)
    values |= _of_contracts(user, by_label)
    for label in dict.fromkeys([*values, *by_label]):
        answer.attributes.append(_attribute(label, values.get(label), by_label.get(label, []), rules, names))
    answer.groups = _groups(user, events, names)
    accounts = {one.directory_id: one for one in Account.objects.filter(user=user)}
    parked = {one.account_id: one for one in Change.objects.filter(account__user=user).order_by("pk")}
    lost = {one.directory_id: one for one in lost_to(user)}
    for directory in directories:
        account = accounts.get(directory.pk)
        change = parked.get(account.pk) if account else None
        if account is not None:
            answer.accounts.append(_account(account, directory, events))
        if account is None or account.state != AccountState.ACTIVE or (change and change.parked):
            words = why_no_account(user, directory, account, change, lost.get(directory.pk))
            if account is not None and not account.in_scope:
                words = f"{words} {_taken(directory, given)}".rstrip()
            since = change.parked if change and change.parked else (account.last_synced_at if account else None)
            answer.not_in.append(WhyNot(directory.name, words, since))
    return answer


def why_no_account(
    user: User, directory: Directory, account: Account | None, change: Change | None, lost: Account | None
) -> str:
    """Return in words why the user has no account there that can be used, or why it is not as it should be."""
    name = directory.name
    settings = getattr(directory, "provisioning", None) or ProvisioningSettings(directory=directory)
    if change is not None and change.parked:
        held = "The guard holds this back until somebody decides" if change.parked_code == HELD else ""
        return f"{held or 'A person has to act'}: {change.parked_message}"
    if not directory.enabled:
        return f"{name} is switched off: nothing is sent to it."
    if account is not None and account.early and not user.is_active:
        words = f"A contract begins later. Until then {name} has the account disabled, as far as it can."
        return f"{words} {account.last_message}".rstrip()
    wishes = "" if user.is_active else f"The user is inactive, and {name} gets no accounts of inactive users."
    if user.is_active and not user.provisioned:
        wishes = "“Provision to directories” is switched off for this user."
    limited = settings.accounts_for != AccountsFor.EVERYONE
    if not wishes and limited and not (account.in_scope if account else gives_to(directory.pk, user.pk)):
        wishes = f"{name} does not give everyone an account, and neither a group nor a rule gives this user one."
    if wishes:
        if account is None:
            return wishes
        return f"{wishes} {account.last_message}".rstrip()
    if change is not None:
        unreachable = f" {name} cannot be reached: {directory.last_error}" if directory.unreachable_since else ""
        return f"It is on its way ({change.reason}).{unreachable}"
    if lost is not None:
        on = f" on {lost.deleted_at:%Y-%m-%d}" if lost.deleted_at else ""
        return (
            f"{name} still has the account {lost.remote_id} of {lost.key}, who was deleted from the portal{on}. "
            "If that is the same person, say so on the user page, under Accounts."
        )
    if account is not None and account.last_result == LastResult.WAITING:
        return f"{name} could not be reached: {account.last_message}"
    if not settings.create_users:
        return f"Creating users is switched off for {name}, under Features & schedule."
    if account is not None and account.last_message:
        return account.last_message
    return f"Nothing was sent to {name} for this user yet. Press Sync now on the user page, under Accounts."


def why_not_in_group(user: User, group: Group) -> Reason:
    """Return what the lines tell of a user and one group: three queries."""
    found = list(lines.of_membership(user.pk, group.pk)[: EARLIER + 1])
    belongs = {one.group.pk: one for one in groups_of(user.pk)}.get(group.pk)
    if belongs and belongs.direct:
        value, note = "Member", ""
    elif belongs:
        value, note = "Member", f"Through {', '.join(one.name for one in belongs.through)}."
    else:
        value, note = "Not a member", _who_decides(group) if not found else ""
    reason = Reason(group.name, value, note=note)
    if found:
        names = {group.owner.name} if group.owner else set[str]()
        reason.source, reason.how = _source(found[0], names), found[0].message
        reason.line, reason.earlier = found[0], found[1:]
    return reason


def _who_decides(group: Group) -> str:
    if group.owner:
        return f"No line tells that anybody put them in. {group.owner} decides who is in it, with its imports."
    if group.pushed_by:
        return f"No line tells that anybody put them in. {group.pushed_by} decides who is in it, over SCIM."
    return f"Nobody has put them in. {group.name} is the portal's own: people are added on its page."


def _attribute(
    label: str,
    value: Any,
    events: Sequence[Event],
    rules: Mapping[tuple[str, str], AttributeMapping],
    names: set[str],
) -> Reason:
    reason = Reason(label, value)
    if not events:
        reason.note = "No line of the report tells of it: it is older, or was never changed."
        return reason
    reason.line, reason.earlier = events[0], list(events[1 : EARLIER + 1])
    reason.source = _source(reason.line, names)
    reason.how = _how(reason.line, rules.get((reason.line.application, label)))
    told = lines.after(reason.line, label)
    if not label.startswith(CONTRACT) and told != value and not (lines.comes(reason.line) and told is None):
        reason.note = f"The line says “{told or 'empty'}”: a later change was not recorded, so not known before today."
    return reason


def _given(user: User, events: Sequence[Event]) -> list[Reason]:
    """Return what rules give the user now, by which rule and contract, and the lines that tell of it."""
    rows = Granted.objects.filter(user=user).exclude(entitlement=None).order_by("pk")
    rows = rows.select_related("contract", "entitlement__rule", "entitlement__group", "entitlement__directory")
    now = [named(one.entitlement, one.contract) for one in rows if one.entitlement]
    if not now and not events:
        return []
    reason = Reason(RULES_GIVE, "; ".join(now) or None, source="Rules")
    if events:
        reason.line, reason.earlier, reason.how = events[0], list(events[1 : EARLIER + 1]), events[0].message
    return [reason]


def _taken(directory: Directory, events: Sequence[Event]) -> str:
    """Return the newest line that tells by which rule an account was taken away, "" without one."""
    what = f"account in {directory.name} ("
    for event in events:
        if any(pair.label == RULES_GIVE and what in str(pair.before or "") for pair in lines.pairs(event)):
            return event.message
    return ""


def _of_contracts(user: User, events: Mapping[str, Sequence[Event]]) -> dict[str, Any]:
    """Return what contracts say now of what lines tell, by label; what is kept otherwise is as the newest line says."""
    told = {label: each[0] for label, each in events.items() if label.startswith(CONTRACT)}
    if not told:
        return {}
    now: dict[str, Any] = {}
    for contract, _ in contracts_of([user.pk]).get(user.pk, ()):
        now |= {f"{contract}: {label}": value for label, _, value in differences(None, of_stored(contract, NAMED))}
    return {label: now[label] if label in now else lines.after(event, label) for label, event in told.items()}


def _source(event: Event, names: set[str]) -> str:
    if event.direction == Direction.PORTAL:
        return PORTAL
    if event.application in names or event.run_id is not None:
        return event.application
    return f"{APPLICATION} {event.application}"


def _how(event: Event, rule: AttributeMapping | None) -> str:
    """Return the mapping row that an import goes by, as it is now; lines do not keep the mapping of their time.

    What follows from contracts is a run of the portal's own, whose line names the contract.
    """
    if event.direction == Direction.PORTAL and event.run_id is not None:
        return event.message
    if event.direction != Direction.IN or rule is None:
        return ""
    expression = f", by the expression {rule.expression}" if rule.expression else ""
    return f"Mapping row {rule.directory_attribute}{expression}"


def _rules() -> dict[tuple[str, str], AttributeMapping]:
    """Return the mapping rows into the portal by directory and label."""
    labels = Labels(catalogue())
    rows = AttributeMapping.objects.exclude(direction=OUT).exclude(portal_attribute="").select_related("directory")
    return {(one.directory.name, labels[f"{one.kind}.{one.portal_attribute}"]): one for one in rows}


def _groups(user: User, events: Sequence[Event], names: set[str]) -> list[Reason]:
    told: dict[int, list[Event]] = {}
    for event in events:
        if lines.about_membership(event):
            told.setdefault(event.group_id or 0, []).append(event)
    found = []
    for one in groups_of(user.pk):
        mine = told.get(one.group.pk, [])
        reason = Reason(one.group.name, "Member" if one.direct else f"Through {', '.join(map(str, one.through))}")
        if mine and one.direct:
            reason.line, reason.earlier, reason.how = mine[0], mine[1 : EARLIER + 1], mine[0].message
            reason.source = _source(mine[0], names)
        elif one.direct:
            reason.note = _since_when(one.group)
        found.append(reason)
    return found


def _since_when(group: Group) -> str:
    who = f" {group.owner} decides who is in it." if group.owner else ""
    return f"No line of the report tells since when.{who}"


def _account(account: Account, directory: Directory, events: Sequence[Event]) -> Reason:
    state = AccountState(account.state).label
    mine = [one for one in events if one.account_id == account.pk and one.direction == Direction.OUT]
    linked = [one for one in events if one.account_id == account.pk and one.direction == Direction.IN]
    reason = Reason(directory.name, state, how=account.last_message)
    if told := mine or linked:
        reason.line, reason.earlier, reason.source = told[0], told[1 : EARLIER + 1], directory.name
        reason.how = told[0].message
        reason.source = f"Sent to {directory.name}" if mine else f"Read from {directory.name}"
    else:
        reason.note = "No line of the report tells of it."
    reason.note = f"{reason.note} {_schedule(account)}".strip()
    return reason


def _schedule(account: Account) -> str:
    """Return when the account is deleted, or who decided that it is not; "" when there is nothing to say."""
    if account.delete_at is not None:
        day = timezone.localtime(account.delete_at)
        return f"Is deleted on {day:%Y-%m-%d}, unless they return or somebody cancels that under Scheduled."
    return f"Is not deleted: {account.kept_by} cancelled that." if account.kept_by else ""
