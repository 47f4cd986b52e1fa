"""The form of a subscription: where to, what of, and how it is wrapped."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms import BoundField

from directories.connectors.outgoing import address_problem
from provisioning.events import filters
from provisioning.events.kinds import FAMILIES, KINDS, family
from provisioning.events.models import Subscription
from provisioning.events.rotation import secrets_of
from provisioning.events.subscriptions import BAD_TOKEN, can_tell, is_token, shown_address
from provisioning.profile.person import catalogue

USUAL_FIELDS = ["profile.username", "profile.active"]
TOKEN_AGAIN = "The address leads to another host: type its token again, or leave it out."
NOT_OF_SCIM = "Security event tokens tell of users, groups and memberships. Take off the rest, or send webhooks."


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a person types of a subscription. A secret that is stored is never shown in it."""

    kinds = forms.MultipleChoiceField(choices=list(KINDS.items()), widget=forms.CheckboxSelectMultiple)
    fields_sent = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    token = forms.CharField(
        label="Token that is sent along (optional)",
        required=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    forget_token = forms.BooleanField(label="Send no token any more", required=False)

    class Meta:
        model = Subscription
        fields = ("name", "url", "envelope", "audience", "authority", "kinds", "filter", "give_up_days")
        widgets = {
            "url": forms.TextInput(attrs={"placeholder": "https://receiver.example.com/events"}),
            "filter": forms.Textarea(attrs={"rows": 2, "placeholder": 'user.department eq "Sales"'}),
            "authority": forms.Textarea(attrs={"rows": 3}),
        }
        labels = {
            "audience": "Audience of security event tokens (optional)",
            "authority": "Certificate authority (PEM, only for one that is not public)",
            "filter": "Only events for which this holds (optional)",
            "give_up_days": "Switch off after so many days of failure",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.instance.fields if self.instance.pk else USUAL_FIELDS
        attributes = [(f"{kind.value}.{name}", one.label) for (kind, name), one in catalogue().items()]
        self.fields["fields_sent"].choices = attributes  # type: ignore[attr-defined]
        self.initial["fields_sent"] = chosen
        self.has_token = bool(self.instance.pk and secrets_of(self.instance).get("token"))
        if self.has_token:
            self.fields["token"].widget.attrs["placeholder"] = "One is stored. Type another one to replace it."
        for name in ("name", "url", "envelope", "audience", "authority", "filter", "give_up_days", "token"):
            self.fields[name].widget.attrs["class"] = "rc-select"

    def families(self) -> "Iterator[tuple[str, list[Any]]]":
        """Return the boxes of kinds by family."""
        boxes: dict[str, list[Any]] = {}
        for box in self["kinds"]:
            boxes.setdefault(family(str(box.data["value"])), []).append(box)
        return ((FAMILIES[name], found) for name, found in boxes.items())

    def plain(self) -> list[BoundField]:
        """Return the fields about where events go."""
        return [self[name] for name in ("name", "url", "envelope")]

    def further(self) -> list[BoundField]:
        """Return the fields that few need."""
        return [self[name] for name in ("audience", "authority", "give_up_days")]

    def clean_url(self) -> str:
        """Refuse what is no address; where it leads is checked when it is opened."""
        url = str(self.cleaned_data["url"]).strip()
        if problem := address_problem(url):
            raise forms.ValidationError(problem)
        return url

    def clean_filter(self) -> str:
        """Refuse a filter that cannot be read, or that asks for what no event tells."""
        text = str(self.cleaned_data["filter"]).strip()
        try:
            filters.checked(text, [name for _, name in catalogue()])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        return text

    def clean_token(self) -> str:
        """Refuse what cannot stand in a header."""
        token = str(self.cleaned_data["token"]).strip()
        if not is_token(token):
            raise forms.ValidationError(BAD_TOKEN)
        return token

    def clean(self) -> dict[str, Any]:
        """Keep a token from another host than the one it was typed for, and an envelope to what it can tell."""
        data = super().clean() or {}
        typed, url = data.get("token"), data.get("url")
        if self.has_token and url and not typed and not data.get("forget_token"):
            before = Subscription.objects.values_list("url", flat=True).get(pk=self.instance.pk)
            if shown_address(before) != shown_address(url):
                self.add_error("token", TOKEN_AGAIN)
        if not can_tell(data.get("envelope", ""), data.get("kinds", ())):
            self.add_error("kinds", NOT_OF_SCIM)
        return data

    def filled(self) -> Subscription:
        """Return the subscription with what was typed, not saved yet."""
        held: Subscription = self.save(commit=False)
        held.fields = list(self.cleaned_data["fields_sent"])
        secrets = secrets_of(held)
        if self.cleaned_data["token"]:
            secrets["token"] = self.cleaned_data["token"]
        elif self.cleaned_data["forget_token"]:
            secrets.pop("token", None)
        held.secrets = secrets
        return held
