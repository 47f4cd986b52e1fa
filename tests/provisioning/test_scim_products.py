"""Products by their presets, through the whole of the portal: Entra ID on both sides, and nothing that goes round."""

from collections.abc import Mapping
from typing import Any

import pytest

from directories.connectors.scim import rate
from directories.connectors.scim.presets import load
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.models import Change, User
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


def save_product(doubles: Doubles, name: str, mapped: Mapping[str, str] = MAPPED) -> Directory:
    """Save a directory over a product, with everything on that goes out."""
    settings = {"product": name, "url": doubles.url(name), "auth": "bearer", "passwords": True}
    directory = Directory.objects.create(name="Cloud", kind="scim", settings=settings, secrets={"secret": TOKEN})
    for position, (theirs, ours) in enumerate(mapped.items()):
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


@pytest.mark.heavy
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


@pytest.mark.heavy
def test_a_leaver_goes_before_updates_for_which_there_is_no_room_left(doubles: Doubles) -> None:
    """The bucket is empty as far as updates go; what is left in it is for those who lose access."""
    slack = doubles.product("slack")
    directory = save_product(doubles, "slack", {'emails[type eq "work"].value': "email", "title": "title"})
    users = [User.objects.create(username=f"user{number}", email=f"u{number}@example.org") for number in range(5)]
    settle(directory)
    for user in users:
        user.title = "Boss"
        user.save()
    limiter = rate.Limiter(load("slack"), doubles.url("slack"))
    while not limiter.wait_for(rate.Sending("PATCH", "/Users/1")):
        pass
    services.set_active([users[3].pk], False, "tester")
    first, *others = outbox.LEASES.due(directory.pk, 100)
    now = doubles.clock.now
    slack.seen.clear()
    deliver(directory.pk, [first])
    assert [one.body["Operations"][0]["path"] for one in slack.sent("PATCH")] == ["active"]
    assert doubles.clock.now == now, "it waited for nothing"
    deliver(directory.pk, others)
    assert doubles.clock.now > now
    assert {one["userName"]: one["active"] for one in slack.users()}["user3"] is False
    assert {one["title"] for one in slack.users() if one["userName"] != "user3"} == {"Boss"}
