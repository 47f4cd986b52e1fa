"""Filters of subscriptions, in the language of SCIM."""

import pytest

from provisioning.events.filters import checked, holds

TOLD = {
    "type": "user.updated",
    "actor": "root",
    "directory": "",
    "user.department": "Sales",
    "user.active": True,
    "user.floor": 3,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('user.department eq "SALES"', True),
        ('user.department ne "Sales"', False),
        ('user.department sw "sa" and type ew "updated"', True),
        ('user.department co "x" or actor eq "root"', True),
        ('not (actor eq "root")', False),
        ("user.active eq true", True),
        ("user.active eq false", False),
        ("user.department pr and not (directory pr)", True),
        ("user.floor gt 2", True),
        ("user.floor lt 2", False),
        ('user.title eq "x"', False),
        ('user.title ne "x"', True),
    ],
)
def test_a_filter_holds_or_not(text: str, expected: bool) -> None:
    node = checked(text, ["department", "active", "floor", "title"])
    assert node is not None
    assert holds(node, TOLD) is expected


@pytest.mark.parametrize("text", ["user.shoe eq 1", "a[type eq 1]", "type eq", 'urn:x:y:type eq "a"', "password pr"])
def test_what_no_event_tells_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        checked(text, ["department"])


def test_a_blank_filter_is_none() -> None:
    assert checked("  ", []) is None
