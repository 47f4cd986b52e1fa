"""Which directories a user belongs in, and the accounts that stand for it.

The rule: every directory that creates users, for a user that is active and provisioned and among those to whom the
directory gives accounts (``accounts_for``: everyone, members of chosen groups, or whoever a rule gives one); and every
directory where the user has an account already, whatever its switches say now. Whoever is not among them any more is
there as somebody who was deactivated. Where a rule gives an account some days before a contract begins, it is there
early: disabled, until its user becomes active.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from config.database import bulk, prepared
from directories.models import AccountsFor, Directory, ProvisioningSettings
from provisioning.contracts import due
from provisioning.groups import nesting
from provisioning.models import Account, Membership, User
from provisioning.models.outbox import AccountState
from provisioning.models.people import fold
from provisioning.rules.models import Granted, ScopeGroup

AccountReference = tuple[int, int | None, int, str, bool, bool]
"""An account, its user, directory and state, ``in_scope`` and ``early``."""
OVER = (AccountState.DISABLED, AccountState.ABSENT)  # states of accounts that give no access any more


class UserInScope(NamedTuple):
    """What scope needs to know of a user."""

    id: int
    username: str
    username_key: str
    wanted: bool
    waits: bool = False  # is not active, and may have accounts early


@dataclass(slots=True)
class AccountsInScope:
    """Accounts by directory; those that are ``leaving`` give access that is to end.

    ``returning`` are users who are wanted and have a disabled account: perhaps they had left. ``gone`` are those of
    ``leaving`` whose users are not wanted anywhere.
    """

    by_directory: dict[int, list[int]] = field(default_factory=dict)
    leaving: set[int] = field(default_factory=set)
    returning: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)


# The accounts of one user, and those that ``_reattach`` may give back; after them the directories that create accounts
# or do not give them to everyone, each in a row without an account.
_OF_ONE = """
    SELECT id, user_id, directory_id, state, in_scope, early FROM provisioning_account
    WHERE user_id = %s OR (user_id IS NULL AND key_folded = %s)
    UNION ALL
    SELECT NULL, NULL, directory_id, accounts_for, create_users, FALSE FROM directories_provisioningsettings
    WHERE create_users OR accounts_for <> 'everyone'
    ORDER BY 1, 3
"""


def accounts_for(user_ids: Collection[int], *, exclude: int | None = None, only: int | None = None) -> AccountsInScope:
    """Return the users' accounts, making the accounts that are missing.

    ``exclude`` leaves one directory out, and ``only`` all the others. The number of queries does not depend on the
    number of users. Call it in a transaction.
    """
    people = _people(user_ids)
    _reattach(people)
    limited = _limited()
    apart = _Apart(_outside(people, limited), _early(people, limited))
    return _in_scope(people, _existing(user_ids), _creating(exclude, only), apart, exclude=exclude, only=only)


def accounts_of(user: User) -> AccountsInScope:
    """Do the same for one user as held in memory, in one query where no account is missing."""
    person = _person(user.pk, user.username, user.username_key, user.is_active, user.provisioned)
    with prepared.cursor() as cursor:
        cursor.execute(_OF_ONE, [person.id, person.username_key])
        rows = cursor.fetchall()
    accounts: list[AccountReference] = [(*row[:4], bool(row[4]), bool(row[5])) for row in rows if row[0] is not None]
    creating = [row[2] for row in rows if row[0] is None and row[4]]
    limited = {row[2]: row[3] for row in rows if row[0] is None and row[3] != AccountsFor.EVERYONE}
    if any(owner is None for _, owner, *_ in accounts):
        _reattach([person])
        accounts = _existing([person.id])
    return _in_scope([person], accounts, creating, _Apart(_outside([person], limited), _early([person], limited)))


def given_to(directory_id: int, accounts_for: str, user: str = "pk") -> Q:
    """Return, as a condition, to whom a directory gives accounts; ``user`` is the name of the user's column."""
    match accounts_for:
        case AccountsFor.RULES:
            return Q(Exists(Granted.objects.filter(directory=directory_id, user=OuterRef(user))))
        case AccountsFor.GROUPS:
            groups = nesting.below(ScopeGroup.objects.filter(directory=directory_id).values_list("group_id", flat=True))
            return Q(Exists(Membership.objects.filter(group__in=groups, user=OuterRef(user))))
    return Q()


def without_account(directory_id: int, accounts_for: str) -> "QuerySet[User]":
    """Return the users who are to have an account in a directory, if it makes any, and have none there yet."""
    theirs = Account.objects.filter(user=OuterRef("pk"), directory=directory_id)
    given, present = given_to(directory_id, accounts_for), Q(is_active=True)
    if accounts_for == AccountsFor.RULES:
        present |= Q(Exists(_granted_early([directory_id]).filter(user=OuterRef("pk"))))
    return User.objects.filter(~Exists(theirs), given, present, provisioned=True)


