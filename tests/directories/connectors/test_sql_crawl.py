"""Crawls of SQL directories: few statements at any number of users, little memory, and bad rows that stop nothing."""

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from directories.connectors.base import ConnectorError
from directories.connectors.sql.connector import SqlConnector
from directories.connectors.sql.pool import engine_for
from tests.directories.connectors.sql_subject import WHERE, SqlSubject


@contextmanager
def counted(connector: SqlConnector) -> Iterator[Counter[str]]:
    """Count the queries that read users, as the driver gets them."""
    engine: Engine = engine_for(connector.settings)
    seen: Counter[str] = Counter()

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            seen[statement.partition(" WHERE ")[0]] += 1

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def fill(sql: SqlSubject, count: int) -> None:
    sql.database.execute("CREATE TABLE DEPT (WHO VARCHAR(100), NAME VARCHAR(50), FLOOR INTEGER)")
    sql.database.execute("CREATE INDEX dept_who ON DEPT (WHO)")
    sql.database.execute("BEGIN")
    sql.database.many(
        "INSERT INTO USERS (USERNAME, FIRSTNAME, LASTNAME) VALUES (%s, %s, %s)",
        [(f"user{n}", f"First{n}", "Ω") for n in range(count)],
    )
    sql.database.many("INSERT INTO DEPT VALUES (%s, %s, %s)", [(f"user{n}", f"D{n}", n) for n in range(0, count, 2)])
    sql.database.execute("COMMIT")


def test_four_attribute_queries_over_the_user_table_are_one_statement(sql: SqlSubject) -> None:
    fill(sql, 10_000)
    templates = {"import": [f"SELECT {name} FROM USERS {WHERE}" for name in ("FIRSTNAME", "LASTNAME", "ACTIVE")]}
    templates["import"].append(f"SELECT '##MAIL##', lower(u.EMAIL_ADDRESS) FROM USERS u WHERE u.{WHERE[6:]}")
    with sql.open(templates=templates) as connector, counted(connector) as seen:
        accounts = [account for page in connector.accounts(1000) for account in page.accounts]

    assert len(accounts) == 10_000
    assert seen.total() == 1
    assert accounts[0].attributes.keys() == {"FIRSTNAME", "LASTNAME", "ACTIVE", "MAIL"}


@pytest.mark.heavy
def test_four_queries_over_other_tables_are_at_most_four_statements_a_page(sql: SqlSubject) -> None:
    fill(sql, 10_000)
    templates = {
        "import": [
            "SELECT '##DEPARTMENT##', NAME FROM DEPT WHERE WHO = '##USERNAME##' ORDER BY FLOOR LIMIT 1",
            "SELECT FLOOR FROM DEPT WHERE WHO = ##USERNAME##",
            "SELECT COUNT(*) AS DEPTS FROM DEPT WHERE WHO = ##USERNAME##",
            "SELECT d.FLOOR AS JOINED FROM USERS u JOIN DEPT d ON d.WHO = u.USERNAME WHERE u.USERNAME = ##USERNAME##",
        ]
    }
    with sql.open(templates=templates) as connector, counted(connector) as seen:
        pages = list(connector.accounts(1000))

    assert len(pages) == 10
    assert seen.pop(connector.plan.stream) == 1
    assert set(seen.values()) == {10}
    assert len(seen) <= 4
    accounts = {account.ref: account.attributes for page in pages for account in page.accounts}
    assert accounts["user4"] == {"DEPARTMENT": "D4", "FLOOR": 4, "DEPTS": 1, "JOINED": 4}
    assert accounts["user5"] == {"DEPARTMENT": None, "FLOOR": None, "DEPTS": 0, "JOINED": None}


def test_a_query_that_cannot_be_a_set_runs_for_each_user(sql: SqlSubject) -> None:
    fill(sql, 3)
    union = "SELECT NAME FROM DEPT WHERE WHO = ##USERNAME## UNION SELECT 'none' FROM DEPT WHERE WHO = '-##USERNAME##'"
    with sql.open(templates={"import": [union]}) as connector:
        accounts = {account.ref: account.attributes for page in connector.accounts() for account in page.accounts}

    assert accounts == {"user0": {"NAME": "D0"}, "user1": {"NAME": None}, "user2": {"NAME": "D2"}}


@pytest.mark.heavy
def test_memory_does_not_grow_with_the_number_of_accounts(sql: SqlSubject) -> None:
    fill(sql, 20_000)
    with sql.open() as connector:
        next(connector.accounts(500))
        tracemalloc.start()
        try:
            count = sum(len(page.accounts) for page in connector.accounts(500))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert count == 20_000
    assert peak < 4_000_000


def test_per_cent_signs_of_the_admin_reach_the_database(sql: SqlSubject) -> None:
    sql.database.execute("INSERT INTO USERS (USERNAME, FIRSTNAME) VALUES ('ann', '5%')")
    case = "SELECT CASE WHEN FIRSTNAME LIKE '5%' THEN '100%' ELSE 'no' END AS FOUND FROM USERS"
    templates = {"import": [f"{case} {WHERE}", f"{case.replace('FOUND', 'AGAIN')} {WHERE} AND FIRSTNAME <> '%'"]}
    with sql.open(templates=templates) as connector:
        (page,) = connector.accounts()

    assert page.accounts[0].attributes == {"FOUND": "100%", "AGAIN": "100%"}


def test_rows_without_a_name_are_problems_and_the_rest_goes_on(sql: SqlSubject) -> None:
    sql.database.execute("CREATE TABLE LOOSE (LOGIN VARCHAR(20), FIRSTNAME VARCHAR(20))")
    for login in ("ann", None, "  ", "bob"):
        sql.database.execute("INSERT INTO LOOSE VALUES (%s, 'X')", login)
    templates = {"import": ["SELECT FIRSTNAME FROM LOOSE WHERE LOGIN = '##LOGIN##'"]}
    with sql.open(templates=templates, user_table="LOOSE", username_column="LOGIN") as connector:
        (page,) = connector.accounts()

    assert [(account.key, account.problem) for account in page.accounts] == [
        ("ann", ""),
        ("", "The row has no user name."),
        ("", "The row has no user name."),
        ("bob", ""),
    ]


def test_a_key_whose_bytes_are_not_text_is_a_problem_of_its_row(sqlite_sql: SqlSubject) -> None:
    sqlite_sql.database.execute("INSERT INTO USERS (USERNAME) VALUES (CAST(x'62ff' AS TEXT))")
    sqlite_sql.database.execute("INSERT INTO USERS (USERNAME) VALUES ('zoe')")
    with sqlite_sql.open() as connector:
        (page,) = connector.accounts()

    assert [(account.ref, account.problem) for account in page.accounts] == [
        ("b�", "The user name holds bytes that are not text (UTF-8)."),
        ("zoe", ""),
    ]


def test_an_error_in_the_middle_is_no_last_page(pg: SqlSubject) -> None:
    fill(pg, 30)
    templates = {"import": ["SELECT FLOOR FROM DEPT WHERE WHO = ##USERNAME##"]}
    with pg.open(templates=templates) as connector:
        pages = connector.accounts(10)
        assert not next(pages).last
        pg.database.execute("DROP TABLE DEPT")
        with pytest.raises(ConnectorError) as caught:
            list(pages)

    assert caught.value.code == "no_table"
