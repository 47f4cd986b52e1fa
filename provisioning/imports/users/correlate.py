"""Which user a row belongs to: a fixed number of queries a page.

A row that the directory's lasting id leads to an account is that account's user's. Any other row finds its user by the
match attributes of the directory's settings, in their order, compared without case where the portal keeps a folded
copy. A later attribute is asked only where nobody has the row's value of those before it, and finds only people who do
not contradict those: somebody with another employee number is another person, whatever the e-mail address says.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, FilteredRelation, Q, QuerySet
from django.db.models.fields.json import KeyTransform

from config.database.lookups import array
from directories.attributes import Kind
from provisioning.imports.users.plan import USERNAME, ChangedRow, KnownAccount, KnownUser, path, storable
from provisioning.imports.users.state import ACTIVE
from provisioning.models import Account, User
from provisioning.models.people import fold
from provisioning.profile.person import person_of

FOLDED = {USERNAME: "username_key", "profile.email": "email_key"}

# This is asked for every page, so it takes one look into the index of lasting ids for each, whatever PostgreSQL
# believes of a table that just grew by a million rows: the sum keeps it from an index of whole directories.
ACCOUNTS = """
    SELECT known.remote_id, known.id, known.seen_digest, known.user_id, known.seen_state
    FROM unnest(%s::text[]) AS asked(ref) CROSS JOIN LATERAL (
        SELECT * FROM provisioning_account
        WHERE directory_id + 0 = %s AND remote_id = asked.ref AND NOT (remote_id = '') OFFSET 0
    ) AS known
"""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A person who was deleted in the portal and whom a source still shows, by an account that stayed.

    ``here`` is whether the account is one of this directory. ``values`` are what the person was, by "kind.name".
    """

    account_id: int
    here: bool
    at: dt.datetime | None
    values: Mapping[str, Any]


