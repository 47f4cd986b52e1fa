"""A save that reaches many accounts is looked at before it is made, and confirmed with the number."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from directories.models import AttributeMapping
from provisioning.models import User
from tests.browser.conftest import Look
from tests.provisioning.impact.test_reckoning import make, people

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_mapping_that_blanks_addresses_is_confirmed_with_the_number(
    page: Page, sign_in: Callable[[Page, User], None], look: Look
) -> None:
    directory = make()
    people(directory, 150)
    sign_in(page, User.objects.create_superuser("root"))
    page.goto(f"/directories/directory/{directory.pk}/change/#mapping")
    row = page.locator(".rcd-mapping-row").first
    row.locator("[name=mapping_profile]").select_option("mobile")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Nothing is saved yet")).to_be_visible()
    expect(page.get_by_role("tab", name="Attribute mapping")).to_have_attribute("aria-selected", "true")
    look(page, "impact-confirm")
    page.get_by_role("button", name="Save it").click()
    expect(page.get_by_text("That is another number")).to_be_visible()
    page.get_by_label("Type the number of accounts").fill("150")
    page.get_by_role("button", name="Save it").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert not AttributeMapping.objects.filter(portal_attribute="email").exists()
    page.get_by_role("tab", name="Health & accounts").click()
    page.get_by_role("button", name="Recompute").click()
    expect(page.get_by_text("This would change 150 accounts")).to_be_visible()
    page.get_by_text("Examples").click()
    look(page, "impact-recomputed")
    page.goto("about:blank")
