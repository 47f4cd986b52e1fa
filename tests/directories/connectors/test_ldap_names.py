"""Distinguished names: escaping, templates, account names made to fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directories.connectors.base import ConnectorError
from directories.connectors.ldap import names

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.mark.heavy
@given(TEXT)
def test_an_escaped_value_is_one_value_again(value: str) -> None:
    dn = f"cn={names.escape(value)},ou=People,dc=example"
    assert names.rdn(dn) == ("cn", value)
    assert names.parent(dn) == "ou=People,dc=example"


@pytest.mark.heavy
@given(TEXT, TEXT)
def test_one_normal_form_for_every_way_of_writing(value: str, other: str) -> None:
    dn = f"cn={names.escape(value)},ou={names.escape(other)},dc=example"
    hexed = "".join(f"\\{byte:02x}" for byte in value.encode())
    written = f"CN = {hexed} , OU={names.escape(other)}, DC=Example"
    assert names.normal(dn) == names.normal(written) == names.normal(names.normal(dn))
    assert names.same(names.normal(dn), dn)


@given(department=TEXT, city=TEXT)
def test_no_value_leads_out_of_the_template(department: str, city: str) -> None:
    template = "OU={{ department }}-{{ locality }},OU=People,DC=example,DC=org"
    found = names.from_template(template, {"department": department, "locality": city})
    assert names.split(found)[1:] == ["OU=People", "DC=example", "DC=org"]
    assert names.rdn(found)[1] == f"{department.strip()}-{city.strip()}"


def test_a_part_without_a_value_is_left_out_and_filters_work() -> None:
    template = "OU={{ department | default('No, one') }},OU={{ locality }},OU=People"
    assert names.from_template(template, {"locality": ""}) == "OU=No\\, one,OU=People"
    assert names.from_template("ou={{ user.department | lower }},dc=x", {"department": "R&D"}) == "ou=r&d,dc=x"


@pytest.mark.parametrize(
    "template", ["People", "OU=,DC=x", "OU={{ 1 * 2 }},DC=x", "OU={{ department | nothing }},DC=x"]
)
def test_a_wrong_template_is_told_in_words(template: str) -> None:
    assert names.problem(template)


def test_a_template_that_cannot_be_computed_says_so() -> None:
    with pytest.raises(ConnectorError, match="container"):
        names.from_template("OU={{ value.x }},DC=x", {})


def test_names_are_the_same_however_they_are_written() -> None:
    assert names.same("CN=a\\2Cb , OU=People,DC=x", "cn=A\\,b,ou=people,dc=X")
    assert names.below("cn=a,ou=b,dc=x", "OU=b,DC=x")
    assert not names.below("cn=a,ou=bb,dc=x", "OU=b,DC=x")


@pytest.mark.parametrize(
    ("asked", "taken", "fitted"),
    [
        ("ann", [], "ann"),
        ("ann@example.org", [], "ann"),
        ("a/n\\n[1]:;|=,+*?<>", [], "ann1"),
        ("maximiliane.hohenlohe-langenburg", [], "maximiliane.hohenloh"),
        ("maximiliane.hohenlohe-langenburg", ["Maximiliane.hohenloh"], "maximiliane.hohenlo2"),
        ("maximiliane.hohenlohe-x", ["maximiliane.hohenloh", "maximiliane.hohenlo2"], "maximiliane.hohenlo3"),
        ("...", [], "user"),
    ],
)
def test_account_names_are_made_to_fit(asked: str, taken: list[str], fitted: str) -> None:
    assert names.made_to_fit(asked, taken) == fitted
