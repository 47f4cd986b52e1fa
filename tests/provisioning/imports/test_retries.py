"""An import whose directory could not be reached is tried again, and one whose worker died is soon taken over."""

import datetime as dt
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from directories.connectors.base import Unavailable
from directories.models import Directory
from provisioning import services, tasks
from provisioning.imports import engine, runs
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus, Trigger
from reports.models import Event
from tests.fixtures.waiting import wait_until
from tests.provisioning.imports.conftest import Source

LOST = "The connection to the database was lost. The portal tries again by itself."
Captured = Callable[..., AbstractContextManager[Any]]


def lost(_: int) -> None:
    raise Unavailable(LOST)


def failed(source: Source, **how: Any) -> ImportRun:
    """Return a run whose directory could not be reached."""
    source.before_page = lost
    how = {"trigger": Trigger.SCHEDULE, "preview": False, **how}
    directory = Directory.objects.select_related("provisioning").get(pk=source.directory.pk)
    run = services.start_import(directory, actor="", **how)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    return run


def again(run: ImportRun) -> ImportRun:
    """Let the pause of a failed run be over, and return the run that follows."""
    ImportRun.objects.filter(pk=run.pk).update(retry_at=timezone.now())
    tasks.start_due_imports()
    tasks.start_due_imports()
    found = ImportRun.objects.exclude(pk=run.pk).exclude(status=RunStatus.FAILED).get()
    assert (found.trigger, found.incremental, found.tries) == (run.trigger, run.incremental, run.tries + 1)
    engine.execute(found.pk)
    found.refresh_from_db()
    return found


@pytest.mark.heavy
@pytest.mark.django_db
@pytest.mark.parametrize("trigger", [Trigger.SCHEDULE, Trigger.MANUAL, Trigger.LISTENER])
def test_an_import_is_tried_again_when_its_directory_could_not_be_reached(source: Source, trigger: Trigger) -> None:
    source.put("anna")
    began = timezone.now()
    run = failed(source, trigger=trigger, incremental=trigger == Trigger.LISTENER)
    assert run.retry_at is not None
    assert began + runs.FIRST_PAUSE <= run.retry_at <= timezone.now() + runs.FIRST_PAUSE
    moment = timezone.localtime(run.retry_at).strftime("%H:%M")
    assert run.message == f"The connection to the database was lost. The portal tries again at {moment}."
    assert Event.objects.get(run_id=run.pk).message.endswith(run.message)
    tasks.start_due_imports()  # its pause is not over
    assert ImportRun.objects.get() == run
    second = again(run)
    assert second.status == RunStatus.FAILED
    source.before_page = lambda _: None
    assert again(second).status == RunStatus.FINISHED
    assert User.objects.filter(username="anna").exists()


@pytest.mark.django_db
def test_the_pauses_grow_and_end(source: Source) -> None:
    now = timezone.now()
    minutes = [round((runs.retry_moment(now, tries, None) - now).total_seconds() / 60) for tries in range(8)]  # type: ignore[operator]
    assert minutes == [1, 2, 4, 8, 16, 30, 30, 30]
    assert runs.retry_moment(now, 0, 600.0) == now + dt.timedelta(minutes=10)
    assert runs.retry_moment(now, runs.MOST_TRIES, None) is None
    ImportRun.objects.create(directory=source.directory, status=RunStatus.FAILED, tries=0)
    run = failed(source, tries=runs.MOST_TRIES)
    assert run.retry_at is None
    assert run.message == "The connection to the database was lost. Import again later."


@pytest.mark.django_db
def test_previews_and_the_command_line_do_not_promise_what_nobody_does(source: Source) -> None:
    run = failed(source, preview=True, trigger=Trigger.MANUAL)
    assert (run.retry_at, run.message) == (None, "The connection to the database was lost. Import again later.")
    with pytest.raises(CommandError, match=r"was lost\. Import again later\.$"):
        call_command("import_directory", source.directory.name)
    assert not ImportRun.objects.filter(retry_at__isnull=False).exists()


@pytest.mark.django_db
def test_what_somebody_must_mend_is_not_tried_again(source: Source) -> None:
    source.complete = False
    assert source.run().retry_at is None


@pytest.mark.django_db
def test_a_newer_import_takes_the_place_of_the_try(source: Source) -> None:
    run = failed(source)
    ImportRun.objects.filter(pk=run.pk).update(retry_at=timezone.now())
    source.before_page = lambda _: None
    source.run()
    tasks.start_due_imports()
    assert ImportRun.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("ended", [RunStatus.FINISHED, RunStatus.FAILED])
