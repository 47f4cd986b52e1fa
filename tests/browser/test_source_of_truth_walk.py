"""HR in PostgreSQL as the source of truth, by clicks.

People with contracts come in, rules give and take what they have, an application's database is kept up to date, and
whoever departs in HR's database is offboarded by itself, step by step.
"""

import datetime as dt
from collections.abc import Callable, Iterator

import psycopg
import pytest
from playwright.sync_api import Page, expect

from directories.models import AccountsFor, QueryTemplate
from provisioning import tasks
from provisioning.models import Group, Membership, User
from tests.browser.conftest import PASSWORD, Look, settled
from tests.browser.walk import Walk
from tests.fixtures.databases import Database, login_of, postgres_database
from tests.fixtures.directories import AppsDb, make_appsdb, save_directory
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until
from tests.provisioning.contracts.conftest import others
from tests.provisioning.rules.conftest import group
from tests.servers import Server

TABLES = (
    "EMPLOYEES (ID VARCHAR(20) PRIMARY KEY, GIVENNAME VARCHAR(80), SURNAME VARCHAR(80), MAIL VARCHAR(120))",
    "CONTRACTS (ID INTEGER PRIMARY KEY, EMPLOYEE VARCHAR(20), STARTDATE DATE, ENDDATE DATE, DEPARTMENTID INTEGER, "
    "TITLE_ID INTEGER, MANAGERID VARCHAR(20))",
    "DEPARTMENTS (ID INTEGER PRIMARY KEY, NAME VARCHAR(80), PARENT INTEGER, HEAD VARCHAR(20))",
    "TITLES (ID INTEGER PRIMARY KEY, NAME VARCHAR(80))",
)
QUERIES = (
    ("import", "SELECT GIVENNAME FROM EMPLOYEES WHERE ID='##USERNAME##'"),
    ("import", "SELECT SURNAME FROM EMPLOYEES WHERE ID='##USERNAME##'"),
    ("import", "SELECT MAIL FROM EMPLOYEES WHERE ID='##USERNAME##'"),
    ("contracts", "SELECT EMPLOYEE, ID, STARTDATE, ENDDATE, DEPARTMENTID, TITLE_ID, MANAGERID FROM CONTRACTS"),
    ("departments", "SELECT ID, NAME, PARENT, HEAD FROM DEPARTMENTS"),
    ("titles", "SELECT ID AS TITLE_ID, NAME AS JOBTITLE FROM TITLES"),
)
CLOSE = "UPDATE USERS SET PASSWORD='closed' WHERE USERNAME='##USERNAME##'"
OPEN = "UPDATE USERS SET PASSWORD='open' WHERE USERNAME='##USERNAME##'"


@pytest.fixture
def databases(postgres: Server) -> Iterator[tuple[Database, AppsDb]]:
    """The database of HR with three people, and an application's own database without anybody."""
    hrdb, appsdb = postgres_database(postgres, "HRDB"), make_appsdb(postgres_database(postgres, "APPSDB"))
    for table in TABLES:
        hrdb.execute(f"CREATE TABLE {table}")
    hrdb.many("INSERT INTO DEPARTMENTS VALUES (%s, %s, %s, %s)", [(1, "Board", None, "e1"), (2, "Care", 1, None)])
    hrdb.many("INSERT INTO TITLES VALUES (%s, %s)", [(1, "Director"), (2, "Nurse"), (3, "Head nurse")])
    people = [("e1", "Ada", "Lovelace"), ("e2", "Björn", "Smith"), ("e3", "Chí", "Nguyễn")]
    for number, (key, given, family) in enumerate(people, 1):
        hrdb.execute("INSERT INTO EMPLOYEES VALUES (%s, %s, %s, %s)", key, given, family, f"{key}@example.org")
        care, title = (1, 1) if key == "e1" else (2, 2)
        hrdb.execute(
            "INSERT INTO CONTRACTS VALUES (%s, %s, '2020-01-01', NULL, %s, %s, NULL)", number, key, care, title
        )
    yield hrdb, appsdb
    for database, name in ((hrdb, "HRDB"), (appsdb, "APPSDB")):
        login = login_of(database)
        database.connection.close()
        with psycopg.connect(**{**login, "dbname": "postgres"}, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def walk(portal: Portal, open_page: Callable[..., Page], it_person: User, look: Look) -> Walk:
    """A signed-in person of the IT staff."""
    portal.worker("--pool=threads")
    portal.web()
    page = open_page(portal.url)
    walk = Walk(page, look)
    page.goto("/")
    page.get_by_label("User name").fill(it_person.username)
    page.get_by_label("Password").fill(PASSWORD)
    walk.button("Sign in")
    walk.says("First steps")
    return walk


def test_hr_in_a_database_is_the_source_of_truth(walk: Walk, databases: tuple[Database, AppsDb]) -> None:
    """Each paragraph about the source, the rules and the ongoing management, in its order."""
    hrdb, appsdb = databases
    others(100)  # so that one leaver is a small share
    connect_hr(walk, hrdb)
    write_its_queries(walk)
    map_its_fields(walk)
    let_the_profile_follow_the_contract(walk)
    import_people(walk, "3 created")
    ada, bob = (User.objects.get(username=name) for name in ("e1", "e2"))
    assert (bob.first_name, bob.title, bob.department, bob.manager) == ("Björn", "Nurse", "Care", ada)
    crm = save_directory(
        appsdb,
        create_users=True,
        update_users=True,
        deactivate_users=True,
        accounts_for=AccountsFor.RULES,
        on_deactivate="delete",
        delete_after_days=30,
    )
    for operation, sql in (("disable", CLOSE), ("enable", OPEN)):
        QueryTemplate.objects.create(directory=crm, operation=operation, sql=sql)
    ward = group("Ward staff")
    a_rule_gives_access(walk)
    wait_until(lambda: set(appsdb.people()) == {"e2", "e3"}, 20, "accounts of those in Care alone")
    assert Membership.objects.filter(group=ward).count() == 2

    hrdb.execute("UPDATE CONTRACTS SET TITLE_ID = 3 WHERE EMPLOYEE = 'e3'")
    hrdb.execute("UPDATE EMPLOYEES SET SURNAME = 'Nguyễn-Berg' WHERE ID = 'e3'")
    import_people(walk, "1 updated")
    wait_until(lambda: appsdb.people()["e3"][1] == "Nguyễn-Berg", 20, "the application to follow")
    assert User.objects.get(username="e3").title == "Head nurse"

    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=2)
    hrdb.execute("UPDATE CONTRACTS SET ENDDATE = %s WHERE EMPLOYEE = 'e2'", yesterday)
    import_people(walk, "1 updated")
    closed = "SELECT PASSWORD FROM USERS WHERE USERNAME = 'e2'"
    wait_until(lambda: appsdb.rows(closed) == [("closed",)], 20, "the account to be closed")
    tick()
    everything_went_by_itself(walk)
    assert not User.objects.get(username="e2").is_active
    assert set(Membership.objects.filter(group=ward).values_list("user__username", flat=True)) == {"e3"}
    assert Group.objects.filter(name="Ward staff").exists()


