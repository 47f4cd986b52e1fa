"""The mapping between a directory's rows and the portal's people."""

import datetime as dt
from decimal import Decimal
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directories.attributes import PROFILE_ATTRIBUTES, Kind, Person, PortalAttribute, Type
from directories.connectors.base import ConnectorError
from directories.mapping import AttributeRule, Mapper, MappingError, digest, problems_of

CUSTOM = [
    PortalAttribute(Kind.CUSTOM_PROFILE, "badge", "Badge", Type.NUMBER),
    PortalAttribute(Kind.CUSTOM_PROFILE, "hired", "Hired on", Type.DATE),
    PortalAttribute(Kind.CUSTOM_PROFILE, "driver", "Drives", Type.BOOLEAN),
    PortalAttribute(Kind.CUSTOM_PROFILE, "contract", "Contract", Type.CHOICE, choices=("Permanent", "Temporary")),
    PortalAttribute(Kind.CUSTOM_PROFILE, "floor", "Floor", required=True, max_length=None),
]
CATALOGUE = {(each.kind, each.name): each for each in (*PROFILE_ATTRIBUTES, *CUSTOM)}
P, C, F = Kind.PROFILE, Kind.CUSTOM_PROFILE, Kind.CUSTOM
SEED = [
    AttributeRule("FIRSTNAME", P, "first_name"),
    AttributeRule("LASTNAME", P, "last_name"),
    AttributeRule("EMAIL_ADDRESS", P, "email"),
]


def inbound(rule: AttributeRule, value: Any) -> Any:
    """Return the value, or the problem, that the one rule gives."""
    result = Mapper([rule], CATALOGUE).inbound({rule.directory_attribute: value})
    if result.problems:
        assert not result.values
        return result.problems
    return result.values.get((rule.kind, rule.portal_attribute), "nothing")


def test_the_seeds_row_in_and_out() -> None:
    mapper = Mapper(SEED, CATALOGUE)
    values, problems, _ = mapper.inbound({"firstname": " Ann ", "LASTNAME": "O'Neil", "email_address": None, "MORE": 1})
    assert values == {(P, "first_name"): "Ann", (P, "last_name"): "O'Neil", (P, "email"): ""}
    assert problems == []
    person = Person(profile={"first_name": "Ann", "last_name": "", "username": "ann"})
    assert mapper.outbound(person) == {"FIRSTNAME": "Ann", "LASTNAME": None, "EMAIL_ADDRESS": None}


def test_an_attribute_that_the_row_does_not_have_is_left_alone() -> None:
    assert Mapper(SEED, CATALOGUE).inbound({"FIRSTNAME": "Ann"}).values == {(P, "first_name"): "Ann"}


def test_rows_of_different_layout_through_one_mapper() -> None:
    mapper = Mapper(SEED, CATALOGUE)
    for number in range(200):
        row = {f"OTHER{number}": 1, "FirstName": str(number)}
        assert mapper.inbound(row).values == {(P, "first_name"): str(number)}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("badge", "12", 12),
        ("badge", "12.50", 12.5),
        ("badge", Decimal("1E+3"), 1000),
        ("badge", 7.0, 7),
        ("badge", True, 1),
        ("badge", " ", None),
        ("badge", "twelve", ["Badge is not a number."]),
        ("badge", "NaN", ["Badge is not a number."]),
        ("badge", "1e999999999", ["Badge is not a number."]),
        ("badge", "0.1234567890123456789", ["Badge has more than 17 digits."]),
        ("hired", dt.datetime(2024, 1, 31, 12), dt.date(2024, 1, 31)),
        ("hired", dt.date(2024, 1, 31), dt.date(2024, 1, 31)),
        ("hired", "2024-01-31", dt.date(2024, 1, 31)),
        ("hired", "2024-01-31T10:00:00Z", dt.date(2024, 1, 31)),
        ("hired", "", None),
        ("hired", "31.01.2024", ["Hired on is not a date such as 2024-01-31; read another form with parse_date."]),
        ("driver", "Yes", True),
        ("driver", "f", False),
        ("driver", 0, False),
        ("driver", None, None),
        ("driver", "perhaps", ["Drives is neither yes nor no (true/false, yes/no, y/n, 1/0)."]),
        ("contract", "permanent ", "Permanent"),
        ("contract", "", None),
        ("contract", "other", ["Contract is not one of: Permanent, Temporary."]),
        ("floor", 3, "3"),
        ("floor", "", ["Floor is required and empty."]),
    ],
)
def test_values_take_the_attributes_type(name: str, value: Any, expected: Any) -> None:
    found = inbound(AttributeRule("X", C, name), value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("true", True), ("FALSE", False), ("1", True), ("0", False), ("yes", True), ("no", False), ("Y", True),
        ("n", False), ("t", True), ("F", False), (1, True), (Decimal(0), False), (False, False), ("active", True),
        ("disabled", False), (None, "nothing"), (" ", "nothing"),
        ("maybe", ["Active is neither yes nor no (true/false, yes/no, y/n, 1/0)."]),
    ],
)  # fmt: skip
def test_active(value: Any, expected: Any) -> None:
    assert inbound(AttributeRule("STATE", P, "active"), value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "5"), (5.0, "5"), (Decimal("5.10"), "5.10"), (True, "true"), (dt.date(2024, 1, 2), "2024-01-02"),
        ("a\nb", "a\nb"), ("\u00a0x\u00a0", "x"), (None, ""), ("  ", ""),
        ("a\0b", ["Title holds a character that cannot be stored."]),
        ("a\udc80b", ["Title holds a character that cannot be stored."]),
        (b"\xff", ["Title holds binary data, not text."]),
        ("x" * 151, ["Title is longer than 150 characters."]),
    ],
)  # fmt: skip
def test_text(value: Any, expected: Any) -> None:
    assert inbound(AttributeRule("T", P, "title"), value) == expected


