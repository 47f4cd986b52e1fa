"""Rows that claim one person: none of them is applied, whichever came first.

Nobody can tell whose values are right, and the order of the rows changes by itself. A row that has the lasting id of
the person's account is theirs, though: only the others that claim the person are errors then. All of it is known only
once everything was read, and is done by sets, so that no list of names is held in memory.
"""

from collections.abc import Collection
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Lower

from config.database import keyset
from provisioning.guard.losses import LossKind
from provisioning.imports.runs import Lease
from provisioning.imports.users.crawl import Crawler
from provisioning.imports.users.identity import EMPLOYEE, MAIL
from provisioning.imports.users.plan import SAME_PERSON, SAME_ROW, Planned
from provisioning.imports.users.store import few, gain, keep_names, refuse, store
from provisioning.models import Account, ImportRun, PlannedChange, User
from provisioning.models.imports import Action

CHUNK = 1000
RENAMED_NOW = (
    "{who} has this user name until this import has renamed them. The next import of everything brings this person."
)
SAME_NAME = (
    "Other rows of this import claim the user name {} too, so nobody gets it. Give each of them a name of their own in "
    "the directory."
)
NEW = {
    "key_folded": (
        "Other rows of this import have the same user name, so none of them is applied. "
        "Remove the others in the directory."
    ),
    "remote_id": SAME_ROW,
    "match_value": SAME_PERSON,
}


def settle(run: ImportRun, crawler: Crawler, lease: Lease) -> None:
    """Make errors of the rows of a finished crawl that claim one person."""
    for ids in crawler.twice.pages(CHUNK):
        with lease.page() as gains:
            _same_row(run, ids, gains)
    for ids in crawler.contested.pages(CHUNK):
        with lease.page() as gains:
            refuse(_by_match(run, ids), SAME_PERSON, gains)
    if crawler.tally.kinds[LossKind.RENAMED]:
        _same_new_name(run, crawler, lease)
    for ids in crawler.overlapping.pages(CHUNK):
        with lease.page() as gains:
            _taken(run, crawler, ids, gains)
    if crawler.created:
        _same_new_person(run, crawler, lease)
    if crawler.tally.kinds[LossKind.RENAMED] and crawler.correlator.by_username:
        _renamed_now(run, lease)
    if crawler.created:
        _perhaps_renamed(run, lease)


def _same_row(run: ImportRun, account_ids: Collection[int], gains: dict[str, Any]) -> None:
    """Refuse all rows with one lasting id; the first may have been as before, so that nothing was planned for it."""
    planned = PlannedChange.objects.filter(run=run, account_id__in=account_ids).order_by()
    refuse(planned, SAME_ROW, gains)
    alone = planned.values("account_id").annotate(rows=Count("pk")).filter(rows=1).values("account_id")
    unchanged = Account.objects.filter(pk__in=list(alone.values_list("account_id", flat=True)), user__isnull=False)
    rows = [
        Planned(Action.ERROR, key, user_id=user_id, account_id=pk, message=SAME_ROW)
        for pk, key, user_id in unchanged.order_by("pk").values_list("pk", "key", "user_id")
    ]
    store(run.pk, rows, gains)
    gain(gains, "unchanged", -len(rows))


def _by_match(run: ImportRun, user_ids: Collection[int]) -> QuerySet[PlannedChange]:
    """Return what is planned for these users by rows that have not the lasting id of their account."""
    theirs = Account.objects.filter(pk=OuterRef("account_id"), remote_id=OuterRef("remote_id"))
    planned = PlannedChange.objects.filter(run=run, user_id__in=user_ids).exclude(action=Action.ERROR)
    return planned.exclude(Exists(theirs))


def _taken(run: ImportRun, crawler: Crawler, user_ids: Collection[int], gains: dict[str, Any]) -> None:
    """Refuse the rows that match somebody who has a row of their own."""
    wrong = list(_by_match(run, user_ids).only("user_id"))
    people = User.objects.in_bulk({change.user_id for change in wrong if change.user_id})
    for change in wrong:
        user = people.get(change.user_id or 0)
        if user is not None:
            only = PlannedChange.objects.filter(pk=change.pk)
            refuse(only, crawler.taken(str(user)), gains)
            only.update(match_value=user.username_key)


def _renames(run: ImportRun) -> QuerySet[PlannedChange]:
    """Return what is planned with a new user name, which is the ``match_value`` of an update."""
    return PlannedChange.objects.filter(run=run, action=Action.UPDATE).exclude(match_value="").order_by("pk")


