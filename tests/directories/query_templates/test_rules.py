"""What may be saved: the right kind of statement, one a row, values only where values stand, known names."""

import pytest

from directories.query_templates import TemplateError, check, import_attributes, names_in, parse

KNOWN = ["USERNAME", "FIRSTNAME", "EMAIL_ADDRESS", "first_name", "last_name"]
WHERE = "WHERE USERNAME='##USERNAME##'"


def problem(sql: str, operation: str, dialect: str = "postgres") -> TemplateError:
    found = check(sql, dialect, operation, KNOWN)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("operation", "sql"),
    [
        ("import", f"SELECT '##FIRSTNAME##', FIRSTNAME FROM USERS {WHERE}"),
        ("import", f"SELECT FIRSTNAME FROM USERS {WHERE}"),
        ("check", f"SELECT * FROM USERS {WHERE}"),
        ("check", "SELECT 1 FROM USERS WHERE email LIKE '%##EMAIL_ADDRESS##%'"),
        ("create", "INSERT INTO USERS (USERNAME, PASSWORD) VALUES ('##USERNAME##', '##PASSWORD##');"),
        (
            "create",
            "INSERT INTO T (A) SELECT ##first_name## WHERE NOT EXISTS (SELECT 1 FROM T WHERE A = ##FIRSTNAME##)",
        ),
        ("create", "UPDATE totals SET users = users + 1 WHERE name = 'all'"),
        ("create", "SELECT add_user(##USERNAME##, ##Last_Name##)"),
        ("update", f"UPDATE USERS SET FIRSTNAME='##lastname##' {WHERE}"),
        ("update", "INSERT INTO U (A) VALUES (##USERNAME##) ON CONFLICT (A) DO UPDATE SET A = ##USERNAME##"),
        ("delete", f"DELETE FROM USERS {WHERE}"),
        ("delete", f"INSERT INTO leavers SELECT * FROM USERS {WHERE}"),
        ("delete", f"UPDATE USERS SET gone = true {WHERE}"),
        ("disable", f"UPDATE USERS SET ACTIVE = 0 {WHERE}"),
        ("enable", f"UPDATE USERS SET ACTIVE = 1 {WHERE}"),
        ("set_password", f"UPDATE USERS SET PASSWORD = '##PASSWORD##' {WHERE}"),
        ("delete", f"DELETE FROM USERS {WHERE} AND (A = 1 OR B = B)"),
        ("delete", f"DELETE FROM USERS {WHERE} AND ROLE <> 'boss' AND NOT EXISTS (SELECT 1 FROM T)"),
        ("delete", f"DELETE FROM USERS {WHERE} OR lower(MAIL) LIKE '%##EMAIL_ADDRESS##%' OR ##FIRSTNAME## = A"),
        ("delete", f"DELETE FROM G WHERE ID IN (SELECT ID FROM USERS {WHERE} AND (A = 1 OR B = 2))"),
        ("delete", "DELETE FROM USERS WHERE NOT (USERNAME <> ##USERNAME## OR A = 1)"),
    ],
)
def test_good_statements_pass(operation: str, sql: str) -> None:
    assert check(sql, "postgres", operation, KNOWN) == []


