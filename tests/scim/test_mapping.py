"""The mapping between SCIM attributes and the portal's: all three kinds, both directions, expressions, what is kept."""

from typing import Any

import pytest

from directories.attributes import Kind, PortalAttribute, Type
from provisioning.models import AttributeDefinition, User
from scim.admin import state
from scim.models import ClientMapping, Resource, UserLink
from scim.resources import mapping
from scim.resources.rules import Rule, Rules, parse
from tests.scim.conftest import ENTERPRISE, USER, Scim


def row(scim: Scim, path: str, name: str, **more: Any) -> ClientMapping:
    return ClientMapping.objects.create(client=scim.client, scim_path=path, portal_attribute=name, position=99, **more)


def rules(*rows: tuple[str, str]) -> Rules:
    found = []
    for text, name in rows:
        path = parse(text)
        assert path is not None
        found.append(Rule(path, Kind.PROFILE, name))
    return Rules(tuple(found), (PortalAttribute(Kind.CUSTOM_PROFILE, "badge", "Badge", Type.TEXT),))


EMAILS = rules(('emails[type eq "work"].value', "email"), ('emails[type eq "home"].value', "title"))


@pytest.mark.parametrize(
    ("text", "attribute", "element", "sub"),
    [
        ("userName", "userName", None, ""),
        ("name.givenName", "name", None, "givenName"),
        ('emails[type eq "work"].value', "emails", ("type", "work"), "value"),
        ('emails[ type eq "work" ]', "emails", ("type", "work"), "value"),
        (f"{ENTERPRISE}:manager.value", f"{ENTERPRISE}:manager", None, "value"),
        (f"{USER}:userName", "userName", None, ""),
        ("urn:vendor:2.0:User:shoe", "urn:vendor:2.0:User:shoe", None, ""),
    ],
)
def test_paths(text: str, attribute: str, element: Any, sub: str) -> None:
    path = parse(text)
    assert path is not None
    assert (path.attribute, path.element, path.sub) == (attribute, element, sub)


@pytest.mark.parametrize(
    "text", ["", "5", "a b", "emails[", "emails[type gt 5].value", "a.b.c", 'a[b eq "c"][d eq "e"]']
)
def test_no_paths(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "emails",
    [
        [{"value": "w", "type": "work", "primary": True}],
        [{"value": "w", "type": "work"}],
        [{"value": "h", "type": "home"}, {"value": "w", "type": "work"}],
        [{"value": "h", "type": "home", "primary": True}, {"value": "w", "type": "WORK", "display": "W"}],
        [{"value": "o", "type": "other", "primary": True}],
        [{"value": "u"}],
        [{"value": "w1", "type": "work"}, {"value": "w2", "type": "work"}, {"value": "x", "type": "x"}],
        [{"value": "x", "type": "x"}],
        [],
    ],
)
def test_what_is_split_comes_together_again(emails: list[dict[str, Any]]) -> None:
    document = {"emails": emails, "nickName": "An"} if emails else {"nickName": "An"}
    values, kept = mapping.split(document, EMAILS)
    assert "w" not in [element.get("value") for element in kept.get("emails", [])]
    assert mapping.overlay(kept, values, EMAILS) == document


def test_the_portals_value_wins_over_what_was_sent() -> None:
    sent = {"emails": [{"value": "h", "type": "home"}, {"value": "w", "type": "work", "display": "W"}]}
    _, kept = mapping.split(sent, EMAILS)
    shown = mapping.overlay(kept, {'emails[type eq "work"].value': "new", 'emails[type eq "home"].value': None}, EMAILS)
    assert shown == {"emails": [{"value": "new", "type": "work", "display": "W"}]}


def test_an_expression_leads_in_and_another_out(scim: Scim) -> None:
    ClientMapping.objects.filter(scim_path__in=["userName", "title"]).delete()
    row(scim, "userName", "username", direction="in", expression='{{ value | split("@") | first | lower }}')
    row(scim, "title", "title", direction="in", expression="{{ value | upper }}")
    row(scim, "title", "title", direction="out", expression="{{ value | lower }}")
    anna = scim.add("Anna.Berg@corp.example", title="Engineer")
    user = User.objects.get()
    assert (user.username, user.title) == ("anna.berg", "ENGINEER")
    assert (anna["userName"], anna["title"]) == ("Anna.Berg@corp.example", "engineer")
    assert scim.get('/Users?filter=userName eq "anna.berg@CORP.example"').json["totalResults"] == 1
    assert scim.post("/Users", {"userName": "anna.berg@other.example"}).status == 409
    assert scim.put(f"/Users/{anna['id']}", anna).json["meta"] == anna["meta"]


