"""Conditions: as one line, as JSON, in words, whether they hold, and what is said of wrong ones."""

import datetime as dt
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.contracts.days import Term
from provisioning.rules.conditions import (
    EVERYBODY,
    OPERATORS,
    All,
    Either,
    Field,
    FieldKind,
    IdNames,
    Known,
    Leaf,
    Node,
    Not,
    Same,
    comparable,
    compiled,
    from_json,
    parse,
    problems,
    render,
    to_json,
    words,
)
from provisioning.rules.matching import AskedRule, Matcher, PersonFacts

FIELDS = {
    one.key: one
    for one in (
        Field("user.title", "Title"),
        Field("user.active", "Active", FieldKind.BOOLEAN),
        Field("user.groups", "Group", FieldKind.GROUP),
        Field("contract.title", "Title of the contract"),
        Field("contract.fte", "FTE of the contract", FieldKind.NUMBER),
        Field("contract.starts", "First day of the contract", FieldKind.DATE),
        Field("contract.branch", "Department of the contract", FieldKind.BRANCH),
    )
}
KINDS = {key: one.kind for key, one in FIELDS.items()}
KNOWN = Known(
    FIELDS,
    departments=IdNames({1: ("Care", "C"), 2: ("Ward", "C1"), 3: ("Ward", "C2")}),
    groups=IdNames({7: ("Nurses", "")}),
)
ABOVE = {1: frozenset({1}), 2: frozenset({1, 2}), 3: frozenset({1, 3})}
TEXTS = ("Nurse", "head NURSE", "clerk", "")
VALUES: dict[FieldKind, st.SearchStrategy[Any]] = {
    FieldKind.TEXT: st.sampled_from(["nurse", "Head nurse", "k", 'a "b" \\']),
    FieldKind.NUMBER: st.sampled_from([0, 1, 0.8]),
    FieldKind.DATE: st.sampled_from(["2026-01-01", "2026-06-30"]),
    FieldKind.BOOLEAN: st.booleans(),
    FieldKind.BRANCH: st.sampled_from([1, 2, 3]),
    FieldKind.GROUP: st.just(7),
}


@st.composite
def comparison(draw: st.DrawFn, keys: tuple[str, ...]) -> Leaf:
    key = draw(st.sampled_from(keys))
    operator = draw(st.sampled_from(OPERATORS[KINDS[key]]))
    if operator == "pr":
        return Leaf(key, operator)
    most = 3 if operator in ("eq", "ne") else 1
    found = draw(st.lists(VALUES[KINDS[key]], min_size=1, max_size=most, unique=True))
    return Leaf(key, operator, tuple(found))


