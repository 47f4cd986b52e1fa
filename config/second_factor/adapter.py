"""What django-allauth's second factors ask the portal; ``MFA_ADAPTER``."""

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.base_user import AbstractBaseUser

from directories import encryption

ISSUER = "Rollcall"
WRONG_CODE = "This code is not right, or it was used before. Type the next one that is shown."
WRONG_KEY = "This passkey was not accepted. Try again, or sign in another way."


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets are stored as every other one of the portal."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": WRONG_CODE,
        "cannot_generate_recovery_codes": "Recovery codes come with an authenticator app or a passkey. Add one first.",
    }

    def encrypt(self, text: str) -> str:
        """Encrypt the secret of an app, or what recovery codes are made from."""
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt it."""
        return encryption.decrypt(encrypted_text)

    def get_totp_issuer(self) -> str:
        """Name the portal in the app."""
        return ISSUER

    def _get_user_identifier(self, user: AbstractBaseUser) -> str:
        """Return the user name, which stands beside the portal's in apps and passkeys."""
        return user.get_username()

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Any) -> str:
        """Suggest a name for another passkey."""
        return f"Passkey {Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1}"
