"""Imports of what changed: what they read, when everything is read instead, when they are due; on real servers."""

import datetime as dt
from typing import Any

import ldap3
import pytest
from django.utils import timezone

from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.guard.models import Loss
from provisioning.imports import engine, requests
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus, Trigger
from reports.models import Event
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory

pytestmark = pytest.mark.django_db
ON = {"import_users": True, "deactivate_missing": True, "max_leavers_percent": 100, "max_activated_percent": 100}


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    return found


def imported(directory: Directory, incremental: bool = True, **options: Any) -> ImportRun:
    values = {"preview": False, "actor": "tester", "trigger": Trigger.COMMAND, **options}
    run = requests.start_import(directory, incremental=incremental, **values)
    engine.execute(run.pk)
    run.refresh_from_db()
    return run


def dn(unit: LdapDirectory, uid: str) -> str:
    return f"{'uid' if unit.kind == 'ldap' else 'cn'}={uid},{unit.base}"


def rename(unit: LdapDirectory, uid: str, last: str) -> None:
    unit.link.modify(dn(unit, uid), {"sn": [(ldap3.MODIFY_REPLACE, [last])]})


def kept(directory: Directory) -> Any:
    return ProvisioningSettings.objects.get(directory=directory).import_cursor


def test_after_a_whole_import_only_changes_are_read_and_nobody_is_missing(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **ON)
    for uid in ("ann", "bob", "cem"):
        unit.person(uid)
    first = imported(directory)
    assert (first.incremental, first.created) == (False, 3)  # there is no cursor yet
    assert kept(directory)["at"]
    rename(unit, "ann", "New")
    unit.person("dora")
    if unit.kind == "ldap":
        unit.link.delete(dn(unit, "bob"))  # nothing tells that: the next whole import finds it
    run = imported(directory)
    assert (run.incremental, run.status, run.created, run.updated, run.deactivated) == (
        *(True, RunStatus.FINISHED, 1, 1, 0),
    ), run.message
    if unit.kind != "ldap":
        assert run.seen == 2
    assert dict(User.objects.values_list("username", "last_name"))["ann"] == "New"
    assert not User.objects.filter(is_active=False).exists()
    quiet = imported(directory)
    assert (quiet.incremental, quiet.planned, quiet.status) == (True, 0, RunStatus.FINISHED)
    lines = Event.objects.filter(operation="import").count()
    again = imported(directory)
    assert Event.objects.filter(operation="import").count() == lines  # nothing is told when nothing happened
    assert not ImportRun.objects.filter(pk=quiet.pk).exists()
    assert ImportRun.objects.filter(pk=again.pk).exists()
    if unit.kind == "ldap":
        assert imported(directory, incremental=False).deactivated == 1


def test_a_deleted_account_that_the_server_tells_of_leaves_at_once(ad_directory: LdapDirectory) -> None:
    directory = save_ldap_directory(ad_directory, **ON)
    for uid in ("ann", "bob"):
        ad_directory.person(uid)
    imported(directory)
    ad_directory.link.delete(dn(ad_directory, "bob"))
    run = imported(directory)
    assert (run.incremental, run.deactivated) == (True, 1)
    assert dict(User.objects.values_list("username", "is_active")) == {"ann": True, "bob": False}


@pytest.mark.parametrize("change", ["mapping", "connection", "restored"])
def test_everything_is_read_when_the_cursor_is_worth_nothing(ad_directory: LdapDirectory, change: str) -> None:
    directory = save_ldap_directory(ad_directory, **ON)
    ad_directory.person("ann")
    imported(directory)
    if change == "mapping":
        AttributeMapping.objects.filter(portal_attribute="email").delete()
    elif change == "connection":
        directory.settings["user_filter"] = "(objectClass=user)"
        directory.save()
    else:
        cursor = kept(directory)
        cursor["at"]["invocation"] = "00" * 16
        ProvisioningSettings.objects.update(import_cursor=cursor)
    run = imported(directory)
    assert (run.incremental, run.seen, run.status) == (False, 1, RunStatus.FINISHED)
    assert imported(directory).incremental


def test_the_cursor_moves_only_when_the_run_was_applied(ad_directory: LdapDirectory) -> None:
    directory = save_ldap_directory(ad_directory, import_users=True, max_blanked=0)
    ad_directory.person("ann")
    imported(directory)
    before = kept(directory)
    ad_directory.link.modify(dn(ad_directory, "ann"), {"givenName": [(ldap3.MODIFY_DELETE, [])]})
    waiting = imported(directory)
    assert (waiting.status, waiting.incremental) == (RunStatus.APPROVAL, True)
    assert kept(directory) == before
    services.approve_import(waiting, "tester", plan_hash=waiting.plan_hash)
    engine.execute(waiting.pk)
    assert kept(directory)["at"]["usn"] > before["at"]["usn"]
    assert User.objects.get().first_name == ""


