"""What keeps people from losing access by accident, by clicks: absence, the guard, a second person, the impact of a
save, reconciliation, quarantine, notices, and the restored backup.

Each page is looked at wide and narrow, dark and light, and where something is applied, so is what the directory holds.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.utils import timezone
from playwright.sync_api import Page, expect

from directories import health
from directories.connectors.base import ConnectorError
from directories.connectors.memory import STORES, StoredAccount
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.blueprints.apply import apply
from provisioning.guard.models import Loss
from provisioning.models import Account, Change, Group, User
from provisioning.models.imports import RunStatus
from provisioning.notices import mail, watch
from provisioning.notices.models import Notice
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.outbound.outlook import look as look_at
from provisioning.reconciliation import engine as comparing
from provisioning.reconciliation.models import Finding, ReconcileRun
from provisioning.restore import holding
from provisioning.restore.models import HeldDirectory
from tests.browser.conftest import NARROW, WIDE, Look, darken, sticking_out
from tests.browser.test_looks import axe_faults
from tests.browser.walk import Walk
from tests.fixtures.databases import Database
from tests.fixtures.directories import make_appsdb, save_directory
from tests.provisioning.crew import Crews, crews, save_crew_directory
from tests.provisioning.impact.test_reckoning import make, people
from tests.provisioning.imports.conftest import Source, source
from tests.provisioning.reconciliation.conftest import delivered
from tests.scim.conftest import make_client

__all__ = ["crews", "source"]
pytestmark = pytest.mark.django_db(transaction=True)


class SafetyWalk(Walk):
    """A walk that looks at each of its pages in every size and theme."""

    def fits(self, name: str) -> None:
        """Take pictures, when they are wanted; nothing may stick out, and axe finds nothing serious."""
        self.look(name)
        faults: list[str] = []
        for dark, size in ((True, NARROW), (False, WIDE)):
            darken(self.page, dark)
            self.page.set_viewport_size(size)
            faults += sticking_out(self.page)
            faults += axe_faults(self.page, only_colours=dark)
        assert not faults, "\n".join(faults)


@pytest.fixture
def walk(page: Page, sign_in: Callable[[Page, User], None], look: Look) -> SafetyWalk:
    """A superuser on Start."""
    page.goto("/login/")
    sign_in(page, User.objects.create_superuser("root", provisioned=False))
    page.goto("/")
    return SafetyWalk(page, look)


def work(directory: Directory) -> None:
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))


def hire(number: int, prefix: str = "user") -> list[int]:
    """Let so many people begin, and return their ids."""
    made = User.objects.bulk_create(
        User(username=f"{prefix}{n}", username_key=f"{prefix}{n}", first_name="Ann", last_name=f"Lee {n}")
        for n in range(number)
    )
    ids = [user.pk for user in made]
    services.provision_many(ids, "added")
    return ids


def compare() -> None:
    """Do what a worker does about the reconciliation that waits."""
    comparing.execute(ReconcileRun.objects.get(status=RunStatus.QUEUED).pk)


def tell() -> None:
    """Do what a worker does about notices."""
    watch.watch()
    mail.send_due()


def test_an_empty_source_takes_nobody_away_and_a_small_one_waits(walk: SafetyWalk, source: Source) -> None:
    source.put_many(30)
    source.run()
    rows, source.rows = source.rows, []
    empty = source.run()
    walk.page.goto(f"/provisioning/importrun/{empty.pk}/change/")
    walk.says("The import failed")
    walk.fits("empty-source")
    assert User.objects.filter(username__startswith="user", is_active=True).count() == 30
    source.set(max_leavers=2)
    source.rows = rows[:5]
    source.put("fresh", "Fresh")
    shrunk = source.run()
    walk.page.goto(f"/provisioning/importrun/{shrunk.pk}/change/")
    walk.says("Waits for a decision")
    walk.says("25 people of 30 would be deactivated")
    walk.fits("waits-partly-applied")
    assert User.objects.filter(username="fresh").exists()  # the rest went on


def test_the_guard_counts_a_day_through_all_doors_and_a_person_decides(walk: SafetyWalk, crews: Crews) -> None:
    directory = save_crew_directory("CRM", max_leavers=3, max_leavers_percent=100)
    ids, crm = hire(9), crews["CRM"]
    work(directory)
    for actor, leavers in (("Okta", ids[:2]), ("HR", ids[2:7])):
        services.set_active(leavers, False, actor)
        work(directory)
    assert len(crm.disabled) == 3
    walk.page.goto("/provisioning/change/")
    walk.says("4 changes: held by the guard: more than the limit within 24 hours (CRM)")
    walk.says("More accounts would be closed in CRM than may be within 24 hours (the limit is 3).")
    walk.fits("held")
    walk.page.get_by_role("button", name="Refuse", exact=True).first.click()
    walk.says("Refused. CRM keeps what it would have lost.")
    for number in ("", "3"):
        walk.page.get_by_label("All 3, also those on other pages").check()
        walk.page.get_by_label("Number of changes").fill(number)
        walk.button("Release selected")
        walk.says("3 changes are made now." if number else "These are 3 changes. Type 3 into the box")
    work(directory)
    assert len(crm.disabled) == 6
    Loss.objects.update(at=timezone.now() - dt.timedelta(hours=25))
    services.set_active(ids[7:8], False, "Okta")
    work(directory)
    assert len(crm.disabled) == 7
    walk.sidebar("Guard limits")
    walk.fill(max_off="1")
    walk.button("Save")
    walk.says("Saved. The limits hold from now on.")
    walk.says("1 of 2 active people may be deactivated or deleted a day without a question.")
    walk.fits("guard-limits")


def test_four_eyes_are_not_switched_off_by_one_person(walk: SafetyWalk) -> None:
    directory = Directory.objects.create(name="CRM", kind="memory", answered_at=timezone.now())
    ProvisioningSettings.objects.create(directory=directory, four_eyes=True)
    walk.page.goto(f"/directories/directory/{directory.pk}/change/#features")
    walk.page.get_by_label("Four eyes for approvals").uncheck()
    walk.page.get_by_role("button", name="Save", exact=True).click()
    walk.says("These settings wait for a second person")
    walk.fits("second-person")
    walk.button("Withdraw")
    walk.says("root refused what root asked for")
    expect(walk.page.get_by_label("Four eyes for approvals")).to_be_checked()


def test_a_mapping_that_blanks_addresses_is_confirmed_with_the_number_and_still_guarded(walk: SafetyWalk) -> None:
    directory = make()
    STORES["crm"].clear()
    held = {user.username: StoredAccount({"mail": user.email}) for user in people(directory, 30)}
    STORES["crm"].update(held)
    walk.page.goto(f"/directories/directory/{directory.pk}/change/")
    walk.tab("Attribute mapping")
    walk.page.locator("#mapping-rows [name=mapping_profile]").first.select_option("mobile")
    walk.page.get_by_role("button", name="Save", exact=True).click()
    walk.says("Nothing is saved yet")
    walk.says("This would change 30 accounts and blank 30 values of mail.")
    walk.fits("impact")
    walk.button("Save it")
    walk.says("That is another number. Type 30.")
    assert AttributeMapping.objects.filter(portal_attribute="email").exists()
    walk.page.get_by_label("Type the number of accounts, 30").fill("30")
    walk.button("Save it")
    walk.says("The mapping changed.")
    assert not AttributeMapping.objects.filter(portal_attribute="email").exists()
    walk.button("Push all users now")
    walk.says("All users are being looked at for CRM")
    work(directory)
    assert sum(not account.attributes["mail"] for account in held.values()) == 5
    assert Change.objects.filter(parked_code="held").count() == 25


def test_a_directory_is_reconciled(walk: SafetyWalk, sqlite_directory: Database) -> None:
    appsdb = make_appsdb(sqlite_directory)
    switches = dict.fromkeys(("create_users", "update_users", "deactivate_users", "delete_users"), True)
    directory = save_directory(appsdb, password_storage="plain", **switches)
    for name in ("ann", "bob", "cat", "dan"):
        User.objects.create(username=name, first_name=name.title(), last_name="Lee", email=f"{name}@example.org")
    delivered(directory)
    before = appsdb.people()
    appsdb.execute("DELETE FROM USERS WHERE USERNAME = 'ann'")
    appsdb.execute("UPDATE USERS SET EMAIL_ADDRESS = 'new@example.org' WHERE USERNAME IN ('bob', 'cat')")
    appsdb.add("stranger", "Nobody", "Knows", "stranger@example.org")
    walk.sidebar("Reconciliation")
    walk.button("Reconcile APPSDB")
    walk.says("Waiting for a worker")
    compare()
    walk.says("1 of 4 accounts in step; 1 orphan, 1 missing, 2 different.")
    expect(walk.page.locator("td strong.rc-wrong")).to_have_text("Orphan")
    walk.fits("reconciliation")
    for name in ("ann", "bob"):
        walk.page.get_by_label(f"Choose {name}").check()
    walk.button("Push the portal's state")
    walk.says("2 of what you chose is enqueued")
    walk.page.get_by_label("Choose cat").check()
    walk.button("Take over what is there")
    walk.says("Taken over: 1 finding of APPSDB: 1 updated")
    walk.page.get_by_role("link", name="Orphans 1").click()
    for number in ("", "1"):
        walk.page.get_by_label("Choose stranger").check()
        walk.fill(number=number)
        walk.button("Delete in the directory")
        walk.says("1 of what you chose is enqueued" if number else "Type the number of accounts that this concerns, 1")
    assert set(Finding.objects.values_list("state", "decided_by")) == {("done", "root")}
    delivered(directory)
    assert appsdb.people() == before | {"cat": ("Cat", "Lee", "new@example.org")}
    assert User.objects.get(username="cat").email == "new@example.org"
    walk.button("Reconcile again")
    walk.says("Waiting for a worker")
    compare()
    walk.says("4 of 4 accounts in step.")


def test_orphans_are_adopted_and_ignored_and_policies_decide(walk: SafetyWalk, sqlite_directory: Database) -> None:
    appsdb = make_appsdb(sqlite_directory)
    directory = save_directory(appsdb, create_users=False, update_users=True, password_storage="plain")
    for name in ("ann", "bob"):
        User.objects.create(username=name, first_name=name.title(), last_name="Lee", email=f"{name}@example.org")
    appsdb.add("ann", "Ann", "Lee", "ann@example.org")
    appsdb.add("stranger", "Nobody", "Knows", "stranger@example.org")
    walk.sidebar("Reconciliation")
    walk.button("Reconcile APPSDB")
    walk.says("Waiting for a worker")
    compare()
    walk.says("2 orphans")
    walk.page.get_by_label("Choose ann").check()
    walk.button("Adopt")
    walk.says("1 of what you chose belongs to the user whom it matches now.")
    assert Account.objects.get(key="ann").user == User.objects.get(username="ann")
    for owner in ("", "Dana"):
        walk.page.get_by_label("Choose stranger").check()
        walk.fill(reason="A service account", owner=owner, until=f"{timezone.localdate() + dt.timedelta(days=30)}")
        walk.button("Ignore")
        walk.says("1 of what you chose is left out" if owner else "Say why, who answers for it")
    walk.page.get_by_role("link", name="Ignored").click()
    walk.says("A service account Dana answers for it.")
    walk.fits("ignored")
    walk.page.get_by_role("link", name="Schedule and policies").click()
    walk.page.locator("[name=policy_different]").select_option("push")
    walk.page.locator("[name=schedule]").select_option("hourly")
    walk.fits("policies")
    walk.button("Save")
    walk.says("Saved.")
    delivered(directory)
    appsdb.execute("UPDATE USERS SET EMAIL_ADDRESS = 'new@example.org' WHERE USERNAME = 'ann'")
    walk.sidebar("Reconciliation")
    walk.button("Reconcile APPSDB")
    walk.says("Waiting for a worker")
    compare()
    walk.says("accounts in step")
    delivered(directory)
    assert appsdb.people()["ann"] == ("Ann", "Lee", "ann@example.org")
    assert appsdb.people()["stranger"] == ("Nobody", "Knows", "stranger@example.org")


def test_a_directory_that_only_refuses_is_in_quarantine_and_comes_back(walk: SafetyWalk, crews: Crews) -> None:
    def refuse(call: str, key: str) -> None:
        if call == "create":
            raise ConnectorError("The quota of the CRM is used up. Ask for more.", code="refused")

    directory, crm = save_crew_directory("CRM"), crews["CRM"]
    crm.fail = refuse
    hire(health.REFUSALS)
    work(directory)
    Directory.objects.update(refusing_since=timezone.now() - health.REFUSING)
    hire(1, "last")
    work(directory)
    for _ in range(2):
        tell()
    assert Notice.objects.get().title == "CRM refuses everything and is in quarantine"
    walk.page.goto("/")
    walk.says("CRM is in quarantine")
    walk.page.goto("/provisioning/change/")
    walk.says("CRM is in quarantine since")
    walk.says("21 changes: the directory refused it (CRM)")
    walk.says("The quota of the CRM is used up. Ask for more.")
    walk.says("Its own words stand beside each change. Correct that first.")
    walk.fits("quarantine")
    crm.fail = lambda call, key: None
    walk.button("Retry all")
    walk.says("21 changes are tried again now.")
    walk.says("One of them is tried now and then, and all are made when that works.")
    work(directory)
    assert len(crm.rows) == 1
    work(directory)
    assert len(crm.rows) == 21
    tell()
    assert Notice.objects.get().closed_at is not None
    walk.page.reload()
    walk.says("Nothing waits and nothing failed")


def test_a_notice_is_told_once_and_as_the_person_chose(
    walk: SafetyWalk, settings: Any, mailoutbox: list[EmailMessage]
) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    User.objects.filter(username="root").update(email="root@example.org")
    crm = Directory.objects.create(name="CRM", kind="sqlite", unreachable_since=timezone.now())
    for _ in range(2):
        tell()
    assert [one.subject for one in mailoutbox] == ["[Rollcall] CRM cannot be reached"]
    walk.sidebar("Notices")
    walk.says("CRM cannot be reached")
    walk.fits("notices")
    walk.page.get_by_role("link", name="What I am told of by mail").click()
    walk.says("Mails go to root@example.org.")
    walk.page.get_by_label("Directories that cannot be reached").select_option("never")
    walk.button("Save")
    walk.says("Your choices are saved.")
    walk.fits("choices")
    Directory.objects.create(name="HR", kind="sqlite", unreachable_since=timezone.now())
    Directory.objects.filter(pk=crm.pk).update(unreachable_since=None)
    tell()
    assert [one.subject for one in mailoutbox[1:]] == ["[Rollcall] Over: CRM cannot be reached"]
    walk.page.goto("/notices/notice/")
    walk.says("HR cannot be reached")
    expect(walk.page.locator("tr", has_text="CRM cannot be reached")).to_contain_text("Over")


def test_an_application_that_would_see_fewer_people_asks_for_the_number(walk: SafetyWalk) -> None:
    User.objects.bulk_create(User(username=f"user{n}", username_key=f"user{n}") for n in range(60))
    client = make_client("Okta").client
    walk.page.goto(f"/scim/client/{client.pk}/change/#features")
    walk.page.get_by_label("It sees and touches").select_option("own")
    walk.page.get_by_role("button", name="Save", exact=True).click()
    walk.says("It would not see 60 of 60 people any more")
    walk.fits("application-asks")
    walk.page.get_by_label("Type the largest of these numbers, 60").fill("60")
    walk.button("Save it")
    walk.says("Saved.")
    client.refresh_from_db()
    assert client.reach == "own"


def test_a_blueprint_is_taken_back(walk: SafetyWalk) -> None:
    for description in ("Builders", "Others"):
        apply(f"version: 1\ngroups:\n  - {{name: Engineering, description: {description}}}\n", actor="ada")
    walk.sidebar("Blueprints")
    walk.says("What manage.py blueprint changed lately.")
    walk.fits("blueprints")
    walk.page.get_by_role("link", name="Undo …").first.click()
    walk.says("Nothing is changed yet.")
    walk.fits("blueprint-undo")
    walk.button("Take it back")
    walk.says("Taken back: 1 difference.")
    assert Group.objects.get().description == "Builders"


def test_a_restored_portal_looks_first(walk: SafetyWalk, crews: Crews) -> None:
    directory = save_crew_directory("CRM")
    User.objects.create(username="ann.lee", first_name="Ann", last_name="Lee")
    holding.hold_all("Its database was restored from a backup.")
    work(directory)
    assert not crews["CRM"].rows
    walk.page.goto("/")
    walk.says("Nothing goes out: this portal looks first.")
    walk.page.get_by_role("link", name="Look first").last.click()
    look_at(directory.pk, read=True)
    walk.page.reload()
    walk.says("To be created")
    walk.fits("look-first")
    walk.page.get_by_label("Type how many accounts are created").fill("1")
    walk.button("Let CRM go")
    walk.says("CRM is brought in line now.")
    assert not HeldDirectory.objects.exists()
    work(directory)
    assert set(crews["CRM"].rows) == {"ann.lee"}
