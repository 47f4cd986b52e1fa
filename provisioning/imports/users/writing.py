"""One page of planned changes written to the portal: set-based, in the caller's transaction.

What cannot be written any more, because the portal changed since the plan was made, is left out with a reason: a
deleted user is never made again, a taken name is not fought over, staff are not touched.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from config.database import bulk
from provisioning.contracts import due
from provisioning.contracts.planned import PREFIX
from provisioning.identities.users import tell_renamed
from provisioning.imports.users import contracts
from provisioning.imports.users.plan import CREATE, GIVEN, MANAGER, USERNAME, Planned, parts
from provisioning.imports.users.state import ABSENT as MISSING
from provisioning.imports.users.state import ACTIVE
from provisioning.models import Account, User
from provisioning.models.accounts import AccountState, LastResult
from provisioning.models.imports import Action
from provisioning.models.people import fold, unusable_password

NOTED = (
    *("user", "key", "key_folded", "remote_id", "place", "state", "seen_digest", "seen_state", "pushed_digest"),
    *("attributes", "person", "deleted_at", "delete_at", "kept_by", "last_result", "last_message", "last_synced_at"),
)  # what an import writes on accounts
PART = 500  # rows that are made ready while the database takes in those before them
GONE = "The user was deleted since the plan was made."
CHANGED = (
    "Changed since the plan was made: {}. Nothing of this row was applied; the next plan takes the present values."
)
STAFF = "This person may sign in to the portal by now, and an import never changes such people."


@dataclass(slots=True)
class Written:
    """What became of a page: the user and account of each change that was written, and why the others were not.

    ``staff`` are changes of people who may sign in by now, ``changed`` those refused because their person is not any
    more as the plan says.
    """

    people: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    staff: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    said: set[int] = field(default_factory=set)
    linked: set[int] = field(default_factory=set)
    renamed: set[int] = field(default_factory=set)  # accounts whose entries are elsewhere now

    def outcome(self, change: Planned) -> tuple[str, str]:
        """Return what became of a change as an action and a message: those that were planned when it was written."""
        if reason := self.refused.get(change.id):
            return Action.ERROR, reason
        return (Action.LEAVE, STAFF) if change.id in self.staff else (change.action, change.message)

    def add(self, other: "Written") -> None:
        """Take in what became of other changes."""
        self.people |= other.people
        self.refused |= other.refused
        self.staff |= other.staff
        self.changed |= other.changed
        self.said |= other.said
        self.linked |= other.linked
        self.renamed |= other.renamed


class UserWriter:
    """Writes pages of one directory. ``started`` is when the run began to read it."""

    def __init__(self, directory_id: int, started: Any) -> None:
        self.directory_id = directory_id
        self.started = started
        self.now = timezone.now()
        self.user_ids, self.account_ids = bulk.Ids(User), bulk.Ids(Account)

    def write(self, changes: Sequence[Planned], passwords: Mapping[int, str]) -> Written:
        """Write the changes; ``passwords`` are in Django's form, by change."""
        self.now = timezone.now()
        done = Written()
        actions: dict[str, list[Planned]] = defaultdict(list)
        for change in changes:
            actions[change.action].append(change)
        managers = self._managers(changes)
        self._create(actions[Action.CREATE], passwords, managers, done)
        self._update(actions[Action.UPDATE] + actions[Action.LINK], passwords, managers, done)
        self._deactivate(actions[Action.DEACTIVATE], done)
        self._remember_deleted(actions[Action.LEAVE])
        contracts.write(changes, done.people)
        return done

    def may_change(self, user: User, change: Planned) -> bool:
        """Return whether the person may be changed: an import never touches who may sign in."""
        return not user.may_sign_in

    def _managers(self, changes: Iterable[Planned]) -> dict[str, int]:
        """Return the ids of managers who are in the portal already; the others are set once everybody is."""
        return user_ids({fold(change.after[MANAGER]) for change in changes if change.after.get(MANAGER)})

    def _create(
        self,
        changes: Sequence[Planned],
        passwords: Mapping[int, str],
        managers: Mapping[str, int],
        done: Written,
    ) -> None:
        if not changes:
            return
        names = [fold(change.key) for change in changes]
        taken = user_ids(names)
        new = []
        for change, name in zip(changes, names, strict=True):
            if name in taken:
                done.refused[change.id] = f"A user named {change.key} exists by now. Import again."
            else:
                new.append(change)
        self.user_ids.fetch(len(new))
        self.account_ids.fetch(len(new))
        for start in range(0, len(new), PART):
            part = new[start : start + PART]
            rows = [self._new_user(change, passwords, managers) for change in part]
            self._accounts(part, bulk.insert_returning(User, rows, self.user_ids), done)

    def _new_user(self, change: Planned, passwords: Mapping[int, str], managers: Mapping[str, int]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name, value in change.after.items():
            kind, attribute = parts(name)
            if name == ACTIVE:
                row["is_active"] = value
            elif name == MANAGER:
                row["manager_id"] = managers.get(fold(value))
            elif name.startswith(PREFIX):
                continue
            elif kind == "profile":
                row[attribute] = value
            else:
                column = "custom_profile" if kind == "custom_profile" else "custom_attributes"
                row.setdefault(column, {})[attribute] = value
        row["username"] = change.key
        row["password"] = passwords.get(change.id) or unusable_password()
        return row

    def _update(
        self,
        changes: Sequence[Planned],
        passwords: Mapping[int, str],
        managers: Mapping[str, int],
        done: Written,
    ) -> None:
        if not changes:
            return
        users = _locked({change.user_id for change in changes if change.user_id})
        bosses, held = _names_of_managers(changes, users), contracts.held_by(changes)
        kept, touched, renamed = [], set(), dict[int, str]()
        for change in changes:
            user = users.get(change.user_id or 0)
            if user is None:
                done.refused[change.id] = GONE
                continue
            if not self.may_change(user, change):
                done.staff.add(change.id)
                continue
            if others := changed_since(user, change, bosses, held.get(change.id)):
                done.refused[change.id] = CHANGED.format(", ".join(others))
                done.changed.add(change.id)
                continue
            if USERNAME in change.after:
                renamed[user.pk] = user.username
            kept.append(change)
            fields = set_values(user, change.after, managers)
            if change.id in passwords:
                user.password = passwords[change.id]
                fields.add("password")
            touched |= fields
            if not fields:
                del users[user.pk]
        updated = [users[change.user_id] for change in kept if change.user_id in users]
        save_users(updated, touched)
        tell_renamed(renamed, {pk: users[pk].username for pk in renamed})
        self._accounts(kept, [change.user_id or 0 for change in kept], done)

    def _deactivate(self, changes: Sequence[Planned], done: Written) -> None:
        if not changes:
            return
        users = _locked({change.user_id for change in changes if change.user_id})
        leaving = []
        for change in changes:
            user = users.get(change.user_id or 0)
            if user is None:
                done.refused[change.id] = GONE
                continue
            if not self.may_change(user, change):
                done.staff.add(change.id)
                continue
            leaving.append(user.pk)
            done.people[change.id] = (user.pk, change.account_id)
        User.objects.filter(pk__in=leaving).update(is_active=False, updated_at=self.now)
        Account.objects.filter(directory=self.directory_id, user__in=leaving).update(
            state=AccountState.ABSENT, seen_state=MISSING, seen_digest="", pushed_digest=""
        )
        due.again(leaving)

    def _remember_deleted(self, changes: Sequence[Planned]) -> None:
        """Keep for this directory too that a person was deleted here, as long as it shows them."""
        deleted = [change for change in changes if change.remote_id]
        rows = [
            {
                "directory_id": self.directory_id,
                "key": change.key,
                "remote_id": change.remote_id,
                "state": AccountState.ACTIVE,
                "seen_digest": change.row["digest"],
                "deleted_at": change.row["deleted_at"] and dt.datetime.fromisoformat(change.row["deleted_at"]),
            }
            for change in deleted
        ]
        bulk.insert(Account, rows, ignore_conflicts=True)

    def _accounts(self, changes: Sequence[Planned], users: Sequence[int], done: Written) -> None:
        """Note the rows on the users' accounts, making those that are missing."""
        here = self._existing(changes, users)
        new: list[tuple[Planned, dict[str, Any]]] = []
        kept: list[Account] = []
        moved = []  # whose contracts count no more, or again
        owners = []  # who got the account, with its contracts, of somebody who was deleted
        for change, user_id in zip(changes, users, strict=True):
            account = here.get(change.account_id or 0) or here.get(-user_id)
            if account is None:
                new.append((change, self._new_account(change, user_id)))
                continue
            if MISSING in change.row or account.seen_state == MISSING:
                moved.append(user_id)
            if account.user_id != user_id:
                owners.append(user_id)
            if self._note(account, change, user_id):
                done.renamed.add(account.pk)
            kept.append(account)
            done.people[change.id] = (user_id, account.pk)
        ids = bulk.insert_returning(Account, [row for _, row in new], self.account_ids)
        for (change, row), account_id in zip(new, ids, strict=True):
            done.people[change.id] = (row["user_id"], account_id)
            done.linked.add(change.id)
        bulk.update(kept, NOTED)
        due.again(moved)
        if owners:
            due.made_again(owners)

    def _existing(self, changes: Sequence[Planned], users: Sequence[int]) -> dict[int, Account]:
        """Return the accounts by id, and those of the users in this directory by minus the user's id."""
        ids = {change.account_id for change in changes if change.account_id}
        unknown = {user for change, user in zip(changes, users, strict=True) if not change.account_id}
        if all(change.action == CREATE for change in changes) and not ids:
            return {}
        locked = Account.objects.select_for_update(no_key=True).order_by("pk")
        found = {account.pk: account for account in locked.filter(pk__in=ids)} if ids else {}
        if unknown:
            for account in locked.filter(directory=self.directory_id, user__in=unknown):
                found[-(account.user_id or 0)] = account
        return found

    def _new_account(self, change: Planned, user_id: int) -> dict[str, Any]:
        return {
            "user_id": user_id,
            "directory_id": self.directory_id,
            "key": change.after.get(USERNAME, change.key),
            "remote_id": change.remote_id,
            "place": change.place,
            "state": _state(change.row),
            "seen_digest": change.row["digest"],
            "seen_state": change.row.get("state", ""),
            "pushed_digest": change.row.get("pushed", ""),
            "attributes": change.row["attributes"],
            "last_result": LastResult.OK,
            "last_message": "Imported.",
            "last_synced_at": self.now,
        }

    def _note(self, account: Account, change: Planned, user_id: int) -> bool:
        """Put the row on an account; return whether its entry got another name.

        What was pushed since the row was read is newer than the row.
        """
        if change.row.get(MISSING):  # gone, and another source has a contract of its person that holds
            account.state, account.seen_state = AccountState.ABSENT, MISSING
            account.seen_digest = account.pushed_digest = ""
            return False
        pushed_since = account.last_synced_at is not None and account.last_synced_at > self.started
        if account.user_id != user_id or change.after.get(ACTIVE):  # they are back
            account.delete_at, account.kept_by = None, ""
        if account.user_id != user_id:  # that of somebody who was deleted and added again, perhaps by another name
            account.user_id, account.key = user_id, change.after.get(USERNAME, change.key)
        account.person = account.deleted_at = None
        account.remote_id = change.remote_id
        account.seen_digest = change.row["digest"]
        if "state" in change.row or account.seen_state == MISSING:  # a row that says nothing leaves what was said
            account.seen_state = change.row.get("state", "")
        if pushed_since:
            return False
        renamed = bool(account.place and change.place and account.place != change.place)
        account.state, account.place = _state(change.row), change.place
        account.pushed_digest = change.row.get("pushed", "")
        account.attributes = change.row["attributes"]
        account.last_synced_at = self.now
        closed = account.last_result == LastResult.OPEN and account.state != AccountState.ACTIVE
        if account.last_result == LastResult.NONE or closed:
            account.last_result, account.last_message = LastResult.OK, "Imported."
        return renamed


def set_values(user: User, after: Mapping[str, Any], managers: Mapping[str, int]) -> set[str]:
    """Put planned values on a user; return the fields that were set."""
    fields = set()
    for name, value in after.items():
        kind, attribute = parts(name)
        if name == GIVEN:
            continue  # no value of a person: ``doors.granting`` writes it
        if name == ACTIVE:
            user.is_active = value
            fields.add("is_active")
        elif name == USERNAME:
            user.rename(value)
            fields.add("username")
        elif name == MANAGER:
            user.manager_id = managers.get(fold(value)) if value else None
            fields.add("manager")
        elif name.startswith(PREFIX):
            continue
        elif kind == "profile":
            setattr(user, attribute, "" if value is None else value)
            fields.add(attribute)
        else:
            column = "custom_profile" if kind == "custom_profile" else "custom_attributes"
            held = {key: kept for key, kept in getattr(user, column).items() if key != attribute}
            setattr(user, column, held if value is None else {**held, attribute: value})
            fields.add(column)
    return fields


def changed_since(
    user: User, change: Planned, bosses: Mapping[int, str], held: Mapping[str, Any] | None = None
) -> list[str]:
    """Return in words which of the planned values are neither as the plan found them nor as it wants them."""
    return [
        parts(name)[1].replace("_", " ") or name.replace(":", " ")
        for name, wanted in change.after.items()
        if name != GIVEN and value_of(user, name, bosses, held) not in (change.before.get(name), wanted)
    ]


def value_of(user: User, name: str, bosses: Mapping[int, str], held: Mapping[str, Any] | None = None) -> Any:
    """Return a user's value as plans hold it, blank as None.

    ``bosses`` are the user names of managers, ``held`` the contracts by path.
    """
    if name.startswith(PREFIX):
        return (held or {}).get(name)
    kind, attribute = parts(name)
    if name == ACTIVE:
        return user.is_active
    if name == MANAGER:
        return bosses.get(user.manager_id or 0)
    if kind == "profile":
        return getattr(user, attribute) or None
    value = (user.custom_profile if kind == "custom_profile" else user.custom_attributes).get(attribute)
    return None if value == "" else value


def _names_of_managers(changes: Iterable[Planned], users: Mapping[int, User]) -> dict[int, str]:
    """Return the user names of those who manage people whose manager is planned to change."""
    concerned = [change.user_id for change in changes if MANAGER in change.after and change.user_id in users]
    managers = {users[pk].manager_id for pk in concerned if pk} - {None}
    return dict(User.objects.filter(pk__in=managers).values_list("pk", "username")) if managers else {}


def save_users(users: Sequence[User], fields: Collection[str]) -> None:
    """Write these fields of locked users, with the folded copies that follow them."""
    folded = {f"{name}_key" for name in ("username", "email", "first_name", "last_name") if name in fields}
    bulk.update(users, sorted({*fields, *folded, "updated_at"}))
    if "time_zone" in fields:
        due.again([user.pk for user in users])


def user_ids(username_keys: Collection[str]) -> dict[str, int]:
    """Return the ids of the users with these folded names."""
    if not username_keys:
        return {}
    return dict(User.objects.filter(username_key__any_of=username_keys).order_by().values_list("username_key", "pk"))


def _locked(ids: Collection[int]) -> dict[int, User]:
    users = User.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    return {user.pk: user for user in users}


def _state(row: Mapping[str, Any]) -> str:
    return AccountState.DISABLED if row.get("enabled") is False else AccountState.ACTIVE
