"""Who is asked now, kept in rows for a page of open steps: whoever is asked newly gets a mail, and a move is told."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db.models import QuerySet

from config.database import bulk
from provisioning.requests import mails, telling
from provisioning.requests.approvers import Deciders, found_for
from provisioning.requests.models import AskedApprover, MailKind, RequestStep, StepState
from reports.journal import Line, record_many


def open_steps() -> "QuerySet[RequestStep]":
    """Return the open steps with what finding their approvers needs."""
    related = ("request__person", "request__product__rule", "group")
    return RequestStep.objects.filter(state=StepState.OPEN).select_related(*related).defer("request__product__picture")


def settle(steps: Sequence[RequestStep], *, opened: bool = False) -> dict[int, Deciders]:
    """Bring who is asked up to date for open steps, in the caller's transaction; return it by step.

    ``opened``: they were opened just now, so that the report says whom they wait for in any case.
    """
    found = found_for(steps)
    before: dict[int, dict[int, int | None]] = defaultdict(dict)
    rows = AskedApprover.objects.filter(step__in=[step.pk for step in steps])
    for pk, user, instead_of in rows.values_list("step_id", "user_id", "instead_of_id"):
        before[pk][user] = instead_of
    gone: list[tuple[int, int]] = []
    fresh: list[AskedApprover] = []
    moved: list[RequestStep] = []
    for step in steps:
        now, held = found[step.pk].users, before.get(step.pk, {})
        gone += [(step.pk, user) for user, instead_of in held.items() if now.get(user, 0) != instead_of]
        fresh += [
            AskedApprover(step_id=step.pk, user_id=user, instead_of_id=instead_of)
            for user, instead_of in now.items()
            if held.get(user, 0) != instead_of
        ]
        if step.said != found[step.pk].said:
            step.said = found[step.pk].said
            moved.append(step)
    _forget(gone)
    AskedApprover.objects.bulk_create(fresh)
    if moved:
        bulk.update(moved, ["said"])
    newly = [one for one in fresh if one.user_id not in before.get(one.step_id, {})]
    by_id = {step.pk: step for step in steps}
    mails.queue(MailKind.ASKED, [(by_id[one.step_id].request_id, one.step_id, one.user_id) for one in newly])
    record_many(_lines(steps if opened else moved))
    return found


def _forget(pairs: Iterable[tuple[int, int]]) -> None:
    by_step: dict[int, list[int]] = defaultdict(list)
    for step, user in pairs:
        by_step[step].append(user)
    ids = (
        [
            pk
            for pk, step, user in AskedApprover.objects.filter(step__in=by_step).values_list("pk", "step_id", "user_id")
            if user in by_step[step]
        ]
        if by_step
        else []
    )
    if ids:
        AskedApprover.objects.filter(pk__in=ids).delete()


def _lines(steps: Iterable[RequestStep]) -> Iterable[Line]:
    for step in steps:
        whom = f"waits for {step.said}" if step.said else "waits, and nobody can decide it"
        yield telling.line(
            step.request, f"{step.request}: step {step.position} {whom}.", waits=True, failed=not step.said
        )
