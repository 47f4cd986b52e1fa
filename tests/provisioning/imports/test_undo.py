"""What bulk actions and imports did is taken back by an inverse plan; what changed since is listed and left alone."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Sum
from django.test import Client

from directories.connectors.base import RemoteAccount
from directories.models import Directory
from provisioning import services
from provisioning.guard.models import Loss
from provisioning.identities.users import save_user
from provisioning.imports import engine
from provisioning.imports.doors.apply import PortalApplier
from provisioning.models import Group, ImportRun, Membership, PlannedChange, User
from provisioning.models.imports import Door, RunStatus
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.recycle.models import DeletedUser
from reports.models import Event
from tests.provisioning.crew import Crews, save_crew_directory
from tests.provisioning.imports.conftest import Source, user
from tests.provisioning.imports.test_pages import BOTH, client_with
from tests.provisioning.imports.test_runs import PowerCut, expire

pytestmark = pytest.mark.django_db


def deliver_all(directory: Directory) -> None:
    """Let a worker do what is due, and what comes of that."""
    for _ in range(5):
        deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))


def add(name: str, **fields: Any) -> User:
    """Add somebody as a person on a page would."""
    made = User(username=name, **{"first_name": name.title(), **fields})
    save_user(made, "admin")
    return made


def undone(run: ImportRun, *, delete_created: bool = False) -> ImportRun:
    """Plan the undo of a run, approve it, apply it, and return it."""
    made = services.undo(run, "boss", delete_created=delete_created)
    return approved(made)


def approved(run: ImportRun) -> ImportRun:
    """Approve a run that waits, and apply it."""
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    return run


def words(run: ImportRun) -> dict[str, str]:
    """Return the messages of a run's rows by user name."""
    return dict(PlannedChange.objects.filter(run=run).exclude(message="").values_list("key", "message"))


# --- Bulk actions ----------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_bulk_action_is_a_plan_that_reaches_the_directory_and_can_be_undone(crews: Crews) -> None:
    directory = save_crew_directory()
    ids = [add(name).pk for name in ("ann", "bob")]
    deliver_all(directory)
    result = services.switch_by_plan(ids, False, "admin")
    assert (result.run.door, result.run.status, result.run.deactivated) == (Door.ACTION, RunStatus.FINISHED, 2)
    assert result.words == "Bulk action: Deactivate 2 users: 2 deactivated"
    deliver_all(directory)
    assert crews["CREW"].disabled == {"ann", "bob"}
    assert Event.objects.filter(message="Ann (ann) was deactivated in the portal.", actor="admin").count() == 1
    User.objects.filter(username="bob").update(is_active=True)  # somebody was quicker
    run = undone(result.run)
    assert (run.status, run.updated, run.errors) == (RunStatus.FINISHED, 1, 0)
    deliver_all(directory)
    assert "ann" not in crews["CREW"].disabled
    assert user("ann").is_active


@pytest.mark.heavy
def test_a_bulk_activation_says_so_and_one_error_is_one_error(admin_client: Client) -> None:
    ann, bob = add("ann", is_active=False), add("bob", is_active=False)
    result = services.switch_by_plan([ann.pk, bob.pk], True, "admin")
    assert result.words == "Bulk action: Activate 2 users: 2 activated"
    run = services.undo(result.run, "boss")
    assert (run.deactivated, run.updated) == (2, 0)
    assert "Deactivated" in admin_client.get(f"/provisioning/importrun/{run.pk}/change/").content.decode()
    ann.delete()
    assert approved(run).message.endswith(": 1 deactivated, 1 error")


@pytest.mark.heavy
def test_a_bulk_deletion_is_undone_from_the_recycle_bin(crews: Crews) -> None:
    directory = save_crew_directory()
    people = [add(name, email=f"{name}@x.org") for name in ("ann", "bob")]
    group = Group.objects.create(name="Sales")
    services.add_members(group, [one.pk for one in people], "admin")
    deliver_all(directory)
    result = services.delete_by_plan([one.pk for one in people], "admin")
    assert (result.run.deleted, User.objects.count()) == (2, 0)
    deliver_all(directory)
    assert not crews["CREW"].rows
    run = undone(result.run)
    assert (run.status, run.restored) == (RunStatus.FINISHED, 2)
    deliver_all(directory)
    assert set(crews["CREW"].rows) == {"ann", "bob"}
    assert Membership.objects.filter(group=group).count() == 2
    again = undone(run)
    assert (again.deleted, User.objects.count()) == (2, 0)


