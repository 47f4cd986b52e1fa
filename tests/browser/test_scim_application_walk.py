"""Slack from the first page to the report: it is chosen, tested, mapped, switched on, and somebody comes and goes."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from directories.connectors.scim import discovery
from directories.models import Directory
from provisioning.models import User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from tests.browser.conftest import Look, fits
from tests.browser.walk import Walk
from tests.doubles.scim.server import TOKEN, Doubles

pytestmark = pytest.mark.django_db(transaction=True)


def run() -> None:
    """Deliver what is due, as a worker would."""
    directory = Directory.objects.get()
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))


def test_slack_is_set_up_and_somebody_comes_and_goes(
    page: Page, sign_in: Callable[[Page, User], None], look: Look, doubles: Doubles
) -> None:
    discovery.forget()
    slack = doubles.product("slack")
    slack.fill(1)
    sign_in(page, User.objects.create_superuser("root", provisioned=False))
    walk = Walk(page, look)
    page.goto(f"{reverse('admin:directories_directory_add')}?kind=scim")
    page.locator("[name=connection-product]").select_option("slack")
    expect(page.locator("#connection-note")).to_contain_text("installs it for the organisation")
    expect(page.locator("[name=connection-url]")).to_have_attribute("placeholder", "https://api.slack.com/scim/v2")
    fits(page)
    walk.fill(name="Slack", connection__url=doubles.url("slack"), connection__secret="wrong")
    walk.button("Test connection")
    walk.says("The application refuses the sign-in (401)")
    walk.look("application-wrong")
    walk.fill(connection__secret=TOKEN)
    walk.button("Test connection")
    walk.says("The connection works.")
    walk.says("It can change single values")
    fits(page)
    walk.look("application-works")
    walk.fill(connection__secret=TOKEN)
    walk.button("Save")
    walk.says("Slack is saved.")

    walk.tab("Attribute mapping")
    walk.button("Suggest mappings")
    walk.says("suggested: look them over")
    expect(page.locator(".rcd-mapping-row", has_text="The directory requires it").first).to_be_visible()
    fits(page)
    walk.look("application-mapping")
    walk.button("Test attribute mapping")
    popup = page.get_by_role("dialog")
    popup.get_by_label("User name").fill("user0")
    popup.get_by_label("User name").press("Enter")
    expect(popup.locator(".rcd-entry")).to_contain_text("userName")
    walk.look("application-preview")
    popup.get_by_role("button", name="Close").click()
    expect(popup).to_be_hidden()
    walk.switch_on("Create users", "Update users", "Deactivate users", "Delete users")
    walk.button("Save")
    walk.says("Saved. Create, update, deactivate and delete are on.")
    walk.look("application-on")

    user = User.objects.create(username="ada", first_name="Ada", last_name="Lovelace", email="ada@example.org")
    run()
    (there,) = [one for one in slack.users() if one["userName"] == "ada"]
    assert (there["userName"], there["emails"][0]["value"], there["active"]) == ("ada", "ada@example.org", True)
    user.delete()
    run()
    active = {one["userName"]: one["active"] for one in slack.users()}
    assert active == {"user0": True, "ada": False}, "Slack deletes nobody"
    assert len(slack.sent("DELETE")) == 1
    page.goto(reverse("admin:reports_event_changelist"))
    walk.says("Created ada in Slack.")
    walk.says("Deleted ada from Slack.")
    walk.look("application-report")
