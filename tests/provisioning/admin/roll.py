"""People for the tests of the people pages: staff of each role, and a small roll."""

from typing import Any

from django.contrib.auth.models import Group as Role
from django.test import Client

from directories.models import Directory, ProvisioningSettings
from provisioning.models import AttributeDefinition, User
from provisioning.roles import HELPDESK, IT_STAFF


def staff(role: str, username: str = "") -> User:
    """Return somebody who signs in with a role; ``""`` is a superuser."""
    if not role:
        return User.objects.create_superuser(username or "root")
    user = User.objects.create_user(username or role.replace(" ", ".").lower(), is_staff=True, provisioned=False)
    user.groups.add(Role.objects.get(name=role))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def root() -> Client:
    return signed_in(staff(""))


def it_staff() -> Client:
    return signed_in(staff(IT_STAFF))


def helpdesk() -> Client:
    return signed_in(staff(HELPDESK))


def person(username: str, **fields: Any) -> User:
    """Return a user of the portal, saved."""
    return User.objects.create_user(username, **fields)


def directory(name: str = "APPSDB", **features: Any) -> Directory:
    """Return a saved directory that nobody connects to."""
    made = Directory.objects.create(name=name, kind="sqlite", settings={"database": "/nowhere/x.sqlite3"})
    ProvisioningSettings.objects.create(directory=made, **features)
    return made


def definition(name: str, type: str = "text", **fields: Any) -> AttributeDefinition:
    return AttributeDefinition.objects.create(name=name, type=type, **{"label": name.capitalize(), **fields})


def form(**fields: Any) -> dict[str, Any]:
    """Return what the user page posts, as far as the test cares."""
    switches = {"is_active": "on", "provisioned": "on"}
    return {key: value for key, value in {**switches, **fields}.items() if value is not None}


def words(response: Any) -> str:
    """Return the page's text."""
    return str(response.content.decode())