def is_early(user: User, directory_id: int) -> bool:
    """Return whether a directory gives a user who is not active yet an account before the time."""
    person = _person(user.pk, user.username, user.username_key, user.is_active, user.provisioned)
    return bool(_early([person], {key: of for key, of in _limited().items() if key == directory_id}))


def gives_to(directory_id: int, user_id: int) -> bool:
    """Return whether a directory gives a user an account, so far as they are active and provisioned."""
    limited = _limited().get(directory_id)
    return limited is None or User.objects.filter(given_to(directory_id, limited), pk=user_id).exists()


def _granted_early(directory_ids: Collection[int]) -> "QuerySet[Granted]":
    return Granted.objects.filter(directory__in=directory_ids, begins_at__gt=timezone.now())


def _early(people: Collection[UserInScope], limited: Mapping[int, str]) -> set[tuple[int, int]]:
    """Return which users are to have accounts in which directories before they are active: at most one query."""
    by_rules = [directory for directory, accounts_for in limited.items() if accounts_for == AccountsFor.RULES]
    ids = [person.id for person in people if person.waits]
    if not by_rules or not ids:
        return set()
    rows = _granted_early(by_rules).filter(user__in=ids).values_list("user_id", "directory_id")
    return {(user, directory) for user, directory in rows if directory is not None}


def _limited() -> dict[int, str]:
    """Return the directories that do not give accounts to everyone, and to whom they do."""
    rows = ProvisioningSettings.objects.exclude(accounts_for=AccountsFor.EVERYONE)
    return dict(rows.values_list("directory_id", "accounts_for"))


def _outside(people: Collection[UserInScope], limited: Mapping[int, str]) -> set[tuple[int, int]]:
    """Return which users are not among those to whom a directory gives accounts: a query for each such directory."""
    found: set[tuple[int, int]] = set()
    ids = {person.id for person in people}
    for directory, accounts_for in limited.items():
        inside = User.objects.filter(given_to(directory, accounts_for), pk__in=ids).values_list("pk", flat=True)
        found.update((pk, directory) for pk in ids.difference(inside))
    return found


def orphans(directory_id: int) -> list[int]:
    """Return the accounts of one directory that are there and whose user is gone from the portal."""
    there = Account.objects.filter(directory_id=directory_id, user=None).exclude(state=AccountState.ABSENT)
    return list(there.values_list("pk", flat=True))


def _people(user_ids: Collection[int]) -> list[UserInScope]:
    rows = User.objects.filter(pk__in=user_ids).order_by("pk")
    return [_person(*row) for row in rows.values_list("pk", "username", "username_key", "is_active", "provisioned")]


def _person(pk: int, username: str, key: str, active: bool, provisioned: bool) -> UserInScope:
    return UserInScope(pk, username, key, wanted=active and provisioned, waits=provisioned and not active)


class _Apart(NamedTuple):
    """Pairs of user and directory: to whom directories give no account, and to whom one before the time."""

    outside: Collection[tuple[int, int]] = frozenset()
    early: Collection[tuple[int, int]] = frozenset()


def _in_scope(
    people: Collection[UserInScope],
    accounts: list[AccountReference],
    creating: Collection[int],
    apart: _Apart,
    *,
    exclude: int | None = None,
    only: int | None = None,
) -> AccountsInScope:
    """Make the accounts that are missing, and return those that concern the directories that are meant.

    ``creating`` are the directories that create accounts. Switched off, they still collect changes, which wait.
    """
    if missing := _missing(people, creating, accounts, apart):
        accounts = _made(missing, accounts, people)
    unwanted = {person.id for person in people if not person.wanted}
    beginning = {user for user, _ in apart.early}
    found = AccountsInScope()
    moved: dict[tuple[bool, bool], list[int]] = {}
    for account, user, directory, state, *known in accounts:
        inside, early = (user, directory) not in apart.outside, (user, directory) in apart.early
        if user is not None and [inside, early] != known:
            moved.setdefault((inside, early), []).append(account)
        if user is not None and state == AccountState.DISABLED and inside and user not in unwanted:
            found.returning.add(user)
        if directory == exclude or only not in (None, directory):
            continue
        found.by_directory.setdefault(directory, []).append(account)
        if early:
            if state == AccountState.ACTIVE:  # whose beginning was put off
                found.leaving.add(account)
        elif (user in unwanted or not inside) and state not in OVER:
            found.leaving.add(account)
            if user in unwanted and user not in beginning:
                found.gone.add(account)
    for (inside, early), ids in moved.items():
        Account.objects.filter(pk__in=ids).update(in_scope=inside, early=early)
    return found


