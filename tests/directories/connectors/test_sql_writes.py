"""Writes to SQL directories: transactions, types, what a refusal says, and values that arrive as they are."""

import datetime as dt
import os
import threading
from collections import OrderedDict
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings

from directories.attributes import Value
from directories.connectors.base import Capability, Conflict, ConnectorError, Entry, NotFound, Unavailable
from directories.connectors.sql import pool
from directories.query_templates import parse
from tests.directories.connectors.sql_subject import TEMPLATES, WHERE, SqlSubject
from tests.directories.query_templates.test_properties import harmless, literal, text


def person(key: str = "ann", ref: str = "", **attributes: Value) -> Entry:
    return Entry(key, ref, {"FIRSTNAME": "Ann", "LASTNAME": "Lee", **attributes}, {"username": key})


def test_the_statements_of_an_operation_are_one_transaction(sql: SqlSubject) -> None:
    templates = {"create": [*TEMPLATES["create"], "INSERT INTO NOWHERE (A) VALUES (##USERNAME##)"]}
    with sql.open(templates=templates) as connector:
        with pytest.raises(ConnectorError) as caught:
            connector.create(person())
        assert connector.find(person()) is None
    assert caught.value.code == "no_table"
    assert "NOWHERE" in caught.value.message.upper()


def test_an_update_that_finds_nobody_leaves_nothing_behind(sql: SqlSubject) -> None:
    sql.database.execute("CREATE TABLE LOG (WHO VARCHAR(100))")
    templates = {"update": ["INSERT INTO LOG (WHO) VALUES (##USERNAME##)", *TEMPLATES["update"]]}
    with sql.open(templates=templates) as connector, pytest.raises(NotFound):
        connector.update(person(ref="ann"))
    assert sql.database.rows("SELECT WHO FROM LOG") == []


def test_capabilities_are_what_has_a_query(sql: SqlSubject) -> None:
    with sql.open(templates={"disable": [], "set_password": []}, user_table="") as connector:
        assert connector.capabilities == {Capability.CREATE, Capability.UPDATE, Capability.DELETE, Capability.ENABLE}
        with pytest.raises(ConnectorError, match="no disable query"):
            connector.disable(person(ref="ann"))


def test_passwords_go_only_where_they_are_asked_for(sql: SqlSubject) -> None:
    with sql.open() as connector:
        connector.create(person(), "first")
        connector.set_password(person(ref="ann"), "second")
    assert sql.database.rows("SELECT PASSWORD FROM USERS") == [("second",)]


def test_the_remote_id_names_the_account_even_when_the_portal_calls_it_otherwise(sql: SqlSubject) -> None:
    with sql.open() as connector:
        connector.create(person("jd"), "x")
        connector.update(Entry("john.doe", "jd", {"FIRSTNAME": "John"}, {"username": "john.doe"}))
    assert sql.database.rows("SELECT USERNAME, FIRSTNAME FROM USERS") == [("jd", "John")]


def test_an_id_that_the_database_makes_is_read_back(sql: SqlSubject) -> None:
    lowered = TEMPLATES["create"][0].replace("'##USERNAME##'", "lower('##USERNAME##')")
    check = "SELECT * FROM USERS WHERE lower(USERNAME) = lower('##USERNAME##')"
    with sql.open(templates={"create": [lowered], "check": [check]}) as connector:
        assert connector.create(person("ANN")).ref == "ann"


@pytest.mark.parametrize(
    "check",
    [
        "SELECT COUNT(*) FROM USERS WHERE USERNAME = '##USERNAME##'",
        "SELECT EXISTS (SELECT 1 FROM USERS WHERE USERNAME = ##USERNAME##)",
        "SELECT 1 FROM USERS WHERE USERNAME LIKE '##USERNAME##%'",
    ],
)
def test_a_check_may_count_or_ask_whether_there_is_one(sql: SqlSubject, check: str) -> None:
    with sql.open(templates={"check": [check]}) as connector:
        assert connector.find(person()) is None
        connector.create(person(), "x")
        found = connector.find(person())
    assert found is not None
    assert found.attributes["FIRSTNAME"] == "Ann"


def test_without_a_check_query_the_user_table_is_asked(sql: SqlSubject) -> None:
    with sql.open(templates={"check": []}) as connector:
        assert connector.find(person()) is None
        connector.create(person(), "x")
        assert connector.find(person()) is not None


def test_a_check_that_finds_two_accounts_is_an_error(sql: SqlSubject) -> None:
    with sql.open(templates={"check": ["SELECT USERNAME FROM USERS WHERE LASTNAME = ##LASTNAME##"]}) as connector:
        connector.create(person("ann"), "x")
        connector.create(person("bob"), "x")
        with pytest.raises(ConnectorError, match="more than one account"):
            connector.find(person("eve"))


