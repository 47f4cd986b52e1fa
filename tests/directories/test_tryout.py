"""Try it: what is shown, what is run, and that nothing of it stays."""

from collections.abc import Mapping, Sequence

import pytest

from directories.config import DirectoryConfig
from directories.connectors.base import ConnectorConfig, ConnectorError, Entry
from directories.connectors.sql.trying import MASK
from directories.tryout import Subject, try_operation
from tests.directories.connectors.sql_subject import TEMPLATES, WHERE, SqlSubject

ENTRY = Entry("ann", "", {"FIRSTNAME": "Ann", "LASTNAME": None}, {"username": "ann", "email": "ann@example.org"})


@pytest.fixture(params=["pg", "mariadb", "sqlite"])
def sql(request: pytest.FixtureRequest) -> SqlSubject:
    return SqlSubject(request.getfixturevalue(f"{request.param}_directory"))


def config(sql: SqlSubject, **templates: Sequence[str]) -> DirectoryConfig:
    table = {"user_table": "USERS", "username_column": "USERNAME", "password_column": "PASSWORD"}
    every: Mapping[str, Sequence[str]] = {**TEMPLATES, **templates}
    connector = ConnectorConfig({**sql.database.settings, **table}, every)
    return DirectoryConfig(None, "APPSDB", sql.database.kind, True, connector)


def test_statements_are_shown_with_their_values_and_not_run(sql: SqlSubject) -> None:
    (tried,) = try_operation(config(sql), "create", Subject(ENTRY, "s3cret"), run=False)

    assert "##" not in tried.bound_sql
    assert "ann" not in tried.bound_sql
    assert dict(tried.parameters) == {
        "USERNAME": "ann",
        "PASSWORD": MASK,
        "FIRSTNAME": "Ann",
        "LASTNAME": None,
        "EMAIL_ADDRESS": None,
    }
    assert (tried.rows, tried.milliseconds, tried.error) == (None, None, "")
    assert "s3cret" not in repr(tried)


@pytest.mark.parametrize(
    ("operation", "rows"), [("create", 1), ("update", 0), ("delete", 0), ("check", 0), ("import", 0)]
)
def test_what_is_run_is_rolled_back(sql: SqlSubject, operation: str, rows: int) -> None:
    tried = try_operation(config(sql), operation, Subject(ENTRY, "x"), run=True)

    assert [statement.error for statement in tried] == [""] * len(tried)
    assert [statement.rows for statement in tried] == [rows] * len(tried)
    assert all(statement.milliseconds is not None and statement.milliseconds > 0 for statement in tried)
    assert sql.database.rows("SELECT COUNT(*) FROM USERS") == [(0,)]


def test_changes_and_deletes_are_taken_back_too(sql: SqlSubject) -> None:
    sql.database.execute("INSERT INTO USERS (USERNAME, FIRSTNAME) VALUES ('ann', 'Anna')")

    for operation in ("update", "disable", "set_password", "delete"):
        (tried,) = try_operation(config(sql), operation, Subject(ENTRY, "x"), run=True)
        assert (tried.rows, tried.error) == (1, "")
    assert sql.database.rows("SELECT FIRSTNAME, ACTIVE, PASSWORD FROM USERS") == [("Anna", 1, None)]


def test_the_statements_after_a_failure_are_not_run(sql: SqlSubject) -> None:
    lines = [*TEMPLATES["create"], f"UPDATE NOWHERE SET A = 1 {WHERE}", f"UPDATE USERS SET ACTIVE = 2 {WHERE}"]
    first, second, third = try_operation(config(sql, create=lines), "create", Subject(ENTRY, "x"), run=True)

    assert (first.rows, first.error) == (1, "")
    assert "NOWHERE" in second.error.upper()
    assert third.error == "Not run: a statement before it failed."
    assert sql.database.rows("SELECT COUNT(*) FROM USERS") == [(0,)]


def test_a_table_that_cannot_take_back_is_left_alone(mariadb_directory) -> None:  # type: ignore[no-untyped-def]
    sql = SqlSubject(mariadb_directory)
    sql.database.execute("CREATE TABLE OLD (USERNAME VARCHAR(50)) ENGINE=MyISAM")
    lines = [*TEMPLATES["create"], "INSERT INTO OLD (USERNAME) VALUES (##USERNAME##)"]
    tried = try_operation(config(sql, create=lines), "create", Subject(ENTRY, "x"), run=True)

    assert [statement.rows for statement in tried] == [None, None]
    assert all("OLD is a view or a table without transactions" in statement.error for statement in tried)
    assert sql.database.rows("SELECT COUNT(*) FROM OLD") == [(0,)]
    assert sql.database.rows("SELECT COUNT(*) FROM USERS") == [(0,)]


def test_an_operation_without_a_query_is_refused(sql: SqlSubject) -> None:
    with pytest.raises(ConnectorError, match="no enable query"):
        try_operation(config(sql, enable=[]), "enable", Subject(ENTRY, None), run=True)


def test_only_directories_with_queries_can_be_tried() -> None:
    memory = DirectoryConfig(None, "Demo", "memory", True, ConnectorConfig({"name": "tryout"}))
    with pytest.raises(ConnectorError, match="query templates"):
        try_operation(memory, "create", Subject(ENTRY, None), run=True)