def test_problems_never_show_the_value_and_leave_the_other_attributes() -> None:
    mapper = Mapper([AttributeRule("SECRET", C, "badge"), AttributeRule("F", P, "first_name")], CATALOGUE)
    values, problems, _ = mapper.inbound({"SECRET": "hunter2", "F": "Ann"})
    assert values == {(P, "first_name"): "Ann"}
    assert problems == ["Badge is not a number."]


def test_the_first_rule_with_a_value_wins() -> None:
    mapper = Mapper([AttributeRule("A", P, "phone"), AttributeRule("B", P, "phone")], CATALOGUE)
    assert mapper.inbound({"A": "", "B": "2"}).values == {(P, "phone"): "2"}
    assert mapper.inbound({"A": "1", "B": "2"}).values == {(P, "phone"): "1"}
    assert mapper.inbound({"A": "1", "B": ""}).values == {(P, "phone"): "1"}
    assert mapper.inbound({"A": "", "B": ""}).values == {(P, "phone"): ""}


def test_directions_and_unused_rules() -> None:
    mapper = Mapper(
        [AttributeRule("I", P, "title", "in"), AttributeRule("O", P, "phone", "out"), AttributeRule("U")], CATALOGUE
    )
    assert mapper.inbound({"I": "t", "O": "p", "U": "u"}).values == {(P, "title"): "t"}
    assert mapper.outbound(Person(profile={"title": "t", "phone": "p"})) == {"O": "p"}


def test_expressions_in_and_out() -> None:
    mapper = Mapper(
        [
            AttributeRule("MAIL", P, "email", "in", "{{ value | lower }}"),
            AttributeRule("CN", P, "display_name", "in", "{{ row.FIRST }} {{ row.LAST }}"),
            AttributeRule("SINCE", C, "hired", "in", "{{ value | parse_date('%d.%m.%Y') }}"),
            AttributeRule("FULL", P, "display_name", "out", "{{ user.first_name }} {{ user.badge }}"),
            AttributeRule("FULLER", P, "display_name", "out", "{{ value | default('') }}"),
        ],
        CATALOGUE,
    )
    assert mapper.inbound({"MAIL": "A@B", "first": "Ann", "Last": "Ny", "SINCE": "31.01.2024"}).values == {
        (P, "email"): "a@b",
        (P, "display_name"): "Ann Ny",
        (C, "hired"): dt.date(2024, 1, 31),
    }
    assert mapper.inbound({"SINCE": "x"}).problems == [
        "Hired on: The expression cannot be computed: the date is not written as %d.%m.%Y."
    ]
    person = Person(profile={"first_name": "Ann"}, custom_profile={"badge": 7})
    assert mapper.outbound(person) == {"FULL": "Ann 7", "FULLER": ""}


def test_an_expression_that_fails_outbound_parks_with_words() -> None:
    mapper = Mapper([AttributeRule("N", P, "phone", "out", "{{ value | number }}")], CATALOGUE)
    with pytest.raises(ConnectorError, match="The mapping of N") as caught:
        mapper.outbound(Person(profile={"phone": "s3cret"}))
    assert caught.value.code == "mapping"
    assert "s3cret" not in caught.value.message


