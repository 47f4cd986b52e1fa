"""The one door by which requests are written: asked for, decided, withdrawn, given back; each step with its line.

What follows is the ordinary path: an approved request is a holding (``rules.holdings``), and the evaluation of rules
gives what the product gives, to one person at once and to many within a minute.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from provisioning.imports.doors.rules import evaluate_due
from provisioning.models import User
from provisioning.requests import asking, catalogue, mails, rights, telling
from provisioning.requests.models import (
    AskedApprover,
    MailKind,
    Product,
    ProductRequest,
    RequestState,
    RequestStep,
    StepState,
)
from provisioning.rules import holdings
from provisioning.rules.models import Holding
from reports.journal import record, record_many

NOT_FOR_THEM = "{product} is not offered to {person}."
NOT_ACTIVE = "{person} is deactivated."
HAS_IT = "{person} has {product} already."
HAS_IT_FOR_GOOD = "{person} has {product} already, and it does not end."
NOT_RENEWED = "{person} has {product} already. It is not renewed: ask for it again when it has ended."
WAITS = "A request of {person} for {product} waits already."
NOT_YOURS = "You may not ask for {person}. Their manager and the helpdesk can."
DECIDED = "This was decided already: {words}"
ANOTHER = "This does not wait for you any more. It waits for {said}."
SELF = "Nobody decides about what they asked for, or about what is for themselves."
NO_REASON = "Say why you refuse it. Whoever asked reads that."
GONE = "{product} is not offered any more, so nobody can be given it."
LEFT = "{person} is deactivated, so nothing is given to them."
MERELY_GONE = "This request is not there any more."


class AskRefused(Exception):
    """What somebody wanted cannot be done; the message says why, and what to do."""


@dataclass(slots=True)
class AskedFor:
    """What became of asking: the requests that were made, and why there is none for the others, by person."""

    made: list[ProductRequest] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)


@transaction.atomic
def ask(
    product: Product,
    people: Sequence[User],
    asker: User,
    answers: Sequence[tuple[str, str]] = (),
    reason: str = "",
) -> AskedFor:
    """Ask for a product, for oneself or for others; a fixed number of statements, whatever the number of people.

    People are checked one by one where the product is not for everyone.
    """
    found = AskedFor()
    product = _locked(product.pk)
    ids = [person.pk for person in people]
    held = {one.user_id: one for one in catalogue.current().filter(rule=product.pk, user__in=ids)}
    waiting = set(
        ProductRequest.objects.filter(product=product, person__in=ids, state=RequestState.WAITING).values_list(
            "person_id", flat=True
        )
    )
    number = catalogue.given([product]).get(product.pk, 0)
    now = timezone.now()
    for person in people:
        words = _problem(product, person, asker, held.get(person.pk), number)
        if person.pk in waiting:
            words = WAITS.format(person=person, product=product)
        if words:
            found.problems[person.pk] = words
            continue
        found.made.append(
            ProductRequest(
                product=product,
                product_name=product.name,
                person=person,
                person_name=str(person),
                asked_by=asker,
                asked_by_name=str(asker),
                renews=person.pk in held,
                answers=[list(pair) for pair in answers],
                reason=reason,
                asked_at=now,
            )
        )
    ProductRequest.objects.bulk_create(found.made)
    steps = _steps_of(product, found.made, now)
    RequestStep.objects.bulk_create(steps)
    record_many(telling.line(one, _asked_words(one), str(asker), waits=True) for one in found.made)
    asking.settle([step for step in steps if step.state == StepState.OPEN], opened=True)
    return found


def _problem(product: Product, person: User, asker: User, held: Holding | None, number: int) -> str:
    """Return why a person cannot be given a product on somebody's request, "" when they can."""
    if not rights.may_ask_for(asker, person):
        return NOT_YOURS.format(person=person)
    if not person.is_active:
        return NOT_ACTIVE.format(person=person)
    if not catalogue.sees(person, product):
        return NOT_FOR_THEM.format(product=product, person=person)
    if held is not None:
        if held.until is None:
            return HAS_IT_FOR_GOOD.format(person=person, product=product)
        return "" if product.renewable else NOT_RENEWED.format(person=person, product=product)
    return catalogue.problem(product, number)


