"""A worker that is killed in the middle of an import: the run is resumed, and nothing is done twice."""

import datetime as dt
from collections.abc import Callable

from django.db.models import Count
from django.utils import timezone

from directories.models import Directory, ProvisioningSettings
from provisioning import services, tasks
from provisioning.models import Account, Change, ImportRun, PlannedChange, User
from provisioning.models.imports import RunStatus
from reports.models import Event
from tests.fixtures.directories import AppsDb
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until

ROWS = 20_000
Make = Callable[..., Directory]


def take_over(portal: Portal, run: ImportRun) -> None:
    """Do what beat does a little after the lease of a dead worker has ended."""
    ImportRun.objects.filter(pk=run.pk).update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    portal.empty_broker()
    tasks.start_due_imports()


def reached(run: ImportRun, status: RunStatus, **counters: int) -> Callable[[], bool]:
    conditions = {f"{name}__gt": number for name, number in counters.items()}
    return lambda: ImportRun.objects.filter(pk=run.pk, status=status, **conditions).exists()


def test_killed_while_reading_and_again_while_applying(portal: Portal, pg_appsdb: AppsDb, make_directory: Make) -> None:
    directory = make_directory(pg_appsdb, import_users=True, deactivate_missing=True, max_opened=ROWS)
    other = Directory.objects.create(name="Other", kind="memory", enabled=False)
    ProvisioningSettings.objects.create(directory=other, create_users=True)
    pg_appsdb.add_many(ROWS)
    run = services.start_import(directory, preview=False, actor="tester")

    first = portal.worker()
    wait_until(reached(run, RunStatus.CRAWLING, seen=0), 60, "some rows read")
    portal.kill(first)
    run.refresh_from_db()
    assert 0 < run.seen < ROWS
    assert not User.objects.exists()

    take_over(portal, run)
    second = portal.worker()
    wait_until(reached(run, RunStatus.APPLYING, applied=0), 60, "some rows applied")
    portal.kill(second)
    run.refresh_from_db()
    assert 0 < run.applied < ROWS
    assert User.objects.count() == run.applied

    take_over(portal, run)
    portal.worker()
    wait_until(reached(run, RunStatus.FINISHED), 60, "the end of the import")
    run.refresh_from_db()
    assert run.message == "Imported 20,000 users from APPSDB: 20,000 created, 0 updated, 0 deactivated, 0 errors"
    assert (run.seen, run.planned, run.applied) == (ROWS, ROWS, ROWS)
    assert run.applied_up_to == PlannedChange.objects.filter(run=run).latest("pk").pk
    assert User.objects.count() == Account.objects.filter(directory=directory).count() == ROWS
    lines = Event.objects.filter(operation="create").order_by().values("identifier").annotate(times=Count("pk"))
    assert set(lines.values_list("times", flat=True)) == {1}
    assert len(lines) == ROWS
    changes = Change.objects.order_by().values("account").annotate(times=Count("pk"))
    assert (changes.count(), set(changes.values_list("times", flat=True))) == (ROWS, {1})
    assert set(Change.objects.values_list("directory__name", flat=True)) == {"Other"}
