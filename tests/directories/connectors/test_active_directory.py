"""What only Active Directory does, on a real domain controller."""

import datetime as dt

import pytest

from directories.connectors.base import Conflict, ConnectorError, Entry
from directories.connectors.ldap import values
from tests.directories.connectors.contract import crawl
from tests.directories.connectors.ldap_subject import LdapSubject
from tests.directory_servers import DOMAIN, SAMBA_SUFFIX

LONG = "maximiliane.hohenlohe-langenburg"


def entry(key: str, ref: str = "", **attributes: str) -> Entry:
    return Entry(key, ref, attributes, {"username": key})


def flags(subject: LdapSubject, key: str) -> int:
    return int(subject.unit.entry(f"cn={key},{subject.unit.base}", "userAccountControl")["userAccountControl"][0])  # type: ignore[index]


def test_a_new_account_is_enabled_and_has_both_login_names(ad: LdapSubject) -> None:
    with ad.open() as connector:
        ann = connector.create(entry("ann"), "secret-1")
    held = ad.unit.entry(f"cn=ann,{ad.unit.base}", "sAMAccountName", "userPrincipalName", "objectGUID")
    assert held is not None
    assert held["sAMAccountName"] == ["ann"]
    assert held["userPrincipalName"] == [f"ann@{DOMAIN}"]
    assert values.decode("objectGUID", held["objectGUID"]) == ann.ref
    assert flags(ad, "ann") == 0x200
    assert ad.unit.can_log_in(f"ann@{DOMAIN}", "secret-1")
    assert ann.enabled is True


def test_a_long_name_is_made_to_fit_and_found_again(ad: LdapSubject) -> None:
    ad.unit.person("maximiliane.hohenloh")
    with ad.open(attributes=("sAMAccountName", "givenName")) as connector:
        assert connector.find(entry(LONG)) is None
        made = connector.create(entry(LONG, sAMAccountName=LONG), "secret")
        assert made.attributes["sAMAccountName"] == "maximiliane.hohenlo2"
        found = connector.find(entry(LONG, sAMAccountName=LONG))
        assert found is not None
        assert (found.ref, found.key) == (made.ref, LONG)
        connector.update(entry(LONG, made.ref, sAMAccountName=LONG, givenName="Max"))
        found = connector.find(entry(LONG, made.ref))
        assert found is not None
        assert found.attributes == {"sAMAccountName": "maximiliane.hohenlo2", "givenName": "Max"}


def test_mail_aliases_change_one_by_one(ad: LdapSubject) -> None:
    ad.unit.person("ann", proxyAddresses=["smtp:a.lee@example.org", "SMTP:ann@example.org", "x500:/o=x"])
    dn = f"cn=ann,{ad.unit.base}"

    def held() -> set[str]:
        return set(map(str, ad.unit.entry(dn, "proxyAddresses")["proxyAddresses"]))  # type: ignore[index]

    with ad.open(attributes=("proxyAddresses",)) as connector:
        ann = connector.find(entry("ann"))
        assert ann is not None
        assert ann.attributes["proxyAddresses"] == ("SMTP:ann@example.org", "smtp:a.lee@example.org", "x500:/o=x")
        connector.update(entry("ann", ann.ref, proxyAddresses="SMTP:ann.berg@example.org"))
        berg = {"SMTP:ann.berg@example.org", "smtp:ann@example.org", "smtp:a.lee@example.org", "x500:/o=x"}
        assert held() == berg
        connector.update(entry("ann", ann.ref, proxyAddresses="SMTP:a.lee@example.org"))
        lee = {"SMTP:a.lee@example.org", "smtp:ann.berg@example.org", "smtp:ann@example.org", "x500:/o=x"}
        assert held() == lee
        connector.update(entry("ann", ann.ref, proxyAddresses="smtp:new@example.org"))
        assert held() == {*lee, "smtp:new@example.org"}
        whole = ("SMTP:a.lee@example.org", "smtp:other@example.org")
        connector.update(Entry("ann", ann.ref, {"proxyAddresses": whole}, {"username": "ann"}))
        assert held() == set(whole)
        connector.update(Entry("ann", ann.ref, {"proxyAddresses": None}, {"username": "ann"}))
        assert held() == {"smtp:other@example.org"}


def test_a_name_that_fits_and_is_taken_is_a_conflict(ad: LdapSubject) -> None:
    elsewhere = ad.unit.ou("elsewhere")
    ad.unit.person("ann", below=elsewhere)
    with ad.open(scope="level") as connector:
        assert connector.find(entry("ann")) is None
        with pytest.raises(Conflict):
            connector.create(entry("ann"), "secret")


def test_flags_change_bit_by_bit(ad: LdapSubject) -> None:
    ad.unit.person("ann", userAccountControl=0x200 | 0x20 | 0x10000)  # its password never expires
    with ad.open() as connector:
        found = connector.find(entry("ann"))
        assert found is not None
        connector.set_password(entry("ann", found.ref), "secret-1")
        connector.disable(entry("ann", found.ref))
        assert flags(ad, "ann") == 0x10222
        connector.enable(entry("ann", found.ref))
        assert flags(ad, "ann") == 0x10220


