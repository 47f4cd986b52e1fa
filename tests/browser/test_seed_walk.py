"""The guide to PostgreSQL provisioning that the portal was built after, walked in a browser from an empty portal.

Its parts A (add the database), B (write the queries), C (map, switch on, import) and its report, with its own example:
the database APPSDB and its table USERS, on a real server, with the portal's real processes.
"""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from playwright.sync_api import Page, expect

from provisioning.models import User
from tests.browser.conftest import PASSWORD, Look
from tests.browser.walk import Walk
from tests.fixtures.databases import login_of, postgres_database
from tests.fixtures.directories import TEMPLATES, AppsDb, make_appsdb
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until
from tests.servers import Server

PEOPLE = (
    ("alovelace", "Ada", "Lovelace", "ada@example.org"),
    ("bsmith", "Björn", "Smith", "bjoern@example.org"),
    ("cnguyen", "Chí", "Nguyễn", "chi@example.org"),
)
CREATE = (
    "INSERT INTO USERS (USERNAME, PASSWORD, FIRSTNAME, LASTNAME, EMAIL_ADDRESS) VALUES "
    "('##USERNAME##', 'defaultPassword123#', '##FIRSTNAME##', '##LASTNAME##', '##EMAIL_ADDRESS##')"
)
TABLE = {
    "connection__user_table": "USERS",
    "connection__username_column": "USERNAME",
    "connection__password_column": "PASSWORD",
}
FEATURES = ("Import users", "Create users", "Update users", "Deactivate users", "Delete users")
QUERIES = [(operation.value, CREATE if operation == "create" else sql) for operation, sql in TEMPLATES]


@pytest.fixture
def named_appsdb(postgres: Server) -> Iterator[AppsDb]:
    """The example database under its own name, with three people in it."""
    database = make_appsdb(postgres_database(postgres, "APPSDB"))
    database.many("INSERT INTO USERS VALUES (%s, '', %s, %s, %s)", list(PEOPLE))
    yield database
    database.connection.close()
    with psycopg.connect(**{**login_of(database), "dbname": "postgres"}, autocommit=True) as connection:
        connection.execute('DROP DATABASE "APPSDB" WITH (FORCE)')


@pytest.fixture
def walk(portal: Portal, open_page: Callable[..., Page], it_person: User, look: Look) -> Walk:
    """A signed-in person on the start page of an empty portal that runs."""
    portal.worker("--pool=threads")
    portal.web()
    page = open_page(portal.url)
    walk = Walk(page, look)
    page.goto("/")
    look(page, "login")
    page.get_by_label("User name").fill(it_person.username)
    page.get_by_label("Password").fill(PASSWORD)
    walk.button("Sign in")
    walk.says("First steps")
    look(page, "start")
    return walk


def test_the_guide_on_postgresql(walk: Walk, named_appsdb: AppsDb) -> None:
    """Every part of the guide, in its order."""
    add_the_database(walk, named_appsdb)
    write_the_queries(walk)
    make_it_the_default(walk)
    map_and_switch_on(walk)
    import_users(walk)
    users_flow_out(walk, named_appsdb)
    look_at_the_report(walk)


def add_the_database(walk: Walk, appsdb: AppsDb) -> None:
    """Part A: the connection from a JDBC address, tested before it is saved."""
    page, settings = walk.page, appsdb.settings
    page.get_by_role("link", name="1. Add a directory").click()
    walk.look("kinds")
    page.get_by_role("link", name="PostgreSQL").click()
    walk.look("connection-empty")
    page.locator("#id_paste_url").fill(f"jdbc:postgresql:@{settings['host']}:{settings['port']}/APPSDB")
    walk.button("Fill in")
    walk.says("Filled in from the URL.")
    expect(page.get_by_label("Host")).to_have_value(settings["host"])
    expect(page.get_by_label("Database")).to_have_value("APPSDB")
    walk.fill(name="APPSDB", connection__user=settings["user"], connection__password="not the password", **TABLE)
    walk.button("Test connection")
    walk.says("The connection does not work yet.")
    walk.look("connection-wrong-password")
    walk.fill(connection__password=settings["password"])
    walk.button("Test connection")
    walk.says("The connection works.")
    walk.look("connection-works")
    walk.button("Save")
    walk.says("APPSDB is saved. Next: write its query templates.")


def write_the_queries(walk: Walk) -> None:
    """Part B: all queries in the guide's notation; a mistake is named, and corrected."""
    page = walk.page
    walk.look("templates-empty")
    for operation, sql in QUERIES:
        walk.write(operation, sql)
    delete = walk.operation("delete").locator("textarea")
    delete.fill("DELETE FROM USERS WHERE USERNAM='##USRNAME##'")
    walk.button("Save")
    walk.says("Nothing was saved yet")
    walk.look("templates-error")
    expect(walk.operation("delete")).to_contain_text("USERNAME")
    delete.fill("DELETE FROM USERS WHERE USERNAME='##USERNAME##'")
    page.locator("#id_try_user").press_sequentially("gra")
    page.locator("#try-box .rcd-people button").click()
    walk.button("Run and roll back")
    walk.says("run and rolled back: nothing was changed.")
    walk.look("templates-tried")
    walk.button("Save")
    walk.says("Saved.")
    walk.look("templates-saved")


def make_it_the_default(walk: Walk) -> None:
    """Part C, step 1: from the list."""
    page = walk.page
    walk.sidebar("Directories")
    walk.look("directories")
    walk.button("Actions for APPSDB")
    walk.look("directories-menu")
    page.get_by_role("menuitem", name="Make default").click()
    walk.says("APPSDB is")
    walk.look("directories-default")


