"""The last administrator of the portal stays, whatever the door."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from provisioning import services
from provisioning.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    """The only active superuser; another one is switched off."""
    User.objects.create_superuser("off", is_active=False)
    User.objects.create_user("anna", is_staff=True)
    return User.objects.create_superuser("boss", email="boss@x.org")


def demote(boss: User) -> None:
    user = User.objects.get(pk=boss.pk)
    user.is_superuser = False
    services.save_user(user, "anna")


def switch_off(boss: User) -> None:
    user = User.objects.get(pk=boss.pk)
    user.is_active = False
    services.write_user(user, "Okta", ["is_active"])


DOORS: dict[str, Callable[[User], object]] = {
    "page": demote,
    "SCIM": switch_off,
    "bulk": lambda boss: services.set_active([boss.pk, *User.objects.values_list("pk", flat=True)], False, "anna"),
    "deletion": lambda boss: services.delete_users([boss.pk], "anna", by_person=True),
    "all deleted": lambda boss: services.delete_users(User.objects.values_list("pk", flat=True), "anna"),
}


@pytest.mark.parametrize("door", DOORS)
def test_no_door_takes_the_last_one(boss: User, door: str) -> None:
    with pytest.raises(services.LastAdministrator, match="Make somebody else a superuser first"):
        DOORS[door](boss)
    boss.refresh_from_db()
    assert boss.is_superuser
    assert boss.is_active


@pytest.mark.parametrize("door", ["page", "SCIM", "deletion"])
def test_any_other_goes(boss: User, door: str) -> None:
    User.objects.create_superuser("second")
    DOORS[door](boss)
    assert not User.objects.filter(pk=boss.pk, is_superuser=True, is_active=True).exists()


def test_a_plan_leaves_the_last_one_alone(boss: User) -> None:
    actor = User.objects.get(username="off")
    done = services.switch_by_plan([boss.pk], False, actor.username)
    boss.refresh_from_db()
    assert boss.is_active, done.words


def test_one_of_two_deletes_the_other_on_the_page(boss: User, client: Client) -> None:
    client.force_login(User.objects.create_superuser("other", email="o@x.org"))
    url = reverse("admin:provisioning_user_delete", args=[boss.pk])
    assert client.post(url, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=boss.pk).exists()
