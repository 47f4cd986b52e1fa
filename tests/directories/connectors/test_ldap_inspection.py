"""One entry with everything that the portal's login sees of it, as people read it."""

import pytest

from directories.connectors.base import ConnectorError, Inspection
from directories.connectors.ldap import inspection
from directories.connectors.ldap.decoding import Raw
from tests.directories.connectors.ldap_subject import LdapSubject


@pytest.fixture(params=["ldap", "ad"])
def subject(request: pytest.FixtureRequest) -> LdapSubject:
    """The same on OpenLDAP and on a domain controller."""
    found: LdapSubject = request.getfixturevalue(request.param)
    return found


def looked(subject: LdapSubject, name: str, **settings: str) -> Inspection | None:
    with subject.open(**settings) as connector:
        return connector.inspect(name)


def by_name(found: Inspection | None) -> dict[str, list[str]]:
    assert found is not None
    return {shown.name: list(shown.values) for shown in found.attributes}


def test_every_attribute_is_readable(subject: LdapSubject) -> None:
    photo = "thumbnailPhoto" if subject.unit.kind != "ldap" else "jpegPhoto"
    dn = subject.unit.person("ann", description="a note", **{photo: b"\xff\xd8" + b"x" * 1000})
    found = looked(subject, "Ann")
    assert found is not None
    assert (found.place.lower(), found.account.key, found.notes) == (dn.lower(), "ann", [])
    held = by_name(found)
    assert held[photo] == ["binary, 1,002 bytes"]
    assert held["description"] == ["a note"]
    assert held[found.id_attribute] == [found.account.ref]
    assert any("UTC (" in text for texts in held.values() for text in texts)


def test_flags_and_times_of_active_directory(ad: LdapSubject) -> None:
    ad.unit.person("ann", userAccountControl=0x10222, accountExpires=0, pwdLastSet=0)
    held = by_name(looked(ad, "ann"))
    words = "disabled, no password required, normal account, password never expires (66082)"
    assert held["userAccountControl"] == [words]
    assert held["accountExpires"] == ["never (0)"]
    assert held["pwdLastSet"] == ["the password must be changed at the next login (0)"]
    assert held["objectSid"][0].startswith("S-1-5-21-")
    assert held["primaryGroupID"] == ["Domain Users (513)"]


def test_groups_are_shown_by_name(ad: LdapSubject) -> None:
    ann = ad.unit.person("ann")
    ad.unit.add("cn=R\\, D", ["group"], {"sAMAccountName": "rd", "member": ann})
    found = looked(ad, "ann")
    assert found is not None
    assert (found.group_attribute, list(found.groups)) == ("memberOf", ["R, D"])


def test_passwords_are_not_shown(ldap: LdapSubject) -> None:
    dn = ldap.unit.person("ann")
    ldap.unit.link.extend.standard.modify_password(dn, new_password="secret-1")
    found = looked(ldap, "ann")
    assert by_name(found)["userPassword"] == ["not shown"]
    assert "SSHA" not in repr(found)


def test_why_an_import_leaves_an_entry_out(subject: LdapSubject) -> None:
    subject.unit.person("ann", below=subject.unit.ou("deep"))
    found = looked(subject, "ann", user_filter="(&(objectClass=person)(description=staff))")
    assert found is not None
    assert "user filter does not find it" in found.notes[0]
    found = looked(subject, "ann", scope="level")
    assert found is not None
    assert "not directly below" in found.notes[0]
    found = looked(subject, "ann@example.org")
    assert found is not None
    assert "Found by another attribute" in found.notes[0]


@pytest.mark.parametrize("typed", ["*", "ann)(uid=*", "a*", "", " ", "nobody"])
def test_what_is_typed_is_a_name_and_no_filter(subject: LdapSubject, typed: str) -> None:
    subject.unit.person("ann")
    assert looked(subject, typed) is None


def test_a_name_of_several_says_which(ldap: LdapSubject) -> None:
    for ou in ("one", "two"):
        ldap.unit.person("ann", below=ldap.unit.ou(ou))
    with pytest.raises(ConnectorError) as caught:
        looked(ldap, "ann")
    assert "ou=one" in caught.value.message


def test_long_and_many_values_are_cut() -> None:
    raw = Raw(
        "cn=x", {"a": [b"y" * 9000], "b": [b"z"] * 250, "c": [b"line\nline"], "d": [b"\x00\x01"]}, ("a", "b", "c", "d")
    )
    a, b, c, d = inspection.shown(raw)
    assert len(a.values[0]) < 600
    assert (len(b.values), b.more) == (100, 150)
    assert c.values == ("line\nline",)
    assert d.values == ("binary, 2 bytes",)
