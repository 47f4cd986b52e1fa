"""Groups with special rights: no machine takes the last member out of them, or removes them."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from provisioning import services
from provisioning.models import Group, User
from tests.provisioning.groups.push import make_group, make_users
from tests.provisioning.imports.conftest import source
from tests.provisioning.imports.group_source import GroupSource, groups
from tests.provisioning.imports.test_groups import who
from tests.scim.conftest import make_client

__all__ = ["groups", "source"]
pytestmark = pytest.mark.django_db


def admins(*names: str) -> tuple[Group, list[User]]:
    """Return a privileged group of the portal with these people."""
    users = make_users(*names)
    group = make_group("admins")
    services.add_members(group, [user.pk for user in users], "boss")
    services.mark_privileged([group.pk], True, "boss")
    group.refresh_from_db()
    return group, users


def test_a_machine_takes_all_but_the_last_active_one(db: None) -> None:
    group, (ann, bob) = admins("ann", "bob")
    assert services.remove_members(group, [ann.pk, bob.pk], "Okta", via="Okta") == 0
    assert services.remove_members(group, [ann.pk], "Okta", via="Okta") == 1
    assert services.leave_groups(bob, [group], "Okta", via="Okta") == 0
    assert who("admins") == {"bob"}
    carl = User.objects.create(username="carl", is_active=False)
    services.add_members(group, [carl.pk], "boss")
    assert services.remove_members(group, [bob.pk], "Okta", via="Okta") == 0  # who is off administers nothing
    assert services.remove_members(group, [bob.pk], "boss") == 1  # a person decides


def test_an_application_does_not_delete_it(db: None) -> None:
    group, _ = admins("ann")
    answer = make_client().delete(f"/Groups/{group.scim_id}")
    assert (answer.status, Group.objects.filter(pk=group.pk).exists()) == (403, True)
    assert "gives special rights" in answer.json["detail"]


@pytest.mark.heavy
def test_an_import_keeps_its_last_member_and_the_group(groups: GroupSource) -> None:
    for name in ("ann", "bob"):
        groups.person(name)
    groups.put("admins", "ann", "bob")
    groups.put("dev", "ann")
    groups.people.run()
    services.mark_privileged(Group.objects.filter(name="admins").values_list("pk", flat=True), True, "boss")
    groups.put("admins")
    groups.people.run()
    assert who("admins") == {"ann", "bob"}
    groups.put("admins", "bob")
    groups.people.run()
    assert who("admins") == {"bob"}
    del groups.groups["admins"]
    groups.people.run()
    assert who("admins") == {"bob"}


def test_superusers_say_which_groups_are_privileged(admin_client: Client, staff_client: Any) -> None:
    group = make_group("dev")
    url = reverse("admin:provisioning_group_changelist")
    post = {"action": "mark_privileged", "_selected_action": [group.pk]}
    staff_client.post(url, post)
    group.refresh_from_db()
    assert not group.privileged
    assert b"1 group is privileged now." in admin_client.post(url, post, follow=True).content
    group.refresh_from_db()
    assert group.privileged


@pytest.fixture
def staff_client(db: None, client: Client) -> Client:
    """Somebody of the IT staff, who may change groups."""
    from django.contrib.auth.models import Group as Role

    user = User.objects.create_user("staff", is_staff=True)
    user.groups.add(Role.objects.get(name="IT staff"))
    client.force_login(user)
    return client
