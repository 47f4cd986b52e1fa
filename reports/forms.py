"""The search form on top of the provisioning report."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import INPUT_CLASSES, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from reports import filters
from reports.models import Direction, Operation, Result, SavedFilter
from reports.search import EventCriteria

SPANS = [
    ("", "All time"),
    ("hour", "Last hour"),
    ("today", "Today"),
    ("yesterday", "Yesterday"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
    ("month", "This month"),
]
QUERY_NAMES = {"start": "from", "end": "to"}
MINUTE, DAY = "%Y-%m-%dT%H:%M", "%Y-%m-%d"


class MomentInput(forms.DateTimeInput):
    """The browser's control for a time to the minute; a day alone is shown as its first or last minute."""

    def __init__(self, rest: str) -> None:
        self.rest = rest
        super().__init__(attrs={"type": "datetime-local", "class": " ".join(INPUT_CLASSES)}, format=MINUTE)

    def format_value(self, value: Any) -> str | None:
        """Add the time that the control needs."""
        text = super().format_value(value)
        return f"{text}{self.rest}" if text and len(text) == len("2030-01-31") else text


class MomentField(forms.DateTimeField):
    """A time in the portal's zone, to the minute or only a day; ``last`` makes it the end of that minute or day."""

    def __init__(self, *, last: bool = False, **kwargs: Any) -> None:
        self.last = last
        widget = MomentInput(rest="T23:59" if last else "T00:00")
        super().__init__(required=False, widget=widget, **kwargs)

    def to_python(self, value: Any) -> dt.datetime | None:
        """Return the moment, exclusive if ``last``."""
        text = str(value or "").strip()
        try:
            day = dt.datetime.strptime(text, DAY)
        except ValueError:
            moment = super().to_python(text)
            step = dt.timedelta(minutes=1)
        else:
            moment, step = timezone.make_aware(day), dt.timedelta(days=1)
        try:
            return moment + step if moment and self.last else moment
        except OverflowError:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")