class Correlator:
    """Finds the accounts and users of one directory's rows. ``matches`` are attributes such as "profile.email"."""

    def __init__(self, directory_id: int, matches: Sequence[str]) -> None:
        self.directory_id = directory_id
        self.matches = tuple(matches)
        self.by_username = self.matches == (USERNAME,)

    def accounts(self, refs: Sequence[str]) -> dict[str, KnownAccount]:
        """Return the accounts with these remote ids: one query."""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(ACCOUNTS, [array(refs), self.directory_id])
                rows = cursor.fetchall()
        else:
            found = Account.objects.filter(directory_id=self.directory_id, remote_id__in=refs)
            rows = list(found.values_list("remote_id", "id", "seen_digest", "user_id", "seen_state"))
        return {row[0]: KnownAccount(*row[1:]) for row in rows}

    def accounts_named(self, names: Collection[str]) -> list[int]:
        """Return the ids of the accounts of the users with these folded names, deleted ones too: one query."""
        if not names:
            return []
        here = Account.objects.filter(directory_id=self.directory_id)
        found = here.filter(user__username_key__any_of=names).values_list("pk", flat=True)
        deleted = here.filter(user=None, key_folded__any_of=names).values_list("pk", flat=True)
        return list(found.union(deleted))

    def deleted(self, rows: Iterable[ChangedRow]) -> dict[str, Deleted]:
        """Return who of the rows' people was deleted in the portal, by lasting id and by folded name.

        Somebody whom another source showed stays deleted for all of them. One query, and another where rows have
        accounts that stayed.
        """
        rows = [row for row in rows if storable(row.username + row.remote.ref)]
        if not rows:
            return {}
        gone = Account.objects.filter(user=None).only("directory", "key_folded", "remote_id", "person", "deleted_at")
        elsewhere = ~Q(seen_digest="") & Q(directory__provisioning__import_users=True)
        names = {fold(row.username) for row in rows} - {""}
        found: dict[str, Deleted] = {}
        for account in gone.filter(Q(directory=self.directory_id) | elsewhere, key_folded__any_of=names):
            if account.directory_id == self.directory_id or account.key_folded not in found:
                found[account.key_folded] = self._deleted(account)
        refs = [row.remote.ref for row in rows if row.account is not None]
        for account in gone.filter(directory=self.directory_id, remote_id__any_of=refs) if refs else ():
            found[account.remote_id] = self._deleted(account)
        return found

    def _deleted(self, account: Account) -> Deleted:
        kinds = account.person or {}
        values = {f"{kind}.{name}": value for kind, held in kinds.items() for name, value in held.items()}
        return Deleted(account.pk, account.directory_id == self.directory_id, account.deleted_at, values)

    def match_of(self, values: Mapping[str, Any]) -> str:
        """Return the row's value of the first match attribute that it has, as it is compared, "" for none."""
        return next((match for name in self.matches if (match := self._match_by(name, values))), "")

    def _match_by(self, name: str, values: Mapping[str, Any]) -> str:
        """Return the value of one match attribute as it is compared; that of a later one names its attribute."""
        value = values.get(name)
        folded = "" if value is None else fold(str(value))
        return folded if name == self.matches[0] or not folded else f"{name}={folded}"

    def users_by_id(self, ids: Collection[int]) -> dict[int, KnownUser]:
        """Return the users of known accounts: one query."""
        return {user.pk: _known(user) for user in _people().filter(pk__in=ids)} if ids else {}

    def users_by_match(self, rows: Iterable[ChangedRow]) -> tuple[dict[str, list[KnownUser]], set[str]]:
        """Return the users that rows without an account may belong to, and the folded user names that are taken.

        The users are by the match of their rows, which becomes that of the attribute by which they were found; more
        than one is ambiguous. A query for each match attribute, and one more unless that is the user name alone.
        """
        rows = [row for row in rows if storable("".join([row.username, *self._all(row)]))]
        if not rows:
            return {}, set()
        found: dict[str, list[KnownUser]] = {}
        left = rows
        for name in self.matches:
            asked = {match: row for row in left if (match := self._match_by(name, row.values))}
            there: dict[str, list[KnownUser]] = {}
            for user in self._matching(name, asked) if asked else ():
                known = _known(user, _account_here(user))
                there.setdefault(self._match_by(name, known.values), []).append(known)
            for row in left:
                match = self._match_by(name, row.values)
                if theirs := [one for one in there.get(match, ()) if not self._contradicts(row, one, name)]:
                    row.match, found[match] = match, theirs
            left = [row for row in left if row.match not in found]
        if self.by_username:
            return found, set()
        names = {fold(row.username) for row in rows if row.match not in found}
        taken = User.objects.filter(username_key__any_of=names).values_list("username_key", flat=True)
        return found, set(taken)

    def _all(self, row: ChangedRow) -> Iterable[str]:
        return (self._match_by(name, row.values) for name in self.matches)

    def _contradicts(self, row: ChangedRow, user: KnownUser, found_by: str) -> bool:
        """Return whether a user has another value of a match attribute that goes before the one that found them."""
        for name in self.matches[: self.matches.index(found_by)]:
            given, held = self._match_by(name, row.values), self._match_by(name, user.values)
            if name != USERNAME and given and held and given != held:
                return True
        return False

    def _matching(self, name: str, rows: Mapping[str, ChangedRow]) -> QuerySet[Any]:
        """Return the users whose value of one match attribute is that of a row."""
        here = FilteredRelation("accounts", condition=Q(accounts__directory=self.directory_id))
        people = _people().annotate(
            here=here,
            here_id=F("here__id"),
            here_seen=F("here__seen_digest"),
            here_seen_state=F("here__seen_state"),
        )
        if name in FOLDED:
            return people.filter(**{f"{FOLDED[name]}__any_of": {fold(str(row.values[name])) for row in rows.values()}})
        exact = {row.values[name] for row in rows.values()}
        kind, _, attribute = name.partition(".")
        if kind == Kind.PROFILE:
            return people.filter(**{f"{attribute}__any_of": exact})
        column = "custom_profile" if kind == Kind.CUSTOM_PROFILE else "custom_attributes"
        if not connection.features.supports_json_field_contains:  # SQLite
            return people.annotate(matched=KeyTransform(attribute, column)).filter(matched__in=list(exact))
        wanted = Q()
        for value in exact:
            wanted |= Q(**{f"{column}__contains": {attribute: value}})
        return people.filter(wanted)


def _people() -> QuerySet[User]:
    return User.objects.select_related("manager").order_by()


def _account_here(user: Any) -> KnownAccount | None:
    if not user.here_id:
        return None
    return KnownAccount(user.here_id, user.here_seen, user.pk, user.here_seen_state)


def _known(user: User, account: KnownAccount | None = None) -> KnownUser:
    person = person_of(user)
    values = {path(Kind.PROFILE, name): value for name, value in person.profile.items()}
    values |= {path(Kind.CUSTOM_PROFILE, name): value for name, value in person.custom_profile.items()}
    values |= {path(Kind.CUSTOM, name): value for name, value in person.custom.items()}
    values[ACTIVE] = user.is_active
    staff = user.is_staff or user.is_superuser
    return KnownUser(user.pk, user.username, staff, values, user.provisioned, account)