def map_and_switch_on(walk: Walk) -> None:
    """Part C, steps 2 to 5: three columns to default profile attributes, the features, and the words of success."""
    page = walk.page
    page.get_by_role("link", name="APPSDB").first.click()
    walk.tab("Attribute mapping")
    rows = page.locator("#mapping-rows .rcd-mapping-row")
    expect(rows).to_have_count(3)
    walk.look("mapping-empty")
    for row, label in enumerate(("First name", "Last name", "E-mail")):
        rows.nth(row).locator("[name=mapping_profile]").select_option(label=label)
    walk.button("Show sample")
    walk.says("In: alovelace from the directory")
    walk.look("mapping-sample")
    walk.switch_on(*FEATURES)
    page.get_by_label("When a user is deactivated").select_option("delete")
    page.get_by_label("When a user is deleted").select_option("delete")
    walk.button("Save")
    walk.says("Saved.")
    walk.look("features-saved")


def import_users(walk: Walk) -> None:
    """Part C, step 6: look at the plan, import, and find the people in the list."""
    page = walk.page
    walk.sidebar("Import users")
    walk.look("import")
    walk.button("Preview")
    walk.says("This is what an import would do")
    walk.look("import-preview")
    walk.sidebar("Import users")
    walk.button("Import")
    walk.says("Users imported successfully")
    walk.look("import-done")
    walk.sidebar("Import history")
    walk.look("imports")
    walk.sidebar("Users")
    for username, first, last, email in PEOPLE:
        row = page.locator("#result_list tr", has_text=username)
        expect(row).to_contain_text(f"{first} {last}")
        expect(row).to_contain_text(email)
    walk.look("users")


def users_flow_out(walk: Walk, appsdb: AppsDb) -> None:
    """Each change in the portal is a change of the row."""
    page = walk.page
    page.get_by_role("link", name="Add user").first.click()
    walk.fill(username="dkim", first_name="Dae", last_name="Kim", email="dae@example.org")
    walk.look("user-add")
    walk.button("Save and continue editing")
    wait_until(lambda: appsdb.people().get("dkim") == ("Dae", "Kim", "dae@example.org"), 10, "the new row")
    assert appsdb.rows("SELECT PASSWORD FROM USERS WHERE USERNAME = 'dkim'") == [("defaultPassword123#",)]
    walk.look("user")
    expect(page.locator("#user-accounts")).to_contain_text("In sync")
    walk.look("user-accounts")
    walk.fill(last_name="Kim-O'Hara")
    walk.button("Save and continue editing")
    wait_until(lambda: appsdb.people()["dkim"][1] == "Kim-O'Hara", 10, "the changed row")
    page.locator("[name=is_active]").uncheck()
    walk.button("Save and continue editing")
    wait_until(lambda: "dkim" not in appsdb.people(), 10, "the deactivated user's row to go")
    walk.look("user-inactive")
    walk.sidebar("Users")
    page.get_by_role("link", name="bsmith").first.click()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Delete").first.click()
    walk.look("user-delete")
    walk.button("Delete user")
    wait_until(lambda: "bsmith" not in appsdb.people(), 10, "the deleted user's row to go")
    assert set(appsdb.people()) == {"alovelace", "cnguyen"}
    walk.look("users-after-delete")


def look_at_the_report(walk: Walk) -> None:
    """The report: the newest first, then by end user, application and time span."""
    page = walk.page
    walk.sidebar("Provisioning report")
    lines = page.locator(".rc-flush > .rc-table > tbody > tr")
    walk.look("report")
    walk.button("Search")
    expect(lines.first).to_contain_text("bsmith")
    page.get_by_label("End-user identifier").fill("dkim")
    page.get_by_label("Application name").select_option("APPSDB")
    page.get_by_label("Time span").select_option("Last hour")
    walk.button("Search")
    expect(lines).to_have_count(3)
    walk.look("report-filtered")
    walk.sidebar("Directories")
    page.get_by_role("link", name="APPSDB").first.click()
    walk.tab("Health & accounts")
    walk.says("No change is waiting.")
    walk.look("health")
    walk.sidebar("Start")
    walk.says("All is well")
    walk.look("start-after")
    walk.sidebar("Failed and waiting")
    walk.look("operations")


@pytest.mark.parametrize("kind", ["mariadb", "sqlite"])
def test_the_short_way(walk: Walk, kind: str, request: pytest.FixtureRequest) -> None:
    """Another database with what the portal offers: example queries, suggested mappings, an import, a new user."""
    appsdb = make_appsdb(request.getfixturevalue(f"{kind}_directory"))
    appsdb.many("INSERT INTO USERS VALUES (%s, '', %s, %s, %s)", list(PEOPLE))
    login = {name: str(value) for name, value in appsdb.settings.items() if f"connection__{name}" not in TABLE}
    login.pop("tls_mode", None)
    walk.page.goto(f"/directories/directory/add/?kind={kind}")
    walk.fill(name="APPSDB", **{f"connection__{name}": value for name, value in login.items()}, **TABLE)
    walk.button("Test connection")
    walk.says("The connection works.")
    walk.button("Save")
    walk.button("Insert all examples")
    walk.tab("Attribute mapping")
    walk.button("Suggest mappings")
    walk.says("3 suggested")
    walk.switch_on("Import users", "Create users", "Deactivate users")
    walk.page.get_by_label("When a user is deactivated").select_option("leave")
    walk.button("Save")
    walk.says("Saved. Import, create and deactivate are on.")
    walk.sidebar("Import users")
    walk.button("Import")
    walk.says("3 created")
    walk.page.goto("/provisioning/user/add/")
    walk.fill(username="dkim", first_name="Dae", last_name="Kim", email="dae@example.org")
    walk.button("Save")
    wait_until(lambda: appsdb.people().get("dkim") == ("Dae", "Kim", "dae@example.org"), 10, "the new row")
