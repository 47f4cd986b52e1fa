"""Of the groups of a plan that waits single ones are approved or refused, with their members."""

import pytest
from django.test import Client

from provisioning import services
from provisioning.imports import decisions, engine
from provisioning.imports.facets import EVERYTHING, RowCriteria
from provisioning.models import Decision, ImportRun, Membership, PlannedGroup
from provisioning.models.imports import RunStatus
from tests.provisioning.imports.group_source import GroupSource, groups

__all__ = ["groups"]
pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
NAMES = ("ant", "bee", "cat")


@pytest.fixture
def waiting(groups: GroupSource) -> ImportRun:
    """A run of which only the lost memberships of three groups wait."""
    everybody = [f"user{number}" for number in range(8)]
    for key in everybody:
        groups.person(key)
    for name in NAMES:
        groups.put(name, *everybody)
    groups.people.run()
    groups.people.set(max_lost_members=0)
    for name in NAMES:
        groups.put(name, *everybody[:6])
    run = groups.people.run()
    assert (run.status, run.rest_applied, decisions.destructive(run)) == (RunStatus.APPROVAL, True, 6)
    return run


def these(run: ImportRun, *names: str) -> RowCriteria:
    ids = PlannedGroup.objects.filter(run=run, name__in=names).values_list("pk", flat=True)
    return RowCriteria(groups=tuple(ids))


def sizes() -> dict[str, int]:
    return {name: Membership.objects.filter(group__name=name).count() for name in NAMES}


def test_one_group_is_approved_one_refused_and_one_waits(waiting: ImportRun) -> None:
    one = these(waiting, "ant")
    assert decisions.destructive(waiting, one) == 2
    services.approve_import(waiting, "boss", plan_hash=waiting.plan_hash, wanted=one)
    engine.execute(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.message) == (
        RunStatus.APPROVAL,
        "What was approved is applied. 2 groups still wait for a decision.",
    )
    assert sizes() == {"ant": 6, "bee": 8, "cat": 8}
    assert services.refuse_changes(waiting, "boss", these(waiting, "bee"), "Not them") == 1
    assert decisions.destructive(waiting, EVERYTHING) == 2
    waiting.refresh_from_db()
    services.approve_import(waiting, "boss", plan_hash=waiting.plan_hash)
    engine.execute(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.status, sizes()) == (RunStatus.FINISHED, {"ant": 6, "bee": 8, "cat": 6})
    assert list(Decision.objects.values_list("verdict", "scope", "rows", "reason")) == [
        ("approved", "groups ant", 1, ""),
        ("refused", "groups bee", 1, "Not them"),
        ("approved", "everything", 0, ""),
    ]
    with pytest.raises(services.ImportRefused):
        services.refuse_changes(waiting, "boss", these(waiting, "bee"), "again")


def test_what_a_single_group_lost_is_undone_though_the_rest_was_cancelled(waiting: ImportRun) -> None:
    services.approve_import(waiting, "boss", plan_hash=waiting.plan_hash, wanted=these(waiting, "ant"))
    engine.execute(waiting.pk)
    waiting.refresh_from_db()
    services.cancel_import(waiting, "boss")
    waiting.refresh_from_db()
    back = services.undo(waiting, "boss")
    services.approve_import(back, "boss", plan_hash=back.plan_hash)
    engine.execute(back.pk)
    assert sizes() == {"ant": 8, "bee": 8, "cat": 8}


def test_the_page_asks_for_the_number_and_for_a_choice(waiting: ImportRun, admin_client: Client) -> None:
    page = f"/provisioning/importrun/{waiting.pk}"
    assert "Approve the chosen groups" in admin_client.get(f"{page}/change/").content.decode()
    form = {"plan_hash": waiting.plan_hash, "scope": "chosen", "number": "2", "reason": "No"}
    for address in ("approve", "refuse"):
        said = admin_client.post(f"{page}/{address}/", form, follow=True).content.decode()
        assert "No row that waits is meant by this." in said
    ids = list(these(waiting, "ant").groups)
    admin_client.post(f"{page}/approve/", {**form, "group": ids, "number": "6"})
    waiting.refresh_from_db()
    assert waiting.status == RunStatus.APPROVAL
    admin_client.post(f"{page}/refuse/", {**form, "group": ids})
    assert PlannedGroup.objects.filter(run=waiting, verdict="refused").count() == 1
    waiting.refresh_from_db()
    admin_client.post(f"{page}/approve/", {**form, "group": list(these(waiting, "bee").groups)})
    engine.execute(waiting.pk)
    assert sizes() == {"ant": 8, "bee": 6, "cat": 8}
