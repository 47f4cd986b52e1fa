"""One-time links with which somebody chooses the password for the portal: signed, for a day, for one use."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.auth.views import PasswordResetConfirmView
from django.db import transaction
from django.forms import PasswordInput
from django.http import HttpResponse
from django.urls import reverse, reverse_lazy
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from config.signin import chosen, events, policy
from config.signin.forms import LOOK
from provisioning import services
from provisioning.models import User


class _Tokens(PasswordResetTokenGenerator):
    """Tokens that end with the next password or sign-in, or after ``PASSWORD_RESET_TIMEOUT``."""

    key_salt = "config.signin.links"


tokens = _Tokens()


def make(user: User, actor: str) -> str:
    """Return the path of a new link for the user; before their first sign-in it takes the place of the one before.

    After it, whoever has no password signs in another way, and another one would end their sessions.
    """
    if not user.has_usable_password() and user.last_login is None:
        user.set_unusable_password()
        services.write_user(user, actor, ["password"])
    about = {"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": tokens.make_token(user)}
    return reverse("choose_password", kwargs=about)


class ChoosePasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """A new password, twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, label in (("new_password1", "Password"), ("new_password2", "The same again")):
            self.fields[field].label = label
            self.fields[field].help_text = ""
            self.fields[field].widget = PasswordInput(attrs={"class": LOOK, "autocomplete": "new-password"})

    @transaction.atomic
    def save(self, commit: bool = True) -> User:
        """Write the password alone: nothing of the person changes, and no directory is notified."""
        user: User = self.user
        user.set_password(self.cleaned_data["new_password1"])
        services.write_user(user, user.username, ["password"])
        chosen.note(user)
        return user


class ChoosePassword(PasswordResetConfirmView):
    """Where a one-time link leads; without a right one the page says what to do."""

    template_name = "account/choose_password.html"
    form_class = ChoosePasswordForm
    token_generator = tokens
    reset_url_token = "now"
    success_url = reverse_lazy("account_login")
    title = "Choose your password"

    def get_user(self, uidb64: str) -> Any:
        """Return the person, unless they may no longer sign in."""
        user = super().get_user(uidb64)
        return user if user and policy.may_sign_in(user) else None

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password and lead to the sign-in."""
        response = super().form_valid(form)
        events.password_chosen(self.request, self.user)
        messages.success(self.request, "Your password is set. Sign in with it now.")
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what every page of the portal has."""
        more = {**super().get_context_data(**kwargs), "title": self.title, "mails": bool(settings.EMAIL_HOST)}
        return {**admin.site.each_context(self.request), **more}
