"""Groups of real LDAP servers: whoever keeps the members, in whatever form, as many as there are."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from directories.connectors.base import ConnectorError, Entry, GroupEntry, NotFound, RemoteGroup
from directories.connectors.ldap import names
from directories.connectors.ldap.connector import Ldap
from directories.connectors.ldap.groups.reading import LdapGroupReader
from tests.directories.connectors.ldap_subject import LdapSubject

SPECIAL = ['a, "b" (c)*', "plus+equals=", "back\\slash 1", "Zoë Straße 漢字"]


@pytest.fixture(params=["ldap", "ad"])
def subject(request: pytest.FixtureRequest) -> LdapSubject:
    """The same on OpenLDAP and on a domain controller."""
    found: LdapSubject = request.getfixturevalue(request.param)
    return found


def add_group(subject: LdapSubject, name: str, *members: str, **more: Any) -> str:
    """Add a group as an administrator of the directory would; one of OpenLDAP's needs a member."""
    rdn = f"cn={names.escape(name)}"
    if subject.unit.kind == "ldap":
        return subject.unit.add(rdn, ["groupOfNames"], {"member": list(members) or [subject.unit.base], **more})
    members_of = {"member": list(members)} if members else {}
    return subject.unit.add(rdn, ["group"], {"sAMAccountName": f"g{abs(hash(name)) % 10**9}", **members_of, **more})


def groups(connector: Ldap, page_size: int = 1000) -> dict[str, RemoteGroup]:
    pages = list(connector.groups(page_size))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return {group.name: group for page in pages for group in page.groups}


def members(connector: Ldap, group: RemoteGroup, page_size: int = 1000) -> set[str]:
    """Return the members' user names or group names, whether they came by id or by place."""
    pages = list(connector.members(group, page_size))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    known = {account.ref: account for page in connector.accounts() for account in page.accounts}
    named = {ref: account.key for ref, account in known.items()}
    named |= {account.place: account.key for account in known.values()}
    for other in groups(connector).values():
        named |= {other.ref: other.name, other.place: other.name}
    found = [named[each] for page in pages for each in (*page.refs, *page.places) if each in named]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("membership", ["group", "user"])
def test_members_and_nested_groups_are_found(subject: LdapSubject, membership: str) -> None:
    ann, bob = subject.unit.person("ann"), subject.unit.person("bob")
    inner = add_group(subject, "Inner", bob)
    add_group(subject, "Outer", ann, inner, description="All of them")
    add_group(subject, "Empty")
    with subject.open(membership=membership) as connector:
        found = groups(connector)
        assert set(found) == {"Inner", "Outer", "Empty"}
        assert found["Outer"].description == "All of them"
        assert found["Inner"].place == names.normal(inner)
        assert found["Inner"].ref
        assert members(connector, found["Outer"]) == {"ann", "Inner"}
        assert members(connector, found["Inner"]) == {"bob"}
        assert members(connector, found["Empty"]) == set()


@pytest.mark.parametrize("membership", ["group", "user"])
@pytest.mark.parametrize("name", SPECIAL)
def test_names_with_special_characters(subject: LdapSubject, membership: str, name: str) -> None:
    cn = subject.unit.add(
        f"cn={names.escape(name)}",
        ["inetOrgPerson"] if subject.unit.kind == "ldap" else ["user"],
        {"sn": "x", "uid": "odd"} if subject.unit.kind == "ldap" else {"sn": "x", "sAMAccountName": "odd"},
    )
    add_group(subject, f"{name} group", cn)
    with subject.open(membership=membership) as connector:
        found = groups(connector)
        assert set(found) == {f"{name} group"}
        assert members(connector, found[f"{name} group"]) == {"odd"}