@pytest.mark.heavy
def test_many_at_once_wait_and_nothing_is_done_before(admin_client: Client) -> None:
    ids = [add(f"u{number}").pk for number in range(12)]
    result = services.switch_by_plan(ids, False, "admin")
    assert result.waits
    assert result.run.message.startswith("12 people of 13 would be deactivated or deleted; the limit is 10 %.")
    assert User.objects.filter(is_active=False).count() == 0
    page = admin_client.get(f"/provisioning/importrun/{result.run.pk}/change/").content.decode()
    assert "This needs approval" in page
    approved(result.run)
    assert User.objects.filter(is_active=False).count() == 12
    small = services.switch_by_plan([add("late").pk], False, "admin")
    assert not small.waits


@pytest.mark.heavy
def test_many_small_actions_are_counted_together() -> None:
    ids = [add(f"u{number}").pk for number in range(20)]
    results = [services.switch_by_plan([pk], False, "admin") for pk in ids[:8]]
    assert [one.waits for one in results] == [False] * 5 + [True] * 3


@pytest.mark.heavy
def test_what_a_cancelled_action_did_counts_in_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioning.imports.users.store.PAGE", 2)
    monkeypatch.setattr("provisioning.imports.doors.actions.AT_ONCE", 3)
    ids = [add(f"u{number}").pk for number in range(20)]
    run = services.switch_by_plan(ids[:5], False, "admin").run
    write = PortalApplier._page

    def cancelled(self: PortalApplier, *rest: Any) -> None:
        write(self, *rest)
        ImportRun.objects.update(cancel_requested=True)

    with monkeypatch.context() as patch:
        patch.setattr(PortalApplier, "_page", cancelled)
        engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, User.objects.filter(is_active=False).count()) == (RunStatus.CANCELLED, 2)
    lost = dict(Loss.objects.filter(door=Door.ACTION).values_list("kind").annotate(Sum("number")))
    assert lost == {"off": 2}
    small = [services.switch_by_plan([pk], False, "admin") for pk in ids[5:9]]
    assert [one.waits for one in small] == [False] * 3 + [True]


def test_the_last_administrator_is_not_deactivated_without_approval() -> None:
    root = User.objects.create_superuser("root", "x")
    result = services.switch_by_plan([root.pk], False, "other")
    assert result.waits
    assert "Nobody would be left who may administer the portal." in result.run.message


# --- Imports ---------------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_an_import_is_undone_but_for_what_changed_since(source: Source, crews: Crews) -> None:
    for name in ("kept", "edited", "left"):
        source.put(name, "Old", "Name", f"{name}@x.org")
    source.run()
    for name in ("kept", "edited"):
        source.put(name, "New", "Other", f"{name}@x.org")
    source.put("fresh", "Fresh", "N", "fresh@x.org")
    source.remove("left")
    run = source.run()
    assert (run.created, run.updated, run.deactivated) == (1, 2, 1)
    User.objects.filter(username="edited").update(first_name="By hand")
    made = services.undo(run, "boss")
    assert (made.status, made.preview, made.updated, made.deactivated) == (RunStatus.PLANNED, True, 3, 1)
    assert made.undoes == run.pk
    assert words(made) == {"edited": "Left as it is, because it was changed since: First name (By hand)."}
    assert user("kept").first_name == "New"  # nothing happened yet
    approved(made)
    assert (made.status, made.updated, made.deactivated, made.errors) == (RunStatus.FINISHED, 3, 1, 0)
    assert (user("kept").first_name, user("kept").last_name) == ("Old", "Name")
    assert (user("edited").first_name, user("edited").last_name) == ("By hand", "Name")
    assert user("left").is_active
    assert not user("fresh").is_active
    with pytest.raises(services.ImportRefused, match="being undone, or was"):
        services.undo(run, "boss")
    quiet = source.run()  # what was undone stays undone as long as the source says the same
    assert (quiet.updated, quiet.deactivated, quiet.errors) == (0, 0, 0)
    assert user("kept").first_name == "Old"


