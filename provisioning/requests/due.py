"""What comes by itself, each minute: products whose time is over, people who left, reminders, and who is asked now.

Everything is done for pages of rows: a fixed number of statements a page. Silence never approves anything.
"""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from config.database import bulk, keyset
from provisioning.requests import asking, mails, services, telling
from provisioning.requests.models import AskedApprover, MailKind, ProductRequest, RequestState, RequestStep
from provisioning.rules.models import Holding
from reports.journal import record_many

PAGE = 1000
SOON = dt.timedelta(days=14)  # before the end of a product, when people are told of it
MOST_RAISED = 10  # times that those above are asked
LEFT = "The person was deactivated."
DELETED = "The person was deleted, or merged into another."
NOT_OFFERED = "The product is not offered any more."
GONE = "The person is not there any more, or was deactivated."


def look() -> None:
    """Do what is due."""
    end_due()
    cancel_void()
    ask_again()
    tell_of_ends()
    mails.send_due()


def end_due(now: dt.datetime | None = None) -> None:
    """Take back what is over, and what people have who were deactivated."""
    moment = now or timezone.now()
    products = Holding.objects.filter(rule__product__isnull=False).select_related("user", "rule")
    _end(products.filter(until__lte=moment), RequestState.ENDED, "Its time is over.")
    _end(products.filter(rule__product__until_disabled=True, user__is_active=False), RequestState.RETURNED, LEFT)
    gone = ProductRequest.objects.filter(state=RequestState.GRANTED, person=None)
    gone.update(state=RequestState.RETURNED, why=DELETED, ended_at=moment)


def cancel_void() -> None:
    """End requests that wait for what nobody can be given any more."""
    waiting = ProductRequest.objects.filter(state=RequestState.WAITING).select_related("person")
    not_offered = Q(product=None) | Q(product__offered=False) | Q(product__rule__retired=True)
    for void, why in ((Q(person=None) | Q(person__is_active=False), GONE), (not_offered, NOT_OFFERED)):
        while True:
            with transaction.atomic():
                rows = waiting.filter(void).order_by("pk").select_for_update(no_key=True, of=("self",))
                if not (page := list(rows[:PAGE])):
                    break
                services.close(page, RequestState.CANCELLED, why)


def ask_again(now: dt.datetime | None = None) -> None:
    """Find anew who decides what is open, remind them, and ask those above them when nobody answered."""
    moment = now or timezone.now()
    for page in keyset.pages(asking.open_steps(), PAGE):
        with transaction.atomic():
            ids = [step.pk for step in page]
            locked = RequestStep.objects.filter(pk__in=ids, state="open").order_by("pk")
            still = set(locked.select_for_update(no_key=True).values_list("pk", flat=True))
            steps = [step for step in page if step.pk in still]
            _raise([step for step in steps if _is_silent(step, moment)], moment)
            asking.settle(steps)
            _remind(
                [step for step in steps if _days(step.reminded_at or step.opened_at, moment) >= step.remind], moment
            )


def tell_of_ends(now: dt.datetime | None = None) -> None:
    """Tell people once that what they have ends soon."""
    moment = now or timezone.now()
    soon = Holding.objects.filter(until__gt=moment, until__lte=moment + SOON, rule__product__renewable=True)
    told = ProductRequest.objects.filter(state=RequestState.GRANTED, told_of_end=False)
    theirs = soon.filter(user=OuterRef("person"), rule=OuterRef("product"))
    rows = told.filter(Exists(theirs)).order_by("pk")
    while page := list(rows[:PAGE]):
        with transaction.atomic():
            ProductRequest.objects.filter(pk__in=[one.pk for one in page]).update(told_of_end=True)
            mails.queue(MailKind.ENDING, [letter for one in page for letter in mails.to_people_of(one)])


def _end(held: "QuerySet[Holding]", state: RequestState, why: str) -> None:
    while True:
        with transaction.atomic():
            rows = held.order_by("pk").select_for_update(no_key=True, of=("self",), skip_locked=True)
            if not (page := list(rows[:PAGE])):
                return
            services.end(page, state, why)


def _raise(steps: Sequence[RequestStep], now: dt.datetime) -> None:
    for step in steps:
        step.raised, step.raised_at = step.raised + 1, now
    if steps:
        bulk.update(steps, ["raised", "raised_at"])
        words = "{}: nobody decided step {} within {} days, so those above are asked, too."
        record_many(
            telling.line(one.request, words.format(one.request, one.position, one.escalate), waits=True)
            for one in steps
        )


def _remind(steps: Sequence[RequestStep], now: dt.datetime) -> None:
    for step in steps:
        step.reminded_at = now
    if not steps:
        return
    bulk.update(steps, ["reminded_at"])
    by_id = {step.pk: step for step in steps}
    asked = AskedApprover.objects.filter(step__in=by_id).values_list("step_id", "user_id")
    mails.queue(MailKind.REMINDED, [(by_id[step].request_id, step, user) for step, user in asked])
    words = "{}: whoever decides step {} was reminded."
    record_many(telling.line(one.request, words.format(one.request, one.position), waits=True) for one in steps)


def _is_silent(step: RequestStep, now: dt.datetime) -> bool:
    return step.raised < MOST_RAISED and _days(step.raised_at or step.opened_at, now) >= step.escalate


def _days(since: dt.datetime | None, now: dt.datetime) -> int:
    return (now - since).days if since else 0
