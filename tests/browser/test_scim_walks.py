"""The two guides to SCIM provisioning that the service was built after, walked from an empty portal.

The admin's part in a browser: add the application, copy base URL and token, look at the mapping, toggle a feature. The
identity provider's part by scim2-client over HTTP. Then the outcome where people look for it: the list of users, the
row of a database that follows the portal, and the provisioning report.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Email, EnterpriseUser, Group, GroupMember, Name, PatchOp, PatchOperation
from scim2_models import User as ScimUser

from provisioning.models import User
from scim.users import leavers
from tests.browser.conftest import PASSWORD, Look
from tests.browser.walk import Walk
from tests.fixtures.databases import Database
from tests.fixtures.directories import AppsDb, make_appsdb, save_directory
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until

Person = ScimUser[EnterpriseUser]


@pytest.fixture
def appsdb(transactional_db: None, pg_directory: Database) -> AppsDb:
    """A database that holds whoever is in the portal."""
    database = make_appsdb(pg_directory)
    save_directory(
        database, name="APPSDB", create_users=True, update_users=True, deactivate_users=True, delete_users=True
    )
    return database


@pytest.fixture
def walk(portal: Portal, open_page: Callable[..., Page], it_person: User, appsdb: AppsDb, look: Look) -> Walk:
    """A signed-in person on the start page of a portal that runs."""
    portal.worker("--pool=threads")
    portal.web()
    page = open_page(portal.url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=portal.url)
    walk = Walk(page, look)
    page.goto("/")
    page.get_by_label("User name").fill(it_person.username)
    page.get_by_label("Password").fill(PASSWORD)
    walk.button("Sign in")
    expect(page.locator("#nav-sidebar")).to_be_visible()
    return walk


def add_the_application(walk: Walk, name: str, product: str, first_step: str) -> tuple[str, str]:
    """Step 1 of both guides: the name, then base URL and token by their copy buttons."""
    page = walk.page
    walk.sidebar("SCIM applications")
    walk.says("No SCIM application yet")
    walk.look("scim-empty")
    page.get_by_role("link", name="Add the first SCIM application").click()
    walk.fill(name=name)
    walk.look("scim-add")
    page.get_by_role("button", name="Add", exact=True).click()
    walk.says(f"{name} is added.")
    walk.says(first_step)
    expect(page.locator("[data-steps]:visible")).to_have_attribute("data-steps", product)
    walk.look("scim-added")
    return copied(page, "Copy the base URL"), copied(page, "Copy the token")


def copied(page: Page, button: str) -> str:
    """Press a copy button and return what it put into the clipboard."""
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("button", name=button)).to_contain_text("Copied")
    return str(page.evaluate("navigator.clipboard.readText()"))


def toggle(walk: Walk, feature: str, *, on: bool) -> None:
    """Configure the mapping (the defaults do) and a provisioning feature, and save."""
    page = walk.page
    walk.tab("Attribute mapping")
    expect(page.locator("#user-rows textarea").first).to_have_value("userName")
    walk.look("scim-mapping")
    walk.tab("Features")
    page.get_by_label(feature, exact=True).set_checked(on)
    walk.look("scim-features")
    walk.button("Save")
    walk.says("Saved.")


def later(walk: Walk, base: str, token: str) -> None:
    """Both can be retrieved later by editing the application."""
    page = walk.page
    walk.tab("Connection")
    expect(page.locator("#scim-token")).to_have_count(0)
    expect(page.locator("#scim-base-url")).to_have_text(base)
    walk.button("Show")
    expect(page.locator("#scim-token")).to_have_text(token)


def provider(base: str, token: str) -> Any:
    """Return the identity provider's side (SyncSCIMClient), which has read what the service says of itself."""
    client = SyncSCIMClient(httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}))
    client.discover()
    return client