def test_wildcards_in_a_name_do_not_match_other_users(sql: SqlSubject) -> None:
    with sql.open(templates={"delete": ["DELETE FROM USERS WHERE USERNAME LIKE '##USERNAME##'"]}) as connector:
        for key in ("a_b", "axb", "a%"):
            connector.create(person(key), "x")
        connector.delete(person("a_b", "a_b"))
        connector.delete(person("a%", "a%"))
    assert sql.database.rows("SELECT USERNAME FROM USERS") == [("axb",)]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("attributes", "code", "words"),
    [
        ({"LASTNAME": "s3cret-" * 30}, "too_long", "longer than"),
        ({"LASTNAME": None}, "not_null", "must not be empty"),
        ({"AGE": "s3cret-word"}, "wrong_type", "does not fit the type"),
        ({"AGE": "-1"}, "check", "refuses a value"),
        ({"DEPT": "77"}, "reference", "does not fit"),
    ],
)
@pytest.mark.parametrize("kind", ["pg", "mariadb_sql"])
def test_a_refusal_says_what_to_mend_and_shows_no_value(
    request: pytest.FixtureRequest, kind: str, attributes: dict[str, Value], code: str, words: str
) -> None:
    sql = request.getfixturevalue(kind)
    sql.database.execute("CREATE TABLE DEPTS (ID INTEGER PRIMARY KEY)")
    sql.database.execute(
        "CREATE TABLE STRICT_USERS (USERNAME VARCHAR(50) PRIMARY KEY, LASTNAME VARCHAR(50) NOT NULL, "
        "AGE INTEGER CHECK (AGE >= 0), DEPT INTEGER, FOREIGN KEY (DEPT) REFERENCES DEPTS (ID))"
    )
    create = "INSERT INTO STRICT_USERS VALUES ('##USERNAME##', '##LASTNAME##', '##AGE##', '##DEPT##')"
    with sql.open(templates={"create": [create]}, user_table="STRICT_USERS") as connector:
        with pytest.raises(ConnectorError) as caught:
            connector.create(person("ann.s3cret", **attributes))
        assert connector.find(person()) is None
    assert caught.value.code == code
    assert words in caught.value.message
    assert "s3cret" not in repr(caught.value)
    assert "77" not in caught.value.message
    assert caught.value.__cause__ is None


def test_a_conflict_names_the_column(sql: SqlSubject) -> None:
    sql.database.execute("CREATE UNIQUE INDEX EMAIL_ADDRESS ON USERS (EMAIL_ADDRESS)")
    with sql.open() as connector:
        connector.create(person("ann", EMAIL_ADDRESS="x@example.org"), "x")
        with pytest.raises(Conflict) as caught:
            connector.create(person("bob", EMAIL_ADDRESS="x@example.org"), "x")
    assert "EMAIL_ADDRESS" in caught.value.message.upper()
    assert "x@example.org" not in caught.value.message


@pytest.mark.parametrize(
    ("template", "code", "name"),
    [
        ("UPDATE NOWHERE SET A = 1 " + WHERE, "no_table", "NOWHERE"),
        ("UPDATE USERS SET NOPE = 1 " + WHERE, "no_column", "NOPE"),
    ],
)
def test_a_query_that_names_what_is_not_there(sql: SqlSubject, template: str, code: str, name: str) -> None:
    with sql.open(templates={"update": [template]}) as connector, pytest.raises(ConnectorError) as caught:
        connector.update(person(ref="ann"))
    assert caught.value.code == code
    assert name in caught.value.message.upper()


DAYS = [None, "2024-02-29", dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 30)]
NUMBERS = [None, 7, "7", True]
FITTING: dict[str, list[Value]] = {
    "text": [*DAYS, *NUMBERS, Decimal("1.50"), 1.5],
    "varchar(40)": [*DAYS, *NUMBERS, Decimal("1.50"), 1.5],
    "integer": [*NUMBERS],
    "numeric": [*NUMBERS, Decimal("1.50"), 1.5],
    "boolean": [None, True, False, "true"],
    "date": [*DAYS],
    "timestamp": [*DAYS],
    "uuid": [None, "6f1c9a34-2f6e-4d34-9d0f-000000000001"],
    "jsonb": [None, 7, '{"a": "##b##"}'],
}


@pytest.mark.parametrize("column", FITTING)
def test_postgres_takes_the_type_of_the_column(pg: SqlSubject, column: str) -> None:
    pg.database.execute(f"CREATE TABLE T (USERNAME text, V {column})")
    templates = {
        "create": ["INSERT INTO T (USERNAME, V) VALUES ('##USERNAME##', '##V##')"],
        "update": ["UPDATE T SET V = ##V## WHERE USERNAME = ##USERNAME##"],
        "check": ["SELECT USERNAME FROM T WHERE V = ##V## OR (V IS NULL AND ##V## IS NULL)"],
        "delete": ["DELETE FROM T WHERE USERNAME = ##USERNAME##"],
        "import": [],
    }
    with pg.open(templates=templates, user_table="T") as connector:
        for value in FITTING[column]:
            connector.create(person(V=value))
            connector.update(person(ref="ann", V=value))
            assert connector.find(person(V=value)) is not None, value
            connector.delete(person(ref="ann", V=value))


