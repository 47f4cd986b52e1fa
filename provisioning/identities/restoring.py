"""Deleted users come back: themselves with the id and the SCIM id that they had, and what still exists of the rest.

Portal passwords and the rights and roles of staff do not come back. What was given to somebody else meanwhile is left
with them, and said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from provisioning import usernames
from provisioning.contracts import due
from provisioning.identities import membership, merging
from provisioning.identities.users import report_line
from provisioning.models import Account, Group, Membership, User
from provisioning.models.people import fold
from provisioning.outbound.accounts import outbox, scope
from provisioning.profile.facts import MANAGER
from provisioning.recycle import images
from provisioning.recycle.models import DeletedUser
from reports.journal import Line, record_many
from reports.models import Direction, Operation, Result

GONE = "This person is not in the recycle bin any more."
ALREADY = "This person was restored already, by {}."
TAKEN = "Somebody else is called {} by now. Type another user name for this person."
RIGHTS = "The right to sign in to the portal, the roles and the portal password do not come back"


@dataclass(slots=True)
class Restored:
    """What became of one row of the recycle bin: why nothing, or what could not come back."""

    deleted_id: int
    username: str = ""
    user_id: int | None = None
    problem: str = ""
    missing: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What could not come back, in a sentence, "" for nothing."""
        return f"Not restored: {'; '.join(self.missing)}." if self.missing else ""


@transaction.atomic
def restore_page(wanted: Mapping[int, str], actor: str, run_id: int | None = None) -> list[Restored]:
    """Restore rows of the recycle bin, each under the user name that is given, or under its own where that is blank."""
    rows = DeletedUser.objects.filter(pk__in=wanted).order_by("pk").select_for_update(no_key=True).in_bulk()
    found = [_looked_at(pk, name, rows.get(pk)) for pk, name in sorted(wanted.items())]
    _refuse_taken(found, rows)
    going = {one.deleted_id: one for one in found if not one.problem}
    if not going:
        return found
    users = _made([(rows[pk], one) for pk, one in going.items()])
    notes = {user.pk: going[pk].missing for pk, user in users.items()}
    apart = merging.take_apart([(rows[pk], user) for pk, user in users.items() if rows[pk].merged_into], actor)
    for user_id, words in apart.items():
        notes[user_id] += words
    image = {user.pk: rows[pk].image for pk, user in users.items()}
    _memberships(image, notes, actor)
    _reports(image, actor)
    _accounts(users, image, notes)
    due.returned(image)
    for keeper in images.KEEPERS:
        parts = {pk: held[keeper.name] for pk, held in image.items() if keeper.name in held}
        for pk, words in keeper.give(parts).items() if parts else ():
            notes[pk] += words
    outbox.enqueue_users(list(image), "restored", actor)
    DeletedUser.objects.filter(pk__in=users).update(restored_at=timezone.now(), restored_by=actor[:255])
    record_many(replace(_line(users[pk], one, actor), run_id=run_id) for pk, one in going.items())
    return found


def _looked_at(pk: int, name: str, row: DeletedUser | None) -> Restored:
    if row is None:
        return Restored(pk, problem=GONE)
    one = Restored(pk, username=name.strip() or row.username)
    if row.restored_at is not None:
        one.problem = ALREADY.format(row.restored_by or "somebody")
    elif one.username != row.username:
        one.problem = usernames.problem(one.username)
    return one


def _refuse_taken(found: Sequence[Restored], rows: Mapping[int, DeletedUser]) -> None:
    """Refuse names and ids that somebody has by now, also somebody who is restored in the same page."""
    keys = {fold(one.username) for one in found}
    people = User.objects.filter(Q(username_key__in=keys) | Q(pk__in=[row.user_id for row in rows.values()]))
    taken, ids = set[str](), set[int]()
    for key, pk in people.values_list("username_key", "pk"):
        taken.add(key)
        ids.add(pk)
    for one in found:
        if one.problem:
            continue
        if fold(one.username) in taken:
            one.problem = TAKEN.format(one.username)
        elif rows[one.deleted_id].user_id in ids:
            one.problem = ALREADY.format("somebody")
        else:
            taken.add(fold(one.username))
            ids.add(rows[one.deleted_id].user_id)


