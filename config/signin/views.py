"""The pages of signing in and out, and of proving once more who one is, on django-allauth."""

from typing import Any

from allauth.account.views import LoginView, LogoutView, ReauthenticateView
from django.conf import settings
from django.contrib import admin


class OfPortal:
    """Mixed into a page that needs no sign-in, or stands before it: what every page of the portal has."""

    title = "Sign in"
    request: Any

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add it."""
        more: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return {**admin.site.each_context(self.request), "title": self.title, **more}


class SignIn(OfPortal, LoginView):  # type: ignore[misc]
    """The sign-in page in the portal's look."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Offer a new password where the portal can send mails."""
        return super().get_context_data(mails=bool(settings.EMAIL_HOST), **kwargs)


class SignOut(LogoutView):  # type: ignore[misc]
    """Signs out when the button is pressed, never by a link alone."""

    http_method_names = ["post"]


class ProveByPassword(OfPortal, ReauthenticateView):  # type: ignore[misc]
    """Asks for the password again before what is dangerous."""

    title = "Confirm that it is you"
