"""What databases refuse in words of their own: characters that they cannot hold, and what triggers say to people."""

from collections.abc import Iterator

import psycopg
import pytest

from directories.connectors.base import Conflict, ConnectorError, Entry
from directories.connectors.sql.connector import SqlConnector
from tests.directories.connectors.sql_subject import SqlSubject
from tests.fixtures.databases import Database, login_of

RULE = "Contractors need a sponsor (HR rule 7)"
CREATE = "INSERT INTO T (LOGIN, NM) VALUES ('##USERNAME##', '##NM##')"
STATEMENTS = {
    "create": [CREATE],
    "check": ["SELECT LOGIN FROM T WHERE LOGIN = '##USERNAME##'"],
    "set_password": ["UPDATE T SET NM = '##PASSWORD##' WHERE LOGIN = '##USERNAME##'"],
    "import": [],
}


def refused(connector: SqlConnector, name: str, login: str = "ml.li") -> ConnectorError:
    """Return the error of creating that user."""
    with pytest.raises(ConnectorError) as caught:
        connector.create(Entry(login, "", {"NM": name}, {}))
    return caught.value


def opened(sql: SqlSubject) -> SqlConnector:
    return sql.open(templates=STATEMENTS, user_table="T", username_column="LOGIN")


@pytest.fixture
def latin(pg_directory: Database) -> Iterator[SqlSubject]:
    """A PostgreSQL database whose encoding is LATIN1, with the table T."""
    name = f"{pg_directory.settings['database']}_latin"
    pg_directory.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    settings = {**pg_directory.settings, "database": name}
    with psycopg.connect(**login_of(Database("postgresql", settings, pg_directory.connection))) as connection:
        connection.autocommit = True
        yield SqlSubject(Database("postgresql", settings, connection))
    pg_directory.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.heavy
def test_postgres_names_the_character_and_whose_it_is(latin: SqlSubject) -> None:
    latin.database.execute("CREATE TABLE T (LOGIN varchar(30) PRIMARY KEY, NM varchar(40))")
    with opened(latin) as connector:
        error = refused(connector, "李伟")
        assert error.code == "character"
        assert error.message == (
            "The database (LATIN1) cannot store a character of NM: 李. Change the value in the portal, or let the "
            "database use UTF-8."
        )
        assert "NM: €" in refused(connector, "Zoë €").message
        assert "USERNAME: 李" in refused(connector, "Li", "李小龙").message
        with pytest.raises(ConnectorError) as caught:
            connector.set_password(Entry("zoe", "zoe", {}, {}), "s€cret")
        assert caught.value.message.startswith("The database (LATIN1) cannot store a character of PASSWORD. ")
        connector.create(Entry("zoë", "", {"NM": "Zoë"}, {}))
    assert latin.database.rows("SELECT * FROM T") == [("zoë", "Zoë")]


def test_mariadb_names_the_character_and_whose_it_is(mariadb_sql: SqlSubject) -> None:
    mariadb_sql.database.execute("CREATE TABLE T (LOGIN varchar(30) PRIMARY KEY, NM varchar(40)) CHARACTER SET latin1")
    with opened(mariadb_sql) as connector:
        error = refused(connector, "李伟")
        assert error.code == "character"
        assert "cannot store a character of NM: 李." in error.message
        error = refused(connector, "Li", "李小龙")
        assert (error.code, "李" in error.message) == ("character", True)
        with pytest.raises(ConnectorError) as caught:
            connector.find(Entry("李小龙", "", {}, {}))
        assert caught.value.code == "character"
        assert "(latin1) cannot store a character of USERNAME: 李." in caught.value.message
        connector.create(Entry("zoe", "", {"NM": "Zoë €"}, {}))
    assert mariadb_sql.database.rows("SELECT NM FROM T") == [("Zoë €",)]


def test_a_wrong_number_is_no_wrong_character(mariadb_sql: SqlSubject) -> None:
    mariadb_sql.database.execute("CREATE TABLE T (LOGIN varchar(30) PRIMARY KEY, NM integer)")
    with opened(mariadb_sql) as connector:
        assert refused(connector, "李").code == "wrong_type"


