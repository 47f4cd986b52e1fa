"""Real time from end to end: somebody is switched off in a directory, and the portal and another directory follow."""

import threading
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection

from directories.config import load
from directories.gateway.work import ConnectorWork
from directories.models import Directory
from provisioning import services
from provisioning.imports import engine, listener
from provisioning.imports.listener import Listeners
from provisioning.models import Account, ImportRun, User
from provisioning.models.heartbeat import Heartbeat
from provisioning.models.imports import Trigger
from tests.directory_servers import OpenLDAP
from tests.fixtures.gateways import HERE, Loopback, gateway_of
from tests.fixtures.ldap import LdapDirectory, openldap_unit, save_ldap_directory
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.heavy]
FOLLOWED = {"import_users": True, "listen": True, "max_leavers_percent": 100, "max_activated_percent": 100}
SECONDS = 8.0  # a notice, an import and a delivery; on a quiet machine it takes three


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    return found


def switch_off(unit: LdapDirectory, dn: str) -> None:
    if unit.kind == "ldap":
        unit.link.modify(dn, {"pwdAccountLockedTime": [("MODIFY_ADD", [b"000001010000Z"])]})
    else:
        unit.link.modify(dn, {"userAccountControl": [("MODIFY_REPLACE", ["514"])]})


def following(directory: Directory) -> bool:
    return listener.state_of(directory)[0]


def test_disabling_somebody_reaches_portal_and_sql_directory_within_seconds(
    unit: LdapDirectory, pg_appsdb: Any, make_directory: Any, portal: Any
) -> None:
    source = save_ldap_directory(unit, **FOLLOWED)
    make_directory(pg_appsdb, create_users=True, deactivate_users=True, on_deactivate="delete")
    people = {uid: unit.person(uid) for uid in ("ann", "bob")}
    portal.worker()
    portal.start("manage", "listen")
    # What is there when the listening begins is imported too.
    wait_until(lambda: set(pg_appsdb.people()) == set(people), 60, words="the first import")
    wait_until(lambda: following(source), 30, words="the listener")
    wait_until(lambda: not ImportRun.objects.filter(leased_until__isnull=False).exists(), 20, words="a quiet moment")
    began = time.monotonic()
    switch_off(unit, people["bob"])
    wait_until(lambda: set(pg_appsdb.people()) == {"ann"}, 30, words="the SQL directory")
    took = time.monotonic() - began
    assert dict(User.objects.values_list("username", "is_active")) == {"ann": True, "bob": False}
    run = ImportRun.objects.filter(incremental=True, planned__gt=0).latest("pk")
    assert run.trigger == Trigger.LISTENER
    print(f"It took {took:.1f} seconds.")
    assert took < SECONDS, f"it took {took:.1f} seconds"


