"""Expressions of attribute mappings: what they compute, and that nothing leaves their sandbox."""

import datetime as dt
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directories.attributes import Value
from directories.expressions import MAX_SOURCE, ROW, USER, ExpressionError, compile_expression
from directories.filters import FILTERS, MAX_TEXT, text

ROWS = {"FIRST": "Łukasz", "Last": "Groß-O'Neil", "EMPTY": "", "AGE": 41, "MAIL-ADDRESS": "a@b.example"}


def run(source: str, value: Value = None, scope: str = ROW) -> Value:
    return compile_expression(source, scope).evaluate(value, ROWS)


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        ("{{ value | lower }}", "ABC", "abc"),
        ("{{ value | upper }}", "straße", "STRASSE"),
        ("{{ value | title }}", "ANNA-LENA o'neil", "Anna-Lena O'Neil"),
        ("{{ value | capitalize }}", "aNNA", "Anna"),
        ("{{ value | trim }}", "  x ", "x"),
        ("{{ value | trim('0') }}", "00120", "12"),
        ("{{ row.first }}", None, "Łukasz"),
        ('{{ row["mail-address"] }}', None, "a@b.example"),
        ("{{ row.first }} {{ row.last }}", None, "Łukasz Groß-O'Neil"),
        ("{{ row.first ~ row.nothing ~ row.EMPTY }}", None, "Łukasz"),
        ("{{ [row.first, row.nothing, row.EMPTY, row.last] | join(' ') }}", None, "Łukasz Groß-O'Neil"),
        ("{{ (value | split(','))[1] }}", "Doe, Jane", "Jane"),
        ("{{ value | split | last }}", "Anna Lena Meyer", "Meyer"),
        ("{{ value | first }}", "Anna", "A"),
        ("{{ value | left(3) }}{{ value | right(2) }}", "abcdefg", "abcfg"),
        ("{{ value | right(0) }}", "abc", ""),
        ("{{ value[:2] }}", "abc", "ab"),
        ("{{ value[9] }}", "abc", None),
        ("{{ value | initials }}", "Anna-Lena von Müller", "ALVM"),
        (
            "{{ value | strip_accents }}",
            "Ærøskøbing Łódź straße Ğ Þór đ",
            "AEroskobing Lodz strasse G Thor d".replace("AE", "Ae"),
        ),
        ("{{ value | strip_accents('de') }}", "Jürgen Groß", "Juergen Gross"),
        ("{{ (row.first | left(1) ~ row.last) | slug }}", None, "lgross.oneil"),
        ("{{ value | slug('-') }}", "São Tomé & Príncipe", "sao-tome-principe"),
        ("{{ value | replace('-', '') }}", "1-2-3", "123"),
        ("{{ value | digits }}", "+49 (30) 12", "493012"),
        ("{{ value | number + 1 }}", " 41 ", 42),
        ("{{ value | number }}", "1.5", 1.5),
        ("{{ value | length }}", "abc", 3),
        ("{{ value | parse_date('%d.%m.%Y') }}", "31.01.2024", dt.date(2024, 1, 31)),
        ("{{ value | parse_date('%d.%m.%Y %H:%M') }}", "31.01.2024 07:05", dt.datetime(2024, 1, 31, 7, 5)),
        ("{{ value | format_date('%d/%m/%Y') }}", dt.date(2024, 1, 31), "31/01/2024"),
        ("{{ value | format_date('%Y') }}", "2024-01-31", "2024"),
        ("{{ value | default('none') }}", "", "none"),
        ("{{ value | default(row.AGE) }}", None, 41),
        ('{{ value | lookup({"HR": "Human Resources"}, "Other") }}', " hr", "Human Resources"),
        ('{{ value | lookup({"HR": "Human Resources"}, "Other") }}', "IT", "Other"),
        ('{{ value | lookup({"HR": "Human Resources"}) }}', "IT", None),
        ("{{ true if value == 'A' else false }}", "A", True),
        ("{{ value in ['A', 'B'] }}", "C", False),
        ("{% if value is missing %}none{% else %}{{ value }}!{% endif %}", "x", "x!"),
        ("{{ value if value }}", None, None),
        ("{{ value == none }}", None, True),
        ("{{ value == 'x' }}", None, False),
        ("{{ value }}", 5, 5),
        ("{{ value }}{# a comment #}", False, False),
        ("is {{ value }}", True, "is true"),
        ("", "x", None),
    ],
)
def test_what_an_expression_gives(source: str, value: Value, expected: Value) -> None:
    result = run(source, value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("name", sorted(set(FILTERS) - {"default", "join", "lookup", "length"}))
def test_every_filter_gives_nothing_for_nothing(name: str) -> None:
    assert run(f"{{{{ value | {name} }}}}", None) is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ value | lowr }}", "Did you mean lower?"),
        ("{{ vlaue }}", "Did you mean value?"),
        ("{{ user.mail }}", "There is no name 'user'"),
        ("{{ value | }}", "Expected"),
        ("{{ value.lower() }}", "value | lower"),
        ("{% for c in value %}{{ c }}{% endfor %}", "Loops"),
        ("{% set x = 1 %}", "stored"),
        ("{{ value * 2 }}", "Multiplication"),
        ("{{ value ** 2 }}", "Multiplication"),
        ("{{ row[value] }}", 'row["NAME"]'),
        ("{{ value['x' ~ 'y'] }}", "Only a number"),
    ],
)
def test_mistakes_are_said_in_words(source: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=r"^Line 1: ") as caught:
        compile_expression(source, ROW)
    assert words in caught.value.message


