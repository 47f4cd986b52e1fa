"""A plan that waits is divided: some of it approved, some refused with a reason, and the rest waits on."""

import pytest
from django.test import Client
from django.utils import timezone

from provisioning import directory_settings, services
from provisioning.imports import decisions, engine, plan_hash
from provisioning.imports.facets import EVERYTHING, RowCriteria
from provisioning.imports.plan_export import csv_lines
from provisioning.imports.users.plan import INACTIVE, MISSING
from provisioning.models import Decision, ImportRun, PlannedChange, User
from provisioning.models.imports import RunStatus
from reports.models import Direction, Event, Operation, Result
from tests.provisioning.imports.conftest import Source, planned, user

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
GONE = RowCriteria(actions=("deactivate",), cause=MISSING)


@pytest.fixture
def waiting(source: Source) -> ImportRun:
    """A plan that creates two people, renames no one, changes two and misses three."""
    source.map(DEPT="profile.department")
    for number in range(8):
        source.put(f"u{number}", "Old", "N", f"u{number}@x.org", also={"DEPT": "IT" if number % 2 else "HR"})
    source.run()
    source.remove("u5", "u6", "u7")
    source.put("u0", "Old", "N", "new0@x.org", also={"DEPT": "HR"})
    source.put("u1", "New", "N", "u1@x.org", also={"DEPT": "IT"})
    source.put("x", "X", "N", "x@x.org")
    source.put("y", "Y", "N", "y@x.org")
    run = source.run(preview=True)
    assert (run.created, run.updated, run.deactivated) == (2, 2, 3)
    return run


def approve(run: ImportRun, wanted: RowCriteria | None = None, actor: str = "boss") -> None:
    """Approve, apply, and read the run again."""
    services.approve_import(run, actor, plan_hash=run.plan_hash, wanted=wanted)
    engine.execute(run.pk)
    run.refresh_from_db()


def test_one_cause_is_approved_and_the_rest_waits_on(waiting: ImportRun) -> None:
    before = waiting.plan_hash
    approve(waiting, RowCriteria(actions=("create",)))
    assert waiting.status == RunStatus.APPROVAL
    assert waiting.message == "What was approved is applied. 5 changes still wait for a decision."
    assert User.objects.filter(username__in=["x", "y"]).count() == 2
    assert user("u7").is_active
    assert waiting.plan_hash != before
    assert {cause: number for _, cause, number in decisions.by_cause(waiting)} == {"changed": 2, "missing": 3}
    with pytest.raises(services.ImportRefused, match="another one"):
        services.approve_import(waiting, "boss", plan_hash=before)
    approve(waiting)
    assert (waiting.status, waiting.created, waiting.updated, waiting.deactivated) == (RunStatus.FINISHED, 2, 2, 3)
    assert not user("u7").is_active
    assert user("u0").email == "new0@x.org"


def test_the_last_approval_by_name_ends_the_run(waiting: ImportRun) -> None:
    services.refuse_changes(waiting, "boss", GONE, "HR is wrong")
    services.refuse_changes(waiting, "boss", RowCriteria(actions=("update",)), "Not now")
    approve(waiting, RowCriteria(actions=("create",)))
    assert (waiting.status, waiting.created, waiting.updated, waiting.deactivated) == (RunStatus.FINISHED, 2, 0, 0)
    assert waiting.refused == 5


def test_what_is_refused_stays_in_the_plan_and_comes_again(source: Source, waiting: ImportRun) -> None:
    with pytest.raises(services.ImportRefused, match="Say why"):
        services.refuse_changes(waiting, "boss", GONE, "  ")
    assert services.refuse_changes(waiting, "boss", GONE, "HR lost them") == 3
    waiting.refresh_from_db()
    assert (waiting.deactivated, waiting.refused) == (0, 3)
    with pytest.raises(services.ImportRefused, match="No row"):
        services.refuse_changes(waiting, "boss", GONE, "again")
    approve(waiting)
    assert (waiting.status, waiting.created, waiting.updated, waiting.deactivated) == (RunStatus.FINISHED, 2, 2, 0)
    assert user("u7").is_active
    rows = PlannedChange.objects.filter(run=waiting, verdict="refused")
    decision = Decision.objects.get(pk=rows[0].decision_id)
    assert (len(rows), decision.actor, decision.reason, decision.rows) == (3, "boss", "HR lost them", 3)
    assert Event.objects.filter(message__contains="boss refused 3 changes from HR").exists()
    assert len(planned(source.run(preview=True), "deactivate")) == 3


