"""Reports by mail: what is due is written for each recipient, whose rights are looked at anew, and sent by a task.

The picture is drawn as a table, which every mail program shows: many show no SVG, and load no pictures unasked.
"""

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from config.models import ReportLetter, ReportRhythm, ScheduledReport
from config.overviews.base import AskedOverview, Overview
from config.overviews.book import OVERVIEWS
from provisioning.models import User
from provisioning.notices.causes import WARNING, Cause, FoundSubject, register
from provisioning.notices.mail import AGAIN, HELD
from reports.charts import Picture

AT_HOUR = 7  # of the portal's time zone
ROWS = 25  # in a mail; the page and its files have all of them
MOST = 200  # letters of one look
GIVEN_UP = dt.timedelta(hours=20)  # before the next one of the same report
DAY = dt.timedelta(days=1)
NOT_YET = "{} was not sent it yet."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BarPiece:
    """A piece of a bar: its colour and its share of the longest bar, in percent."""

    tone: str
    width: int


@dataclass(frozen=True, slots=True)
class MailBar:
    """One bar of the picture as a row of a table; ``rest`` is what is left of the width."""

    label: str
    numbers: str
    pieces: list[BarPiece]
    rest: int


def next_moment(rhythm: str, now: dt.datetime) -> dt.datetime:
    """Return when a report is due next."""
    day = timezone.localtime(now).replace(hour=AT_HOUR, minute=0, second=0, microsecond=0)
    while day <= now or not _is_its_day(rhythm, day):
        day = timezone.make_aware(dt.datetime.combine(day.date() + DAY, dt.time(AT_HOUR)))
    return day


def _is_its_day(rhythm: str, day: dt.datetime) -> bool:
    return rhythm == ReportRhythm.DAILY or (day.weekday() == 0 if rhythm == ReportRhythm.WEEKLY else day.day == 1)


def asked(schedule: ScheduledReport, now: dt.datetime) -> AskedOverview:
    """Return what a mail is of: the day, the week or the month that is over."""
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    match schedule.rhythm:
        case ReportRhythm.DAILY:
            first = today - DAY
        case ReportRhythm.WEEKLY:
            first = today - 7 * DAY
        case _:
            first = (today.replace(day=1) - DAY).replace(day=1)
    start = timezone.make_aware(dt.datetime.combine(first.date(), dt.time()))
    return AskedOverview(start=start, end=today, directory=schedule.directory)


def may_get(person: User, overview: Overview) -> bool:
    """Whether somebody may be sent a report: staff who sign in, have an address, and may see it in the portal."""
    return bool(person.is_active and person.is_staff and person.email and person.has_perms(overview.permissions))


def send_due() -> int:
    """Send what is due and return how many mails were taken. Without a mail server nothing is sent."""
    if not settings.EMAIL_HOST:
        return 0
    _begin(timezone.now())
    sent = 0
    written: dict[int, dict[str, Any]] = {}
    claimed_at = timezone.now()
    for letter in _claimed(claimed_at):
        if timezone.now() - claimed_at > HELD:
            break
        sent += _send(letter, written)
    return sent


def _begin(now: dt.datetime) -> None:
    """Write a letter for each recipient of what is due; one worker does."""
    with transaction.atomic():
        due = ScheduledReport.objects.filter(next_at__lte=now).order_by("pk").select_for_update(skip_locked=True)
        for schedule in due:
            people = schedule.recipients.values_list("pk", flat=True)
            until = now + GIVEN_UP
            letters = [ReportLetter(schedule=schedule, person_id=pk, due_at=now, until=until) for pk in people]
            ReportLetter.objects.filter(schedule=schedule).delete()
            ReportLetter.objects.bulk_create(letters)
            schedule.next_at, schedule.problem = next_moment(schedule.rhythm, now), ""
            schedule.save(update_fields=["next_at", "problem"])


def _claimed(now: dt.datetime) -> list[ReportLetter]:
    """Take letters, so that two workers do not send them both."""
    with transaction.atomic():
        due = ReportLetter.objects.filter(due_at__lte=now).order_by("due_at", "pk")
        letters = list(due.select_for_update(skip_locked=True, of=("self",), no_key=True)[:MOST])
        ReportLetter.objects.filter(pk__in=[letter.pk for letter in letters]).update(due_at=now + AGAIN)
    return letters