def test_a_nul_character_is_refused_in_words(pg: SqlSubject) -> None:
    with pg.open() as connector, pytest.raises(ConnectorError, match="FIRSTNAME holds a NUL character"):
        connector.create(person(FIRSTNAME="a\x00b"))


def test_half_a_character_is_refused_in_words(sql: SqlSubject) -> None:
    with sql.open() as connector, pytest.raises(ConnectorError) as caught:
        connector.create(person(FIRSTNAME="a\ud800b"))
    assert not isinstance(caught.value, Unavailable)


@pytest.mark.heavy
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=text, before=text, after=text)
def test_values_and_literals_arrive_as_they_are(sql: SqlSubject, value: str, before: str, after: str) -> None:
    dialect = {"postgresql": "postgres", "mariadb": "mysql", "sqlite": "sqlite"}[sql.database.kind]
    value = value.replace("\x00", "")
    inner = [literal(harmless(part), dialect)[1:-1] for part in (before, after)]
    sql.database.execute("CREATE TABLE IF NOT EXISTS ECHO (A TEXT, B TEXT, C TEXT, D TEXT)")
    sql.database.execute("DELETE FROM ECHO")
    template = (
        f"INSERT INTO ECHO (A, B, C, D) VALUES ('##V##', ##V##, '{inner[0]}##V##{inner[1]}', '{inner[0]}{inner[1]}')"
    )
    with sql.open() as connector:
        connector.session.run(parse(template, dialect, "create").bind({"V": value})).close()
    whole = f"{harmless(before)}{value}{harmless(after)}"
    assert sql.database.rows("SELECT A, B, C, D FROM ECHO") == [
        (value, value, whole, harmless(before) + harmless(after))
    ]


@pytest.mark.heavy
def test_a_row_that_someone_else_holds_is_tried_again_later(pg: SqlSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("directories.connectors.sql.dialects.base.LOCK_SECONDS", 1)
    with pg.open(pool_size=3) as connector:
        connector.create(person(), "x")
        pg.database.execute("BEGIN")
        pg.database.execute("UPDATE USERS SET ACTIVE = 2 WHERE USERNAME = 'ann'")
        with pytest.raises(Unavailable) as caught:
            connector.update(person(ref="ann"))
        pg.database.execute("ROLLBACK")
        assert not caught.value.whole_directory
        assert connector.update(person(ref="ann")).ref == "ann"


@pytest.mark.heavy
def test_a_statement_that_takes_too_long_is_stopped(pg: SqlSubject) -> None:
    slow = f"SELECT USERNAME, pg_sleep(30) FROM USERS {WHERE}"
    with pg.open(templates={"check": [slow]}, statement_timeout=1) as connector:
        connector.create(person(), "x")
        with pytest.raises(Unavailable) as caught:
            connector.find(person())
    assert caught.value.code == "timeout"


@pytest.mark.heavy
def test_a_slow_sqlite_statement_is_stopped(sqlite_sql: SqlSubject) -> None:
    slow = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT count(*) FROM n WHERE i = -1 OR 'x' = ##USERNAME##"
    )
    with (
        sqlite_sql.open(templates={"check": [slow]}, statement_timeout=1) as connector,
        pytest.raises(Unavailable) as caught,
    ):
        connector.find(person())
    assert caught.value.code == "timeout"


def test_connectors_of_equal_settings_share_one_pool_and_few_pools_are_kept(
    sqlite_sql: SqlSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MAX_POOLS", 2)
    monkeypatch.setattr(pool, "_pools", OrderedDict())
    first = sqlite_sql.open()
    assert first.session.engine is sqlite_sql.open().session.engine
    for size in (11, 12, 13):
        assert sqlite_sql.open(pool_size=size).count() == 0
    assert len(pool._pools) == 2
    assert first.session.engine is sqlite_sql.open().session.engine


def test_a_forked_process_leaves_the_connections_to_its_parent(pg: SqlSubject) -> None:
    with pg.open() as connector:
        connector.create(person(), "x")
    child = os.fork()
    if child == 0:
        try:
            with pg.open() as connector:
                os._exit(0 if connector.find(person()) is not None else 2)
        except BaseException:
            os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with pg.open() as connector:
        assert connector.find(person()) is not None


def test_threads_may_work_on_one_directory_at_once(sql: SqlSubject) -> None:
    problems: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(5):
                with sql.open() as connector:
                    connector.create(person(f"{name}{number}"), "x")
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sql.database.rows("SELECT COUNT(*) FROM USERS") == [(20,)]
