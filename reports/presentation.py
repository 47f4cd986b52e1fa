"""Report lines as the page shows them: the differences in words and the links that still lead somewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.urls import NoReverseMatch, reverse

from reports.models import Event

NOTHING = "(empty)"


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


def report_lines(events: list[Event], viewer: PermissionsMixin | AnonymousUser) -> list[ReportLine]:
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


def _urls(column: str, ids: Iterable[int | None], viewer: PermissionsMixin | AnonymousUser) -> dict[int | None, str]:
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
