"""What can only be planned once the whole directory was read: rows that claim the same new user, and leavers."""

from collections.abc import Collection, Iterator, Sequence

from django.db.models import Count, Min, Q, QuerySet

from directories.config import DirectoryConfig
from provisioning.imports.bitmap import Bitmap
from provisioning.imports.users.plan import ERROR, Planned, storable
from provisioning.models import Account, ImportRun, PlannedChange
from provisioning.models.imports import Action

CHUNK = 1000
SCAN = 20_000
CLAIMS = {
    "key_folded": "Another row of this import has the same user name. Remove one of them in the directory.",
    "remote_id": "Another row of this import has the same key. Remove one of them in the directory.",
    "match_value": "Another row of this import matches the same person. Remove one of them in the directory.",
}


def duplicates(run: ImportRun) -> Iterator[tuple[str, list[int]]]:
    """Yield planned creations that an earlier row makes already, at most CHUNK ids at a time, with the reason.

    The database finds them by grouping, so that no list of names is held in memory. The caller makes them errors before
    it asks for the next ones.
    """
    creations = PlannedChange.objects.filter(run=run, action=Action.CREATE)
    for claim, reason in CLAIMS.items():
        groups = creations.exclude(**{claim: ""}).order_by().values(claim)
        twice = groups.annotate(first=Min("pk"), rows=Count("pk")).filter(rows__gt=1)
        while found := list(twice[:CHUNK]):
            names, firsts = [group[claim] for group in found], [group["first"] for group in found]
            rest = creations.filter(**{f"{claim}__in": names}).exclude(pk__in=firsts)
            while ids := list(rest.order_by().values_list("pk", flat=True)[:CHUNK]):
                yield reason, ids


def missing(config: DirectoryConfig, *seen: Bitmap) -> Iterator[list[int]]:
    """Yield the ids of the accounts that an earlier crawl saw and this complete one did not, CHUNK at a time.

    ``seen`` are the accounts that are there, in one or more bitmaps. Only ids are read of them.
    """
    found: list[int] = []
    last = 0
    while ids := list(_seen_before(config, last)[:SCAN]):
        last = ids[-1]
        found += [pk for pk in ids if not any(pk in bits for bits in seen)]
        while len(found) >= CHUNK:
            yield found[:CHUNK]
            del found[:CHUNK]
    if found:
        yield found


def named(config: DirectoryConfig, refs: Sequence[str]) -> list[int]:
    """Return those of a page's lasting ids that are accounts imported before, as their row ids: one query."""
    assert config.id is not None
    known = [ref for ref in refs if storable(ref)]
    return list(_from(config.id).filter(remote_id__any_of=known).values_list("pk", flat=True)) if known else []


def not_seen(account_ids: Collection[int], *seen: Bitmap) -> Iterator[list[int]]:
    """Yield the accounts that are in none of the bitmaps, CHUNK at a time."""
    found = sorted(pk for pk in account_ids if not any(pk in bits for bits in seen))
    for start in range(0, len(found), CHUNK):
        yield found[start : start + CHUNK]


def remote_ids(account_ids: Collection[int]) -> list[str]:
    """Return the lasting ids of accounts: one query."""
    return list(Account.objects.filter(pk__in=account_ids).values_list("remote_id", flat=True))


def leavers(config: DirectoryConfig, account_ids: Collection[int]) -> list[Planned]:
    """Return the planned deactivation of each account's user."""
    accounts = Account.objects.filter(pk__in=account_ids).select_related("user").order_by("pk")
    return [_deactivation(config, account) for account in accounts if account.user is not None]


def known_accounts(directory_id: int) -> int:
    """Return how many people came from the directory before and are active: what the guard's per cent are of."""
    return _from(directory_id).count()


def _from(directory_id: int) -> QuerySet[Account]:
    return Account.objects.filter(~Q(seen_digest=""), directory_id=directory_id, user__is_active=True)


def _seen_before(config: DirectoryConfig, after: int) -> QuerySet[Account, int]:
    assert config.id is not None
    return _from(config.id).filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)


def _deactivation(config: DirectoryConfig, account: Account) -> Planned:
    user = account.user
    assert user is not None
    if user.is_staff or user.is_superuser:
        message = (
            f"{user.username} is missing from {config.name}, but is a member of the portal's staff, "
            "and an import never changes staff."
        )
        return Planned(ERROR, user.username, account.remote_id, user.pk, account.pk, message=message)
    return Planned(
        Action.DEACTIVATE,
        user.username,
        account.remote_id,
        user.pk,
        account.pk,
        {"profile.active": True},
        {"profile.active": False},
        message=f"Missing from {config.name}",
    )
