"""Lines to search in, and people who may read them."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from provisioning.models import User
from provisioning.roles import HELPDESK
from reports.journal import Line, record_many
from reports.models import Direction, Operation, Result

Write = Callable[..., None]


@pytest.fixture
def write(db: None) -> Write:
    """``write(n, **changes)``: n lines, a minute apart, the newest now; ``step`` is the pause between two."""

    def write(count: int = 1, *, step: dt.timedelta = dt.timedelta(minutes=1), **changes: Any) -> None:
        now = changes.pop("at", None) or timezone.now()
        base = {
            "identifier": "anna",
            "application": "APPSDB",
            "direction": Direction.OUT,
            "operation": Operation.UPDATE,
            "result": Result.SUCCESS,
            "message": "Updated anna in APPSDB.",
        }
        record_many(Line(**{**base, **changes}, at=now - n * step) for n in range(count))

    return write


@pytest.fixture
def reader(client: Client, db: None) -> Client:
    """A client signed in as someone of the helpdesk."""
    user = User.objects.create_user("reader", is_staff=True, provisioned=False)
    user.groups.add(Group.objects.get(name=HELPDESK))
    client.force_login(user)
    return client