def raw(base: str, token: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Send a request word by word as a product's document has it, and return status and JSON."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(base + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            text = response.read()
            return response.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def on_the_list(walk: Walk, username: str, *words: str) -> None:
    """Look for somebody on the list of users."""
    walk.sidebar("Users")
    row = walk.page.locator("#result_list tr", has_text=username)
    for word in words:
        expect(row).to_contain_text(word)


def in_the_report(walk: Walk, username: str, application: str, *messages: str) -> None:
    """Search the provisioning report by end user and application, as both guides do."""
    page = walk.page
    walk.sidebar("Provisioning report")
    page.get_by_label("End-user identifier").fill(username)
    page.get_by_label("Application name").select_option(application)
    page.get_by_label("Time span").select_option("Last hour")
    walk.button("Search")
    lines = page.locator(".rc-flush > .rc-table > tbody > tr")
    for message in messages:
        expect(lines.filter(has_text=message).first).to_be_visible()
    walk.look(f"report-{application}")


def test_the_guide_for_okta(walk: Walk, appsdb: AppsDb) -> None:
    """Create, read, update, push groups, and "Delete the Deactivated users" off: unassigned people are disabled."""
    base, token = add_the_application(walk, "Okta", "okta", "SCIM connector base URL:")
    walk.tab("Features")
    expect(walk.page.get_by_label("Delete the deactivated users", exact=True)).not_to_be_checked()
    toggle(walk, "Delete users", on=False)  # Okta never asks for that
    later(walk, base, token)
    okta = provider(base, token)
    assert okta.query(Person, query_parameters={"filter": 'userName eq "anna@example.org"'}).total_results == 0
    anna = okta.create(new_person("anna@example.org", "Anna", "Berg"))
    wait_until(lambda: appsdb.people().get("anna@example.org") == ("Anna", "Berg", "anna@example.org"), 20, "the row")
    on_the_list(walk, "anna@example.org", "Anna Berg")
    anna.name.family_name = "Berg-Meyer"
    anna = okta.replace(anna)
    wait_until(lambda: appsdb.people()["anna@example.org"][1] == "Berg-Meyer", 20, "the changed row")
    okta.create(Group(display_name="Nurses", members=[GroupMember(value=anna.id)]))
    walk.sidebar("Groups")
    expect(walk.page.locator("#result_list")).to_contain_text("Nurses")
    switch_off(base, token, anna.id)
    on_the_list(walk, "anna@example.org", "Anna Berg-Meyer")
    assert not User.objects.get(username="anna@example.org").is_active
    anna_there = [f"Okta {verb} Anna Berg" for verb in ("added", "changed", "deactivated")]
    in_the_report(walk, "anna@example.org", "Okta", *anna_there)
    in_the_report(walk, "anna@example.org", "APPSDB", "Created", "Updated")
    look_at_the_log(walk)


def new_person(name: str, given: str, family: str) -> Person:
    mails = [Email(value=name, type=Email.Type.work, primary=True)]
    return Person(user_name=name, active=True, name=Name(given_name=given, family_name=family), emails=mails)


def switch_off(base: str, token: str, user_id: str) -> None:
    """Deactivate as Okta's document has it: PATCH with a value and no path."""
    schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
    body = {"schemas": schemas, "Operations": [{"op": "replace", "value": {"active": False}}]}
    status, answer = raw(base, token, "PATCH", f"/Users/{user_id}", body)
    assert (status, answer["active"]) == (200, False)


def look_at_the_log(walk: Walk) -> None:
    """What the guides do not have: every request, and one of them once more as a dry run."""
    page = walk.page
    walk.sidebar("SCIM applications")
    walk.look("scim-list")
    page.get_by_role("link", name="Okta", exact=True).first.click()
    walk.tab("Live log")
    page.locator(".rcs-request", has_text="PATCH").first.click()
    walk.button("Replay as dry run")
    walk.says("This is what the request would do now.")
    walk.look("scim-log")
    walk.tab("Activity")
    walk.says("people it knows")
    walk.look("scim-activity")


def test_the_guide_for_azure_ad(walk: Walk, appsdb: AppsDb) -> None:
    """Test connection, provision on demand, change, and "Delete the Deactivated users" on: the deleted are gone."""
    base, token = add_the_application(walk, "Azure AD", "entra", "Tenant URL:")
    walk.tab("Features")
    walk.fill(recycle_days="0")
    toggle(walk, "Delete the deactivated users", on=True)
    later(walk, base, token)
    status, answer = raw(base, token, "GET", "/Users?filter=userName+eq+%226f1f4e0c-2d0f-4d6c-9d5b-4bd3dc6ba4a5%22")
    assert (status, answer["totalResults"]) == (200, 0), "Entra's test connection"
    entra = provider(base, token)
    ben = entra.create(new_person("ben@contoso.com", "Ben", "Ito"))
    wait_until(lambda: appsdb.people().get("ben@contoso.com") == ("Ben", "Ito", "ben@contoso.com"), 20, "the row")
    on_the_list(walk, "ben@contoso.com", "Ben Ito")
    walk.look("users")
    patch: Any = PatchOp[Person](
        operations=[PatchOperation(op=PatchOperation.Op.replace_, path="name.familyName", value="Itō")]
    )
    entra.modify(Person, ben.id, patch)
    wait_until(lambda: appsdb.people()["ben@contoso.com"][1] == "Itō", 20, "the changed row")
    soft_delete(base, token, ben.id)
    wait_until(lambda: not User.objects.get(username="ben@contoso.com").is_active, 5, "the soft delete")
    assert raw(base, token, "DELETE", f"/Users/{ben.id}")[0] == 204
    assert raw(base, token, "GET", f"/Users/{ben.id}")[0] == 404
    leavers.delete_due()  # beat has this done every hour
    wait_until(lambda: "ben@contoso.com" not in appsdb.people(), 20, "the deprovisioned row to go")
    assert not User.objects.filter(username="ben@contoso.com").exists()
    ben_there = [f"Azure AD {verb} Ben It" for verb in ("added", "changed", "deactivated", "deleted")]
    in_the_report(walk, "ben@contoso.com", "Azure AD", *ben_there)
    in_the_report(walk, "ben@contoso.com", "APPSDB", "Created", "Updated")


def soft_delete(base: str, token: str, user_id: str) -> None:
    """Disable as Entra does without its feature flag: a capitalised operation and a boolean as text."""
    schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
    body = {"schemas": schemas, "Operations": [{"op": "Replace", "path": "active", "value": "False"}]}
    assert raw(base, token, "PATCH", f"/Users/{user_id}", body)[0] in (200, 204)
