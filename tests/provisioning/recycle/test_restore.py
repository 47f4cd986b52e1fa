"""Deleted users come back with what they had, whatever the door, and what a directory holds is read there."""

import datetime as dt
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.models import Directory, ProvisioningSettings
from provisioning import services, tasks
from provisioning.identities.users import save_user
from provisioning.models import Account, Group, User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.recycle.models import DeletedUser
from reports.models import Event
from scim.models import UserLink
from tests.provisioning.crew import Crews, save_crew_directory
from tests.provisioning.imports.conftest import Source, planned, source
from tests.scim.conftest import make_client

__all__ = ["source"]
pytestmark = pytest.mark.django_db


def run(directory: Directory) -> None:
    """Let a worker do what is due, and what comes of that."""
    for _ in range(5):
        deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))


def add(name: str, **fields: Any) -> User:
    """Add somebody as a person on a page would."""
    user = User(username=name, **{"first_name": name.title(), **fields})
    save_user(user, "admin")
    return user


def bin_of(name: str) -> DeletedUser:
    """Return somebody's newest row in the recycle bin."""
    row = DeletedUser.objects.filter(username=name).first()
    assert row is not None
    return row


def restore(name: str, as_name: str = "") -> services.Restored:
    """Restore somebody by the name that they had."""
    return services.restore_users({bin_of(name).pk: as_name}, "boss")[0]


@pytest.mark.heavy
def test_everything_comes_back_and_the_directory_holds_it(crews: Crews) -> None:
    directory = save_crew_directory()
    boss = add("boss")
    anna = add(
        "anna",
        email="anna@x.org",
        department="IT",
        employee_number="7",
        manager=boss,
        custom_attributes={"shoe": 39},
        custom_profile={"badge": "B"},
    )
    report = add("bob", manager=anna)
    group, gone = Group.objects.create(name="Sales"), Group.objects.create(name="Brief")
    services.add_members(group, [anna.pk], "admin")
    services.add_members(gone, [anna.pk], "admin")
    run(directory)
    assert crews["CREW"].rows["anna"]["EMAIL_ADDRESS"] == "anna@x.org"
    before = {name: getattr(anna, name) for name in ("pk", "scim_id", "email", "department", "employee_number")}
    services.delete_users([anna.pk], "admin")
    gone.delete()
    run(directory)
    assert "anna" not in crews["CREW"].rows
    assert User.objects.get(pk=report.pk).manager_id is None

    restored = restore("anna")
    assert (restored.problem, restored.missing) == ("", ["the group Brief was deleted"])
    run(directory)
    user = User.objects.get(username="anna")
    assert {name: getattr(user, name) for name in before} == before
    assert (user.manager_id, user.custom_attributes, user.custom_profile) == (boss.pk, {"shoe": 39}, {"badge": "B"})
    assert not user.has_usable_password()
    assert list(user.roll_groups.values_list("name", flat=True)) == ["Sales"]
    assert User.objects.get(pk=report.pk).manager_id == anna.pk
    assert crews["CREW"].rows["anna"]["EMAIL_ADDRESS"] == "anna@x.org"
    assert Event.objects.filter(user_id=anna.pk, message__startswith="Anna (anna) was restored").exists()
    row = DeletedUser.objects.get()
    assert (row.restored_by, row.restored_at is not None) == ("boss", True)


@pytest.mark.heavy
def test_a_restore_while_the_deletion_is_still_on_its_way(crews: Crews) -> None:
    directory = save_crew_directory()
    anna = add("anna", email="anna@x.org")
    run(directory)
    account = Account.objects.get()
    services.delete_users([anna.pk], "admin")
    assert restore("anna").user_id == anna.pk
    run(directory)
    assert crews["CREW"].rows["anna"]["EMAIL_ADDRESS"] == "anna@x.org"
    assert not crews["CREW"].done("delete")
    assert Account.objects.get().pk == account.pk


@pytest.mark.heavy
def test_a_restore_at_the_moment_of_the_deletion(crews: Crews) -> None:
    directory = save_crew_directory()
    anna = add("anna", email="anna@x.org")
    run(directory)
    services.delete_users([anna.pk], "admin")

    def meanwhile(call: str, key: str) -> None:
        if call == "delete":
            crews["CREW"].fail = lambda *_: None
            assert restore("anna").problem == ""

    crews["CREW"].fail = meanwhile
    run(directory)
    assert crews["CREW"].done("delete")
    run(directory)
    assert crews["CREW"].rows["anna"]["EMAIL_ADDRESS"] == "anna@x.org"
    account = Account.objects.get()
    assert (account.user_id, account.state) == (anna.pk, "active")


@pytest.mark.heavy
def test_a_taken_name_is_said_and_another_one_can_be_typed(crews: Crews) -> None:
    directory = save_crew_directory()
    anna = add("anna", employee_number="1")
    run(directory)
    services.delete_users([anna.pk], "admin")
    run(directory)
    other = add("Anna", employee_number="2")
    run(directory)
    assert restore("anna").problem.startswith("Somebody else is called anna by now.")
    assert restore("anna", "a\u200bnna").problem.startswith("The user name holds an invisible character")
    assert restore("anna", "anna2").user_id == anna.pk
    run(directory)
    assert set(crews["CREW"].rows) == {"Anna", "anna2"}
    assert {one.user_id: one.key for one in Account.objects.all()} == {other.pk: "Anna", anna.pk: "anna2"}


