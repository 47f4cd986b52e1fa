"""HR in a database: people, contracts, departments and titles become users that follow their contracts, end to end."""

from collections.abc import Callable
from typing import Any

import pytest

from directories.connectors.sql.session import SqlSession
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from provisioning import services
from provisioning.contracts import services as contracts
from provisioning.contracts.models import Contract, Department
from provisioning.imports import engine
from provisioning.imports.doors.contracts import settle
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus, Trigger
from tests.fixtures.databases import Database
from tests.fixtures.directories import GENEROUS
from tests.provisioning.contracts.conftest import Clock, active, others

pytestmark = pytest.mark.django_db
TABLES = (
    "EMPLOYEES (EMPLOYEE_NO VARCHAR(20) PRIMARY KEY, GIVEN VARCHAR(80), FAMILY VARCHAR(80), IS_BLOCKED INTEGER)",
    "CONTRACTS (ID INTEGER PRIMARY KEY, EMPLOYEE_NO VARCHAR(20), FIRST_DAY DATE, LAST_DAY DATE, FTE DECIMAL(5,3), "
    "DEPARTMENT INTEGER, TITLE_ID INTEGER, MANAGER VARCHAR(20))",
    "DEPARTMENTS (ID INTEGER PRIMARY KEY, NAME VARCHAR(80), PARENT INTEGER, HEAD VARCHAR(20))",
    "TITLES (ID INTEGER PRIMARY KEY, NAME VARCHAR(80))",
)
QUERIES = {
    "import": [
        "SELECT GIVEN FROM EMPLOYEES WHERE EMPLOYEE_NO='##USERNAME##'",
        "SELECT FAMILY FROM EMPLOYEES WHERE EMPLOYEE_NO='##USERNAME##'",
        "SELECT IS_BLOCKED FROM EMPLOYEES WHERE EMPLOYEE_NO='##USERNAME##'",
    ],
    "contracts": [
        "SELECT EMPLOYEE_NO, ID, FIRST_DAY, LAST_DAY, FTE, DEPARTMENT, TITLE_ID, MANAGER FROM CONTRACTS ORDER BY ID"
    ],
    "departments": ["SELECT ID, NAME, PARENT, HEAD FROM DEPARTMENTS"],
    "titles": ["SELECT ID AS TITLE_ID, NAME AS TITLE FROM TITLES"],
}
MAPPING = {
    "GIVEN": "profile.first_name",
    "FAMILY": "profile.last_name",
    "IS_BLOCKED": "record.blocked",
    "FIRST_DAY": "contract.starts",
    "LAST_DAY": "contract.ends",
    "FTE": "contract.fte",
    "DEPARTMENT": "contract.department",
    "TITLE": "contract.title",
    "MANAGER": "contract.manager",
}


