"""An approval applies exactly the plan that was looked at, and nothing of it that changed meanwhile."""

from collections.abc import Sequence
from typing import Any

import pytest

from directories.connectors.base import RemoteAccount, Unavailable
from provisioning import services
from provisioning.imports import engine, plan_hash
from provisioning.models import PlannedChange, User
from provisioning.models.imports import RunStatus
from tests.provisioning.imports.conftest import Source, SourceConnector, errors, planned, user

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["looks up", "is read again"])
def either(request: pytest.FixtureRequest, source: Source, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A source that can look accounts up by their lasting ids, and one that has to be read again."""
    if request.param == "is read again":
        monkeypatch.setattr(SourceConnector, "look_up", lambda self, refs: None)
    return source


def test_the_hash_is_of_what_the_rows_do(source: Source) -> None:
    source.put("ann", "Ann", "A", "ann@x.org")
    source.put("bob", "Bob", "B", "bob@x.org")
    first = source.run(preview=True)
    assert len(first.plan_hash) == 64
    assert first.plan_hash == plan_hash.of(first)
    change = planned(first)[0]
    PlannedChange.objects.filter(pk=change.pk).update(message="Other words")
    assert plan_hash.of(first) == first.plan_hash
    PlannedChange.objects.filter(pk=change.pk).update(after={**change.after, "profile.email": "mallory@x.org"})
    assert plan_hash.of(first) != first.plan_hash


def test_the_approval_of_another_plan_is_refused(source: Source) -> None:
    source.put("ann", "Ann", "A")
    run = source.run(preview=True)
    with pytest.raises(services.ImportRefused, match="another one than the one that you looked at"):
        services.approve_import(run, "boss", plan_hash="0" * 64)
    run.refresh_from_db()
    assert run.status == RunStatus.PLANNED


def test_a_plan_that_was_altered_after_the_approval_is_not_applied(source: Source) -> None:
    source.put("ann", "Ann", "A", "ann@x.org")
    run = source.run(preview=True)
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    PlannedChange.objects.filter(run=run).update(key="mallory")
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.message) == (RunStatus.FAILED, engine.ANOTHER_PLAN)
    assert not User.objects.exists()


@pytest.mark.heavy
def test_whoever_was_changed_since_is_left_out_and_the_rest_goes_on(source: Source) -> None:
    for name in ("ann", "bob", "eve"):
        source.put(name, "Old", "Name", f"{name}@x.org")
    source.run()
    for name in ("ann", "bob", "eve"):
        source.put(name, "New", "Name", f"{name}@x.org")
    run = source.run(preview=True)
    User.objects.filter(username="ann").update(first_name="By hand")
    User.objects.filter(username="bob").update(phone="12")  # the plan says nothing of it
    User.objects.filter(username="eve").update(first_name="New")
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.updated, run.errors, run.changed_since) == (RunStatus.FINISHED, 2, 1, 1)
    assert errors(run)["ann"].startswith("Changed since the plan was made: first name.")
    assert [user(name).first_name for name in ("ann", "bob", "eve")] == ["By hand", "New", "New"]
    again = source.run(preview=True)
    assert [change.key for change in planned(again, "update")] == ["ann"]


@pytest.mark.heavy
def test_rows_of_which_the_source_says_else_by_now_are_refused(either: Source) -> None:
    source = either
    for name in ("stays", "changes", "goes", "returns", "leaves"):
        source.put(name, "Old", "Name", f"{name}@x.org")
    source.run()
    source.put("stays", "New", "Name", "stays@x.org")
    source.put("changes", "New", "Name", "changes@x.org")
    source.put("goes", "New", "Name", "goes@x.org")
    source.put("fresh", "Fresh", "Name", "fresh@x.org")
    source.put("brief", "Brief", "Name", "brief@x.org")
    source.remove("returns", "leaves")
    run = source.run(preview=True)
    assert run.planned == 7
    source.put("changes", "Newer", "Name", "changes@x.org")
    source.put("returns", "Old", "Name", "returns@x.org")
    source.remove("goes", "brief")
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.changed_since, run.errors) == (RunStatus.FINISHED, 4, 4)
    assert (run.created, run.updated, run.deactivated) == (1, 1, 1)
    found = errors(run)
    assert found["changes"].startswith("The row in HR was changed since")
    assert found["goes"].startswith("The row is not in HR any more")
    assert found["brief"].startswith("The row is not in HR any more")
    assert found["returns"] == "This person is in HR again, so they were not deactivated."
    assert user("stays").first_name == "New"
    assert user("changes").first_name == "Old"
    assert user("returns").is_active
    assert not user("leaves").is_active
    assert not User.objects.filter(username="brief").exists()


def test_an_approved_plan_waits_again_when_the_source_cannot_be_asked(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.put("ann", "Ann", "A")
    run = source.run(preview=True)
    services.approve_import(run, "boss", plan_hash=run.plan_hash)

    def down(self: Any, refs: Sequence[str]) -> None:
        raise Unavailable("HR cannot be reached.")

    monkeypatch.setattr(SourceConnector, "look_up", down)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.approved) == (RunStatus.APPROVAL, False)
    assert "Approve again later" in run.message
    assert not User.objects.exists()
    monkeypatch.undo()


def test_a_source_that_cannot_be_read_to_its_end_proves_nothing(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SourceConnector, "look_up", lambda self, refs: None)
    source.put("ann", "Ann", "A")
    run = source.run(preview=True)
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    source.complete = False
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert not User.objects.exists()


class PowerCut(BaseException):
    """What nothing catches."""


def test_an_approval_that_was_cut_off_while_it_looked_again_goes_on(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.provisioning.imports.test_runs import expire

    monkeypatch.setattr("provisioning.imports.users.still.CHUNK", 2)
    for number in range(5):
        source.put(f"u{number}", "A", "B", f"{number}@x.org")
    run = source.run(preview=True)
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    source.remove("u1", "u3")
    asked: list[int] = []

    def look_up(self: SourceConnector, refs: Sequence[str]) -> list[RemoteAccount]:
        asked.append(len(refs))
        if len(asked) == 2:
            raise PowerCut
        return [row for row in self.source.rows if row.ref in refs]

    monkeypatch.setattr(SourceConnector, "look_up", look_up)
    with pytest.raises(PowerCut):
        engine.execute(run.pk)
    expire(run)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.created, run.changed_since, run.errors) == (RunStatus.FINISHED, 3, 2, 2)
    assert set(errors(run)) == {"u1", "u3"}
