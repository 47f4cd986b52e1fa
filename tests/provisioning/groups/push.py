"""A directory in memory that groups are pushed to, and what a worker would do for it."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from directories.connectors.memory import GROUPS, STORES, StoredGroup
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.models import Group, User
from provisioning.outbound.accounts import delivery, outbox
from provisioning.outbound.batch import Delivered
from provisioning.outbound.groups import delivery as group_delivery
from provisioning.outbound.groups import outbox as group_outbox
from reports.models import Event


def save_memory_directory(name: str = "MEM", **features: Any) -> Directory:
    """Save a directory that gets users and every group."""
    directory = Directory.objects.create(name=name, kind="memory", settings={"name": name})
    switches = {"create_users": True, "update_users": True, "deactivate_users": True, "delete_users": True}
    groups = {"sync_groups": True, "push_groups": "all", "delete_groups": True}
    ProvisioningSettings.objects.create(directory=directory, **{**switches, **groups, **features})
    AttributeMapping.objects.create(directory=directory, directory_attribute="mail", portal_attribute="email")
    return directory


@pytest.fixture
def mem() -> Iterator[Directory]:
    """The directory MEM, empty."""
    _forget()
    yield save_memory_directory()
    _forget()


def _forget() -> None:
    STORES.clear()
    GROUPS.clear()


def make_users(*names: str) -> list[User]:
    return [User.objects.create(username=name, last_name="Berg", email=f"{name}@example.org") for name in names]


def make_group(name: str, directories: Iterable[Directory] = (), **fields: Any) -> Group:
    group = Group(name=name, **fields)
    services.save_group(group, "tester", [directory.pk for directory in directories])
    return group


def run(directory: Directory) -> Delivered:
    """Deliver every account and then every group that is due, as workers would, until nothing is left."""
    delivery.deliver(directory.pk, outbox.LEASES.due(directory.pk, 10_000))
    return run_groups(directory)


def run_groups(directory: Directory) -> Delivered:
    return group_delivery.deliver(directory.pk, group_outbox.LEASES.due(directory.pk, 10_000))


def held(directory: Directory) -> dict[str, list[str]]:
    """Return the members of each group in the directory."""
    return {group.name: sorted(group.members) for group in GROUPS[directory.name].values()}


def stored(directory: Directory, name: str) -> StoredGroup:
    return next(group for group in GROUPS[directory.name].values() if group.name == name)


def lines(**filters: Any) -> list[str]:
    """Return the report's lines that went out, oldest first."""
    rows = Event.objects.filter(direction="out", **filters).order_by("pk")
    return list(rows.values_list("message", flat=True))
