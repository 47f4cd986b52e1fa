"""What somebody did to a directory by hand is found, acted on, and read back: on a database, an OpenLDAP and an AD."""

import pytest

from provisioning import services
from provisioning.models import Account, Change, Group, User
from provisioning.models.imports import RunStatus
from provisioning.reconciliation import actions
from provisioning.reconciliation.models import Finding, FindingKind
from reports.models import Event
from tests.provisioning.reconciliation.conftest import Hands, TreeHands, delivered, found, reconciled

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
NAMES = ("ann", "bob", "cid", "dan", "eve")


@pytest.fixture
def crew(hands: Hands) -> Hands:
    """Five people; eve has left, and her account is disabled where that can be."""
    for name in NAMES:
        User.objects.create(username=name, first_name=name.title(), last_name="Lee", email=f"{name}@example.org")
    delivered(hands.directory)
    return hands


def test_members_whom_somebody_took_out_and_put_in_are_found_and_mended(crew: Hands) -> None:
    if not isinstance(crew, TreeHands):
        pytest.skip("the table has no groups")
    group = Group(name="Crew")
    services.save_group(group, "admin")
    group.directories.add(crew.directory)
    users = {user.username: user.pk for user in User.objects.all()}
    services.add_members(group, [users["ann"], users["bob"]], "admin")
    services.provision_directory(crew.directory, "admin")
    delivered(crew.directory)
    assert crew.members("Crew") >= {"ann", "bob"}
    assert found(reconciled(crew.directory)) == {}
    crew.leave("Crew", "ann")
    crew.join("Crew", "cid")
    run = reconciled(crew.directory)
    assert found(run) == {"ann": "member_less", "cid": "member_more"}
    assert run.message == "5 of 5 accounts in step; 1 member missing, 1 member too many."
    assert actions.push(Finding.objects.filter(run=run), "admin").number == 2
    delivered(crew.directory)
    assert crew.members("Crew") & set(NAMES) == {"ann", "bob"}
    assert found(reconciled(crew.directory)) == {}


def can_disable(hands: Hands) -> bool:
    return hands.directory.kind != "ldap"


def leave(hands: Hands, name: str) -> None:
    services.set_active([User.objects.get(username=name).pk], False, "admin")
    delivered(hands.directory)


def test_what_was_done_by_hand_is_found_and_pushed_back(crew: Hands) -> None:
    run = reconciled(crew.directory)
    assert (run.status, run.message) == (RunStatus.FINISHED, "5 of 5 accounts in step.")
    if can_disable(crew):
        leave(crew, "eve")
        assert crew.read("eve") == ("eve@example.org", False)
        crew.switch("eve", True)
        crew.switch("dan", False)
    crew.remove("ann")
    crew.mail("bob", "other@example.org")
    crew.add("zoe")
    run = reconciled(crew.directory)
    wanted = {"ann": "missing", "bob": "different", "zoe": "orphan"}
    if can_disable(crew):
        wanted |= {"eve": "enabled", "dan": "disabled"}
    assert found(run) == wanted
    assert Finding.objects.get(run=run, key="bob").values == {"mail": ["bob@example.org", "other@example.org"]}
    dangers = set(Finding.objects.filter(run=run, danger=True).values_list("key", flat=True))
    assert dangers == ({"eve", "zoe"} if can_disable(crew) else {"zoe"})
    done = actions.push(Finding.objects.filter(run=run).exclude(kind=FindingKind.ORPHAN), "admin")
    assert (done.number, done.refused) == (len(wanted) - 1, {})
    delivered(crew.directory)
    assert crew.read("ann") == ("ann@example.org", True)
    assert crew.read("bob") == ("bob@example.org", True)
    if can_disable(crew):
        assert crew.read("eve") == ("eve@example.org", False)
        assert crew.read("dan") == ("dan@example.org", True)
    closed = actions.close(Finding.objects.filter(run=run, kind=FindingKind.ORPHAN), "admin")
    assert (closed.number, closed.refused) == (1, {})
    delivered(crew.directory)
    assert crew.read("zoe") is None
    assert Event.objects.filter(actor="admin", identifier="zoe", message__contains="deleted").exists()
    again = reconciled(crew.directory)
    assert (again.message, found(again)) == ("5 of 5 accounts in step.", {})


def test_an_orphan_becomes_the_account_of_the_user_whom_it_matches(crew: Hands) -> None:
    kept = User.objects.create(username="fay", first_name="Fay", last_name="Lee", email="new@example.org")
    crew.add("fay")
    Change.objects.all().delete()  # as from before the directory was added
    run = reconciled(crew.directory)
    assert found(run) == {"fay": "orphan"}
    assert Finding.objects.get(run=run).message == "Matches fay."
    assert actions.adopt(Finding.objects.filter(run=run), "admin").number == 1
    delivered(crew.directory)
    assert Account.objects.get(user=kept).state == "active"
    assert crew.read("fay") == ("new@example.org", True)
    assert found(reconciled(crew.directory)) == {}
