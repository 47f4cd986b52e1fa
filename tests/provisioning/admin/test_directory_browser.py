"""The moving parts of the directory page in a real browser: the walk-through's parts A, B and C, and more."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from provisioning.models import User
from tests.fixtures.directories import AppsDb
from tests.servers import Server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin_page(page: Page, sign_in: Callable[[Page, User], None], transactional_db: None) -> Iterator[Page]:
    sign_in(page, User.objects.create_superuser("root"))
    yield page
    page.goto("about:blank")


def test_the_walk_through_from_a_pasted_url_to_a_saved_schedule(admin_page: Page, pg_appsdb: AppsDb) -> None:
    pg_appsdb.add("anna", "Anna", "Ó Briain", "Anna@Example.org")
    page, settings = admin_page, pg_appsdb.settings

    # Part A: the connection
    page.goto("/directories/directory/")
    page.get_by_role("link", name="Add the first directory").click()
    page.get_by_role("link", name="PostgreSQL").click()
    page.get_by_label("Name", exact=False).first.fill("APPSDB")
    page.get_by_label("Paste a URL").fill("jdbc:postgresql:@127.0.0.1:{port}/{database}".format(**settings))
    page.get_by_role("button", name="Fill in").click()
    expect(page.locator("#id_connection-database")).to_have_value(settings["database"])
    page.locator("#id_connection-user").fill(settings["user"])
    page.locator("#id_connection-password").fill(settings["password"])
    page.locator("#id_connection-tls_mode").select_option("disable")
    page.locator("#id_connection-user_table").fill("USERS")
    page.locator("#id_connection-username_column").fill("USERNAME")
    page.locator("#id_connection-password_column").fill("PASSWORD")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("The connection works. One step is not safe")).to_be_in_viewport()
    expect(page.locator("#test-result")).to_be_focused()
    expect(page.locator(".rcd-steps li", has_text="TLS").get_by_role("img")).to_have_accessible_name(
        "Works, but is not safe"
    )
    page.get_by_role("button", name="Save").click()

    # Part B: the queries, from the columns that the test found
    page.get_by_role("button", name="Insert all examples").click()
    areas = page.locator(".rcd-statements textarea")
    expect(areas).to_have_count(7)
    assert "firstname" in areas.first.input_value().lower()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. Nothing is switched on yet")).to_be_visible()
    assert QueryTemplate.objects.filter(operation="import").count() == 3

    # Part C: the mapping, the live sample, the features
    page.get_by_role("tab", name="Attribute mapping").click()
    page.get_by_role("button", name="Suggest mappings").click()
    expect(page.get_by_text("3 suggested")).to_be_visible()
    page.get_by_role("button", name="Show sample").click()
    expect(page.locator("#sample-result")).to_contain_text("Ó Briain")
    expect(page.get_by_role("button", name="Push all users now")).to_have_count(0)  # there is nobody to push
    User.objects.create(username="zoe")
    page.get_by_role("tab", name="Features & schedule").click()
    for label in ("Import users", "Create users", "Deactivate users"):
        page.get_by_label(label, exact=True).check()
    page.get_by_label("When a user is deactivated").select_option("leave")
    page.get_by_label("Import", exact=True).select_option("daily")
    page.get_by_label("At", exact=True).fill("02:00")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. Import, create and deactivate are on; next import to")).to_be_visible()
    expect(page.get_by_role("button", name="Push all users now")).to_be_visible()
    saved = AttributeMapping.objects.values_list("portal_attribute", flat=True)
    assert sorted(saved) == ["email", "first_name", "last_name"]
    assert ProvisioningSettings.objects.get().schedule == "daily"

    page.goto("/directories/directory/")
    page.get_by_role("button", name="Actions for APPSDB").click()
    page.get_by_role("menuitem", name="Make default").click()
    expect(page.get_by_text("APPSDB is now the default directory.")).to_be_visible()


def opened(page: Page, directory: Directory, tab: str) -> None:
    page.goto(f"/directories/directory/{directory.pk}/change/#{tab}")
    expect(page.locator(f"#tab-{tab}")).to_have_attribute("aria-selected", "true")


def test_statements_are_added_moved_and_removed(
    admin_page: Page, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    opened(admin_page, directory, "templates")
    operation = admin_page.locator("[data-operation=delete]")
    operation.get_by_role("button", name="Add statement").click()
    operation.locator("textarea").nth(1).fill("DELETE FROM USERS WHERE EMAIL_ADDRESS='##EMAIL_ADDRESS##'")
    operation.get_by_role("button", name="Move up").nth(1).click()
    imports = admin_page.locator("[data-operation=import]")
    imports.get_by_role("button", name="Remove statement").first.click()
    admin_page.get_by_role("button", name="Save").click()
    expect(admin_page.get_by_text("Saved.", exact=False).first).to_be_visible()
    rows = QueryTemplate.objects.filter(operation="delete").order_by("position")
    assert ["EMAIL" in row.sql for row in rows] == [True, False]
    assert QueryTemplate.objects.filter(operation="import").count() == 2


def test_errors_open_their_tab_and_keep_what_was_written(
    admin_page: Page, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    opened(admin_page, directory, "templates")
    admin_page.locator("[data-operation=update] textarea").fill("UPDATE USERS SET FIRSTNAME='x'")
    admin_page.get_by_role("tab", name="Connection").click()
    admin_page.get_by_role("button", name="Save").click()
    expect(admin_page.locator("#tab-templates")).to_have_attribute("aria-selected", "true")
    expect(admin_page.get_by_text("no WHERE")).to_be_visible()
    admin_page.locator("#tab-mapping").click()
    admin_page.locator("#tab-templates").click()
    expect(admin_page.locator("[data-operation=update] textarea")).to_have_value("UPDATE USERS SET FIRSTNAME='x'")
    expect(admin_page.get_by_text("no WHERE")).to_be_visible()


def test_the_portal_attribute_follows_the_kind_and_the_sample_stays_live(
    admin_page: Page, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    pg_appsdb.add("anna", "Anna", "Ó Briain", "anna@example.org")
    directory = make_directory(pg_appsdb)
    opened(admin_page, directory, "mapping")
    row = admin_page.locator("#mapping-rows .rcd-mapping-row").first
    row.locator("[name=mapping_kind]").select_option("custom")
    expect(row.locator("[name=mapping_profile]")).to_be_hidden()
    row.locator("[name=mapping_custom]").fill("nickname")
    admin_page.get_by_role("button", name="Show sample").click()
    expect(admin_page.locator("#sample-result")).to_contain_text("nickname")
    row.locator("[name=mapping_direction]").select_option("in")
    row.locator("[name=mapping_expression]").fill("{{ value | upper }}")
    row.locator("[name=mapping_expression]").blur()
    expect(admin_page.locator("#sample-result")).to_contain_text("ANNA")
    assert AttributeMapping.objects.filter(kind="custom").count() == 0


def test_try_it_with_a_user_found_by_typing(
    admin_page: Page, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    User.objects.create_user("anna", first_name="Anna", email="anna@example.org")
    directory = make_directory(pg_appsdb)
    opened(admin_page, directory, "templates")
    admin_page.locator("#id_try_user").press_sequentially("ann")
    admin_page.locator("[data-name=anna]").click()
    admin_page.locator("[name=try_operation]").select_option("create")
    admin_page.get_by_role("button", name="Run and roll back").click()
    expect(admin_page.locator("#try-result")).to_contain_text("1 row matched")
    assert pg_appsdb.rows("SELECT * FROM USERS") == []


def test_a_sign_in_that_ended_leads_to_the_sign_in_page(
    admin_page: Page, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    opened(admin_page, directory, "connection")
    admin_page.context.clear_cookies(name="sessionid")
    admin_page.once("dialog", lambda dialog: dialog.accept())
    admin_page.get_by_role("button", name="Test connection").click()
    expect(admin_page.locator("input[name=login]")).to_be_visible()
    assert Client().get("/login/").status_code == 200


def test_a_certificate_is_trusted_after_a_look_at_it(
    admin_page: Page, pg_appsdb: AppsDb, make_directory: Callable[..., Directory], postgres: Server
) -> None:
    page, directory = admin_page, make_directory(pg_appsdb)
    page.goto(f"/directories/directory/{directory.pk}/change/#connection")
    page.locator("#id_connection-tls_mode").select_option("verify-full")
    page.locator("#id_connection-password").fill(pg_appsdb.settings["password"])
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("Issued by itself")).to_be_visible()
    expect(page.get_by_text("Compare the fingerprint")).to_be_visible()
    page.get_by_role("button", name="Trust this certificate").click()
    expect(page.get_by_text("The connection works.")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    directory.refresh_from_db()
    assert directory.settings["ca"].split() == postgres.ca.split()
