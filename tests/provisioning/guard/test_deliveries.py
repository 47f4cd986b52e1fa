"""What other doors than imports take away: counted where a delivery would do it, and held over the limit of a day."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from directories.connectors.base import Connector, ConnectorError, Entry, GroupEntry, Unavailable
from directories.connectors.memory import Memory
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.guard.models import Loss
from provisioning.models import Account, Change, Group, GroupAccount, GroupChange, User
from provisioning.models.outbox import LastResult
from provisioning.outbound import batch
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.outbound.kinds import KINDS
from provisioning.outbound.leases import Leases
from reports.models import Event
from scim.models import Client as Application
from tests.fixtures.directories import AppsDb, save_directory
from tests.provisioning.crew import Crew, Crews, crews, save_crew_directory
from tests.provisioning.groups.push import held as members_of
from tests.provisioning.groups.push import make_group, make_users, mem, run
from tests.provisioning.imports.conftest import Source, source
from tests.scim.conftest import make_client

__all__ = ["crews", "mem", "source"]
pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
USUAL = {"max_leavers": 50, "max_leavers_percent": 10, "max_blanked": 100, "max_blanked_percent": 10}
PEOPLE = 80


def work(directory: Directory) -> None:
    """Deliver all that is due, as workers would."""
    for kind in KINDS:
        while due := kind.leases.due(directory.pk, 200):
            before = kind.change._default_manager.filter(parked=None).count()
            batch.deliver(kind.work, directory.pk, due)
            assert kind.change._default_manager.filter(parked=None).count() < before


def parked() -> int:
    return Change.objects.filter(parked_code="held").count()


@pytest.fixture
def app(crews: Crews) -> Crew:
    """A directory APP with 80 people in it, of which 50 may be closed a day."""
    directory = save_crew_directory("APP", max_leavers=50)
    people = User.objects.bulk_create(
        [User(username=f"user{n}", first_name="F", email=f"{n}@x.org") for n in range(PEOPLE)]
    )
    services.provision_many([user.pk for user in people], "created")
    work(directory)
    assert len(crews["APP"].rows) == PEOPLE
    return crews["APP"]


def app_directory() -> Directory:
    return Directory.objects.get(name="APP")


def ids(*numbers: int) -> list[int]:
    return list(User.objects.filter(username__in=[f"user{n}" for n in numbers]).values_list("pk", flat=True))


def test_a_bulk_action_closes_up_to_the_limit_and_holds_the_rest(app: Crew) -> None:
    services.set_active(ids(*range(70)), False, "boss", by_person=True)
    work(app_directory())
    assert (len(app.disabled), parked()) == (50, 20)
    change = Change.objects.filter(parked_code="held").first()
    assert change is not None
    assert change.parked_message == (
        "More accounts would be closed in APP than may be within 24 hours (the limit is 50). "
        "Look at whom it concerns, then release or refuse."
    )
    assert sum(Loss.objects.values_list("number", flat=True)) == 50
    services.retry(Change.objects.filter(parked_code="held"), "boss")  # a retry is no release
    work(app_directory())
    assert (len(app.disabled), parked()) == (50, 20)
    Loss.objects.update(at=timezone.now() - dt.timedelta(hours=25))
    services.retry(Change.objects.filter(parked_code="held"), "boss")
    work(app_directory())
    assert (len(app.disabled), parked()) == (70, 0)


def test_one_person_who_decides_about_one_user_is_never_held_and_counts(app: Crew) -> None:
    services.set_active(ids(*range(60)), False, "boss", by_person=True)
    work(app_directory())
    assert parked() == 10
    services.set_active(ids(70), False, "boss", by_person=True)
    services.delete_users(ids(71), "boss", by_person=True)
    user = User.objects.get(username="user72")
    user.is_active = False
    services.save_user(user, "boss")
    work(app_directory())
    assert {"user70", "user72"} <= app.disabled
    assert "user71" not in app.rows
    assert sum(Loss.objects.values_list("number", flat=True)) == 53


def test_an_edit_of_something_else_releases_nobody(app: Crew) -> None:
    services.set_active(ids(*range(60)), False, "boss")
    work(app_directory())
    left = Account.objects.filter(last_result=LastResult.PARKED).first()
    assert left is not None
    assert left.user is not None
    user = User.objects.get(pk=left.user.pk)
    user.first_name = "Other"
    services.save_user(user, "boss")
    work(app_directory())
    assert (len(app.disabled), parked()) == (50, 10)
    services.set_active([user.pk], True, "boss")  # a change of mind ends it
    work(app_directory())
    assert (parked(), user.username in app.disabled) == (9, False)


def test_a_scim_client_that_deactivates_everybody_one_by_one(app: Crew) -> None:
    scim = make_client()
    assert Application.objects.count() == 1
    ProvisioningSettings.objects.update(max_leavers=8)
    for n in range(12):
        user = User.objects.get(username=f"user{n}")
        answer = scim.patch(f"/Users/{user.scim_id}", {"op": "replace", "path": "active", "value": False})
        assert answer.status == 200, answer
        work(app_directory())
    assert (len(app.disabled), parked()) == (8, 4)


def test_a_scope_that_is_switched_counts(app: Crew) -> None:
    User.objects.update(provisioned=False)
    services.provision_many(User.objects.values_list("pk", flat=True), "scope")
    work(app_directory())
    assert (len(app.disabled), parked()) == (50, 30)


def test_a_share_counts_above_a_few(app: Crew) -> None:
    ProvisioningSettings.objects.update(max_leavers_percent=10)
    services.set_active(ids(*range(20)), False, "boss")
    work(app_directory())
    assert (len(app.disabled), parked()) == (8, 12)
    ProvisioningSettings.objects.update(max_leavers=0)
    services.set_active(ids(30), False, "boss")
    work(app_directory())
    assert parked() == 13


def test_what_an_import_or_an_approval_decided_is_not_asked_again(app: Crew) -> None:
    directory = app_directory()
    User.objects.filter(username__in=[f"user{n}" for n in range(70)]).update(is_active=False)
    outbox.enqueue_users(ids(*range(70)), "import", "HR", cleared=True)
    work(directory)
    assert (len(app.disabled), parked(), Loss.objects.count()) == (70, 0, 0)


def test_an_import_that_blanks_a_value_closes_nobody_whose_closing_is_held(source: Source, crews: Crews) -> None:
    directory = save_crew_directory("APP", max_leavers=0)
    source.put_many(3)
    source.run()
    work(directory)
    services.set_active(ids(0, 1, 2), False, "Okta")
    work(directory)
    assert parked() == 3
    source.put("user0", "First0", "L", "")
    assert source.run().blanked == 1
    work(directory)
    assert (crews["APP"].disabled, parked()) == (set(), 3)


def test_what_was_decided_about_something_else_clears_no_closing_that_comes_after_it(app: Crew) -> None:
    ProvisioningSettings.objects.update(max_leavers=0)
    user = User.objects.get(username="user0")
    user.first_name = "Other"
    services.save_user(user, "boss")
    services.set_active([user.pk], False, "Okta")
    work(app_directory())
    assert (app.disabled, parked()) == (set(), 1)
    services.retry(Change.objects.filter(parked_code="held"), "boss")
    work(app_directory())
    assert (app.disabled, parked()) == (set(), 1)


def test_what_could_not_be_done_is_given_back(app: Crew) -> None:
    def refuse(call: str, key: str) -> None:
        if call == "disable" and key != "user0":
            raise Unavailable("Busy", whole_directory=False)

    app.fail = refuse
    services.set_active(ids(*range(30)), False, "boss")
    due = KINDS[0].leases.due(app_directory().pk, 200)
    deliver(app_directory().pk, due)
    assert (len(app.disabled), parked()) == (1, 0)
    assert sum(Loss.objects.values_list("number", flat=True)) == 1


def test_blanks_that_go_out_for_many_wait(app: Crew) -> None:
    ProvisioningSettings.objects.update(max_blanked=20, max_blanked_percent=100)
    User.objects.filter(pk__in=ids(*range(40))).update(email="", first_name="New")
    services.provision_many(ids(*range(60)), "updated")
    work(app_directory())
    blank = [row for row in app.rows.values() if not row["EMAIL_ADDRESS"]]
    assert (len(blank), parked()) == (20, 20)
    user = User.objects.get(username="user70")
    user.email = ""
    services.save_user(user, "boss")
    work(app_directory())
    assert app.rows["user70"]["EMAIL_ADDRESS"] in ("", None)


def test_the_guard_asks_once_a_batch_and_not_for_each_account(app: Crew) -> None:
    def queries(*numbers: int) -> int:
        services.set_active(ids(*numbers), False, "boss")
        due = KINDS[0].leases.due(app_directory().pk, 200)
        with CaptureQueriesContext(connection) as captured:
            deliver(app_directory().pk, due)
        return len([one for one in captured if "guard_loss" in one["sql"]])

    few, many = queries(*range(5)), queries(*range(5, 45))
    assert few == 3  # what was taken before, what is taken now, and what is given back
    assert many <= 2 * 4 + 1
    User.objects.filter(pk__in=ids(*range(50, 70))).update(first_name="New")
    services.provision_many(ids(*range(50, 70)), "updated")
    with CaptureQueriesContext(connection) as captured:
        work(app_directory())
    assert not [one for one in captured if "guard_loss" in one["sql"]]


# --- Groups ----------------------------------------------------------------------------------------------------------


def crew_in(directory: Directory) -> list[str]:
    return members_of(directory).get("dev", [])


def push_dev(directory: Directory) -> tuple[Group, list[User]]:
    """Push a group of 30 people."""
    ProvisioningSettings.objects.update(max_lost_members=10, max_lost_members_percent=100)
    users = make_users(*(f"user{n}" for n in range(30)))
    group = make_group("dev")
    services.add_members(group, [user.pk for user in users], "boss")
    run(directory)
    assert len(crew_in(directory)) == 30
    return group, users


def test_memberships_that_many_lose_wait_in_a_directory(mem: Directory) -> None:
    group, users = push_dev(mem)
    services.remove_members(group, [user.pk for user in users[:25]], "Okta", via="Okta")
    run(mem)
    assert len(crew_in(mem)) == 20
    assert GroupChange.objects.filter(parked_code="held").count() == 15
    services.remove_members(group, [users[29].pk], "boss")  # one person, by a person
    run(mem)
    assert len(crew_in(mem)) == 19
    assert services.release(services.held_changes(GroupChange, mem.pk), "boss") == 15
    run(mem)
    assert len(crew_in(mem)) == 4


def test_a_group_with_many_members_is_not_deleted_in_passing(mem: Directory) -> None:
    push_dev(mem)
    services.delete_groups(Group.objects.values_list("pk", flat=True), "boss")
    run(mem)
    assert len(crew_in(mem)) == 30
    (change,) = services.held_changes(GroupChange, mem.pk)
    assert change.parked_message.startswith("More memberships would be lost in MEM than may be within 24 hours")
    services.release(services.held_changes(GroupChange, mem.pk), "boss")
    run(mem)
    assert not members_of(mem)


def test_memberships_that_stay_after_all_are_given_back(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any) -> list[tuple[Entry, ConnectorError]]:
        raise Unavailable("Busy", whole_directory=False)

    def refuse(connector: Connector, group: GroupEntry, members: Sequence[Entry]) -> list[tuple[Entry, ConnectorError]]:
        return [(member, ConnectorError("No.")) for member in members]

    group, users = push_dev(mem)
    services.remove_members(group, [user.pk for user in users[:8]], "Okta", via="Okta")
    for answer in (busy, busy, refuse):
        monkeypatch.setattr(Memory, "remove_members", answer)
        GroupAccount.objects.update(not_before=timezone.now())
        run(mem)
        assert len(crew_in(mem)) == 30
        assert sum(Loss.objects.values_list("number", flat=True)) == 0
    monkeypatch.undo()
    monkeypatch.setattr(Memory, "delete_group", busy)
    ProvisioningSettings.objects.update(max_lost_members=30)
    services.delete_groups([group.pk], "boss")
    run(mem)
    assert len(crew_in(mem)) == 30
    assert sum(Loss.objects.values_list("number", flat=True)) == 0


def test_a_decision_about_one_member_clears_no_others(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> list[tuple[Entry, ConnectorError]]:
        raise ConnectorError("No.")

    group, users = push_dev(mem)
    monkeypatch.setattr(Memory, "remove_members", refuse)
    services.remove_members(group, [users[0].pk], "boss")
    run(mem)
    assert GroupChange.objects.filter(parked__isnull=False).count() == 1
    monkeypatch.undo()
    services.remove_members(group, [user.pk for user in users[1:26]], "Okta", via="Okta")
    services.retry(GroupChange.objects.filter(parked__isnull=False), "boss")
    run(mem)
    assert len(crew_in(mem)) == 20


# --- Deciding --------------------------------------------------------------------------------------------------------


def test_held_changes_are_released_and_refused_on_their_page(app: Crew, admin_client: Client) -> None:
    services.set_active(ids(*range(60)), False, "boss")
    work(app_directory())
    url = reverse("admin:provisioning_change_changelist")
    page = admin_client.get(url).content.decode()
    assert "Release selected" in page
    assert "Retry" not in page
    assert "Refused because" not in page
    assert page.count("Look at whom it concerns") == 1
    assert page.count('name="release_one"') == page.count('name="refuse_one"') == 10
    some = list(Change.objects.filter(parked_code="held").values_list("pk", flat=True))
    decide = {"directory": app_directory().pk, "parked_code": "held"}
    for number in ("", "11", "9"):
        answer = admin_client.post(
            f"{url}decide/", {**decide, "all": 1, "decision": "release", "number": number}, follow=True
        )
        assert "Type 10 into the box" in answer.content.decode()
    assert parked() == 10
    admin_client.post(f"{url}decide/", {**decide, "all": 1, "refuse_one": some[0]})
    account = Account.objects.get(last_result=LastResult.OPEN)
    assert account.last_message.startswith("admin refused to take this away.")
    admin_client.post(f"{url}decide/", {**decide, "all": 1, "decision": "release", "number": "9"})
    work(app_directory())
    assert (len(app.disabled), parked(), account.key in app.disabled) == (59, 0, False)
    assert Event.objects.filter(message="admin released 9 held changes of APP.").exists()
    assert Event.objects.filter(message="admin refused 1 held change of APP.").exists()


def test_who_may_only_look_decides_nothing(app: Crew, client: Client) -> None:
    services.set_active(ids(*range(60)), False, "boss")
    work(app_directory())
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename="view_change"))
    client.force_login(looker)
    url = reverse("admin:provisioning_change_changelist")
    assert "Release" not in client.get(url).content.decode()
    post = {"directory": app_directory().pk, "all": 1, "decision": "release", "number": "10"}
    assert client.post(f"{url}decide/", post).status_code == 403
    assert parked() == 10


def test_a_real_directory_keeps_what_a_bulk_action_of_500_would_delete(appsdb: AppsDb) -> None:
    directory = save_directory(
        appsdb, create_users=True, update_users=True, deactivate_users=True, on_deactivate="delete", **USUAL
    )
    people = User.objects.bulk_create(
        [User(username=f"user{n}", first_name="F", email=f"{n}@x.org") for n in range(600)]
    )
    services.provision_many([user.pk for user in people], "created")
    work(directory)
    assert len(appsdb.people()) == 600
    services.set_active([user.pk for user in people[:500]], False, "boss", by_person=True)
    work(directory)
    assert len(appsdb.people()) == 550
    assert parked() == 450
    AttributeMapping.objects.filter(portal_attribute="email").update(kind="custom", portal_attribute="nothing")
    services.provision_directory(directory, "boss")
    work(directory)
    blank = [row for row in appsdb.people().values() if not row[2]]
    assert (len(blank), len(appsdb.people())) == (55, 550)
    services.release(services.held_changes(Change, directory.pk), "boss")
    work(directory)
    assert len(appsdb.people()) == 100


@pytest.mark.parametrize("decide", [services.refuse, services.release])
def test_what_was_decided_a_moment_before_is_not_decided_again(
    app: Crew, decide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.set_active(ids(*range(60)), False, "boss", by_person=True)
    work(app_directory())
    held = services.held_changes(Change, app_directory().pk)
    first = held.order_by("pk").first()
    assert first is not None
    other = services.release if decide == services.refuse else services.refuse
    lock, raced = Leases._still, []

    def late(leases: Leases[Any], changes: Any, page: Any) -> Any:
        if not raced:
            raced.append(True)
            assert other(held.filter(pk=first.pk), "quicker") == 1
        return lock(leases, changes, page)

    monkeypatch.setattr(Leases, "_still", late)
    assert decide(held, "boss") == 9
    work(app_directory())
    assert (len(app.disabled), parked()) == ((51, 0) if decide == services.refuse else (59, 0))