TRIGGERS = {
    "postgresql": (
        "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.NM <> 'fine' THEN "
        "RAISE EXCEPTION {words} {more}; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER guarded BEFORE INSERT OR UPDATE ON T FOR EACH ROW EXECUTE FUNCTION guard()",
    ),
    "mariadb": (
        "CREATE TRIGGER guarded BEFORE INSERT ON T FOR EACH ROW BEGIN IF NEW.NM <> 'fine' THEN "
        "SET @words = {words}; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @words; END IF; END",
        "CREATE TRIGGER guarded_too BEFORE UPDATE ON T FOR EACH ROW BEGIN IF NEW.NM <> 'fine' THEN "
        "SET @words = {words}; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @words; END IF; END",
    ),
    "sqlite": (
        "CREATE TRIGGER guarded BEFORE INSERT ON T WHEN NEW.NM <> 'fine' BEGIN SELECT RAISE(ABORT, {words}); END",
        "CREATE TRIGGER guarded_too BEFORE UPDATE ON T WHEN NEW.NM <> 'fine' BEGIN SELECT RAISE(ABORT, {words}); END",
    ),
}


def guard(sql: SqlSubject, words: str, more: str = "") -> None:
    """Create the table T with a trigger that refuses in these words, a literal or an expression."""
    sql.database.execute("CREATE TABLE T (LOGIN varchar(30) PRIMARY KEY, NM varchar(40))")
    for statement in TRIGGERS[sql.database.kind]:
        sql.database.execute(statement.format(words=words, more=more))


def test_what_a_trigger_says_is_passed_on(sql: SqlSubject) -> None:
    guard(sql, f"'{RULE}'")
    with opened(sql) as connector:
        error = refused(connector, "evil")
    assert (error.code, error.message) == ("raised", f"The database says: {RULE}")


def test_what_a_trigger_says_is_bounded_and_on_one_line(sql: SqlSubject) -> None:
    guard(
        sql,
        "'First line\n\tsecond " + "very " * 20 + "long'"
        if sql.database.kind == "mariadb"
        else f"'A\n\tB {'x' * 900}'",
    )
    with opened(sql) as connector:
        message = refused(connector, "evil").message
    assert "\n" not in message
    assert len(message) <= 320


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["pg", "mariadb_sql"])
def test_values_and_passwords_that_a_trigger_repeats_are_masked(request: pytest.FixtureRequest, kind: str) -> None:
    sql: SqlSubject = request.getfixturevalue(kind)
    repeated = {
        "pg": "'% may not have %', NEW.LOGIN, upper(NEW.NM)",
        "mariadb_sql": "CONCAT(NEW.LOGIN, ' may not have ', UPPER(NEW.NM))",
    }
    guard(sql, repeated[kind])
    with opened(sql) as connector:
        assert refused(connector, "Secret-Name").message == "The database says: ••• may not have •••"
        connector.create(Entry("bo", "", {"NM": "fine"}, {}))
        with pytest.raises(ConnectorError) as caught:
            connector.set_password(Entry("bo", "bo", {}, {}), "p1")
    assert caught.value.message == "The database says: ••• may not have •••"
    assert "p1" not in repr(caught.value).casefold()


def test_a_trigger_may_give_a_code_of_its_own(pg: SqlSubject) -> None:
    guard(pg, f"'{RULE}'", "USING ERRCODE = 'HR007'")
    with opened(pg) as connector:
        error = refused(connector, "evil")
    assert (error.code, error.message) == ("raised", f"The database says: {RULE}")


def test_a_trigger_that_says_that_it_is_a_conflict_is_one(pg: SqlSubject) -> None:
    guard(pg, f"'{RULE}'", "USING ERRCODE = 'unique_violation'")
    with opened(pg) as connector:
        error = refused(connector, "evil")
    assert isinstance(error, Conflict)
    assert error.message == f"The database says: {RULE}"
