"""Which portal attribute a column's name suggests."""

import pytest

from directories.attributes import PROFILE_ATTRIBUTES, Kind, PortalAttribute
from directories.query_templates import nearest
from directories.suggestions import suggest

BADGE = PortalAttribute(Kind.CUSTOM_PROFILE, "badge_number", "Badge number")
CATALOGUE = {(each.kind, each.name): each for each in (*PROFILE_ATTRIBUTES, BADGE)}


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("USERNAME", "username"), ("FIRSTNAME", "first_name"), ("LASTNAME", "last_name"), ("EMAIL_ADDRESS", "email"),
        ("mail", "email"), ("givenName", "first_name"), ("sn", "last_name"), ("dept", "department"),
        ("emp_no", "employee_number"), ("employeeID", "employee_number"), ("phone", "phone"),
        ("telephoneNumber", "phone"), ("cell_phone", "mobile"), ("displayName", "display_name"), ("cn", "display_name"),
        ("jobTitle", "title"), ("usr_first_name", "first_name"), ("UserEmail", "email"), ("work_phone", "phone"),
        ("user.lastName", "last_name"), ("sAMAccountName", "username"), ("COST_CENTRE", "cost_center"),
        ("postalCode", "postal_code"), ("is_active", "active"), ("reports_to", "manager"), ("PLZ", "postal_code"),
        ("BadgeNumber", "badge_number"), ("HIRE_DATE", None), ("x", None), ("", None), ("PASSWORD", None),
    ],
)  # fmt: skip
def test_a_column(column: str, name: str | None) -> None:
    ((same, attribute),) = suggest([column], CATALOGUE)
    assert same == column
    assert (attribute.name if attribute else None) == name


def test_a_portal_attribute_is_suggested_once_for_its_best_column() -> None:
    found = {column: each and each.name for column, each in suggest(["mail", "EMAIL", "surname", "sn"], CATALOGUE)}
    assert found == {"mail": None, "EMAIL": "email", "surname": "last_name", "sn": None}


def test_a_misspelt_name_has_a_neighbour() -> None:
    assert nearest("frist-name", ["last_name", "first_name"]) == "first_name"
    assert nearest("zzz", ["first_name"]) is None
