"""Products by their presets, through the whole of the portal: Entra ID on both sides, and nothing that goes round."""

from typing import Any

import pytest

from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning.models import Change
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.outbound.groups.delivery import deliver as deliver_groups
from tests.doubles.scim.server import TOKEN, Doubles
from tests.fixtures.directories import GENEROUS
from tests.scim.conftest import ENTERPRISE, USER, Scim, make_client

pytestmark = pytest.mark.django_db
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
NICK = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User"
MAPPED = {
    "name.givenName": "first_name",
    "name.familyName": "last_name",
    "displayName": "last_name",
    f"{NICK}:mailNickname": "username",
}
FEATURES = ("create_users", "update_users", "deactivate_users", "delete_users", "sync_groups", "delete_groups")


def save_product(doubles: Doubles, name: str) -> Directory:
    """Save a directory over a product, with everything on that goes out."""
    settings = {"product": name, "url": doubles.url(name), "auth": "bearer", "passwords": True}
    directory = Directory.objects.create(name="Cloud", kind="scim", settings=settings, secrets={"secret": TOKEN})
    for position, (theirs, ours) in enumerate(MAPPED.items()):
        AttributeMapping.objects.create(
            directory=directory, directory_attribute=theirs, portal_attribute=ours, position=position
        )
    features = {**dict.fromkeys(FEATURES, True), "push_groups": "all"}
    ProvisioningSettings.objects.create(directory=directory, **{**GENEROUS, **features})
    return directory


def settle(directory: Directory) -> None:
    """Deliver accounts and groups until nothing is left to be done, which has to be soon."""
    for _ in range(4):
        deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))
        deliver_groups(directory.pk, group_outbox.LEASES.due(directory.pk, 1000))
        if not Change.objects.exists():
            return
    raise AssertionError([*Change.objects.values_list("reason", "parked_message")])


def pushed_in(scim: Scim, name: str, **body: Any) -> Any:
    """Create somebody as Entra ID's provisioning does."""
    return scim.add(
        name,
        schemas=[USER, ENTERPRISE],
        externalId=f"entra-{name}",
        active=True,
        emails=[{"primary": True, "type": "work", "value": f"{name}@example.org"}],
        name={"formatted": "Ann Lee", "familyName": "Lee", "givenName": "Ann"},
        **body,
    )


def test_what_entra_pushes_in_goes_out_to_entra_settles_and_falls_silent(doubles: Doubles) -> None:
    product = doubles.product("entra")
    directory = save_product(doubles, "entra")
    scim = make_client("Entra")
    ann, bob = pushed_in(scim, "ann"), pushed_in(scim, "bob")
    settle(directory)
    there = {one["userName"]: one for one in product.users()}
    assert sorted(there) == ["ann", "bob"]
    assert there["ann"][NICK] == {"mailNickname": "ann"}
    sent = next(one.body for one in product.sent("POST", "/Users") if one.body["userName"] == "ann")
    assert not sent["password"].startswith("$"), "a hash would be the password there"

    change = {"op": "Replace", "path": "name.familyName", "value": "Fox"}
    assert scim.patch(f"/Users/{ann['id']}", change).status == 200
    members = [{"value": one["id"]} for one in (ann, bob)]
    assert scim.post("/Groups", {"schemas": [GROUP], "displayName": "Team", "members": members}).status == 201
    settle(directory)
    assert {one["name"]["familyName"] for one in product.users() if one["userName"] == "ann"} == {"Fox"}
    assert [len(one["members"]) for one in product.groups()] == [2]

    before = len(product.seen)
    settle(directory)
    assert len(product.seen) == before

    assert scim.patch(f"/Users/{bob['id']}", {"op": "Replace", "path": "active", "value": "False"}).status == 200
    settle(directory)
    assert {one["userName"]: one["active"] for one in product.users()} == {"ann": True, "bob": False}
    assert scim.delete(f"/Users/{ann['id']}").status == 204
    settle(directory)
    # A DELETE deactivates in the portal, as a client is set at first, and so it does there.
    assert {one["userName"]: one["active"] for one in product.users()} == {"ann": False, "bob": False}
    before = len(product.seen)
    settle(directory)
    assert len(product.seen) == before
