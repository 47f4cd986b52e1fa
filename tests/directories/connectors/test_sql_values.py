"""What a cell of each database's types gives the portal: by the column's type, and never an end of the whole crawl."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

import pytest

from directories.attributes import Kind, PortalAttribute, Type, UnreadableValue, Value
from directories.coercion import BadValue, coercer
from directories.mapping import AttributeRule, Mapper
from tests.directories.connectors.sql_subject import SqlSubject

NO_DATE = "holds a date that is not between the years 1 and 9999"
NOT_TEXT = "holds bytes that are not text (UTF-8)"


def crawl(sql: SqlSubject, *columns: str, key: str = "LOGIN") -> dict[str, Mapping[str, Value]]:
    """Return the attributes of the table T by user name; no row has a problem."""
    templates = {"import": [f"SELECT {name} FROM T WHERE {key} = '##{key}##'" for name in columns]}
    with sql.open(templates=templates, user_table="T", username_column=key) as connector:
        accounts = [account for page in connector.accounts() for account in page.accounts]
    assert [account.problem for account in accounts if account.problem] == []
    return {account.key: account.attributes for account in accounts}


def inbound(type: Type, value: Value) -> Value:
    """Return what an attribute of that type makes of the value."""
    return coercer(PortalAttribute(Kind.CUSTOM_PROFILE, "x", "X", type))(value)


@pytest.mark.parametrize("column", ["date", "timestamp", "timestamptz"])
def test_endless_dates_are_none_and_dates_beyond_the_calendar_stay_in_their_cell(pg: SqlSubject, column: str) -> None:
    pg.database.execute(f"CREATE TABLE T (LOGIN text PRIMARY KEY, ENDS {column})")
    cells = ("2026-12-31", "infinity", "-infinity", None, "10000-01-01", "0044-03-15 BC")
    for number, cell in enumerate(cells):
        pg.database.execute("INSERT INTO T VALUES (%s, %s)", f"c{number}", cell)
    found = [inbound_or_words(attributes["ENDS"]) for attributes in crawl(pg, "ENDS").values()]
    assert found == [dt.date(2026, 12, 31), None, None, None, NO_DATE, NO_DATE]


def test_dates_are_read_whatever_form_the_database_shows_them_in(pg: SqlSubject) -> None:
    pg.database.execute("CREATE TABLE T (LOGIN text PRIMARY KEY, D date, S timestamptz)")
    pg.database.execute("INSERT INTO T VALUES ('ann', '2024-02-29', '2024-02-29 12:00Z')")
    pg.database.execute(f"ALTER DATABASE {pg.database.settings['database']} SET datestyle = 'German'")
    found = crawl(pg, "D", "S")["ann"]
    assert [inbound(Type.DATE, value) for value in found.values()] == [dt.date(2024, 2, 29)] * 2


def inbound_or_words(value: Value) -> Value:
    try:
        return inbound(Type.DATE, value)
    except BadValue as error:
        return str(error)


def test_a_cell_that_cannot_be_read_is_named_and_only_the_attributes_that_use_it_miss_it(pg: SqlSubject) -> None:
    pg.database.execute("CREATE TABLE T (LOGIN text PRIMARY KEY, ENDS date, PHOTO bytea)")
    pg.database.execute("INSERT INTO T VALUES ('ann', '10000-01-01', '\\xfffe')")
    row = crawl(pg, "ENDS", "PHOTO")["ann"]
    ends = PortalAttribute(Kind.CUSTOM_PROFILE, "ends", "Ends", Type.DATE)
    catalogue = {(Kind.CUSTOM_PROFILE, "ends"): ends}

    def problems(*rules: AttributeRule) -> list[str]:
        return Mapper(rules, catalogue).inbound(row).problems

    assert problems() == []
    assert problems(AttributeRule("ENDS", Kind.CUSTOM_PROFILE, "ends")) == [f"ENDS {NO_DATE}."]
    assert problems(AttributeRule("PHOTO", Kind.CUSTOM, "photo")) == [f"PHOTO {NOT_TEXT}."]
    expression = AttributeRule("LOGIN", Kind.CUSTOM, "x", "in", "{{ row.ENDS | default('never') }}")
    assert problems(expression) == [f"x: The expression cannot be computed: it reads a value that {NO_DATE}."]


def test_types_that_python_does_not_have_come_as_the_database_writes_them(pg: SqlSubject) -> None:
    values = {
        "I": ("interval", "1 mon 26:00:00", "1 mon 26:00:00"),
        "T": ("time", "24:00", "24:00:00"),
        "R": ("daterange", "[2024-01-01,infinity)", "[2024-01-01,infinity)"),
        "J": ("jsonb", '{"k": [1]}', '{"k": [1]}'),
        "N": ("inet", "10.0.0.1/8", "10.0.0.1/8"),
        "F": ("float8", "NaN", float("nan")),
        "D": ("numeric", "NaN", Decimal("NaN")),
        "A": ("text[]", "{a@x.org,NULL,b@x.org}", ("a@x.org", "b@x.org")),
        "E": ("date[]", "{2024-01-01,infinity}", ("2024-01-01",)),
        "B": ("date[]", "{2024-01-01,10000-01-01}", UnreadableValue(NO_DATE)),
        "C": ("char(8)", "Ann", "Ann"),
        "U": ("uuid", "6f1c9a34-2f6e-4d34-9d0f-000000000001", "6f1c9a34-2f6e-4d34-9d0f-000000000001"),
        "L": ("boolean", "t", True),
        "S": ("smallint", "7", 7),
    }
    columns = ", ".join(f"{name} {column}" for name, (column, _, _) in values.items())
    pg.database.execute(f"CREATE TABLE T (LOGIN text PRIMARY KEY, {columns})")
    marks = ", ".join(["%s"] * len(values))
    pg.database.execute(f"INSERT INTO T VALUES ('ann', {marks})", *[value for _, value, _ in values.values()])
    found = crawl(pg, *values)["ann"]
    assert {name: repr(value) for name, value in found.items()} == {
        name: repr(value) for name, (_, _, value) in values.items()
    }
    assert inbound(Type.TEXT, found["A"]) == "a@x.org"
    for name in ("F", "D"):
        with pytest.raises(BadValue, match="is not a number"):
            inbound(Type.NUMBER, found[name])


def test_bits_and_binary_columns_are_read_by_their_type(mariadb_sql: SqlSubject) -> None:
    mariadb_sql.database.execute(
        "CREATE TABLE T (LOGIN varchar(9) PRIMARY KEY, ACT bit(1), FLAGS bit(12), TAG binary(4))"
    )
    for login, act in (("z1", 1), ("z2", 0), ("z3", 1), ("z4", 0)):
        mariadb_sql.database.execute("INSERT INTO T VALUES (%s, %s, b'100000000001', 'ab')", login, act)
    found = crawl(mariadb_sql, "ACT", "FLAGS", "TAG")
    assert [inbound(Type.BOOLEAN, row["ACT"]) for row in found.values()] == [True, False, True, False]
    assert found["z1"] == {"ACT": 1, "FLAGS": 2049, "TAG": "ab"}


def test_zero_dates_are_none_and_impossible_dates_are_errors_of_their_cells(mariadb_sql: SqlSubject) -> None:
    mariadb_sql.database.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
    mariadb_sql.database.execute(
        "CREATE TABLE T (LOGIN varchar(9) PRIMARY KEY, HIRED date, SEEN datetime(3), STAMP timestamp NULL, LEN time)"
    )
    for number, cell in enumerate(("0000-00-00", "2025-00-12", "2025-02-31", "2024-02-29")):
        stamp = "0000-00-00" if number < 3 else cell
        row = f"c{number}", cell, cell, stamp, "-26:00:00"
        mariadb_sql.database.execute("INSERT INTO T VALUES (%s, %s, %s, %s, %s)", *row)
    found = crawl(mariadb_sql, "HIRED", "SEEN", "STAMP", "LEN")
    wrong = "is not a date such as 2024-01-31; read another form with parse_date"
    for name in ("HIRED", "SEEN"):
        dates = [inbound_or_words(row[name]) for row in found.values()]
        assert dates == [None, wrong, wrong, dt.date(2024, 2, 29)]
    assert [row["STAMP"] for row in found.values()][:3] == [None, None, None]
    assert found["c0"]["LEN"] == "-26:00:00"


def test_a_zero_date_in_a_text_column_is_none_too() -> None:
    assert inbound(Type.DATE, "0000-00-00") is None
    assert inbound(Type.DATE, "0000-00-00 00:00:00") is None


def test_types_of_sqlite_are_those_of_the_cells(sqlite_sql: SqlSubject) -> None:
    sqlite_sql.database.execute("CREATE TABLE T (LOGIN TEXT PRIMARY KEY, V)")
    cells = ("x'fffe'", "CAST(x'ff41' AS TEXT)", "x'6162'", "1.0", "9e999", "NULL", "'10000-01-01'")
    for number, cell in enumerate(cells):
        sqlite_sql.database.execute(f"INSERT INTO T VALUES ('c{number}', {cell})")
    found = [row["V"] for row in crawl(sqlite_sql, "V").values()]
    assert found == [UnreadableValue(NOT_TEXT), UnreadableValue(NOT_TEXT), "ab", 1.0, float("inf"), None, "10000-01-01"]


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["pg", "mariadb_sql"])
def test_a_whole_number_is_a_user_name_without_decimals(request: pytest.FixtureRequest, kind: str) -> None:
    sql: SqlSubject = request.getfixturevalue(kind)
    sql.database.execute("CREATE TABLE T (ID numeric(12,2) PRIMARY KEY, NM varchar(20))")
    sql.database.execute("INSERT INTO T VALUES (2001, 'Ann'), (2001.5, 'Bob')")
    assert crawl(sql, "NM", key="ID") == {"2001": {"NM": "Ann"}, "2001.50": {"NM": "Bob"}}
    with sql.open(user_table="T", username_column="ID", templates={"import": [], "check": []}) as connector:
        refs = [account.ref for page in connector.accounts() for account in page.accounts]
        assert refs == ["2001.00", "2001.50"]
        assert connector._read("2001.00") is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.0", True), ("0.0", False), (Decimal("1.00"), True), (1.0, True), (0.0, False), (-1, True), ("-1", True)],
)
def test_numbers_that_databases_use_for_yes_and_no(value: Value, expected: bool) -> None:
    assert inbound(Type.BOOLEAN, value) is expected


@pytest.mark.parametrize("value", [2, "2", "-2", "0.5", "nan", "1e1"])
def test_other_numbers_are_neither_yes_nor_no(value: Value) -> None:
    with pytest.raises(BadValue):
        inbound(Type.BOOLEAN, value)
