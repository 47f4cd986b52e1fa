"""Runs, operations and report lines over the REST API."""

from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.utils import timezone

from directories.models import ProvisioningSettings
from provisioning import actors, services
from provisioning.imports import engine
from provisioning.models import Account, Change, Group, GroupAccount, GroupChange, ImportRun, User
from provisioning.models.imports import RunStatus
from provisioning.roles import IT_STAFF
from reports.journal import Line, record
from reports.models import Direction, Event, Operation, Result
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import Program, of_service, personal
from tests.provisioning.api.test_users import problem
from tests.provisioning.imports.conftest import Source

pytestmark = pytest.mark.django_db


@pytest.fixture
def preview(source: Source, program: Program) -> Any:
    """A preview that a program asked for: it adds anna and misses ben."""
    source.put("ben", "Ben", "N", "ben@x.org")
    source.run()
    source.remove("ben")
    source.put("anna", "Anna", "N", "anna@x.org")
    asked = program.ask("POST", "runs", {"directory": source.directory.pk}, Prefer="respond-async")
    assert (asked.status_code, asked["Preference-Applied"]) == (202, "respond-async")
    assert asked.json()["status"] == RunStatus.QUEUED
    engine.execute(asked.json()["id"])
    return program.get(asked["Location"]).json()


def approve(program: Program, run: Any, **body: Any) -> Any:
    return program.ask("POST", f"runs/{run['id']}/approve", {"plan_hash": run["plan_hash"], **body})


@pytest.mark.heavy
def test_a_preview_is_started_looked_at_approved_and_undone(program: Program, preview: Any) -> None:
    assert (preview["status"], preview["created"], preview["deactivated"]) == (RunStatus.PLANNED, 1, 1)
    rows = program.list(f"runs/{preview['id']}/changes", 'action eq "create"')
    assert [(row["key"], row["after"]["profile.email"]) for row in rows] == [("anna", "anna@x.org")]
    assert "Type 1" in problem(approve(program, preview), 409)["detail"]
    assert "another one" in problem(approve(program, {**preview, "plan_hash": "0" * 64}, number=1), 409)["detail"]
    assert approve(program, preview, number=1).status_code == 202
    engine.execute(preview["id"])
    assert User.objects.filter(username="anna").exists()
    assert not User.objects.get(username="ben").is_active
    undone = program.ask("POST", f"runs/{preview['id']}/undo", {})
    assert (undone.status_code, undone.json()["undoes"]) == (202, preview["id"])
    assert program.ask("POST", f"runs/{undone.json()['id']}/cancel").json()["status"] == RunStatus.CANCELLED
    line = Event.objects.filter(message__contains="approved the import").get()
    assert line.actor == "ida, by token sync"


@pytest.mark.heavy
def test_an_approval_asks_for_the_rights_that_the_plan_needs(staff: User, preview: Any, program: Program) -> None:
    ImportRun.objects.filter(pk=preview["id"]).update(deleted=1)
    right = Permission.objects.get(codename="delete_user", content_type__app_label="provisioning")
    Role.objects.get(name=IT_STAFF).permissions.remove(right)
    assert "provisioning.delete_user" in problem(approve(program, preview, number=1), 403)["detail"]


@pytest.mark.heavy
def test_nobody_is_two_people_by_having_a_token(staff: User, source: Source, preview: Any, program: Program) -> None:
    ProvisioningSettings.objects.filter(directory=source.directory).update(four_eyes=True)
    assert "somebody else than ida" in problem(approve(program, preview, number=1), 409)["detail"]
    second = personal(staff, name="second")
    assert "somebody else than ida" in problem(approve(second, preview, number=1), 409)["detail"]
    run = ImportRun.objects.get(pk=preview["id"])
    with pytest.raises(services.ImportRefused, match="somebody else"):
        services.approve_import(run, "ida", plan_hash=run.plan_hash)
    ImportRun.objects.filter(pk=run.pk).update(actor="root")
    service = of_service(IT_STAFF)
    assert "somebody else" in problem(approve(service, preview, number=1), 409)["detail"]
    services.rename_and_save(User.objects.get(username="root"), "chief", "root")
    assert "somebody else than chief" in problem(approve(service, preview, number=1), 409)["detail"]
    run.refresh_from_db()
    with pytest.raises(services.ImportRefused, match="somebody else than chief"):
        services.approve_import(run, "chief", plan_hash=run.plan_hash)
    ImportRun.objects.filter(pk=run.pk).update(actor="chief")
    assert "somebody else than chief" in problem(approve(service, preview, number=1), 409)["detail"]
    assert approve(program, preview, number=1).status_code == 202


