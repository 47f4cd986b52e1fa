"""The guide to Active Directory provisioning, walked in a browser on a real domain controller.

Its parts: the user store, Test attribute mapping, the import, a user created, changed, given a password and deleted in
the portal and so in Active Directory; then groups: the group attribute, and the switch of the group sync.
"""

import pytest
from playwright.sync_api import expect

from tests.browser.test_seed_walk import walk
from tests.browser.walk import Walk
from tests.directory_servers import DOMAIN, SAMBA_SUFFIX
from tests.fixtures.ldap import LdapDirectory
from tests.fixtures.waiting import wait_until

__all__ = ["walk"]  # the fixture: a signed-in person on the start page of an empty portal that runs
pytestmark = pytest.mark.django_db(transaction=True)
FEATURES = ("Import users", "Create users", "Update users", "Deactivate users", "Delete users", "Set passwords")
NEW_PASSWORD = "a long enough pass phrase 7"


@pytest.fixture
def domain(ad_directory: LdapDirectory) -> LdapDirectory:
    """A part of the domain with two people and a group of one of them."""
    ann = ad_directory.person("ann.lee", "Ann", "Lee", displayName="Ann Lee", thumbnailPhoto=b"\xff" * 500)
    ad_directory.person("zoe.oehman", "Zoë", "Öhman")
    ad_directory.add("cn=Developers", ["group"], {"sAMAccountName": "Developers", "member": ann})
    return ad_directory


def test_the_guide_on_active_directory(walk: Walk, domain: LdapDirectory) -> None:
    """Every part of the guide, in its order."""
    add_the_directory(walk, domain)
    look_into_an_entry(walk)
    switch_on(walk)
    import_users(walk)
    create_a_user(walk, domain)
    change_the_user(walk, domain)
    set_the_password(walk, domain)
    delete_the_user(walk, domain)
    sync_groups(walk, domain)


def add_the_directory(walk: Walk, domain: LdapDirectory) -> None:
    """The user store: nothing but server, login and base is typed; what is wrong is said."""
    page, settings = walk.page, domain.settings
    page.get_by_role("link", name="1. Add a directory").click()
    page.get_by_role("link", name="Active Directory").click()
    walk.look("ad-empty")
    walk.fill(name="Corp AD", connection__host=settings["host"], connection__user=settings["user"])
    walk.fill(connection__password="not the password")
    walk.button("Test connection")
    walk.says("not signed by an authority that is trusted")
    walk.fill(connection__ca=settings["ca"])
    walk.button("Test connection")
    walk.says("The directory refused the login.")
    walk.look("ad-wrong-password")
    page.locator("summary", has_text="Groups").click()
    walk.fill(connection__password=settings["password"], connection__group_attribute="memberOf")
    walk.button("Test connection")
    walk.says("Say where the users are")
    walk.button(f"Use {SAMBA_SUFFIX}")
    expect(page.locator("#id_connection-base_dn")).to_have_value(SAMBA_SUFFIX)
    walk.says("The connection works.")
    walk.fill(connection__base_dn=settings["base_dn"])
    walk.button("Test connection")
    walk.says("The connection works.")
    walk.says("The filter finds 2 users.")
    walk.look("ad-works")
    walk.button("Save")
    walk.says("Corp AD is saved.")


def look_into_an_entry(walk: Walk) -> None:
    """Suggested mappings, then the popup: the name of a user, and all attributes with the group attribute."""
    page = walk.page
    walk.tab("Attribute mapping")
    walk.button("Suggest mappings")
    walk.says("suggested: look them over")
    walk.button("Test attribute mapping")
    popup = page.get_by_role("dialog")
    popup.get_by_label("User name").fill("ann.lee")
    popup.get_by_label("User name").press("Enter")
    expect(popup).to_contain_text("Groups (memberOf)")
    expect(popup.locator("dl")).to_contain_text("Developers")
    row = popup.locator(".rcd-entry tr", has_text="thumbnailPhoto")
    expect(row).to_contain_text("binary, 500 bytes")
    expect(popup.locator(".rcd-sample").first).to_contain_text("First name")
    walk.look("ad-test-mapping")
    popup.get_by_role("button", name="Close").click()
    expect(popup).to_be_hidden()
    walk.button("Save")
    walk.says("Saved.")


