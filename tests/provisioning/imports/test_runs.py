"""A run's lease, its cancelling, the schedule, and how many queries a page takes."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from celery.signals import before_task_publish
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.models import Directory, ProvisioningSettings
from provisioning import services, tasks
from provisioning.imports import ahead, engine, requests, runs
from provisioning.imports.users import store
from provisioning.imports.users.plan import Planned
from provisioning.models import ImportRun, PlannedChange, User
from provisioning.models.imports import RunStatus, Trigger
from tests.fixtures.waiting import wait_until
from tests.provisioning.imports.conftest import Source, SourceConnector, errors, planned

pytestmark = pytest.mark.django_db
Captured = Callable[..., AbstractContextManager[Any]]


def expire(run: ImportRun) -> None:
    """Make the worker of a run look dead."""
    ImportRun.objects.filter(pk=run.pk).update(leased_until=timezone.now() - dt.timedelta(seconds=1))


def test_a_second_run_is_refused(source: Source) -> None:
    source.start()
    with pytest.raises(services.ImportRefused, match="already running"):
        source.start(preview=True)


def test_a_claimed_run_cannot_be_claimed_until_its_lease_ends(source: Source) -> None:
    run = source.start()
    assert runs.claim(run.pk)
    assert runs.claim(run.pk) is None
    engine.execute(run.pk)  # returns at once
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED
    expire(run)
    assert runs.claim(run.pk)


def test_a_worker_that_was_taken_for_dead_writes_nothing(source: Source) -> None:
    source.put_many(4)
    source.page_size = 2
    run = source.start()

    def taken_over(number: int) -> None:
        if number == 1:
            expire(run)
            source.before_page = lambda _: None
            engine.execute(run.pk)

    source.before_page = taken_over
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.message == "Imported 4 users from HR: 4 created, 0 updated, 0 deactivated, 0 errors"
    assert PlannedChange.objects.filter(run=run).count() == 4
    assert User.objects.count() == 4


class PowerCut(BaseException):
    """What nothing catches."""


@pytest.mark.heavy
def test_a_crawl_that_was_cut_off_starts_again(source: Source) -> None:
    source.put_many(6)
    source.page_size = 2
    run = source.start()

    def cut(number: int) -> None:
        if number == 2:
            raise PowerCut

    source.before_page = cut
    with pytest.raises(PowerCut):
        engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.seen, len(planned(run))) == (RunStatus.CRAWLING, 4, 4)
    source.before_page = lambda _: None
    expire(run)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.seen, run.created, len(planned(run))) == (RunStatus.FINISHED, 6, 6, 6)


@pytest.mark.heavy
def test_an_apply_that_was_cut_off_resumes_at_the_first_row_not_applied(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.imports.users.store.PAGE", 2)
    source.put_many(6)
    run = source.start()
    write = engine.Applier._page
    pages: list[int] = []

    def cut(self: Any, changes: Any, *rest: Any) -> None:
        pages.append(len(changes))
        write(self, changes, *rest)
        if len(pages) == 2:
            raise PowerCut  # after everything of the page was written, before its commit

    monkeypatch.setattr(engine.Applier, "_page", cut)
    with pytest.raises(PowerCut):
        engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.applied, User.objects.count()) == (RunStatus.APPLYING, 2, 2)
    expire(run)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.message == "Imported 6 users from HR: 6 created, 0 updated, 0 deactivated, 0 errors"
    assert pages == [2, 2, 2, 2]
    assert User.objects.count() == 6


def test_cancel_before_a_worker_came(source: Source) -> None:
    run = source.start()
    services.cancel_import(run, "boss")
    run.refresh_from_db()
    assert (run.status, run.message) == (RunStatus.CANCELLED, "Cancelled before anything was changed.")
    with pytest.raises(services.ImportRefused, match="no longer waiting: it is cancelled"):
        services.cancel_import(run, "boss")
    with pytest.raises(services.ImportRefused):
        services.approve_import(run, "boss", plan_hash=run.plan_hash)


@pytest.mark.heavy
def test_cancel_while_reading(source: Source) -> None:
    source.put_many(6)
    source.page_size = 2
    run = source.start()

    def cancel(number: int) -> None:
        if number == 1:
            services.cancel_import(run, "boss")

    source.before_page = cancel
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.message, run.seen) == (RunStatus.CANCELLED, "Cancelled before anything was changed.", 2)
    assert not User.objects.exists()
    source.before_page = lambda _: None
    assert source.run().created == 6


def test_cancel_while_a_page_is_read_ahead(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory keeps the import waiting: the run ends all the same, and the connector is closed afterwards."""
    monkeypatch.setattr(ahead, "ASK", 0.01)
    monkeypatch.setattr(SourceConnector, "reads_ahead", True)
    goes_on, closed = threading.Event(), threading.Event()
    monkeypatch.setattr(SourceConnector, "close", lambda self: closed.set(), raising=False)
    source.put_many(6)
    source.page_size = 2
    run = source.start()

    def keep_waiting(number: int) -> None:
        if number == 1:
            goes_on.wait(60)

    source.before_page = keep_waiting
    go_on = runs.Lease.go_on

    def cancelled_meanwhile(lease: runs.Lease) -> None:
        services.cancel_import(run, "boss")
        go_on(lease)

    monkeypatch.setattr(runs.Lease, "go_on", cancelled_meanwhile)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.message) == (RunStatus.CANCELLED, "Cancelled before anything was changed.")
    assert not closed.is_set()
    goes_on.set()
    assert closed.wait(60)