def test_who_is_behind_a_token_is_told_from_its_name() -> None:
    for actor in (
        "anna",
        actors.through_token("anna", "x, by token y"),
        actors.through_token("anna", "z", service=True),
    ):
        assert actors.person_behind(actor) == "anna"


@pytest.mark.heavy
def test_a_run_that_cannot_be_started_says_why(program: Program) -> None:
    off = roll.directory()
    assert problem(program.ask("POST", "runs", {"directory": off.pk}), 409)["detail"]
    assert problem(program.ask("POST", "runs", {"directory": 0}), 400)["errors"]["directory"]
    for what in ("approve", "cancel", "undo"):
        assert problem(program.ask("POST", f"runs/0/{what}", {}), 404)
    assert problem(program.get("runs/0/changes"), 404)


@pytest.mark.heavy
def test_an_operation_that_failed_is_tried_again(program: Program) -> None:
    directory = roll.directory(update_users=True)
    account = Account.objects.create(user=roll.person("anna"), directory=directory, key="anna")
    parked = {"parked": timezone.now(), "parked_code": "refused", "parked_message": "No."}
    Change.objects.all().delete()
    change = Change.objects.create(account=account, directory=directory, reason="updated", **parked)
    [row] = program.list("operations", f'parked pr and parked_code eq "refused" and user eq {account.user_id}')
    assert (row["id"], row["key"]) == (change.pk, "anna")
    assert program.ask("POST", f"operations/{change.pk}/retry").json() == {"tried": 1}
    change.refresh_from_db()
    assert change.parked is None
    assert problem(program.ask("POST", "operations/0/retry"), 404)
    held = GroupAccount.objects.create(directory=directory, group=Group.objects.create(name="Nurses"), key="Nurses")
    of_group = GroupChange.objects.create(group_account=held, directory=directory, reason="updated", **parked)
    assert [row["key"] for row in program.list("group-operations")] == ["Nurses"]
    assert program.ask("POST", f"group-operations/{of_group.pk}/retry").status_code == 202


def test_a_retry_releases_nothing_that_is_held(program: Program) -> None:
    directory = roll.directory(update_users=True)
    account = Account.objects.create(user=roll.person("anna"), directory=directory, key="anna")
    held = {"parked": timezone.now(), "parked_code": "held", "parked_message": "Over the limit."}
    change = Change.objects.create(account=account, directory=directory, reason="updated", **held)
    program.ask("POST", f"operations/{change.pk}/retry")
    change.refresh_from_db()
    assert not change.cleared


@pytest.mark.heavy
def test_the_report_is_read_newest_first_in_pages(program: Program) -> None:
    for number in range(5):
        result = Result.FAILED if number % 2 else Result.SUCCESS
        record(Line(f"u{number}", "CRM", Direction.OUT, Operation.UPDATE, result, "Told.", group_id=number))
    found, address = [], "events?limit=2&filter=application+eq+%22CRM%22"
    while address:
        page = program.get(address).json()
        found += [row["identifier"] for row in page["items"]]
        address = page["next"]
    assert found == ["u4", "u3", "u2", "u1", "u0"]
    assert [row["identifier"] for row in program.list("events", 'result eq "failed" or group eq 0')] == [
        "u3",
        "u1",
        "u0",
    ]
    first = program.get("events?limit=1&filter=not+(group+eq+9)").json()
    assert program.get(first["next"]).json()["items"][0]["identifier"] == "u3"
    assert problem(program.get("events?cursor=x"), 400)
    assert problem(program.get("events?filter=nobody+pr"), 400)