def switch_on(walk: Walk) -> None:
    """The provisioning features."""
    walk.switch_on(*FEATURES)
    walk.look("ad-features")
    walk.button("Save")
    walk.says("Saved.")


def import_users(walk: Walk) -> None:
    """Import, then the list of users."""
    walk.sidebar("Import users")
    walk.button("Import")
    walk.says("2 created")
    walk.sidebar("Users")
    for username, name in (("ann.lee", "Ann Lee"), ("zoe.oehman", "Zoë Öhman")):
        expect(walk.page.locator("#result_list tr", has_text=username)).to_contain_text(name)
    walk.look("ad-users")


def create_a_user(walk: Walk, domain: LdapDirectory) -> None:
    """Created in the portal, so created in Active Directory."""
    walk.page.get_by_role("link", name="Add user").first.click()
    walk.fill(username="dkim", first_name="Dae", last_name="Kim", email="dae@example.org")
    walk.button("Save and continue editing")
    wait_until(lambda: held(domain, "userAccountControl") == "512", 15, "the new account, enabled")
    assert held(domain, "mail") == "dae@example.org"
    assert held(domain, "userPrincipalName") == f"dkim@{DOMAIN}"
    expect(walk.page.locator("#user-accounts")).to_contain_text("In sync")
    walk.look("ad-user")


def change_the_user(walk: Walk, domain: LdapDirectory) -> None:
    """Changed in the portal, so changed in Active Directory; deactivated, so disabled; and back."""
    page = walk.page
    walk.fill(last_name='Kim-O\'Hara, "Dae" #1')
    walk.button("Save and continue editing")
    wait_until(lambda: held(domain, "sn") == 'Kim-O\'Hara, "Dae" #1', 15, "the changed account")
    page.locator("[name=is_active]").uncheck()
    walk.button("Save and continue editing")
    wait_until(lambda: held(domain, "userAccountControl") == "514", 15, "the disabled account")
    page.locator("[name=is_active]").check()
    walk.button("Save and continue editing")
    wait_until(lambda: held(domain, "userAccountControl") == "512", 15, "the enabled account")


def set_the_password(walk: Walk, domain: LdapDirectory) -> None:
    """The password set in the portal opens the account in Active Directory."""
    page = walk.page
    page.get_by_role("link", name="Set password").first.click()
    walk.fill(password1=NEW_PASSWORD, password2=NEW_PASSWORD)
    walk.look("ad-password")
    page.locator("form [type=submit]").last.click()
    wait_until(lambda: domain.can_log_in(f"dkim@{DOMAIN}", NEW_PASSWORD), 15, "the password to be set")


def delete_the_user(walk: Walk, domain: LdapDirectory) -> None:
    """Deleted in the portal, so deleted in Active Directory."""
    walk.sidebar("Users")
    walk.page.get_by_role("link", name="dkim").first.click()
    walk.page.get_by_text("More", exact=True).click()
    walk.page.get_by_role("link", name="Delete").first.click()
    walk.button("Delete user")
    wait_until(lambda: held(domain, "cn") == "", 15, "the deleted account to go")


def sync_groups(walk: Walk, domain: LdapDirectory) -> None:
    """The switch of the group sync: the groups come into being with their members."""
    walk.sidebar("Directories")
    walk.page.get_by_role("link", name="Corp AD").first.click()
    walk.switch_on("Enable group sync")
    walk.look("ad-groups-on")
    walk.button("Save")
    walk.says("Saved.")
    walk.sidebar("Import users")
    walk.button("Import")
    walk.says("Users imported successfully")
    walk.sidebar("Groups")
    expect(walk.page.locator("#result_list")).to_contain_text("Developers")
    walk.look("ad-groups")


def held(domain: LdapDirectory, attribute: str) -> str:
    """Return what the new account holds, "" while it is not there."""
    found = domain.entry(f"cn=dkim,{domain.base}", attribute) or {}
    value = next(iter(found.get(attribute, [])), "")
    return value.decode() if isinstance(value, bytes) else str(value)