def test_refused_after_the_run_ended_is_too_late(waiting: ImportRun) -> None:
    approve(waiting)
    with pytest.raises(services.ImportRefused, match="no longer waiting"):
        services.refuse_changes(waiting, "boss", GONE, "late")


def test_the_number_of_what_is_destructive_is_typed(waiting: ImportRun, admin_client: Client) -> None:
    assert decisions.destructive(waiting) == 3
    address = f"/provisioning/importrun/{waiting.pk}/approve/"
    for typed in ("", "2", "x"):
        admin_client.post(address, {"plan_hash": waiting.plan_hash, "number": typed})
        waiting.refresh_from_db()
        assert waiting.status == RunStatus.PLANNED
    some = {"plan_hash": waiting.plan_hash, "scope": "some", "action": "create"}
    assert decisions.destructive(waiting, RowCriteria(actions=("create",))) == 0
    page = admin_client.get(f"/provisioning/importrun/{waiting.pk}/change/").content.decode()
    assert waiting.plan_hash in page
    assert "Type 3" in page
    admin_client.post(address, {"plan_hash": waiting.plan_hash, "number": "3"})
    waiting.refresh_from_db()
    assert waiting.status == RunStatus.APPLYING
    admin_client.post(address, some)
    waiting.refresh_from_db()
    assert waiting.status == RunStatus.APPLYING


def test_a_form_of_another_plan_is_refused(waiting: ImportRun, admin_client: Client) -> None:
    address = f"/provisioning/importrun/{waiting.pk}/approve/"
    answer = admin_client.post(address, {"plan_hash": "f" * 64, "number": "3"}, follow=True)
    assert "another one than the one that you looked at" in answer.content.decode()
    waiting.refresh_from_db()
    assert waiting.status == RunStatus.PLANNED


@pytest.mark.parametrize("who", ["started it", "changed the settings"])
def test_four_eyes(source: Source, waiting: ImportRun, who: str) -> None:
    source.set(four_eyes=True)
    if who == "changed the settings":
        Event.objects.create(
            at=waiting.created_at,
            application="HR",
            direction=Direction.PORTAL,
            operation=Operation.SETTINGS,
            result=Result.SUCCESS,
            actor="changer",
            message="x",
        )
    actor = "tester" if who == "started it" else "changer"
    with pytest.raises(services.ImportRefused, match=f"somebody else than {actor}, who {who.partition(' ')[0]}"):
        services.approve_import(waiting, actor, plan_hash=waiting.plan_hash)
    services.approve_import(waiting, "boss", plan_hash=waiting.plan_hash)


def test_four_eyes_see_settings_that_only_an_import_of_changes_came_after(source: Source, waiting: ImportRun) -> None:
    source.set(four_eyes=True)
    first = ImportRun.objects.exclude(pk=waiting.pk).get()
    assert first.started_at is not None
    assert first.finished_at is not None
    settings = {"application": "HR", "direction": Direction.PORTAL, "operation": Operation.SETTINGS, "message": "x"}
    at = first.started_at + (first.finished_at - first.started_at) / 2  # while an import ran with the old ones
    Event.objects.create(at=at, result=Result.SUCCESS, actor="changer", **settings)
    ImportRun.objects.filter(pk=waiting.pk).update(status=RunStatus.CANCELLED)
    changes = {"directory": source.directory, "incremental": True, "status": RunStatus.FINISHED, "actor": "x"}
    now = timezone.now()
    ImportRun.objects.create(started_at=now, finished_at=now, **changes)
    run = source.run(preview=True)
    with pytest.raises(services.ImportRefused, match="somebody else than changer"):
        services.approve_import(run, "changer", plan_hash=run.plan_hash)


