"""Stored procedures in place of statements, on real servers: every write of an account, with bound values."""

import pytest

from directories.connectors.base import ConnectorError, Entry
from directories.query_templates import TemplateError, parse
from tests.directories.connectors.sql_subject import SqlSubject

TEMPLATES = {
    "import": ["SELECT FIRSTNAME FROM USERS WHERE USERNAME = '##USERNAME##'"],
    "check": ["SELECT USERNAME FROM USERS WHERE USERNAME = '##USERNAME##'"],
    "create": ["CALL add_user('##USERNAME##', ##PASSWORD##, '##FIRSTNAME## ##LASTNAME##');"],
    "update": ["call rename_user('##USERNAME##', '##FIRSTNAME##')"],
    "delete": ["-- the whole person\nCALL drop_user('##USERNAME##')"],
    "disable": ["CALL set_active('##USERNAME##', 0)"],
    "enable": ["CALL set_active(##USERNAME##, 1)"],
    "set_password": ["CALL new_password('##USERNAME##', '##PASSWORD##')"],
}
BODIES = {
    "add_user(a VARCHAR(99), b VARCHAR(99), c VARCHAR(99))": "INSERT INTO USERS (USERNAME, PASSWORD, FIRSTNAME) "
    "VALUES (a, b, c)",
    "rename_user(a VARCHAR(99), b VARCHAR(99))": "UPDATE USERS SET FIRSTNAME = b WHERE USERNAME = a",
    "drop_user(a VARCHAR(99))": "DELETE FROM USERS WHERE USERNAME = a",
    "set_active(a VARCHAR(99), b INTEGER)": "UPDATE USERS SET ACTIVE = b WHERE USERNAME = a",
    "new_password(a VARCHAR(99), b VARCHAR(99))": "UPDATE USERS SET PASSWORD = b WHERE USERNAME = a",
}
NASTY = "x'); DROP TABLE USERS; -- %s \\"


@pytest.fixture(params=["pg", "mariadb_sql"])
def calling(request: pytest.FixtureRequest) -> SqlSubject:
    """A user table that is written by procedures only."""
    sql: SqlSubject = request.getfixturevalue(request.param)
    for name, body in BODIES.items():
        if sql.database.kind == "postgresql":
            sql.database.execute(f"CREATE PROCEDURE {name} LANGUAGE sql AS $$ {body} $$")
        else:
            sql.database.execute(f"CREATE PROCEDURE {name} BEGIN {body}; SELECT 'done' AS told; END")
    return sql


def test_every_write_may_be_a_procedure(calling: SqlSubject) -> None:
    def row() -> list[tuple[object, ...]]:
        return calling.database.rows("SELECT USERNAME, PASSWORD, FIRSTNAME, ACTIVE FROM USERS")

    ann = Entry("ann", "ann", {"FIRSTNAME": NASTY, "LASTNAME": "Lee"}, {})
    with calling.open(templates=TEMPLATES) as connector:
        connector.create(ann, "first")
        assert row() == [("ann", "first", f"{NASTY} Lee", 1)]
        connector.update(ann)
        connector.disable(ann)
        connector.set_password(ann, "second")
        assert row() == [("ann", "second", NASTY, 0)]
        connector.enable(ann)
        assert row() == [("ann", "second", NASTY, 1)]
        connector.delete(ann)
    assert row() == []


def test_what_a_procedure_refuses_is_told_and_taken_back(calling: SqlSubject) -> None:
    create = [*TEMPLATES["create"], "CALL add_user('##USERNAME##', '', '')"]
    with calling.open(templates={**TEMPLATES, "create": create}) as connector:
        with pytest.raises(ConnectorError) as caught:
            connector.create(Entry("ann", "", {"FIRSTNAME": "A", "LASTNAME": "B"}, {}))
        assert caught.value.code == "conflict"
    assert calling.database.rows("SELECT * FROM USERS") == []


@pytest.mark.parametrize("sql", ["CALL nowhere('##USERNAME##')", "CALL drop_user('##USERNAME##', 1)"])
def test_a_procedure_that_is_not_there_is_no_wrong_value(calling: SqlSubject, sql: str) -> None:
    with calling.open(templates={**TEMPLATES, "delete": [sql]}) as connector, pytest.raises(ConnectorError) as caught:
        connector.delete(Entry("ann", "ann"))
    assert caught.value.code == "no_function"


@pytest.mark.parametrize("operation", ["create", "update", "delete", "disable", "enable", "set_password", "add_member"])
def test_sql_server_runs_procedures_with_exec(operation: str) -> None:
    for sql in (
        "EXEC dbo.write_user '##USERNAME##', N'##EMAIL##', 1",
        "execute hr..write_user @login = ##USERNAME##, @mail='##EMAIL##';",
    ):
        template = parse(sql, "tsql", operation)
        assert template.kind == "procedure"
        bound = template.bind({"USERNAME": "ann", "EMAIL": "a@x.org"})
        assert bound.parameters == ("ann", "a@x.org")
        assert bound.sql.count("%s") == 2
        assert "##" not in bound.sql


def test_oracle_calls_with_numbered_parameters() -> None:
    template = parse("CALL hr.add_user('##USERNAME##', '##EMAIL##')", "oracle", "create")
    assert template.sql == "CALL hr.add_user(:1, :2)"


@pytest.mark.parametrize(
    ("dialect", "sql", "words"),
    [
        ("sqlite", "CALL add_user('##USERNAME##')", "has no stored procedures"),
        ("postgres", "EXEC add_user '##USERNAME##'", "runs a procedure with CALL"),
        ("mysql", "EXECUTE add_user '##USERNAME##'", "runs a procedure with CALL"),
        ("tsql", "CALL add_user('##USERNAME##')", "runs a procedure with EXEC"),
        ("tsql", "EXEC add_user '##USERNAME## (new)'", "takes values, not expressions"),
        ("tsql", "EXEC ('DROP TABLE ' + '##USERNAME##')", "A procedure is run like this: EXEC name '##USERNAME##'."),
        ("tsql", "EXEC @answer = add_user '##USERNAME##'", "cannot be read|is run like this"),
        ("postgres", "CALL add_user", "A procedure is run like this: CALL name('##USERNAME##')."),
        ("postgres", "CALL ##USERNAME##('x')", "stands where a name belongs"),
        ("postgres", "CALL a('##USERNAME##') FROM users", "is run like this"),
        ("mysql", "CALL a('##USERNAME##'); DROP TABLE users", "Only one statement"),
        ("mysql", "CALL a('##USERNAME##', ?)", "written as ##NAME##"),
        ("postgres", "CALL a('##USERNAME##' /* ##EMAIL## */)", "stands in a comment"),
        ("postgres", "CALL a('##USERNAME##'", "cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(dialect: str, sql: str, words: str) -> None:
    with pytest.raises(TemplateError, match=words.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")):
        parse(sql, dialect, "delete")


@pytest.mark.parametrize("operation", ["import", "check", "import_groups", "import_members"])
def test_what_reads_is_no_procedure(operation: str) -> None:
    with pytest.raises(TemplateError, match="is a SELECT"):
        parse("CALL read_users('##USERNAME##')", "postgres", operation)


def test_a_column_may_be_called_call() -> None:
    assert parse("UPDATE t SET call = 1 WHERE call = ##CALL##", "postgres", "update").kind == "UPDATE"
