"""A source of truth: people with three contracts each, and the same people through every kind of source.

Steps run in processes of their own, as those of ``tests.bench.steps``: ``python -m tests.bench.contracts STEP ...``.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import psycopg

from tests.bench.steps import NAME, measured, run_step

MODULE = "tests.bench.contracts"
EACH = 3  # contracts
DEPARTMENTS = 500
BATCH = 1000  # records of a push
SERVED = 2000  # people of a page that the HTTP service gives
TABLES = (
    "employees (id varchar(20) PRIMARY KEY, given varchar(80), family varchar(80), mail varchar(120))",
    "hr_contracts (id integer PRIMARY KEY, employee varchar(20), first_day date, last_day date, title varchar(80), "
    "department integer, fte numeric)",
    "hr_departments (id integer PRIMARY KEY, name varchar(80), parent integer, head varchar(20))",
)
QUERIES = (
    ("import", "SELECT given FROM employees WHERE id='##USERNAME##'"),
    ("import", "SELECT family FROM employees WHERE id='##USERNAME##'"),
    ("import", "SELECT mail FROM employees WHERE id='##USERNAME##'"),
    ("contracts", "SELECT employee, id, first_day, last_day, title, department, fte FROM hr_contracts"),
    ("departments", "SELECT id, name, parent, head FROM hr_departments"),
)
MAPPING = {
    "given": "profile.first_name",
    "family": "profile.last_name",
    "mail": "profile.email",
    "title": "contract.title",
    "department": "contract.department",
    "first_day": "contract.starts",
    "last_day": "contract.ends",
    "fte": "contract.fte",
}


def crawls(dsn: str, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Measure the first crawl of people with contracts, an unchanged one, and one in which 1 % changed."""
    fill(dsn, count)
    run_step(variables, MODULE, "prepare", dsn)
    what = f"{count:,} people with {EACH} contracts each"
    for name in ("first crawl", "unchanged", "1 % changed"):
        if name.startswith("1 %"):
            touch(dsn)
        step = run_step(variables, "tests.bench.steps", "import")
        figures = f"{step['seconds']:.1f} s, {step['rows'] / step['seconds']:,.0f} people/s"
        yield (f"{what}: {name}", figures, "", f"{step['memory']:.0f} MiB")
        settled = run_step(variables, MODULE, "settled")
        if settled["rows"]:
            yield (f"What follows from their contracts: {name}", f"{settled['seconds']:.1f} s", "", _mib(settled))


