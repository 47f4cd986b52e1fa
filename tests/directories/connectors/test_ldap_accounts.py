"""What LDAP and Active Directory do beyond the contract: names, places, states, passwords, exact modifications."""

from collections.abc import Callable
from typing import Any

import pytest

from directories.connectors.base import ConnectorError, Entry, RemoteAccount, Unavailable
from directories.connectors.ldap import names
from tests.directories.connectors.contract import crawl
from tests.directories.connectors.ldap_subject import LdapSubject

SPECIAL = [
    'a, "b"',
    "plus+equals=",
    "semi;colon",
    "back\\slash",
    "#hash",
    "(paren)*",
    "<angle>",
    "Zoë 漢字",
    "a/b",
    "nul's",
]
GONE = "ou=Gone"


@pytest.fixture(params=["ldap", "ad"])
def subject(request: pytest.FixtureRequest) -> LdapSubject:
    """The same on OpenLDAP and on a domain controller."""
    found: LdapSubject = request.getfixturevalue(request.param)
    return found


def entry(key: str, ref: str = "", person: dict[str, Any] | None = None, **attributes: Any) -> Entry:
    return Entry(key, ref, attributes, {"username": key, **(person or {})})


def again(key: str, account: RemoteAccount, person: dict[str, Any] | None = None, **attributes: Any) -> Entry:
    return entry(key, account.ref, person, **attributes)


@pytest.mark.parametrize("name", SPECIAL)
def test_names_with_every_special_character(subject: LdapSubject, name: str) -> None:
    """The name becomes the entry's RDN and the name of its container, and is found again."""
    settings = {
        "container": f"ou={{{{ department }}}},{subject.unit.base}",
        "create_containers": True,
        "rdn_attribute": "cn",
        "identifier": "mail",
    }
    with subject.open(**settings) as connector:
        made = connector.create(entry("ann", "", {"department": name}, cn=name, givenName=name, mail="ann@x"), "secret")
        found = connector.find(entry("ann", mail="ann@x"))
        assert found is not None
        assert (found.ref, found.key, found.attributes["givenName"]) == (made.ref, "ann", name)
        renamed = f"{name} 2"
        connector.update(again("ann", made, cn=renamed))
        assert connector.find(again("ann", made)) is not None
        dns = [dn for dn in subject.unit.dns() if names.rdn(dn)[0].lower() == "cn"]
        assert [names.rdn(dn)[1] for dn in dns] == [renamed]
        assert names.rdn(names.parent(dns[0]))[1] == name
        connector.delete(again("ann", made))
        assert connector.find(again("ann", made)) is None


@pytest.mark.parametrize("typed", ["*", "ann)(uid=*", "*)(|(objectClass=*", "ann\\2a", "a*", "", "\x00", "(", ")"])
def test_a_name_is_never_a_part_of_the_filter(subject: LdapSubject, typed: str) -> None:
    subject.unit.person("ann")
    with subject.open() as connector:
        assert connector.find(entry(typed)) is None
        assert connector.find(entry("ann", ref=typed or "*")) is None
        assert connector.find(entry("ann")) is not None


def test_a_renamed_and_moved_entry_is_the_same_account(subject: LdapSubject) -> None:
    dn = subject.unit.person("ann")
    elsewhere = subject.unit.ou("elsewhere")
    with subject.open() as connector:
        before = connector.find(entry("ann"))
        assert before is not None
        subject.unit.link.modify_dn(dn, f"{names.rdn(dn)[0]}=anna", new_superior=elsewhere)
        after = connector.find(again("ann", before))
        assert after is not None
        assert after.ref == before.ref
        assert [account.ref for account in crawl(connector, 10)[1]] == [before.ref]
        assert before.place == names.normal(dn)
        assert after.place == names.normal(f"{names.rdn(dn)[0]}=anna,{elsewhere}")


