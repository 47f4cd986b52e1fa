"""Values that are encrypted at rest with the portal's ``ENCRYPTION_KEYS``.

The cipher is Fernet (AES-128-CBC with HMAC-SHA256) from ``cryptography``; the first
key encrypts, every key decrypts, so that keys can be rotated (see the ``reencrypt`` command).
"""

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.dispatch import Signal

rotated = Signal()
"""Every stored secret is under the first key now: what else was made with a key can follow."""


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(plain: str) -> str:
    """Return ``plain`` as a Fernet token under the first key."""
    return _cipher().encrypt(plain.encode()).decode()


def decrypt(token: str) -> str:
    """Return the text in ``token``; raise ImproperlyConfigured when no configured key opens it."""
    try:
        return _cipher().decrypt(token.encode()).decode()
    except InvalidToken:
        raise ImproperlyConfigured(
            "A stored secret cannot be decrypted: put the key that it was written with back into ENCRYPTION_KEYS."
        ) from None


def rotate(token: str) -> str | None:
    """Return the token under the first key, None when it is already; ImproperlyConfigured when no key opens it."""
    try:
        Fernet(settings.ENCRYPTION_KEYS[0]).decrypt(token.encode())
    except InvalidToken:
        return encrypt(decrypt(token))
    return None


class EncryptedJSONField(models.TextField[Any, Any]):
    """A JSON value that is only ever stored as one Fernet token; it cannot be filtered or ordered by."""

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        """Decrypt and decode what the database holds."""
        return None if value is None else json.loads(decrypt(value))

    def get_prep_value(self, value: Any) -> str | None:
        """Encode and encrypt for the database."""
        return None if value is None else encrypt(json.dumps(value))

    def to_python(self, value: Any) -> Any:
        """Return the plain value: forms and fixtures never hold tokens."""
        return value