def trees(leaf: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return several.map(All) | several.map(Either) | inner.map(Not)

    return st.recursive(leaf, grown, max_leaves=6)


OF_CONTRACTS = tuple(key for key in KINDS if key.startswith("contract."))
CONDITIONS = trees(comparison(tuple(KINDS)) | trees(comparison(OF_CONTRACTS)).map(Same))


@st.composite
def people(draw: st.DrawFn) -> PersonFacts:
    values = {
        "user.title": comparable(draw(st.sampled_from(TEXTS)), FieldKind.TEXT),
        "user.active": draw(st.booleans()),
        "user.groups": draw(st.sampled_from([frozenset(), frozenset({7})])),
    }
    contracts = []
    for _ in range(draw(st.integers(0, 3))):
        department = draw(st.sampled_from([None, 1, 2, 3]))
        contracts.append(
            {
                "contract.title": comparable(draw(st.sampled_from(TEXTS)), FieldKind.TEXT),
                "contract.fte": comparable(draw(st.sampled_from([None, 0, 0.8, 1])), FieldKind.NUMBER),
                "contract.starts": draw(st.sampled_from([None, dt.date(2026, 1, 1), dt.date(2026, 6, 1)])),
                "contract.branch": ABOVE[department] if department else None,
            }
        )
    terms = [Term(None, None, "UTC") for _ in contracts]
    return PersonFacts(1, draw(st.booleans()), values, contracts, terms)


def naive(node: Node, person: PersonFacts, contracts: list[Any]) -> bool:
    """Say whether a condition holds, in the most obvious way."""
    match node:
        case All(parts):
            return all(naive(part, person, contracts) for part in parts)
        case Either(parts):
            return any(naive(part, person, contracts) for part in parts)
        case Not(part):
            return not naive(part, person, contracts)
        case Same(part):
            return any(naive(part, person, [one]) for one in contracts)
        case Leaf(key, "ne", values):
            return not naive(Leaf(key, "eq", values), person, contracts)
    rows = contracts if node.key.startswith("contract.") else [person.values]
    return any(_is(node, row.get(node.key)) for row in rows)


def _is(leaf: Leaf, held: Any) -> bool:
    if leaf.operator == "pr":
        return held not in (None, frozenset())
    if held is None:
        return False
    wanted = [comparable(value, KINDS[leaf.key]) for value in leaf.values]
    if isinstance(held, frozenset):
        return any(one in held for one in wanted)
    return any(
        {
            "eq": lambda one: held == one,
            "co": lambda one: one in held,
            "sw": lambda one: held[: len(one)] == one,
            "ew": lambda one: held[-len(one) :] == one,
            "gt": lambda one: held > one,
            "ge": lambda one: held >= one,
            "lt": lambda one: held < one,
            "le": lambda one: held <= one,
        }[leaf.operator](one)
        for one in wanted
    )


@pytest.mark.heavy
@given(CONDITIONS, people())
def test_a_condition_holds_as_its_tree_says_also_after_its_line_and_its_json(node: Node, person: PersonFacts) -> None:
    wanted = naive(node, person, list(person.contracts))
    assert not problems(node, KNOWN)
    assert compiled(node, KINDS)(person.values, person.contracts) == wanted
    assert from_json(to_json(node)) == node
    line = render(node, KNOWN)
    again = parse(line, KNOWN)
    assert compiled(again, KINDS)(person.values, person.contracts) == wanted
    assert render(again, KNOWN) == render(parse(render(again, KNOWN), KNOWN), KNOWN)


@pytest.mark.heavy
@given(st.lists(CONDITIONS, max_size=6), people())
def test_the_index_finds_exactly_the_rules_that_hold(conditions: list[Node], person: PersonFacts) -> None:
    rules = [AskedRule(number, node) for number, node in enumerate(conditions)]
    found = Matcher(rules, KINDS).match(person, dt.datetime(2026, 7, 1, tzinfo=dt.UTC))
    there = bool(person.contracts) or person.present
    wanted = [one.id for one in rules if there and naive(one.condition, person, list(person.contracts))]
    assert [match.rule for match in found.matches] == wanted


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Everybody"),
        (
            'contract.branch eq "Care" and contract.title co "Nurse"',
            "Department of the contract is Care or below, and title of the contract contains Nurse",
        ),
        ('user.title eq "a" or user.title eq "b" or user.title eq "c"', "Title is a, b or c"),
        (
            'contract[title sw "Nurse" and starts ge "2026-01-01"]',
            "In the same contract (title of the contract starts with Nurse "
            "and first day of the contract is on or after 2026-01-01)",
        ),
        ('not (user.groups eq "nurses") and user.title pr', "Not group is Nurses, and title is filled in"),
        ("contract.fte ge 0.8", "FTE of the contract is at least 0.8"),
        ('contract.branch eq "Ward (C2)"', "Department of the contract is Ward (C2) or below"),
        ('contract.branch eq "C1"', "Department of the contract is Ward (C1) or below"),
        ("user.title eq null", "Not title is filled in"),
    ],
)
def test_a_line_in_plain_words(line: str, said: str) -> None:
    assert words(parse(line, KNOWN), KNOWN) == said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("user.titel pr", "There is no field user.titel. Choose one of the list"),
        ('user.title gt "a"', "Title cannot be asked for with “is more than”. Choose one of: is, is not, contains"),
        ('contract.fte eq "much"', "FTE of the contract is compared with a number, such as 0.8. “much” is none."),
        ('contract.starts eq "soon"', "is compared with a date, such as 2026-11-30"),
        ('user.active eq "perhaps"', "is compared with true or false"),
        ('contract.branch eq "Ward"', "2 departments are called “Ward”. Write the number of the one that you mean."),
        ('contract.branch eq "Kitchen"', "There is no department “Kitchen”. Write its name or its number."),
        ('user.groups eq "Cooks"', "There is no group “Cooks”"),
        ('emails[type eq "work"]', "Only contract[...] can stand before brackets"),
        ('user.title eq "a" and', "The filter cannot be read"),
        (" and ".join(['user.title co "a"'] * 201), "201 lines; 200 are allowed"),
        (" or ".join(['user.title eq "a"'] * 10_001), "10000 are allowed"),
    ],
)
def test_a_wrong_line_says_what_to_do(line: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse(line, KNOWN)


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (Leaf("contract.branch", "eq", (99,)), "a department that the rule names is not there any more"),
        (Leaf("user.groups", "eq", (99,)), "a group that the rule names is not there any more"),
        (Same(Leaf("user.title", "pr")), "is no field of contracts"),
        (Same(Same(Leaf("contract.title", "pr"))), "cannot stand within another one"),
        (Either(()), "has no line"),
        (Leaf("user.title", "eq"), "say with what it is compared"),
        (Leaf("user.title", "co", ("a", "b")), "one value only"),
        (Leaf("user.title", "eq", tuple(map(str, range(1001)))), "1000 are allowed"),
    ],
)
def test_a_wrong_tree_says_what_to_do(node: Node, told: str) -> None:
    assert told in " ".join(problems(node, KNOWN))


