"""Authenticator apps, and time that passes as in the tests of the sign-in."""

import time

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from directories import encryption
from provisioning.models import User
from tests.config.signin.conftest import later

__all__ = ["later"]
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_of(secret: str = SECRET, steps: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def with_app(user: User) -> User:
    Authenticator.objects.create(user=user, type="totp", data={"secret": encryption.encrypt(SECRET)})
    return user