class Heard:
    """The listener in a thread of the test, with its runs worked on at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stop = threading.Event()
        monkeypatch.setattr(listener, "STAMP", 0.2)
        monkeypatch.setattr(listener, "LOOK", 0.2)
        self.listening = Listeners()

    def until(self, done: Any, seconds: float = 30.0) -> None:
        until = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < until, "it did not come to that"
            self.listening.turn()
            for run in ImportRun.objects.filter(status="queued"):
                engine.execute(run.pk)
            time.sleep(0.05)

    def end(self) -> None:
        self.stop.set()
        self.listening.run(self.stop)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch, sent_tasks: Any) -> Any:
    found = Heard(monkeypatch)
    yield found
    found.end()


def test_a_server_that_stops_is_told_of_and_listened_to_again(own_openldap: OpenLDAP, heard: Heard) -> None:
    unit = openldap_unit(own_openldap.server(0))
    source = save_ldap_directory(unit, **FOLLOWED)
    unit.person("ann")
    heard.until(lambda: following(source) and User.objects.filter(username="ann").exists())
    own_openldap.stop()
    heard.until(lambda: "tries again" in listener.state_of(source)[1])
    own_openldap.start()
    unit = openldap_unit(own_openldap.server(0))
    unit.settings["base_dn"] = source.settings["base_dn"]
    unit.base = source.settings["base_dn"]
    unit.person("bob")  # while nobody listens
    heard.until(lambda: following(source) and User.objects.filter(username="bob").exists(), 60)


def test_a_directory_behind_a_gateway_is_followed(
    unit: LdapDirectory, heard: Heard, carried: Callable[[ConnectorWork], Loopback]
) -> None:
    source = save_ldap_directory(unit, **FOLLOWED)
    loopback = carried(gateway_of(unit.kind, load(source.pk).connector))
    source.kind, source.settings, source.secrets = "gateway", {"gateway": HERE.gateway, "name": HERE.name}, {}
    source.save()
    ann = unit.person("ann")
    heard.until(lambda: following(source) and User.objects.filter(username="ann", is_active=True).exists())
    switch_off(unit, ann)
    heard.until(lambda: User.objects.filter(username="ann", is_active=False).exists())
    assert "news" in loopback.carried


def test_switching_it_off_ends_it(ldap_directory: LdapDirectory, heard: Heard) -> None:
    source = save_ldap_directory(ldap_directory, **FOLLOWED)
    heard.until(lambda: following(source))
    source.provisioning.listen = False
    source.provisioning.save()
    heard.until(lambda: not heard.listening.listeners)
    assert not Heartbeat.objects.filter(name__startswith="listen").exists()


def test_a_directory_that_cannot_tell_says_so(heard: Heard, pg_appsdb: Any, make_directory: Any) -> None:
    source = make_directory(pg_appsdb, import_users=True, listen=True)
    heard.until(lambda: "does not tell of changes" in listener.state_of(source)[1])


def test_one_that_cannot_be_read_does_not_silence_the_others(ldap_directory: LdapDirectory, heard: Heard) -> None:
    broken = save_ldap_directory(ldap_directory, "Broken", **FOLLOWED)
    with connection.cursor() as cursor:  # as after the keys of the environment were lost
        cursor.execute("UPDATE directories_directory SET secrets = %s WHERE id = %s", ["gAAAAnothing", broken.pk])
    source = save_ldap_directory(ldap_directory, "Sound", **FOLLOWED)
    ldap_directory.person("ann")
    heard.until(lambda: following(source) and User.objects.filter(username="ann").exists())
    assert "cannot read how to connect" in listener.state_of(broken)[1]


def test_what_was_heard_while_the_portals_database_was_away_is_not_forgotten(
    ldap_directory: LdapDirectory, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save_ldap_directory(ldap_directory, **FOLLOWED)
    heard.until(
        lambda: (
            following(source) and not any(listener.heard.is_set() for listener in heard.listening.listeners.values())
        )
    )
    one = heard.listening.listeners[source.pk]
    with monkeypatch.context() as patched:
        patched.setattr(listener, "start_import", Mock(side_effect=OperationalError))
        one.heard.set()
        one.again_at = 0.0
        with pytest.raises(OperationalError):
            heard.listening.turn()
    assert one.heard.is_set()


def test_an_import_that_is_running_is_waited_for(ldap_directory: LdapDirectory, heard: Heard) -> None:
    source = save_ldap_directory(ldap_directory, **FOLLOWED)
    heard.until(
        lambda: (
            following(source) and not any(listener.heard.is_set() for listener in heard.listening.listeners.values())
        )
    )
    running = services.start_import(source, preview=False, actor="somebody")
    ImportRun.objects.filter(pk=running.pk).update(status="crawling")
    ldap_directory.person("ann")
    began = time.monotonic()
    heard.until(lambda: time.monotonic() - began > 3)
    assert not Account.objects.exists()
    ImportRun.objects.filter(pk=running.pk).update(status="failed")
    heard.until(lambda: User.objects.filter(username="ann").exists())
