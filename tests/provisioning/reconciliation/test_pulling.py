"""What a directory holds is taken over by a plan: guarded, undone, never onto staff, never over another source."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.imports import engine
from provisioning.models import Account, Group, ImportRun, Membership, User
from provisioning.models.imports import Door, RunStatus
from provisioning.reconciliation import actions, pulling
from provisioning.reconciliation.models import Finding, Policy, ReconcileSettings
from reports.models import Event
from tests.provisioning.reconciliation.conftest import Hands, TableHands, TreeHands, delivered, found, reconciled

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


def test_what_is_only_written_there_is_not_taken_over(table: TableHands) -> None:
    join(table, "ann")
    AttributeMapping.objects.filter(directory_attribute="mail").update(direction="out")
    table.mail("ann", "other@example.org")
    assert list(pulled(table).refused) == [f"ann {pulling.NOT_MAPPED}"]


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
