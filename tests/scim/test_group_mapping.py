"""The attribute mapping of groups: a description in an extension, and names that the portal gives otherwise."""

from typing import Any

import pytest

from provisioning.models import Group, GroupChange
from reports.models import Event
from scim.models import ClientMapping, Reach, Resource
from scim.resources.schemas import CUSTOM_GROUP
from tests.scim.conftest import Scim

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PREFIX = "{{ 'Okta ' ~ value }}"


@pytest.fixture
def prefixed(scim: Scim) -> Scim:
    """An application whose groups get its name before theirs."""
    rows = ClientMapping.objects.filter(client=scim.client, resource=Resource.GROUP)
    if not rows.filter(portal_attribute="name").update(direction="in", expression=PREFIX):
        raise AssertionError("The fixture needs a row for the name.")
    return scim


def make(scim: Scim, name: str = "Sales", **body: Any) -> Any:
    answer = scim.post("/Groups", {"schemas": [GROUP], "displayName": name, **body})
    assert answer.status == 201, answer
    return answer.json


def found(scim: Scim, asked: str) -> list[str]:
    answer = scim("GET", f"/Groups?filter={asked}".replace(" ", "%20").replace('"', "%22"))
    assert answer.status == 200, answer
    return [resource["displayName"] for resource in answer.json["Resources"]]


@pytest.mark.heavy
def test_a_description_comes_is_read_back_found_and_cleared(scim: Scim) -> None:
    words = {CUSTOM_GROUP: {"description": "Who sells"}}
    made = make(scim, **words)
    assert made[CUSTOM_GROUP] == words[CUSTOM_GROUP]
    assert made["schemas"] == [GROUP, CUSTOM_GROUP]
    group = Group.objects.get()
    assert group.description == "Who sells"
    assert found(scim, f'{CUSTOM_GROUP}:description eq "who sells"') == ["Sales"]
    assert found(scim, f'{CUSTOM_GROUP}:description co "buys"') == []
    address = f"/Groups/{made['id']}"
    put = scim.put(address, {"displayName": "Sales"})
    assert put.json[CUSTOM_GROUP] == words[CUSTOM_GROUP], "A PUT that does not speak of it leaves it alone."
    assert put.json["meta"]["version"] == made["meta"]["version"]
    path = f"{CUSTOM_GROUP}:description"
    assert scim.patch(address, {"op": "replace", "path": path, "value": "Sellers"}).status == 204
    group.refresh_from_db()
    assert group.description == "Sellers"
    assert scim.patch(address, {"op": "remove", "path": path}).status == 204
    group.refresh_from_db()
    assert group.description == ""
    assert CUSTOM_GROUP not in scim.get(address).json


@pytest.mark.heavy
def test_a_changed_description_goes_on_to_directories_like_a_changed_name(scim: Scim) -> None:
    made = make(scim)
    before = scim.get(f"/Groups/{made['id']}").headers["ETag"]
    GroupChange.objects.all().delete()
    answer = scim.patch(f"/Groups/{made['id']}", {"op": "add", "path": f"{CUSTOM_GROUP}:description", "value": "x"})
    assert answer.headers["ETag"] != before
    scim.client.sync_groups = False
    scim.client.save()
    refused = scim.patch(f"/Groups/{made['id']}", {"op": "add", "path": f"{CUSTOM_GROUP}:description", "value": "y"})
    assert refused.status == 403
    assert Group.objects.get().description == "x"


def test_the_schemas_tell_what_the_mapping_serves(scim: Scim) -> None:
    kinds = {kind["id"]: kind for kind in scim.get("/ResourceTypes").json["Resources"]}
    assert kinds["Group"]["schemaExtensions"] == [{"schema": CUSTOM_GROUP, "required": False}]
    (attribute,) = scim.get(f"/Schemas/{CUSTOM_GROUP}").json["attributes"]
    assert (attribute["name"], attribute["type"]) == ("description", "string")


def test_without_its_row_a_description_is_no_attribute(scim: Scim) -> None:
    ClientMapping.objects.filter(client=scim.client, portal_attribute="description").delete()
    assert CUSTOM_GROUP not in make(scim, **{CUSTOM_GROUP: {"description": "Who sells"}})
    assert Group.objects.get().description == ""
    assert scim.get(f"/Schemas/{CUSTOM_GROUP}").status == 404
    assert scim("GET", f"/Groups?filter={CUSTOM_GROUP}:description%20pr").status == 400


