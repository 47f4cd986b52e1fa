"""Fixtures: a sign-in page, people, and time that passes."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from provisioning.models import User

PASSWORD = "correct-horse-9"
HERE, ELSEWHERE = "203.0.113.9", "198.51.100.7"


def sign_in(name: str, password: str = PASSWORD, address: str = HERE, **headers: str) -> Any:
    """Send the sign-in page's form from an address with a browser of its own."""
    return Client().post("/login/", {"login": name, "password": password}, REMOTE_ADDR=address, headers=headers)


def wrong(name: str, times: int = 1, address: str = HERE) -> None:
    for _ in range(times):
        assert sign_in(name, "wrong", address).status_code == 200


def words(response: Any) -> list[str]:
    """Return what the page says is wrong."""
    return [] if response.status_code == 302 else list(response.context["form"].non_field_errors())


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("admin", PASSWORD)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let time pass: ``later(minutes=5)``."""
    moment = {"now": timezone.now()}
    monkeypatch.setattr(timezone, "now", lambda: moment["now"])

    def later(**length: float) -> None:
        moment["now"] += dt.timedelta(**length)

    return later
