"""Who is missing from one source, and has a contract at another one that holds, is no leaver."""

import datetime as dt

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from directories.models import Directory
from provisioning import services
from provisioning.imports.doors.contracts import settle
from provisioning.models import Account, PlannedChange, User
from provisioning.models.accounts import AccountState
from provisioning.receipts.models import Receipt
from tests.provisioning.contracts.conftest import Clock, account, active, give, person
from tests.provisioning.imports.conftest import Source, source

__all__ = ["source"]

pytestmark = pytest.mark.django_db


@pytest.mark.heavy
def test_the_first_source_that_drops_somebody_does_not_deactivate_them(source: Source, payroll: Directory) -> None:
    source.put_many(30)
    source.put("ada", "Ada")
    source.put("bob", "Bob")
    source.run()
    ada, bob = User.objects.get(username="ada"), User.objects.get(username="bob")
    here = Account.objects.get(user=ada, directory=source.directory)
    give(here, "1", "2020-01-01")
    elsewhere = account(ada, payroll, "P-1")
    give(elsewhere, "77", "2020-01-01")
    give(Account.objects.get(user=bob, directory=source.directory), "1", "2020-01-01")
    settle()

    source.remove("ada", "bob")
    run = source.run()
    assert (active(ada), active(bob)) == (True, False)
    assert run.deactivated == 1
    row = PlannedChange.objects.get(run=run, user_id=ada.pk)
    assert row.message == "Missing from HR, and still active: contract 77 (Payroll) holds."
    here.refresh_from_db()
    assert here.state == AccountState.ABSENT
    assert not PlannedChange.objects.filter(run=source.run(), user_id=ada.pk).exists(), "it is said once"

    give(elsewhere, "77", "2020-01-01", str(timezone.now().date().replace(year=2025)))
    settle()
    assert not active(ada), "what HR said before does not hold: it does not show the person any more"

    source.put("ada", "Ada")
    source.run()
    settle()
    assert active(ada), "HR shows the person again, with the contract that it gave"


@pytest.mark.heavy
def test_the_receipt_says_when_employment_ends_by_the_clock_of_its_zone(clock: Clock, payroll: Directory) -> None:
    anna = person("anna", time_zone="Europe/Amsterdam")
    account(anna, payroll)
    give(anna, "6", "2020-01-01", "2025-01-31")
    give(anna, "7", "2020-01-01", "2026-11-30")
    clock.at("2026-11-30T12:01")
    clock.at("2026-11-30T23:00")
    assert not active(anna)
    receipt = Receipt.objects.get()
    assert (receipt.hr_end, receipt.hr_zone) == (dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC), "Europe/Amsterdam")
    browser = Client()
    browser.force_login(User.objects.create_superuser("root", provisioned=False))
    page = browser.get(reverse("admin:receipts_receipt_change", args=[receipt.pk])).content.decode()
    assert "2026-12-01 00:00:00 (Europe/Amsterdam)" in page


def test_without_an_end_the_receipt_names_none(clock: Clock, payroll: Directory) -> None:
    bob = person("bob")
    account(bob, payroll)
    give(bob, "1", "2020-01-01")
    give(bob, "2", "2020-01-01", "2026-11-30")
    clock.at("2026-11-30T12:01")
    services.disable_everywhere([bob.pk], "admin")
    assert (Receipt.objects.get().hr_end, Receipt.objects.get().hr_zone) == (None, "")
