"""Two rows of one person become one: what the one who goes has is the other's, and can be taken apart again.

The one who goes is deleted, into the recycle bin; their image says what of it went where, and ``restoring`` takes that
back. Call ``merge`` in a run of planned changes (``imports.doors.merging``), which is guarded and can be undone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from provisioning.contracts import due, recycling
from provisioning.identities import lifecycle, membership
from provisioning.identities.users import report_line
from provisioning.models import Account, Membership, User
from provisioning.models.accounts import AccountState
from provisioning.outbound.accounts import outbox, scope
from provisioning.profile.facts import MANAGER
from provisioning.recycle import images
from provisioning.recycle.models import DeletedUser
from provisioning.rules import looks
from provisioning.rules.models import Granted, Holding
from reports.journal import record_many
from reports.models import Operation

GONE = "One of the two was deleted since. Look for them again."
SAME = "These are one user already."
STAFF = "{} may sign in to the portal. Such people are not merged: take that right away first."
OTHER_WAY = "{goes} is active and {stays} is not. Merge them the other way round, so that {goes} stays."
BOTH = (
    "Both have an account in {directory}: {goes} and {stays}. One person has one account there. Remove one of the two "
    "in {directory} and import it, or merge nobody."
)
OLD_STAYS = (
    "{stays} had an account in {directory} that is gone, and {goes} has one that is there. Merge them the other way "
    "round, so that it stays."
)
UNDER_WAY = "An account in {directory} is being made just now. Try again in a minute."


@dataclass(slots=True)
class Merged:
    """What became of a merge: why nothing, or the accounts that went over with what was seen of them last."""

    problem: str = ""
    seen: dict[int, str] = field(default_factory=dict)


def problem(goes: User | None, stays: User | None) -> str:
    """Return why one user cannot be merged into another, "" when it can: one query."""
    if goes is None or stays is None:
        return GONE
    if goes.pk == stays.pk:
        return SAME
    for user in (goes, stays):
        if user.may_sign_in:
            return STAFF.format(user)
    if goes.is_active and not stays.is_active:
        return OTHER_WAY.format(goes=goes, stays=stays)
    accounts = Account.objects.filter(user__in=[goes.pk, stays.pk]).select_related("directory")
    held: dict[int, Account] = {}
    theirs: list[Account] = []
    for account in accounts.order_by("directory__name"):
        if not account.remote_id and account.leased_until is not None:
            return UNDER_WAY.format(directory=account.directory)
        if account.user_id == goes.pk:
            theirs.append(account)
        elif account.remote_id:
            held[account.directory_id] = account
    for account in theirs:
        other = held.get(account.directory_id)
        if other is None or not account.remote_id or account.state == AccountState.ABSENT:
            continue
        if other.state == AccountState.ABSENT:
            return OLD_STAYS.format(goes=goes, stays=stays, directory=account.directory)
        return BOTH.format(directory=account.directory, goes=account.remote_id, stays=other.remote_id)
    return ""


def going_over(goes: User, stays: User) -> list[Account]:
    """Return the accounts that the one who stays gets; the others are left to their directories."""
    there = Account.objects.filter(user=stays).exclude(remote_id="").values("directory")
    accounts = Account.objects.filter(user=goes).exclude(remote_id="").exclude(directory__in=there)
    return list(accounts.select_related("directory").order_by("directory__name"))


@transaction.atomic
def merge(goes_id: int, stays_id: int, actor: str, run_id: int | None = None) -> Merged:
    """Give everything of one user to another, and put the one who goes into the recycle bin."""
    rows = User.objects.filter(pk__in=[goes_id, stays_id]).select_related("manager").order_by("pk")
    users = rows.select_for_update(no_key=True, of=("self",)).in_bulk()
    goes, stays = users.get(goes_id), users.get(stays_id)
    if refusal := problem(goes, stays):
        return Merged(refusal)
    assert goes is not None
    assert stays is not None
    images.keep([goes], actor)
    row = DeletedUser.objects.filter(user_id=goes.pk, restored_at=None).latest("pk")
    accounts = going_over(goes, stays)
    seen = {account.pk: account.seen_digest for account in accounts}
    scope.give_back_all([(account, stays.pk) for account in accounts], {stays.pk: stays.username})
    row.merged_into, row.merged_run = stays.pk, run_id
    row.image["merged"] = {
        "accounts": [account.pk for account in accounts],
        "memberships": _memberships(goes, stays, actor),
        "reports": _reports(goes, stays, actor, run_id),
        "granted": _granted(goes, stays),
        "holdings": _holdings(goes, stays),
        "contracts": recycling.hand_over(goes, stays),
        **{heir.name: heir.hand_over(goes, stays) for heir in images.HEIRS},
    }
    row.save(update_fields=["merged_into", "merged_run", "image"])
    due.returned([stays.pk])
    lifecycle.delete_page([goes.pk], actor, run_id, cleared=True, merged_into=stays)
    outbox.enqueue_users([stays.pk], "merged", actor, cleared=True)
    looks.ask([stays.pk])
    words = f"{stays} is also {goes} from now on, who was merged into them."
    record_many([replace(report_line(stays, Operation.UPDATE, words, actor), run_id=run_id)])
    return Merged(seen=seen)


def _memberships(goes: User, stays: User, actor: str) -> list[int]:
    """Put the one who stays into the groups of the other; return those in which they were not."""
    groups = Membership.objects.filter(user=goes).values_list("group_id", flat=True)
    fresh = [group for group, _ in membership.write_pairs([(pk, stays.pk) for pk in groups], "merged", actor)]
    joined = Membership.objects.filter(group__in=fresh, user=stays)
    membership.memberships_return(joined, f", because {goes} was merged into them", actor)
    return fresh


def _reports(goes: User, stays: User, actor: str, run_id: int | None) -> list[int]:
    """Let whomever the one manages be managed by the other; return who that is."""
    rows = User.objects.filter(manager=goes).exclude(pk=stays.pk).order_by("pk").select_for_update(no_key=True)
    reports = list(rows)
    ids = [report.pk for report in reports]
    if ids:
        User.objects.filter(pk__in=ids).update(manager=stays, updated_at=timezone.now())
        changes = {MANAGER: (goes.username, stays.username)}
        words = "The manager of {} is {} now, into whom {} was merged."
        lines = (report_line(one, Operation.UPDATE, words.format(one, stays, goes), actor, changes) for one in reports)
        record_many(replace(line, run_id=run_id) for line in lines)
        outbox.enqueue_users(ids, "manager merged", actor)
    return ids


def _granted(goes: User, stays: User) -> list[int]:
    """Let what rules gave the one count as given to the other, until they are asked again; return which of it does."""
    theirs = Granted.objects.filter(user=stays)
    has = Q(entitlement__in=theirs.exclude(entitlement=None).values("entitlement")) | Q(
        entitlement=None, directory__in=theirs.filter(entitlement=None).values("directory")
    )
    ids = list(Granted.objects.filter(user=goes).exclude(has).values_list("pk", flat=True))
    Granted.objects.filter(pk__in=ids).update(user=stays)
    return ids


def _holdings(goes: User, stays: User) -> list[int]:
    """Let what was given to the one on request count as given to the other; return which of it does."""
    has = Holding.objects.filter(user=stays).values("rule")
    ids = list(Holding.objects.filter(user=goes).exclude(rule__in=has).values_list("pk", flat=True))
    Holding.objects.filter(pk__in=ids).update(user=stays)
    return ids


# --- Taken apart again -----------------------------------------------------------------------------------------------


def take_apart(rows: Iterable[tuple[DeletedUser, User]], actor: str) -> dict[int, list[str]]:
    """Take back what went to others when these users were merged into them, as far as it is still theirs.

    The users are there again, and get back what lies free by ``restoring``. Return what did not come back, by user.
    """
    notes: dict[int, list[str]] = {}
    for row, user in rows:
        stays = User.objects.filter(pk=row.merged_into or 0).select_for_update(no_key=True).first()
        if stays is not None:
            notes[user.pk] = _take_back(row, user, stays, actor)
    return notes


def _take_back(row: DeletedUser, user: User, stays: User, actor: str) -> list[str]:
    merged, name = row.image["merged"], row.image["fields"]["username"]
    for account in Account.objects.filter(pk__in=merged["accounts"], user=stays).select_for_update(no_key=True):
        account.user_id, account.key = None, name
        account.save(update_fields=["user", "key", "key_folded"])
    pairs = [(group, stays.pk) for group in merged["memberships"]]
    ending = Membership.objects.filter(group__in=merged["memberships"], user=stays)
    membership.membership_ends(ending, f", because {user} was split from them", actor)
    membership.erase_pairs(pairs, "split", actor, cleared=True)
    User.objects.filter(pk__in=merged["reports"], manager=stays).update(manager=None, updated_at=timezone.now())
    Granted.objects.filter(pk__in=merged["granted"], user=stays).update(user=user)
    Holding.objects.filter(pk__in=merged.get("holdings", ()), user=stays).update(user=user)
    for heir in images.HEIRS:
        if heir.name in merged:
            heir.take_back(merged[heir.name], stays, user)
    missing = (
        recycling.take_back(row.image["contracts"], merged["contracts"], stays, user)
        if ("contracts" in row.image)
        else []
    )
    due.again([stays.pk])
    outbox.enqueue_users([stays.pk], "split", actor, cleared=True)
    looks.ask([stays.pk, user.pk])
    words = f"{user} is another person than {stays} again, and took back what is theirs."
    record_many([report_line(stays, Operation.UPDATE, words, actor)])
    return missing
