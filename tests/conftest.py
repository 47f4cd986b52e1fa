"""The fixtures of every test; each module of ``tests/fixtures`` says what it offers."""

from typing import Any

import pytest
from django.contrib.auth.signals import user_logged_in
from django.db import connection
from django.dispatch import receiver
from django.http import HttpRequest
from django.test import TransactionTestCase
from hypothesis import settings as properties

from config.signin import again
from directories.connectors.scim import rate
from tests import servers

pytest_plugins = [
    "tests.fixtures.databases",
    "tests.fixtures.directories",
    "tests.fixtures.ldap",
    "tests.fixtures.gateways",
    "tests.fixtures.browser",
    "tests.fixtures.portal",
    "tests.doubles.scim.server",
    "tests.fixtures.scim_server",
]

# How long an example takes is no property of what is tested: the machine may be busy with other tests.
properties.register_profile("rollcall", properties.default, deadline=None)
properties.load_profile("rollcall")


def _restore(_: TransactionTestCase) -> None:
    with connection.cursor() as cursor:
        servers.restore(cursor.execute)


@receiver(user_logged_in)
def _proved(request: HttpRequest, user: Any, **_: Any) -> None:
    """Let ``Client.force_login`` count as a proof of who it is, as the sign-in page's does."""
    again.note(request, user)


# After a transactional test. Django's own flush also takes what migrations wrote, and costs half a second.
TransactionTestCase._fixture_teardown = _restore


@pytest.fixture(scope="session", autouse=True)
def _rates_in_memory() -> None:
    """Keep how fast applications were asked out of the database, which most tests do not have."""
    rate.keep_in(rate.MemoryRates())


@pytest.fixture(autouse=True)
def _pace_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test begin at the pace of a directory that nobody wrote to before."""
    monkeypatch.setattr("provisioning.outbound.accounts.reconcile._sizes", {})
