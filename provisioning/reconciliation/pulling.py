"""Taking over what a directory holds: a plan of the portal's own, which the guard looks at and which can be undone.

The directory is read again for it, so that nothing is taken over which it does not hold any more. Staff are never
changed, and what another source decides of a person stays as it is.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from directories.config import DirectoryConfig, load, open_connector
from directories.connectors.base import Connector, ConnectorError, RemoteAccount
from directories.mapping import OUT, Mapper
from provisioning.imports.bitmap import Bitmap
from provisioning.imports.doors.actions import applied
from provisioning.imports.doors.groups import plan_members
from provisioning.imports.doors.people import about
from provisioning.imports.doors.runs import plan, start
from provisioning.imports.doors.upload import values_of
from provisioning.imports.users.authority import Authority
from provisioning.imports.users.identity import another_person
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.plan import MANAGER, USERNAME, Planned, path
from provisioning.imports.users.plan import values_of as mapped_values
from provisioning.imports.users.state import ACTIVE
from provisioning.models import Account, Group, GroupAccount, ImportRun, Membership, User
from provisioning.models.imports import Action, Door
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.profile.person import catalogue
from provisioning.reconciliation import actions
from provisioning.reconciliation.actions import ActionOutcome, FindingsPage
from provisioning.reconciliation.comparing import shown
from provisioning.reconciliation.memberships import accounts_in
from provisioning.reconciliation.models import MEMBERS, Finding, FindingKind
from reports.models import Operation

PULLABLE = (FindingKind.DIFFERENT, FindingKind.DISABLED, FindingKind.ENABLED, *MEMBERS)
AUTOMATIC = (FindingKind.DIFFERENT, FindingKind.DISABLED, FindingKind.LESS)  # a policy gives nobody access
MOST = 5000  # findings of one plan
CHUNK = 500
STAFF = "may sign in to the portal, so nothing of them is taken over from a directory."
NOT_MAPPED = "has nothing that is mapped into the portal. Change that under Mapping."
NOT_SHOWN = "was not shown by the directory just now. Reconcile again."
CHANGED_THERE = "was changed in the directory since it was compared. Reconcile again."
NOT_SAID = "has an account of which the directory does not say whether it can be used, so nobody is activated by it."
STRANGER = "has left, and the account looks like another person's: {}."
NOT_OURS = "is in a group that is not managed in the portal."
PRIVILEGED = "would get into a privileged group. Put them into it on the group's page."
OTHER_WAY = "is in that group through another one, so taking them out of it changes nothing."
TOO_MANY = "These are more than {:,} findings. Choose fewer."


@dataclass(slots=True)
class Pulled(ActionOutcome):
    """What a pull came to; ``run`` is its plan, None where nothing was to be taken over."""

    run: ImportRun | None = None
    words: str = ""


@dataclass(slots=True)
class _There:
    """What the directory holds just now: its rows by lasting id, and the accounts in groups by the groups' ids here."""

    rows: dict[str, RemoteAccount]
    members: dict[int, Bitmap]


@dataclass(slots=True)
class _Wanted:
    """What is to be taken over: people, and who joins or leaves which group."""

    people: dict[int, Planned] = field(default_factory=dict)
    findings: dict[int, list[Finding]] = field(default_factory=dict)  # by user
    groups: dict[tuple[int, bool], list[int]] = field(default_factory=dict)


def pull(findings: QuerySet[Finding], actor: str) -> Pulled:
    """Take over what the directory of these findings holds; a small plan is applied at once."""
    done = Pulled()
    rows = list(findings.filter(actions.open_now()).order_by("pk")[: MOST + 1])
    if not rows:
        return done
    if len(rows) > MOST:
        done.refused[TOO_MANY.format(MOST)] += 1
        return done
    config = load(rows[0].directory_id)
    try:
        with open_connector(config) as connector:
            held = _There(_read(connector, rows), _read_members(config, connector, rows))
            again = findings.filter(actions.open_now(), pk__in=[one.pk for one in rows]).order_by("pk")
            with transaction.atomic():
                page = FindingsPage(list(again.select_for_update(no_key=True)), config, actor, done)
                done.run = _planned(page, connector, held)
    except ConnectorError as error:
        done.refused[error.message] += 1
    if done.run is not None:
        done.words = applied(done.run).words
    return done


