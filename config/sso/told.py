"""What a sign-in through a provider proves: as much as the provider asked for just now."""

import time
from typing import Any

from allauth.account.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from config.signin import again
from config.sso.adapter import PROVED


@receiver(user_logged_in, dispatch_uid="config.sso")
def signed_in(request: HttpRequest, user: Any, **about: Any) -> None:
    """Note a proof where the provider says that it asked lately."""
    login = about.get("sociallogin")
    if login is not None and time.time() - login.state.get(PROVED, 0.0) < again.OPENS.total_seconds():
        again.note(request, user)
