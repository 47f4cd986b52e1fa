"""One-time links with which somebody chooses the password for the portal: signed, for a day, for one use."""

from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.http import HttpRequest
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode


class _Tokens(PasswordResetTokenGenerator):
    """Tokens that end with the next password or sign-in, or after ``PASSWORD_RESET_TIMEOUT``."""

    key_salt = "config.signin.links"


tokens = _Tokens()


def make(request: HttpRequest, user: Any) -> str:
    """Return a new link for the user; while they have no password, it takes the place of the one before."""
    if not user.has_usable_password():
        user.set_unusable_password()
        user.save(update_fields=["password"])
    about = {"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": tokens.make_token(user)}
    return request.build_absolute_uri(reverse("choose_password", kwargs=about))