def test_an_import_of_changes_takes_the_place_of_no_whole_one(source: Source, ended: RunStatus) -> None:
    run = failed(source)
    source.set(import_cursor={}, incremental_minutes=1)
    later = timezone.now() + 2 * runs.FIRST_PAUSE
    ImportRun.objects.filter(pk=run.pk).update(retry_at=timezone.now())
    changes = ImportRun.objects.create(
        directory=source.directory, incremental=True, status=ended, retry_at=later, created_at=timezone.now()
    )
    tasks.start_due_imports()
    again = ImportRun.objects.get(tries=1)
    assert (again.incremental, again.pk > changes.pk) == (False, True)
    engine.execute(again.pk)
    ImportRun.objects.filter(pk=changes.pk).update(retry_at=timezone.now())
    ImportRun.objects.filter(pk=again.pk).update(retry_at=None)
    tasks.start_due_imports()
    assert ImportRun.objects.count() == 3  # what changed is read by the whole one


@pytest.mark.django_db
def test_nothing_is_tried_while_the_import_is_off_or_something_runs(source: Source) -> None:
    run = failed(source)
    ImportRun.objects.filter(pk=run.pk).update(retry_at=timezone.now())
    source.set(import_users=False)
    tasks.start_due_imports()
    source.set(import_users=True)
    preview = source.start(preview=True)
    tasks.start_due_imports()
    assert set(ImportRun.objects.all()) == {run, preview}
    engine.execute(preview.pk)
    tasks.start_due_imports()
    assert ImportRun.objects.filter(tries=1).count() == 1


# --- Workers that died -----------------------------------------------------------------------------------------------


def test_a_run_whose_worker_was_killed_is_taken_over_within_a_minute() -> None:
    looks = settings.CELERY_BEAT_SCHEDULE["start-due-imports"]["schedule"]
    assert runs.LEASE.total_seconds() + looks <= 60


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
def test_the_lease_is_kept_while_the_source_is_slow(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page comes, and the worker is not dead."""
    monkeypatch.setattr(runs, "RENEW", 0.05)
    source.put("anna")
    run = source.start()
    renewed: list[dt.datetime] = []

    def slow(_: int) -> None:
        held = ImportRun.objects.get(pk=run.pk).leased_until
        assert held is not None
        wait_until(lambda: ImportRun.objects.filter(pk=run.pk, leased_until__gt=held).exists(), 20, "a longer lease")
        renewed.append(held)

    source.before_page = slow
    engine.execute(run.pk)
    run.refresh_from_db()
    assert renewed
    assert run.status == RunStatus.FINISHED
    assert not [one for one in threading.enumerate() if one.name.startswith("lease")]


@pytest.mark.django_db(transaction=True)
def test_a_page_that_takes_longer_than_the_lease_is_not_taken_over(source: Source) -> None:
    run = source.start()
    lease = runs.claim(run.pk)
    assert lease is not None
    lease.until -= dt.timedelta(hours=1)
    ImportRun.objects.update(leased_until=lease.until)
    taken: list[runs.Lease | None] = []

    def take_over() -> None:
        taken.append(runs.claim(run.pk))
        connection.close()

    def waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
            return bool(cursor.fetchone()[0]) or bool(taken)

    other = threading.Thread(target=take_over)
    with lease.page() as gains:
        other.start()
        wait_until(waits, 20, "the other worker")
        gains["seen"] = 1
    other.join()
    assert taken == [None]
    run.refresh_from_db()
    assert run.seen == 1


@pytest.mark.django_db
def test_a_worker_that_hangs_does_not_keep_its_lease_for_ever(source: Source) -> None:
    run = source.start()
    lease = runs.claim(run.pk)
    assert lease is not None
    before = lease.until
    lease.renew()
    assert lease.until > before
    lease.wrote -= lease.silence.total_seconds()
    before = lease.until
    lease.renew()
    assert lease.until == before
    ImportRun.objects.filter(pk=run.pk).update(leased_until=None)
    lease.wrote += lease.silence.total_seconds()
    lease.renew()  # another worker has it: nothing is written, and the next page says so
    assert lease.until == before
    with pytest.raises(runs.LeaseLost):
        lease.write(seen=1)