def _made(pairs: Iterable[tuple[DeletedUser, Restored]]) -> dict[int, User]:
    """Write the users with the ids that they had; return them by the id of their row in the bin."""
    made: dict[int, User] = {}
    managers: dict[int, int] = {}
    for row, one in pairs:
        values = {field.name: field.to_python(row.image["fields"].get(field.name)) for field in images.FIELDS}
        user = User(id=row.user_id, **{**values, "username": one.username})
        user.set_unusable_password()
        one.user_id, made[row.pk] = user.pk, user
        if row.image.get("manager"):
            managers[row.pk] = row.image["manager"][0]
        if row.image.get("signed_in"):
            one.missing.append(RIGHTS)
    fresh = {user.pk for user in made.values()}
    there = set(User.objects.filter(pk__in=managers.values()).values_list("pk", flat=True)) | fresh
    used = {user.scim_id for user in made.values()}
    used = set(User.objects.filter(scim_id__in=used).values_list("scim_id", flat=True))
    for user in made.values():
        if user.scim_id in used:
            user.scim_id = User._meta.get_field("scim_id").get_default()
    User.objects.bulk_create(made.values())
    late = [made[pk] for pk, manager in managers.items() if manager in there]
    for pk, manager in managers.items():
        made[pk].manager_id = manager if manager in there else None
    if late:
        User.objects.bulk_update(late, ["manager"])
    return made


def _memberships(image: Mapping[int, Any], notes: Mapping[int, list[str]], actor: str) -> None:
    groups = {group for held in image.values() for group, _ in held["memberships"]}
    there = set(Group.objects.filter(pk__in=groups).values_list("pk", flat=True))
    pairs = []
    for user_id, held in image.items():
        for group, name in held["memberships"]:
            if group in there:
                pairs.append((group, user_id))
            else:
                notes[user_id].append(f"the group {name} was deleted")
    fresh = membership.write_pairs(pairs, "restored", actor)
    back = Membership.objects.filter(group__in={group for group, _ in fresh}, user__in={user for _, user in fresh})
    membership.memberships_return(back, ", because they were restored", actor)


def _reports(image: Mapping[int, Any], actor: str) -> None:
    """Give people the manager back whom they lost, unless somebody gave them another one."""
    managers = {report: user_id for user_id, held in image.items() for report in held["reports"]}
    left = User.objects.filter(pk__in=managers, manager=None).select_for_update(no_key=True, of=("self",))
    reports = list(left.order_by("pk"))
    for report in reports:
        report.manager_id = managers[report.pk]
    if reports:
        User.objects.bulk_update(reports, ["manager"])
        User.objects.filter(pk__in=[one.pk for one in reports]).update(updated_at=timezone.now())
        names = dict(User.objects.filter(pk__in={one.manager_id for one in reports}).values_list("pk", "username"))
        record_many(
            report_line(
                one,
                Operation.UPDATE,
                f"{one} has their manager {names[one.manager_id or 0]} again.",
                actor,
                {MANAGER: (None, names[one.manager_id or 0])},
            )
            for one in reports
        )
        outbox.enqueue_users([one.pk for one in reports], "manager restored", actor)


def _accounts(users: Mapping[int, User], image: Mapping[int, Any], notes: Mapping[int, list[str]]) -> None:
    """Give the accounts back that directories still have, or that the portal remembers for a source."""
    called = {user_id: fold(held["fields"]["username"]) for user_id, held in image.items()}
    owners: dict[int, int] = {}
    claims = [(account, user_id) for user_id, held in image.items() for account in held["accounts"]]
    rows = Account.objects.filter(pk__in={account for account, _ in claims}).select_related("directory")
    accounts = rows.order_by("pk").select_for_update(no_key=True, of=("self",)).in_bulk()
    for pk, user_id in claims:
        if (account := accounts.get(pk)) is None:
            continue
        if account.user_id is not None:
            notes[user_id].append(f"the account in {account.directory} is {account.key}'s by now")
        elif fold(account.key) != called[user_id]:  # somebody had it since, who was deleted as well
            notes[user_id].append(f"the account in {account.directory} was {account.key}'s since")
        else:
            owners[pk] = user_id
    pairs = [(accounts[pk], user_id) for pk, user_id in sorted(owners.items())]
    # Sources that showed a deleted person later on remember it by accounts of their own, with the same moment.
    moments = {(account.deleted_at, called[owner]): owner for account, owner in pairs if account.deleted_at}
    there = {moment for moment, _ in moments}
    remembered = Account.objects.filter(user=None, deleted_at__in=there, person__isnull=True)
    for account in remembered.order_by("pk").select_for_update(no_key=True):
        assert account.deleted_at is not None
        if owner := moments.get((account.deleted_at, fold(account.key))):
            pairs.append((account, owner))
    names = {user.pk: user.username for user in users.values()}
    scope.give_back_all(pairs, names)


def _line(user: User, one: Restored, actor: str) -> Line:
    return Line(
        identifier=user.username,
        application="",
        direction=Direction.PORTAL,
        operation=Operation.CREATE,
        result=Result.PARTLY if one.missing else Result.SUCCESS,
        message=f"{user} was restored from the recycle bin. {one.words}".rstrip(),
        actor=actor,
        user_id=user.pk,
    )
