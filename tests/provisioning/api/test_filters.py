"""The filter of the API's lists: what it means, and what it refuses."""

import pytest
from django.db.models import Q

from provisioning.api.filters import FilterKind, ResourceField, to_q
from provisioning.api.users import ApiUsers
from provisioning.models import User
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import Program

FIELDS = {
    "name": ResourceField(FilterKind.NAME, "name_key"),
    "department": ResourceField(),
    "state": ResourceField(FilterKind.FIXED),
    "manager": ResourceField(FilterKind.NUMBER, "manager_id", nullable=True),
    "active": ResourceField(FilterKind.BOOLEAN),
    "at": ResourceField(FilterKind.MOMENT),
    "day": ResourceField(FilterKind.DATE),
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('nobody eq "x"', "no field nobody"),
        ('name.first eq "x"', "no field name.first"),
        ('urn:ietf:params:scim:schemas:core:2.0:User:name eq "x"', "no field"),
        ('emails[type eq "work"]', "one value"),
        ("name eq 7", "text in quotes"),
        ('manager eq "7"', "whole number"),
        ("manager eq 7.5", "whole number"),
        ("manager eq 99999999999999999999", "whole number"),
        ('active eq "yes"', "true or false"),
        ("active gt true", "cannot be compared with gt"),
        ('state co "x"', "cannot be compared with co"),
        ('at gt "yesterday"', "date and time"),
        ('day gt "2026-13-01"', "a date such as"),
        ("name eq", "cannot be read"),
        ("(" * 40 + 'name eq "x"' + ")" * 40, "brackets"),
        (" or ".join(['name eq "x"'] * 201), "comparisons"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_with_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        to_q(text, FIELDS)


def test_names_are_compared_folded_and_null_is_no_value() -> None:
    assert to_q('NAME eq "Ärger"', FIELDS) == Q(name_key__exact="ärger")
    assert to_q("manager eq null", FIELDS) == ~Q(manager_id__isnull=False)
    assert to_q("manager pr", FIELDS) == Q(manager_id__isnull=False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('username eq "ANNA"', "anna"),
        ('username sw "b"', "ben"),
        ('username ew "a" or username co "e"', "anna ben eve"),
        ('department eq "Care"', "anna"),
        ('department ne "Care"', "ben eve"),
        ("department pr", "anna ben"),
        ("not (department pr)", "eve"),
        ('department lt "D"', "anna"),
        ("is_active eq false", "eve"),
        ("manager pr", "ben"),
        ("manager ne 1", "anna ben eve"),
        ("not (manager gt 0)", "anna eve"),
        ('custom_profile.badge eq "7"', "anna"),
        ('custom_profile.badge ne "7"', "ben eve"),
        ("custom_profile.badge pr", "anna"),
        ("custom_profile.level gt 3", "ben"),
        ("not (custom_profile.level gt 3)", "anna eve"),
        ('updated_at gt "2000-01-01T00:00:00Z" and id gt 0', "anna ben eve"),
        ("id lt 0", ""),
    ],
)
def test_users_are_filtered_by_their_own_fields(program: Program, text: str, expected: str) -> None:
    roll.definition("badge")
    roll.definition("level", "number")
    anna = roll.person("anna", department="Care", custom_profile={"badge": "7", "level": 2})
    roll.person("ben", department="Lab", manager=anna, custom_profile={"level": 5})
    roll.person("eve", is_active=False)
    text = text.replace("manager ne 1", f"manager ne {anna.pk + 1000}")
    found = program.list("users", f"({text}) and is_staff eq false")
    assert " ".join(row["username"] for row in found) == expected


@pytest.mark.django_db
def test_the_api_says_what_of_a_filter_it_does_not_know(program: Program) -> None:
    answer = program.client.get(
        "/api/v1/users", {"filter": 'nobody eq "x"'}, headers={"Authorization": f"Bearer {program.secret}"}
    )
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert "department" in answer.json()["errors"]["filter"][0]
    assert program.get("users?limt=5").json()["errors"] == {"limt": ["There is no such parameter."]}


def test_every_field_of_the_users_list_is_a_column() -> None:
    columns = {column.name for column in User._meta.concrete_fields} | {"manager_id"}
    assert {field.column or name for name, field in ApiUsers.fields.items()} <= columns