@pytest.mark.heavy
def test_whom_the_same_employee_number_gave_the_account_keeps_it(crews: Crews) -> None:
    directory = save_crew_directory(on_delete="disable")
    anna = add("anna", employee_number="1")
    run(directory)
    services.delete_users([anna.pk], "admin")
    again = add("anna", employee_number="1")
    run(directory)
    restored = restore("anna", "anna2")
    assert restored.missing == ["the account in CREW is anna's by now"]
    run(directory)
    assert {one.user_id for one in Account.objects.all()} == {again.pk, anna.pk}
    assert set(crews["CREW"].rows) == {"anna", "anna2"}


def test_nobody_is_restored_twice() -> None:
    anna = add("anna")
    services.delete_users([anna.pk], "admin")
    assert restore("anna").problem == ""
    assert restore("anna").problem == "This person was restored already, by boss."
    assert User.objects.count() == 1
    services.delete_users([anna.pk], "admin")
    assert DeletedUser.objects.count() == 2
    assert restore("anna").problem == ""


def test_staff_come_back_without_their_rights() -> None:
    User.objects.create_superuser("other", "secret-Pass-2")  # the last administrator could not be deleted
    staff = User.objects.create_superuser("root", "secret-Pass-1")
    services.delete_users([staff.pk], "admin")
    assert "do not come back" in restore("root").words
    user = User.objects.get(username="root")
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (False, False, False)
    assert "secret" not in str(DeletedUser.objects.get().image)
    assert staff.password not in str(DeletedUser.objects.get().image)


def test_scim_identifiers_come_back() -> None:
    okta = make_client()
    made = okta.add("anna", externalId="ext-1")
    anna = User.objects.get()
    services.delete_users([anna.pk], "admin")
    assert not UserLink.objects.exists()
    assert restore("anna").missing == []
    again = okta.get(f"/Users/{made['id']}")
    assert (again.status, again.json["externalId"], again.json["userName"]) == (200, "ext-1", "anna")
    services.delete_users([anna.pk], "admin")
    okta.add("eve", externalId="ext-1")
    assert restore("anna").missing == ["the identifier ext-1 of Okta is somebody else's by now"]


@pytest.mark.parametrize("door", ["page", "bulk", "model", "scim"])
def test_every_door_leads_into_the_bin(door: str, admin_client: Client) -> None:
    if door == "scim":
        client = make_client()
        client.add("anna")
        link = UserLink.objects.get()
        link.client.delete_deactivated = True
        link.client.save()
        User.objects.filter(pk=link.user_id).update(is_active=False)
        UserLink.objects.update(leaves_at=timezone.now())
        from scim.users.leavers import delete_due

        assert delete_due() == 1
    else:
        anna = add("anna")
        if door == "page":
            admin_client.post(f"/provisioning/user/{anna.pk}/delete/", {"post": "yes"})
        elif door == "bulk":
            services.delete_users([anna.pk], "admin")
        else:
            anna.delete()
    assert not User.objects.filter(username="anna").exists()
    assert restore("anna").problem == ""


@pytest.mark.heavy
def test_an_import_knows_whom_a_restore_brought_back(source: Source) -> None:
    source.put("anna", "Anna", "A", "anna@x.org")
    source.run()
    services.delete_users([User.objects.get().pk], "admin")
    assert source.run().left_alone == 1
    restore("anna")
    source.put("anna", "Anna", "B", "anna@x.org")
    found = source.run()
    assert (found.created, found.updated, found.left_alone, found.errors) == (0, 1, 0, 0)
    assert User.objects.get().last_name == "B"
    assert Account.objects.get().person is None
    source.put("bob", "Bob", "B", "bob@x.org")
    source.run()
    source.remove("anna")
    assert len(planned(source.run(), "deactivate")) == 1


@pytest.mark.heavy
def test_a_source_that_remembered_the_deletion_forgets_it(source: Source) -> None:
    other = Directory.objects.create(name="Other", kind="memory")
    ProvisioningSettings.objects.create(directory=other, import_users=True)
    user = add("anna", email="anna@x.org")
    Account.objects.create(user=user, directory=other, key="anna", remote_id="1", state="active", seen_digest="seen")
    services.delete_users([user.pk], "admin")
    source.put("anna", "Anna", "A", "anna@x.org")
    assert source.run().left_alone == 1
    assert Account.objects.filter(directory=source.directory, user=None).count() == 1
    restore("anna")
    assert Account.objects.filter(user=user.pk).count() == 2
    assert source.run().errors == 0