def _same_new_name(run: ImportRun, crawler: Crawler, lease: Lease) -> None:
    """Let all keep their names who claim one new name; somebody new who claims it too is an error.

    A row that is an error by itself counts too: it may have been the right one.
    """
    renames = _renames(run)
    new = PlannedChange.objects.filter(run=run, action__in=[Action.CREATE, Action.ERROR])
    names = renames.order_by().values_list("match_value", flat=True)
    several = names.annotate(rows=Count("pk")).filter(rows__gt=1)
    for claimed in (several, names.filter(Exists(new.filter(key_folded=OuterRef("match_value")))).distinct()):
        while found := list(claimed[:CHUNK]):
            with lease.page() as gains:
                refuse(new.filter(key_folded__in=found), NEW["key_folded"], gains)
            while claiming := few(renames.filter(match_value__in=found)[:CHUNK]):
                with lease.page() as gains:
                    keep_names(claiming, SAME_NAME.format, gains)
                crawler.tally.kinds[LossKind.RENAMED] -= len(claiming)


def _renamed_now(run: ImportRun, lease: Lease) -> None:
    """Say so where a row has the user name of somebody whom this import renames."""
    errors = PlannedChange.objects.filter(run=run, action=Action.ERROR).exclude(message=SAME_PERSON)
    for page in keyset.pages(_renames(run).only("user_id"), CHUNK):
        holders = {user.username_key: user for user in User.objects.filter(pk__in=[one.user_id for one in page])}
        waiting = list(errors.filter(match_value__in=holders).only("match_value"))
        for error in waiting:
            error.message = RENAMED_NOW.format(who=holders[error.match_value])
        with lease.page():
            PlannedChange.objects.bulk_update(waiting, ["message"], batch_size=CHUNK)


def _same_new_person(run: ImportRun, crawler: Crawler, lease: Lease) -> None:
    """Refuse the planned creations of one person, at most CHUNK at a time.

    A row that is an error by itself counts too: it may have been the right one. Where rows are matched by the user
    name, two of one match have one user name.
    """
    creations = PlannedChange.objects.filter(run=run, action=Action.CREATE)
    rows = PlannedChange.objects.filter(run=run, action__in=[Action.CREATE, Action.ERROR])
    for claim, reason in NEW.items():
        if claim == "match_value" and crawler.correlator.by_username:
            continue
        groups = rows.exclude(**{claim: ""}).order_by().values(claim).annotate(rows=Count("pk"))
        several = groups.annotate(new=Count("pk", filter=Q(action=Action.CREATE))).filter(rows__gt=1, new__gt=0)
        while names := list(several.values_list(claim, flat=True)[:CHUNK]):
            rest = creations.filter(**{f"{claim}__in": names})
            while ids := list(rest.order_by().values_list("pk", flat=True)[:CHUNK]):
                with lease.page() as gains:
                    refuse(PlannedChange.objects.filter(pk__in=ids), reason, gains)


def _perhaps_renamed(run: ImportRun, lease: Lease) -> None:
    """Say so where somebody who leaves in this run has the e-mail address or the employee number of somebody new."""
    new = PlannedChange.objects.filter(run=run, action=Action.CREATE)
    new = new.annotate(mail=Lower(KT(f"after__{MAIL}")), number=KT(f"after__{EMPLOYEE}"))
    leaving = PlannedChange.objects.filter(run=run, action=Action.DEACTIVATE)
    for page in keyset.pages(leaving, CHUNK):
        gone = {change.user_id: change for change in page}
        people = User.objects.filter(pk__in=gone)
        by_mail = {user.email.lower(): user for user in people if user.email}
        by_number = {user.employee_number: user for user in people if user.employee_number}
        hints = []
        for change in new.filter(Q(mail__in=by_mail) | Q(number__in=by_number)):
            what = "e-mail address" if change.mail in by_mail else "employee number"
            user = by_mail.get(change.mail) or by_number[change.number]
            hint = f"Perhaps {user} under another name: the {what} is the same, and {user.username} leaves now."
            change.message = f"{hint} {change.message}".rstrip()
            leaver = gone[user.pk]
            leaver.message = f"{leaver.message}; perhaps renamed to {change.key}, who is new and has the same {what}"
            hints += [change, leaver]
        with lease.page():
            PlannedChange.objects.bulk_update(hints, ["message"], batch_size=CHUNK)
