"""Somebody has left: the switch on the user's page, the receipt that follows, the list, and HR's list."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from directories.connectors.base import Unavailable
from directories.models import Directory
from provisioning.models import User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from tests.browser.conftest import NARROW, Look, settled, sticking_out
from tests.browser.walk import Walk
from tests.provisioning.crew import Crews, crews, save_crew_directory

__all__ = ["crews"]
pytestmark = pytest.mark.django_db(transaction=True)


def run(*directories: Directory) -> None:
    for directory in directories:
        deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))


def test_a_leaver_is_disabled_everywhere(
    page: Page, sign_in: Callable[[Page, User], None], crews: Crews, look: Look
) -> None:
    names = ("CRM", "ERP", "Wiki", "Payroll")
    directories = [save_crew_directory(name) for name in names]
    user = User.objects.create(username="ann.lee", first_name="Ann", last_name="Lee", employee_number="4711")
    run(*directories)

    def away(call: str, key: str) -> None:
        raise Unavailable("Payroll does not answer.")

    crews["Payroll"].fail = away
    walk = Walk(page, look)
    sign_in(page, User.objects.create_superuser("root"))
    page.goto(f"/provisioning/user/{user.pk}/change/#accounts")
    walk.says("Disable everywhere now")
    walk.look("user")
    page.get_by_role("link", name="Disable everywhere now").click()
    walk.says("CRM, ERP, Payroll and Wiki")
    walk.look("confirm")
    walk.button("Disable everywhere now")
    run(*directories)
    walk.says("3 of 4 disabled, verified")
    walk.says("Payroll cannot be reached since")
    walk.look("unreachable")
    crews["Payroll"].fail = lambda call, key: None
    Directory.objects.update(unreachable_since=None, retry_at=None)
    run(*directories)
    walk.says("4 of 4 disabled, verified")  # the page follows by itself
    walk.look("proven")
    assert crews["Payroll"].disabled == {"ann.lee"}
    walk.sidebar("Leavers")
    walk.says("Ann Lee (ann.lee)")
    walk.look("list")
    page.get_by_role("link", name="Last three leavers").click()
    walk.says("4 of 4 disabled")
    page.get_by_role("link", name="Compare with HR").click()
    walk.fill(text=f"4711;{timezone.localdate()}\n4712;{timezone.localdate()}")
    walk.button("Compare")
    walk.says("1 on both lists, 1 only at HR, 0 only here.")
    settled(page)
    walk.look("compared")
    for address in (page.url, "/receipts/receipt/"):
        page.goto(address)
        page.set_viewport_size(NARROW)
        assert not sticking_out(page)