def test_long_lists_of_values_are_one_line_too() -> None:
    """As many as other products allow in a rule, twice: ten conditions of 500 values each."""
    lists = [tuple(f"Title number {place}-{number}" for number in range(500)) for place in range(20)]
    node = All(tuple(Leaf("contract.title", "eq" if place else "ne", one) for place, one in enumerate(lists)))
    assert not problems(node, KNOWN)
    assert render(parse(render(node, KNOWN), KNOWN), KNOWN) == render(node, KNOWN)


def test_windows_are_widened_in_the_zone_of_the_contract() -> None:
    rules = [AskedRule(1, EVERYBODY), AskedRule(2, EVERYBODY, (7, 0)), AskedRule(3, EVERYBODY, (0, 30))]
    term = Term(dt.date(2026, 12, 1), dt.date(2026, 12, 31), "Australia/Melbourne")
    person = PersonFacts(1, False, {}, [{}], [term])
    matcher = Matcher(rules, {})

    def at(text: str) -> tuple[list[int], str]:
        found = matcher.match(person, dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))
        return [
            one.rule for one in found.matches
        ], f"{found.next_change_at:%Y-%m-%d %H:%M}" if found.next_change_at else ""

    assert at("2026-11-23T12:59") == ([], "2026-11-23 13:00")
    assert at("2026-11-23T13:00") == ([2], "2026-11-30 13:00")
    assert at("2026-11-30T13:00") == ([1, 2, 3], "2026-12-31 13:00")
    assert at("2026-12-31T13:00") == ([3], "2027-01-30 13:00")
    assert at("2027-01-30T13:00") == ([], "")


def test_the_contract_because_of_which_is_named() -> None:
    node = parse('contract[title eq "nurse" and branch eq "Care"]', KNOWN)
    person = PersonFacts(
        1,
        True,
        {},
        [
            {"contract.title": "nurse", "contract.branch": None},
            {"contract.title": "clerk", "contract.branch": ABOVE[2]},
            {"contract.title": "nurse", "contract.branch": ABOVE[2]},
        ],
        [Term(None, None, "UTC")] * 3,
    )
    [match] = Matcher([AskedRule(5, node)], KINDS).match(person, dt.datetime(2026, 7, 1, tzinfo=dt.UTC)).matches
    assert match.place == 2
