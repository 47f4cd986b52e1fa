"""Name, product and ways to sign in of a SCIM application."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from scim.models import Client, Provider

WAYS = {
    "allow_bearer": "The token in each request's Authorization header. What nearly every product does.",
    "allow_basic": "A user name and a password in each request: the client id, and a token as the password.",
    "allow_oauth": "The product fetches a short-lived access token with client id and secret first.",
}


class ApplicationNameForm(forms.ModelForm[Client]):
    """What an application needs to be added: its name."""

    class Meta:
        model = Client
        fields: tuple[str, ...] = ("name", "provider")
        labels = {"provider": "Product"}
        help_texts = {
            "name": "As it should stand in lists and in the report, for example “Okta”.",
            "provider": "Whose set-up steps are shown.",
        }
        widgets = {
            "name": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autofocus": True}),
            "provider": UnfoldAdminSelectWidget(),
        }

    def clean_name(self) -> str:
        """Refuse a name that another application has."""
        name = str(self.cleaned_data["name"]).strip()
        taken = Client.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).first()
        if taken:
            raise forms.ValidationError(f"There is a SCIM application {taken.name} already.")
        return name


class AddForm(ApplicationNameForm):
    """The same where the product can be left to the name."""

    provider = forms.ChoiceField(
        label="Product",
        required=False,
        choices=[("", "As the name says"), *Provider.choices],
        help_text="Whose set-up steps are shown; it can be changed later.",
        widget=UnfoldAdminSelectWidget(choices=[("", "As the name says"), *Provider.choices]),
    )


class BasicsForm(ApplicationNameForm):
    """What stands on the connection tab."""

    class Meta(ApplicationNameForm.Meta):
        fields = ("name", "provider", *WAYS)
        widgets = ApplicationNameForm.Meta.widgets | {name: UnfoldBooleanSwitchWidget() for name in WAYS}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs.pop("autofocus", None)

    def clean(self) -> dict[str, Any]:
        """An application without a way to sign in is switched off instead."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not any(cleaned.get(name) for name in WAYS):
            self.add_error("allow_bearer", "Leave one way to sign in on, or switch the application off.")
        return cleaned

    @property
    def ways(self) -> list[tuple[forms.BoundField, str]]:
        """The switches of the ways to sign in, each with what it means."""
        return [(self[name], words) for name, words in WAYS.items()]