@pytest.mark.heavy
def test_what_a_run_did_before_the_rest_was_cancelled_is_undone(source: Source) -> None:
    for name in ("ann", "bob", "eve"):
        source.put(name, "Old", "N")
    source.run()
    source.set(max_leavers=0)
    source.put("ann", "New", "N")
    source.remove("bob")
    run = source.run()
    assert (run.status, run.rest_applied, user("ann").first_name) == (RunStatus.APPROVAL, True, "New")
    services.cancel_import(run, "boss")
    run.refresh_from_db()
    User.objects.filter(username="bob").update(is_active=False)  # by hand: the run did nothing to them
    made = undone(run)
    assert (made.status, made.updated, user("ann").first_name) == (RunStatus.FINISHED, 1, "Old")
    assert not user("bob").is_active


@pytest.mark.heavy
def test_staff_are_undone_by_superusers_only(source: Source) -> None:
    User.objects.create_superuser("root", "x")
    source.put_many(3)
    run = source.run()
    ann = add("ann")
    User.objects.filter(username__in=["user1", "ann"]).update(is_staff=True)
    switched = services.switch_by_plan([ann.pk], False, "root").run
    made = services.undo(run, "boss", delete_created=True)
    assert "superuser" in words(made)["user1"]
    approved(made)
    assert (made.deleted, made.left_alone) == (2, 1)
    assert user("user1").is_active
    again = services.undo(switched, "boss")
    assert (again.updated, again.left_alone) == (0, 1)
    services.cancel_import(again, "boss")
    approved(services.undo(switched, "root"))
    assert user("ann").is_active


@pytest.mark.heavy
def test_an_old_name_that_somebody_took_since_stays_theirs(source: Source) -> None:
    source.set(follow_renames=True)
    source.rows = [RemoteAccount("id1", "ann", {"FIRSTNAME": "Ann", "LASTNAME": "B", "MAIL": ""})]
    source.run()
    source.rows = [RemoteAccount("id1", "berg", {"FIRSTNAME": "Eve", "LASTNAME": "B", "MAIL": ""})]
    made = services.undo(source.run(), "boss")
    other = add("ann")
    approved(made)
    assert (made.status, user("berg").first_name, user("ann").pk) == (RunStatus.FINISHED, "Ann", other.pk)


@pytest.mark.heavy
def test_people_whom_a_run_created_can_be_deleted_instead(source: Source) -> None:
    source.put_many(3)
    run = source.run()
    User.objects.filter(username="user1").update(phone="12")
    User.objects.filter(username="user2").update(first_name="Edited")
    made = services.undo(run, "boss", delete_created=True)
    assert words(made) == {"user2": "Changed since: First name (Edited)."}
    approved(made)
    assert (made.deleted, User.objects.count()) == (3, 0)
    assert source.run().left_alone == 3


def test_people_whom_a_run_created_are_found_when_the_lines_of_the_report_are_gone(source: Source) -> None:
    add("elder")
    source.put_many(2)
    run = source.run()
    PlannedChange.objects.filter(run=run, key="user1").update(key="elder", key_folded="elder")  # who was there before
    Event.objects.all().delete()
    made = services.undo(run, "boss", delete_created=True)
    approved(made)
    assert made.deleted == 1
    assert set(User.objects.values_list("username", flat=True)) == {"elder", "user1"}


def test_a_restoring_is_undone_when_the_lines_of_the_report_are_gone(crews: Crews) -> None:
    anna = add("anna")
    services.delete_by_plan([anna.pk], "admin")
    restored = services.restore_by_plan({DeletedUser.objects.get().pk: ""}, "admin")
    assert User.objects.filter(username="anna").exists()
    Event.objects.all().delete()
    undone(restored.run)
    assert not User.objects.filter(username="anna").exists()


@pytest.mark.heavy
def test_the_undo_of_somebody_who_was_changed_between_look_and_approval(source: Source) -> None:
    source.put("ann", "Old", "N")
    source.run()
    source.put("ann", "New", "N")
    made = services.undo(source.run(), "boss")
    User.objects.update(first_name="By hand")
    approved(made)
    assert (made.updated, made.errors, made.changed_since) == (0, 1, 1)
    assert user("ann").first_name == "By hand"