def test_containers_are_made_only_when_that_is_allowed(subject: LdapSubject) -> None:
    container = f"ou={{{{ department }}}},ou=Sites,{subject.unit.base}"
    ann = entry("ann", "", {"department": "R&D"}, givenName="Ann")
    with subject.open(container=container) as connector, pytest.raises(ConnectorError) as caught:
        connector.create(ann, "secret")
    assert caught.value.code == "container"
    with subject.open(container=container, create_containers=True) as connector:
        connector.create(ann, "secret")
        connector.create(entry("bob"), "secret")
    places = [names.rdn(names.parent(dn))[1] for dn in subject.unit.dns() if names.rdn(dn)[0].lower() != "ou"]
    assert sorted(places) == ["R&D", "Sites"]


def test_an_account_moves_with_its_container_when_that_is_wanted(subject: LdapSubject) -> None:
    container = f"ou={{{{ department }}}},{subject.unit.base}"
    for department in ("One", "Two"):
        subject.unit.ou(department)
    with subject.open(container=container) as connector:
        ann = connector.create(entry("ann", "", {"department": "One"}), "secret")
        connector.update(again("ann", ann, {"department": "Two"}, givenName="Anna"))
        assert place_of(subject, connector, ann) == "One"
    with subject.open(container=container, move_entries=True) as connector:
        moved = connector.update(again("ann", ann, {"department": "Two"}, givenName="Anna"))
        assert moved.ref == ann.ref
        assert place_of(subject, connector, ann) == "Two"
        assert connector.find(again("ann", ann)).place == moved.place != ann.place  # type: ignore[union-attr]


def place_of(subject: LdapSubject, connector: Any, account: RemoteAccount) -> str:
    raw = connector.reader.by_ref(account.ref)
    return names.rdn(names.parent(raw.dn))[1]


def test_leavers_have_a_container_of_their_own(subject: LdapSubject) -> None:
    gone, staff = subject.unit.ou("Gone"), subject.unit.ou("Staff")
    with subject.open(container=staff, leavers_container=gone) as connector:
        ann = connector.create(entry("ann"), "secret")
        for change, enabled, place in ((connector.disable, False, "Gone"), (connector.enable, True, "Staff")):
            for _ in range(2):
                change(again("ann", ann))
                found = connector.find(again("ann", ann))
                assert found is not None
                assert (found.ref, found.enabled) == (ann.ref, enabled)
                assert place_of(subject, connector, ann) == place


def test_a_disabled_account_cannot_log_in(subject: LdapSubject) -> None:
    with subject.open() as connector:
        ann = connector.create(entry("ann"), "secret-1")
        dn = connector.reader.by_ref(ann.ref).dn  # type: ignore[union-attr]
        assert subject.unit.can_log_in(dn, "secret-1")
        connector.disable(again("ann", ann))
        assert not subject.unit.can_log_in(dn, "secret-1")
        assert [account.enabled for account in crawl(connector, 10)[1]] == [False]
        connector.enable(again("ann", ann))
        connector.set_password(again("ann", ann), "secret-2 ñ漢")
        assert not subject.unit.can_log_in(dn, "secret-1")
        assert subject.unit.can_log_in(dn, "secret-2 ñ漢")


def test_a_refused_password_says_why_and_leaves_no_half_account(subject: LdapSubject) -> None:
    with subject.open() as connector:
        with pytest.raises(ConnectorError) as caught:
            connector.create(entry("ann"), "abc")
        assert caught.value.code == "password_policy"
        assert "short" in caught.value.message or "quality" in caught.value.message
        assert connector.find(entry("ann")) is None
        ann = connector.create(entry("ann"), "long enough")
        with pytest.raises(ConnectorError) as caught:
            connector.set_password(again("ann", ann), "abc")
        assert caught.value.code == "password_policy"
        assert "abc" not in caught.value.message


