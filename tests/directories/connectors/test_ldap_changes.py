"""What changed since a moment, and being told at once, by real servers: OpenLDAP and a Samba domain controller."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import ldap3
import pytest

from directories.connectors import connector_class
from directories.connectors.base import Capability, ConnectorConfig, ConnectorError, CursorLost, Unavailable
from directories.connectors.ldap.connector import Ldap
from tests.directory_servers import SUFFIX, OpenLDAP
from tests.fixtures.ldap import LdapDirectory, openldap_unit

ATTRIBUTES = ("givenName", "sn")


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def connector(unit: LdapDirectory) -> Iterator[Any]:
    with connector_class(unit.kind)(ConnectorConfig(unit.settings, attributes=ATTRIBUTES)) as opened:
        yield opened


def changed(connector: Any, cursor: Any) -> tuple[set[str], set[str]]:
    pages = list(connector.changes(cursor, 2))
    assert pages[-1].last
    return {one.key for page in pages for one in page.accounts}, {ref for page in pages for ref in page.gone}


def test_only_what_changed_is_read_and_a_cursor_can_be_kept_as_json(unit: LdapDirectory, connector: Any) -> None:
    assert Capability.INCREMENTAL in connector.capabilities
    names = [f"user{n}" for n in range(5)]
    for name in names:
        unit.person(name)
    cursor = connector.cursor()
    if unit.kind == "ldap":  # entries of the last minutes are read again: step over the overlap
        cursor = {**cursor, "at": cursor["at"].replace("2026", "2036")}
        with pytest.raises(CursorLost):
            list(connector.changes(cursor))
        cursor = connector.cursor()
        assert set(names) <= changed(connector, cursor)[0]
        return
    assert changed(connector, cursor)[0] == set()
    unit.link.modify(f"cn=user1,{unit.base}", {"sn": [(ldap3.MODIFY_REPLACE, ["New"])]})
    unit.person("fresh")
    refs = {one.key: one.ref for page in connector.accounts() for one in page.accounts}
    unit.link.delete(f"cn=user2,{unit.base}")
    found, gone = changed(connector, cursor)
    assert (found, gone & set(refs.values())) == ({"user1", "fresh"}, {refs["user2"]})  # and ids outside the base
    found, gone = changed(connector, connector.cursor())
    assert (found, gone & set(refs.values())) == (set(), set())


def test_a_cursor_and_what_is_read_after_it_come_from_one_of_the_servers_behind_a_name(
    ldap_directory: LdapDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ldap_directory.person("ann")
    host, _, port = ldap_directory.settings["host"].rpartition(":")
    settings = {**ldap_directory.settings, "host": f"controllers.test:{port}", "check_certificate": "no"}
    answers = iter([host, "127.0.0.9", "127.0.0.9"])  # nobody listens at the second
    resolve = socket.getaddrinfo

    def in_turn(name: str, *more: Any, **options: Any) -> Any:
        return resolve(next(answers) if name == "controllers.test" else name, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", in_turn)
    with Ldap(ConnectorConfig(settings, attributes=ATTRIBUTES)) as connector:
        assert connector.cursor()
        assert [one.key for page in connector.accounts() for one in page.accounts] == ["ann"]


def test_a_cursor_of_another_server_or_another_life_of_it_is_lost(ad_directory: LdapDirectory) -> None:
    with connector_class("active_directory")(ConnectorConfig(ad_directory.settings)) as connector:
        cursor = connector.cursor()
        for other in ({"server": "CN=other"}, {"invocation": "00"}, {"usn": cursor["usn"] + 10**9}, {"kind": "time"}):
            with pytest.raises(CursorLost):
                list(connector.changes({**cursor, **other}))


def test_a_change_is_told_within_seconds(unit: LdapDirectory, connector: Any) -> None:
    assert Capability.LISTEN in connector.capabilities
    dn = unit.person("ann")
    stop, told, failed = threading.Event(), list[float](), list[BaseException]()

    def follow() -> None:
        try:
            told.extend(time.monotonic() for news in connector.news(stop) if news and not wait.set())
        except BaseException as error:
            failed.append(error)
            wait.set()

    wait = threading.Event()
    thread = threading.Thread(target=follow)
    thread.start()
    assert wait.wait(20), "it never listened"
    time.sleep(1.5)
    before = time.monotonic()
    wait.clear()
    unit.link.modify(dn, {"sn": [(ldap3.MODIFY_REPLACE, ["New"])]})
    heard = wait.wait(20)
    took = time.monotonic() - before
    stop.set()
    thread.join(10)
    assert not failed, failed
    assert heard
    assert took < 8, took


def test_a_server_that_stops_is_noticed(own_openldap: OpenLDAP) -> None:
    unit = openldap_unit(own_openldap.server(0))
    with Ldap(ConnectorConfig(unit.settings)) as connector:
        news = connector.news(threading.Event())
        assert next(news) is True
        own_openldap.stop()
        with pytest.raises(Unavailable):
            list(news)


def test_what_the_server_refuses_to_tell_of_others_is_no_failure(ldap_directory: LdapDirectory) -> None:
    limited = {**ldap_directory.settings, "user": f"cn=limited,{SUFFIX}"}  # to ten entries of one search
    ldap_directory.person("ann")
    with Ldap(ConnectorConfig(limited, attributes=ATTRIBUTES)) as connector:
        cursor = connector.cursor()
        for number in range(15):
            ldap_directory.ou(f"other{number}")
        with pytest.raises(ConnectorError):
            connector.session.search("(objectClass=organizationalUnit)", ("entryUUID",), page=40)
        assert cursor
        assert changed(connector, cursor)[0] == {"ann"}
