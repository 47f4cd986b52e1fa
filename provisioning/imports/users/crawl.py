"""Reading a directory: pages become planned changes; a row that is as it was before costs one look at a digest."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.utils import timezone

from directories.attributes import Value
from directories.config import DirectoryConfig
from directories.connectors.base import Page, RemoteAccount
from directories.encryption import encrypt
from directories.mapping import Mapper, contracts_text
from provisioning.imports.bitmap import Bitmap
from provisioning.imports.users import plan, records
from provisioning.imports.users.authority import Authority
from provisioning.imports.users.contracts import ContractPlanner
from provisioning.imports.users.correlate import Correlator, Deleted
from provisioning.imports.users.identity import EMPLOYEE, another_person
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.plan import ChangedRow, KnownAccount, KnownUser, Planned
from provisioning.imports.users.pushed_digest import Echo
from provisioning.imports.users.state import ACTIVE, leading, rule_digest, state_of
from provisioning.imports.users.tally import Tally
from provisioning.imports.users.writing import user_ids
from provisioning.models import Account
from provisioning.models.people import fold
from provisioning.outbound.accounts.messages import SAME_PERSON
from provisioning.outbound.digests import seen_digest
from provisioning.profile.person import catalogue

PART = 500  # rows that are planned while the database takes in those before them
UNDECODABLE = "\ufffd"  # stands in a ref for bytes that are not text: nobody knows whose row it is
TAKEN = (
    "{who} has this {what} in the portal, and another row of {directory} is theirs. Give this person another {what} "
    "there{or_here}."
)
NAME_TAKEN = (
    "{directory} says {name}, and somebody else has that user name in the portal. Rename that person in the portal, or "
    "one of the two in the directory."
)
DELETED = (
    "{who} was deleted here{date}; {directory} still has the row. Remove it there, or add {who} in the portal again."
)
NAMESAKE = (
    "{who} was deleted here{date} and added again, and this row is still the deleted person's: it has {why}. Remove "
    "it in the directory, or give one of the two another user name."
)
OLD_ACCOUNT = (
    "{who} was deleted here{date} and added again, and this is the account of before. Delete or rename it in "
    "{directory}."
)
STRANGER_HERE = (
    "{who} was deleted here{date}, and this row looks like another person: {why}. Add the new person in the portal, or "
    "give them another user name in the directory, and import again."
)


Keep = Callable[[Sequence[Planned]], None]


@dataclass(slots=True)
class PageCounts:
    """What one page came to."""

    rows: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class Digested:
    """One page of rows with the digest of each, "" for one with a problem of its own."""

    page: Page
    digests: Sequence[str]


class Crawler:
    """Plans the pages of one crawl. It remembers what it saw as bits, so its memory does not grow with the rows.

    ``accounts`` are those whose lasting id a row has, ``twice`` those of whom several have it. ``matched`` are users
    found by the match attribute, ``contested`` those whom several rows match, ``overlapping`` those who have a row by
    lasting id besides; ``claims`` settles them. ``spared`` are other accounts that a row may belong to, also one that
    is an error: that is never an absence, so they are not leavers either. ``noted`` are those of whom the plan says
    anew where they stand.
    """

    def __init__(self, config: DirectoryConfig) -> None:
        assert config.id is not None
        self.config = config
        known = catalogue()
        self.mapper = Mapper(config.rules, known)
        self.contracts = ContractPlanner(config.id, self.mapper)
        self.state_rule = rule_digest(config.rules)
        self.state_mapper = Mapper(leading(config.rules), known)
        self._without_state: list[tuple[int, RemoteAccount]] = []
        self.labels = Labels(known)
        self.authority = Authority(config.id, self.labels)
        self.decided_above = self.authority.fingerprint
        self.correlator = Correlator(config.id, config.features.match_attributes)
        self.echo = Echo(self.mapper)
        self.passwords = config.features.import_passwords
        on = config.features
        self.writes = on.create_users or on.update_users or on.deactivate_users or on.delete_users
        self.accounts = Bitmap()
        self.twice = Bitmap()
        self.matched = Bitmap()
        self.contested = Bitmap()
        self.overlapping = Bitmap()
        self.spared = Bitmap()
        self.noted = Bitmap()
        self.created = 0
        self.tally = Tally()
        self.unreadable = 0

    def digested(self, page: Page) -> Digested:
        """Return a page with the digests of its rows, which need nothing of the portal's database."""
        return Digested(page, ["" if remote.problem else self._digest(remote) for remote in page.accounts])

    def page(self, rows: Digested, keep: Keep) -> PageCounts:
        """Plan one page: one query when nothing changed, up to four more for rows that are new or differ.

        ``keep`` is given what is planned, in parts.
        """
        accounts = rows.page.accounts
        seen = PageCounts(rows=len(accounts))
        if not accounts:
            return seen
        refs = [remote.ref for remote in accounts]
        if not plan.storable("".join(refs)):
            refs = [ref for ref in refs if plan.storable(ref)]
        known = self.correlator.accounts(refs)
        changed: list[ChangedRow] = []
        same: list[Planned] = []
        for remote, row_digest in zip(accounts, rows.digests, strict=True):
            account = known.get(remote.ref)
            if account is not None and not self.accounts.add(account.id):
                self.twice.add(account.id)
                same.append(plan.error(remote, plan.SAME_ROW, account))
                continue
            row = self._look(remote, account, row_digest, seen)
            if row is not None:
                changed.append(row)
        if self._without_state:
            self._note_states()
        if same:
            self._count(same, keep)
        if changed:
            self._plan(changed, keep)
        return seen

    def _count(self, planned: Sequence[Planned], keep: Keep) -> None:
        """Keep what is planned, and count what the guard asks for."""
        for one in planned:
            if one.account_id is not None:
                self.noted.add(one.account_id)
            self.created += one.action == plan.CREATE
            self.tally.add(one)
        keep(planned)

    def _look(
        self, remote: RemoteAccount, account: KnownAccount | None, row_digest: str, seen: PageCounts
    ) -> ChangedRow | None:
        """Return the row when it has to be planned; count it when not."""
        if account is not None and account.user_id is not None:
            if account.user_id in self.matched:
                self.overlapping.add(account.user_id)
            if row_digest and row_digest == account.seen_digest:
                seen.unchanged += 1
                if self.state_rule and not account.seen_state:
                    self._without_state.append((account.id, remote))
                return None
        if problem := plan.unusable(remote):
            self.unreadable += UNDECODABLE in remote.ref
            return ChangedRow(remote, "", account, unusable=problem)
        return ChangedRow(remote, row_digest, account)

    def _note_states(self) -> None:
        """Keep the mapped states of rows that are as before, where none was kept: a portal before this one kept none.

        It is what the source said when the row was imported, so it is no news, also in a preview.
        """
        by_state: dict[str, list[int]] = {}
        for account_id, remote in self._without_state:
            values = plan.values_of(self.state_mapper.inbound(remote.attributes).values)
            if values.get(ACTIVE) is not None:
                state = state_of(values, None, self.state_rule).stored
                by_state.setdefault(state, []).append(account_id)
        for state, ids in by_state.items():
            Account.objects.filter(pk__in=ids, seen_state="").update(seen_state=state)
        self._without_state = []

    def _digest(self, remote: RemoteAccount) -> str:
        """Return the digest of the row under this mapping, then that of its password when passwords are imported."""
        values: dict[str, Value] = {
            **remote.attributes,
            "\0key": remote.key,
            "\0enabled": remote.enabled,
            "\0mapping": self.mapper.version,
        }
        if self.decided_above:
            values["\0above"] = self.decided_above
        if self.config.features.follow_renames:
            values["\0renames"] = True
        if remote.place:  # groups name their members by it, so an entry that only moved is noted again
            values["\0place"] = remote.place
        if self.contracts.on and remote.contracts is not None:
            values["\0contracts"] = contracts_text(remote.contracts)
        row_digest = seen_digest(values)
        if not self.passwords:
            return row_digest
        return f"{row_digest}:{seen_digest({'password': remote.password})[:24]}"

    def _plan(self, rows: Sequence[ChangedRow], keep: Keep) -> None:
        for row in rows:
            inbound = self.mapper.inbound(row.remote.attributes)
            row.values, row.problems, row.left = plan.values_of(inbound.values), inbound.problems, inbound.left
            row.values.setdefault(plan.USERNAME, row.remote.key.strip())
            row.blocked = plan.take_blocked(row.values) or self.mapper.missing(inbound.values)
            self.contracts.read(row)
            row.state = state_of(row.values, row.remote.enabled, self.state_rule)
            row.match = self.correlator.match_of(row.values)
        linked = {row.account.user_id for row in rows if row.account and row.account.user_id}
        by_id = self.correlator.users_by_id(linked)
        by_match, taken = self.correlator.users_by_match(row for row in rows if not row.linked)
        unknown = [
            row for row in rows if not row.linked and (row.account or row.match not in by_match) and not row.unusable
        ]
        deleted = self.correlator.deleted(unknown)
        if self.contracts.on:
            there = [user.account for users in by_match.values() for user in users]
            self.contracts.fetch({one.id for one in (*(row.account for row in rows), *there) if one is not None})
        wrong: list[ChangedRow] = []
        for start in range(0, len(rows), PART):
            part = rows[start : start + PART]
            planned = [self._plan_row(row, by_id, by_match, taken, deleted) for row in part]
            self.authority.hold_back(planned)
            self._keep_taken_names(planned)
            self._count(planned, keep)
            wrong += [row for row, one in zip(part, planned, strict=True) if one.action in (plan.ERROR, plan.BLOCK)]
            if self.contracts.on:
                records.note(self.config.id or 0, zip((row.remote for row in part), planned, strict=True))
        self._spare(wrong)

    def _plan_row(
        self,
        row: ChangedRow,
        by_id: dict[int, KnownUser],
        by_match: dict[str, list[KnownUser]],
        taken: set[str],
        deleted: dict[str, Deleted],
    ) -> Planned:
        if row.account is not None and row.account.user_id:
            user = by_id.get(row.account.user_id)
        else:
            found = by_match.get(row.match, [])
            if problem := row.unusable or (not row.blocked and self._mismatch(row, found, taken)):
                self._spare_accounts(known.account.id for known in found if known.account)
                return plan.error(row.remote, problem, row.account)
            if row.blocked:
                self._spare_accounts(known.account.id for known in found if known.account)
            user = found[0] if found else None
        if row.unusable:
            return plan.error(row.remote, row.unusable, row.account)
        if row.blocked:
            return plan.blocked(row.remote, row.blocked, row.account)
        if user is None and deleted and (gone := deleted.get(row.remote.ref) or deleted.get(fold(row.username))):
            return self._deleted(row, gone)
        if user is not None and not row.linked and (problem := self._not_again(row, user, deleted)):
            return plan.error(row.remote, problem, row.account)
        if user is not None and not row.linked and (problem := self._claimed(user)):
            refused = plan.error(row.remote, problem, row.account)
            refused.match_value = row.match[: plan.MAX_KEY]
            return refused
        planned = plan.plan_row(row, user, follow_renames=self.config.features.follow_renames)
        return self._finish(planned, row, user)

    def _keep_taken_names(self, planned: Iterable[Planned]) -> None:
        """Let people keep their names who would get those of other users: one query where somebody is renamed."""
        renamed = [one for one in planned if one.renames]
        for one in renamed:
            one.match_value = fold(one.after[plan.USERNAME])
        holders = user_ids({one.match_value for one in renamed})
        for one in renamed:
            if holders.get(one.match_value, one.user_id) != one.user_id:
                one.keep_name(NAME_TAKEN.format(directory=self.config.name, name=one.after[plan.USERNAME]))

    def _spare(self, rows: Iterable[ChangedRow]) -> None:
        """Keep the accounts that have the name of a row in error, but not its lasting id, from being leavers."""
        names = {fold(name) for row in rows if not row.linked for name in (row.username, row.remote.key)}
        self._spare_accounts(self.correlator.accounts_named({name for name in names if plan.storable(name)} - {""}))

    def _spare_accounts(self, ids: Iterable[int]) -> None:
        for account_id in ids:
            self.spared.add(account_id)

    def _mismatch(self, row: ChangedRow, found: list[KnownUser], taken: set[str]) -> str:
        """Return why a row without an account cannot have a user, "" when it can."""
        if len(found) > 1:
            names = ", ".join(user.username for user in islice(found, 3))
            return f"Several users have the value by which this row is matched: {names}. Make it unique."
        if taken and not found and fold(row.username) in taken:
            return f"The user name {row.username} belongs to someone whose match attribute has another value."
        return ""

    def _claimed(self, user: KnownUser) -> str:
        """Mark a user who was found by the match attribute; return why the row is not theirs, "" when it may be."""
        if user.account is not None:
            self.spared.add(user.account.id)
            if user.account.id in self.accounts:
                return self.taken(full_name(user))
        if not self.matched.add(user.id):
            self.contested.add(user.id)
            return plan.SAME_PERSON
        return ""

    def _not_again(self, row: ChangedRow, user: KnownUser, deleted: Mapping[str, Deleted]) -> str:
        """Return why the account of somebody who was deleted is not that of a user who was added since, "" if it is."""
        gone = deleted.get(row.remote.ref) if row.account is not None else None
        if gone is None:
            return ""
        if why := another_person(gone.values, user.values):
            return NAMESAKE.format(who=user.username, date=_date(gone), why=why)
        number = gone.values.get(EMPLOYEE)
        if (self.writes and not (number and number == user.values.get(EMPLOYEE))) or user.account is not None:
            rest = f" {SAME_PERSON}" if user.account is None else ""
            return OLD_ACCOUNT.format(who=user.username, date=_date(gone), directory=self.config.name) + rest
        return ""

    def taken(self, who: str) -> str:
        """Return why a row that matches somebody is another person's: they have a row of their own."""
        by_name = self.correlator.by_username
        what = "user name" if by_name else " or ".join(self.labels[one] for one in self.correlator.matches).lower()
        or_here = f", or rename {who} in the portal" if by_name else ", or change it in the portal"
        return TAKEN.format(who=who, what=what, directory=self.config.name, or_here=or_here)

    def _deleted(self, row: ChangedRow, gone: Deleted) -> Planned:
        """Return what becomes of the row of somebody who was deleted in the portal: nothing, until a person says so."""
        if gone.here:
            self.accounts.add(gone.account_id)
        if why := another_person(gone.values, row.values):
            words = STRANGER_HERE.format(who=row.key, date=_date(gone), why=why)
            return plan.error(row.remote, words, row.account)
        words = DELETED.format(who=row.key, date=_date(gone), directory=self.config.name)
        planned = plan.left_alone(row.remote, words, row.account)
        if not gone.here:  # this directory is to remember it as well
            planned.remote_id = row.remote.ref
            planned.row = {"digest": row.digest, "deleted_at": gone.at.isoformat() if gone.at else None}
        return planned

    def _finish(self, planned: Planned, row: ChangedRow, user: KnownUser | None) -> Planned:
        """Add what applying needs and pure planning cannot know: the outbound digest, and the encrypted password."""
        if planned.action == plan.ERROR:
            return planned
        planned.row |= self._password(row)
        pushed = self.echo.pushed(user, planned.key, planned.after, row.remote)
        if pushed:
            planned.row["pushed"] = pushed
        self.contracts.add(planned, row)
        return planned

    def _password(self, row: ChangedRow) -> dict[str, Any]:
        """Return the row's password as a token, when passwords are imported and it is new or another one."""
        if not self.passwords or not row.remote.password:
            return {}
        before = row.account.seen_digest.partition(":")[2] if row.account else ""
        if before == row.digest.partition(":")[2]:
            return {}
        return {"password": encrypt(row.remote.password)}


def full_name(user: KnownUser) -> str:
    """Return a user as people know them: their name, and the user name behind it."""
    values = user.values
    parts = (values.get("profile.first_name"), values.get("profile.last_name"))
    name = values.get("profile.display_name") or " ".join(str(part) for part in parts if part)
    return f"{name} ({user.username})" if name and name != user.username else user.username


def _date(gone: Deleted) -> str:
    return f" on {timezone.localtime(gone.at):%Y-%m-%d}" if gone.at else ""
