"""The pages of signing in and out, on django-allauth."""

from typing import Any

from allauth.account.views import LoginView, LogoutView
from django.contrib import admin


class SignIn(LoginView):  # type: ignore[misc]
    """The sign-in page in the portal's look."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what every page of the portal has."""
        return {**admin.site.each_context(self.request), "title": "Sign in", **super().get_context_data(**kwargs)}


class SignOut(LogoutView):  # type: ignore[misc]
    """Signs out when the button is pressed, never by a link alone."""

    http_method_names = ["post"]
