"""The test servers themselves: each kind starts and serves."""

from collections.abc import Callable

import psycopg
import pytest
import redis
from django.contrib.auth.models import Group
from django.db import connection
from playwright.sync_api import Page

from directories.models import Directory
from provisioning.models import User
from tests.fixtures.databases import login_of, postgres_database
from tests.fixtures.directories import AppsDb
from tests.servers import Program, Server


def test_the_portals_own_database_is_postgresql(db: None) -> None:
    """The portal under test runs on what it runs on in production."""
    assert connection.vendor == "postgresql"


def test_appsdb_holds_rows(appsdb: AppsDb) -> None:
    """Every kind keeps names of every script as they are."""
    appsdb.add("ada", "Ađa", "Łовелас 力", "ada@example.org")
    appsdb.add_many(10)
    assert appsdb.people()["ada"] == ("Ađa", "Łовелас 力", "ada@example.org")
    assert len(appsdb.people()) == 11


def test_redis_serves(redis_server: Server) -> None:
    """The address is one that clients take."""
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.ping()


def test_a_test_may_stop_its_own_postgresql(own_postgres: Program) -> None:
    """Stopped, nothing answers; started again, the data is still there."""
    database = postgres_database(own_postgres, "kept")
    database.execute("CREATE TABLE t AS SELECT 1 AS n")
    own_postgres.stop()
    with pytest.raises(psycopg.OperationalError):
        database.rows("SELECT 1")
    own_postgres.start()
    with psycopg.connect(**login_of(database)) as connection:
        assert connection.execute("SELECT n FROM t").fetchone() == (1,)


def test_chromium_opens_the_sign_in_page(page: Page) -> None:
    """The page's problems are watched."""
    page.goto("/login/")
    assert page.get_by_label("User name").is_visible()


def test_a_signed_in_page(page: Page, sign_in: Callable[[Page, User], None]) -> None:
    """The session reaches the browser."""
    sign_in(page, User.objects.create_superuser("root", "x"))
    page.goto("/")
    assert "login" not in page.url


def test_make_directory(appsdb: AppsDb, make_directory: Callable[..., Directory]) -> None:
    """A saved directory has the features that were asked for, and hides its password."""
    directory = make_directory(appsdb, import_users=True)
    assert directory.provisioning.import_users
    assert "password" not in directory.settings


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_every_transactional_test_begins_as_migrations_left_it(turn: int) -> None:
    """The roles are there and nobody else's rows; the second turn comes after one that took and left something."""
    assert not User.objects.exists()
    assert Group.objects.count() >= 3, turn
    assert all(role.permissions.exists() for role in Group.objects.all())
    User.objects.create_user("left")
    Group.objects.all().delete()
