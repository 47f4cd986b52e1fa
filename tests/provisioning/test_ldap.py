"""The portal over real LDAP directories, OpenLDAP and a domain controller: imports, deliveries, both in turn."""

from typing import Any

import pytest

from directories.connectors.ldap import names
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.imports import engine
from provisioning.models import Account, Change, ImportRun, User
from provisioning.models.imports import RunStatus, Trigger
from provisioning.outbound.accounts import delivery, outbox
from reports.models import Event
from tests.directory_servers import OpenLDAP
from tests.fixtures.ldap import LdapDirectory, openldap_unit, save_ldap_directory

pytestmark = pytest.mark.django_db
EVERYTHING = dict.fromkeys(
    ("import_users", "create_users", "update_users", "deactivate_users", "delete_users", "deactivate_missing"), True
)


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    return found


def imported(directory: Directory) -> ImportRun:
    run = services.start_import(directory, preview=False, actor="tester", trigger=Trigger.COMMAND)
    engine.execute(run.pk)
    run.refresh_from_db()
    return run


def delivered(directory: Directory) -> None:
    delivery.deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))


def one(unit: LdapDirectory, uid: str) -> dict[str, Any]:
    name = "uid" if unit.kind == "ldap" else "cn"
    found = unit.entry(f"{name}={uid},{unit.base}")
    assert found is not None
    return {key: [_text(value) for value in values] for key, values in found.items()}


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def test_the_same_person_gets_the_account_that_was_kept(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, create_users=True, update_users=True, delete_users=True, on_delete="disable")
    first = User.objects.create(username="ann.lee", first_name="Ann", last_name="Lee")
    delivered(directory)
    services.delete_users([first.pk], "admin")
    delivered(directory)
    again = User.objects.create(username="ann.lee", first_name="Änne", last_name="Lee")
    delivered(directory)
    old = services.lost_to(again).get()
    assert Account.objects.get(user=again).changes.get().parked_code == "other_account"
    assert services.give_back(again, old.pk, "admin")
    delivered(directory)
    assert one(unit, "ann.lee")["givenName"] == ["Änne"]
    assert (Account.objects.get().pk, Account.objects.get().user, Change.objects.count()) == (old.pk, again, 0)


def test_an_import_brings_people_and_their_state(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **EVERYTHING)
    unit.person("ann", "Ann", "Lee")
    disabled = {"userAccountControl": 0x222} if unit.kind != "ldap" else {}
    bob = unit.person("bob", "Bob", "O'Neil", **disabled)
    if unit.kind == "ldap":
        unit.link.modify(bob, {"pwdAccountLockedTime": [("MODIFY_ADD", [b"000001010000Z"])]})
    run = imported(directory)
    assert run.status == RunStatus.FINISHED, run.message
    people = User.objects.values_list("username", "first_name", "last_name", "email", "is_active").order_by("username")
    assert list(people) == [
        ("ann", "Ann", "Lee", "ann@example.org", True),
        ("bob", "Bob", "O'Neil", "bob@example.org", False),
    ]
    again = imported(directory)
    assert (again.unchanged, again.status) == (2, RunStatus.FINISHED)
    assert not Change.objects.exists()  # nothing echoes back


def test_a_renamed_entry_is_the_same_user_and_a_missing_one_is_a_leaver(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **EVERYTHING, max_leavers_percent=100, max_activated_percent=100)
    dn, gone = unit.person("ann"), unit.person("bob")
    imported(directory)
    before = Account.objects.get(key="ann").remote_id
    elsewhere = unit.ou("elsewhere")
    unit.link.modify_dn(dn, dn.partition(",")[0], new_superior=elsewhere)
    unit.link.delete(gone)
    run = imported(directory)
    assert run.status == RunStatus.FINISHED, run.message
    assert Account.objects.get(key="ann").remote_id == before
    assert dict(User.objects.values_list("username", "is_active")) == {"ann": True, "bob": False}


