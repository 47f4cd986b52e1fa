"""What the service says of itself is what it does (RFC 7644 section 4)."""

from typing import Any

import pytest

from provisioning.models import AttributeDefinition
from scim.resources.schemas import CUSTOM
from tests.scim.conftest import ENTERPRISE, USER, Scim


def test_service_provider_config(scim: Scim) -> None:
    answer = scim.get("/ServiceProviderConfig")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert answer.json["patch"] == {"supported": True}
    assert answer.json["filter"]["supported"] is True
    assert [scheme["type"] for scheme in answer.json["authenticationSchemes"]] == ["oauthbearertoken"]
    assert answer.json["meta"]["location"] == "http://testserver/scim/v2/ServiceProviderConfig"


def test_lists_say_how_many(scim: Scim) -> None:
    for path, count in (("/ResourceTypes", 2), ("/Schemas", 7)):
        answer = scim.get(path)
        assert answer.json["totalResults"] == count == len(answer.json["Resources"])
        for resource in answer.json["Resources"]:
            assert resource["meta"]["location"].startswith("http://testserver/scim/v2/")
            one = scim.get(f"{path}/{resource['id']}")
            assert one.json == resource


def test_schemas_hold_the_attributes_that_the_portal_defines(scim: Scim) -> None:
    AttributeDefinition.objects.create(name="badge_number", label="Badge number", type="number")
    AttributeDefinition.objects.create(name="shoe", label="Shoe", type="choice", choices=["S", "M"])
    custom = scim.get(f"/Schemas/{CUSTOM}").json
    assert {found["name"]: found["type"] for found in custom["attributes"]} == {
        "badge_number": "decimal",
        "shoe": "string",
    }
    user = scim.get("/ResourceTypes/User").json
    assert [found["schema"] for found in user["schemaExtensions"]] == [ENTERPRISE, CUSTOM]


def test_user_schema_says_what_is_unique_and_secret(scim: Scim) -> None:
    found = {row["name"]: row for row in scim.get(f"/Schemas/{USER}").json["attributes"]}
    assert found["userName"]["uniqueness"] == "server"
    assert found["userName"]["required"] is True
    assert (found["password"]["mutability"], found["password"]["returned"]) == ("writeOnly", "never")
    assert found["groups"]["mutability"] == "readOnly"


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"])
def test_other_methods_are_405(scim: Scim, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = scim(method, path, {})
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
        assert answer.json["status"] == "405"


@pytest.mark.parametrize("path", ["/Nothing", "/Users/x/y", "/Schemas/urn:nothing", "/ResourceTypes/Pet"])
def test_other_addresses_are_404(scim: Scim, path: str) -> None:
    answer = scim.get(path)
    assert answer.status == 404
    assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


def test_filter_on_discovery_is_refused(scim: Scim) -> None:
    """RFC 7644 section 4: "If a "filter" is provided, the service provider SHOULD respond with 403"."""
    assert scim.get('/Schemas?filter=id eq "x"').status == 403


def names(answer: Any) -> list[str]:
    return [resource["userName"] for resource in answer.json["Resources"]]


def test_empty_list_of_users(scim: Scim) -> None:
    answer = scim.get("/Users?")
    assert answer.status == 200, answer
    assert answer.json["totalResults"] == 0