def test_the_portal_gives_another_name_and_the_application_keeps_its_own(prefixed: Scim) -> None:
    made = make(prefixed)
    group = Group.objects.get()
    assert (made["displayName"], group.name) == ("Sales", "Okta Sales")
    assert found(prefixed, 'displayName eq "SALES"') == ["Sales"]
    assert found(prefixed, 'displayName eq "Okta Sales"') == []
    assert found(prefixed, 'not (displayName eq "Sales")') == []
    assert found(prefixed, 'displayName sw "sa" and displayName pr') == ["Sales"]


def test_what_is_read_can_be_put_back(prefixed: Scim) -> None:
    made = make(prefixed)
    lines = Event.objects.count()
    answer = prefixed.put(f"/Groups/{made['id']}", made)
    assert answer.json == made
    assert Event.objects.count() == lines


def test_a_rename_goes_through_the_expression(prefixed: Scim) -> None:
    made = make(prefixed)
    value = {"id": made["id"], "displayName": "Buyers"}
    assert prefixed.patch(f"/Groups/{made['id']}", {"op": "replace", "value": value}).status == 204
    assert Group.objects.get().name == "Okta Buyers"
    assert found(prefixed, 'displayName eq "Buyers"') == ["Buyers"]
    assert found(prefixed, 'displayName eq "Sales"') == []


def test_a_group_of_the_portals_keeps_its_name_when_it_is_put_back(prefixed: Scim) -> None:
    group = Group.objects.create(name="Staff")
    read = prefixed.get(f"/Groups/{group.scim_id}").json
    assert read["displayName"] == "Staff"
    assert prefixed.put(f"/Groups/{group.scim_id}", read).json == read
    group.refresh_from_db()
    assert group.name == "Staff"
    assert found(prefixed, 'displayName eq "Staff"') == ["Staff"]


def test_a_name_renamed_elsewhere_is_read_as_it_is_now(prefixed: Scim) -> None:
    made = make(prefixed)
    group = Group.objects.get()
    group.name = "Marketing"
    group.save()
    assert prefixed.get(f"/Groups/{made['id']}").json["displayName"] == "Marketing"
    assert found(prefixed, 'displayName eq "Sales"') == []
    assert found(prefixed, 'displayName eq "Marketing"') == ["Marketing"]


def test_no_two_groups_have_one_name_for_the_application(prefixed: Scim) -> None:
    make(prefixed)
    Group.objects.create(name="Staff")
    for taken in ("sales", "Staff"):
        answer = prefixed.post("/Groups", {"schemas": [GROUP], "displayName": taken})
        assert (answer.status, answer.json["scimType"]) == (409, "uniqueness")
    prefixed.client.reach = Reach.OWN
    prefixed.client.save()
    make(prefixed, "Staff")
    assert set(Group.objects.values_list("name", flat=True)) == {"Okta Sales", "Okta Staff", "Staff"}


def test_an_expression_that_makes_no_name_is_refused(scim: Scim) -> None:
    row = ClientMapping.objects.filter(client=scim.client, resource=Resource.GROUP, portal_attribute="name")
    row.update(direction="in", expression="{{ '' }}")
    answer = scim.post("/Groups", {"schemas": [GROUP], "displayName": "Sales"})
    assert (answer.status, answer.json["scimType"]) == (400, "invalidValue")
    assert not Group.objects.exists()


def test_an_application_reads_its_own_words_where_an_expression_changes_them(scim: Scim) -> None:
    row = ClientMapping.objects.filter(client=scim.client, portal_attribute="description")
    row.update(direction="in", expression="{{ value | upper }}")
    made = make(scim, **{CUSTOM_GROUP: {"description": "Who sells"}})
    assert Group.objects.get().description == "WHO SELLS"
    assert made[CUSTOM_GROUP] == {"description": "Who sells"}
    assert scim.put(f"/Groups/{made['id']}", made).json == made
    assert scim.put(f"/Groups/{made['id']}", {"displayName": "Sales"}).json == made
    assert scim("GET", f"/Groups?filter={CUSTOM_GROUP}:description%20pr").status == 400


@pytest.mark.heavy
def test_a_page_of_groups_still_costs_a_page(prefixed: Scim, django_assert_max_num_queries: Any) -> None:
    for number in range(8):
        make(prefixed, f"Group {number}")
    prefixed.get("/Groups?count=8&excludedAttributes=members")
    with django_assert_max_num_queries(8):
        assert len(prefixed.get("/Groups?count=8&excludedAttributes=members").json["Resources"]) == 8
