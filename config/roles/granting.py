"""Roles that somebody has: in words, and the form that gives one with an end and a reason."""

import datetime as dt
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config.models import Role
from config.sso.models import IdentityProvider
from provisioning.models import Grant, User

OVER = "This moment is over. Choose a later one, or none."


class GrantForm(forms.Form):
    """Which role, why and until when."""

    role = forms.ModelChoiceField(Role.objects.order_by("name"), label="Role", widget=UnfoldAdminSelectWidget())
    until = forms.DateTimeField(
        label="Until",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text="It ends by itself at this moment. Left empty, it stays until somebody takes it away.",
    )
    reason = forms.CharField(
        label="Why",
        max_length=255,
        widget=UnfoldAdminTextInputWidget(),
        help_text="For those who look at it later, such as the number of a ticket.",
    )

    def clean_until(self) -> dt.datetime | None:
        """Refuse what has passed."""
        until: dt.datetime | None = self.cleaned_data["until"]
        if until is not None and until <= timezone.now():
            raise ValidationError(OVER)
        return until


def of(user: User) -> list[tuple[Grant, str]]:
    """Return what somebody has now, by role, each in words; read once for a user, as a page asks several times."""
    held: dict[str, Any] = vars(user)
    if "_grants_in_words" not in held:
        grants = Grant.objects.current().filter(user=user).select_related("role").order_by("role__name", "source")
        held["_grants_in_words"] = [(one, in_words(one)) for one in grants]
    found: list[tuple[Grant, str]] = held["_grants_in_words"]
    return found


def in_words(grant: Grant) -> str:
    """Say what one grant gives, where it comes from, why and until when."""
    words = grant.role.name
    if grant.source:
        provider = IdentityProvider.objects.filter(slug=grant.source).first()
        words += f", by the groups of {provider or grant.source}"
    elif grant.given_by:
        words += f", from {grant.given_by}"
    if grant.given_at:
        words += f" since {_day(grant.given_at)}"
    if grant.until:
        words += f", until {date_format(timezone.localtime(grant.until), 'DATETIME_FORMAT')}"
    return f"{words}: {grant.reason}" if grant.reason else words


def _day(moment: dt.datetime) -> str:
    return date_format(timezone.localtime(moment), "DATE_FORMAT")
