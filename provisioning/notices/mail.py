"""The mails of notices: one a person for all that is due, tried again with the next look when the server takes none."""

import datetime as dt
import logging
from collections import defaultdict
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.utils import timezone

from provisioning.notices.models import Letter

MOST = 2000  # letters of one look
SHOWN = 50  # notices in one mail
AGAIN = dt.timedelta(minutes=10)  # after which a mail is tried again that was refused, or that nobody ended
HELD = AGAIN / 2  # after which a slow worker leaves the rest to be taken anew, so that nobody is sent it twice

log = logging.getLogger(__name__)


def send_due() -> int:
    """Send what is due and return how many mails were taken. Without a mail server nothing is sent."""
    if not settings.EMAIL_HOST:
        return 0
    due = Letter.objects.filter(sent_at=None, due_at__lte=timezone.now(), person__is_active=True, person__is_staff=True)
    letters = due.select_related("notice", "person").order_by("person_id", "pk")[:MOST]
    by_person: dict[int, list[Letter]] = defaultdict(list)
    for letter in letters:
        by_person[letter.person_id].append(letter)
    if not by_person:
        return 0
    sent = 0
    try:
        with get_connection() as connection:
            for theirs in by_person.values():
                sent += _send(theirs, connection)
    except (SMTPException, OSError) as error:
        log.warning("The mail server took no notices (%s); they are sent with the next look.", type(error).__name__)
    return sent


def _send(letters: list[Letter], connection: Any) -> int:
    """Send one person's mail and return whether it was taken; raise when the server is away."""
    theirs = _claimed(letters)
    if not theirs:
        return 0
    mine = Letter.objects.filter(pk__in=[letter.pk for letter in theirs])
    message = EmailMessage(_subject(theirs), _body(theirs), to=[theirs[0].person.email], connection=connection)
    try:
        if not taken(message):
            return 0
    except (SMTPException, OSError):
        mine.update(due_at=timezone.now())
        raise
    mine.update(sent_at=timezone.now())
    return 1


def taken(message: EmailMessage) -> bool:
    """Send a mail and return whether it was taken; raise SMTPException or OSError when the server is away."""
    try:
        message.send()
    except SMTPResponseException as error:
        log.warning("A mail was refused (%s %s).", type(error).__name__, error.smtp_code)
        return False
    except (SMTPRecipientsRefused, ValueError) as error:
        log.warning("A mail was refused (%s).", type(error).__name__)
        return False
    return True


def _claimed(letters: list[Letter]) -> list[Letter]:
    """Take letters, so that two workers do not send them both; who dies with them lets them be sent ``AGAIN`` later."""
    now = timezone.now()
    with transaction.atomic():
        due = Letter.objects.filter(pk__in=[letter.pk for letter in letters], sent_at=None, due_at__lte=now)
        ids = set(due.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))
        Letter.objects.filter(pk__in=ids).update(due_at=now + AGAIN)
    return [letter for letter in letters if letter.pk in ids]


def _subject(letters: list[Letter]) -> str:
    first = " ".join(_line(letters[0]).split())
    more = len(letters) - 1
    return f"[Rollcall] {first}" + (f" and {more} more" if more else "")


def _line(letter: Letter) -> str:
    return f"Over: {letter.notice.title}" if letter.ended else letter.notice.title


def _body(letters: list[Letter]) -> str:
    parts = []
    for letter in letters[:SHOWN]:
        notice = letter.notice
        lines = [_line(letter), f"Since {timezone.localtime(notice.opened_at):%Y-%m-%d %H:%M}"]
        if letter.ended and notice.closed_at:
            lines[-1] += f" until {timezone.localtime(notice.closed_at):%Y-%m-%d %H:%M}"
        elif notice.text:
            lines.append(notice.text)
        if notice.path and not letter.ended:
            lines.append(f"{settings.PORTAL_URL}{notice.path}")
        parts.append("\n".join(lines))
    if len(letters) > SHOWN:
        parts.append(f"And {len(letters) - SHOWN:,} more, on the page Notices.")
    parts.append(f"What you are told of, and how: {settings.PORTAL_URL}/notices/notice/choices/")
    return "\n\n".join(parts) + "\n"
