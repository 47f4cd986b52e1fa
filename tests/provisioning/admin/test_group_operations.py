"""The page "Failed and waiting" for groups: what waits, what was refused and why, and trying it again."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from directories.connectors.memory import STORES
from directories.models import Directory
from provisioning.identities import membership
from provisioning.models import GroupChange, User
from tests.provisioning.admin.pages import text
from tests.provisioning.groups.push import held, make_group, make_users, mem, run

__all__ = ["mem"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def refused(mem: Directory) -> Directory:
    """A directory that lost anna, who then came into a group."""
    (anna,) = make_users("anna")
    group = make_group("Developers")
    run(mem)
    STORES["MEM"].clear()
    membership.add(group, [anna.pk], "tester")
    run(mem)
    return mem


@pytest.mark.heavy
def test_a_refused_member_is_listed_with_the_reason_and_retried(admin_client: Client, refused: Directory) -> None:
    url = reverse("admin:provisioning_groupchange_changelist")
    page = text(admin_client.get(url))
    assert "Developers" in page
    assert "anna" in page
    assert "The account is not in the directory." in page
    answer = admin_client.post(f"{url}retry/", {"directory": refused.pk, "parked_code": "not_found", "all": "1"})
    assert answer.status_code == 302
    assert answer["Location"].startswith(url)
    assert GroupChange.objects.get().parked is None


@pytest.mark.heavy
def test_the_users_list_leads_to_the_groups_list(admin_client: Client, refused: Directory) -> None:
    users = text(admin_client.get(reverse("admin:provisioning_change_changelist")))
    assert reverse("admin:provisioning_groupchange_changelist") in users
    assert "Nothing waits and nothing failed" in users


@pytest.mark.heavy
def test_one_member_is_tried_again(admin_client: Client, refused: Directory, mem: Directory) -> None:
    change = GroupChange.objects.get()
    admin_client.post(reverse("admin:provisioning_groupchange_retry"), {"one": change.pk})
    change.refresh_from_db()
    assert (change.parked, change.reason) == (None, "retry")
    assert held(mem) == {"Developers": []}


@pytest.mark.heavy
def test_who_may_only_look_gets_no_buttons(client: Client, refused: Directory) -> None:
    user = User.objects.create_user("auditor", is_staff=True, provisioned=False)
    user.user_permissions.set(Permission.objects.filter(codename="view_groupchange"))
    client.force_login(user)
    page = text(client.get(reverse("admin:provisioning_groupchange_changelist")))
    assert "Retry" not in page
    assert client.post(reverse("admin:provisioning_groupchange_retry"), {"one": 1}).status_code == 403


def test_the_sidebar_shows_that_the_list_belongs_to_operations(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:provisioning_groupchange_changelist"))
    items = [item for group in page.context["sidebar_navigation"] for item in group["items"]]
    assert [item["title"] for item in items if item["active"]] == ["Failed and waiting"]
