"""Opening and closing notices: what each cause holds for now, against what is open."""

import datetime as dt
import logging
from collections.abc import Iterable

from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.utils import timezone

from provisioning.models import Grant, User
from provisioning.notices.causes import CAUSES, DANGER, Cause, FoundSubject
from provisioning.notices.models import Choice, How, Letter, Notice
from provisioning.notices.signals import notice_closed, notice_opened

DIGEST_HOUR = 7  # of the portal's time zone
PAGE = 1000

log = logging.getLogger(__name__)


def watch() -> None:
    """Look at every cause once; one that cannot be looked at keeps its notices."""
    for cause in CAUSES.values():
        try:
            with transaction.atomic():
                _look(cause)
        except DatabaseError as error:
            log.warning("The notices of %s were not looked at (%s).", cause.name, type(error).__name__)


def how_told(cause: Cause) -> dict[int, str]:
    """Return the people who are told of a cause, by id, and how: staff with an address who may know of it."""
    staff = User.objects.filter(is_staff=True, is_active=True).exclude(email="")
    app, _, codename = cause.permission.partition(".")
    gives = Grant.objects.filter(role__permissions__codename=codename, role__permissions__content_type__app_label=app)
    may = Q(pk__in=gives.current().everywhere().values("user"))
    may |= Q(user_permissions__codename=codename, user_permissions__content_type__app_label=app)
    ids = set(staff.filter(may | Q(is_superuser=True)).values_list("pk", flat=True))
    chosen = dict(Choice.objects.filter(cause=cause.name, person__in=ids).values_list("person_id", "how"))
    return {pk: chosen.get(pk, usual(cause)) for pk in sorted(ids)}


def usual(cause: Cause) -> str:
    """Return how people are told who chose nothing."""
    return How.NOW if cause.level == DANGER else How.DIGEST


def _look(cause: Cause) -> None:
    found = {one.subject: one for one in cause.find()}
    opened = Notice.objects.select_for_update().filter(cause=cause.name, closed_at=None).order_by("pk")
    known = {notice.subject: notice for notice in opened}
    now = timezone.now()
    if again := [known[subject].pk for subject in known if subject in found]:
        Notice.objects.filter(pk__in=again).update(times=F("times") + 1, last_at=now)
    _close([notice for subject, notice in known.items() if subject not in found], now)
    _open(cause, [one for subject, one in found.items() if subject not in known], now)


def _open(cause: Cause, new: Iterable[FoundSubject], now: dt.datetime) -> None:
    rows = [
        Notice(
            cause=cause.name,
            subject=one.subject[:64],
            level=cause.level,
            title=one.title[:255],
            text=one.text,
            path=one.path[:255],
            opened_at=now,
            last_at=now,
        )
        for one in new
    ]
    if not rows:
        return
    made = Notice.objects.bulk_create(rows, batch_size=PAGE)
    people = how_told(cause)
    Letter.objects.bulk_create(
        (
            Letter(notice=notice, person_id=person, how=how, due_at=now if how == How.NOW else next_digest(now))
            for notice in made
            for person, how in people.items()
            if how != How.NEVER
        ),
        batch_size=PAGE,
    )
    for notice in made:
        notice_opened.send(Notice, notice=notice)


def _close(over: list[Notice], now: dt.datetime) -> None:
    """Close notices; whoever was told of one is told of its end, the way they were told, and nobody else is."""
    if not over:
        return
    ids = [notice.pk for notice in over]
    Notice.objects.filter(pk__in=ids).update(closed_at=now)
    Letter.objects.filter(notice__in=ids, sent_at=None).delete()
    told = Letter.objects.filter(notice__in=ids, ended=False).values_list("notice_id", "person_id", "how")
    Letter.objects.bulk_create(
        (
            Letter(
                notice_id=notice,
                person_id=person,
                ended=True,
                how=how,
                due_at=now if how == How.NOW else next_digest(now),
            )
            for notice, person, how in told
        ),
        batch_size=PAGE,
    )
    for notice in over:
        notice_closed.send(Notice, notice=notice)


def next_digest(now: dt.datetime) -> dt.datetime:
    """Return when the next daily mail goes out."""
    at = timezone.localtime(now).replace(hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
    return at if at > now else at + dt.timedelta(days=1)
