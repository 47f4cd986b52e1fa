"""Managers are told by mail that somebody of theirs leaves: once a leaving, where that is switched on.

A leaving is what a receipt was opened for. One that is opened again for who is still away is the same leaving; whoever
was back in between leaves anew. Whether somebody was told, and why not, is a line of the leaver's report.
"""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from provisioning.models import User
from provisioning.notices.mail import AGAIN, HELD, taken
from provisioning.notices.models import LeaverMail, ManagerMails
from provisioning.receipts.models import Receipt, ReceiptStatus
from provisioning.recycle.models import DeletedUser
from reports import evidence
from reports.journal import Line, record, record_many
from reports.models import Direction, Operation, Result

PAGE = 500
LATEST = dt.timedelta(days=7)  # after which nobody is told any more
TRIES = 100  # after which a mail is given up

NO_MANAGER = "No manager is told that {leaver} leaves: there is none."
GONE = "No manager is told that {leaver} leaves: theirs was deleted."
INACTIVE = "{manager} is not told that {leaver} leaves: inactive, too."
NO_ADDRESS = "{manager} is not told that {leaver} leaves: there is no e-mail address."
NO_SERVER = "{manager} is not told that {leaver} leaves: the portal has no mail server."
TOLD = "{manager} was told by mail that {leaver} leaves."
GIVEN_UP = "{manager} could not be told that {leaver} leaves: the mail server refused the mail again and again."
log = logging.getLogger(__name__)


def switch(actor: str, *, on: bool) -> None:
    """Switch the mails on or off; whoever left before is told of to nobody."""
    with transaction.atomic():
        held, _ = ManagerMails.objects.select_for_update().get_or_create(pk=ManagerMails.ONE)
        if held.on == on:
            return
        held.on, held.since = on, timezone.now()
        held.save()
        words = f"{actor} switched mails to the managers of leavers {held}."
        line = _line("", None, words, Result.SUCCESS)
        record(replace(line, operation=Operation.SETTINGS, actor=actor))
        evidence.changed("manager mails", {"on": on}, words, actor)


def look() -> None:
    """Find out who left, and send what is due."""
    back = User.objects.filter(pk=OuterRef("user_id"), is_active=True, provisioned=True)
    LeaverMail.objects.filter(Exists(back), over=False).update(over=True, due_at=None)
    while _page():
        pass
    _send_due()


def _page() -> bool:
    """Look at one page of leavers whom nobody was told of yet; return whether there may be more."""
    with transaction.atomic():
        held = ManagerMails.objects.select_for_update().filter(pk=ManagerMails.ONE, on=True).first()
        if held is None:
            return False
        receipts = list(_untold(held.since)[:PAGE])
        newest = {receipt.user_id: receipt for receipt in receipts}
        managers = User.objects.in_bulk({one.manager_id for one in newest.values() if one.manager_id})
        mails, lines = [], []
        for user_id, receipt in newest.items():
            manager = managers.get(receipt.manager_id or 0)
            why = _why_not(receipt, manager)
            mail = LeaverMail(user_id=user_id, receipt_id=receipt.pk)
            if why:
                lines.append(_line(receipt.username, user_id, why, Result.PARTLY))
            else:
                mail.to, mail.due_at = manager, timezone.now()
            mails.append(mail)
        LeaverMail.objects.bulk_create(mails)
        record_many(lines)
    return len(receipts) == PAGE


def _untold(since: dt.datetime) -> "QuerySet[Receipt]":
    """Return the receipts of leavings that nothing was made of; who was merged into another has not left."""
    known = LeaverMail.objects.filter(user_id=OuterRef("user_id"), over=False)
    seen = LeaverMail.objects.filter(receipt_id=OuterRef("pk"))
    merged = DeletedUser.objects.filter(user_id=OuterRef("user_id"), merged_into__isnull=False, restored_at=None)
    left = Receipt.objects.filter(learnt_at__gte=max(since, timezone.now() - LATEST))
    left = left.exclude(status=ReceiptStatus.CANCELLED)
    return left.filter(~Exists(known), ~Exists(seen), ~Exists(merged)).order_by("learnt_at", "pk")


def _why_not(receipt: Receipt, manager: User | None) -> str:
    """Return why the manager is not told, "" where they are."""
    if manager is None:
        return (GONE if receipt.manager_id else NO_MANAGER).format(leaver=receipt)
    for holds, words in (
        (not manager.is_active, INACTIVE),
        (not manager.email, NO_ADDRESS),
        (not settings.EMAIL_HOST, NO_SERVER),
    ):
        if holds:
            return words.format(leaver=receipt, manager=manager)
    return ""


def _send_due() -> None:
    claimed_at = timezone.now()
    mails = _claimed() if settings.EMAIL_HOST else []
    if not mails:
        return
    receipts = Receipt.objects.prefetch_related("accounts").in_bulk([one.receipt_id for one in mails])
    try:
        with get_connection() as connection:
            for one in mails:
                if timezone.now() - claimed_at > HELD:
                    break
                _send(one, receipts, connection)
    except (SMTPException, OSError) as error:
        log.warning("The mail server took no mails to managers (%s); they are sent later.", type(error).__name__)


def _claimed() -> Sequence[LeaverMail]:
    """Take what is due, so that two workers do not send it both; who dies with it lets it be sent ``AGAIN`` later."""
    now = timezone.now()
    with transaction.atomic():
        due = LeaverMail.objects.filter(due_at__lte=now).order_by("due_at", "pk")
        ids = list(due.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)[:PAGE])
        LeaverMail.objects.filter(pk__in=ids).update(due_at=now + AGAIN, tries=F("tries") + 1)
    return list(LeaverMail.objects.filter(pk__in=ids).select_related("to").order_by("pk"))


def _send(one: LeaverMail, receipts: Mapping[int, Receipt], connection: Any) -> None:
    receipt, manager, result = receipts[one.receipt_id], one.to, Result.PARTLY
    words = _why_not(receipt, manager)
    if manager is not None and not words:
        message = EmailMessage(_subject(receipt), _body(receipt), to=[manager.email], connection=connection)
        if taken(message):
            result, words = Result.SUCCESS, TOLD.format(leaver=receipt, manager=manager)
        elif one.tries >= TRIES:
            result, words = Result.FAILED, GIVEN_UP.format(leaver=receipt, manager=manager)
        else:
            return
    with transaction.atomic():
        LeaverMail.objects.filter(pk=one.pk).update(due_at=None)
        record(_line(receipt.username, receipt.user_id, words, result))


def _subject(receipt: Receipt) -> str:
    return f"[Rollcall] {' '.join(str(receipt).split())} leaves"


def _body(receipt: Receipt) -> str:
    lines = [f"{receipt} leaves, and you are their manager."]
    if receipt.hr_end_there:
        lines.append(f"Their last contract ends at {receipt.hr_end_there} ({receipt.hr_zone}).")
    if names := sorted({account.directory for account in receipt.accounts.all()}):
        lines.append(f"Their accounts are being closed: {', '.join(names)}.")
    lines.append("Do you need something that only they can reach? Ask your IT staff now.")
    return "\n".join(lines) + "\n"


def _line(username: str, user_id: int | None, words: str, result: Result) -> Line:
    return Line(
        identifier=username,
        application="",
        direction=Direction.PORTAL,
        operation=Operation.UPDATE,
        result=result,
        message=words,
        user_id=user_id,
    )