def _read(connector: Connector, findings: Sequence[Finding]) -> dict[str, RemoteAccount]:
    """Return the rows of findings as the directory shows them now; raise ConnectorError."""
    pulled = [one for one in findings if one.kind in PULLABLE and one.kind not in MEMBERS]
    refs = sorted({one.remote_id for one in pulled if one.remote_id})
    found: dict[str, RemoteAccount] = {}
    for begin in range(0, len(refs), CHUNK):
        rows = connector.look_up(refs[begin : begin + CHUNK])
        if rows is None:
            break
        found |= {row.ref: row for row in rows}
    else:
        return found
    wanted = set(refs)  # one that cannot look up is read
    for page in connector.accounts(CHUNK):
        found |= {row.ref: row for row in page.accounts if row.ref in wanted}
    return found


def _read_members(config: DirectoryConfig, connector: Connector, findings: Sequence[Finding]) -> dict[int, Bitmap]:
    """Return who is in the groups of findings now; raise ConnectorError."""
    ids = {one.group_account_id for one in findings if one.kind in MEMBERS}
    shown = GroupAccount.objects.filter(pk__in=ids).exclude(remote_id="")
    return accounts_in(config, connector, dict(shown.values_list("remote_id", "pk")) if ids else {})


def _planned(page: FindingsPage, connector: Connector, held: _There) -> ImportRun | None:
    """Plan what is to be taken over, and mark its findings; None when nothing is left."""
    for one in page.findings:
        if one.kind not in PULLABLE:
            page.refuse(one, actions.NOT_THIS, of_it=False)
    wanted = _Wanted()
    _people(page, connector, held.rows, wanted)
    _members(page, held.members, wanted)
    if not page.left:
        return None
    number = len(page.left)
    of_what = f"{number:,} {'finding' if number == 1 else 'findings'} of {page.config.name}"
    run = start(Door.PULL, of_what, page.actor)
    for (group_id, add), ids in wanted.groups.items():
        plan_members(run, Group.objects.get(pk=group_id), ids, add=add)
    run.refresh_from_db()
    people = list(wanted.people.values())
    pages = [people[begin : begin + CHUNK] for begin in range(0, len(people), CHUNK)]
    page.finish("pull", Operation.UPDATE, "took what {name} holds of {key} for the portal.")
    return plan(Door.PULL, run.subject, page.actor, pages, run=run)


def _people(page: FindingsPage, connector: Connector, held: Mapping[str, RemoteAccount], wanted: _Wanted) -> None:
    findings = [one for one in page.of(*PULLABLE) if one.kind not in MEMBERS]
    if not findings:
        return
    reading = _Reading(page.config, connector)
    accounts = actions.accounts_of([one.account_id for one in findings])
    for one in findings:
        account = accounts.get(one.account_id or 0)
        why = reading.why_not(one, account, held.get(one.remote_id))
        if why or account is None or account.user is None:
            page.refuse(one, why or actions.GONE)
            continue
        planned, why = reading.plan_of(one, account.user, held[one.remote_id])
        if planned is None:
            page.refuse(one, why)
            continue
        before = wanted.people.setdefault(account.user.pk, planned)
        before.before |= planned.before
        before.after |= planned.after
        wanted.findings.setdefault(account.user.pk, []).append(one)
    reading.authority.hold_back(wanted.people.values())
    for pk, planned in list(wanted.people.items()):
        if planned.action == Action.LINK:  # another source decides all of it
            del wanted.people[pk]
            for one in wanted.findings[pk]:
                page.refuse(one, f"stays as it is: {planned.message}")


