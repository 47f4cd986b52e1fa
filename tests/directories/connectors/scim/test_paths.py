"""SCIM attribute paths: what they read, what they write, and the PATCH operations that come of a change."""

import copy
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from directories.attributes import Value
from directories.connectors.base import ConnectorError
from directories.connectors.scim.paths import ENTERPRISE, applied, operations, parse, put, read, written

ANN: dict[str, Any] = {
    "userName": "ann",
    "name": {"givenName": "Ann"},
    "emails": [
        {"type": "home", "value": "ann@home.example", "primary": True},
        {"type": "Work", "value": "ann@work.example"},
    ],
    "addresses": [{"type": "work", "locality": "Ghent", "region": "East"}],
    "roles": [{"value": "one"}, {"value": "two"}],
    ENTERPRISE: {"department": "Sales", "manager": {"value": "42"}},
}
WORK = 'emails[type eq "work"].value'


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("USERNAME", "ann"),
        ("name.givenName", "Ann"),
        ("name.familyName", None),
        (WORK, "ann@work.example"),
        ("emails[primary eq true].value", "ann@home.example"),
        ('emails[type eq "other"].value', None),
        ("emails", ("ann@home.example", "ann@work.example")),
        ("roles.value", ("one", "two")),
        ('addresses[type eq "work"].locality', "Ghent"),
        (f"{ENTERPRISE}:department", "Sales"),
        (f"{ENTERPRISE.lower()}:manager.value", "42"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName", "ann"),
        ("urn:example:none:2.0:User:shoe", None),
    ],
)
def test_a_path_reads_what_is_there(path: str, value: Value) -> None:
    assert read(ANN, parse(path)) == value


@pytest.mark.parametrize("path", ["", "bad[", "a b", 'emails[type co "work"].value', "emails[not (primary pr)].value"])
def test_what_is_no_path_says_so(path: str) -> None:
    with pytest.raises(ConnectorError) as caught:
        parse(path)
    assert caught.value.code == "mapping"


@pytest.mark.parametrize(
    "path",
    ["userName", "name.familyName", WORK, 'phoneNumbers[type eq "mobile"].value', f"{ENTERPRISE}:costCenter"],
)
def test_what_is_put_is_read_and_what_is_taken_away_leaves_nothing(path: str) -> None:
    resource: dict[str, Any] = {"schemas": []}
    put(resource, parse(path), "x")
    assert read(resource, parse(path)) == "x"
    assert (ENTERPRISE in resource["schemas"]) is path.startswith("urn")
    put(resource, parse(path), None)
    assert {name for name in resource if name != "schemas"} == set()


def test_a_whole_list_is_put_as_values() -> None:
    resource: dict[str, Any] = {}
    put(resource, parse("roles"), ["one", "two"])
    assert resource == {"roles": [{"value": "one"}, {"value": "two"}]}


@pytest.mark.parametrize(
    ("path", "value", "sent"),
    [
        ("active", "False", False),
        ("emails[primary eq true].primary", 1, True),
        (f"{ENTERPRISE}:employeeNumber", 42, "42"),
        ("urn:example:a:2.0:User:size", 42, 42),
        ("urn:example:a:2.0:User:size", Decimal("1.50"), 1.5),
        ("title", dt.date(2026, 1, 31), "2026-01-31"),
        ("title", "", None),
        ("roles", ("a", "b"), ["a", "b"]),
    ],
)
def test_values_are_written_as_json_has_them(path: str, value: Value, sent: Any) -> None:
    assert written(parse(path), value) == sent


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        ("name.givenName", "Anna", {"op": "replace", "path": "name.givenName", "value": "Anna"}),
        ("title", "Boss", {"op": "add", "path": "title", "value": "Boss"}),
        (WORK, "a@b.c", {"op": "replace", "path": WORK, "value": "a@b.c"}),
        (
            'phoneNumbers[type eq "work"].value',
            "1",
            {"op": "add", "path": "phoneNumbers", "value": [{"type": "work", "value": "1"}]},
        ),
        ("roles", ["x"], {"op": "replace", "path": "roles", "value": [{"value": "x"}]}),
        (WORK, None, {"op": "remove", "path": 'emails[type eq "work"]'}),
        ('addresses[type eq "work"].region', None, {"op": "remove", "path": 'addresses[type eq "work"].region'}),
        (f"{ENTERPRISE}:manager.value", None, {"op": "remove", "path": f"{ENTERPRISE}:manager"}),
        (f"{ENTERPRISE}:department", "IT", {"op": "replace", "path": f"{ENTERPRISE}:department", "value": "IT"}),
    ],
)
def test_a_change_is_one_operation(path: str, value: Any, wanted: dict[str, Any]) -> None:
    assert operations(ANN, [(parse(path), value)]) == [wanted]


def test_parts_of_a_value_that_is_not_there_are_added_as_one() -> None:
    parts = [(parse(f'addresses[type eq "home"].{part}'), part) for part in ("locality", "region")]
    (found,) = operations(ANN, parts)
    assert found == {
        "op": "add",
        "path": "addresses",
        "value": [{"type": "home", "locality": "locality", "region": "region"}],
    }


@pytest.mark.parametrize(("clear", "value"), [("null", None), ("empty", "")])
def test_a_value_is_taken_away_as_the_product_wants_it(clear: str, value: Any) -> None:
    (found,) = operations(ANN, [(parse("name.givenName"), None)], clear=clear)
    assert found == {"op": "replace", "path": "name.givenName", "value": value}


def test_the_first_of_a_kind_is_marked_as_primary_where_that_is_wanted() -> None:
    bare: dict[str, Any] = copy.deepcopy(ANN)
    del bare["emails"]
    (found,) = operations(bare, [(parse(WORK), "a@b.c")], primary=["emails"])
    assert found["value"] == [{"type": "work", "value": "a@b.c", "primary": True}]
    (found,) = operations(ANN, [(parse('emails[type eq "other"].value'), "a@b.c")], primary=["emails"])
    assert "primary" not in found["value"][0]


def test_an_answer_may_spell_a_value_in_its_own_way() -> None:
    assert applied(ANN, parse(WORK), "Ann@Work.example ")
    assert applied(ANN, parse("roles"), ["two", "one"])
    assert applied(ANN, parse("title"), None)
    assert not applied(ANN, parse("title"), "Boss")