def test_four_eyes_see_settings_whose_line_of_the_report_is_gone(source: Source, waiting: ImportRun) -> None:
    source.set(four_eyes=True)
    directory_settings.record(source.directory, "changer changed HR.", "changer")
    Event.objects.all().delete()
    with pytest.raises(services.ImportRefused, match="somebody else than changer"):
        services.approve_import(waiting, "changer", plan_hash=waiting.plan_hash)
    services.approve_import(waiting, "boss", plan_hash=waiting.plan_hash)


def test_passwords_of_refused_rows_are_forgotten(waiting: ImportRun) -> None:
    PlannedChange.objects.filter(run=waiting, key="u0").update(row={"digest": "x", "password": "secret"})
    waiting.plan_hash = plan_hash.of(waiting)
    waiting.save()
    services.refuse_changes(waiting, "boss", RowCriteria(search="u0"), "Not now")
    approve(waiting)
    assert waiting.status == RunStatus.FINISHED
    assert not PlannedChange.objects.filter(run=waiting, row__has_key="password").exists()


def test_a_kill_between_two_pages_of_what_was_approved_by_name(
    waiting: ImportRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.provisioning.imports.test_runs import PowerCut, expire

    monkeypatch.setattr("provisioning.imports.users.store.PAGE", 1)
    write, pages = engine.Applier._page, []

    def cut(self: engine.Applier, changes: object, *rest: object) -> None:
        pages.append(1)
        if len(pages) == 2:
            raise PowerCut
        write(self, changes, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.Applier, "_page", cut)
    services.approve_import(waiting, "boss", plan_hash=waiting.plan_hash, wanted=RowCriteria(actions=("create",)))
    with pytest.raises(PowerCut):
        engine.execute(waiting.pk)
    expire(waiting)
    engine.execute(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.status, len(pages)) == (RunStatus.APPROVAL, 3)
    assert User.objects.filter(username__in=["x", "y"]).count() == 2


# --- Looking through a plan ------------------------------------------------------------------------------------------


def names(run: ImportRun, query: str, client: Client) -> list[str]:
    """Return the user names that the page shows for a query."""
    rows = client.get(f"/provisioning/importrun/{run.pk}/change/?{query}").context["page"].rows
    return [row.change.key for row in rows]


def test_the_plan_is_filtered_by_kind_department_attribute_and_cause(waiting: ImportRun, admin_client: Client) -> None:
    assert names(waiting, "action=update", admin_client) == ["u0", "u1"]
    assert names(waiting, "attribute=profile.email", admin_client) == ["u0"]
    assert names(waiting, "attribute=profile.first_name", admin_client) == ["u1"]
    assert names(waiting, "department=HR", admin_client) == ["u0", "u6"]
    assert names(waiting, "cause=missing&department=IT", admin_client) == ["u5", "u7"]
    assert names(waiting, f"cause={INACTIVE}", admin_client) == []
    assert names(waiting, "q=u", admin_client) == ["u0", "u1", "u5", "u6", "u7"]


def test_the_plan_as_csv(source: Source, waiting: ImportRun, admin_client: Client) -> None:
    source.put("=cmd|x", "=1+1", "N", "z@x.org")
    source.rows = [row for row in source.rows if row.key != "=cmd|x"]
    lines = "".join(csv_lines(waiting, EVERYTHING)).splitlines()
    assert lines[0].lstrip("\ufeff") == "Kind,Name,What,Cause,Department,Attribute,Before,After,Message,Decision"
    assert "User,u0,Update,Other values,HR,E-mail,u0@x.org,new0@x.org,," in lines
    assert "User,u6,Deactivate,Missing from the source,HR,Active,Yes,No,Missing from HR," in lines
    PlannedChange.objects.filter(run=waiting, key="u0").update(after={"profile.email": "=HYPERLINK(1)"})
    answer = admin_client.get(f"/provisioning/importrun/{waiting.pk}/plan.csv?attribute=profile.email")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert "'=HYPERLINK(1)" in text
    assert "u6" not in text
