"""Roles that somebody has: in words, and the form that gives one with an end and a reason."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config.models import Role
from config.roles.rights import asked, by_area
from config.roles.rights import in_words as in_words_of
from config.sso.models import IdentityProvider
from provisioning import reach
from provisioning.contracts.models import Contract
from provisioning.models import Account, Grant, Membership, User

OVER = "This moment is over. Choose a later one, or none."


NOTHING_LEFT = "Limited to some people, {role} gives nothing: it has none of the rights that can be limited."


def _some(model: Any, name: str, label: str, help_text: str) -> Any:
    field = model._meta.get_field(name)
    return forms.ModelMultipleChoiceField(
        field.related_model._default_manager.all(),
        label=label,
        required=False,
        help_text=help_text,
        widget=AutocompleteSelectMultiple(field, admin.site),
    )


def kept(role: Any) -> list[str]:
    """Return in words what of a role is left where it is given for some people."""
    rights = by_area(asked().filter(group=role))
    return [
        in_words_of(one)
        for _, held in rights
        for one in held
        if f"{one.content_type.app_label}.{one.codename}" in reach.LIMITABLE
    ]


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

    departments = _some(Contract, "department", "Departments", "With all departments below them.")
    groups = _some(Membership, "group", "Groups", "With the groups that are in them.")
    directories = _some(Account, "directory", "Directories", "Whoever has an account there.")

    @property
    def given(self) -> dict[str, Any]:
        """What ``services.give_role`` takes."""
        cleaned = self.cleaned_data
        within = {kind: sorted(one.pk for one in cleaned[kind]) for kind in reach.KINDS}
        whole = {name: cleaned[name] for name in ("role", "until", "reason")}
        return {**whole, "within": within if any(within.values()) else None}

    def clean(self) -> dict[str, Any]:
        """Refuse a limit on a role that then gives nothing."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        role, limited = cleaned.get("role"), any(cleaned.get(kind) for kind in reach.KINDS)
        if role and limited and not kept(role):
            self.add_error("role", NOTHING_LEFT.format(role=role))
        return cleaned

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
    if grant.within is not None:
        words += f", only for {reach.in_words(grant.within)}"
    return f"{words}: {grant.reason}" if grant.reason else words


def _day(moment: dt.datetime) -> str:
    return date_format(timezone.localtime(moment), "DATE_FORMAT")
