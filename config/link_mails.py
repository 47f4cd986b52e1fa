"""Mails with one-time links: invitations, and for those who forgot their password. Sent by a task, never by a page."""

import datetime as dt
import logging
from collections.abc import Iterable
from smtplib import SMTPException, SMTPResponseException

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone

from config import one_time_links
from config.signin import policy
from config.signin.models import LinkMail
from provisioning.models import User
from provisioning.models.people import fold
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

MOST = 500  # mails of one look
LIKE = 5  # people who have one e-mail address, and are all written to
AGAIN = dt.timedelta(minutes=10)  # after which a mail is tried again that was refused, or that nobody ended
GIVEN_UP = {LinkMail.Kind.FORGOTTEN: dt.timedelta(hours=1), LinkMail.Kind.INVITATION: dt.timedelta(days=2)}
SUBJECTS = {
    LinkMail.Kind.FORGOTTEN: "[Rollcall] Choose a new password",
    LinkMail.Kind.INVITATION: "[Rollcall] Your account",
}
WORDS = {
    LinkMail.Kind.FORGOTTEN: (
        "Somebody, probably you, asked for a new password for this portal. If it was not you, do nothing: your "
        "password stays as it is."
    ),
    LinkMail.Kind.INVITATION: "You may sign in to this portal now. Choose your password first.",
}
BODY = """Hello {name},

{words}

{address}

The link works once, for 24 hours. Your user name is {username}.
"""

log = logging.getLogger(__name__)


def ask(kind: LinkMail.Kind, names: Iterable[str], *, actor: str = "", address: str = "") -> None:
    """Let mails be sent to the people of these names; ``actor`` is who invites, ``address`` where it was asked for."""
    until = timezone.now() + GIVEN_UP[kind]
    more = {"kind": kind, "actor": actor[:255], "address": address, "until": until}
    LinkMail.objects.bulk_create([LinkMail(name=name[:255], **more) for name in names], batch_size=1000)


def send_due() -> int:
    """Send what is due and return how many mails were taken. Without a mail server nothing is sent."""
    if not settings.EMAIL_HOST:
        return 0
    sent = 0
    for mail in _claimed():
        try:
            people = _people(mail)
            for person in people:
                _send(mail, person)
        except SMTPResponseException as error:
            log.warning("A mail with a one-time link was refused (%s %s).", type(error).__name__, error.smtp_code)
            continue
        except (SMTPException, OSError, ValueError) as error:
            log.warning("A mail with a one-time link was not taken (%s).", type(error).__name__)
            continue
        sent += len(people)
        mail.delete()
    return sent


def _claimed() -> list[LinkMail]:
    """Take what is due, so that two workers do not send it both; forget what could not be sent for too long."""
    now = timezone.now()
    with transaction.atomic():
        LinkMail.objects.filter(until__lt=now).delete()
        due = LinkMail.objects.filter(due_at__lte=now).order_by("due_at", "pk")
        mails = list(due.select_for_update(skip_locked=True, no_key=True)[:MOST])
        LinkMail.objects.filter(pk__in=[mail.pk for mail in mails]).update(due_at=now + AGAIN)
    return mails


def _people(mail: LinkMail) -> list[User]:
    """Return whom it is for: by user name, else by e-mail address. Who may not sign in or has no address gets none."""
    key = fold(mail.name)
    found = list(User.objects.filter(username_key=key)[:1]) if key else []
    if not found and key and mail.kind == LinkMail.Kind.FORGOTTEN:
        found = list(User.objects.filter(email_key=key).order_by("pk")[: LIKE + 1])
    if len(found) > LIKE:
        return []
    return [user for user in found if user.email and policy.may_sign_in(user)]


def _send(mail: LinkMail, person: User) -> None:
    """Send one person's mail, and record it; raise what the mail server answers."""
    with transaction.atomic():
        path = one_time_links.make(person, mail.actor or person.username)
        kind = LinkMail.Kind(mail.kind)
        body = BODY.format(
            name=person.get_full_name(),
            username=person.username,
            words=WORDS[kind],
            address=f"{settings.PORTAL_URL}{path}",
        )
        record(
            Line(
                identifier=person.username,
                application="",
                direction=Direction.PORTAL,
                operation=Operation.PASSWORD,
                result=Result.SUCCESS,
                message=_told(mail, person),
                actor=mail.actor,
                user_id=person.pk,
            )
        )
    EmailMessage(SUBJECTS[kind], body, to=[person.email]).send()


def _told(mail: LinkMail, person: User) -> str:
    if mail.kind == LinkMail.Kind.INVITATION:
        return f"{mail.actor} invited {person}: a one-time link goes to their e-mail address."
    return f"A one-time link goes to the e-mail address of {person}: it was asked for from {mail.address}."
