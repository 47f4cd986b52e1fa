"""Entries and values at the edge of what a directory server holds: several names, no matching rule, half a move."""

from typing import Any

import pytest

from directories.connectors.base import ConnectorError, Entry
from directories.connectors.ldap import names, values
from tests.directories.connectors.ldap_subject import LdapSubject


@pytest.fixture(params=["ldap", "ad"])
def subject(request: pytest.FixtureRequest) -> LdapSubject:
    """The same on OpenLDAP and on a domain controller."""
    found: LdapSubject = request.getfixturevalue(request.param)
    return found


def entry(key: str, ref: str = "", person: dict[str, Any] | None = None, **attributes: Any) -> Entry:
    return Entry(key, ref, attributes, {"username": key, **(person or {})})


def test_an_entry_named_by_two_attributes_keeps_both(ldap: LdapSubject) -> None:
    person = {"cn": "Ann Lee", "sn": "Lee", "uid": "ann"}
    ldap.unit.add("cn=Ann Lee+uid=ann", ["inetOrgPerson"], person)
    other = ldap.unit.add("cn=Ann Lee+uid=ann2", ["inetOrgPerson"], {**person, "uid": "ann2"})
    elsewhere = ldap.unit.ou("elsewhere")
    with ldap.open(attributes=("cn", "uid", "sn"), move_entries=True, container=elsewhere) as connector:
        ann = connector.find(entry("ann"))
        assert ann is not None
        assert ann.place != names.normal(other)
        moved = connector.update(entry("ann", ann.ref, cn="Ann Lee", uid="ann", sn="Li"))
        assert moved.place == names.normal(f"uid=ann+cn=Ann Lee,{elsewhere}")
        renamed = connector.update(entry("ann", ann.ref, cn="Ann + Li", uid="anna", sn="Li"))
        found = connector.find(entry("anna", ann.ref))
    assert found is not None
    assert (found.place, found.attributes) == (renamed.place, {"cn": "Ann + Li", "uid": "anna", "sn": "Li"})


@pytest.mark.parametrize("value", ["a\\ ", " ", "  ", "\\", "a+b ", "# "])
def test_a_blank_at_the_end_is_escaped(value: str) -> None:
    assert names.rdn(f"cn={names.escape(value)},dc=x") == ("cn", value)
    assert not names.escape(value).replace("\\\\", "").replace("\\ ", "").endswith(" ")


def test_another_value_that_comes_meanwhile_stays(ldap: LdapSubject) -> None:
    dn = ldap.unit.add("uid=ann", ["inetOrgPerson"], {"cn": "a", "sn": "a", "mail": ["1", "2"]})
    with ldap.open(attributes=("mail",)) as connector:
        ann = connector.find(entry("ann"))
        assert ann is not None
        ldap.unit.link.modify(dn, {"mail": [("MODIFY_ADD", [b"3"])]})
        connector.update(entry("ann", ann.ref, mail="9"), ann)
        assert sorted(ldap.unit.entry(dn, "mail")["mail"]) == ["2", "3", "9"]  # type: ignore[index]
        found = connector.find(entry("ann", ann.ref))
        assert found is not None
        ldap.unit.link.modify(dn, {"mail": [("MODIFY_DELETE", [b"2"])]})
        with pytest.raises(ConnectorError) as caught:
            connector.update(entry("ann", ann.ref, mail="8"), found)
    assert caught.value.code == "conflict"  # looked at once more


@pytest.mark.parametrize("wanted", ["9", ("9", "2")])
def test_values_that_cannot_be_told_apart_are_written_as_a_whole(ldap: LdapSubject, wanted: Any) -> None:
    """facsimileTelephoneNumber has no equality rule in OpenLDAP's schema (RFC 4519, 2.10)."""
    name = "facsimileTelephoneNumber"
    dn = ldap.unit.add("uid=ann", ["inetOrgPerson"], {"cn": "a", "sn": "a", name: ["1", "2"], "mail": "a@x"})
    with ldap.open(attributes=(name, "mail")) as connector:
        ann = connector.find(entry("ann"))
        assert ann is not None
        connector.update(entry("ann", ann.ref, **{name: wanted, "mail": "b@x"}))
    held = ldap.unit.entry(dn, name, "mail")
    assert held is not None
    assert (sorted(held[name]), held["mail"]) == (["2", "9"], ["b@x"])