def _made(
    missing: Sequence[dict[str, Any]], accounts: list[AccountReference], people: Collection[UserInScope]
) -> list[AccountReference]:
    """Make accounts, and return them with those that are there."""
    made = bulk.insert_returning(Account, missing, ignore_conflicts=True)
    if len(made) < len(missing):  # another transaction has made some of them
        return _existing([person.id for person in people])
    return accounts + [
        (pk, row["user_id"], row["directory_id"], AccountState.PENDING, True, row["early"])
        for pk, row in zip(made, missing, strict=True)
    ]


def _creating(exclude: int | None, only: int | None) -> list[int]:
    """Return the directories that create accounts, of those that are meant."""
    creating = Directory.objects.filter(provisioning__create_users=True).order_by("pk").values_list("pk", flat=True)
    return [pk for pk in creating if pk != exclude and only in (None, pk)]


def _existing(user_ids: Collection[int]) -> list[AccountReference]:
    rows = Account.objects.filter(user__in=user_ids).order_by("pk")
    return list(rows.values_list("pk", "user_id", "directory_id", "state", "in_scope", "early"))


def _missing(
    people: Iterable[UserInScope], directories: Iterable[int], accounts: Iterable[AccountReference], apart: _Apart
) -> list[dict[str, Any]]:
    there = {(user, directory) for _, user, directory, *_ in accounts} | set(apart.outside)
    return [
        {
            "user_id": person.id,
            "directory_id": directory,
            "key": person.username,
            "early": (person.id, directory) in apart.early,
        }
        for directory in directories
        for person in people
        if (person.wanted or (person.id, directory) in apart.early) and (person.id, directory) not in there
    ]


def _reattach(people: Iterable[UserInScope]) -> None:
    """Give back the accounts of users that were deleted and made again: who has the same employee number is the same.

    The name proves nothing: whoever else has it gets an account of their own, once the old one is gone. A user for whom
    the directory has made another account keeps that one.
    """
    by_key = {person.username_key: person.id for person in people}
    names = {person.id: person.username for person in people}
    lost = Account.objects.filter(user=None, key_folded__in=by_key, person__isnull=False)
    if not lost.exists():
        return
    users = User.objects.filter(pk__in=by_key.values()).exclude(employee_number="")
    numbers = dict(users.values_list("pk", "employee_number"))
    locked = lost.order_by("pk").select_for_update(no_key=True) if numbers else ()
    found = [account for account in locked if _employee_number(account) == numbers.get(by_key[account.key_folded])]
    if found:
        given = give_back_all([(account, by_key[account.key_folded]) for account in found], names)
        due.made_again([account.user_id for account in given if account.user_id])


def lost_to(user: User) -> QuerySet[Account]:
    """Return accounts that directories have kept of deleted people of the user's name, where the user has none yet."""
    theirs = Account.objects.filter(user=user, directory=OuterRef("directory")).exclude(remote_id="")
    named = Q(key_folded=user.username_key) | Q(remote_id=user.username)
    kept = Account.objects.filter(named, user=None, person__isnull=False).exclude(remote_id="")
    return kept.exclude(Exists(theirs)).order_by("pk")


def give_back(user: User, account_id: int) -> Account | None:
    """Give the user an account that was lost to them; None when it cannot be theirs now. Call it in a transaction."""
    account = lost_to(user).filter(pk=account_id).select_for_update(of=("self",), no_key=True).first()
    given = give_back_all([(account, user.pk)], {user.pk: user.username}) if account else []
    due.made_again([user.pk] if given else [])
    return given[0] if given else None


def give_back_all(lost: Collection[tuple[Account, int]], names: Mapping[int, str]) -> list[Account]:
    """Give each account to its user, unless the directory has made them another or is about to; return those given."""
    pairs = {(owner, account.directory_id) for account, owner in lost}
    owners = {owner for owner, _ in pairs}
    theirs = Account.objects.filter(user__in=owners, remote_id="", leased_until=None)
    unmade = [pk for pk, user, directory in theirs.values_list("pk", "user", "directory") if (user, directory) in pairs]
    Account.objects.filter(pk__in=unmade).delete()
    taken = set(Account.objects.filter(user__in=owners).values_list("user_id", "directory_id"))
    back = []
    for account, owner in lost:
        if (owner, account.directory_id) not in taken:
            taken.add((owner, account.directory_id))
            account.user_id, account.person, account.deleted_at = owner, None, None
            account.delete_at, account.kept_by = None, ""
            account.key, account.key_folded = names[owner], fold(names[owner])
            account.pushed_digest = account.seen_digest = ""  # both are looked at anew
            back.append(account)
    columns = ("user", "key", "key_folded", "person", "deleted_at", "delete_at", "kept_by")
    Account.objects.bulk_update(back, [*columns, "pushed_digest", "seen_digest"])
    return back


def _employee_number(account: Account) -> str:
    """Return the employee number of a user who was deleted, " " for none: nobody has that."""
    return (account.person or {}).get("profile", {}).get("employee_number") or " "
