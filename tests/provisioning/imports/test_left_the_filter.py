"""People whose entry changed so that the directory's filter or base holds it no longer, found by what changed."""

from typing import Any

import ldap3
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from directories.models import Directory, ProvisioningSettings
from provisioning.imports import engine, requests
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus, Trigger
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory

pytestmark = pytest.mark.django_db
ON = {"import_users": True, "deactivate_missing": True, "max_leavers_percent": 100, "max_activated_percent": 100}
ENABLED = {
    "ldap": "(&(objectClass=inetOrgPerson)(!(pwdAccountLockedTime=*)))",
    "active_directory": (
        "(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"
    ),
}


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    found.settings["user_filter"] = ENABLED[found.kind]
    return found


def imported(directory: Directory) -> ImportRun:
    options: dict[str, Any] = {"preview": False, "actor": "tester", "trigger": Trigger.LISTENER}
    run = requests.start_import(directory, incremental=True, **options)
    engine.execute(run.pk)
    run.refresh_from_db()
    return run


def switch(unit: LdapDirectory, dn: str, *, on: bool) -> None:
    if unit.kind == "ldap":
        lock = [] if on else [b"000001010000Z"]
        unit.link.modify(dn, {"pwdAccountLockedTime": [(ldap3.MODIFY_REPLACE, lock)]})
    else:
        flags = "544" if on else "546"
        unit.link.modify(dn, {"userAccountControl": [(ldap3.MODIFY_REPLACE, [flags])]})


def active() -> dict[str, bool]:
    return dict(User.objects.values_list("username", "is_active"))


def test_whoever_is_disabled_under_a_filter_without_disabled_accounts_leaves_at_once(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **ON)
    people = {uid: unit.person(uid) for uid in ("ann", "bob")}
    assert imported(directory).created == 2
    switch(unit, people["bob"], on=False)
    run = imported(directory)
    assert (run.incremental, run.deactivated, run.planned, run.status) == (True, 1, 1, RunStatus.FINISHED), run.message
    assert active() == {"ann": True, "bob": False}
    assert imported(directory).planned == 0  # although OpenLDAP tells of the same change for some minutes
    switch(unit, people["bob"], on=True)
    assert imported(directory).incremental
    assert active() == {"ann": True, "bob": True}


def test_whoever_is_moved_out_of_the_base_leaves_at_once(unit: LdapDirectory) -> None:
    inside, outside = unit.ou("inside"), unit.ou("outside")
    unit.settings["base_dn"] = inside
    directory = save_ldap_directory(unit, **ON)
    people = {uid: unit.person(uid, below=inside) for uid in ("ann", "bob")}
    assert imported(directory).created == 2
    unit.link.modify_dn(people["bob"], people["bob"].partition(",")[0], new_superior=outside)
    run = imported(directory)
    assert (run.incremental, run.deactivated, run.status) == (True, 1, RunStatus.FINISHED), run.message
    assert active() == {"ann": True, "bob": False}


def test_whoever_is_below_is_outside_when_only_the_base_itself_is_read(unit: LdapDirectory) -> None:
    unit.settings["scope"] = "level"
    deeper = unit.ou("deeper")
    directory = save_ldap_directory(unit, **ON)
    people = {uid: unit.person(uid) for uid in ("ann", "bob")}
    assert imported(directory).created == 2
    unit.link.modify_dn(people["bob"], people["bob"].partition(",")[0], new_superior=deeper)
    run = imported(directory)
    assert (run.incremental, run.deactivated) == (True, 1), run.message


def test_the_guard_and_the_switch_hold_for_them(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **{**ON, "deactivate_missing": False, "max_leavers": 1})
    people = {uid: unit.person(uid) for uid in ("ann", "bob", "cem", "dora")}
    imported(directory)
    switch(unit, people["ann"], on=False)
    assert imported(directory).planned == 0
    ProvisioningSettings.objects.update(deactivate_missing=True)
    assert (imported(directory).incremental, active()["ann"]) == (False, False)
    for uid in ("bob", "cem"):
        switch(unit, people[uid], on=False)
    run = imported(directory)
    assert (run.incremental, run.status) == (True, RunStatus.APPROVAL)
    assert active() == {"ann": False, "bob": True, "cem": True, "dora": True}


def test_other_entries_that_change_plan_nothing_and_cost_no_query_each(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **ON)
    unit.person("ann")
    imported(directory)
    costs = []
    for number, many in enumerate((1, 60)):
        for each in range(many):
            unit.ou(f"other{number}-{each}")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            run = imported(directory)
        assert (run.incremental, run.planned, run.deactivated, run.errors) == (True, 0, 0, 0)
        costs.append(len(queries))
    assert costs[1] <= costs[0] + 15, costs  # other tests change the same servers: a page more, at most, is theirs