def test_free_custom_attributes_are_text() -> None:
    mapper = Mapper([AttributeRule("SHOE", F, "shoe size")], CATALOGUE)
    assert mapper.inbound({"SHOE": 42}).values == {(F, "shoe size"): "42"}
    assert mapper.outbound(Person(custom={"shoe size": "42"})) == {"SHOE": "42"}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (AttributeRule("A", P, "frist_name"), "Did you mean first_name?"),
        (AttributeRule("A", C, "nothing_like_it"), "not a portal attribute"),
        (AttributeRule("A", P, "title", "both", "{{ value }}"), "choose one direction"),
        (AttributeRule("A", P, "title", "in", "{{ value | lowr }}"), "line 1: There is no filter 'lowr'"),
        (AttributeRule("A", P, "title", "out", "{{ row.x }}"), "There is no name 'row'"),
    ],
)
def test_rules_that_cannot_be_used(rule: AttributeRule, words: str) -> None:
    assert words in problems_of([rule], CATALOGUE)[0]
    with pytest.raises(MappingError):
        Mapper([rule], CATALOGUE)


def test_the_version_follows_rules_and_types() -> None:
    version = Mapper(SEED, CATALOGUE).version
    assert version == Mapper([*SEED, AttributeRule("UNUSED")], CATALOGUE).version
    assert version != Mapper(SEED[:2], CATALOGUE).version
    longer = {**CATALOGUE, (P, "email"): PortalAttribute(P, "email", "E-mail", max_length=10)}
    assert version != Mapper(SEED, longer).version


def test_digests() -> None:
    one = digest({(P, "a"): "x", (C, "b"): None}, b"key")
    assert one == digest({(C, "b"): "", (P, "a"): "x"}, b"key")
    assert len(one) == 32
    assert one != digest({(P, "a"): "x"}, b"key")
    assert one != digest({(P, "a"): "x", (C, "b"): None}, b"other")
    assert digest({"n": 1.0}, b"k" * 100) == digest({"n": Decimal("1.00")}, b"k" * 100) == digest({"n": 1}, b"k" * 100)
    assert digest({"d": dt.date(2024, 1, 1)}, b"") != digest({"d": "2024-01-01"}, b"")
    assert digest({"a": "\udc80"}, b"")


def test_digests_are_those_of_earlier_releases() -> None:
    """Or every row would count as changed after an update."""
    values = {
        "b%": "x'y\"",
        "a": None,
        "n": 2.0,
        (P, "c"): "%s",
        "t": ("1", "2"),
        "d": dt.date(2024, 1, 1),
        "\0m": True,
    }
    assert digest(values, b"key") == "75cca35566e52f16e06db183f1004f0b"
    assert digest({}, b"key") == "dbb35d34bd5099f57e5da281ebf37879"
    assert digest({"only": "Zoë\udc80"}, b"key") == "629e4f7b628e449468874a100cf87e1c"


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.dates())
rows = st.dictionaries(st.text(max_size=5), scalars, max_size=4)


@pytest.mark.heavy
@given(one=rows, two=rows)
def test_different_values_have_different_digests(one: dict[str, Any], two: dict[str, Any]) -> None:
    def plain(values: dict[str, Any]) -> dict[str, Any]:
        return {name: (type(value), value) if value not in (None, "") else None for name, value in values.items()}

    assert (digest(one, b"k") == digest(two, b"k")) == (plain(one) == plain(two))


@pytest.mark.heavy
@given(value=scalars | st.binary() | st.floats() | st.decimals() | st.datetimes())
def test_any_value_becomes_a_value_or_a_problem(value: Any) -> None:
    mapper = Mapper([AttributeRule(each.name, C, each.name) for each in CUSTOM], CATALOGUE)
    values, problems, _ = mapper.inbound({each.name: value for each in CUSTOM})
    assert len(values) + len(problems) >= len(CUSTOM)


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=100))
def test_text_survives_the_way_out_and_in(text: str) -> None:
    mapper = Mapper([AttributeRule("A", P, "title")], CATALOGUE)
    sent = mapper.outbound(Person(profile={"title": text}))
    assert mapper.inbound(sent).values == {(P, "title"): text.strip()}


def test_rows_without_expressions_are_quick() -> None:
    """An import maps and digests 25,000 rows a second and must have time left; a generous bound for a busy machine."""
    mapper = Mapper(SEED, CATALOGUE)
    row = {"FIRSTNAME": "Ann", "LASTNAME": "O'Neil", "EMAIL_ADDRESS": "ann@example.org"}
    best = min(_microseconds(mapper, row) for _ in range(5))
    assert best < 60


def _microseconds(mapper: Mapper, row: dict[str, Any]) -> float:
    started = perf_counter()
    for _ in range(1000):
        digest(mapper.inbound(row).values, b"key")
    return (perf_counter() - started) * 1000
