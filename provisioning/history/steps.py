"""How a line of the report came about, as far as that is recorded: read, match, scope, map and act, in plain words.

Nothing is guessed: of what no record tells, a line has no step. Nor has it one of records that the reader may not see.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils import timezone

from provisioning.imports.facets import cause_words
from provisioning.models import Account, Change, ImportRun, PlannedChange
from provisioning.models.imports import Action, Decision, Door, Trigger
from provisioning.models.people import fold
from provisioning.services import on_demand
from reports.models import Direction, Event, Result
from reports.presentation import EventStep, StepLink, Viewer, difference

STARTED = {
    Trigger.SCHEDULE: "started by the schedule",
    Trigger.COMMAND: "started on the command line",
    Trigger.LISTENER: "told by the directory",
}
MOST_NAMED = 10  # attributes


@dataclass(frozen=True, slots=True)
class _Records:
    """What is known of some lines besides themselves, by number."""

    runs: Mapping[int, ImportRun]
    planned: Mapping[tuple[int, str], PlannedChange]
    decisions: Mapping[int, Decision]
    accounts: Mapping[int, Account]
    waiting: Mapping[int, Change]


def of_lines(events: Sequence[Event], viewer: Viewer) -> dict[int, list[EventStep]]:
    """Return the steps of each line by its number, as ``viewer`` may see them; five queries for any number of lines."""
    records = _records(events, viewer)
    return {event.pk: list(_steps(event, records)) for event in events}


def _records(events: Sequence[Event], viewer: Viewer) -> _Records:
    """Return what is known besides; plans and decisions are shown on the pages of runs, and so to the same people."""
    run_ids = _numbers(event.run_id for event in events if viewer.has_perm("provisioning.view_importrun"))
    runs = ImportRun.objects.select_related("directory").in_bulk(run_ids)
    keys = {fold(event.identifier)[:255] for event in events if event.run_id is not None and event.identifier}
    rows = PlannedChange.objects.filter(run__in=runs, key_folded__in=keys).defer("before", "row")
    planned = {(row.run_id, row.key_folded): row for row in rows} if runs and keys else {}
    sees_accounts, sees_waiting = (viewer.has_perm(f"provisioning.view_{name}") for name in ("account", "change"))
    account_ids = _numbers(event.account_id for event in events if sees_accounts)
    unfinished = [event for event in events if event.result in (Result.FAILED, Result.WAITING)]
    failed = _numbers(event.account_id for event in unfinished if sees_waiting)
    changes = Change.objects.filter(account__in=failed).order_by("-pk") if failed else []
    return _Records(
        runs=runs,
        planned=planned,
        decisions=Decision.objects.in_bulk(_numbers(row.decision_id for row in planned.values())),
        accounts=Account.objects.only("key", "remote_id", "attempts", "not_before").in_bulk(account_ids),
        waiting={change.account_id: change for change in changes},
    )


def _numbers(numbers: Iterable[int | None]) -> set[int]:
    return {number for number in numbers if number is not None}


def _steps(event: Event, records: _Records) -> Iterator[EventStep]:
    run = records.runs.get(event.run_id or 0)
    planned = records.planned.get((event.run_id or 0, fold(event.identifier)[:255]))
    words = {
        on_demand.READ: _read(event, run),
        on_demand.MATCH: _matched(planned, run) or _known_as(records.accounts.get(event.account_id or 0)),
        on_demand.SCOPE: _scoped(event, planned, run, records),
        on_demand.MAP: _mapped(event, planned),
    }
    yield from (EventStep(title, said) for title, said in words.items() if said)
    yield _acted(event, records)


def _read(event: Event, run: ImportRun | None) -> str:
    if run is None:
        return f"{event.application} told it; no run was needed." if _came_in(event) else ""
    at = run.started_at or run.created_at
    if run.door != Door.IMPORT:
        by = f", by {run.actor}" if run.actor else ""
        return f"{run.get_door_display()} {run.pk}: {run.subject}{by}, {_at(at)}."
    if run.from_records:
        return f"Nothing was read anew: import {run.pk} planned again what was read before, {_at(at)}."
    what = "What had changed" if run.incremental else "Everything"
    started = f"started by {run.actor}" if run.actor else STARTED.get(Trigger(run.trigger), "started by hand")
    return f"{what} was read from {run.source} by import {run.pk}, {started}, {_at(at)}."


def _came_in(event: Event) -> bool:
    return event.direction == Direction.IN and event.run_id is None and bool(event.application)


def _matched(planned: PlannedChange | None, run: ImportRun | None) -> str:
    if planned is None or run is None or run.door != Door.IMPORT:
        return ""
    there = f" Its id there is {planned.remote_id}." if planned.remote_id else ""
    if planned.action == Action.CREATE:
        return f"Nobody in the portal was this person, so that a new one was planned.{there}"
    if planned.account_id is not None:
        return f"The portal knew this account already.{there}"
    if planned.user_id is not None:
        return f"The portal knew the person, and did not know of this account.{there}"
    return ""


def _known_as(account: Account | None) -> str:
    if account is None or not account.remote_id:
        return ""
    return f"The directory's id of the account {account.key} is {account.remote_id}."


def _scoped(event: Event, planned: PlannedChange | None, run: ImportRun | None, records: _Records) -> str:
    found = [f"Caused by {event.actor}."] if event.actor else []
    if planned is not None and run is not None:
        if cause := cause_words(run, planned.cause):
            found.append(f"Planned because: {cause[:1].lower()}{cause[1:]}.")
        if decision := records.decisions.get(planned.decision_id or 0):
            reason = f" “{decision.reason}”" if decision.reason else ""
            found.append(f"{decision.get_verdict_display()} by {decision.actor}, {_at(decision.at)}.{reason}")
        elif planned.held:
            found.append("The guard holds it until somebody decides.")
    return " ".join(found)


def _mapped(event: Event, planned: PlannedChange | None) -> str:
    names = [name for name, _, _ in difference(event.changes)]
    if not names:
        nothing = planned is not None and not planned.after and event.result == Result.SUCCESS
        return "No value differed." if nothing else ""
    more = len(names) - MOST_NAMED
    listed = ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{len(names)} value{'s' if len(names) > 1 else ''} differed: {listed}."


def _acted(event: Event, records: _Records) -> EventStep:
    words = f"{event.get_operation_display()}: {event.get_result_display().lower()}."
    change = records.waiting.get(event.account_id or 0)
    if change is None:
        return EventStep(on_demand.ACT, words)
    account = records.accounts.get(change.account_id)
    if change.parked is not None:
        words += " Somebody has to look at it now."
    elif account is not None and account.not_before > timezone.now():
        words += f" It is tried again, {_at(account.not_before)}."
    else:
        words += " It waits for its turn."
    url = f"{reverse('admin:provisioning_change_changelist')}?directory={change.directory_id}"
    return EventStep(on_demand.ACT, words, StepLink("Failed and waiting", url, "provisioning.view_change"))


def _at(moment: dt.datetime) -> str:
    return f"on {timezone.localtime(moment):%Y-%m-%d at %H:%M}"