def test_a_life_from_the_portal(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **EVERYTHING, initial_password="fixed", fixed_password="initial-1")
    user = User.objects.create(username="ann.lee", first_name="Ann", last_name="Lee", email="ann@example.org")
    delivered(directory)
    held = one(unit, "ann.lee")
    assert (held["givenName"], held["sn"], held["mail"]) == (["Ann"], ["Lee"], ["ann@example.org"])
    name = "uid" if unit.kind == "ldap" else "cn"
    assert unit.can_log_in(f"{name}=ann.lee,{unit.base}", "initial-1")
    account = Account.objects.get(user=user)
    assert account.remote_id not in ("", "ann.lee")

    user.last_name = 'Lee, "Lou" (née #1) \\ *'
    user.save()
    delivered(directory)
    assert one(unit, "ann.lee")["sn"] == [user.last_name]

    user.is_active = False
    user.save()
    delivered(directory)
    assert not unit.can_log_in(f"{name}=ann.lee,{unit.base}", "initial-1")
    user.is_active = True
    user.save()
    delivered(directory)
    assert unit.can_log_in(f"{name}=ann.lee,{unit.base}", "initial-1")

    run = imported(directory)
    assert (run.status, run.unchanged + run.updated, User.objects.count()) == (RunStatus.FINISHED, 1, 1)
    user.delete()
    delivered(directory)
    assert unit.dns() == []
    done = Event.objects.filter(direction="out").order_by("pk").values_list("operation", "result")
    assert list(done) == [(step, "success") for step in ("create", "update", "disable", "enable", "delete")]


def test_somebody_who_is_there_already_is_linked_and_not_made_twice(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **EVERYTHING)
    unit.person("ann.lee", "Old", "Name")
    User.objects.create(username="Ann.Lee", first_name="Ann", last_name="Lee", email="ann.lee@example.org")
    delivered(directory)
    assert one(unit, "ann.lee")["givenName"] == ["Ann"]
    assert len(unit.dns()) == 1


def test_a_password_that_the_policy_refuses_parks_with_its_words(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **EVERYTHING, initial_password="fixed", fixed_password="abc")
    user = User.objects.create(username="ann", last_name="Lee")
    delivered(directory)
    change = Change.objects.get(account__user=user)
    assert change.parked is not None
    message = Account.objects.get(user=user).last_message
    assert "policy refuses the password" in message
    assert "abc" not in message
    assert unit.dns() == []


def test_an_expression_reads_an_attribute_that_is_not_mapped(ldap_directory: LdapDirectory) -> None:
    directory = save_ldap_directory(ldap_directory, mapping={}, import_users=True)
    AttributeMapping.objects.create(
        directory=directory,
        directory_attribute="mail",
        kind="profile",
        portal_attribute="display_name",
        direction="in",
        expression="{{ row.sn | upper }} {{ value | first }}",
    )
    base = ldap_directory.base
    ldap_directory.link.add(
        f"uid=ann,{base}", ["inetOrgPerson"], {"cn": "a", "sn": "Lee", "mail": ["a@x.org", "b@x.org"]}
    )
    imported(directory)
    assert User.objects.get().display_name == "LEE a@x.org"


def test_a_server_that_stops_is_waited_for(own_openldap: OpenLDAP) -> None:
    """Nobody is a leaver because a server went away, and what could not be delivered is delivered later."""
    pid = int((own_openldap.folder / "slapd.pid").read_text())
    unit = openldap_unit(own_openldap.server(pid))
    directory = save_ldap_directory(unit, **EVERYTHING, max_leavers_percent=100, max_activated_percent=100)
    unit.person("ann")
    assert imported(directory).status == RunStatus.FINISHED
    own_openldap.stop()
    run = imported(directory)
    assert run.status == RunStatus.FAILED
    assert User.objects.get().is_active
    User.objects.create(username="bob", last_name="Berg")
    delivered(directory)
    directory.refresh_from_db()
    assert directory.unreachable_since is not None
    own_openldap.start()
    Directory.objects.update(retry_at=directory.created_at)
    Account.objects.update(not_before=directory.created_at)
    delivered(directory)
    assert Account.objects.get(key="bob").state == "active"
    ProvisioningSettings.objects.update(deactivate_missing=True)
    assert imported(directory).status == RunStatus.FINISHED


