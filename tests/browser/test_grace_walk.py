"""Somebody has left: when their accounts are deleted, what that takes for good, and how it is cancelled."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from directories.connectors.memory import GROUPS, STORES
from directories.models import ProvisioningSettings
from provisioning import services
from provisioning.models import Account, User
from provisioning.outbound.accounts import deletions
from tests.browser.conftest import NARROW, Look, darken, settled, sticking_out
from tests.browser.test_looks import COLOURS
from tests.browser.walk import Walk
from tests.provisioning.grace.test_grace import DELETES, work
from tests.provisioning.groups.push import save_memory_directory

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_scheduled_is_seen_cancelled_and_done(
    page: Page, sign_in: Callable[[Page, User], None], look: Look
) -> None:
    STORES.clear()
    GROUPS.clear()
    crm = save_memory_directory("CRM", **DELETES, max_leavers_percent=100)
    wiki = save_memory_directory("Wiki", **{**DELETES, "delete_after_days": 90})
    people = [
        User.objects.create(username=name, first_name=name.title(), last_name="Lee", email=f"{name}@example.org")
        for name in ("ann", "bob", "cat", "dan", "eve", "fay")
    ]
    for directory in (crm, wiki):
        work(directory)
    walk = Walk(page, look)
    sign_in(page, User.objects.create_superuser("root", provisioned=False))
    page.goto("/")
    walk.sidebar("Scheduled")
    walk.says("Nothing is scheduled")
    walk.look("empty")
    page.goto(f"/provisioning/user/{people[0].pk}/delete/")
    walk.says("The account is disabled now, and deleted after 30 days.")
    services.set_active([user.pk for user in people[:5]], False, "HR")
    services.delete_users([people[5].pk], "root")
    for directory in (crm, wiki):
        work(directory)
    Account.objects.filter(directory=crm, key="ann").update(delete_at=deletions.timezone.now())
    page.goto("/provisioning/scheduleddeletion/")
    walk.says("Cannot be undone in CRM: the account is gone with what it owns, and a new one has another id.")
    walk.says("due now")
    walk.look("scheduled")
    for dark in (False, True):
        darken(page, dark)
        found = Axe().run(page, options={"runOnly": {"type": "rule", "values": [*COLOURS, "label", "button-name"]}})
        assert not found.response["violations"], found.generate_report()
    page.get_by_label("Select bob in CRM").check()
    walk.button("Cancel selected")
    walk.says("1 account is not deleted any more, and stays disabled until the person returns.")
    page.get_by_label("Select cat in CRM").check()
    walk.button("Delete selected now")
    walk.says("A deletion cannot be undone, and this is 1 account. Type 1 into the box to go on.")
    page.get_by_label("Select cat in CRM").check()
    page.get_by_label("Number of accounts").fill("1")
    walk.button("Delete selected now")
    walk.says("1 account is deleted now.")
    walk.look("deleted now")
    work(crm)
    assert sorted(STORES["CRM"]) == ["ann", "bob", "dan", "eve", "fay"]
    page.goto(f"/provisioning/user/{people[3].pk}/change/#accounts")
    walk.says("Will be deleted on")
    walk.look("person")
    page.get_by_role("button", name="Cancel the deletion").first.click()
    walk.says("Stays disabled and is not deleted: root cancelled that.")
    page.goto(f"/directories/directory/{crm.pk}/change/")
    walk.tab("Features & schedule")
    walk.says("People who are deactivated lose their groups")
    walk.look("settings")
    ProvisioningSettings.objects.filter(directory=crm).update(max_leavers=1)
    page.locator("[name=delete_after_days]").last.fill("")
    page.get_by_role("button", name="Save").first.click()
    walk.says("This would delete")
    walk.says("Cannot be undone in CRM:")
    walk.look("question")
    for address in ("/provisioning/scheduleddeletion/", f"/provisioning/user/{people[3].pk}/change/"):
        page.goto(address)
        page.set_viewport_size(NARROW)
        settled(page)
        assert not sticking_out(page)
