"""The forms of the pages for signing in."""

from typing import Any

from allauth.account.forms import LoginForm
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.forms import SetPasswordForm
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


class ChoosePasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """A new password, twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, label in (("new_password1", "Password"), ("new_password2", "The same again")):
            self.fields[field].label = label
            self.fields[field].help_text = ""
            self.fields[field].widget = PasswordInput(attrs={"class": LOOK, "autocomplete": "new-password"})

    def save(self, commit: bool = True) -> AbstractBaseUser:
        """Write the password alone: nothing of the person changes, and no directory is told."""
        user: AbstractBaseUser = self.user
        user.set_password(self.cleaned_data["new_password1"])
        user.save(update_fields=["password"])
        return user