def test_a_leaver_whose_container_was_missing_is_moved_later(subject: LdapSubject) -> None:
    subject.unit.person("ann")
    gone = f"ou=Gone,{subject.unit.base}"
    with subject.open(leavers_container=gone) as connector:
        ann = connector.find(entry("ann"))
        assert ann is not None
        connector.set_password(entry("ann", ann.ref), "secret-1")
        with pytest.raises(ConnectorError) as caught:
            connector.disable(entry("ann", ann.ref))
        assert caught.value.code == "container"
        held = connector.find(entry("ann", ann.ref))
        assert held is not None
        assert held.enabled is False
        assert connector.container_of(held) != connector.wanted_container(entry("ann", ann.ref), leaving=True)
        subject.unit.ou("Gone")
        there = connector.disable(entry("ann", ann.ref))
        assert there is not None
        assert connector.container_of(there) == connector.wanted_container(entry("ann", ann.ref), leaving=True)
        assert there.place.endswith(names.normal(gone))
        back = connector.enable(entry("ann", ann.ref))
        assert back is not None
        assert connector.container_of(back) == names.normal(subject.unit.base)
        assert back.enabled


def test_many_people_share_the_beginning_of_their_name(ad: LdapSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    stem = "contractor-external-company"
    for number in range(12):
        name = f"{stem[: 20 - len(str(number))]}{number}" if number > 1 else stem[:20]
        if number != 1:
            ad.unit.person(name)
    with ad.open(page_size=5) as connector:
        assert connector.find(entry(f"{stem}.zoe")) is None
        asked: list[str] = []
        search = connector.session.search

        def counted(query: str, *rest: Any, **more: Any) -> Any:
            asked.append(query)
            return search(query, *rest, **more)

        monkeypatch.setattr(connector.session, "search", counted)
        connector.create(entry(f"{stem}.zoe"), "secret-1")
    assert len(asked) < 10
    held = ad.unit.entry(f"cn={stem}.zoe,{ad.unit.base}", "sAMAccountName")
    assert held is not None
    assert held["sAMAccountName"] == ["contractor-externa12"]


def test_a_manager_whose_name_was_made_to_fit_is_found(ad: LdapSubject) -> None:
    long = "maximiliane.hohenlohe-langenburg"
    with ad.open(attributes=("manager",)) as connector:
        connector.create(entry(long), "secret-1")
        ann = connector.create(entry("ann", manager=long), "secret-1")
    assert not ann.waits
    held = ad.unit.entry(f"cn=ann,{ad.unit.base}", "manager")
    assert held is not None
    assert [dn.lower() for dn in held["manager"]] == [f"cn={long},{ad.unit.base}".lower()]


def test_a_day_that_is_cleared_becomes_never(ad: LdapSubject) -> None:
    dn = ad.unit.person("ann", accountExpires=str(values.NEVER))
    with ad.open(attributes=("accountExpires", "givenName")) as connector:
        ann = connector.find(entry("ann"))
        assert ann is not None
        connector.update(entry("ann", ann.ref, accountExpires=None, givenName="Anna"))
        connector.update(entry("ann", ann.ref, accountExpires=values.now()))
        connector.update(entry("ann", ann.ref, accountExpires=""))
        ad.unit.link.search(dn, "(objectClass=*)", "BASE", attributes=["accountExpires"])
        assert ad.unit.link.response[0]["raw_attributes"]["accountExpires"] == [str(values.NEVER).encode()]


def test_an_expired_account_is_not_said_to_be_enabled(ad: LdapSubject) -> None:
    ad.unit.person("ann", accountExpires="132000000000000000", userAccountControl=0x202)
    with ad.open() as connector:
        ann = connector.find(entry("ann"))
        assert ann is not None
        with pytest.raises(ConnectorError) as caught:
            connector.enable(entry("ann", ann.ref))
    assert caught.value.code == "expired"


def test_an_account_without_a_password_is_not_enabled(ad: LdapSubject) -> None:
    """The server itself would, as the entry says that it needs none: anybody could log in."""
    dn = ad.unit.person("ann", userAccountControl=0x222)
    with ad.open() as connector:
        ann = connector.find(entry("ann"))
        assert ann is not None
        with pytest.raises(ConnectorError) as caught:
            connector.enable(entry("ann", ann.ref))
        assert caught.value.code == "password_policy"
        connector.set_password(entry("ann", ann.ref), "secret-1")
        connector.enable(entry("ann", ann.ref))
    held = ad.unit.entry(dn, "userAccountControl")
    assert held is not None
    assert held["userAccountControl"] == [str(0x200)]
    assert ad.unit.can_log_in(dn, "secret-1")