@pytest.mark.parametrize(
    ("operation", "sql", "words"),
    [
        ("import", f"DELETE FROM USERS {WHERE}", "An import query is a SELECT"),
        ("check", f"WITH d AS (DELETE FROM USERS {WHERE} RETURNING *) SELECT * FROM d", "must not change anything"),
        ("check", f"SELECT * INTO copied FROM USERS {WHERE}", "must not change anything"),
        ("check", "SELECT * FROM USERS", "names no ##NAME##"),
        ("create", f"SELECT * FROM USERS {WHERE}", "A create query is an INSERT"),
        ("create", "DROP TABLE USERS", "cannot begin with DROP"),
        ("create", "TRUNCATE USERS", "cannot begin with TRUNCATE"),
        ("create", "GRANT ALL ON USERS TO PUBLIC", "cannot begin with GRANT"),
        ("update", f"DELETE FROM USERS {WHERE}", "An update query is an UPDATE"),
        ("update", "UPDATE USERS SET FIRSTNAME='##FIRSTNAME##'", "has no WHERE"),
        ("update", "UPDATE USERS SET FIRSTNAME='##FIRSTNAME##' WHERE ID > 0", "same rows for every user"),
        ("update", "UPDATE USERS SET FIRSTNAME='x' WHERE '##USERNAME##' = '##USERNAME##'", "compares no column"),
        ("disable", "UPDATE USERS SET ACTIVE = 0 WHERE ACTIVE = 1", "same rows for every user"),
        ("delete", "DELETE FROM USERS", "has no WHERE"),
        ("delete", "DELETE FROM USERS WHERE 1 = 1", "names no ##NAME##"),
        ("delete", "INSERT INTO log (who) VALUES (##USERNAME##)", "A delete query is a DELETE"),
        ("delete", f"DELETE FROM USERS {WHERE}; DROP TABLE USERS", "Only one statement a row"),
        ("delete", "", "Write a statement"),
        ("check", "SELECT * FROM ##USERNAME##", "a name belongs"),
        ("check", f'SELECT "##FIRSTNAME##" FROM USERS {WHERE}', "quoted name"),
        ("check", f"SELECT A AS ##FIRSTNAME## FROM USERS {WHERE}", "a name belongs"),
        ("create", "INSERT INTO USERS (##FIRSTNAME##) VALUES ('##USERNAME##')", "a name belongs"),
        ("update", f"UPDATE USERS SET ##FIRSTNAME## = 1 {WHERE}", "a name belongs"),
        ("check", f"SELECT A FROM USERS {WHERE} -- ##FIRSTNAME##", "stands in a comment"),
        ("check", f"SELECT A /* ##FIRSTNAME## */ FROM USERS {WHERE}", "stands in a comment"),
        ("check", "SELECT A FROM USERS WHERE B = $$##FIRSTNAME##$$", "ordinary '...' literal"),
        ("check", "SELECT A FROM USERS WHERE B = x##FIRSTNAME##", "joined to a word"),
        ("check", "SELECT A FROM USERS WHERE B = DATE '##FIRSTNAME##'", "CAST(##FIRSTNAME## AS"),
        ("check", "SELECT A FROM USERS WHERE B = ‘##FIRSTNAME##’", "curly quote"),
        ("check", "SELECT A FROM USERS WHERE B = '##FIRST NAME##'", "begins a placeholder"),
        ("check", "SELECT A FROM USERS WHERE B = $1 AND C = ##USERNAME##", "not as ?, :name or $1"),
        ("check", "SELECT A FROM USERS WHERE B = 'x AND C = ##USERNAME##", "not closed"),
        ("check", "SELECT A FROM USERS WHERE PW = ##PASSWORD##", "only in create and set password"),
        ("import", f"SELECT '##PASSWORD##', PASSWORD FROM USERS {WHERE}", "name the password column"),
        ("import", f"SELECT * FROM USERS {WHERE}", "Name the columns instead of *"),
        ("import", f"SELECT lower(A) || 'x' FROM USERS {WHERE}", "Give the column"),
        ("import", f"SELECT A, B AS a FROM USERS {WHERE}", "Two columns are called a"),
        ("check", "SELECT " + "(" * 3000 + "1" + ")" * 3000 + f" FROM USERS {WHERE}", "nested too deeply"),
        ("check", "SELECT 1 -- " + "x" * 20_001, "longer than 20,000"),
    ],
)
def test_wrong_statements_are_refused_with_words(operation: str, sql: str, words: str) -> None:
    assert words in problem(sql, operation).message


