"""How import queries become few statements."""

import pytest

from directories.query_templates import TemplateError, plan_import, slow_reason

WHERE = "WHERE USERNAME='##USERNAME##'"


def plan(*sql: str, dialect: str = "postgres", table: str = "USERS", password: str = ""):  # type: ignore[no-untyped-def]
    return plan_import(sql, dialect, table, "USERNAME", password)


def test_queries_over_the_user_table_become_columns_of_one_stream() -> None:
    found = plan(
        f"SELECT '##FIRSTNAME##', FIRSTNAME FROM USERS {WHERE}",
        f"SELECT LASTNAME FROM users {WHERE}",
        "SELECT upper(u.EMAIL) AS mail, u.CITY FROM public.USERS u WHERE ##username## = u.USERNAME LIMIT 1",
        password="PASSWORD",
    )

    assert found.stream == ('SELECT "username", "password", FIRSTNAME, LASTNAME, UPPER(EMAIL), CITY FROM "users"')
    assert found.names == ("FIRSTNAME", "LASTNAME", "mail", "CITY")
    assert not found.pages
    assert not found.each


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT d.NAME FROM USERS u JOIN DEPT d ON d.ID = u.DEPT WHERE u.USERNAME = '##USERNAME##' AND d.LIVE = 1",
            "SELECT u.USERNAME, d.NAME FROM USERS AS u JOIN DEPT AS d ON d.ID = u.DEPT "
            "WHERE u.USERNAME IN (%s, %s) AND d.LIVE = 1",
        ),
        (
            "SELECT '##PHONE##', NUMBER FROM PHONES WHERE LOWER(OWNER) = ##USERNAME## ORDER BY SINCE DESC LIMIT 1",
            "SELECT LOWER(OWNER), NUMBER FROM PHONES WHERE LOWER(OWNER) IN (%s, %s) ORDER BY SINCE DESC",
        ),
        (
            "SELECT COUNT(*) AS ORDERS FROM SALES WHERE WHO = ##USERNAME## AND WHAT LIKE 'a%'",
            "SELECT WHO, COUNT(*) AS ORDERS FROM SALES WHERE WHO IN (%s, %s) AND WHAT LIKE 'a%%' GROUP BY WHO",
        ),
        (
            "SELECT FIRSTNAME FROM USERS WHERE USERNAME = '##USERNAME##' AND DELETED = 0",
            "SELECT USERNAME, FIRSTNAME FROM USERS WHERE USERNAME IN (%s, %s) AND DELETED = 0",
        ),
    ],
)
def test_other_queries_ask_for_a_page(sql: str, expected: str) -> None:
    (query,) = plan(sql).pages

    assert query.sql(2) == expected
    assert slow_reason(sql, "postgres", "USERS", "USERNAME") is None


def test_queries_that_differ_only_in_what_they_select_are_one_statement() -> None:
    joined = "FROM USERS u JOIN DEPT d ON d.ID = u.DEPT WHERE u.USERNAME = '##USERNAME##'"
    (query,) = plan(f"SELECT d.NAME {joined}", f"SELECT d.FLOOR {joined}").pages

    assert query.names == ("NAME", "FLOOR")
    assert query.sql(1).startswith("SELECT u.USERNAME, d.NAME, d.FLOOR FROM")


def test_a_count_of_nothing_is_zero() -> None:
    (query,) = plan("SELECT COUNT(*) AS N, MAX(DAY) AS D FROM SALES WHERE WHO = ##USERNAME##").pages

    assert query.missing == (0, None)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (f"SELECT A FROM T {WHERE} UNION SELECT A FROM S {WHERE}", "joins several SELECTs"),
        ("SELECT A FROM T WHERE B LIKE '##USERNAME##%'", "plain ="),
        ("SELECT A FROM T WHERE B = ##USERNAME## OR C = 1", "plain ="),
        ("SELECT A FROM T WHERE B = ##USERNAME## OR C = ##USERNAME##", "exactly one placeholder"),
        ("SELECT A FROM T WHERE B = ##EMAIL##", "exactly one placeholder"),
        (f"SELECT A FROM T {WHERE} ORDER BY A LIMIT 1 OFFSET 1", "OFFSET"),
        (f"SELECT row_number() OVER (ORDER BY A) AS n FROM T {WHERE}", "window functions"),
    ],
)
def test_what_cannot_be_a_set_is_named_as_slow(sql: str, words: str) -> None:
    assert words in (slow_reason(sql, "postgres", "USERS", "USERNAME") or "")
    assert [template.text for template in plan(sql).each] == [sql]


@pytest.mark.parametrize(
    ("table", "dialect", "expected"),
    [
        ("USERS", "postgres", '"users"'),
        ("user", "postgres", '"user"'),
        ('"Users"', "postgres", '"Users"'),
        ("hr.USERS", "postgres", '"hr"."users"'),
        ("USERS", "mysql", "`USERS`"),
        ("USERS", "oracle", '"USERS"'),
        ('a"; DROP TABLE b; --', "postgres", '"a""; DROP TABLE b; --"'),
        ("a` ; DROP", "mysql", "`a`` ; DROP`"),
    ],
)
def test_table_names_are_quoted(table: str, dialect: str, expected: str) -> None:
    assert plan(table=table, dialect=dialect).count == f"SELECT COUNT(*) FROM {expected}"


@pytest.mark.parametrize("table", ["", "pg_sleep(1)", "a.b.c.d"])
def test_what_is_no_table_is_refused(table: str) -> None:
    with pytest.raises(TemplateError, match="not the name of a table"):
        plan(table=table)