class _Reading:
    """What one directory's rows mean for people of the portal."""

    def __init__(self, config: DirectoryConfig, connector: Connector) -> None:
        known = catalogue()
        inward = [rule for rule in config.rules if rule.direction != OUT and rule.portal_attribute]
        self.mapper, self.labels = Mapper(inward, known), Labels(known)
        self.names = {path(rule.kind, rule.portal_attribute): rule.directory_attribute for rule in inward}
        self.authority = Authority(config.id or 0, self.labels, says=self.names)
        self.reconciler = AccountReconciler(config, known, connector, Owners(config.id or 0, ()))

    def why_not(self, finding: Finding, account: Account | None, remote: RemoteAccount | None) -> str:
        """Return why nothing can be taken over, "" when it can."""
        if account is None or account.user is None:
            return actions.GONE
        if account.user.may_sign_in:
            return STAFF
        try:
            version = self.reconciler.situation(account)[0].digest
        except ConnectorError as error:
            return error.message
        if version != finding.version:
            return actions.STALE
        if remote is None or remote.problem:
            return NOT_SHOWN
        if finding.kind in (FindingKind.ENABLED, FindingKind.DISABLED) and finding.usable is None:
            return NOT_SAID
        if finding.kind != FindingKind.DIFFERENT and remote.enabled not in (None, finding.usable):
            return CHANGED_THERE
        there = {name.casefold(): value for name, value in remote.attributes.items()}
        for name, (_, value) in finding.values.items():
            if name.casefold() in there and shown(there[name.casefold()]) != value:
                return CHANGED_THERE
        return ""

    def plan_of(self, finding: Finding, user: User, remote: RemoteAccount) -> tuple[Planned | None, str]:
        """Return the change that takes over what the finding is about, or why there is none."""
        inbound = self.mapper.inbound(remote.attributes)
        if problems := [*inbound.problems, *filter(None, [self.mapper.missing(inbound.values)])]:
            return None, f"cannot be taken over: {' '.join(problems)}"
        told, has = mapped_values(inbound.values), values_of(user)
        about_it = {name.casefold() for name in finding.values}
        after = {
            name: value
            for name, value in told.items()
            if name not in (USERNAME, ACTIVE)
            and value != has.get(name)
            and not (name == MANAGER and str(value).casefold() == str(has.get(name)).casefold())
            and {self.names[name].casefold(), self.labels[name].casefold()} & about_it
        }
        if finding.kind == FindingKind.DISABLED:
            after[ACTIVE] = False
        elif finding.kind == FindingKind.ENABLED:
            after[ACTIVE] = True
            if why := another_person(has, told):
                return None, STRANGER.format(why)
        if not after:
            return None, NOT_MAPPED
        before = {name: has.get(name) for name in after}
        return about(user, Action.UPDATE, before=before, after=after), ""


def _members(page: FindingsPage, there: Mapping[int, Bitmap], wanted: _Wanted) -> None:
    findings = page.of(*MEMBERS)
    if not findings:
        return
    held = GroupAccount.objects.filter(pk__in={one.group_account_id for one in findings}, group__isnull=False)
    groups = {one.pk: one.group for one in held.select_related("group")}
    accounts = actions.accounts_of([one.account_id for one in findings])
    direct = _direct(groups.values(), accounts.values())
    for one in findings:
        group_account = one.group_account_id or 0
        group, account = groups.get(group_account), accounts.get(one.account_id or 0)
        joins = one.kind == FindingKind.MORE
        if group is None or account is None or account.user is None:
            page.refuse(one, actions.GONE)
        elif not group.is_ours:
            page.refuse(one, NOT_OURS)
        elif account.user.may_sign_in:
            page.refuse(one, STAFF)
        elif joins and group.privileged:
            page.refuse(one, PRIVILEGED)
        elif not joins and (group.pk, account.user.pk) not in direct:
            page.refuse(one, OTHER_WAY)
        elif group_account not in there:
            page.refuse(one, NOT_SHOWN)
        elif (account.pk in there[group_account]) != joins:
            page.refuse(one, CHANGED_THERE)
        else:
            wanted.groups.setdefault((group.pk, joins), []).append(account.user.pk)


def _direct(groups: Iterable[Group | None], accounts: Collection[Account]) -> set[tuple[int, int]]:
    """Return who of them is in which of the groups directly."""
    ids = {group.pk for group in groups if group is not None}
    users = {account.user_id for account in accounts if account.user_id}
    rows: Any = Membership.objects.filter(group__in=ids, user__in=users).values_list("group_id", "user_id")
    return set(rows)