def test_an_update_sends_only_what_differs(subject: LdapSubject, sent: Callable[[Any], list[Any]]) -> None:
    with subject.open() as connector:
        ann = connector.create(entry("ann", givenName="Ann", displayName="Ann L", mail="a@x"), "secret")
        changes = sent(connector)
        connector.update(again("ann", ann, givenName="Ann", displayName="Ann L", mail="a@x"))
        assert changes == []
        connector.update(again("ann", ann, givenName="Anna", displayName=None, mail="a@x"))
        assert changes == [{"givenName": [("MODIFY_REPLACE", [b"Anna"])], "displayName": [("MODIFY_DELETE", [])]}]
        found = connector.find(again("ann", ann))
    assert found is not None
    assert dict(found.attributes) == {"givenName": "Anna", "displayName": None, "mail": "a@x"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[Any]]:
    """Return the modifications that a connector sends from now on."""

    def watch(connector: Any) -> list[Any]:
        found: list[Any] = []
        link = connector.session.connection
        real = link.modify

        def modify(dn: str, changes: dict[str, Any], **more: Any) -> Any:
            found.append(changes)
            return real(dn, changes, **more)

        monkeypatch.setattr(link, "modify", modify)
        return found

    return watch


def test_several_values_are_read_and_the_further_ones_are_kept(subject: LdapSubject) -> None:
    dn = subject.unit.person("ann", otherTelephone=["1", "2", "3"]) if subject.unit.kind != "ldap" else ""
    name = "otherTelephone" if dn else "mail"
    if not dn:
        dn = subject.unit.add("uid=ann", ["inetOrgPerson"], {"cn": "a", "sn": "a", "mail": ["1", "2", "3"]})
    with subject.open(attributes=(name,)) as connector:
        found = connector.find(entry("ann"))
        assert found is not None
        held = found.attributes[name]
        assert isinstance(held, tuple)
        assert sorted(held) == ["1", "2", "3"]
        connector.update(entry("ann", found.ref, **{name: held[0]}))
        assert sorted(subject.unit.entry(dn, name)[name]) == ["1", "2", "3"]  # type: ignore[index]
        connector.update(entry("ann", found.ref, **{name: "9"}))
        assert sorted(subject.unit.entry(dn, name)[name]) == sorted(["9", *held[1:]])  # type: ignore[index]
        connector.update(entry("ann", found.ref, **{name: ("7", "9")}))
        assert sorted(subject.unit.entry(dn, name)[name]) == ["7", "9"]  # type: ignore[index]


def test_an_account_with_entries_below_it_is_deleted_only_when_that_is_wanted(ldap: LdapSubject) -> None:
    ann = ldap.unit.person("ann")
    phone = ldap.unit.add("cn=phone", ["device"], below=ann)
    ldap.unit.add("cn=card", ["device"], below=phone)
    with ldap.open() as connector:
        found = connector.find(entry("ann"))
        assert found is not None
        with pytest.raises(ConnectorError) as caught:
            connector.delete(again("ann", found))
        assert caught.value.code == "not_leaf"
    with ldap.open(delete_subtree=True) as connector:
        connector.delete(again("ann", found))
    assert ldap.unit.dns() == []


def test_an_entry_without_an_identifier_is_a_problem_of_that_row_alone(subject: LdapSubject) -> None:
    subject.unit.person("ann")
    subject.unit.person("bob", mail=None)
    with subject.open(identifier="mail") as connector:
        accounts = crawl(connector, 10)[1]
    assert sorted(bool(account.problem) for account in accounts) == [False, True]
    assert all(account.ref for account in accounts)


def test_a_schema_refusal_names_the_attribute(ldap: LdapSubject) -> None:
    with ldap.open(attributes=("givenName", "sn", "uidNumber")) as connector:
        ann = connector.create(entry("ann", givenName="Ann"), "secret")
        with pytest.raises(ConnectorError) as caught:
            connector.update(again("ann", ann, sn=None))
        assert "needs a value for sn" in caught.value.message
        with pytest.raises(ConnectorError) as caught:
            connector.update(again("ann", ann, sAMAccountName="x"))
        assert caught.value.code == "attribute"
        assert "sAMAccountName" in caught.value.message
        with pytest.raises(ConnectorError) as caught:
            connector.update(again("ann", ann, uidNumber="12"))
        assert "does not allow uidNumber" in caught.value.message


