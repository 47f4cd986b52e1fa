"""What the driver gets: the admin's own text with bound parameters."""

import datetime as dt

import pytest

from directories.attributes import Value
from directories.query_templates import NamedValues, parse


def bound(sql: str, dialect: str, operation: str = "check", **values: Value) -> tuple[str, tuple[Value, ...]]:
    found = parse(sql, dialect, operation).bind(NamedValues(values))
    return found.sql, found.parameters


@pytest.mark.parametrize("written", ["'##NAME##'", "##NAME##", "##name##", "'##Name##'"])
def test_quoted_and_bare_are_one_parameter(written: str) -> None:
    assert bound(f"SELECT a  FROM t WHERE b={written};", "postgres", name="x") == (
        "SELECT a  FROM t WHERE b=%s",
        ("x",),
    )


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("postgres", "('CN=' || CAST(%s AS text) || ' ' || CAST(%s AS text))"),
        ("mysql", "CONCAT('CN=', %s, ' ', %s)"),
        ("sqlite", "('CN=' || ? || ' ' || ?)"),
        ("tsql", "('CN=' + CAST(%s AS nvarchar(max)) + ' ' + CAST(%s AS nvarchar(max)))"),
        ("oracle", "('CN=' || :1 || ' ' || :2)"),
    ],
)
def test_a_longer_literal_is_a_concatenation(dialect: str, expected: str) -> None:
    sql, parameters = bound("SELECT a FROM t WHERE b = 'CN=##A## ##B##'", dialect, a="x", b="y")

    assert sql == f"SELECT a FROM t WHERE b = {expected}"
    assert parameters == ("x", "y")


@pytest.mark.parametrize(
    ("dialect", "expected", "value"),
    [
        ("postgres", "('%%' || CAST(%s AS text) || '%%')", "50\\%\\_\\\\["),
        ("mysql", "CONCAT('%%', %s, '%%')", "50\\%\\_\\\\["),
        ("sqlite", "('%' || ? || '%') ESCAPE '\\'", "50\\%\\_\\\\["),
        ("tsql", "('%%' + CAST(%s AS nvarchar(max)) + '%%') ESCAPE '\\'", "50\\%\\_\\\\\\["),
    ],
)
def test_in_a_pattern_a_value_matches_only_itself(dialect: str, expected: str, value: str) -> None:
    sql, parameters = bound("SELECT a FROM t WHERE b LIKE '%##U##%'", dialect, u="50%_\\[")

    assert sql == f"SELECT a FROM t WHERE b LIKE {expected}"
    assert parameters == (value,)


def test_a_pattern_with_its_own_escape_is_left_alone() -> None:
    sql, parameters = bound("SELECT a FROM t WHERE b LIKE '%##U##' ESCAPE '!'", "sqlite", u="5%")

    assert sql == "SELECT a FROM t WHERE b LIKE ('%' || ?) ESCAPE '!'"
    assert parameters == ("5%",)


def test_a_missing_value_is_null_and_a_type_is_kept() -> None:
    day = dt.date(2024, 2, 29)

    assert bound("SELECT a FROM t WHERE b = ##NONE## AND c = ##DAY##", "sqlite", day=day)[1] == (None, day)


def test_the_mapping_wins_and_portal_names_need_no_underscores() -> None:
    values = NamedValues({"FirstName": "mapped"}, {"first_name": "portal", "last_name": "portal"})

    assert values["FIRSTNAME"] == "mapped"
    assert values["first_name"] == "portal"
    assert values["LASTNAME"] == values["Last_Name"] == "portal"


def test_per_cent_signs_and_colons_of_the_admin_are_kept_for_the_driver() -> None:
    sql = "SELECT a::int % 2, '100%', ':x' FROM t WHERE b = ##A##"

    assert bound(sql, "postgres")[0] == "SELECT a::int %% 2, '100%%', ':x' FROM t WHERE b = %s"
    assert bound("SELECT a % 2, ':x' FROM t WHERE b = ##A##", "sqlite")[0] == "SELECT a % 2, ':x' FROM t WHERE b = ?"


def test_postgres_is_told_a_type_only_where_it_cannot_infer_one() -> None:
    sql = "SELECT a FROM t WHERE ##A## IS NULL OR concat(##A##, 'x') = b OR c = ##A## OR d = ##A##::int"

    assert bound(sql, "postgres")[0] == (
        "SELECT a FROM t WHERE CAST(%s AS text) IS NULL OR concat(CAST(%s AS text), 'x') = b OR c = %s OR d = %s::int"
    )


def test_a_label_stays_a_literal() -> None:
    sql, parameters = bound("SELECT '##FIRSTNAME##', A FROM t WHERE b = '##USERNAME##'", "postgres", "import")

    assert sql == "SELECT 'FIRSTNAME', A FROM t WHERE b = %s"
    assert parameters == (None,)
