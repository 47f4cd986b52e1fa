"""Report lines as the page shows them: the differences in words and the links that still lead somewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from reports.models import Event

NOTHING = "(empty)"
Viewer = PermissionsMixin | AnonymousUser


class StepLink(NamedTuple):
    """Where a step leads, for who has the right."""

    words: str
    url: str
    right: str


class EventStep(NamedTuple):
    """One of the steps by which a line came about: read, match, scope, map or act."""

    title: str
    words: str
    link: StepLink | None = None


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line of the page."""

    event: Event
    difference: list[tuple[str, str, str]]
    user_url: str
    run_url: str


def difference(changes: Any) -> list[tuple[str, str, str]]:
    """Return each changed attribute with the words for its value before and after."""
    if not isinstance(changes, Mapping):
        return []
    pairs = ((name, pair) for name, pair in changes.items() if isinstance(pair, list | tuple) and len(pair) == 2)
    return [(str(name), _words(before), _words(after)) for name, (before, after) in pairs]


def _words(value: Any) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_words(item) for item in value) or NOTHING
    return str(value)


def report_lines(events: list[Event], viewer: Viewer) -> list[ReportLine]:
    """Return the lines to show ``viewer``; two queries find out which of the users and runs still exist."""
    users = _urls("user_id", {event.user_id for event in events}, viewer)
    runs = _urls("run_id", {event.run_id for event in events}, viewer)
    return [
        ReportLine(
            event=event,
            difference=difference(event.changes),
            user_url=users.get(event.user_id, ""),
            run_url=runs.get(event.run_id, ""),
        )
        for event in events
    ]


def _urls(column: str, ids: Iterable[int | None], viewer: Viewer) -> dict[int | None, str]:
    """Return the address of each subject that exists and that ``viewer`` may open.

    The report knows no other app: ``REPORT_LINKS`` names the model and the page that a column's numbers mean.
    """
    label, url_name = settings.REPORT_LINKS[column]
    wanted = {number for number in ids if number is not None}
    model = apps.get_model(label)
    if not wanted or not viewer.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
        return {}
    try:
        return {
            number: reverse(url_name, args=[number])
            for number in model._default_manager.filter(pk__in=wanted).values_list("pk", flat=True)
        }
    except NoReverseMatch:
        return {}


def steps(events: Sequence[Event], viewer: Viewer) -> dict[int, list[EventStep]]:
    """Return what is recorded of how lines came about, by number, as far as ``viewer`` may see it.

    ``REPORT_STEPS`` knows the records of other apps.
    """
    found: dict[int, list[EventStep]] = import_string(settings.REPORT_STEPS)(events, viewer)
    return found


def links(event: Event, viewer: Viewer) -> list[tuple[str, str]]:
    """Return words and addresses of what a line is about, as far as it still exists and ``viewer`` may open it."""
    subjects = {"user_id": "User", "group_id": "Group", "run_id": "Run"}
    found = []
    for column, words in subjects.items():
        if url := _urls(column, [getattr(event, column)], viewer).get(getattr(event, column)):
            found.append((words, url))
    if url := _application_url(event.application, viewer):
        found.append((event.application, url))
    report = reverse("admin:reports_event_changelist")
    histories = {"user_id": "User history", "account_id": "Account history", "group_id": "Group history"}
    found += [
        (words, f"{report}?{column}={getattr(event, column)}")
        for column, words in {**histories, "run_id": "Lines of this run"}.items()
        if getattr(event, column) is not None
    ]
    return found


def _application_url(name: str, viewer: Viewer) -> str:
    for label, url_name in settings.REPORT_APPLICATIONS if name else ():
        model = apps.get_model(label)
        if viewer.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
            number = model._default_manager.filter(name=name).values_list("pk", flat=True).first()
            if number is not None:
                return reverse(url_name, args=[number])
    return ""