def test_the_state_of_389_and_freeipa(ldap: LdapSubject) -> None:
    with ldap.open(state_attribute="nsAccountLock", object_classes="inetOrgPerson lockable") as connector:
        ann = connector.create(entry("ann"), "secret")
        connector.disable(again("ann", ann))
        assert connector.find(again("ann", ann)).enabled is False  # type: ignore[union-attr]
        connector.enable(again("ann", ann))
        assert connector.find(again("ann", ann)).enabled is True  # type: ignore[union-attr]


def test_a_manager_is_a_user_name_here_and_a_dn_there(subject: LdapSubject) -> None:
    boss = subject.unit.person("boss")
    subject.unit.person("ann", manager=boss)
    subject.unit.person("bob", manager=names.parent(boss))  # somebody who is no user
    with subject.open(attributes=("manager",)) as connector:
        found = {account.key: account.attributes["manager"] for account in crawl(connector, 10)[1]}
        assert found == {"boss": None, "ann": "boss", "bob": None}
        zoe = connector.create(entry("zoe", manager="boss"), "secret")
        assert zoe.attributes["manager"] == "boss"
        connector.update(again("zoe", zoe, manager="ann"))
        assert connector.find(again("zoe", zoe)).attributes["manager"] == "ann"  # type: ignore[union-attr]
        connector.update(again("zoe", zoe, manager=None))
        assert connector.find(again("zoe", zoe)).attributes["manager"] is None  # type: ignore[union-attr]


def test_an_account_waits_for_its_manager_and_keeps_nobody_else_waiting(subject: LdapSubject) -> None:
    ann = entry("ann", manager="boss", givenName="Ann")
    with subject.open(attributes=("manager", "givenName")) as connector:
        made = connector.create(ann, "secret")
        assert "manager is not in the directory yet" in made.waits
        assert made.attributes == {"manager": None, "givenName": "Ann"}
        renamed = connector.update(again("ann", made, manager="boss", givenName="Anna"))
        assert renamed.waits
        assert renamed.attributes == {"manager": None, "givenName": "Anna"}
        assert connector.find(again("ann", made)).attributes == renamed.attributes  # type: ignore[union-attr]
        with pytest.raises(Unavailable) as caught:  # nothing else is left to write
            connector.update(again("ann", made, manager="boss", givenName="Anna"))
        assert not caught.value.whole_directory
        assert not connector.create(entry("boss"), "secret").waits
        assert not connector.update(again("ann", made, manager="boss", givenName="Anna")).waits
        assert connector.find(again("ann", made)).attributes["manager"] == "boss"  # type: ignore[union-attr]


def test_what_an_update_left_behind_comes_with_its_answer_where_the_server_can(
    subject: LdapSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is there, which is not always as it was sent; and not always text."""
    kept = ("givenName", "description", "jpegPhoto")
    with subject.open(attributes=kept) as connector:
        ann = connector.create(entry("ann", givenName="Ann", sn="Lee"), "secret-1")
        dn = next(dn for dn in subject.unit.dns() if "ann" in dn.lower())
        subject.unit.link.modify(dn, {"jpegPhoto": [("MODIFY_ADD", [b"\xff\xd8\x00"])]})
        found = connector.find(again("ann", ann))
        asked: list[str] = []
        search = connector.session.search

        def counted(query: str, *rest: Any, **more: Any) -> Any:
            asked.append(query)
            return search(query, *rest, **more)

        monkeypatch.setattr(connector.session, "search", counted)
        wanted = again("ann", ann, givenName="Anna", description="Two  words")
        account = connector.update(wanted, found)
        assert len(asked) == (0 if subject.unit.kind == "ldap" else 1)
        held = connector.find(again("ann", ann))
    assert held is not None
    assert account.attributes == held.attributes
    assert (account.ref, account.key, account.enabled, account.place) == (ann.ref, "ann", held.enabled, held.place)
    assert account.raw.get("jpegPhoto") == held.raw.get("jpegPhoto") == [b"\xff\xd8\x00"]
