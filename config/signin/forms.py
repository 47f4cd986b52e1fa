"""The forms of the pages for signing in."""

from typing import Any

from allauth.account.forms import LoginForm, ReauthenticateForm
from django.forms import PasswordInput, TextInput
from unfold.widgets import BASE_INPUT_CLASSES

LOOK = " ".join(BASE_INPUT_CLASSES)


class SignInForm(LoginForm):  # type: ignore[misc]
    """User name and password; ``ACCOUNT_FORMS``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name, password = self.fields["login"], self.fields["password"]
        name.label, password.help_text = "User name", ""
        name.widget = TextInput(attrs={"class": LOOK, "autocomplete": "username", "autofocus": ""})
        password.widget = PasswordInput(attrs={"class": LOOK, "autocomplete": "current-password"})


class ProveByPasswordForm(ReauthenticateForm):  # type: ignore[misc]
    """The password of whoever is signed in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        password = self.fields["password"]
        password.help_text = ""
        password.widget = PasswordInput(attrs={"class": LOOK, "autocomplete": "current-password", "autofocus": ""})