@pytest.mark.heavy
def test_an_undo_that_was_cut_off_goes_on(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioning.imports.users.store.PAGE", 2)
    source.put_many(6)
    run = source.run()
    made = services.undo(run, "boss")
    services.approve_import(made, "boss", plan_hash=made.plan_hash)
    write, pages = PortalApplier._page, []

    def cut(self: PortalApplier, *rest: Any) -> None:
        pages.append(1)
        write(self, *rest)
        if len(pages) == 2:
            raise PowerCut

    monkeypatch.setattr(PortalApplier, "_page", cut)
    with pytest.raises(PowerCut):
        engine.execute(made.pk)
    assert User.objects.filter(is_active=False).count() == 2
    expire(made)
    engine.execute(made.pk)
    made.refresh_from_db()
    assert (made.status, made.deactivated, len(pages)) == (RunStatus.FINISHED, 6, 4)
    assert User.objects.filter(is_active=False).count() == 6


@pytest.mark.heavy
def test_an_undo_that_was_altered_is_not_applied(source: Source) -> None:
    source.put_many(1)
    made = services.undo(source.run(), "boss")
    services.approve_import(made, "boss", plan_hash=made.plan_hash)
    PlannedChange.objects.filter(run=made).update(after={"profile.first_name": "Mallory"})
    engine.execute(made.pk)
    made.refresh_from_db()
    assert (made.status, user("user0").first_name) == (RunStatus.FAILED, "First0")


@pytest.mark.heavy
def test_the_pages(source: Source, admin_client: Client) -> None:
    source.put_many(2)
    run = source.run()
    page = admin_client.get(f"/provisioning/importrun/{run.pk}/change/").content.decode()
    assert "Undo this run" in page
    asked = admin_client.get(f"/provisioning/importrun/{run.pk}/undo/").content.decode()
    assert "Passwords that were set, and mails and events that were sent, stay as they are." in asked
    answer = admin_client.post(f"/provisioning/importrun/{run.pk}/undo/", {"created": "delete"})
    made = ImportRun.objects.get(door=Door.UNDO)
    assert answer["Location"] == f"/provisioning/importrun/{made.pk}/change/"
    assert "This is what would be undone" in admin_client.get(answer["Location"]).content.decode()
    assert PlannedChange.objects.filter(run=made, action="delete").count() == 2
    again = admin_client.get(f"/provisioning/importrun/{run.pk}/change/").content.decode()
    assert "Undo this run" not in again
    listed = admin_client.get("/provisioning/importrun/").content.decode()
    assert "Undo" in listed


@pytest.mark.heavy
def test_deleting_whom_a_run_created_asks_for_the_right_to_delete(source: Source) -> None:
    source.put("ann", "Ann")
    run = source.run()
    client = client_with(*BOTH)
    address = f"/provisioning/importrun/{run.pk}/undo/"
    assert 'value="delete"' not in client.get(address).content.decode()
    assert client.post(address, {"created": "delete"}).status_code == 403
    assert not ImportRun.objects.filter(undoes=run.pk).exists()
    made = services.undo(run, "boss", delete_created=True)  # by somebody who may
    approve = {"plan_hash": made.plan_hash, "number": "1"}
    assert client.post(f"/provisioning/importrun/{made.pk}/approve/", approve).status_code == 403
    assert user("ann")


@pytest.mark.heavy
def test_an_undo_asks_for_the_rights_to_what_it_does(source: Source) -> None:
    """Bringing people back asks for what the recycle bin asks for, a changed value for the right to change users."""
    source.put_many(3)
    run = source.run()
    deleting = services.delete_by_plan([user("user0").pk, user("user1").pk], "boss").run
    client = client_with(*BOTH)
    for one in (run, deleting):
        assert client.post(f"/provisioning/importrun/{one.pk}/undo/").status_code == 403
        page = client.get(f"/provisioning/importrun/{one.pk}/change/").content.decode()
        assert "Undo this run" not in page
    made = services.undo(deleting, "boss")
    page = client.get(f"/provisioning/importrun/{made.pk}/change/").content.decode()
    assert "Apply this plan" not in page
    approve = {"plan_hash": made.plan_hash}
    assert client.post(f"/provisioning/importrun/{made.pk}/approve/", approve).status_code == 403
    assert User.objects.filter(username__startswith="user").count() == 1
    staff = User.objects.get(username="staff")
    for name in ("add_user", "change_deleteduser"):
        assert client.post(f"/provisioning/importrun/{made.pk}/approve/", approve).status_code == 403, name
        staff.user_permissions.add(Permission.objects.get(codename=name))
    assert client.post(f"/provisioning/importrun/{made.pk}/approve/", approve).status_code == 302
    engine.execute(made.pk)
    assert User.objects.filter(username__startswith="user").count() == 3
    assert client.post(f"/provisioning/importrun/{run.pk}/undo/").status_code == 403, "that deactivates people"
    staff.user_permissions.add(Permission.objects.get(codename="change_user"))
    assert client.post(f"/provisioning/importrun/{run.pk}/undo/").status_code == 302