def _steps_of(product: Product, requests: Sequence[ProductRequest], now: dt.datetime) -> list[RequestStep]:
    found = []
    configured = list(product.steps.select_related("group"))
    for request in requests:
        for place, step in enumerate(configured, start=1):
            found.append(
                RequestStep(
                    request=request,
                    position=place,
                    kind=step.kind,
                    person_id=step.person_id,
                    group=step.group,
                    condition=step.condition,
                    remind=step.remind,
                    escalate=step.escalate,
                    state=StepState.OPEN if place == 1 else StepState.AHEAD,
                    opened_at=now if place == 1 else None,
                )
            )
    return found


def _asked_words(request: ProductRequest) -> str:
    what = "asked for longer" if request.renews else "asked"
    return f"{request.asked_by_name} {what} for {request}." + (f" Reason: {request.reason}" if request.reason else "")


def decide(step_id: int, user: User, *, approve: bool, reason: str = "") -> ProductRequest:
    """Approve or refuse an open step as who is asked now, and give what follows; raise AskRefused."""
    request = decided(step_id, user, approve=approve, reason=reason)
    if request.state == RequestState.GRANTED and request.person_id is not None:
        fulfil([request.person_id], user.username)
    return request


@transaction.atomic
def decided(step_id: int, user: User, *, approve: bool, reason: str = "", actor: str = "") -> ProductRequest:
    """Approve or refuse an open step, and let what follows come by itself; raise AskRefused.

    Who is asked is found anew under the request's lock, so that of two who decide at once one is told of the other.
    ``actor`` is named in the report where that is not the person alone.
    """
    reason = reason.strip()
    request = ProductRequest.objects.filter(steps=step_id).select_for_update(no_key=True, of=("self",)).first()
    if request is None:
        raise AskRefused(MERELY_GONE)
    step = RequestStep.objects.get(pk=step_id)
    if step.state != StepState.OPEN or request.state != RequestState.WAITING:
        raise AskRefused(DECIDED.format(words=outcome(request, step)))
    step = asking.open_steps().get(pk=step_id)
    step.request = request = _with_product(request)
    if user.pk in (request.person_id, request.asked_by_id):
        raise AskRefused(SELF)
    found = asking.settle([step])[step.pk]
    if user.pk not in found.users:
        raise AskRefused(ANOTHER.format(said=found.said or "somebody who is to be chosen"))
    if not approve and not reason:
        raise AskRefused(NO_REASON)
    now = timezone.now()
    step.state = StepState.APPROVED if approve else StepState.REFUSED
    step.decided_by, step.decided_by_name, step.decided_at, step.reason = user, str(user), now, reason
    if (other := found.users[user.pk]) is not None:
        step.instead_of = str(User.objects.get(pk=other))
    following = None
    if approve:
        _must_be_possible(request)
        following = RequestStep.objects.filter(request=request, state=StepState.AHEAD).order_by("position").first()
        if following is None:
            _grant(request, now)
    else:
        request.state, request.why, request.decided_at = RequestState.REFUSED, f"Refused by {user}: {reason}", now
    step.save(update_fields=["state", "decided_by", "decided_by_name", "decided_at", "reason", "instead_of"])
    AskedApprover.objects.filter(step=step).delete()
    request.save(update_fields=["state", "why", "decided_at"])
    verb = "approved" if approve else "refused"
    instead = f" instead of {step.instead_of}" if step.instead_of else ""
    because = f" Reason: {reason}" if reason else ""
    record(
        telling.line(request, f"{user}{instead} {verb} step {step.position} of {request}.{because}", actor or str(user))
    )
    if following is not None:
        following.state, following.opened_at = StepState.OPEN, now
        following.save()
        asking.settle(list(asking.open_steps().filter(pk=following.pk)), opened=True)
    else:
        mails.queue(MailKind.STATE, mails.to_people_of(request))
    return request


def _with_product(request: ProductRequest) -> ProductRequest:
    """Read who a request is for and what it asks for, as the steps' approvers need them."""
    if request.product_id is not None:
        request.product = Product.objects.select_related("rule").defer("picture").get(pk=request.product_id)
    return request