class ReportForm(forms.Form):
    """Filters of the report. Its ``criteria`` are valid only after ``is_valid``."""

    identifier = forms.CharField(
        label="End-user identifier",
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Beginning of a user name", "autocomplete": "off"}),
    )
    application = forms.CharField(label="Application name", required=False, max_length=100)
    operation = forms.ChoiceField(
        required=False,
        choices=[("", "All"), *Operation.choices],
        widget=UnfoldAdminSelectWidget,
        error_messages={"invalid_choice": "There is no such operation. Choose one of the list."},
    )
    result = forms.ChoiceField(
        required=False,
        choices=[("", "All"), *Result.choices],
        widget=UnfoldAdminSelectWidget,
        error_messages={"invalid_choice": "There is no such result. Choose one of the list."},
    )
    direction = forms.ChoiceField(
        required=False,
        choices=[("", "All"), *Direction.choices],
        widget=UnfoldAdminSelectWidget,
        error_messages={"invalid_choice": "There is no such direction. Choose one of the list."},
    )
    actor = forms.CharField(
        label="Caused by",
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": "Beginning of a person, directory …", "autocomplete": "off", "list": "report-actors"}
        ),
    )
    filter = forms.CharField(
        label="Filter in words of SCIM",
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextInputWidget(
            attrs={
                "placeholder": 'result eq "failed" and not (cause sw "HR")',
                "autocomplete": "off",
                "spellcheck": "false",
            }
        ),
    )
    span = forms.ChoiceField(
        label="Time span",
        required=False,
        choices=SPANS,
        widget=UnfoldAdminSelectWidget,
        error_messages={"invalid_choice": "There is no such time span. Choose one of the list."},
    )
    start = MomentField(
        label="From", error_messages={"invalid": "This is not a time. Write it like 2030-01-31 or 2030-01-31T14:30."}
    )
    end = MomentField(
        label="To",
        last=True,
        error_messages={"invalid": "This is not a time. Write it like 2030-01-31 or 2030-01-31T14:30."},
    )
    user_id = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    account_id = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    group_id = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    run_id = forms.IntegerField(
        label="Number of a run",
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, applications: Sequence[str] = (), actors: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = filters.vocabulary({"application": applications, "cause": actors})
        self.fields["filter"].widget.attrs["data-vocabulary"] = json.dumps(known)
        chosen = self.data.get("application", "") if self.is_bound else ""
        names = sorted({*applications, *([chosen] if chosen else [])}, key=str.casefold)
        self.fields["application"].widget = UnfoldAdminSelectWidget(
            choices=[("", "All"), *((name, name) for name in names)]
        )

    def add_prefix(self, field_name: str) -> str:
        """Call the times "from" and "to" in addresses."""
        return QUERY_NAMES.get(field_name, field_name)

    def clean_filter(self) -> list[list[filters.FilterTerm]]:
        """Return the alternatives that the filter means, none of a blank one."""
        text: str = self.cleaned_data["filter"]
        try:
            return filters.read(text) if text else []
        except ValueError as error:
            raise forms.ValidationError(str(error))

    def clean(self) -> dict[str, Any]:
        """Refuse a span that ends before it begins."""
        values = super().clean() or self.cleaned_data
        start, end = values.get("start"), values.get("end")
        if start and end and end <= start:
            self.add_error("end", "The span ends before it begins. Swap From and To.")
        return values

    @property
    def criteria(self) -> EventCriteria:
        """Return what to search for; From and To win over the preset span."""
        values = self.cleaned_data
        start, end = values["start"], values["end"]
        if start is None and end is None:
            start, end = span_bounds(values["span"], timezone.now())
        names = [name for name in self.fields if name not in ("span", "start", "end", "filter")]
        found = {name: values[name] for name in names}
        return EventCriteria(**found, start=start, end=end, alternatives=values["filter"])


ME, EVERYBODY = "", "all"


class SavedFilterForm(forms.Form):
    """What a saved filter is called, and who else sees it: nobody, everybody, or those of a role (its number)."""

    name = forms.CharField(
        label="Name of this filter",
        max_length=60,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        error_messages={"required": "Write a name for the filter, and save it again."},
    )
    shared = forms.ChoiceField(
        label="For",
        required=False,
        error_messages={"invalid_choice": "There is no such role any more. Choose again for whom the filter is."},
    )

    def __init__(self, *args: Any, roles: Sequence[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shared = self.fields["shared"]
        assert isinstance(shared, forms.ChoiceField)
        shared.choices = [
            (ME, "Only me"),
            (EVERYBODY, "Everybody who sees the report"),
            *((str(pk), f"Role {name}") for pk, name in roles),
        ]
        shared.widget = UnfoldAdminSelectWidget(choices=shared.choices)

    @property
    def sharing(self) -> dict[str, Any]:
        """Return the columns that say who sees it."""
        shared = self.cleaned_data["shared"]
        return {"everybody": shared == EVERYBODY, "role_id": int(shared) if shared.isdecimal() else None}

    @staticmethod
    def shared_of(kept: SavedFilter) -> str:
        """Return what the field says of a filter as it is."""
        return EVERYBODY if kept.everybody else str(kept.role_id or ME)


def span_bounds(span: str, now: dt.datetime) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Return when the preset ``span`` began, and when it ended if that is over; None for all time."""
    today = timezone.localdate(now)
    match span:
        case "today":
            return _midnight(today), None
        case "yesterday":
            return _midnight(today - dt.timedelta(days=1)), _midnight(today)
        case "month":
            return _midnight(today.replace(day=1)), None
    lengths = {"hour": dt.timedelta(hours=1), "7d": dt.timedelta(days=7), "30d": dt.timedelta(days=30)}
    return (now - lengths[span] if span in lengths else None), None


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))
