"""Groups that come back, swap names, or were deleted in the portal: what the next import makes of them."""

import pytest

from provisioning import services
from provisioning.imports import engine
from provisioning.models import Group, GroupAccount
from provisioning.models.imports import RunStatus
from tests.provisioning.imports.group_source import GroupSource, groups
from tests.provisioning.imports.test_groups import finished, names, planned, who

__all__ = ["groups"]
pytestmark = [pytest.mark.django_db, pytest.mark.heavy]


def test_a_group_that_is_made_again_over_there_gets_its_name_back(groups: GroupSource) -> None:
    groups.person("ann")
    groups.put("old", "ann", name="Team")
    finished(groups)
    del groups.groups["old"]
    groups.put("new", "ann", name="Team")
    finished(groups)
    finished(groups)
    assert names() == {"Team"}
    assert who("Team") == {"ann"}
    assert planned(finished(groups)) == {}


def test_groups_that_swap_their_names_end_with_each_others(groups: GroupSource) -> None:
    groups.person("ann")
    groups.put("a", "ann", name="Red")
    groups.put("b", name="Blue")
    finished(groups)
    groups.put("a", "ann", name="Blue")
    groups.put("b", name="Red")
    for _ in range(3):
        finished(groups)
    assert names() == {"Red", "Blue"}
    assert who("Blue") == {"ann"}
    assert planned(finished(groups)) == {}


def test_a_name_that_the_portal_let_go_of_is_taken(groups: GroupSource) -> None:
    taken = Group.objects.create(name="Team")
    groups.put("dev", name="Team")
    finished(groups)
    assert names() == {"Team", "Team (HR)"}
    taken.name = "Other"
    taken.save()
    finished(groups)
    assert names() == {"Other", "Team"}


def test_a_name_that_is_taken_after_the_preview_does_not_stop_the_import(groups: GroupSource) -> None:
    groups.person("ann")
    groups.put("dev", "ann", name="Developers")
    finished(groups)
    groups.put("dev", "ann", name="Engineers")
    run = groups.people.run(preview=True)
    Group.objects.create(name="engineers")
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.FINISHED, run.message
    assert names() == {"engineers", "Engineers (HR)"}
    assert who("Engineers (HR)") == {"ann"}


def test_a_pushed_group_that_was_deleted_here_and_stays_there_is_passed_over(groups: GroupSource) -> None:
    groups.person("ann")
    directory = groups.people.directory
    GroupAccount.objects.create(directory=directory, key="dev", remote_id="dev", pushed_digest="x", state="active")
    groups.put("dev", "ann")
    run = finished(groups)
    assert (planned(run), run.errors) == ({}, 0)
    assert names() == set()
