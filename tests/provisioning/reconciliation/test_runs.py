"""Runs that are cut, killed, cancelled, or that find what somebody decided before."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.connectors.base import Page, Unavailable
from directories.connectors.sql.connector import SqlConnector
from directories.models import Directory
from provisioning.imports.runs import LeaseLost
from provisioning.models import Account, Change, User
from provisioning.models.imports import RunStatus
from provisioning.reconciliation import actions, engine, requests
from provisioning.reconciliation.models import Finding, Policy, ReconcileRun, ReconcileSettings
from tests.provisioning.reconciliation.conftest import TableHands, delivered, found, reconciled, start

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]


@pytest.fixture
def crew(table: TableHands) -> TableHands:
    """Thirty people in step."""
    for number in range(30):
        User.objects.create(username=f"user{number}", email=f"user{number}@example.org")
    delivered(table.directory)
    return table


def cut(monkeypatch: pytest.MonkeyPatch, after: int, error: Exception | None) -> None:
    """Let the reading end after some rows, with an error or without a last page."""
    whole = SqlConnector.accounts

    def accounts(self: SqlConnector, page_size: int = 1000) -> Iterator[Page]:
        for page in whole(self, after):
            yield Page(page.accounts, last=False)
            if error is not None:
                raise error
            return

    monkeypatch.setattr(SqlConnector, "accounts", accounts)


@pytest.mark.parametrize("error", [None, Unavailable("The server went away.")])
def test_a_reading_that_is_cut_calls_nobody_missing(
    crew: TableHands, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    crew.mail("user1", "other@example.org")
    crew.remove("user2")
    cut(monkeypatch, 29, error)
    run = reconciled(crew.directory)
    assert run.status == RunStatus.FAILED
    assert not Finding.objects.filter(run=run, kind="missing").exists()
    assert found(run) == {"user1": "different"}
    monkeypatch.undo()
    assert found(reconciled(crew.directory)) == {"user1": "different", "user2": "missing"}
    assert Finding.objects.count() == 2  # those of the run before are gone


def test_an_empty_directory_is_an_error_and_nobody_is_missing(crew: TableHands) -> None:
    crew.database.execute("DELETE FROM people")
    run = reconciled(crew.directory)
    assert (run.status, found(run)) == (RunStatus.FAILED, {})
    assert "gave no users, although 30 came from it before" in run.message


def test_a_run_whose_worker_died_begins_anew(crew: TableHands, monkeypatch: pytest.MonkeyPatch) -> None:
    crew.mail("user1", "other@example.org")
    run = start(crew.directory)
    with monkeypatch.context() as patched:

        def die(*_: Any) -> None:
            raise SystemExit

        patched.setattr(engine, "_finish", die)
        with pytest.raises(SystemExit):
            engine.execute(run.pk)
    assert Finding.objects.filter(run=run).count() == 1
    engine.execute(run.pk)  # still leased
    assert ReconcileRun.objects.get().status == RunStatus.CRAWLING
    ReconcileRun.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.seen, run.in_step, found(run)) == (RunStatus.FINISHED, 30, 29, {"user1": "different"})


def test_a_worker_that_was_taken_for_dead_writes_nothing(crew: TableHands) -> None:
    run = start(crew.directory)
    lease = engine.runs.claim(run.pk, ReconcileRun)
    assert lease is not None
    ReconcileRun.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    engine.execute(run.pk)
    with pytest.raises(LeaseLost):
        lease.write(seen=0)
    assert ReconcileRun.objects.get().seen == 30


def test_a_run_is_cancelled_at_its_next_page(crew: TableHands) -> None:
    run = start(crew.directory)
    ReconcileRun.objects.update(cancel_requested=True)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.message) == (RunStatus.CANCELLED, engine.CANCELLED)
    waiting = start(crew.directory)
    with pytest.raises(requests.RequestRefused, match="already"):
        start(crew.directory)
    requests.cancel(waiting)
    with pytest.raises(requests.RequestRefused, match="ended"):
        requests.cancel(waiting)


def test_a_page_takes_as_many_queries_however_many_accounts_are_on_it(crew: TableHands) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert reconciled(crew.directory).status == RunStatus.FINISHED
        return len(captured)

    crew.mail("user1", "other@example.org")
    crew.remove("user2")
    crew.add("stranger")
    few = queries()
    for number in range(30, 300):
        User.objects.create(username=f"user{number}", email=f"user{number}@example.org")
    delivered(crew.directory)
    crew.database.execute("UPDATE people SET mail='x' WHERE login LIKE 'user1%%'")
    crew.database.execute("DELETE FROM people WHERE login LIKE 'user2%%'")
    for number in range(50):
        crew.add(f"stranger{number}")
    assert queries() == few
    assert Finding.objects.count() > 250


def test_what_is_on_its_way_is_no_finding(crew: TableHands) -> None:
    user = User.objects.get(username="user1")
    user.email = "new@example.org"
    user.save()
    run = reconciled(crew.directory)
    assert (found(run), run.message) == ({}, "29 of 30 accounts in step; 1 on their way.")


def test_a_finding_that_changed_meanwhile_is_refused_and_said(crew: TableHands) -> None:
    crew.mail("user1", "other@example.org")
    crew.mail("user2", "other@example.org")
    crew.add("stranger")
    run = reconciled(crew.directory)
    user = User.objects.get(username="user1")
    user.email = "mine@example.org"
    user.save()
    User.objects.get(username="user2").delete()
    Change.objects.all().delete()
    Account.objects.create(directory=crew.directory, key="stranger", remote_id="stranger")
    done = actions.push(Finding.objects.filter(run=run, kind="different"), "admin")
    assert done.number == 0
    assert sorted(done.refused) == [f"user1 {actions.STALE}", f"user2 {actions.STALE}"]
    closed = actions.close(Finding.objects.filter(run=run, kind="orphan"), "admin")
    assert (closed.number, list(closed.refused)) == (0, [f"stranger {actions.OWNED}"])
    assert not Change.objects.exists()


def test_no_account_of_somebody_who_is_here_is_closed_as_an_orphan(crew: TableHands) -> None:
    crew.switch("user1", False)
    User.objects.get(username="user1").delete()
    User.objects.create(username="fay")
    crew.add("fay")
    Change.objects.all().delete()
    run = reconciled(crew.directory)
    assert found(run) == {"fay": "orphan", "user1": "orphan"}
    back = User.objects.create(username="user1b")
    Account.objects.filter(user=back).delete()
    Account.objects.filter(key="user1").update(user=back, state="disabled", deleted_at=None)
    Change.objects.all().delete()
    closed = actions.close(Finding.objects.filter(run=run, kind="orphan"), "admin")
    assert closed.number == 0
    assert sorted(closed.refused) == [f"fay {actions.MATCHED}", f"user1 {actions.OWNED}"]
    assert Account.objects.get(user=back).state == "disabled"
    assert not Change.objects.exists()


def test_what_is_switched_off_is_said_and_not_enqueued(crew: TableHands) -> None:
    crew.mail("user1", "other@example.org")
    crew.add("stranger")
    crew.directory.provisioning.update_users = crew.directory.provisioning.delete_users = False
    crew.directory.provisioning.save()
    run = reconciled(crew.directory)
    done = actions.push(Finding.objects.filter(run=run, kind="different"), "admin")
    assert (done.number, list(done.refused)) == (0, ["Updating users is switched off for People."])
    closed = actions.close(Finding.objects.filter(run=run, kind="orphan"), "admin")
    assert (closed.number, list(closed.refused)) == (0, [actions.CLOSES_NOT.format(name="People")])


def test_an_ignored_finding_stays_away_until_its_end(crew: TableHands) -> None:
    crew.mail("user1", "other@example.org")
    run = reconciled(crew.directory)
    until = timezone.localdate() + dt.timedelta(days=7)
    chosen = Finding.objects.filter(run=run)
    done = actions.ignore(chosen, "admin", reason="They {know}.", owner="ann", until=until)
    assert done.number == 1
    run = reconciled(crew.directory)
    again = Finding.objects.get()
    assert (again.run, again.state, again.owner, again.reason) == (run, "ignored", "ann", "They {know}.")
    assert run.counts == {}
    Finding.objects.update(ignored_until=timezone.localdate() - dt.timedelta(days=1))
    assert Finding.objects.filter(actions.open_now()).exists()
    assert reconciled(crew.directory).counts == {"different": 1}
    assert Finding.objects.get().state == "open"


def test_a_policy_pushes_one_kind_and_passes_over_another(crew: TableHands) -> None:
    policies = {"different": Policy.PUSH, "orphan": Policy.IGNORE}
    ReconcileSettings.objects.create(directory=crew.directory, policies=policies)
    crew.mail("user1", "other@example.org")
    crew.add("stranger")
    run = reconciled(crew.directory)
    assert (found(run), run.passed_over) == ({"user1": "different"}, 1)
    assert Finding.objects.get().decided_by == actions.POLICY
    delivered(crew.directory)
    assert crew.read("user1") == ("user1@example.org", True)
    assert crew.read("stranger") is not None


def test_the_schedule_starts_a_run_once(crew: TableHands, sent_tasks: list[tuple[str, list[Any]]]) -> None:
    settings = ReconcileSettings.objects.create(directory=crew.directory, schedule="hourly")
    requests.start_due()
    settings.refresh_from_db()
    assert settings.next_run_at is not None
    assert not ReconcileRun.objects.exists()
    ReconcileSettings.objects.update(next_run_at=timezone.now() - dt.timedelta(minutes=1))
    requests.start_due()
    requests.start_due()
    run = ReconcileRun.objects.get()
    assert (run.trigger, run.actor) == ("schedule", "")


def test_a_directory_that_is_off_is_not_compared(crew: TableHands) -> None:
    Directory.objects.update(enabled=False)
    with pytest.raises(requests.RequestRefused, match="switched off"):
        start(Directory.objects.get())