def _must_be_possible(request: ProductRequest) -> None:
    if request.product is None or not request.product.can_be_asked_for:
        raise AskRefused(GONE.format(product=request.product_name))
    if request.person is None or not request.person.is_active:
        raise AskRefused(LEFT.format(person=request.person_name))


def _grant(request: ProductRequest, now: dt.datetime) -> None:
    """Give the person the product, under its lock, so that no more than its maximum number are given out."""
    assert request.product_id is not None
    assert request.person_id is not None
    product = _locked(request.product_id)
    held = catalogue.current().filter(rule=product.pk, user=request.person_id).first()
    if held is None and (words := catalogue.problem(product, catalogue.given([product]).get(product.pk, 0))):
        raise AskRefused(words)
    earlier = ProductRequest.objects.filter(product=product, person=request.person_id, state=RequestState.GRANTED)
    earlier.update(state=RequestState.ENDED, ended_at=now, why="It goes on by a later request.")
    until = None
    if product.days is not None:
        begins = held.until if held is not None and held.until is not None else now
        until = begins + dt.timedelta(days=product.days)
    holdings.give(product.pk, [request.person_id], until)
    request.state, request.decided_at = RequestState.GRANTED, now


def withdraw(request: ProductRequest, user: User) -> None:
    """Take a request back that waits; raise AskRefused."""
    with transaction.atomic():
        held = ProductRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
        if held.state != RequestState.WAITING:
            raise AskRefused(DECIDED.format(words=f"{held.get_state_display()}."))
        close([held], RequestState.WITHDRAWN, f"Withdrawn by {user}.", str(user))


def give_back(holding: Holding, user: User) -> None:
    """Give back what a person has of a product."""
    with transaction.atomic():
        end([holding], RequestState.RETURNED, f"Given back by {user}.", str(user))
    fulfil([holding.user_id], user.username)


def fulfil(user_ids: Collection[int], actor: str) -> None:
    """Let people get, and lose, now what follows; not to be called within a transaction."""
    evaluate_due(actor, only=list(user_ids))


def close(requests: Sequence[ProductRequest], state: RequestState, why: str, actor: str = "") -> None:
    """End requests that wait, in the caller's transaction; a fixed number of statements."""
    ids = [one.pk for one in requests]
    for one in requests:
        one.state, one.why = state, why
    ProductRequest.objects.filter(pk__in=ids).update(state=state, why=why, ended_at=timezone.now())
    RequestStep.objects.filter(request__in=ids, state=StepState.OPEN).update(state=StepState.AHEAD, said="")
    AskedApprover.objects.filter(step__request__in=ids).delete()
    record_many(telling.line(one, f"{one}: {why}", actor) for one in requests)
    mails.queue(MailKind.STATE, [letter for one in requests for letter in mails.to_people_of(one)])


def end(held: Sequence[Holding], state: RequestState, why: str, actor: str = "") -> None:
    """Take products back, in the caller's transaction; a fixed number of statements. The next look does the rest.

    ``held`` are read with their user and rule.
    """
    pairs = {(one.rule_id, one.user_id) for one in held}
    rows = ProductRequest.objects.filter(
        state=RequestState.GRANTED,
        product__in={rule for rule, _ in pairs},
        person__in={user for _, user in pairs},
    )
    requests = [one for one in rows.select_related("person") if (one.product_id, one.person_id) in pairs]
    ids = [one.pk for one in requests]
    for one in requests:
        one.state, one.why = state, why
    ProductRequest.objects.filter(pk__in=ids).update(state=state, why=why, ended_at=timezone.now())
    holdings.take([one.pk for one in held], [one.user_id for one in held])
    record_many(telling.line_of_holding(one, why, actor) for one in held)
    mails.queue(MailKind.STATE, [letter for one in requests for letter in mails.to_people_of(one)])


def outcome(request: ProductRequest, step: RequestStep) -> str:
    """Say what became of a step."""
    if step.decided_by_name:
        return f"{step.get_state_display()} by {step.decided_by_name}."
    return f"{request.get_state_display()}."


def _locked(product_id: int) -> Product:
    rows = Product.objects.select_related("rule").defer("picture").select_for_update(no_key=True, of=("self",))
    found = rows.filter(pk=product_id).first()
    if found is None:
        raise AskRefused("This product is not there any more.")
    return found
