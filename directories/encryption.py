"""Values that are encrypted at rest with the portal's ``ENCRYPTION_KEYS``.

The cipher is Fernet (AES-128-CBC with HMAC-SHA256) from ``cryptography``; the first
key encrypts, every key decrypts, so that keys can be rotated (see the ``reencrypt`` command).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.functions import Cast
from django.db.models.query_utils import DeferredAttribute
from django.dispatch import Signal

from directories.connectors.errors import ConnectorError

rotated = Signal()
"""Every stored secret is under the first key now: what else was made with a key can follow."""


class SecretLost(ConnectorError, ImproperlyConfigured):
    """No configured key opens a stored secret."""

    code = "secrets"

    def __init__(self) -> None:
        super().__init__(
            "A stored secret cannot be decrypted: put the key that it was written with back into ENCRYPTION_KEYS."
        )


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(plain: str) -> str:
    """Return ``plain`` as a Fernet token under the first key."""
    return _cipher().encrypt(plain.encode()).decode()


def decrypt(token: str) -> str:
    """Return the text in ``token``; raise SecretLost when no configured key opens it."""
    try:
        return _cipher().decrypt(token.encode()).decode()
    except InvalidToken:
        raise SecretLost from None


def encrypt_bytes(plain: bytes) -> bytes:
    """Return ``plain`` as a Fernet token under the first key."""
    return _cipher().encrypt(plain)


def decrypt_bytes(token: bytes) -> bytes:
    """Return what is in ``token``; raise SecretLost when no configured key opens it."""
    try:
        return _cipher().decrypt(token)
    except InvalidToken:
        raise SecretLost from None


def rotate(token: str) -> str | None:
    """Return the token under the first key, None when it is already; SecretLost when no key opens it."""
    try:
        Fernet(settings.ENCRYPTION_KEYS[0]).decrypt(token.encode())
    except InvalidToken:
        return encrypt(decrypt(token))
    return None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value as the database holds it. It is no text, so that nobody takes the token for what is in it."""

    token: str = field(repr=False)


def clear(value: Any) -> Any:
    """Return the value of a column that was read without a model; raise SecretLost when no configured key opens it."""
    return json.loads(decrypt(value.token)) if isinstance(value, Sealed) else value


def is_lost(instance: models.Model, name: str) -> bool:
    """Whether no configured key opens the value of this field."""
    try:
        getattr(instance, name)
    except SecretLost:
        return True
    return False


class _Opened(DeferredAttribute):
    """Decrypts when the attribute is read, so that whoever does not need a secret needs no key."""

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is not None and isinstance(value, Sealed):
            value = instance.__dict__[self.field.attname] = clear(value)
        return value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedJSONField(models.TextField[Any, Any]):
    """A JSON value that is only ever stored as one Fernet token; it cannot be filtered or ordered by.

    Reading it from an instance raises SecretLost when no configured key opens it. ``values`` and ``values_list`` give
    it Sealed, for ``clear``. What nobody read is saved as it was.
    """

    descriptor_class = _Opened

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        """Keep what the database holds until somebody reads it."""
        return None if value is None else Sealed(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Return the value, sealed when nobody read it."""
        value = model_instance.__dict__.get(self.attname)
        return value if isinstance(value, Sealed) else super().pre_save(model_instance, add)

    def get_prep_value(self, value: Any) -> str | None:
        """Encode and encrypt for the database."""
        if isinstance(value, Sealed):
            return value.token
        return None if value is None else encrypt(json.dumps(value))

    def to_python(self, value: Any) -> Any:
        """Return the plain value: forms and fixtures never hold tokens."""
        return value


def encrypted_fields() -> Iterator[tuple[type[models.Model], str]]:
    """Give the model and the name of every field of the portal's database that is encrypted."""
    for model in apps.get_models():
        if model._meta.proxy or not model._meta.managed:
            continue
        for found in model._meta.local_concrete_fields:
            if isinstance(found, EncryptedJSONField):
                yield model, found.attname


def tokens(model: type[models.Model], name: str) -> models.QuerySet[Any]:
    """Return the rows that have a value in this field, by key, with ``token`` as the database holds it.

    The Cast keeps the field from decrypting: a token is compared with itself, so that a secret that someone saves in
    this very moment is not overwritten.
    """
    rows: models.QuerySet[Any] = model._base_manager.annotate(token=Cast(name, models.TextField())).order_by("pk")
    return rows.filter(**{f"{name}__isnull": False})