def test_pages_of_groups_and_of_members(subject: LdapSubject) -> None:
    people = [subject.unit.person(f"user{n}") for n in range(7)]
    for number in range(5):
        add_group(subject, f"Group {number}", *people)
    for membership in ("group", "user"):
        with subject.open(membership=membership) as connector:
            found = groups(connector, page_size=2)
            assert len(found) == 5
            pages = list(connector.members(found["Group 3"], page_size=3))
            assert [len(page.refs) + len(page.places) for page in pages] == [3, 3, 1, 0]
            assert members(connector, found["Group 0"], page_size=3) == {f"user{n}" for n in range(7)}


def test_groups_in_a_base_of_their_own(subject: LdapSubject) -> None:
    """The users' base holds no groups; a nested one is found in the other base all the same."""
    people, elsewhere = subject.unit.ou("people"), subject.unit.ou("groups")
    ann = subject.unit.person("ann", below=people)
    classes = ["groupOfNames"] if subject.unit.kind == "ldap" else ["group"]
    account = {} if subject.unit.kind == "ldap" else {"sAMAccountName": "inner"}
    inner = subject.unit.add("cn=Inner", classes, {"member": [ann], **account}, elsewhere)
    account = {} if subject.unit.kind == "ldap" else {"sAMAccountName": "outer"}
    subject.unit.add("cn=Outer", classes, {"member": [inner], **account}, elsewhere)
    for membership in ("group", "user"):
        with subject.open(membership=membership, base_dn=people, group_base=elsewhere) as connector:
            found = groups(connector)
            assert members(connector, found["Outer"]) == {"Inner"}
            assert members(connector, found["Inner"]) == {"ann"}
        with subject.open(membership=membership, base_dn=people) as connector:
            assert groups(connector) == {}


def test_a_filter_and_a_name_of_their_own(subject: LdapSubject) -> None:
    add_group(subject, "One", description="first")
    add_group(subject, "Two", description="second")
    with subject.open(group_filter="(cn=T*)", group_name_attribute="description") as connector:
        assert set(groups(connector)) == {"second"}


def test_a_renamed_group_keeps_its_id(subject: LdapSubject) -> None:
    dn = add_group(subject, "Before")
    with subject.open() as connector:
        before = groups(connector)["Before"]
        subject.unit.link.modify_dn(dn, "cn=After")
        after = groups(connector)["After"]
        assert after.ref == before.ref
        assert after.place != before.place


def test_a_group_without_a_name_says_so(subject: LdapSubject) -> None:
    add_group(subject, "One")
    with subject.open(group_name_attribute="description") as connector:
        (page, _) = connector.groups()
        assert "no description" in page.groups[0].problem


def test_a_group_that_is_gone_is_not_an_empty_one(subject: LdapSubject) -> None:
    dn = add_group(subject, "One")
    with subject.open(membership="group") as connector:
        found = groups(connector)["One"]
        subject.unit.link.delete(dn)
        with pytest.raises(NotFound):
            list(connector.members(found))
    with subject.open(membership="user") as connector, pytest.raises(NotFound):
        list(connector.members(found))


def test_a_base_that_is_not_there_is_no_empty_directory(subject: LdapSubject) -> None:
    with subject.open(group_base=f"ou=nowhere,{subject.unit.base}") as connector, pytest.raises(ConnectorError):
        list(connector.groups())


@pytest.mark.parametrize("attribute", ["cn)(objectClass=*", "member;range=0-1", "1st"])
def test_an_attribute_that_is_none_is_refused(subject: LdapSubject, attribute: str) -> None:
    with subject.open(group_name_attribute=attribute) as connector, pytest.raises(ConnectorError):
        list(connector.groups())


def test_unix_groups_name_users_and_others_a_dn_with_an_id(ldap: LdapSubject) -> None:
    ann, bob = ldap.unit.person("ann"), ldap.unit.person("bob (b)*")
    ldap.unit.add("cn=unix", ["posixGroup"], {"gidNumber": 7, "memberUid": ["ann", "bob (b)*", "nobody"]})
    ldap.unit.add("cn=unique", ["groupOfUniqueNames"], {"uniqueMember": [f"{ann}#'0101'B", bob]})
    with ldap.open() as connector:
        found = groups(connector)
        assert members(connector, found["unix"]) == {"ann", "bob (b)*"}
        assert members(connector, found["unique"]) == {"ann", "bob (b)*"}
        assert members(connector, found["unix"], page_size=1) == {"ann", "bob (b)*"}


