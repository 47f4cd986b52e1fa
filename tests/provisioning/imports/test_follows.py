"""What a plan says of the other directories, and when it asks because of them."""

import pytest
from django.test import Client

from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.imports import engine, follows
from provisioning.imports.runs import preview_summary
from provisioning.imports.users.listing import listing
from provisioning.models import Account, Change, Group, Membership, PlannedGroup, User
from provisioning.models.imports import RunStatus
from provisioning.rules.models import ScopeGroup
from tests.provisioning.imports.conftest import Source, user

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]


def target(name: str, **features: object) -> Directory:
    """Return another directory."""
    directory = Directory.objects.create(name=name, kind="memory")
    ProvisioningSettings.objects.create(directory=directory, **features)
    return directory


def test_a_preview_says_what_follows_in_other_directories(source: Source) -> None:
    source.map(ACTIVE="profile.active")
    for name in ("gone", "off", "linked"):
        source.put(name, "F", also={"ACTIVE": "1"})
    source.run()
    target("Apps", create_users=True, deactivate_users=True, on_deactivate="disable")
    crm = target("CRM", deactivate_users=True, on_deactivate="delete")
    target("Quiet", deactivate_users=True, on_deactivate="leave")
    target("Idle")
    for directory in Directory.objects.exclude(pk=source.directory.pk):
        for name in ("gone", "off"):
            there = {"state": "active", "key": name, "remote_id": name}
            Account.objects.create(user=user(name), directory=directory, **there)

    source.remove("gone")
    source.put("off", "F", also={"ACTIVE": "0"})
    source.put("linked", "Changed", also={"ACTIVE": "1"})  # gets the account that was missing so far
    source.put("new", "N", also={"ACTIVE": "1"})
    source.put("never", "N", also={"ACTIVE": "0"})
    run = source.run(preview=True)
    assert [(one.directory, one.opened, one.disabled, one.deleted) for one in follows.load(run)] == [
        ("Apps", 2, 2, 0),
        ("CRM", 0, 0, 2),
    ]
    words = "And then in other directories: 2 accounts opened, 2 accounts disabled in Apps; 2 accounts deleted in CRM."
    assert preview_summary(run).endswith(words)
    rows = {row.change.key: list(row.final) for row in listing(run.planned_changes.all(), ahead=True).rows}
    final = ["Cannot be undone in CRM: the account is gone with what it owns, and a new one has another id."]
    assert (rows["gone"], rows["off"], rows["linked"]) == (final, final, [])
    assert not any(row.final for row in listing(run.planned_changes.all()).rows), "what is done is no warning"
    crm.provisioning.delete_after_days = 30
    crm.provisioning.save()
    assert follows.final(list(run.planned_changes.all())) == {}

    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    opened = Account.objects.filter(directory__name="Apps", state="pending", user__is_active=True)
    assert set(opened.values_list("key", flat=True)) == {"linked", "new"}
    assert Change.objects.filter(directory=crm).count() == 2


def test_a_directory_that_gives_accounts_to_some_is_counted_for_them_alone(source: Source) -> None:
    source.map(ACTIVE="profile.active")
    for name in ("inside", "outside"):
        source.put(name, "F", also={"ACTIVE": "1"})
    source.run()
    target("Rules", create_users=True, accounts_for="rules")
    shop = target("Shop", create_users=True, accounts_for="groups")
    sellers = Group.objects.create(name="Sellers")
    ScopeGroup.objects.create(directory=shop, group=sellers)
    Membership.objects.create(group=sellers, user=user("inside"))
    for name in ("inside", "outside"):
        source.put(name, "Changed", also={"ACTIVE": "1"})
    source.put("new", "N", also={"ACTIVE": "1"})
    run = source.run(preview=True)
    assert [(one.directory, one.opened) for one in follows.load(run)] == [("Shop", 1)]
    PlannedGroup.objects.create(run=run, action="members", name="Sellers", added=1)
    assert [(one.directory, one.opened) for one in follows.count(run)] == [("Shop", 2)]


def test_many_accounts_that_would_be_opened_elsewhere_wait_for_approval(source: Source) -> None:
    target("Apps", create_users=True)
    target("CRM", create_users=True)
    source.set(max_opened=3)
    source.put_many(2)
    run = source.run()
    assert run.status == RunStatus.APPROVAL
    words = "4 accounts would be opened in other directories (2 in Apps, 2 in CRM); the limit is 3."
    assert run.message.startswith(words)
    assert not User.objects.exists()
    source.set(max_opened=4)
    services.cancel_import(run, "boss")
    assert source.run().status == RunStatus.FINISHED


def test_what_is_done_and_what_waits_are_counted_apart(source: Source, admin_client: Client) -> None:
    target("Apps", create_users=True)
    source.put("u0", "Old")
    source.put("u1", "Old")
    source.run()
    source.set(max_created=1, max_created_percent=1)
    User.objects.filter(username="u0").delete()
    Account.objects.filter(key="u0").delete()
    source.remove("u0")
    source.put("u1", "New")
    source.put_many(30)
    run = source.run()
    assert (run.status, run.created, run.updated) == (RunStatus.APPROVAL, 30, 1)
    page = admin_client.get(f"/provisioning/importrun/{run.pk}/change/")
    parts = {
        part.title: ({one.label: one.number for one in part.counts}, [one.words for one in part.follows])
        for part in page.context["parts"]
    }
    done = {"Created": 0, "Updated": 1, "Deactivated": 0, "Left alone": 0, "Errors": 0, "Unchanged": 0}
    assert parts == {
        "Done": (done, []),
        "Waits for a decision": ({"To create": 30}, ["30 accounts opened in Apps"]),
    }
    assert "To update" not in page.content.decode()
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    page = admin_client.get(f"/provisioning/importrun/{run.pk}/change/").content.decode()
    assert "Waits for a decision" not in page
    assert "30 accounts opened in Apps" in page
