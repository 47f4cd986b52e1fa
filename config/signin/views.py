"""The pages of signing in and out, on django-allauth."""

from typing import Any

from allauth.account.views import LoginView, LogoutView
from django.contrib import admin, messages
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpResponse
from django.urls import reverse_lazy

from config.signin import events
from config.signin.forms import ChoosePasswordForm
from config.signin.links import tokens


class SignIn(LoginView):  # type: ignore[misc]
    """The sign-in page in the portal's look."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what every page of the portal has."""
        return {**admin.site.each_context(self.request), "title": "Sign in", **super().get_context_data(**kwargs)}


class SignOut(LogoutView):  # type: ignore[misc]
    """Signs out when the button is pressed, never by a link alone."""

    http_method_names = ["post"]


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
        return user if user and user.is_active and getattr(user, "is_staff", False) else None

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password and lead to the sign-in."""
        response = super().form_valid(form)
        events.password_chosen(self.request, self.user)
        messages.success(self.request, "Your password is set. Sign in with it now.")
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what every page of the portal has."""
        return {**admin.site.each_context(self.request), **super().get_context_data(**kwargs), "title": self.title}
