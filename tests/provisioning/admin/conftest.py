"""People who look at the directory pages."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group as Role
from django.test import Client

from provisioning.models import User


@pytest.fixture
def client_of(db: None) -> Callable[..., Client]:
    """``client_of("IT staff")``: a signed-in client of somebody with that role; without a role, a superuser."""

    def client_of(role: str = "") -> Client:
        user = User.objects.create_user(f"user-{role or 'root'}", is_staff=True, is_superuser=not role)
        if role:
            user.groups.add(Role.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return client_of


@pytest.fixture
def it_staff(client_of: Callable[..., Client]) -> Client:
    """A client of the IT staff."""
    return client_of("IT staff")