@pytest.mark.parametrize(
    "where",
    [
        f"{WHERE} OR TRUE",
        f"{WHERE} OR 1=1",
        f"{WHERE} OR USERNAME = USERNAME",
        f"{WHERE} OR (A = 1 AND B IS NOT NULL)",
        f"{WHERE} OR ##FIRSTNAME## = ##FIRSTNAME##",
        f"{WHERE} OR ##FIRSTNAME## IS NULL",
        f"{WHERE} OR NOT (A = ##FIRSTNAME## AND FALSE)",
        "WHERE (USERNAME = ##USERNAME## OR TRUE) = TRUE",
        "WHERE USERNAME = USERNAME AND A = 1 OR USERNAME = ##USERNAME##",
        "WHERE USERNAME || ##USERNAME## = (USERNAME || '##username##')",
        "WHERE ID IN (SELECT ID FROM USERS WHERE USERNAME = ##USERNAME## OR TRUE)",
        "WHERE USERNAME <> ##USERNAME##",
        "WHERE NOT USERNAME = ##USERNAME##",
        "WHERE USERNAME NOT IN (##USERNAME##)",
    ],
)
@pytest.mark.parametrize("write", ["DELETE FROM USERS", "UPDATE USERS SET A = 1"])
def test_a_write_that_reaches_rows_of_others_is_refused(write: str, where: str) -> None:
    for dialect in ("postgres", "sqlite", "mysql"):
        if dialect == "mysql" and "||" in where:
            continue  # means OR there
        error = problem(f"{write}\n{where}", "delete", dialect)
        assert "also reaches rows of other users" in error.message
        assert error.line == 2
    assert (
        check(f"{write} WHERE ID = ##USERNAME## AND ({where.removeprefix('WHERE ')})", "postgres", "delete", KNOWN)
        == []
    )


def test_two_bars_are_or_in_mysql() -> None:
    sql = f"DELETE FROM USERS {WHERE} || TRUE"
    assert "rows of other users" in problem(sql, "delete", "mysql").message


def test_an_error_names_line_and_column_in_the_admins_own_text() -> None:
    error = problem("SELECT *\n  FROM USERS\n WHERE A = ##FRISTNAME##", "check")

    assert (error.line, error.column) == (3, 12)
    assert error.message == "No attribute is called FRISTNAME. Did you mean ##FIRSTNAME##?"


def test_a_statement_that_cannot_be_read_names_the_place() -> None:
    error = problem("UPDATE USERS SET\n  A = WHERE B = ##USERNAME##", "update")

    assert (error.line, error.column) == (2, 7)
    assert "near WHERE" in error.message


def test_every_unknown_name_is_reported() -> None:
    found = check("SELECT 1 FROM T WHERE A = ##NOPE## OR B = '##ZILCH##'", "postgres", "check", KNOWN)

    assert [error.message.split(".")[0] for error in found] == [
        "No attribute is called NOPE",
        "No attribute is called ZILCH",
    ]


def test_an_import_may_name_only_the_key() -> None:
    sql = "SELECT PHONE FROM PHONES WHERE MAIL = ##EMAIL_ADDRESS##"

    assert check(sql, "postgres", "import", KNOWN, key_column="LOGIN")
    assert not check(sql.replace("EMAIL_ADDRESS", "LOGIN"), "postgres", "import", KNOWN, key_column="LOGIN")


@pytest.mark.parametrize("comment", ["/*! OR 1 = 1 */", "/*!50000 OR 1 = 1 */", "/*M! OR 1 = 1 */"])
def test_comments_that_mysql_runs_are_refused(comment: str) -> None:
    assert "MySQL runs" in problem(f"DELETE FROM USERS {WHERE} {comment}", "delete", "mysql").message


def test_mysql_comments_and_hashes_do_not_hide_placeholders() -> None:
    template = parse("SELECT A # the user\nFROM USERS WHERE B = ##USERNAME## -- x", "mysql", "check")

    assert template.names == ("USERNAME",)
    assert "stands in a comment" in problem("SELECT A FROM T WHERE B = ##USERNAME## # ##A##", "check", "mysql").message


def test_user_variables_of_mysql_are_not_parameters() -> None:
    assert check(f"SELECT @x FROM USERS {WHERE}", "mysql", "check", KNOWN) == []
    assert "written as ##NAME##" in problem(f"SELECT @x FROM USERS {WHERE}", "check", "sqlite").message


def test_names_are_listed_for_the_page() -> None:
    statements = ["SELECT '##FIRSTNAME##', FIRSTNAME, LASTNAME AS sn FROM U WHERE X = ##USERNAME##", "not '"]

    assert names_in(statements, "postgres") == ["FIRSTNAME", "USERNAME"]
    assert import_attributes(statements, "postgres") == ["FIRSTNAME", "sn"]