def _send(letter: ReportLetter, written: dict[int, dict[str, Any]]) -> int:
    """Send one mail and return whether it was taken; what goes wrong is kept with the schedule, in words."""
    schedule, person = letter.schedule, letter.person
    if not schedule.recipients.filter(pk=person.pk).exists():  # taken off since then
        letter.delete()
        return 0
    overview = OVERVIEWS.get(schedule.overview)
    if overview is None or not may_get(person, overview):
        _note(schedule, f"{person} was not sent it: they may not see it, or have no e-mail address.")
        letter.delete()
        return 0
    if schedule.pk not in written:
        written[schedule.pk] = _written(schedule, overview)
    context = {**written[schedule.pk], "person": person}
    mail = EmailMultiAlternatives(
        f"[Rollcall] {context['title']}", render_to_string("portal/overviews/mail.txt", context), to=[person.email]
    )
    mail.attach_alternative(render_to_string("portal/overviews/mail.html", context), "text/html")
    try:
        mail.send()
    except (SMTPException, OSError, ValueError) as error:
        _failed(letter, error)
        return 0
    letter.delete()
    ScheduledReport.objects.filter(pk=schedule.pk).update(sent_at=timezone.now())
    ScheduledReport.objects.filter(pk=schedule.pk, problem__startswith=NOT_YET.format(person)).update(problem="")
    return 1


def _failed(letter: ReportLetter, error: Exception) -> None:
    """Keep that a mail was not taken; it is tried again until it is given up."""
    log.warning("A report was not taken by the mail server (%s).", type(error).__name__)
    refused = isinstance(error, SMTPResponseException | SMTPRecipientsRefused | ValueError)
    why = "The mail server refused the mail" if refused else "The mail server did not answer"
    if letter.until <= timezone.now():
        _note(letter.schedule, f"{letter.person} was not sent it. {why}.")
        letter.delete()
    else:
        _note(letter.schedule, f"{NOT_YET.format(letter.person)} {why}; the portal tries again.")


def _note(schedule: ScheduledReport, problem: str) -> None:
    ScheduledReport.objects.filter(pk=schedule.pk).update(problem=problem)


def _written(schedule: ScheduledReport, overview: Overview) -> dict[str, Any]:
    """Return what the mails say; it is the same for everybody who may see the report."""
    span = asked(schedule, timezone.now())
    rows = list(islice(overview.rows(span, ROWS + 1), ROWS + 1))
    picture = overview.picture(span)
    of = f" of {schedule.directory}" if schedule.directory else ""
    filters: dict[str, Any] = {}
    if overview.dated:
        filters |= {"start": timezone.localdate(span.start), "end": timezone.localdate(span.end) - DAY}
    if schedule.directory:
        filters["directory"] = schedule.directory.pk
    query = f"?{urlencode(filters)}" if filters else ""
    return {
        "title": f"{overview.title}{of}",
        "overview": overview,
        "span": span if overview.dated else None,
        "last_day": span.end - DAY,
        "rows": rows[:ROWS],
        "more": len(rows) > ROWS,
        "picture": picture,
        "bars": list(_bars(picture)) if picture else [],
        "url": f"{settings.PORTAL_URL}{reverse('overview', args=[overview.name])}{query}",
        "choices_url": f"{settings.PORTAL_URL}{reverse('admin:portal_scheduledreport_change', args=[schedule.pk])}",
    }


def _bars(picture: Picture) -> Iterator[MailBar]:
    sums = [sum(one.numbers[place] for one in picture.legend) for place in range(len(picture.labels))]
    longest = max(sums) or 1
    for place, label in enumerate(picture.labels):
        there = [one for one in picture.legend if one.numbers[place]]
        pieces = [BarPiece(str(one.tones), round(100 * one.numbers[place] / longest)) for one in there]
        numbers = ", ".join(f"{one.label.lower()} {one.numbers[place]:,}" for one in there)
        yield MailBar(label, numbers or "none", pieces, max(0, 100 - sum(piece.width for piece in pieces)))


def _not_sent() -> Iterator[FoundSubject]:
    for one in ScheduledReport.objects.exclude(problem="").select_related("directory"):
        overview = OVERVIEWS.get(one.overview)
        title = f"A report by mail was not sent: {overview.title if overview else one.overview}"
        yield FoundSubject(f"report {one.pk}", title, one.problem, f"/portal/scheduledreport/{one.pk}/change/")


register(Cause("report_mails", "Reports by mail that were not sent", WARNING, "portal.view_scheduledreport", _not_sent))
