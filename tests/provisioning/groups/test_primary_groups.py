"""A group of Active Directory that becomes somebody's primary group: nobody leaves it by that, in neither direction."""

import pytest

from directories.models import Directory
from provisioning.identities import membership
from provisioning.models import Group, GroupChange, Membership, PushedMember
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory
from tests.provisioning.groups.push import lines, make_group, make_users, run
from tests.provisioning.groups.test_drift import imported

pytestmark = pytest.mark.django_db


def members(name: str) -> list[str]:
    rows = Membership.objects.filter(group__name=name).order_by("user__username_key")
    return list(rows.values_list("user__username", flat=True))


@pytest.mark.parametrize("how", ["group", "user"])
def test_an_import_keeps_whose_primary_group_it_is(ad_directory: LdapDirectory, how: str) -> None:
    ann, bob = ad_directory.person("ann"), ad_directory.person("bob")
    sales = ad_directory.add("cn=Sales", ["group"], {"member": [ann, bob]})
    ad_directory.settings["membership"] = how
    directory = save_ldap_directory(
        ad_directory, import_users=True, sync_groups=True, import_groups=True, max_lost_members_percent=100
    )
    imported(directory)
    assert members("Sales") == ["ann", "bob"]
    ad_directory.set_primary_group(ann, sales)
    try:
        found = ad_directory.entry(sales, "member")
        assert found is not None
        assert [dn.lower() for dn in found["member"]] == [bob.lower()]  # the domain took her out of the list by itself
        run_ = imported(directory)
        assert (run_.memberships_removed, run_.unmatched_members, members("Sales")) == (0, 0, ["ann", "bob"])
    finally:
        ad_directory.set_primary_group(ann)
    run_ = imported(directory)
    assert (run_.memberships_removed, members("Sales")) == (0, ["ann", "bob"])  # back in the list
    assert ad_directory.link.modify(sales, {"member": [("MODIFY_DELETE", [ann])]})
    assert imported(directory).memberships_removed == 1
    assert members("Sales") == ["bob"]


def test_a_pushed_group_is_not_mended_because_of_it(ad_directory: LdapDirectory) -> None:
    switches = ("create_users", "import_users", "sync_groups", "import_groups")
    directory: Directory = save_ldap_directory(ad_directory, **dict.fromkeys(switches, True), push_groups="all")
    anna, ben, *_ = make_users("anna", "ben")
    membership.add(make_group("Developers"), [anna.pk, ben.pk], "tester")
    run(directory)
    imported(directory)
    run(directory)
    person, group = f"cn=anna,{ad_directory.base}", f"cn=Developers,{ad_directory.base}"
    ad_directory.set_primary_group(person, group)
    try:
        told = len(lines())
        assert imported(directory).planned == 0
        run(directory)
        assert lines()[told:] == []
        assert set(PushedMember.objects.values_list("account__key", flat=True)) == {"anna", "ben"}
        membership.remove(Group.objects.get(name="Developers"), [anna.pk], "tester")
        run(directory)
        assert "another primary group" in GroupChange.objects.get().parked_message
        imported(directory)
        assert members("Developers") == ["ben"]
    finally:
        ad_directory.set_primary_group(person)