def tick() -> None:
    """Let the minute come at which contracts and rules are looked at."""
    tasks.settle_contracts()
    tasks.evaluate_rules()


def connect_hr(walk: Walk, hrdb: Database) -> None:
    page, settings = walk.page, hrdb.settings
    page.goto("/directories/directory/add/?kind=postgresql")
    page.locator("#id_paste_url").fill(f"jdbc:postgresql:@{settings['host']}:{settings['port']}/HRDB")
    walk.button("Fill in")
    walk.says("Filled in from the URL.")
    table = {"connection__user_table": "EMPLOYEES", "connection__username_column": "ID"}
    walk.fill(name="HR", connection__user=settings["user"], connection__password=settings["password"], **table)
    walk.button("Test connection")
    walk.says("The connection works.")
    walk.button("Save")
    walk.says("HR is saved. Next: write its query templates.")


def write_its_queries(walk: Walk) -> None:
    """Four queries, of which three are only for a database of HR."""
    for operation, sql in QUERIES[:3]:
        walk.write(operation, sql)
    walk.page.get_by_text("Only for a database of HR.").click()
    for operation, sql in QUERIES[3:]:
        walk.write(operation, sql)
    walk.look("queries")
    walk.button("Save")
    walk.says("Saved.")


def map_its_fields(walk: Walk) -> None:
    page = walk.page
    walk.tab("Attribute mapping")
    walk.button("Suggest mappings")
    walk.says("suggested")
    rows = page.locator("#mapping-rows .rcd-mapping-row")
    kinds = rows.locator("[name=mapping_kind]").evaluate_all("boxes => boxes.map((box) => box.value)")
    assert kinds.count("contract") >= 5, kinds
    rows.first.locator("[name=mapping_required]").select_option("yes")
    walk.look("mapping")
    walk.switch_on("Import users")
    walk.button("Save")
    walk.says("Saved.")


def let_the_profile_follow_the_contract(walk: Walk) -> None:
    page = walk.page
    walk.sidebar("Contracts")
    for name, field in (("title", "title"), ("department", "department"), ("manager", "manager")):
        page.locator(f"[name='follows.profile.{name}']").select_option(field)
    walk.look("contracts")
    page.get_by_role("button", name="Save", exact=True).click()
    walk.says("Saved.")


def import_people(walk: Walk, words: str) -> None:
    walk.sidebar("Import users")
    walk.page.get_by_label("Directory").select_option("HR")
    settled(walk.page)
    walk.button("Import")
    walk.says("Users imported successfully")
    walk.says(words)
    walk.look("imported")
    tick()


def a_rule_gives_access(walk: Walk) -> None:
    page = walk.page
    walk.sidebar("Rules")
    page.get_by_role("link", name="Add rule").first.click()
    page.get_by_label("Name").fill("Everyone in Care")
    page.get_by_role("button", name="Add a condition").click()
    settled(page)
    page.get_by_label("Field").select_option("contract.branch")
    settled(page)
    page.get_by_label("Values, with a semicolon").fill("Care")
    expect(page.get_by_text("It holds for 2 people now")).to_be_visible()
    page.get_by_label("APPSDB").check()
    page.get_by_label("Groups, one a line").fill("Ward staff")
    walk.look("rule")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Publish …").click()
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("2 memberships added")).to_be_visible()


def everything_went_by_itself(walk: Walk) -> None:
    """The leaver's receipt tells each step, that nobody did it by hand, and what is still to come."""
    page = walk.page
    walk.sidebar("Leavers")
    page.get_by_role("main").get_by_role("link", name="Björn Smith").first.click()
    settled(page)
    walk.says("Step by step")
    steps = page.locator("#steps tbody tr")
    for words in ("Disabled e2 in APPSDB.", "will be deleted from APPSDB", "Loses"):
        expect(steps.filter(has_text=words).first).to_contain_text("by itself")
    walk.look("receipt")
