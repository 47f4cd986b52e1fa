"""Servers that cannot be trusted, stop, hang, give only a part, or are only a part."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from directories.connectors import connector_class
from directories.connectors.base import (
    ConnectionTest,
    ConnectorConfig,
    ConnectorError,
    Entry,
    Page,
    Unavailable,
)
from directories.connectors.ldap.referrals import demand_absent
from tests import servers
from tests.directories.connectors.contract import crawl
from tests.directories.connectors.ldap_subject import LdapSubject
from tests.directory_servers import SAMBA_SUFFIX, SUFFIX, OpenLDAP
from tests.fixtures.ldap import openldap_unit

ANN = Entry("ann", "", {"givenName": "Ann"}, {"username": "ann"})


@pytest.fixture
def own(own_openldap: OpenLDAP) -> LdapSubject:
    """A directory on an OpenLDAP of this test alone, with 30 people."""
    pid = int((own_openldap.folder / "slapd.pid").read_text())
    unit = openldap_unit(own_openldap.server(pid))
    for number in range(30):
        unit.person(f"user{number:02}")
    return LdapSubject(unit)


def failure(found: ConnectionTest) -> tuple[str, str]:
    """Return the first step that failed, and its words."""
    return next(((step.name, step.message) for step in found.steps if step.ok is False), ("", ""))


def tried(subject: LdapSubject, **settings: Any) -> tuple[str, str]:
    with subject.open(**settings) as connector:
        return failure(connector.test())


def other_certificate(folder: Path) -> str:
    """Return a certificate that no server of the run has."""
    folder.mkdir(exist_ok=True)
    OpenLDAP(folder, 1, "x").certificate()
    return (folder / "server.crt").read_text()


@pytest.mark.parametrize("encryption", ["ldaps", "starttls"])
def test_a_certificate_that_is_not_trusted(ldap: LdapSubject, tmp_path: Path, encryption: str) -> None:
    host = ldap.unit.settings["host"] if encryption == "ldaps" else f"127.0.0.1:{ldap.unit.link.server.port}"
    wrong = {"ca": other_certificate(tmp_path / "other"), "encryption": encryption, "host": host}
    with ldap.open(**wrong) as connector:
        with pytest.raises(Unavailable) as caught:
            connector.find(ANN)
        assert caught.value.code == "tls"
        name, words = failure(connector.test())
        assert name == "TLS"
        assert "not signed by an authority" in words
        shown = connector.test().certificate
        assert shown is not None
        assert (shown.issuer, shown.problem) == ("itself", "")
    assert tried(ldap, **{**wrong, "ca": shown.pem}) == ("", "")
    assert tried(ldap, **{**wrong, "ca": ""})[0] == "TLS"
    with ldap.open(**{**wrong, "ca": ldap.unit.settings["ca"]}) as connector:
        assert connector.test().ok
    with ldap.open(**{**wrong, "check_certificate": "no"}) as connector:
        found = connector.test()
        assert found.ok
        assert "certificate is not checked" in next(step.message for step in found.steps if step.name == "TLS")


def test_a_certificate_for_another_name(ldap: LdapSubject) -> None:
    port = ldap.unit.settings["host"].rpartition(":")[2]
    name, words = tried(ldap, host=f"127.1:{port}")  # the same address, and no name that the certificate has
    assert name == "TLS"
    assert "another name" in words
    assert tried(ldap, host=f"localhost:{port}") == ("", "")


@pytest.mark.parametrize(
    ("settings", "step", "word"),
    [
        ({"host": "nowhere.invalid"}, "Name", "nowhere.invalid"),
        ({"host": "127.0.0.1:1"}, "Port", "127.0.0.1 port 1"),
        ({"password": "wrong"}, "Login", "refused the login"),
        ({"user": f"cn=nobody,{SUFFIX}"}, "Login", "refused the login"),
        ({"base_dn": f"ou=nowhere,{SUFFIX}"}, "Base DN", "Check the base DN"),
        ({"base_dn": "not a dn"}, "Base DN", "DN"),
        ({"user_filter": "(objectClass=inetOrgPerson"}, "User filter", "filter"),
        ({"id_attribute": "nsUniqueId"}, "Right to read", "nsUniqueId"),
        ({"identifier": "employeeNumber"}, "Right to read", "employeeNumber"),
    ],
)
def test_the_connection_test_tells_the_parts_apart(
    ldap: LdapSubject, settings: dict[str, Any], step: str, word: str
) -> None:
    ldap.unit.person("ann")
    name, words = tried(ldap, **settings)
    assert name == step
    assert word in words


@pytest.mark.parametrize("base_dn", ["", f"ou=nowhere,{SUFFIX}"])
def test_the_connection_test_offers_the_base(ldap: LdapSubject, base_dn: str) -> None:
    with ldap.open(base_dn=base_dn) as connector:
        found = connector.test()
    assert failure(found)[0] == "Base DN"
    assert found.suggestions == {"base_dn": [SUFFIX]}


def test_tls_is_expected_where_there_is_none(ldap: LdapSubject) -> None:
    assert tried(ldap, host=f"127.0.0.1:{ldap.unit.link.server.port}")[0] == "TLS"
    assert tried(ldap, encryption="starttls")[0] == "TLS"


def test_the_connection_test_counts_and_offers(ldap: LdapSubject) -> None:
    for number in range(3):
        ldap.unit.person(f"user{number}", roomNumber="1")
    with ldap.open(page_size=2) as connector:
        found = connector.test()
    assert found.ok
    assert "2 or more users" in next(step.message for step in found.steps if step.name == "User filter")
    assert {"uid", "roomNumber", "employeeNumber"} <= set(found.attributes)
    assert "userPassword" not in found.attributes


@pytest.mark.parametrize(
    "settings",
    [{"identifier": "uid)(x=*"}, {"container": "People"}, {"host": "a b:c"}, {"container": "ou={{ x | no }},dc=x"}],
)
def test_settings_that_cannot_be_used_are_refused_in_words(ldap: LdapSubject, settings: dict[str, Any]) -> None:
    with pytest.raises(ConnectorError) as caught:
        ldap.open(**settings)
    assert caught.value.code == "settings"


def test_the_second_server_stands_in_for_the_first(ldap: LdapSubject) -> None:
    ldap.unit.person("ann")
    with ldap.open(host=f"nowhere.invalid 127.0.0.1:1 {ldap.unit.settings['host']}") as connector:
        assert connector.find(ANN) is not None
        assert connector.test().ok


def test_an_empty_password_is_no_login(ldap: LdapSubject) -> None:
    """A server takes it for nobody in particular, and answers that nobody is there."""
    with ldap.open(password="") as connector, pytest.raises(ConnectorError):
        list(connector.accounts())


def read_one_page(connector: Any) -> tuple[Any, Page]:
    pages = connector.accounts(5)
    return pages, next(pages)


def test_a_server_stopped_in_the_middle_of_a_crawl(own: LdapSubject, own_openldap: OpenLDAP) -> None:
    with own.open() as connector:
        pages, first = read_one_page(connector)
        assert not first.last
        own_openldap.stop()
        with pytest.raises(Unavailable):
            list(pages)
        with pytest.raises(Unavailable) as caught:
            connector.find(ANN)
        assert caught.value.code in {"unreachable", "connection"}
    own_openldap.start()
    with own.open() as connector:
        assert len(crawl(connector, 5)[1]) == 30


def test_a_server_killed_in_the_middle_of_a_crawl(own: LdapSubject, own_openldap: OpenLDAP) -> None:
    with own.open() as connector:
        pages, _ = read_one_page(connector)
        os.kill(int((own_openldap.folder / "slapd.pid").read_text()), signal.SIGKILL)
        with pytest.raises(Unavailable):
            list(pages)


def test_a_server_that_hangs_is_given_up(own: LdapSubject, own_openldap: OpenLDAP) -> None:
    pid = int((own_openldap.folder / "slapd.pid").read_text())
    with own.open(statement_timeout=1, connect_timeout=1) as connector:
        pages, _ = read_one_page(connector)
        connector.find(ANN)
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            for ask in (lambda: list(pages), lambda: connector.find(ANN), lambda: connector.find(ANN)):
                with pytest.raises(Unavailable):
                    ask()
            assert time.monotonic() - started < 12
        finally:
            os.kill(pid, signal.SIGCONT)
        assert connector.find(Entry("user01")) is not None


def test_a_connection_that_was_dropped_is_made_anew(own: LdapSubject, own_openldap: OpenLDAP) -> None:
    with own.open() as connector:
        assert connector.find(Entry("user01")) is not None
        own_openldap.stop()
        own_openldap.start()
        with pytest.raises(Unavailable):
            connector.find(Entry("user01"))
        assert connector.find(Entry("user01")) is not None


def test_a_size_limit_is_no_end(openldap: servers.Server, ldap: LdapSubject) -> None:
    for number in range(15):
        ldap.unit.person(f"user{number}")
    with ldap.open(user=f"cn=limited,{SUFFIX}") as connector:
        for size in (4, 1000):
            pages: list[Page] = []
            with pytest.raises(ConnectorError) as caught:
                pages.extend(connector.accounts(size))
            assert caught.value.code in {"size_limit", "limit"}
            assert not any(page.last for page in pages)
            assert not isinstance(caught.value, Unavailable)


@pytest.fixture
def reference(openldap: servers.Server, ldap: LdapSubject) -> str:
    """A part of the tree, beside the directory under test, that is on another server."""
    return ldap.unit.reference(ldap.unit.ou("beside"))


def test_a_reference_to_another_server_is_no_end(ldap: LdapSubject, reference: str) -> None:
    ldap.unit.person("ann")
    with ldap.open() as connector:
        with pytest.raises(ConnectorError) as caught:
            list(connector.accounts())
        assert caught.value.code == "referral"
        assert failure(connector.test())[0] == "User filter"
        ann = connector.find(ANN)
        assert ann is not None
        with pytest.raises(ConnectorError) as caught:
            connector.find(Entry("bob"))  # may be behind the reference: no reason to make another one
        assert caught.value.code == "referral"
        assert connector.find(Entry("ann", ann.ref)) is not None


def test_a_reference_elsewhere_in_the_tree_disturbs_nobody(ldap: LdapSubject, reference: str) -> None:
    """Look-ups by the lasting id search the whole tree."""
    staff = ldap.unit.ou("staff")
    ldap.unit.person("ann", below=staff)
    with ldap.open(base_dn=staff) as connector:
        (ann,) = crawl(connector, 10)[1]
        assert connector.find(Entry("ann", ann.ref)) is not None
        assert connector.find(Entry("bob", "00000000-0000-0000-0000-000000000000")) is None
        assert connector.find(Entry("bob")) is None
        connector.update(Entry("ann", ann.ref, {"givenName": "Anna"}))
        assert connector.test().ok


def test_a_domain_s_own_partitions_are_no_reference(ad: LdapSubject) -> None:
    """Every search from the root of a domain is referred to them; without the control that keeps them out, too."""
    ad.unit.person("ann")
    whole = {"base_dn": SAMBA_SUFFIX}
    with ad.open(**whole) as connector:
        assert [account.key for account in crawl(connector, 10)[1]] == ["ann"]
        assert connector.find(Entry("bob")) is None
    as_ldap = {"preset": "other", "identifier": "sAMAccountName", "id_attribute": "objectGUID"}
    settings = {**ad.unit.settings, **whole, **as_ldap, "user_filter": "(&(objectCategory=person)(mail=*))"}
    with connector_class("ldap")(ConnectorConfig(settings)) as connector:
        (ann,) = crawl(connector, 10)[1]
        assert connector.find(Entry("ann", ann.ref)) is not None
        assert connector.find(Entry("bob")) is None


@pytest.mark.parametrize(
    ("url", "counts"),
    [
        ("ldap://h/ou=away,dc=example,dc=org??sub", True),
        ("ldap://h/OU=Away,%20DC=example,DC=org", True),
        ("ldap://h", True),
        ("ldap://h/ou=away,dc=example,dc=com", False),
        ("ldap://h/CN=Configuration,DC=example,DC=org", False),
        ("ldaps://h/DC=DomainDnsZones,DC=example,DC=org", False),
        ("ldap://h/DC%3DForestDnsZones,DC=example,DC=org", False),
    ],
)
def test_what_a_reference_hides(url: str, counts: bool) -> None:
    if not counts:
        demand_absent([url], "dc=example,dc=org")
        return
    with pytest.raises(ConnectorError):
        demand_absent([url], "dc=example,dc=org")


@pytest.mark.parametrize("kind", ["ldap", "ad"])
def test_a_cookie_that_the_server_forgot(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server keeps the place of a paged search only for a while; here it is sent a cookie that it never gave."""
    subject: LdapSubject = request.getfixturevalue(kind)
    for number in range(5):
        subject.unit.person(f"user{number}")
    with subject.open() as connector:
        pages = connector.accounts(2)
        assert not next(pages).last
        real = connector.session.search

        def forgotten(*args: Any, cookie: bytes = b"", **options: Any) -> Any:
            return real(*args, cookie=b"12345678" if cookie else b"", **options)

        monkeypatch.setattr(connector.session, "search", forgotten)
        with pytest.raises(Unavailable) as caught:
            list(pages)
    assert caught.value.code == "cookie"


def test_rights_that_are_missing_are_told(ldap: LdapSubject) -> None:
    with ldap.open(user=f"cn=reader,{SUFFIX}") as connector, pytest.raises(ConnectorError) as caught:
        connector.create(ANN, "secret")
    assert caught.value.code == "no_right"


def test_nothing_shows_the_password(ldap: LdapSubject) -> None:
    secret = ldap.unit.settings["password"]
    with ldap.open() as connector:
        shown = f"{connector.settings!r} {connector.test()!r} {connector.session.__dict__!r}"
    assert secret not in shown