def test_managers_are_filled_in_once_they_are_there(unit: LdapDirectory) -> None:
    """Even two people who manage each other."""
    directory = save_ldap_directory(unit, mapping={"sn": "last_name", "manager": "manager"}, **EVERYTHING)
    ann = User.objects.create(username="ann", last_name="Lee")
    bob = User.objects.create(username="bob", last_name="Berg", manager=ann)
    ann.manager = bob
    ann.save()
    for _ in range(3):
        Account.objects.update(not_before=directory.created_at)
        delivered(directory)
    assert not Change.objects.exists()
    name = "uid" if unit.kind == "ldap" else "cn"
    for mine, theirs in (("ann", "bob"), ("bob", "ann")):
        assert [dn.lower() for dn in one(unit, mine)["manager"]] == [f"{name}={theirs},{unit.base}".lower()]
    told = Event.objects.filter(direction="out").order_by("pk").values_list("identifier", "operation", "result")
    assert list(told) == [
        ("ann", "create", "success"),
        ("ann", "update", "waiting"),
        ("bob", "create", "success"),
        ("ann", "update", "success"),
    ]
    assert Account.objects.get(key="ann").last_result == "ok"
    imported(directory)
    assert dict(User.objects.values_list("username", "manager__username")) == {"ann": "bob", "bob": "ann"}
    assert not Change.objects.exists()


def test_a_change_of_the_container_alone_moves_the_account(unit: LdapDirectory) -> None:
    """The container's template names an attribute that is not mapped."""
    directory = save_ldap_directory(unit, **EVERYTHING)
    directory.settings |= {
        "container": f"ou={{{{ department }}}},{unit.base}",
        "create_containers": True,
        "move_entries": True,
    }
    directory.save()
    user = User.objects.create(username="ann", last_name="Lee", department="R&D, Süd")
    delivered(directory)
    before = Account.objects.get(user=user)
    user.department = "Sales + #1"
    user.save()
    delivered(directory)
    name = "uid" if unit.kind == "ldap" else "cn"
    (dn,) = [dn for dn in unit.dns() if dn.lower().startswith(f"{name}=ann")]
    assert names.rdn(names.parent(dn))[1] == "Sales + #1"
    after = Account.objects.get(user=user)
    assert (after.remote_id, after.last_result) == (before.remote_id, "ok")
    assert after.place != before.place
    told = Event.objects.filter(direction="out").order_by("pk").values_list("operation", "message")
    assert [operation for operation, _ in told] == ["create", "update"]
    assert "container" in told[1][1]
    services.provision_many([user.pk], "again")
    delivered(directory)
    assert Event.objects.filter(direction="out").count() == 2
    run = imported(directory)
    assert run.status == RunStatus.FINISHED, run.message
    assert not Change.objects.exists()


def test_an_account_outside_the_base_is_parked_in_words_of_ldap(unit: LdapDirectory) -> None:
    """New accounts go beside the base, where no later search would find them."""
    directory = save_ldap_directory(unit, **EVERYTHING)
    unit.ou("inside")
    directory.settings |= {"base_dn": f"ou=inside,{unit.base}", "container": unit.base}
    directory.save()
    User.objects.create(username="ann", last_name="Lee")
    delivered(directory)
    change = Change.objects.get()
    assert change.parked_code == "unseen"
    assert "below the base DN and pass the filter for users" in change.parked_message
    assert "query" not in change.parked_message


def test_a_directory_that_cannot_disable_says_what_is_missing(ldap_directory: LdapDirectory) -> None:
    directory = save_ldap_directory(ldap_directory, **EVERYTHING)
    directory.settings |= {"preset": "other"}
    directory.save()
    user = User.objects.create(username="ann", last_name="Lee")
    delivered(directory)
    user.is_active = False
    user.save()
    delivered(directory)
    message = Account.objects.get(user=user).last_message
    assert "The directory has no attribute for disabled accounts. Choose one" in message
    assert "query" not in message.lower()


def test_mail_aliases_from_an_expression(ad_directory: LdapDirectory) -> None:
    """An expression that gives a list is all of an attribute's values; an unchanged list is no change."""
    directory = save_ldap_directory(ad_directory, mapping={"sn": "last_name"}, **EVERYTHING)
    AttributeMapping.objects.create(
        directory=directory,
        directory_attribute="proxyAddresses",
        kind="profile",
        portal_attribute="email",
        direction="out",
        expression='{{ ["SMTP:" ~ user.email, "smtp:" ~ user.username ~ "@old.example.org"] }}',
    )
    user = User.objects.create(username="ann", last_name="Lee", email="ann@example.org")
    delivered(directory)
    assert sorted(one(ad_directory, "ann")["proxyAddresses"]) == ["SMTP:ann@example.org", "smtp:ann@old.example.org"]
    user.last_name = "Berg"
    user.save()
    delivered(directory)
    told = Event.objects.filter(operation="update", direction="out").get()
    assert list(told.changes) == ["sn"]
    user.email = ""
    user.save()
    delivered(directory)
    assert Account.objects.get().last_result == "ok", Account.objects.get().last_message