def test_an_error_names_its_line() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression("{{ value }}\n\n{{ value | lowr }}", ROW)
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ value + 1 }}", "s3cret"),
        ("{{ value | number }}", "s3cret"),
        ("{{ value | parse_date('%d.%m.%Y') }}", "s3cret"),
        ("{{ value | format_date('%Y') }}", "s3cret"),
        ("{{ value | split(',') }}", "s3cret"),
        ("{{ value | left('x') }}", "s3cret"),
        ("{{ value | lookup('x') }}", "s3cret"),
    ],
)
def test_what_cannot_be_computed_does_not_show_the_value(source: str, value: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        run(source, value)
    assert value not in str(caught.value)
    assert caught.value.__suppress_context__


ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ value.__class__ }}",
    "{{ value['__class__'] }}",
    "{{ row.__class__ }}",
    "{{ row['__init__'] }}",
    "{{ row._values }}",
    "{{ row.get('x') }}",
    "{{ value | attr('__class__') }}",
    "{{ value | map('upper') | list }}",
    "{{ self }}",
    "{{ self.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ lipsum.__globals__ }}",
    "{{ namespace() }}",
    "{{ range(10) }}",
    "{{ '{0.__class__}'.format(value) }}",
    "{{ '%s' % value }}",
    "{{ loop }}",
    "{{ caller() }}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% block x %}{% endblock %}",
    "{% macro x() %}{% endmacro %}",
    "{% call x() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% with x = 1 %}{% endwith %}",
    "{% autoescape true %}{% endautoescape %}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_the_sandbox_holds(source: str) -> None:
    try:
        result = run(source, "text")
    except ExpressionError:
        return
    assert result is None, "a name that is no attribute of the row is only missing"


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 999999999 }}",
        "{{ 9 ** 9999999 }}",
        "{{ value | format_date('%999999999Y') }}",
        "{{ value | replace('', value) }}",
        "{{" + "(" * 900 + "1" + ")" * 900 + "}}",
        "{{ " + "not " * 450 + "1 }}",
        "{{ " + "1+" * 900 + "1 }}",
        "{{ " + "[" * 900 + "]" * 900 + " }}",
        "{{ " + "9" * 1900 + " }}",
        "x" * (MAX_SOURCE + 1),
        "{{ value | replace('2', '" + "a" * 50 + "') | replace('a', '" + "b" * 50 + "') | replace('b', 'cccccc') }}",
    ],
)
def test_bombs_are_refused_at_once(source: str) -> None:
    started = time.process_time()
    with pytest.raises(ExpressionError):
        run(source, "2024-01-01")
    assert time.process_time() - started < 2


def test_a_long_result_is_refused() -> None:
    with pytest.raises(ExpressionError, match="longer"):
        run("{{ value | lower }}", "x" * (MAX_TEXT + 1))


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False),
    st.dates(),
    st.text(max_size=200),
)


@pytest.mark.heavy
@given(text=st.text(max_size=200))
@settings(max_examples=300)
def test_a_value_is_never_executed(text: str) -> None:
    """Whatever a directory holds, Jinja2 syntax included, comes out as it went in."""
    hostile = "{{ 7 * 7 }}{% for x in y %}" + text
    assert run("{{ value }}", hostile) == hostile
    assert run("<{{ row.x }}>{{ value }}", hostile) == f"<>{hostile}".strip()
    assert compile_expression("{{ user.x }}", USER).evaluate(None, {"x": hostile}) == hostile


@pytest.mark.heavy
@given(
    value=values,
    name=st.sampled_from(sorted(FILTERS)),
    argument=st.sampled_from(["", "(1)", "('x')", "('%Y')", "({})", "(value)", "(row.AGE, value)"]),
)
@settings(max_examples=400)
def test_every_filter_gives_a_plain_value_or_words(value: Value, name: str, argument: str) -> None:
    try:
        result = run(f"{{{{ value | {name}{argument} }}}}", value)
    except ExpressionError:
        return
    assert result is None or type(result) in {str, int, float, bool, dt.date, dt.datetime}


@pytest.mark.heavy
@given(source=st.text(alphabet="{}%|.()[]'\"_ ~+-*/,:=<>1valuerowcsfin\n", max_size=60))
@settings(max_examples=500)
def test_any_source_compiles_or_is_refused_in_words(source: str) -> None:
    try:
        result = run(source, "text")
    except ExpressionError:
        return
    assert result is None or type(result) in {str, int, float, bool, dt.date, dt.datetime}
    assert "object at 0x" not in str(result)


DOCS = Path(__file__).parents[2] / "docs" / "attribute-mapping.md"
DOCUMENTED = [
    tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:4])
    for line in DOCS.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `{") or line.startswith("| `CN=")
]


@pytest.mark.parametrize(("source", "value", "expected"), DOCUMENTED)
def test_the_documented_examples(source: str, value: str, expected: str) -> None:
    result = compile_expression(source.strip("`"), ROW).evaluate(value, {})
    assert text(result) == expected


def test_every_filter_is_documented() -> None:
    assert len(DOCUMENTED) > 25
    assert [name for name in FILTERS if not any(f"| {name}" in source for source, _, _ in DOCUMENTED)] == []