def test_an_expired_account_is_not_active(ad: LdapSubject) -> None:
    now = dt.datetime.now(dt.UTC)
    for key, days in (("past", -1), ("future", 1)):
        ad.unit.person(key, accountExpires=values.to_filetime(now + dt.timedelta(days=days)))
    ad.unit.person("never", accountExpires=values.NEVER)
    with ad.open(attributes=("accountExpires",)) as connector:
        found = {account.key: account for account in crawl(connector, 10)[1]}
    assert {key: account.enabled for key, account in found.items()} == {"past": False, "future": True, "never": True}
    assert isinstance(found["past"].attributes["accountExpires"], dt.datetime)
    assert found["never"].attributes["accountExpires"] is None


def test_computers_and_well_known_accounts_are_left_out(ad: LdapSubject) -> None:
    ad.unit.person("ann")
    ad.unit.add("cn=pc1", ["computer"], {"sAMAccountName": "pc1$", "userAccountControl": 0x1000})
    ad.unit.add("cn=card", ["contact"])
    with ad.open(base_dn=SAMBA_SUFFIX) as connector:
        keys = {account.key for account in crawl(connector, 10)[1]}
        assert keys == {"ann"}
        assert connector.test().ok


def test_a_password_never_crosses_an_open_network(ad: LdapSubject) -> None:
    with ad.open(encryption="none") as connector:
        with pytest.raises(ConnectorError) as caught:
            connector.create(entry("ann"), "secret")
        assert caught.value.code == "protection"
        assert connector.find(entry("ann")) is None
    with ad.open(encryption="starttls") as connector:
        assert connector.create(entry("ann"), "secret").enabled


def test_many_values_are_read_by_ranges(ad: LdapSubject) -> None:
    """Active Directory gives 1,500 values of an attribute at a time."""
    ann = ad.unit.person("ann")
    numbers = [str(number) for number in range(3200)]
    ad.unit.link.modify(ann, {"otherTelephone": [("MODIFY_ADD", numbers)]})
    with ad.open(attributes=("otherTelephone",)) as connector:
        (account,) = crawl(connector, 10)[1]
    held = account.attributes["otherTelephone"]
    assert isinstance(held, tuple)
    assert sorted(held) == sorted(numbers)


@pytest.mark.parametrize(
    ("attributes", "code", "words"),
    [
        (
            {"title": "x" * 129},
            "too_long",
            "title is too long: it has 129 characters and the directory takes 128 at most.",
        ),
        ({"department": "ü" * 65, "title": "Dr"}, "too_long", "department is too long: it has 65 characters"),
        ({"c": "Germany"}, "wrong_type", "c takes a country as two letters, such as DE."),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_limit(
    ad: LdapSubject, attributes: dict[str, str], code: str, words: str
) -> None:
    ad.unit.person("bob")
    with ad.open(attributes=("title", "department", "c")) as connector:
        with pytest.raises(ConnectorError) as created:
            connector.create(entry("ann", **attributes))
        bob = connector.find(entry("bob"))
        assert bob is not None
        with pytest.raises(ConnectorError) as updated:
            connector.update(entry("bob", bob.ref, **attributes), bob)
        connector.update(entry("bob", bob.ref, title="x" * 128, c="DE"), bob)
    for caught in (created, updated):
        assert caught.value.code == code
        assert words in caught.value.message
        assert not any(value in caught.value.message for value in attributes.values())


def test_a_name_that_is_too_long_is_named_with_its_limit(ad: LdapSubject) -> None:
    with ad.open(attributes=("cn",)) as connector, pytest.raises(ConnectorError) as caught:
        connector.create(entry("ann", cn="x" * 65))
    assert "cn is too long: it has 65 characters and the directory takes 64 at most." in caught.value.message


def test_two_people_of_one_name_in_one_container(ad: LdapSubject) -> None:
    """A mapped name is the admin's: the entry that has it is told. One that the portal made gets a number."""
    ad.unit.add("cn=Wang Wei", ["user"], {"sAMAccountName": "first.wei"})
    with ad.open(attributes=("cn",)) as connector:
        with pytest.raises(Conflict) as caught:
            connector.create(entry("second.wei", cn="Wang Wei"))
        assert f"the same cn: cn=Wang Wei,{ad.unit.base}" in caught.value.message
        third = connector.create(entry("third.wei", cn="Wang, Wei"))
        with pytest.raises(Conflict) as renamed:
            connector.update(entry("third.wei", third.ref, cn="Wang Wei"))
        assert renamed.value.message.casefold() == caught.value.message.casefold()
    ad.unit.add("cn=ann", ["contact"])
    ad.unit.add("cn=ann2", ["contact"])
    with ad.open() as connector:
        made = connector.create(entry("ann"), "Secret-123#")
        assert made.place.startswith("cn=ann3,")
        assert made.key == "ann"


def test_a_sign_that_no_login_name_can_have_is_named(ad: LdapSubject) -> None:
    with ad.open() as connector, pytest.raises(ConnectorError) as caught:
        connector.create(entry("bad@name/with[chars]:;"), "Secret-123#")
    assert caught.value.code == "sign"
    assert "a “/” after its “@”" in caught.value.message
