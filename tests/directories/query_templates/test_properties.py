"""Property tests: no value, name or literal changes the shape of a statement, and templates round-trip."""

import datetime as dt
import re
import string
from decimal import Decimal

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from directories.query_templates import NamedValues, TemplateError, check, parse
from directories.query_templates.scan import scan

pytestmark = pytest.mark.heavy

DIALECTS = ("postgres", "mysql", "sqlite", "tsql", "oracle")
HOSTILE = [
    "'",
    '"',
    "`",
    "\\",
    "%",
    "%s",
    ":x",
    "?",
    "#",
    "##",
    "##A##",
    "--",
    "/*",
    "*/",
    ";",
    "$1",
    "\x00",
    "' OR 1=1",
]
text = st.lists(st.one_of(st.text(max_size=8), st.sampled_from(HOSTILE)), max_size=6).map("".join)
values = st.one_of(
    text, st.none(), st.integers(), st.booleans(), st.dates(), st.datetimes(), st.decimals(allow_nan=False)
)
names = st.text(alphabet=string.ascii_letters + string.digits + "_äß漢", min_size=1, max_size=12)
# What may stand in a hole: marks, literals, and the words that join them.
CONCATENATION = {
    *("STRING", "NUMBER", "PLACEHOLDER", "COLON", "DPIPE", "PLUS", "COMMA", "L_PAREN", "R_PAREN"),
    *("VAR", "ALIAS", "TEXT", "NVARCHAR"),
}
dialects = st.sampled_from(DIALECTS)


def literal(content: str, dialect: str) -> str:
    """Return ``content`` between quotes as the dialect writes it."""
    doubled = content.replace("'", "''")
    return f"'{doubled.replace(chr(92), chr(92) * 2) if dialect == 'mysql' else doubled}'"


def harmless(content: str) -> str:
    """Return a literal's text without what would be a placeholder or is refused on its own account."""
    return content.replace("#", "").replace("\x00", "")


def shape(sql: str, dialect: str) -> list[str]:
    """Return the types of the tokens, with the driver's own marks made into numbers."""
    percent = dialect in {"postgres", "mysql", "tsql"}
    marked = re.sub(r"%(.)", lambda found: "1" if found[1] == "s" else "%", sql) if percent else sql
    return [token.token_type.name for token in sqlglot.tokenize(marked, read=dialect)]


@st.composite
def templates(draw: st.DrawFn) -> tuple[str, str, list[str]]:
    """Return a dialect, an UPDATE with placeholders in every notation, and the names in it."""
    dialect = draw(dialects)
    used = draw(st.lists(names.filter(lambda name: name.casefold() != "password"), min_size=1, max_size=4))
    parts = []
    for position, name in enumerate(used):
        before, after = literal(harmless(draw(text)), dialect)[1:-1], literal(harmless(draw(text)), dialect)[1:-1]
        notation = draw(st.sampled_from(["##{0}##", "'##{0}##'", "'{1}##{0}##{2}'", "'##{0}##{1}##{0}##'"]))
        parts.append(f"c{position} = {notation.format(name, before, after)}")
    plain = literal(harmless(draw(text)), dialect)
    return dialect, f"UPDATE t SET {', '.join(parts)}, note = {plain}\nWHERE k = ##{used[0]}##", used


@given(templates(), st.lists(values, min_size=4, max_size=4))
def test_the_statement_is_the_same_for_every_value(template: tuple[str, str, list[str]], given_values: list) -> None:  # type: ignore[type-arg]
    dialect, sql, used = template
    parsed = parse(sql, dialect, "update")
    empty = parsed.bind({})
    full = parsed.bind(NamedValues(dict(zip(used, given_values, strict=False))))

    assert full.sql == empty.sql
    assert len(full.parameters) == len(empty.parameters) == len(scan(sql, dialect).placeholders)
    assert all(parameter is None for parameter in empty.parameters)


@given(templates())
def test_only_the_holes_differ_from_the_admins_text(template: tuple[str, str, list[str]]) -> None:
    dialect, sql, _ = template
    source = scan(sql, dialect)
    doubled = dialect in {"postgres", "mysql", "tsql"}
    pattern, offset = "", 0
    for hole in source.holes:
        outside = sql[offset : hole.start]
        pattern += re.escape(outside.replace("%", "%%") if doubled else outside) + "(.+?)"
        offset = hole.end
    found = re.fullmatch(pattern, parse(sql, dialect, "update").sql, re.DOTALL)

    assert found is not None
    for group in found.groups():
        assert set(shape(group, dialect)) <= CONCATENATION


@given(templates())
def test_templates_round_trip(template: tuple[str, str, list[str]]) -> None:
    dialect, sql, _ = template
    source = scan(sql, dialect)

    assert len(source.masked) == len(sql)
    assert source.unmask(source.masked) == sql
    assert parse(sql, dialect, "update").text == sql


@given(text, dialects, st.sampled_from(["import", "check", "create", "update", "delete", "set_password"]))
def test_no_text_breaks_the_check(sql: str, dialect: str, operation: str) -> None:
    assert all(isinstance(problem, TemplateError) for problem in check(sql, dialect, operation, ["A"]))


@given(st.text(max_size=30), dialects)
def test_an_error_is_inside_the_text(name: str, dialect: str) -> None:
    sql = f"SELECT a\nFROM t WHERE b = '##{name}##' AND c = ##UNKNOWN##"
    for problem in check(sql, dialect, "check", ["A"]):
        lines = sql.split("\n")
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


def test_all_types_pass_through_unchanged() -> None:
    parsed = parse("UPDATE t SET a = ##A## WHERE b = '##B##'", "sqlite", "update")
    for value in ("x", 1, 1.5, True, None, Decimal("1.10"), dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4)):
        assert parsed.bind(NamedValues({"a": value, "b": value})).parameters == (value, value)
