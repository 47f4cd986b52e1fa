"""What a directory holds is taken over by a plan: guarded, undone, never onto staff, never over another source."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from directories.connectors.memory import STORES
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.imports import engine
from provisioning.models import Account, Change, Group, ImportRun, Membership, User
from provisioning.models.imports import Door, RunStatus
from provisioning.reconciliation import actions, pulling
from provisioning.reconciliation.models import Finding, Policy, ReconcileSettings
from reports.models import Event
from tests.provisioning.groups.push import make_users, mem, stored
from tests.provisioning.reconciliation.conftest import Hands, TableHands, TreeHands, delivered, found, reconciled

__all__ = ["mem"]
pytestmark = pytest.mark.django_db


def join(hands: Hands, *names: str) -> Hands:
    for name in names:
        User.objects.create(username=name, first_name=name.title(), last_name="Lee", email=f"{name}@example.org")
    delivered(hands.directory)
    return hands


def pulled(hands: Hands) -> pulling.Pulled:
    """Compare, and take over all that is found."""
    return pulling.pull(Finding.objects.filter(run=reconciled(hands.directory)), "admin")


def user(name: str) -> User:
    return User.objects.get(username=name)


@pytest.mark.heavy
def test_what_the_directory_holds_is_taken_over_and_can_be_undone(hands: Hands) -> None:
    join(hands, "ann", "bob", "dan", "eve")
    switches = hands.directory.kind != "ldap"
    services.set_active([user("eve").pk], False, "admin")
    delivered(hands.directory)
    if switches:
        hands.switch("eve", True)
        hands.switch("dan", False)
    hands.mail("bob", "other@example.org")
    wanted = {"bob": "different"} | ({"eve": "enabled", "dan": "disabled"} if switches else {})
    run = reconciled(hands.directory)
    assert found(run) == wanted
    done = pulling.pull(Finding.objects.filter(run=run), "admin")
    assert (done.number, done.refused) == (len(wanted), {})
    assert done.run is not None
    assert (done.run.door, done.run.status, done.run.applied) == (Door.PULL, RunStatus.FINISHED, len(wanted))
    assert user("bob").email == "other@example.org"
    assert (user("eve").is_active, user("dan").is_active) == (switches, not switches)
    assert Event.objects.filter(message__contains="took what", actor="admin").count() == len(wanted)
    delivered(hands.directory)
    assert hands.read("bob") == ("other@example.org", True)
    if switches:
        assert (hands.read("eve"), hands.read("dan")) == (("eve@example.org", True), ("dan@example.org", False))
    assert found(reconciled(hands.directory)) == {}
    back = services.undo(done.run, "boss")
    services.approve_import(back, "boss", plan_hash=back.plan_hash)
    engine.execute(back.pk)
    delivered(hands.directory)
    assert hands.read("bob") == ("bob@example.org", True)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["ldap_directory", "ad_directory"])
def test_memberships_are_taken_over(request: pytest.FixtureRequest, kind: str) -> None:
    hands = join(TreeHands(request.getfixturevalue(kind)), "ann", "bob", "cid")
    group = Group(name="Crew")
    services.save_group(group, "admin")
    group.directories.add(hands.directory)
    services.add_members(group, [user("ann").pk, user("bob").pk], "admin")
    services.provision_directory(hands.directory, "admin")
    delivered(hands.directory)
    hands.leave("Crew", "ann")
    hands.join("Crew", "cid")
    done = pulled(hands)
    assert (done.number, done.refused) == (2, {})
    assert set(Membership.objects.values_list("user__username", flat=True)) == {"bob", "cid"}
    delivered(hands.directory)
    assert hands.members("Crew") & {"ann", "bob", "cid"} == {"bob", "cid"}
    assert found(reconciled(hands.directory)) == {}


@pytest.mark.heavy
def test_neither_staff_nor_what_another_source_decides_nor_what_was_changed_since(table: TableHands) -> None:
    join(table, "ann", "bob", "cid", "dan")
    User.objects.filter(username="ann").update(is_staff=True)
    source = Directory.objects.create(name="HR", kind="memory")
    ProvisioningSettings.objects.create(directory=source, import_users=True)
    AttributeMapping.objects.create(directory=source, directory_attribute="m", portal_attribute="email", direction="in")
    Account.objects.create(user=user("bob"), directory=source, key="bob", seen_digest="x")
    for name in ("ann", "bob", "cid", "dan"):
        table.mail(name, "other@example.org")
    run = reconciled(table.directory)
    table.mail("cid", "third@example.org")
    User.objects.filter(username="dan").update(email="portal@example.org")
    done = pulling.pull(Finding.objects.filter(run=run), "admin")
    assert (done.number, done.run) == (0, None)
    reasons = dict(reason.split(" ", 1) for reason in done.refused)
    assert reasons["ann"] == pulling.STAFF
    assert reasons["bob"].startswith("stays as it is: HR decides: E-mail stays")
    assert (reasons["cid"], reasons["dan"]) == (pulling.CHANGED_THERE, actions.STALE)
    assert not User.objects.filter(email="other@example.org").exists()


@pytest.mark.heavy
def test_what_is_only_written_there_is_not_taken_over(table: TableHands) -> None:
    join(table, "ann")
    AttributeMapping.objects.filter(directory_attribute="mail").update(direction="out")
    table.mail("ann", "other@example.org")
    assert list(pulled(table).refused) == [f"ann {pulling.NOT_MAPPED}"]


@pytest.mark.heavy
def test_many_values_wait_for_approval_and_a_policy_goes_through_the_same_guard(table: TableHands) -> None:
    names = [f"u{number}" for number in range(30)]
    join(table, *names)
    ReconcileSettings.objects.create(directory=table.directory, policies={"different": Policy.PULL})
    table.mail("u1", "new@example.org")
    reconciled(table.directory)
    assert user("u1").email == "new@example.org"
    delivered(table.directory)
    for name in names[:8]:
        table.mail(name, "")
    run = reconciled(table.directory)
    plan = ImportRun.objects.filter(door=Door.PULL).latest("pk")
    assert plan.status == RunStatus.APPROVAL
    assert "8 people of 30 would lose a value" in plan.message
    assert (plan.actor, user("u2").email) == ("reconciliation policy", "u2@example.org")
    assert run.status == RunStatus.FINISHED


@pytest.mark.heavy
def test_the_account_of_somebody_inactive_that_should_be_gone_is_pushed_or_closed(hands: Hands) -> None:
    join(hands, "ann", "bob", "eve", "zoe")
    ProvisioningSettings.objects.update(on_deactivate="leave")
    services.set_active([user("ann").pk, user("bob").pk], False, "admin")
    delivered(hands.directory)
    ProvisioningSettings.objects.update(on_deactivate="delete")
    if hands.directory.kind != "ldap":
        hands.switch("ann", False)
        hands.switch("bob", False)
    run = reconciled(hands.directory)
    orphan = "enabled" if hands.directory.kind == "ldap" else "orphan"
    assert found(run) == {"ann": orphan, "bob": orphan}
    assert actions.push(Finding.objects.filter(run=run, key="ann"), "admin").number == 1
    closed = actions.close(Finding.objects.filter(run=run, key="bob", kind="orphan"), "admin")
    assert (closed.number, closed.refused) == (1 if orphan == "orphan" else 0, {})
    delivered(hands.directory)
    assert hands.read("ann") is None
    assert (hands.read("bob") is None) == (orphan == "orphan")
    assert hands.read("eve") is not None


@pytest.mark.heavy
def test_the_page(table: TableHands, admin_client: Client) -> None:
    join(table, "ann")
    table.mail("ann", "other@example.org")
    run = reconciled(table.directory)
    page = reverse("admin:reconciliation_reconcilerun_change", args=[run.pk])
    assert "Take over what is there" in admin_client.get(page).content.decode()
    act: dict[str, Any] = {"action": "pull", "all": "1"}
    shown = admin_client.post(reverse("admin:reconciliation_reconcilerun_act", args=[run.pk]), act, follow=True)
    made = ImportRun.objects.get(door=Door.PULL)
    assert f"/provisioning/importrun/{made.pk}/change/" in shown.content.decode()
    assert "Taken over: 1 finding of People: 1 updated" in shown.content.decode()
    url = reverse("admin:reconciliation_reconcilerun_settings", args=[table.directory.pk])
    offered = admin_client.get(url).content.decode()
    assert offered.count("Take over automatically") == len(pulling.AUTOMATIC)


# --- What is not as it was found any more ----------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["enabled", "disabled"])
def test_an_account_that_was_switched_back_since_switches_nobody(mem: Directory, kind: str) -> None:
    """Pulling what was found days ago neither lets a leaver in again nor shuts anybody out."""
    [ann] = make_users("ann")
    delivered(mem)
    if kind == "enabled":
        services.set_active([ann.pk], False, "admin")
        delivered(mem)
    STORES[mem.name]["ann"].enabled = kind == "enabled"
    run = reconciled(mem)
    assert found(run) == {"ann": kind}
    STORES[mem.name]["ann"].enabled = kind != "enabled"
    done = pulling.pull(Finding.objects.filter(run=run), "admin")
    assert (done.run, list(done.refused)) == (None, [f"ann {pulling.CHANGED_THERE}"])
    assert user("ann").is_active == (kind == "disabled")


@pytest.mark.heavy
def test_an_account_of_which_nobody_knows_whether_it_can_be_used_activates_nobody(mem: Directory) -> None:
    [ann] = make_users("ann")
    delivered(mem)
    services.set_active([ann.pk], False, "admin")
    delivered(mem)
    STORES[mem.name]["ann"].enabled = True
    run = reconciled(mem)
    Finding.objects.update(usable=None)
    done = pulling.pull(Finding.objects.filter(run=run), "admin")
    assert (done.run, list(done.refused)) == (None, [f"ann {pulling.NOT_SAID}"])
    assert not user("ann").is_active


@pytest.mark.heavy
def test_members_that_are_where_they_belong_by_now_are_not_taken_over(mem: Directory) -> None:
    group = Group(name="Crew")
    services.save_group(group, "admin")
    services.add_members(group, [one.pk for one in make_users("ann", "bob", "cid", "dan")[:2]], "admin")
    delivered(mem)
    members = stored(mem, "Crew").members
    del members["ann"], members["bob"]
    members.update(cid=None, dan=None)
    run = reconciled(mem)
    assert set(found(run).values()) == {"member_less", "member_more"}
    members["ann"] = None
    del members["cid"]
    done = pulling.pull(Finding.objects.filter(run=run), "admin")
    assert set(done.refused) == {f"{name} {pulling.CHANGED_THERE}" for name in ("ann", "cid")}
    assert set(Membership.objects.values_list("user__username", flat=True)) == {"ann", "dan"}
    assert done.number == 2


def test_an_orphan_is_not_given_to_somebody_who_was_renamed_since(table: TableHands) -> None:
    fay = User.objects.create(username="fay", first_name="Fay", last_name="Lee", email="new@example.org")
    table.add("fay")
    Change.objects.all().delete()
    Account.objects.all().delete()
    run = reconciled(table.directory)
    services.rename_and_save(fay, "fay.old", "admin")
    done = actions.adopt(Finding.objects.filter(run=run), "admin")
    assert (done.number, list(done.refused)) == (0, [f"fay {actions.STALE}"])
    assert not Account.objects.exclude(remote_id="").exists()


@pytest.mark.heavy
def test_an_orphan_of_the_name_of_somebody_who_came_since_is_not_closed(table: TableHands) -> None:
    table.add("fay")
    run = reconciled(table.directory)
    assert found(run) == {"fay": "orphan"}
    User.objects.create(username="fay", first_name="Fay", last_name="Lee", email="new@example.org")
    done = actions.close(Finding.objects.filter(run=run), "admin")
    assert (done.number, list(done.refused)) == (0, [f"fay {actions.MATCHED}"])
    delivered(table.directory)
    assert table.read("fay") == ("new@example.org", True)