def test_cancel_while_applying_keeps_what_was_applied(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioning.imports.users.store.PAGE", 2)
    source.put_many(6)
    run = source.start()
    write = engine.Applier._page

    def cancel(self: Any, *rest: Any) -> None:
        write(self, *rest)
        ImportRun.objects.filter(pk=run.pk).update(cancel_requested=True)

    monkeypatch.setattr(engine.Applier, "_page", cancel)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.message) == (RunStatus.CANCELLED, "Cancelled after 2 of 6 changes; what is done is kept.")
    assert User.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_next_page_of_a_plan_is_read_while_one_is_applied(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a thread whose connection is closed in the end."""

    def others() -> set[int]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            return {pid for (pid,) in cursor.fetchall()}

    earlier = others()
    monkeypatch.setattr(store, "PAGE", 2)
    source.put_many(5)
    readers: set[int] = set()
    pages = store.pages

    def noted(*arguments: Any) -> Iterator[list[Planned]]:
        for page in pages(*arguments):
            readers.add(threading.get_ident())
            yield page

    monkeypatch.setattr(store, "pages", noted)
    run = source.run()
    assert (run.status, run.applied, User.objects.count()) == (RunStatus.FINISHED, 5, 5)
    assert len(readers - {threading.get_ident()}) == 1

    wait_until(lambda: others() <= earlier, 20, "the end of the reader's connection")


# --- Schedule --------------------------------------------------------------------------------------------------------


def scheduled(source: Source, at: dt.datetime | None) -> None:
    source.set(schedule="hourly", next_import_at=at)


def test_a_due_import_starts_once(
    source: Source, sent_tasks: list[Any], django_capture_on_commit_callbacks: Captured
) -> None:
    due = timezone.now() - dt.timedelta(minutes=1)
    scheduled(source, due)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.start_due_imports()
        tasks.start_due_imports()
    run = ImportRun.objects.get()
    assert (run.trigger, run.status) == (Trigger.SCHEDULE, RunStatus.QUEUED)
    assert sent_tasks == [("provisioning.tasks.run_import", [run.pk])]
    after = ProvisioningSettings.objects.get().next_import_at
    assert after is not None
    assert timezone.now() < after <= timezone.now() + dt.timedelta(hours=1)


def test_two_beats_that_read_the_same_moment_start_one_import(source: Source) -> None:
    scheduled(source, timezone.now() - dt.timedelta(minutes=1))
    both = [ProvisioningSettings.objects.select_related("directory").get() for _ in range(2)]
    for settings in both:
        requests._start_scheduled(settings)
        ImportRun.objects.update(status=RunStatus.FINISHED)
    assert ImportRun.objects.count() == 1


def test_what_is_not_due_does_not_start(source: Source) -> None:
    later = timezone.now() + dt.timedelta(minutes=1)
    scheduled(source, later)
    tasks.start_due_imports()
    scheduled(source, timezone.now() - dt.timedelta(minutes=1))
    source.set(import_users=False)
    tasks.start_due_imports()
    source.set(import_users=True)
    Directory.objects.update(enabled=False)
    tasks.start_due_imports()
    assert not ImportRun.objects.exists()


def test_a_schedule_without_a_moment_gets_one(source: Source) -> None:
    scheduled(source, None)
    tasks.start_due_imports()
    assert ProvisioningSettings.objects.get().next_import_at is not None
    assert not ImportRun.objects.exists()


def test_a_scheduled_import_takes_the_place_of_one_that_waits(source: Source) -> None:
    run = source.start()
    ImportRun.objects.filter(pk=run.pk).update(status=RunStatus.APPROVAL)
    scheduled(source, timezone.now() - dt.timedelta(minutes=1))
    tasks.start_due_imports()
    run.refresh_from_db()
    assert (run.status, run.message) == (RunStatus.CANCELLED, runs.REPLACED)
    assert ImportRun.objects.get(status=RunStatus.QUEUED).trigger == Trigger.SCHEDULE
    assert ProvisioningSettings.objects.get().next_import_at > timezone.now()  # type: ignore[operator]


def test_runs_that_nobody_works_on_are_sent_again(source: Source, sent_tasks: list[Any]) -> None:
    run = source.start()
    tasks.start_due_imports()
    assert sent_tasks == []  # its own message may still be on the way
    ImportRun.objects.update(created_at=timezone.now() - dt.timedelta(minutes=1))
    tasks.start_due_imports()
    lease = runs.claim(run.pk)
    assert lease
    tasks.start_due_imports()
    expire(run)
    tasks.start_due_imports()
    assert sent_tasks == [("provisioning.tasks.run_import", [run.pk])] * 2


def test_a_run_that_waited_too_long_goes_to_the_other_workers(
    source: Source, django_capture_on_commit_callbacks: Captured
) -> None:
    """The worker for imports may be missing or busy; the others read every other queue."""
    queues: list[str] = []

    def remember(routing_key: str = "", **_: object) -> None:
        queues.append(routing_key)

    before_task_publish.connect(remember)
    with django_capture_on_commit_callbacks(execute=True):
        requests.start_import(source.directory, preview=False, actor="anna")
    ImportRun.objects.update(created_at=timezone.now() - dt.timedelta(minutes=1))
    tasks.start_due_imports()
    before_task_publish.disconnect(remember)
    assert queues == ["imports", "celery"]


# --- Queries ---------------------------------------------------------------------------------------------------------


def queries_of(source: Source) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        run = source.run()
    assert run.status == RunStatus.FINISHED, run.message
    return len(captured)


@pytest.mark.heavy
def test_the_number_of_queries_depends_on_pages_not_on_rows(source: Source) -> None:
    Directory.objects.create(name="Other", kind="memory")
    ProvisioningSettings.objects.create(directory=Directory.objects.get(name="Other"), create_users=True)
    source.put_many(2, "warm")
    source.run()

    def grow(count: int, prefix: str) -> dict[str, int]:
        source.rows = []
        source.put_many(count, prefix)
        source.set(deactivate_missing=False)
        found = {"first": queries_of(source), "unchanged": queries_of(source)}
        rows, source.rows = source.rows, []
        for row in rows:
            source.put(row.key, "Changed", "L", str(row.attributes["MAIL"]))
        found["changed"] = queries_of(source)
        return found

    few, many = grow(60, "few"), grow(900, "many")
    # Rows are copied 500 at a time, so that the next ones are made ready meanwhile: into the plan, users, accounts and
    # the report.
    assert many == {**few, "first": few["first"] + 4, "changed": few["changed"] + 2}
    assert few["unchanged"] <= 58


@pytest.mark.heavy
def test_an_unchanged_page_takes_one_look_at_the_accounts(source: Source) -> None:
    source.put_many(300)
    source.run()
    source.page_size = 100
    with CaptureQueriesContext(connection) as captured:
        source.run()
    accounts = [one["sql"] for one in captured if "AS asked(ref)" in one["sql"]]
    assert len(accounts) == 3
    written = [one["sql"] for one in captured if one["sql"].startswith(("INSERT", "COPY"))]
    assert not [sql for sql in written if "event" not in sql and "importrun" not in sql]


@pytest.mark.heavy
def test_rows_twice_in_one_crawl(source: Source) -> None:
    source.put_many(2)
    source.rows += [source.rows[0]]
    first = source.run()
    assert (first.created, first.errors) == (1, 2)
    assert "same user name" in errors(first)["user0"]
    second = source.run()
    assert (second.unchanged, second.errors) == (1, 2)
    source.rows.pop()
    assert source.run().created == 1


@pytest.mark.parametrize("off", ["directory", "import"])
def test_a_plan_is_not_approved_while_its_directory_or_import_is_off(source: Source, off: str) -> None:
    source.put_many(2)
    run = source.run(preview=True)
    if off == "directory":
        Directory.objects.update(enabled=False)
    else:
        source.set(import_users=False)
    with pytest.raises(services.ImportRefused, match="switched off"):
        services.approve_import(run, "boss", plan_hash=run.plan_hash)
    run.refresh_from_db()
    assert run.status == RunStatus.PLANNED
    services.cancel_import(run, "boss")
    assert not User.objects.exists()
