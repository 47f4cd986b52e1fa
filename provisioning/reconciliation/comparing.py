"""Comparing a directory's accounts with the portal's, a page at a time and a fixed number of queries a page."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import QuerySet

from directories.attributes import Kind, Value
from directories.config import DirectoryConfig
from directories.connectors.base import Connector, ConnectorError, RemoteAccount
from directories.mapping import IN, Mapper
from provisioning.imports.bitmap import Bitmap
from provisioning.imports.users import authority, plan
from provisioning.imports.users.correlate import Correlator
from provisioning.imports.users.crawl import UNDECODABLE
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.plan import ChangedRow
from provisioning.models import Account, Change, User
from provisioning.models.accounts import AccountState
from provisioning.outbound.accounts import scope
from provisioning.outbound.accounts.plan import UserStatus
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.outbound.compare import same
from provisioning.profile.person import catalogue, person_behind
from provisioning.reconciliation.judge import Judged, judge
from provisioning.reconciliation.models import MAX_SUBJECT, FindingKind

SCAN = 20_000
CHUNK = 1000
SHOWN = 3  # people that a message names
LONGEST = 200  # characters of a value that are kept
TWICE = "The directory shows this account more than once."
FindingRow = dict[str, Any]


@dataclass(slots=True)
class Compared:
    """What a page came to: accounts read, in step, on their way, and findings as values of rows."""

    seen: int = 0
    in_step: int = 0
    under_way: int = 0
    findings: list[FindingRow] = field(default_factory=list)


class Comparer:
    """Compares the accounts of one directory. What it saw it remembers as bits, so it stays small.

    ``seen`` are accounts whose row was read, ``spared`` accounts and ``claimed`` users that a row may belong to which
    is no account of theirs yet: none of them is missing. ``unreadable`` are rows of which nobody knows whose they are.
    """

    def __init__(self, config: DirectoryConfig, connector: Connector, begun: dt.datetime) -> None:
        assert config.id is not None
        self.config, self.directory_id, self.connector, self.begun = config, config.id, connector, begun
        known = catalogue()
        self.mapper = Mapper(config.rules, known)
        self.labels = Labels(known)
        self.reconciler = AccountReconciler(config, known, connector, Owners(self.directory_id, ()))
        self.correlator = Correlator(self.directory_id, config.features.match_attributes)
        self.state_names = {
            rule.directory_attribute.casefold()
            for rule in config.rules
            if (rule.kind, rule.portal_attribute) == (Kind.PROFILE, "active") and rule.direction != IN
        }
        self.brought = self._brought()
        self.writes = self.reconciler.situation_of_any(UserStatus.WANTED, AccountState.ACTIVE).writes
        self.seen, self.spared, self.claimed = Bitmap(), Bitmap(), Bitmap()
        self.unreadable = 0

    def _brought(self) -> Mapper | None:
        """Return the mapping of what this directory alone decides of people, None where it decides nothing."""
        if not self.config.features.import_users:
            return None
        above = authority.Authority(self.directory_id, self.labels).above
        decided = frozenset[str]().union(*(one.decides for one in above))
        rules = [
            rule
            for rule in self.config.rules
            if rule.direction == IN
            and rule.portal_attribute not in ("active", "")
            and f"{rule.kind}.{rule.portal_attribute}" not in decided
        ]
        return Mapper(rules, catalogue()) if rules else None

    # --- What the directory shows ------------------------------------------------------------------------------------

    def page(self, rows: Sequence[RemoteAccount]) -> Compared:
        """Compare one page: two queries where all is in step, a few more where something is not."""
        found = Compared(seen=len(rows))
        known = self.correlator.accounts([row.ref for row in rows if plan.storable(row.ref)]) if rows else {}
        held = _accounts([account.id for account in known.values()])
        self.reconciler.read_managers(held.values())
        strangers: list[RemoteAccount] = []
        for row in rows:
            account = held.get(known[row.ref].id) if row.ref in known else None
            if account is not None and not self.seen.add(account.pk):
                found.findings.append(self._finding(FindingKind.SEVERAL, row, Judged(message=TWICE), account))
            elif problem := plan.unusable(row):
                self.unreadable += account is None and (not row.ref or UNDECODABLE in row.ref)
                found.findings.append(self._finding(FindingKind.UNREADABLE, row, Judged(message=problem), account))
                if account is None:
                    self._spare([row.key])
            elif account is None:
                strangers.append(row)
            else:
                self._compare(account, row, found)
        if strangers:
            found.findings += self._strangers(strangers)
        self._leave_out_under_way(found)
        return found

    def _compare(self, account: Account, row: RemoteAccount, found: Compared) -> None:
        try:
            now, entry = self.reconciler.situation(account)
        except ConnectorError as error:
            finding = self._finding(FindingKind.UNREADABLE, row, Judged(message=error.message), account)
            found.findings.append(finding)
            return
        if entry.manager_ref and entry.manager_ref == row.manager_ref:  # the directory may call them something else
            others = {name: value for name, value in now.desired.items() if name not in self.reconciler.names_manager}
            now = replace(now, desired=others)
        judged = judge(now, row, self.state_names)
        if judged.kind is None and self.brought is not None and account.user is not None:
            judged = self._brought_in(account, row, judged)
        if judged.kind is None:
            found.in_step += 1
        else:
            found.findings.append(self._finding(judged.kind, row, judged, account, now.digest))

    def _brought_in(self, account: Account, row: RemoteAccount, judged: Judged) -> Judged:
        """Compare what the directory decides of a person with what the portal has."""
        assert self.brought is not None
        person = person_behind(account)
        values: dict[str, tuple[Value, Value]] = {}
        for (kind, name), value in self.brought.inbound(row.attributes).values.items():
            held = person.get(kind, name)
            if not same(held, value):
                values[self.labels[f"{kind.value}.{name}"]] = (held, value)
        return Judged(FindingKind.DIFFERENT, values, judged.usable) if values else judged

    def _strangers(self, rows: Sequence[RemoteAccount]) -> list[FindingRow]:
        """Return findings for rows that are no account of the portal: whose they may be, if anybody's."""
        changed = [self._read(row) for row in rows]
        people, _ = self.correlator.users_by_match(changed)
        findings = []
        for one in changed:
            users = people.get(one.match, [])
            for user in users:
                self.claimed.add(user.id)
                if user.account is not None:
                    self.spared.add(user.account.id)
            if len(users) > 1:
                names = ", ".join(user.username for user in users[:SHOWN])
                judged = Judged(usable=one.remote.enabled, message=f"Several users match this account: {names}.")
                findings.append(self._finding(FindingKind.SEVERAL, one.remote, judged))
                continue
            words = f"Matches {users[0].username}." if users else "No user matches this account."
            judged = Judged(usable=one.remote.enabled, message=words)
            finding = self._finding(FindingKind.ORPHAN, one.remote, judged)
            if users:
                finding["user_id"] = users[0].id
                finding["account_id"] = users[0].account.id if users[0].account else None
            findings.append(finding)
        return findings

    def _read(self, row: RemoteAccount) -> ChangedRow:
        read = ChangedRow(row, "", None)
        read.values = plan.values_of(self.mapper.inbound(row.attributes).values)
        read.values.setdefault(plan.USERNAME, row.key.strip())
        read.match = self.correlator.match_of(read.values)
        return read

    def _spare(self, names: Iterable[str]) -> None:
        for pk in self.correlator.accounts_named({name.casefold() for name in names if plan.storable(name)} - {""}):
            self.spared.add(pk)

    def _leave_out_under_way(self, found: Compared) -> None:
        """Leave out accounts that a change is on its way to, or that were written since the reading began."""
        ids = {one["account_id"] for one in found.findings if one["account_id"]}
        if not ids:
            return
        waiting = set(Change.objects.filter(account__in=ids, parked=None).values_list("account_id", flat=True))
        kept = [one for one in found.findings if one["account_id"] not in waiting]
        found.under_way += len(found.findings) - len(kept)
        found.findings = kept

    # --- What it does not show ---------------------------------------------------------------------------------------

    def missing(self) -> Iterator[Compared]:
        """Yield who should be there and is not, after a complete reading; nothing while rows cannot be read."""
        if self.unreadable:
            return
        for ids in _pages(self._expected()):
            yield self._missing_accounts([pk for pk in ids if pk not in self.seen and pk not in self.spared])
        if self.config.features.create_users:
            users = scope.without_account(self.directory_id, self.config.features.accounts_for)
            for ids in _pages(users.values_list("pk", flat=True)):
                yield self._missing_users([pk for pk in ids if pk not in self.claimed])

    def _expected(self) -> QuerySet[Any, int]:
        mine = Account.objects.filter(directory=self.directory_id, in_scope=True)
        wanted = mine.filter(user__is_active=True, user__provisioned=True)
        there = [AccountState.ACTIVE, AccountState.DISABLED]
        if self.config.features.create_users:
            there += [AccountState.PENDING, AccountState.ABSENT]
        return wanted.filter(state__in=there).values_list("pk", flat=True)

    def _missing_accounts(self, ids: Sequence[int]) -> Compared:
        """Look the accounts up once more by their lasting ids: an entry that was moved while it was read is there."""
        found = Compared()
        for start in range(0, len(ids), CHUNK):
            held = _accounts(ids[start : start + CHUNK])
            held = {
                pk: one
                for pk, one in held.items()
                if (one.user_id or 0) not in self.claimed
                and not (one.last_synced_at and one.last_synced_at >= self.begun)
            }
            rows = self.connector.look_up([one.remote_id for one in held.values() if one.remote_id]) if held else ()
            back = self.page(list(rows or ()))
            found.seen += back.seen
            found.in_step += back.in_step
            found.under_way += back.under_way
            found.findings += back.findings
            gone = Compared()
            for account in held.values():
                if account.pk not in self.seen:
                    gone.findings.append(self._missing_account(account, proven=rows is not None))
            self._leave_out_under_way(gone)
            found.under_way += gone.under_way
            found.findings += gone.findings
        return found

    def _missing_account(self, account: Account, *, proven: bool) -> FindingRow:
        try:
            version = self.reconciler.situation(account)[0].digest
        except ConnectorError:
            version = ""
        name = self.config.name
        words = f"{name} has no such account." if proven else f"The list of {name} does not have this account."
        row = RemoteAccount(account.remote_id, account.key)
        return self._finding(FindingKind.MISSING, row, Judged(message=words), account, version)

    def _missing_users(self, ids: Sequence[int]) -> Compared:
        found = Compared()
        names = User.objects.filter(pk__in=ids).order_by("pk").values_list("pk", "username")
        for pk, username in names:
            words = Judged(message=f"{self.config.name} has no account for this user yet.")
            finding = self._finding(FindingKind.MISSING, RemoteAccount("", username), words)
            found.findings.append({**finding, "user_id": pk, "subject": f"user {pk}"})
        return found

    # --- Findings ----------------------------------------------------------------------------------------------------

    def _finding(
        self, kind: FindingKind, row: RemoteAccount, judged: Judged, account: Account | None = None, version: str = ""
    ) -> FindingRow:
        values = {name: [shown(ours), shown(theirs)] for name, (ours, theirs) in judged.values.items()}
        subject = " ".join([row.ref or row.key, *sorted(values if kind == FindingKind.DIFFERENT else ())])
        opens = kind == FindingKind.ENABLED or (kind == FindingKind.ORPHAN and judged.usable is not False)
        return {
            "directory_id": self.directory_id,
            "kind": kind,
            "subject": plan.printable(subject)[:MAX_SUBJECT],
            "key": plan.printable(row.key or (account.key if account else ""))[:255],
            "remote_id": row.ref[:512] if plan.storable(row.ref) else "",
            "account_id": account.pk if account else None,
            "user_id": account.user_id if account else None,
            "values": values,
            "version": version,
            "danger": opens and (kind == FindingKind.ENABLED or self.writes),
            "usable": judged.usable,
            "message": judged.message,
        }


def _accounts(ids: Sequence[int]) -> Mapping[int, Account]:
    """Return the accounts with their users: one query."""
    rows = Account.objects.filter(pk__in=ids).select_related("user__manager").order_by("pk")
    return {account.pk: account for account in rows} if ids else {}


def _pages(ids: QuerySet[Any, int]) -> Iterator[list[int]]:
    last = 0
    ordered = ids.order_by("pk")
    while page := list(ordered.filter(pk__gt=last)[:SCAN]):
        yield page
        last = page[-1]


def shown(value: Value) -> Any:
    """Return a value as findings keep it: as JSON, no longer than a page shows."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, tuple | list):
        return [shown(each) for each in list(value)[:20]]
    return str(value).replace("\0", "")[:LONGEST]