@pytest.mark.heavy
def test_a_source_that_remembered_many_deletions_forgets_them_all(source: Source) -> None:
    other = Directory.objects.create(name="Other", kind="memory")
    ProvisioningSettings.objects.create(directory=other, import_users=True)
    for name in ("anna", "bob"):
        account = Account(user=add(name), directory=other, key=name, remote_id=name, state="active", seen_digest="seen")
        account.save()
        source.put(name, name.title(), "A")
    services.delete_users(list(User.objects.values_list("pk", flat=True)), "admin")
    assert source.run().left_alone == 2
    services.restore_users(dict.fromkeys(DeletedUser.objects.values_list("pk", flat=True), ""), "boss")
    assert Account.objects.filter(directory=source.directory, user__isnull=False).count() == 2
    assert source.run().left_alone == 0


@pytest.mark.heavy
def test_an_account_that_went_to_somebody_who_was_deleted_too_is_theirs(crews: Crews) -> None:
    directory = save_crew_directory(on_delete="disable")
    anna = add("anna", employee_number="1")
    run(directory)
    services.delete_users([anna.pk], "admin")
    eve = add("eve", employee_number="2")
    Account.objects.filter(user=eve).delete()
    Account.objects.update(user=eve, key="eve", key_folded="eve", person=None, deleted_at=None)
    services.delete_users([eve.pk], "admin")
    restored = restore("anna")
    assert restored.missing == ["the account in CREW was eve's since"]
    assert Account.objects.get(key="eve").user_id is None
    assert restore("eve").missing == []
    assert Account.objects.get(key="eve").user_id == eve.pk


def test_what_is_old_is_forgotten() -> None:
    services.delete_users([add("anna").pk, add("bob").pk], "admin")
    old = timezone.now() - dt.timedelta(days=settings.RECYCLE_DAYS, seconds=1)
    DeletedUser.objects.filter(username="anna").update(deleted_at=old)
    row = bin_of("anna").pk
    tasks.purge_recycle_bin()
    assert list(DeletedUser.objects.values_list("username", flat=True)) == ["bob"]
    assert services.restore_users({row: ""}, "boss")[0].problem == "This person is not in the recycle bin any more."


@pytest.mark.heavy
def test_many_are_deleted_and_restored_in_as_many_queries_as_few() -> None:
    def queries(count: int, prefix: str) -> tuple[int, int]:
        ids = [add(f"{prefix}{n}").pk for n in range(count)]
        with CaptureQueriesContext(connection) as deleting:
            services.delete_users(ids, "admin")
        rows = DeletedUser.objects.filter(username__startswith=prefix)
        wanted = dict.fromkeys(rows.values_list("pk", flat=True), "")
        with CaptureQueriesContext(connection) as restoring:
            assert all(not one.problem for one in services.restore_users(wanted, "boss"))
        return len(deleting), len(restoring)

    assert queries(3, "few") == queries(40, "many")


@pytest.mark.heavy
def test_the_page(admin_client: Client) -> None:
    anna, bob = add("anna", department="IT"), add("bob")
    services.delete_users([anna.pk, bob.pk], "admin")
    add("Bob")
    page = admin_client.get("/recycle/deleteduser/").content.decode()
    assert "anna" in page
    rows = [bin_of("anna").pk, bin_of("bob").pk]
    form = {"action": "restore", "_selected_action": rows}
    asked = admin_client.post("/recycle/deleteduser/", form).content.decode()
    assert "Portal passwords, and the rights and roles of staff, do not come back." in asked
    answer = admin_client.post("/recycle/deleteduser/", {**form, "post": "yes"}).content.decode()
    assert "Somebody else is called bob by now" in answer
    assert User.objects.filter(pk=anna.pk).exists()
    form = {"action": "restore", "_selected_action": rows[1:], "post": "yes", f"name_{rows[1]}": "bob2"}
    admin_client.post("/recycle/deleteduser/", form)
    assert User.objects.get(pk=bob.pk).username == "bob2"
    assert "anna" not in admin_client.get("/recycle/deleteduser/").content.decode()
    assert admin_client.get(f"/recycle/deleteduser/{rows[0]}/change/").status_code == 404


@pytest.mark.heavy
def test_a_deleted_users_page_leads_back(admin_client: Client) -> None:
    add("anna").delete()
    row = bin_of("anna")
    page = admin_client.get(f"/recycle/deleteduser/{row.pk}/change/").content.decode()
    assert "Deleted users" not in page
    assert f"/recycle/deleteduser/{row.pk}/restore/" in page
    assert "Restore this user?" in admin_client.get(f"/recycle/deleteduser/{row.pk}/restore/").content.decode()
    admin_client.post(f"/recycle/deleteduser/{row.pk}/restore/", {"post": "yes", f"name_{row.pk}": "anna"})
    assert User.objects.filter(username="anna").exists()
    assert admin_client.get(f"/recycle/deleteduser/{row.pk}/restore/").status_code == 404


def test_who_may_not_restore_is_not_offered_it(client: Client) -> None:
    add("anna").delete()
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename="view_deleteduser"))
    client.force_login(looker)
    row = bin_of("anna")
    assert "/restore/" not in client.get(f"/recycle/deleteduser/{row.pk}/change/").content.decode()
    assert client.post(f"/recycle/deleteduser/{row.pk}/restore/", {"post": "yes"}).status_code == 403
