"""Which portal attribute a column's name suggests."""

import pytest

from directories.attributes import PROFILE_ATTRIBUTES, Kind, PortalAttribute
from directories.query_templates import nearest
from directories.suggestions import suggest, suggest_fields

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


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("START", "starts"), ("endDate", "ends"), ("TITLE", "title"), ("Weekly hours", "hours"), ("fte", "fte"),
        ("CostCenter", "cost_centre"), ("reports_to", "manager"), ("dept_id", "department"), ("site", "location_name"),
        ("salary", None),
    ],
)  # fmt: skip
def test_a_column_of_contracts(column: str, name: str | None) -> None:
    ((_, attribute),) = suggest_fields([column], numbered=True)
    assert attribute is None or attribute.kind == Kind.CONTRACT
    assert (attribute.name if attribute else None) == name


@pytest.mark.parametrize(("numbered", "name"), [(True, "department"), (False, "department_name")])
def test_a_department_is_a_number_where_there_is_a_list_of_them(numbered: bool, name: str) -> None:
    ((_, attribute),) = suggest_fields(["Department"], numbered=numbered)
    assert attribute is not None
    assert attribute.name == name


def test_a_misspelt_name_has_a_neighbour() -> None:
    assert nearest("frist-name", ["last_name", "first_name"]) == "first_name"
    assert nearest("zzz", ["first_name"]) is None
