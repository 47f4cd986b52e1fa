"""The filters of the list of leavers, the exception, and HR's list."""

import datetime as dt
from typing import Any

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from directories.models import Directory
from provisioning.models.people import fold
from provisioning.receipts.models import LATE, PROVEN, Receipt, ReceiptAccount, ReceiptStatus
from reports.forms import MomentField

STATES = [
    ("", "All"),
    ("open", "Open"),
    ("unproven", "Unproven after 5 minutes"),
    ("late", "Proven late"),
    ("closed", "Proven"),
    ("cancelled", "Cancelled: returned"),
    ("ended", "Exception ended"),
]
NOT_A_TIME = {"invalid": "This is not a time. Write it like 2030-01-31 or 2030-01-31T14:30."}


class LeaversForm(forms.Form):
    """Filters of the list; ``receipts`` and ``words`` are valid only after ``is_valid``."""

    q = forms.CharField(
        label="Person",
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "User name or employee number", "autocomplete": "off"}),
    )
    state = forms.ChoiceField(required=False, choices=STATES, widget=UnfoldAdminSelectWidget)
    directory = forms.ModelChoiceField(
        Directory.objects.order_by("name"), required=False, empty_label="All", widget=UnfoldAdminSelectWidget
    )
    start = MomentField(label="Learnt from", error_messages=NOT_A_TIME)
    end = MomentField(label="Learnt to", last=True, error_messages=NOT_A_TIME)
    ids = forms.RegexField(r"^\d{1,18}(,\d{1,18}){0,99}$", required=False, widget=forms.HiddenInput)

    def receipts(self) -> QuerySet[Receipt]:
        """Return the receipts, the newest first."""
        values, now = self.cleaned_data, timezone.now()
        found = Receipt.objects.order_by("-pk")
        if text := values["q"].strip():
            found = found.filter(Q(username__in=[text, fold(text)]) | Q(employee_number=text))
        match values["state"]:
            case "open" | "closed" | "cancelled" as status:
                found = found.filter(status=status)
            case "unproven":
                found = found.filter(status=ReceiptStatus.OPEN, learnt_at__lt=now - LATE)
            case "late":
                found = found.filter(status=ReceiptStatus.CLOSED, late=True)
            case "ended":
                over = ReceiptAccount.objects.filter(receipt=OuterRef("pk"), until__lt=timezone.localdate())
                found = found.filter(Exists(over.exclude(seen__in=PROVEN)))
        if values["directory"]:
            theirs = ReceiptAccount.objects.filter(receipt=OuterRef("pk"), directory_id=values["directory"].pk)
            found = found.filter(Exists(theirs))
        if values["start"]:
            found = found.filter(learnt_at__gte=values["start"])
        if values["end"]:
            found = found.filter(learnt_at__lt=values["end"])
        return found.filter(pk__in=values["ids"].split(",")) if values["ids"] else found

    def words(self) -> str:
        """Return the query in words, for an export."""
        values = self.cleaned_data
        parts = {
            "person": values["q"],
            "state": dict(STATES).get(values["state"], "") if values["state"] else "",
            "directory": str(values["directory"] or ""),
            "learnt from": values["start"].isoformat() if values["start"] else "",
            "learnt before": values["end"].isoformat() if values["end"] else "",
            "receipts": values["ids"],
        }
        return "; ".join(f"{name}: {value}" for name, value in parts.items() if value) or "all leavers"


class ExceptionForm(forms.Form):
    """Why an account stays open, who answers for it, and until when."""

    account = forms.IntegerField(widget=forms.HiddenInput)
    reason = forms.CharField(max_length=150, widget=UnfoldAdminTextInputWidget())
    owner = forms.CharField(
        label="Owner", max_length=255, widget=UnfoldAdminTextInputWidget(), help_text="Who answers for it."
    )
    until = forms.DateField(label="Until", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))

    def clean_until(self) -> dt.date:
        """Refuse an end that is over."""
        until: dt.date = self.cleaned_data["until"]
        if until < timezone.localdate():
            raise forms.ValidationError("This day is over. Choose a later one.")
        return until


class HrForm(forms.Form):
    """HR's list, as a file or pasted."""

    file = forms.FileField(label="CSV file", required=False, widget=UnfoldAdminFileFieldWidget())
    text = forms.CharField(
        label="Or paste it",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "placeholder": "employee_number;end\n4711;2030-03-31"}),
        help_text="Two columns: employee number or user name, and the end of employment.",
    )
    start = MomentField(label="Leavers from", error_messages=NOT_A_TIME)
    end = MomentField(label="Leavers to", last=True, error_messages=NOT_A_TIME)

    def clean(self) -> dict[str, Any]:
        """Ask for one of the two."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if not values.get("file") and not (values.get("text") or "").strip() and not self.errors:
            raise forms.ValidationError("Choose HR's file or paste the list.")
        return values


def quarter(day: dt.date) -> dt.date:
    """Return the first day of the day's quarter."""
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