def switch_off(unit: LdapDirectory, uid: str) -> None:
    unit.link.modify(dn(unit, uid), {"pwdAccountLockedTime": [(ldap3.MODIFY_ADD, [b"000001010000Z"])]})


def test_many_small_ones_take_away_no_more_than_a_day_may(ldap_directory: LdapDirectory) -> None:
    limits: dict[str, Any] = {
        "max_leavers": 2,
        "max_blanked": 1,
        "max_leavers_percent": 100,
        "max_activated_percent": 100,
        "max_blanked_percent": 100,
    }
    directory = save_ldap_directory(ldap_directory, import_users=True, **limits)
    people = [f"person{number}" for number in range(8)]
    for uid in people:
        ldap_directory.person(uid)
    imported(directory)
    for uid in people[:2]:
        switch_off(ldap_directory, uid)
        assert imported(directory).status == RunStatus.FINISHED
    switch_off(ldap_directory, people[2])
    waiting = imported(directory)
    assert (waiting.incremental, waiting.status) == (True, RunStatus.APPROVAL)
    assert "1 person of 6 would be deactivated" in waiting.message
    assert "after 2 in the last 24 hours; the limit is 2" in waiting.message
    services.cancel_import(waiting, "tester")
    assert imported(directory).status == RunStatus.APPROVAL  # what was not applied is planned again
    again = ImportRun.objects.latest("pk")
    services.approve_import(again, "tester", plan_hash=again.plan_hash)
    engine.execute(again.pk)
    assert User.objects.filter(is_active=True).count() == 5
    switch_off(ldap_directory, people[3])
    assert imported(directory).status == RunStatus.FINISHED  # counted anew since somebody agreed
    for uid, status in zip(people[4:6], (RunStatus.FINISHED, RunStatus.APPROVAL), strict=True):
        ldap_directory.link.modify(dn(ldap_directory, uid), {"givenName": [(ldap3.MODIFY_DELETE, [])]})
        assert imported(directory).status == status
    services.cancel_import(ImportRun.objects.latest("pk"), "tester")
    waiting = imported(directory, incremental=False)  # a whole one adds up with them
    assert (waiting.status, waiting.held) == (RunStatus.APPROVAL, 1)
    services.cancel_import(waiting, "tester")
    Loss.objects.update(at=timezone.now() - dt.timedelta(hours=25))
    assert imported(directory, incremental=False).status == RunStatus.FINISHED


def test_switching_missing_people_on_reads_everything_once(ad_directory: LdapDirectory) -> None:
    directory = save_ldap_directory(ad_directory, import_users=True, max_leavers_percent=100, max_activated_percent=100)
    for uid in ("ann", "bob"):
        ad_directory.person(uid)
    imported(directory)
    ad_directory.link.delete(dn(ad_directory, "bob"))
    assert imported(directory).deactivated == 0  # and the cursor goes on
    ProvisioningSettings.objects.update(deactivate_missing=True)
    run = imported(directory)
    assert (run.incremental, run.deactivated) == (False, 1)


def test_a_preview_keeps_no_cursor(ad_directory: LdapDirectory) -> None:
    directory = save_ldap_directory(ad_directory, **ON)
    ad_directory.person("ann")
    imported(directory, incremental=False, preview=True)
    assert kept(directory) is None


def test_one_is_due_when_the_last_is_long_enough_ago(ldap_directory: LdapDirectory, sent_tasks: Any) -> None:
    directory = save_ldap_directory(ldap_directory, import_users=True, incremental_minutes=5)
    requests.start_due_imports()
    assert not ImportRun.objects.exists()  # the schedule, or somebody, makes the first whole one
    first = imported(directory, incremental=False)
    requests.start_due_imports()
    assert ImportRun.objects.count() == 1
    ImportRun.objects.filter(pk=first.pk).update(created_at=timezone.now() - dt.timedelta(minutes=6))
    requests.start_due_imports()
    run = ImportRun.objects.latest("pk")
    assert (run.incremental, run.trigger) == (True, Trigger.SCHEDULE)
    requests.start_due_imports()
    assert ImportRun.objects.count() == 2
