"""Roles: built-in ones stay, copies are changed, nobody gives what they do not have, and who loses one is told."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from config.models import Role
from config.roles.rights import AREAS, asked, by_area, in_words
from config.sso.models import IdentityProvider, RoleMapping
from provisioning import services
from provisioning.models import User
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF, ROLES
from provisioning.tokens.models import ApiToken
from reports.models import Event, Evidence
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
LIST = "/portal/role/"


def page(role: Role, name: str = "change") -> str:
    return f"{LIST}{role.pk}/{name}/"


def built_in(name: str = HELPDESK) -> Role:
    return Role.objects.get(name=name)


def copied(client: Client, name: str = "Desk of Amsterdam") -> Role:
    response = client.post(page(built_in(), "copy"), {"name": name})
    assert response.status_code == 302, roll.words(response)
    return Role.objects.get(name=name)


def right(name: str) -> Permission:
    app, _, codename = name.partition(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def rights(role: Role) -> set[str]:
    return {f"{app}.{name}" for app, name in role.permissions.values_list("content_type__app_label", "codename")}


def manager(*names: str) -> Client:
    """Return the browser of somebody who looks after roles and has these rights besides."""
    role = Role.objects.create(name="Role keepers")
    kept = [f"portal.{verb}_role" for verb in ("view", "add", "change", "delete")]
    role.permissions.set(right(name) for name in [*kept, *names])
    keeper = User.objects.create_user("keeper", is_staff=True, provisioned=False)
    keeper.groups.add(role)
    return roll.signed_in(keeper)


def test_a_copy_begins_with_the_same_rights_and_is_changed_by_itself() -> None:
    root = roll.root()
    copy = copied(root)
    assert rights(copy) == rights(built_in())
    kept = [right("provisioning.view_user"), right("provisioning.set_password_user")]
    root.post(page(copy), {"name": "Desk of Utrecht", "permissions": [one.pk for one in kept]})
    copy.refresh_from_db()
    assert copy.name == "Desk of Utrecht"
    assert rights(copy) == {"provisioning.view_user", "provisioning.set_password_user"}
    assert "provisioning.view_group" in rights(built_in())
    told = list(Evidence.objects.filter(payload__subject=f"role {copy.pk}").order_by("seq"))
    assert [one.payload["what"] for one in told] == [
        "root copied Helpdesk to the role Desk of Amsterdam.",
        "root changed the role Desk of Utrecht.",
    ]
    helen = User.objects.create_user("helen", is_staff=True, provisioned=False)
    helen.groups.add(copy)
    assert roll.signed_in(helen).get("/provisioning/user/").status_code == 200
    assert roll.signed_in(helen).get("/provisioning/group/").status_code == 403


def test_a_copy_needs_a_name_of_its_own() -> None:
    response = roll.root().post(page(built_in(), "copy"), {"name": HELPDESK.upper()})
    assert "There is a role of this name already." in roll.words(response)
    assert Role.objects.count() == len(ROLES)


@pytest.mark.parametrize("name", ROLES)
def test_the_roles_of_the_portal_stay_as_they_are(name: str) -> None:
    root, role = roll.root(), built_in(name)
    before = rights(role)
    shown = roll.words(root.get(page(role)))
    assert "kept by its updates" in shown
    assert "See users" in shown
    assert root.post(page(role), {"name": "Mine", "permissions": []}).status_code == 403
    assert root.post(page(role, "delete"), {"post": "yes"}).status_code == 403
    role.refresh_from_db()
    assert (role.name, rights(role)) == (name, before)


def test_nobody_gives_a_role_rights_that_they_do_not_have() -> None:
    keeper = manager("provisioning.view_user", "provisioning.view_group")
    role = Role.objects.create(name="Desk")
    role.permissions.set([right("reports.view_event")])
    users, delete = right("provisioning.view_user"), right("provisioning.delete_user")
    form = keeper.get(page(role)).content.decode()
    offered = {int(pk) for pk in re.findall(r'name="permissions" value="(\d+)"', form)}
    assert {users.pk, right("reports.view_event").pk} <= offered
    assert delete.pk not in offered
    keeper.post(page(role), {"name": "Desk", "permissions": [users.pk, delete.pk]})
    assert rights(role) == {"reports.view_event"}
    keeper.post(page(role), {"name": "Desk", "permissions": [users.pk]})
    assert rights(role) == {"provisioning.view_user"}
    keeper.post(f"{LIST}add/", {"name": "More", "permissions": [delete.pk]})
    assert not Role.objects.filter(name="More").exists()


def test_nobody_keeps_by_a_role_what_ends_by_itself() -> None:
    keeper = manager("provisioning.view_user")
    user = User.objects.get(pk=keeper.session["_auth_user_id"])
    services.give_role(user, Role.objects.get(name=IT_STAFF), "root", until=timezone.now() + timedelta(hours=1))
    role, delete = Role.objects.create(name="Mine"), right("provisioning.delete_user")
    assert User.objects.get(pk=user.pk).has_perm("provisioning.delete_user")
    keeper.post(page(role), {"name": "Mine", "permissions": [delete.pk]})
    assert rights(role) == set()


def test_a_copy_leaves_out_what_its_maker_has_not() -> None:
    keeper = manager("provisioning.view_user")
    asked_first = roll.words(keeper.get(page(built_in(), "copy")))
    assert "See the provisioning report" in asked_first
    assert rights(copied(keeper)) == {"provisioning.view_user"}


def test_who_may_not_add_roles_copies_none() -> None:
    auditor = roll.signed_in(roll.staff(AUDITOR))
    shown = auditor.get(page(built_in()))
    assert shown.status_code == 200
    assert "Copy this role" not in roll.words(shown)
    assert auditor.get(page(built_in(), "copy")).status_code == 403
    assert auditor.post(page(built_in(), "copy"), {"name": "Mine"}).status_code == 403


def told_on(response: Any) -> str:
    found = re.search(r'name="told" value="(\w+)"', response.content.decode())
    assert found
    return found[1]


def test_deleting_a_role_says_who_loses_it_and_keeps_that() -> None:
    root = roll.root()
    role = copied(root)
    for name in ("helen", "hugo"):
        User.objects.create_user(name, is_staff=True, provisioned=False).groups.add(role, built_in(AUDITOR))
    provider = IdentityProvider.objects.create(name="Keycloak", slug="keycloak", issuer="https://id.example.org")
    RoleMapping.objects.create(provider=provider, group="desk-ams", role=role)
    ApiToken.objects.create(name="sync", role=role, digest="d", expires_at="2099-01-01T00:00Z", created_by="root")
    shown = root.get(page(role, "delete"))
    words = roll.words(shown)
    for expected in ("helen", "hugo", "desk-ams of Keycloak", "sync"):
        assert expected in words
    User.objects.create_user("late", is_staff=True, provisioned=False).groups.add(role)
    again = root.post(page(role, "delete"), {"post": "yes", "told": told_on(shown)})
    assert "Look again" in roll.words(again)
    assert "late" in roll.words(again)
    assert Role.objects.filter(pk=role.pk).exists()
    assert root.post(page(role, "delete"), {"post": "yes", "told": told_on(again)}).status_code == 302
    assert not Role.objects.filter(pk=role.pk).exists()
    helen = User.objects.get(username="helen")
    assert [one.name for one in helen.groups.all()] == [AUDITOR]
    line = Event.objects.get(user_id=helen.pk, message="The roles of helen were changed.")
    assert line.changes == {"Roles": [f"{AUDITOR}, Desk of Amsterdam", AUDITOR]}
    lost = Evidence.objects.filter(payload__changes={"Roles": [[AUDITOR, role.name], [AUDITOR]]})
    assert lost.count() == 2


def test_deleting_a_role_that_nobody_has_says_so() -> None:
    root = roll.root()
    role = copied(root)
    shown = root.get(page(role, "delete"))
    assert "Nobody has it, and nothing uses it." in roll.words(shown)
    root.post(page(role, "delete"), {"post": "yes", "told": told_on(shown)})
    assert not Role.objects.filter(pk=role.pk).exists()


def test_each_right_is_said_in_words_and_has_its_area() -> None:
    known = list(asked())
    areas = dict(by_area(known))
    assert list(areas) == list(AREAS)
    assert sum(map(len, areas.values())) == len(known)
    words = [in_words(one) for one in known]
    assert len(set(words)) == len(words), sorted(one for one in words if words.count(one) > 1)
    assert not [one for one in words if "_" in one]