def kinds(dsn: str, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Plan the same people from every kind of source, in another order each; their plans must have one hash."""
    fill(dsn, count)
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as name:
        found: Any = run_step(variables, MODULE, "same", dsn, name, str(count))
    for kind, seconds in found["seconds"].items():
        yield (f"A plan of {count:,} people: {kind}", f"{seconds:.1f} s, {count / seconds:,.0f} people/s", "", "")
    yield ("All of them give the plan", found["hash"][:16], "", "")
    yield ("Records pushed over the API, in batches of 1,000", f"{found['pushed']:,.0f} /s; to reach: 2,000", "", "")


def _mib(found: dict[str, float]) -> str:
    return f"{found['memory']:.0f} MiB"


def fill(dsn: str, count: int) -> None:
    """Make an HR database with ``count`` people."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"DROP TABLE IF EXISTS {table.split()[0]}")
            connection.execute(f"CREATE TABLE {table}")
        connection.execute(
            "INSERT INTO employees SELECT 'p' || lpad(n::text, 7, '0'), 'Given' || n, 'Family', n || '@example.org' "
            "FROM generate_series(1, %s) AS n",
            [count],
        )
        connection.execute(
            "INSERT INTO hr_contracts SELECT n * 3 + k, 'p' || lpad(n::text, 7, '0'), make_date(2020 + k, 1, 1), "
            "CASE WHEN k = 0 THEN date '2020-12-31' END, 'Title ' || (n %% 97), n %% %s, 0.5 "
            "FROM generate_series(1, %s) AS n, generate_series(0, %s) AS k",
            [DEPARTMENTS, count, EACH - 1],
        )
        connection.execute(
            "INSERT INTO hr_departments SELECT n, 'Department ' || n, CASE WHEN n > 0 THEN n / 10 END, NULL "
            "FROM generate_series(0, %s) AS n",
            [DEPARTMENTS - 1],
        )
        connection.execute("CREATE INDEX ON hr_contracts (employee)")
        connection.execute("VACUUM ANALYZE")


def touch(dsn: str) -> None:
    """Change a contract of 1 % of the people."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE hr_contracts SET title = title || 'x' WHERE id % 300 = 1")


def _directory(name: str, kind: str, settings: dict[str, Any], secrets: dict[str, Any] | None = None) -> Any:
    from directories.models import AttributeMapping, Directory, ProvisioningSettings

    directory = Directory.objects.create(name=name, kind=kind, settings=settings, secrets=secrets or {})
    limits = [field.name for field in ProvisioningSettings._meta.fields if field.name.startswith("max_")]
    generous = {name: 100 if name.endswith("percent") else 10_000_000 for name in limits}
    ProvisioningSettings.objects.create(directory=directory, import_users=True, **generous)
    for position, (theirs, ours) in enumerate(MAPPING.items()):
        kind_, _, attribute = ours.partition(".")
        AttributeMapping.objects.create(
            directory=directory,
            directory_attribute=theirs,
            kind=kind_,
            portal_attribute=attribute,
            direction="in",
            position=position,
        )
    return directory


def prepare(dsn: str, name: str = NAME) -> dict[str, float]:
    """Describe the HR database as a directory."""
    from directories.models import QueryTemplate

    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    settings = {
        "host": parts["host"],
        "port": int(parts["port"]),
        "database": parts["dbname"],
        "user": parts["user"],
        "tls_mode": "disable",
        "user_table": "employees",
        "username_column": "id",
    }
    directory = _directory(name, "postgresql", settings, {"password": parts["password"]})
    for position, (operation, sql) in enumerate(QUERIES):
        QueryTemplate.objects.create(directory=directory, operation=operation, position=position, sql=sql)
    return {}


def settled() -> dict[str, float]:
    """Look at everybody whose contracts changed, and apply what follows."""
    from provisioning.contracts.models import Employment
    from provisioning.imports.doors.contracts import settle

    result: dict[str, float] = {}
    with measured(result):
        while settle():
            pass
    return {**result, "rows": Employment.objects.count()}


def same(dsn: str, folder: str, count: str) -> dict[str, Any]:
    """Plan the same people from every kind; return the seconds of each, the hash, and how fast records are pushed."""
    from directories.connectors import allowed
    from tests.directories.connectors.record_subjects import (
        JsonSubject,
        PushSubject,
        RecordSubject,
        ScriptSubject,
        TableSubject,
        http_subject,
    )

    class Table(TableSubject):
        """Contracts with the fields of the HR database."""

        columns = ("id", "given", "family", "mail", "contract", *CONTRACT[1:])

        @property
        def settings(self) -> dict[str, Any]:
            return {**super().settings, "contracts": ", ".join(CONTRACT[1:])}

        def write(self) -> None:
            rows = [
                {name: value for name, value in {**one, **contract}.items() if name != "contracts"}
                for one in self.people
                for contract in one["contracts"]
            ]
            self._table("people-1.csv", self.columns, rows)
            self._table("departments.csv", ["id", "name", "parent", "manager"], self.departments)

    records, departments = _records(dsn)
    place = Path(folder)
    place.chmod(0o700)
    folders = {name: place / name for name in ("tables", "json", "scripts")}
    for path in folders.values():
        path.mkdir(mode=0o700)
    allowed.allow(folder=None, local_hosts=True, source_files=place, source_scripts=folders["scripts"])
    seconds: dict[str, float] = {}
    hashes: set[str] = set()

    def planned(name: str, directory: Any) -> None:
        begun = time.perf_counter()
        run = _planned(directory)
        seconds[name] = time.perf_counter() - begun
        if run.planned != int(count) or run.errors:
            raise SystemExit(f"{name}: {run.status} {run.planned} {run.message}")
        hashes.add(run.plan_hash)

    prepare(dsn, "sql")
    planned("PostgreSQL", _named("sql"))
    with http_subject() as served:
        served.server.answer = _pages(served)
        subjects: dict[str, RecordSubject] = {
            "HTTP": served,
            "CSV": Table(folders["tables"]),
            "JSON lines": JsonSubject(folders["json"]),
            "a script": ScriptSubject(folders["scripts"]),
        }
        for number, (name, subject) in enumerate(subjects.items(), 1):
            subject.people = records[number:] + records[:number]
            subject.departments = departments
            subject.write()
            settings = {**subject.settings, "contract_id": "contract"}
            for setting, where in (("file", name), ("departments_file", name)):
                if setting in settings:
                    settings[setting] = f"{'tables' if where == 'CSV' else 'json'}/{settings[setting]}"
            planned(name, _directory(name, subject.kind, settings))
    directory = _directory("Pushed", "push", {**PushSubject().settings, "contract_id": "contract"})
    pushed = _push(directory, records, departments)
    planned("push", directory)
    if len(hashes) != 1:
        raise SystemExit(f"The plans have {len(hashes)} hashes.")
    return {"seconds": seconds, "hash": hashes.pop(), "pushed": pushed}


CONTRACT = ("contract", "first_day", "last_day", "title", "department", "fte")


def _records(dsn: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the people of the HR database with their contracts, and its departments, as records."""
    with psycopg.connect(dsn) as connection:
        people = {
            key: {"id": key, "given": given, "family": family, "mail": mail, "contracts": []}
            for key, given, family, mail in connection.execute("SELECT * FROM employees ORDER BY id")
        }
        rows = connection.execute(
            "SELECT employee, id::text, first_day::text, last_day::text, title, department::text, fte::float "
            "FROM hr_contracts ORDER BY id"
        )
        for employee, *values in rows:
            people[employee]["contracts"].append(dict(zip(CONTRACT, values, strict=True)))
        found = connection.execute("SELECT id::text, name, parent::text, head FROM hr_departments ORDER BY id")
        departments = [dict(zip(("id", "name", "parent", "manager"), row, strict=True)) for row in found]
    return list(people.values()), departments


def _pages(served: Any) -> Any:
    """Return what answers in pages of many people."""
    from urllib.parse import parse_qs, urlsplit

    import orjson

    from tests.fixtures.http import reply

    def answer(handler: Any) -> None:
        parts = urlsplit(handler.path)
        start = int(parse_qs(parts.query).get("from", ["0"])[0])
        records = served.departments if parts.path == "/departments" else served.people
        reply(handler, orjson.dumps({"total": len(records), "items": records[start : start + SERVED]}))

    return answer


def _named(name: str) -> Any:
    from directories.models import Directory

    return Directory.objects.get(name=name)


def _planned(directory: Any) -> Any:
    from provisioning.imports import engine, requests
    from provisioning.models.imports import Trigger

    run = requests.start_import(directory, preview=True, actor="bench", trigger=Trigger.COMMAND)
    engine.execute(run.pk)
    run.refresh_from_db()
    return run


def _push(directory: Any, records: list[dict[str, Any]], departments: list[dict[str, Any]]) -> float:
    """Push everybody through the address of the API, and close the delivery; return records a second."""
    import orjson
    from django.test import Client
    from django.test.utils import setup_test_environment

    from directories import deliveries
    from provisioning.api import sources
    from provisioning.imports import deliveries as imports

    imports.start = lambda *_: None  # type: ignore[assignment] # what is measured is the door alone
    sources.SourceEndpoint.throttle_classes = []  # type: ignore[assignment]
    setup_test_environment()
    client = Client(headers={"Authorization": f"Bearer {deliveries.issue_token(directory)}"})
    address = f"/api/v1/sources/{directory.name}"

    def post(path: str, body: Any) -> Any:
        answer = client.post(f"{address}/{path}", orjson.dumps(body), "application/json", secure=True)
        if answer.status_code != 202:
            raise SystemExit(f"{answer.status_code} {answer.content.decode()[:300]}")
        return answer.json()

    begun = time.perf_counter()
    number = post("records", records[:BATCH])["delivery"]
    for start in range(BATCH, len(records), BATCH):
        post(f"records?delivery={number}", records[start : start + BATCH])
    seconds = time.perf_counter() - begun
    post(f"departments?delivery={number}", departments)
    post(f"deliveries/{number}/close", {})
    return len(records) / seconds


if __name__ == "__main__":
    django.setup()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
