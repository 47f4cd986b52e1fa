"""The report by keyboard: the filter box offers what can follow, a line opens, and everything fits on a phone."""

import os
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from provisioning.models import User
from provisioning.roles import HELPDESK
from reports.journal import Line, record
from reports.models import Direction, Operation, Result, SavedFilter
from tests.browser.conftest import Look, fits, look, settled
from tests.provisioning.admin import roll

__all__ = ["look"]


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
def test_a_filter_is_written_a_line_opened_and_a_filter_shared_by_keyboard(
    page: Page, sign_in: Callable[[Page, User], None], look: Look
) -> None:
    user = roll.staff(HELPDESK)
    changes = {"E-mail": ("a" * 60, "b" * 60), "Title": (None, "Dr")}
    for application, result in (("APPSDB", Result.FAILED), ("HR", Result.SUCCESS)):
        words = f"anna was {'not ' if result == Result.FAILED else ''}updated in {application}."
        how = {"actor": "HR (scheduled import)", "user_id": user.pk, "changes": changes, "at": timezone.now()}
        record(Line("anna", application, Direction.OUT, Operation.UPDATE, result, words, **how))
    sign_in(page, user)
    page.goto("/reports/event/")
    settled(page)
    page.get_by_text("More filters").click()
    box, offered = page.get_by_label("Filter in words of SCIM"), page.locator("#report-completions [role=option]")
    box.focus()
    expect(offered.first).to_have_text("identifier")
    page.keyboard.type("res")
    expect(offered).to_have_text(["result"])
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "report-completion-0")
    page.keyboard.press("Enter")
    page.keyboard.type("fa")
    expect(offered).to_have_text(['"failed"'])
    page.keyboard.press("Tab")
    page.keyboard.type('and application eq "A')
    expect(offered).to_have_text(['"APPSDB"'])
    if folder := os.environ.get("SCREENSHOTS"):  # at once: a narrow window folds the box away, and the list with it
        page.screenshot(path=f"{folder}/00-report-completion.png")
    page.keyboard.press("Tab")
    expect(box).to_have_value('result eq "failed" and application eq "APPSDB" ')
    page.keyboard.press("Escape")
    expect(offered).to_have_count(0)
    page.keyboard.press("Enter")
    page.wait_for_url("**filter=**")
    settled(page)
    lines = page.locator(".rc-flush > .rc-table > tbody > tr")
    expect(lines).to_have_count(1)
    page.keyboard.press("Tab")
    lines.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(lines.locator(".rc-steps")).to_contain_text("Caused by HR (scheduled import).")
    fits(page)
    look(page, "report-opened")
    page.get_by_label("Name of this filter").fill("Failed in APPSDB")
    page.get_by_label("For").select_option("Everybody who sees the report")
    page.get_by_role("button", name="Save filter").click()
    settled(page)
    page.get_by_label("More of the filter").focus()
    page.keyboard.press("Enter")
    fits(page)
    look(page, "report-saved")
    page.get_by_label("Name", exact=True).fill("Ours")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".rc-saved")).to_contain_text("Ours")
    page.get_by_text("Export", exact=True).click()
    fits(page)
    look(page, "report-export")
    assert SavedFilter.objects.get().everybody
    page.goto("/reports/event/?identifier=nobody&result=failed&application=APPSDB")
    settled(page)
    fits(page)
    look(page, "report-empty")
    page.goto("/reports/event/?filter=result+eq+failed")
    settled(page)
    fits(page)
    look(page, "report-refused")
