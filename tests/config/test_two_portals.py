"""Two portals, each with programs and a database of its own, that send to each other over SCIM."""

from pathlib import Path

import psycopg
import pytest
from django.db import connection

from provisioning import services
from provisioning.models import Account, Change
from reports.models import Event
from tests import servers
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until
from tests.provisioning.test_scim_applications import make_user, save_application
from tests.scim.conftest import make_client

PATIENCE = 40.0
OTHER = """
from tests.provisioning.test_scim_applications import save_application
from tests.scim.conftest import make_client
save_application(None, url={url!r}, token={token!r})
print(make_client("First portal").token)
"""
AGAIN = """
from provisioning import services
from provisioning.models import Account, User
Account.objects.update(pushed_digest="")
services.provision_many(list(User.objects.values_list("pk", flat=True)), "test")
"""


class OtherPortal:
    """A look into the other portal's database."""

    def __init__(self, url: str) -> None:
        self._link = psycopg.connect(url, autocommit=True)

    def one(self, sql: str) -> tuple[object, ...] | None:
        """Return the first row."""
        return self._link.execute(sql).fetchone()

    def close(self) -> None:
        """Close the connection."""
        self._link.close()


def settled(other: OtherPortal) -> bool:
    """Return whether nothing waits on either side and each knows its account at the other."""
    waiting = other.one("SELECT count(*) FROM provisioning_change")
    linked = other.one("SELECT count(*) FROM provisioning_account WHERE remote_id <> ''")
    here = Account.objects.exclude(remote_id="").count()
    return not Change.objects.exists() and waiting == (0,) and (here, linked) == (1, (1,))


def lines(other: OtherPortal) -> tuple[int, object]:
    """Return how many lines each report has about people and accounts."""
    row = other.one("SELECT count(*) FROM reports_event WHERE operation <> 'settings'")
    return Event.objects.exclude(operation="settings").count(), row


@pytest.mark.heavy
def test_two_portals_that_point_at_each_other_settle_and_fall_silent(portal: Portal, tmp_path: Path) -> None:
    login = connection.settings_dict
    name = f"{login['NAME']}_other"
    server = f"postgres://{login['USER']}:{login['PASSWORD']}@{login['HOST']}:{login['PORT']}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as link:
        link.execute(f'DROP DATABASE IF EXISTS "{name}"')
        link.execute(f'CREATE DATABASE "{name}" TEMPLATE "{servers.template()}"')
    folder = tmp_path / "other"
    folder.mkdir()
    second = Portal(folder)
    second.environment |= {"DATABASE_URL": f"{server}/{name}", "ROLLCALL_VAR_DIR": str(folder)}
    other = OtherPortal(f"{server}/{name}")
    try:
        second.worker("--pool=threads")
        portal.worker("--pool=threads")
        url, back = f"{portal.url}/scim/v2", make_client("Second portal").token
        token = second.manage("shell", "-v0", "-c", OTHER.format(url=url, token=back)).split()[-1]
        save_application(None, url=f"{second.url}/scim/v2", token=token)
        portal.web()
        second.web()
        anna = make_user("anna", title="Boss")
        services.provision_many([anna.pk], "test")
        person = "SELECT title, is_active FROM provisioning_user WHERE username = 'anna'"
        for title in ("Boss", "Chief"):
            anna.refresh_from_db()
            anna.title = title
            anna.save()
            wait_until(lambda title=title: settled(other) and other.one(person) == (title, True), PATIENCE, words=title)
        before = lines(other)
        Account.objects.update(pushed_digest="")
        services.provision_many([anna.pk], "test")
        second.manage("shell", "-v0", "-c", AGAIN)
        wait_until(lambda: settled(other), PATIENCE, words="both to have looked again")
        assert lines(other) == before, "both looked, and neither had anything to say"
        services.set_active([anna.pk], False, "tester", by_person=True)
        wait_until(lambda: settled(other) and other.one(person) == ("Chief", False), PATIENCE, words="the end")
        anna.refresh_from_db()
        assert (anna.title, anna.is_active) == ("Chief", False)
    finally:
        for process in second.processes:
            second.kill(process)
        print(second.logs())
        other.close()
        with psycopg.connect(f"{server}/postgres", autocommit=True) as link:
            link.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