def test_groups_that_are_only_names_of_an_attribute(ldap: LdapSubject) -> None:
    for uid, held in {"ann": ["Sales", "Dev (all)*"], "bob": ["sales"], "cid": []}.items():
        ldap.unit.person(uid, **({"departmentNumber": held} if held else {}))
    with ldap.open(membership="names", group_attribute="departmentNumber") as connector:
        found = groups(connector)
        assert {group.ref: group.name for group in found.values()} == {"dev (all)*": "Dev (all)*", "sales": "Sales"}
        assert members(connector, found["Sales"]) == {"ann", "bob"}
        assert members(connector, found["Dev (all)*"]) == {"ann"}


def test_a_long_list_comes_in_parts(ad: LdapSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Active Directory gives at most 1,500 values at a time, and as few as it is asked for."""
    asked: list[list[str]] = []
    read = LdapGroupReader._entry

    def counted(reader: LdapGroupReader, dn: str, wanted: Sequence[str]) -> Any:
        asked.append(list(wanted))
        return read(reader, dn, wanted)

    monkeypatch.setattr(LdapGroupReader, "_entry", counted)
    add_group(ad, "Some", *(ad.unit.person(f"user{n}") for n in range(7)))
    with ad.open(membership="group") as connector:
        found = groups(connector)["Some"]
        assert len(members(connector, found, page_size=3)) == 7
    assert asked == [[f"member;range={start}-{start + 2}"] for start in (0, 3, 6)]


@pytest.fixture
def make_primary(ad: LdapSubject) -> Iterator[Callable[[str, str], None]]:
    """Return what makes a group the primary group of somebody who is in it, until the end of the test."""
    made: list[str] = []

    def make(person: str, group: str) -> None:
        ad.unit.set_primary_group(person, group)
        made.append(person)

    yield make
    for person in made:
        ad.unit.set_primary_group(person)


@pytest.mark.parametrize("membership", ["group", "user"])
def test_whose_primary_group_it_is_is_a_member(
    ad: LdapSubject, make_primary: Callable[[str, str], None], membership: str
) -> None:
    """It stands neither in the group's list nor in the user's memberOf, but in primaryGroupID."""
    ann, bob = ad.unit.person("ann"), ad.unit.person("bob")
    sales = add_group(ad, "Sales", ann, bob)
    add_group(ad, "Everybody", sales, ann)
    make_primary(ann, sales)
    with ad.open(membership=membership) as connector:
        found = groups(connector)
        assert members(connector, found["Sales"], 1) == {"ann", "bob"}
        assert members(connector, found["Everybody"]) == {"ann", "Sales"}
    with ad.open(membership=membership) as connector:
        assert members(connector, found["Sales"]) == {"ann", "bob"}, "without its page"


def test_a_primary_group_is_pushed_to_without_harm(ad: LdapSubject, make_primary: Callable[[str, str], None]) -> None:
    ann = ad.unit.person("ann")
    ad.unit.person("bob")
    sales = add_group(ad, "Sales", ann)
    make_primary(ann, sales)
    with ad.open() as connector:
        group = GroupEntry("Sales", groups(connector)["Sales"].ref)
        entries = []
        for name in ("ann", "bob"):
            account = connector.find(Entry(name))
            assert account is not None
            entries.append(Entry(name, account.ref))
        assert not connector.add_members(group, entries)
        assert members(connector, groups(connector)["Sales"]) == {"ann", "bob"}
        (refused,) = connector.remove_members(group, entries)
        assert (refused.entry.key, refused.error.code) == ("ann", "primary_group")
        assert "another primary group" in refused.error.message
        assert members(connector, groups(connector)["Sales"]) == {"ann"}
        with pytest.raises(ConnectorError) as caught:
            connector.delete_group(group)
        assert caught.value.code == "primary_group"
