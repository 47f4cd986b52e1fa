"""The form behind the user page."""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import Group as Role
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import QueryDict
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from directories.attributes import PROFILE_ATTRIBUTES
from provisioning.admin.fields import (
    PREFIX,
    KeyValueField,
    ParsedField,
    ProfileTextField,
    field_for,
    offer_stored,
    time_zone_widget,
)
from provisioning.admin.users.rename import free_name
from provisioning.guard.administrators import LastAdministrator, must_remain
from provisioning.models import AttributeDefinition, Grant, User

PROFILE = {attribute.name: attribute for attribute in PROFILE_ATTRIBUTES}


class UserForm(forms.ModelForm[User]):
    """One user; ``attribute_...`` fields hold the custom profile attributes (see ``form_for``)."""

    definitions: ClassVar[list[AttributeDefinition]] = []
    followed = False
    """Whether the display name followed the first or the last name."""

    locale = ProfileTextField(
        PROFILE["locale"],
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "en-GB", "list": "locales"}),
        help_text="Language and country, for example en-GB or de-DE.",
    )
    time_zone = ProfileTextField(PROFILE["time_zone"], widget=time_zone_widget())
    custom_attributes = KeyValueField(
        required=False, help_text="Free names and values for this person only. Mappings can use them by name."
    )

    class Meta:
        model = User
        fields = "__all__"  # noqa: DJ007 - the page lists its fields, by who looks at it
        labels: ClassVar[dict[str, str]] = {"is_superuser": "Superuser", "is_staff": "May sign in"}
        help_texts: ClassVar[dict[str, str]] = {
            "is_superuser": "May do everything, also give rights to others.",
            "is_staff": "Signs in to this portal with the password below.",
            "provisioned": "When this is off, directories treat this user as deactivated.",
            "display_name": "Left blank, it is the first and the last name.",
        }
        error_messages: ClassVar[dict[str, dict[str, str]]] = {"username": {"required": "Everybody needs a user name."}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = {"locale": self.instance.locale, "time_zone": self.instance.time_zone}
        stored |= {PREFIX + one.name: self.instance.custom_profile.get(one.name) for one in self.definitions}
        for name, value in stored.items():
            field = self.fields.get(name)
            if isinstance(field, ParsedField):
                self.initial.setdefault(name, value)
                offer_stored(field, value)
        if "groups" in self.fields:
            by_hand = Grant.objects.current().filter(user=self.instance.pk, source="")
            self.initial["groups"] = list(by_hand.values_list("role_id", flat=True))
        if "custom_attributes" in self.fields:
            self.fields["custom_attributes"].initial = self.instance.custom_attributes

    def clean_username(self) -> str:
        """Refuse a name that somebody has already, however it is written."""
        return free_name(self.cleaned_data["username"], self.instance)

    def clean_manager(self) -> User | None:
        """Refuse a person who would be their own manager."""
        manager: User | None = self.cleaned_data["manager"]
        if manager and manager.pk == self.instance.pk:
            raise ValidationError("Nobody is their own manager.")
        return manager

    def clean(self) -> dict[str, Any]:
        """Let a display name that was the first and the last name follow when one of those changes."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        parts = ("first_name", "last_name")
        before = " ".join(filter(None, (self.initial.get(name) for name in parts)))
        shown = self.initial.get("display_name")
        if before and shown == before == cleaned.get("display_name") and {*parts} & {*self.changed_data}:
            cleaned["display_name"] = " ".join(filter(None, (cleaned.get(name) for name in parts)))
            self.followed = cleaned["display_name"] != before
        return cleaned

    def _post_clean(self) -> None:
        """Put the custom profile attributes where the model keeps them; keys without a definition stay."""
        profile = dict(self.instance.custom_profile)
        for definition in self.definitions:
            name = PREFIX + definition.name
            if name not in self.cleaned_data:
                continue
            if self.cleaned_data[name] is None:
                profile.pop(definition.name, None)
            else:
                profile[definition.name] = self.cleaned_data[name]
        self.instance.custom_profile = profile
        super()._post_clean()  # type: ignore[misc]
        if self.instance.stops_administering:
            try:
                with transaction.atomic():
                    must_remain([self.instance.pk])
            except LastAdministrator as refused:
                self.add_error(None, str(refused))


class _Shown(forms.MultipleHiddenInput):
    """The roles that the page showed; also none is something that it says."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, value or [""], attrs)


def roles_of(form: forms.ModelForm[User]) -> "QuerySet[Role]":
    """Return the roles by hand after a save: those of now, with what the person ticked and without what they unticked.

    So a page that is older than the end of a role does not begin it anew.
    """
    sent = {role.pk for role in form.cleaned_data["groups"]}
    now = set(form.initial["groups"])
    name = form.add_initial_prefix("groups")
    told = form.data.getlist(name) if isinstance(form.data, QueryDict) and name in form.data else now
    shown = {int(pk) for pk in told if str(pk).isdecimal()}
    return Role.objects.filter(pk__in=(now | (sent - shown)) - (shown - sent))


def roles_field() -> forms.ModelMultipleChoiceField:  # type: ignore[type-arg]
    """Return the boxes for the roles that are given by hand; what an identity provider gives is no part of them."""
    field = forms.ModelMultipleChoiceField(
        Role.objects.order_by("name"),
        label="Roles",
        required=False,
        show_hidden_initial=True,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="Given by hand, without an end. Groups of people are on the page Groups.",
    )
    field.hidden_widget = _Shown
    return field


def form_for(definitions: list[AttributeDefinition], *, gives_roles: bool = False) -> type[UserForm]:
    """Return the form class with a field for each definition; with ``gives_roles``, with the roles given by hand."""
    fields: dict[str, Any] = {PREFIX + definition.name: field_for(definition) for definition in definitions}
    labels = UserForm.Meta.labels | {name: field.label for name, field in fields.items()}  # of the read-only page
    if gives_roles:
        fields["groups"] = roles_field()
    meta = type("Meta", (UserForm.Meta,), {"labels": labels})
    return type("UserForm", (UserForm,), {**fields, "definitions": definitions, "Meta": meta})