def test_one_way_in_gives_back_what_was_sent_and_one_way_out_is_not_written(scim: Scim) -> None:
    row(scim, "nickName", "division", direction="in")
    row(scim, "preferredLanguage", "organization", direction="out")
    anna = scim.add("anna", nickName="An", preferredLanguage="de")
    user = User.objects.get()
    assert (user.division, user.organization) == ("An", "")
    assert (anna["nickName"], anna["preferredLanguage"]) == ("An", "de")
    User.objects.update(division="other", organization="ACME")
    seen = scim.get(f"/Users/{anna['id']}").json
    assert (seen["nickName"], seen["preferredLanguage"]) == ("An", "ACME")


@pytest.mark.heavy
def test_all_three_kinds(scim: Scim) -> None:
    AttributeDefinition.objects.create(name="badge", label="Badge", type="choice", choices=["Red", "Blue"])
    row(scim, "nickName", "badge", kind=Kind.CUSTOM_PROFILE)
    row(scim, 'roles[type eq "main"].value', "shoe", kind=Kind.CUSTOM)
    anna = scim.add("anna", nickName="red", roles=[{"value": "38", "type": "main"}])
    user = User.objects.get()
    assert (user.custom_profile, user.custom_attributes) == ({"badge": "Red"}, {"shoe": "38"})
    assert (anna["nickName"], anna["roles"]) == ("Red", [{"value": "38", "type": "main"}])
    assert scim.post("/Users", {"userName": "b", "nickName": "green"}).status == 400
    gone = scim.put(f"/Users/{anna['id']}", {"userName": "anna"})
    assert gone.status == 200
    user.refresh_from_db()
    assert (user.custom_profile, user.custom_attributes) == ({}, {})


def test_what_is_required(scim: Scim) -> None:
    ClientMapping.objects.filter(portal_attribute="email").update(required=True)
    refused = scim.post("/Users", {"userName": "anna", "emails": [{"value": " "}]})
    assert (refused.status, refused.json["scimType"]) == (400, "invalidValue")
    assert "emails" in refused.json["detail"]
    anna = scim.add("anna", emails=[{"value": "a@x.example", "type": "work"}])
    cleared = scim.patch(f"/Users/{anna['id']}", {"op": "remove", "path": "emails"})
    assert cleared.status == 400
    assert User.objects.get().email == "a@x.example"


def test_defaults_are_paths_of_the_schemas(scim: Scim) -> None:
    from scim.resources import attributes

    schema = attributes.users(scim.client)
    for found in mapping.defaults():
        path = parse(found.scim_path)
        assert path is not None
        if found.resource == Resource.USER:
            assert schema.find(path.flat) is not None, found.scim_path


@pytest.mark.parametrize("row", [{"portal_attribute": "gone"}, {"kind": "custom_profile"}, {"expression": "{{ value"}])
def test_a_row_that_cannot_be_used_is_passed_over_and_said(scim: Scim, row: dict[str, str]) -> None:
    """As when the custom attribute that it names was deleted: what is sent for it is kept for the application."""
    scim.client.mappings.filter(scim_path="title").update(direction="in", **row)
    anna = scim.add("anna", title="CEO", displayName="Anna")
    assert (anna["title"], anna["displayName"]) == ("CEO", "Anna")
    assert User.objects.get().title == ""
    found = state.of(scim.client)
    assert (found.label, "title" in found.detail) == ("Mapping to correct", True)


def test_an_only_mobile_is_no_work_telephone(scim: Scim) -> None:
    """A primary element may stand for the first slot only where no slot of its own is mapped."""
    mobile = {"type": "mobile", "value": "+49 170 1", "primary": True, "display": "Mobile"}
    answer = scim.post("/Users", {"schemas": [USER], "userName": "mia", "phoneNumbers": [mobile]})
    user = User.objects.get(username="mia")
    assert (user.phone, user.mobile) == ("", "+49 170 1")
    assert answer.json["phoneNumbers"] == [mobile]


def test_an_address_that_no_row_names_must_be_one_too(scim: Scim) -> None:
    """The home address is only kept; one that was kept before stays out of the way of what else is changed."""
    wrong = {"value": "nonsense here", "type": "home"}
    refused = scim.post("/Users", {"schemas": [USER], "userName": "tom", "emails": [wrong]})
    assert (refused.status, refused.json["scimType"]) == (400, "invalidValue")
    assert "nonsense here is no e-mail address" in refused.json["detail"]
    user = scim.add("tom", emails=[{"value": "tom@x.example", "type": "work"}, {"value": "t@home", "type": "home"}])
    for body in ([wrong], "nonsense here"):
        answer = scim.patch(f"/Users/{user['id']}", {"op": "add", "path": "emails", "value": body})
        assert answer.status == 400, answer
    link = UserLink.objects.get(user__username="tom")
    link.kept["emails"].append(wrong)
    link.save()
    assert scim.patch(f"/Users/{user['id']}", {"op": "replace", "path": "title", "value": "Boss"}).status == 200
