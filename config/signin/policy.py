"""Who may sign in at all, and where they go then: staff to the admin, everybody else to their own pages."""

from typing import Any
from urllib.parse import urlsplit

from django.urls import reverse

from config.signin.models import SignInSettings


def current() -> SignInSettings:
    """Return the settings that hold."""
    return SignInSettings.objects.filter(pk=SignInSettings.ONE).first() or SignInSettings(pk=SignInSettings.ONE)


def may_sign_in(user: Any) -> bool:
    """Return whether somebody may sign in: active staff, and other active people where self-service is switched on."""
    return bool(user.is_active) and (bool(user.is_staff) or current().self_service)


def own_pages() -> str:
    """Return the address that the pages of people who are not staff begin with."""
    return reverse("my:home")


def destination(user: Any, wanted: str | None) -> str:
    """Return where somebody goes after signing in: to ``wanted`` where that is a page for them."""
    if wanted and (user.is_staff or urlsplit(wanted).path.startswith(own_pages())):
        return wanted
    return reverse("admin:index") if user.is_staff else own_pages()
