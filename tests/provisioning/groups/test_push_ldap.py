"""Groups going out to OpenLDAP and to a domain controller, as their administrators would see them."""

import pytest

from directories.connectors.ldap.groups.writing import LdapGroupWriter
from directories.models import Directory
from provisioning import services
from provisioning.identities import membership
from provisioning.models import GroupAccount, GroupChange
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory
from tests.provisioning.groups.push import lines, make_group, make_users, run

pytestmark = pytest.mark.django_db
EMPTY = "cn=empty-membership-placeholder"


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def directory(unit: LdapDirectory) -> Directory:
    switches = ("create_users", "update_users", "deactivate_users", "delete_users", "sync_groups", "delete_groups")
    return save_ldap_directory(unit, **dict.fromkeys(switches, True), push_groups="all")


def inside(unit: LdapDirectory, name: str) -> list[str]:
    found = unit.entry(f"cn={name},{unit.base}", "member")
    assert found is not None
    return sorted(dn.split(",")[0].partition("=")[2] for dn in found.get("member", []) if dn != EMPTY)


def test_a_group_lives_in_the_directory_as_it_does_in_the_portal(unit: LdapDirectory, directory: Directory) -> None:
    anna, ben, cleo = make_users("anna", "ben", "cleo")
    group, staff = make_group("Developers", description="They write it"), make_group("Staff, all of it")
    membership.add(group, [anna.pk, ben.pk], "tester")
    membership.add(staff, [cleo.pk], "tester")
    membership.add_child(staff, group, "tester")
    run(directory)
    assert inside(unit, "Developers") == ["anna", "ben"]
    assert inside(unit, r"Staff\, all of it") == ["anna", "ben", "cleo"]
    entry = unit.entry(f"cn=Developers,{unit.base}")
    assert entry is not None
    assert entry["description"] == ["They write it"]
    if unit.kind == "active_directory":
        assert entry["sAMAccountName"] in ("Developers", ["Developers"])
    account = GroupAccount.objects.get(group=group)
    assert account.remote_id
    assert account.place

    group.name = "Engineers"
    services.save_group(group, "tester")
    membership.remove(group, [anna.pk, ben.pk], "tester")
    run(directory)
    assert inside(unit, "Engineers") == []
    assert inside(unit, r"Staff\, all of it") == ["cleo"]
    assert GroupAccount.objects.get(group=group).remote_id == account.remote_id

    services.delete_users([cleo.pk], "tester")
    run(directory)
    assert inside(unit, r"Staff\, all of it") == []  # no entry goes on naming somebody who is gone

    services.delete_groups([group.pk, staff.pk], "tester")
    run(directory)
    assert not [dn for dn in unit.dns() if dn.lower().startswith(("cn=engineers", "cn=staff"))]
    assert not GroupChange.objects.exists()
    assert not GroupAccount.objects.exists()
    assert "Renamed the group Developers to Engineers in Staff." in lines()


def test_what_others_put_into_a_group_stays(unit: LdapDirectory, directory: Directory) -> None:
    visitor = unit.person("visitor")
    kind = ["groupOfNames"] if unit.kind == "ldap" else ["group"]
    unit.add("cn=Developers", kind, {"member": visitor})
    anna, *_ = make_users("anna")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(directory)
    assert inside(unit, "Developers") == ["anna", "visitor"]
    membership.remove(group, [anna.pk], "tester")
    run(directory)
    assert inside(unit, "Developers") == ["visitor"]
    assert "Linked the group Developers: Staff had this group already." in lines()


@pytest.mark.parametrize(
    ("classes", "attribute"), [("groupOfUniqueNames", "uniqueMember"), ("posixGroup", "memberUid")]
)
def test_unique_names_and_posix_groups(ldap_directory: LdapDirectory, classes: str, attribute: str) -> None:
    ldap_directory.settings["group_classes"] = classes
    directory = save_ldap_directory(ldap_directory, create_users=True, sync_groups=True, push_groups="all")
    anna, *_ = make_users("anna")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(directory)
    entry = ldap_directory.entry(f"cn=Developers,{ldap_directory.base}")
    assert entry is not None
    assert entry[attribute] == (["anna"] if classes == "posixGroup" else [f"uid=anna,{ldap_directory.base}"])
    if classes == "posixGroup":
        assert int(entry["gidNumber"][0]) >= 10_000
    membership.remove(group, [anna.pk], "tester")
    run(directory)
    entry = ldap_directory.entry(f"cn=Developers,{ldap_directory.base}")
    assert entry is not None
    assert entry.get(attribute, []) == ([] if classes == "posixGroup" else [EMPTY])


def test_two_groups_never_keep_one_number(ldap_directory: LdapDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers ask for the next number before either has written its group."""
    ldap_directory.settings["group_classes"] = "posixGroup"
    directory = save_ldap_directory(ldap_directory, create_users=True, sync_groups=True, push_groups="all")
    real, given = LdapGroupWriter._next_number, [10_000, 10_000]
    monkeypatch.setattr(LdapGroupWriter, "_next_number", lambda self: given.pop() if given else real(self))
    make_group("Developers")
    make_group("Testers")
    run(directory)
    numbers = set()
    for name in ("Developers", "Testers"):
        entry = ldap_directory.entry(f"cn={name},{ldap_directory.base}", "gidNumber")
        assert entry is not None
        numbers.add(str(entry["gidNumber"]))
    assert len(numbers) == 2