class HrDatabase:
    """The database and the directory that stands for it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        for table in TABLES:
            database.execute(f"CREATE TABLE {table}")
        settings = {**database.settings, "user_table": "EMPLOYEES", "username_column": "EMPLOYEE_NO"}
        password = settings.pop("password", "")
        self.directory = Directory.objects.create(
            name="HR", kind=database.kind, settings=settings, secrets={"password": password}
        )
        ProvisioningSettings.objects.create(
            directory=self.directory, import_users=True, deactivate_missing=True, **GENEROUS
        )
        for operation, statements in QUERIES.items():
            for position, sql in enumerate(statements):
                QueryTemplate.objects.create(directory=self.directory, operation=operation, position=position, sql=sql)
        for theirs, ours in MAPPING.items():
            kind, _, name = ours.partition(".")
            AttributeMapping.objects.create(
                directory=self.directory, directory_attribute=theirs, kind=kind, portal_attribute=name, direction="in"
            )

    def add(self, table: str, *values: Any) -> None:
        self.database.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(values))})", *values)

    def run(self, **how: Any) -> ImportRun:
        run = services.start_import(self.directory, preview=False, actor="tester", trigger=Trigger.COMMAND, **how)
        engine.execute(run.pk)
        run.refresh_from_db()
        settle()
        return run


@pytest.fixture(params=["pg", "mariadb", "sqlite"])
def hr(request: pytest.FixtureRequest, clock: Clock) -> HrDatabase:
    """HR on each kind of database; it is noon on 30 November 2026."""
    return HrDatabase(request.getfixturevalue(f"{request.param}_directory"))


@pytest.mark.heavy
def test_hr_changes_somebody_in_the_database_and_the_rest_follows(
    hr: HrDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    others(200)
    contracts.arrange([], {"profile.title": "title", "profile.department": "department", "profile.manager": "manager"})
    hr.add("DEPARTMENTS", 1, "Board", None, "e1")
    hr.add("DEPARTMENTS", 2, "Tools", 1, None)
    hr.add("TITLES", 7, "Toolmaker")
    for number in range(1, 31):
        hr.add("EMPLOYEES", f"e{number}", f"Given{number}", "Family", 0)
        hr.add("CONTRACTS", number, f"e{number}", "2020-01-01", None, 1, 1 if number == 1 else 2, 7, None)
    hr.add("CONTRACTS", 100, "e2", "2026-12-01", None, "0.5", 1, 7, "e3")
    hr.add("EMPLOYEES", "late", "Later", "Starter", 0)
    hr.add("CONTRACTS", 101, "late", "2027-01-01", None, 1, 2, 7, None)
    hr.add("EMPLOYEES", "parked", "Parked", "Person", 1)
    asked = _counted(monkeypatch)
    run = hr.run()
    assert (run.status, run.created, run.blocked, run.errors) == (RunStatus.FINISHED, 31, 1, 0), run.message
    assert len(asked) < 12, "never a query a person"
    assert Department.objects.get(external_id="2").parent == Department.objects.get(external_id="1")
    two = User.objects.get(username="e2")
    assert (two.title, two.department, str(two.manager)) == ("Toolmaker", "Tools", "Given1 Family (e1)")
    assert Contract.objects.filter(account__user=two).count() == 2
    assert not active(User.objects.get(username="late"))
    assert hr.run().planned == 1, "only who is blocked is looked at again"

    hr.database.execute("UPDATE CONTRACTS SET LAST_DAY = '2026-11-01' WHERE ID = 5")
    hr.database.execute("UPDATE CONTRACTS SET DEPARTMENT = 1 WHERE ID = 6")
    hr.database.execute("DELETE FROM CONTRACTS WHERE ID = 100")
    run = hr.run()
    assert (run.status, run.updated) == (RunStatus.FINISHED, 3), run.message
    assert not active(User.objects.get(username="e5")), "an employee departs, and the portal offboards"
    assert User.objects.get(username="e6").department == "Board"
    assert Contract.objects.filter(account__user=two).count() == 1


@pytest.mark.heavy
def test_only_what_changed_is_read_in_between(hr: HrDatabase) -> None:
    hr.database.execute("CREATE TABLE TOUCHED (EMPLOYEE_NO VARCHAR(20), MOMENT TIMESTAMP DEFAULT CURRENT_TIMESTAMP)")
    sql = "SELECT EMPLOYEE_NO FROM TOUCHED WHERE MOMENT > '##SINCE##' ORDER BY EMPLOYEE_NO"
    QueryTemplate.objects.create(directory=hr.directory, operation="changes", sql=sql)
    for number in range(1, 4):
        hr.add("EMPLOYEES", f"e{number}", f"Given{number}", "Family", 0)
        hr.add("CONTRACTS", number, f"e{number}", "2020-01-01", None, 1, 1, 7, None)
    assert hr.run().created == 3
    hr.database.execute("UPDATE EMPLOYEES SET GIVEN = 'New'")
    hr.database.execute("DELETE FROM EMPLOYEES WHERE EMPLOYEE_NO = 'e3'")
    hr.database.execute("INSERT INTO TOUCHED VALUES ('e2', '2001-01-01 00:00:00')")
    for name in ("e1", "e1", "e3", "nobody"):
        hr.database.execute(f"INSERT INTO TOUCHED (EMPLOYEE_NO) VALUES ('{name}')")
    run = hr.run(incremental=True)
    assert (run.status, run.incremental, run.seen, run.updated, run.deactivated) == (
        RunStatus.FINISHED,
        True,
        1,
        1,
        0,
    ), run.message
    names = dict(User.objects.filter(username__startswith="e").values_list("username", "first_name"))
    assert names == {"e1": "New", "e2": "Given2", "e3": "Given3"}
    assert Contract.objects.count() == 3


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    rows: Callable[..., Any] = SqlSession.rows

    def counting(self: SqlSession, sql: str, *more: Any) -> Any:
        asked.append(sql)
        return rows(self, sql, *more)

    monkeypatch.setattr(SqlSession, "rows", counting)
    return asked
