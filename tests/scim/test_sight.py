"""What an application does not see is not shown to it, and what it does not know of is not lost by what it sends."""

from typing import Any

import pytest

from directories.models import MappingDirection
from provisioning.identities import membership
from provisioning.models import Group, User
from scim.models import ClientMapping
from tests.scim.conftest import ENTERPRISE, Scim


def test_groups_of_others_are_not_named_to_one_that_sees_its_own(new_client: Any) -> None:
    okta, entra = new_client("Okta", reach="own"), new_client("Entra")
    anna = okta.add("anna")
    ours = okta.post("/Groups", {"displayName": "Ours", "members": [{"value": anna["id"]}]}).json
    membership.add(Group.objects.create(name="Works council"), [User.objects.get().pk], "root")
    assert [group["value"] for group in okta.get(f"/Users/{anna['id']}").json["groups"]] == [ours["id"]]
    assert [group["value"] for group in okta.get("/Users").json["Resources"][0]["groups"]] == [ours["id"]]
    assert len(entra.get(f"/Users/{anna['id']}").json["groups"]) == 2


@pytest.mark.heavy
def test_a_manager_of_the_staff_is_neither_shown_nor_lost(scim: Scim, django_assert_max_num_queries: Any) -> None:
    boss = User.objects.create_superuser("boss")
    path = f"/Users/{scim.add('anna')['id']}"
    anna = User.objects.get(username="anna")
    User.objects.filter(pk=anna.pk).update(manager=boss)
    read = scim.get(path).json
    assert str(boss.scim_id) not in str(read)
    version = read["meta"]["version"]
    assert scim.put(path, read).json["meta"]["version"] == version
    for text in ("boss", ""):
        scim.patch(path, {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": {"value": text}})
        anna.refresh_from_db()
        assert anna.manager == boss
    ben = scim.add("ben")
    scim.patch(path, {"op": "replace", "path": "manager", "value": ben["id"]})
    anna.refresh_from_db()
    assert anna.manager is not None
    assert anna.manager.username == "ben"


def test_a_manager_whom_the_application_has_deleted_is_nobodys_manager_any_more(scim: Scim) -> None:
    boss = scim.add("boss")
    path = f"/Users/{scim.add('anna', **{ENTERPRISE: {'manager': {'value': boss['id']}}})['id']}"
    scim.delete(f"/Users/{boss['id']}")
    read = scim.get(path).json
    assert "manager" not in read.get(ENTERPRISE, {})
    assert scim.put(path, {**read, "title": "CEO"}).status == 200
    assert User.objects.get(username="anna").manager is None


def test_an_expression_that_fails_for_somebody_costs_only_its_own_value(scim: Scim) -> None:
    row = ClientMapping.objects.get(scim_path="userType")
    row.direction, row.expression = MappingDirection.OUT, "{{ 5 - value }}"
    row.save()
    anna = scim.add("anna", displayName="Anna", title="CEO")
    assert (anna["displayName"], anna["title"]) == ("Anna", "CEO")
    assert "userType" not in anna


@pytest.mark.parametrize("switch", ["deactivate_users", "update_users"])
def test_a_claim_does_what_the_switches_allow(new_client: Any, switch: str) -> None:
    anna = User.objects.create_user("anna", password="own", title="CEO")
    scim = new_client(**{switch: False})
    sent = {"userName": "anna", "active": False, "title": "CTO", "password": "other"}
    assert scim.post("/Users", sent).status == 201
    anna.refresh_from_db()
    updates = switch == "deactivate_users"
    assert anna.is_active is updates
    assert anna.title == ("CTO" if updates else "CEO")
    assert anna.check_password("other" if updates else "own")
