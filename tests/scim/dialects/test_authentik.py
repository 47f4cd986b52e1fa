"""authentik's outbound SCIM: https://github.com/goauthentik/authentik, authentik/providers/scim/clients/."""

from typing import Any

import pytest

from provisioning.models import Group, Membership
from tests.scim.conftest import USER, Scim

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def group(scim: Scim, name: str = "authentik Admins") -> Any:
    answer = scim.post("/Groups", {"schemas": [GROUP], "displayName": name, "externalId": "ak-1"})
    assert answer.status == 201, answer
    return answer.json


def test_it_believes_the_service_provider_config(scim: Scim) -> None:
    """``_config.patch.supported`` decides between PATCH and PUT, ``_config.filter.supported`` whether it adopts, and
    ``_config.bulk.maxOperations`` how many operations a PATCH has."""
    config = scim.get("/ServiceProviderConfig").json
    assert config["patch"]["supported"] is True
    assert config["filter"]["supported"] is True
    assert config["bulk"]["maxOperations"] >= 1


@pytest.mark.heavy
def test_a_group_is_replaced_with_a_null_path_and_no_schemas(scim: Scim) -> None:
    """``_update_patch_general``: one replace, ``path=None``, the whole group with ``id`` as value."""
    made = group(scim)
    value = {"schemas": [GROUP], "id": made["id"], "externalId": "ak-1", "displayName": "Admins"}
    for operation in ({"op": "replace", "path": None, "value": value}, {"op": "replace", "value": value}):
        answer = scim("PATCH", f"/Groups/{made['id']}", {"Operations": [operation]})
        assert answer.status == 204, answer
    assert Group.objects.get().name == "Admins"


@pytest.mark.heavy
def test_members_are_compared_added_and_removed_one_an_operation(scim: Scim) -> None:
    """``patch_compare_users``: adds nobody when the group that it reads has no ``members`` at all, so an empty group
    has an empty list; removes with the member as ``value``."""
    made = group(scim)
    users = [scim.add(f"user{number}") for number in range(3)]
    assert scim.get(f"/Groups/{made['id']}").json["members"] == []
    adds = [{"op": "add", "path": "members", "value": [{"value": user["id"]}]} for user in users]
    assert scim.patch(f"/Groups/{made['id']}", *adds).status == 204
    removes = [{"op": "remove", "path": "members", "value": [{"value": user["id"]}]} for user in users[:2]]
    assert scim.patch(f"/Groups/{made['id']}", *removes).status == 204
    assert list(Membership.objects.values_list("user__username", flat=True)) == ["user2"]


@pytest.mark.heavy
def test_the_mode_for_aws_replaces_single_attributes(scim: Scim) -> None:
    """``_update_patch_aws``."""
    made = group(scim)
    answer = scim.patch(
        f"/Groups/{made['id']}",
        {"op": "replace", "path": "displayName", "value": "Admins"},
        {"op": "replace", "path": "externalId", "value": "ak-2"},
    )
    assert answer.status == 204
    assert scim.get(f"/Groups/{made['id']}").json["externalId"] == "ak-2"


def test_an_existing_group_is_found_after_the_409(scim: Scim) -> None:
    """``create``: on a conflict, ``GET /Groups?filter=displayName eq "..."`` and adopt the first."""
    Group.objects.create(name="authentik Admins")
    refused = scim.post("/Groups", {"schemas": [GROUP], "displayName": "authentik Admins"})
    assert refused.status == 409
    found = scim.get('/Groups?filter=displayName+eq+"authentik+Admins"').json
    assert found["Resources"][0]["id"] == str(Group.objects.get().scim_id)


def test_it_discovers_page_by_page(scim: Scim) -> None:
    """``discover``: ``GET /Groups``, then ``?startIndex=`` until totalResults are seen."""
    for number in range(3):
        group(scim, f"Group {number}")
    first = scim.get("/Groups").json
    assert first["totalResults"] == 3
    assert scim.get("/Groups?startIndex=3").json["Resources"] == first["Resources"][2:]


def test_a_user_is_put_with_its_only_mail_of_another_type(scim: Scim) -> None:
    """The default mapping sends ``{"value": ..., "type": "other", "primary": true}`` and ``photos`` of none."""
    made = scim.add(
        "akadmin",
        name={"formatted": "authentik Admin", "givenName": "authentik", "familyName": "Admin"},
        emails=[{"value": "root@example.com", "type": "other", "primary": True}],
        photos=[{"value": "https://authentik.example/a.png", "type": "photo"}],
        displayName="authentik Admin",
        active=True,
    )
    again = scim.put(f"/Users/{made['id']}", {"schemas": [USER], **made})
    assert again.status == 200
    assert again.json == made
    assert made["emails"][0]["value"] == "root@example.com"
