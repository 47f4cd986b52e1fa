"""The mails of requests: to who is asked, with links, and to who asked; sent by the next look, each once."""

import datetime as dt
import logging
from collections.abc import Collection
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from provisioning.notices.mail import taken
from provisioning.requests import links
from provisioning.requests.models import MailKind, ProductRequest, RequestMail, RequestState, StepState

MOST = 1000  # of one look
AGAIN = dt.timedelta(minutes=10)  # after which a mail is tried again that was refused, or that nobody ended
TRIES = 100  # after which a mail is given up

log = logging.getLogger(__name__)

Letter = tuple[int, int | None, int]  # the ids of the request, of the step and of the person


def queue(told: MailKind, letters: Collection[Letter]) -> None:
    """Let mails be sent, in the caller's transaction; nothing where no mail server is named."""
    if settings.EMAIL_HOST and letters:
        RequestMail.objects.bulk_create(
            RequestMail(request_id=request, step_id=step, to_id=person, told=told)
            for request, step, person in dict.fromkeys(letters)
        )


def to_people_of(request: ProductRequest) -> list[Letter]:
    """Return whom a request is told of: who it is for, and who asked."""
    return [(request.pk, None, pk) for pk in {request.person_id, request.asked_by_id} if pk is not None]


def send_due() -> int:
    """Send what is due and return how many mails were taken."""
    if not settings.EMAIL_HOST:
        return 0
    theirs = _claimed()
    sent = 0
    try:
        with get_connection() as connection:
            for one in theirs:
                sent += _send(one, connection)
    except (SMTPException, OSError) as error:
        log.warning("The mail server took no mails of requests (%s); they are sent later.", type(error).__name__)
    return sent


def _claimed() -> list[RequestMail]:
    """Take what is due, so that two workers do not send it both; what is over or was tried too long is dropped."""
    now = timezone.now()
    RequestMail.objects.filter(sent_at=None, due_at__lte=now, tries__gte=TRIES).update(sent_at=now)
    related = ("request__product__rule", "request__person", "request__asked_by", "step", "to")
    with transaction.atomic():
        due = RequestMail.objects.filter(sent_at=None, due_at__lte=now).order_by("due_at", "pk")
        ids = list(due.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)[:MOST])
        RequestMail.objects.filter(pk__in=ids).update(due_at=now + AGAIN, tries=F("tries") + 1)
    rows = RequestMail.objects.filter(pk__in=ids).select_related(*related).defer("request__product__picture")
    return list(rows.order_by("pk"))


def _send(one: RequestMail, connection: Any) -> int:
    mine = RequestMail.objects.filter(pk=one.pk)
    over = one.step is not None and one.step.state != StepState.OPEN
    if over or not one.to.email or not one.to.is_active:
        mine.update(sent_at=timezone.now())
        return 0
    if not taken(EmailMessage(subject(one), body(one), to=[one.to.email], connection=connection)):
        return 0
    mine.update(sent_at=timezone.now())
    return 1


def subject(one: RequestMail) -> str:
    """Return the subject of a mail, in one line."""
    request = one.request
    words = {
        MailKind.ASKED: f"Please decide: {request}",
        MailKind.REMINDED: f"Still waiting for you: {request}",
        MailKind.ENDING: f"{request.product_name} ends soon",
        MailKind.STATE: f"{request}: {request.get_state_display().lower()}",
    }[MailKind(one.told)]
    return f"[Rollcall] {' '.join(words.split())}"


def body(one: RequestMail) -> str:
    """Return the text of a mail."""
    request = one.request
    page = f"{settings.PORTAL_URL}{reverse('my:request', args=[request.pk])}"
    if one.told in (MailKind.ASKED, MailKind.REMINDED) and one.step is not None:
        return _to_approver(one)
    if one.told == MailKind.ENDING:
        more = "Ask for it again on this page, if it is still needed:"
        return f"{request.product_name} of {request.person_name} ends soon.\n{more}\n{page}\n"
    lines = [f"{request}: {request.get_state_display()}."]
    if request.why:
        lines.append(request.why)
    if request.state == RequestState.GRANTED:
        lines.append("It is being set up. The page shows how far that is.")
    return "\n".join([*lines, page]) + "\n"


def _to_approver(one: RequestMail) -> str:
    request, step = one.request, one.step
    assert step is not None
    lines = [f"{request.asked_by_name} asks for {request.product_name} for {request.person_name}."]
    lines += [f"{label}: {value}" for label, value in request.answers]
    if request.reason:
        lines.append(f"Reason: {request.reason}")
    if request.product is not None and request.product.risk:
        lines.append(f"Risk: {request.product.risk}")
    lines += [
        "",
        f"Approve: {links.address(step.pk, one.to_id, links.APPROVE)}",
        f"Refuse: {links.address(step.pk, one.to_id, links.REFUSE)}",
        "",
        "Both links ask you to sign in, and decide nothing before you press the button there.",
    ]
    return "\n".join(lines) + "\n"
