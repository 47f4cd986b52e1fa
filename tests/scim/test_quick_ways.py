"""What is answered by a shorter way is answered as by the long one."""

from typing import Any

import pytest
from django.db import connections as databases

from config import connections
from provisioning.models import User
from scim import schemas
from scim.models import Reach, UserLink
from scim.patch import patched
from tests.scim.conftest import Scim

pytestmark = pytest.mark.django_db
NAMES = ("anna", "ANNA", "berta", "b.alias", "carla", "c.alias", "nobody", "boss", "ｃarla")


@pytest.mark.parametrize("reach", Reach)
def test_a_look_up_by_name_is_the_filter(scim: Scim, reach: Reach) -> None:
    """The alias of one user counts and hides the own name; staff and the deleted are not found."""
    for name in ("anna", "berta", "carla"):
        scim.add(name)
    links = UserLink.objects.filter(client=scim.client)
    for name, alias in (("berta", "b.alias"), ("carla", "c.alias")):
        link = links.get(user__username=name)
        link.user_name = alias
        link.save()
    links.filter(user__username="carla").update(deleted_at="2026-01-01T00:00:00Z")
    User.objects.create(username="boss", is_staff=True)
    User.objects.create(username="dora")
    scim.client.reach = reach
    scim.client.save()
    for name in (*NAMES, "dora"):
        quick = scim.get(f'/Users?filter=userName eq "{name}"').json
        long = scim.get(f'/Users?filter=userName eq "{name}" and id pr').json
        assert quick == long, name
    assert scim.get('/Users?filter=userName eq "b.alias"').json["totalResults"] == 1
    assert scim.get('/Users?filter=userName eq "carla"').json["totalResults"] == 0


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("active", [True, False])
def test_switching_somebody_is_the_patch(active: bool, value: bool) -> None:
    """One operation goes the short way, the same one twice goes through the engine."""
    resource: dict[str, Any] = {"schemas": [schemas.USER], "userName": "anna", "active": active, "title": "Boss"}
    operation = {"op": "replace", "path": "active", "value": value}
    model = schemas.user_model(())
    quick, long = patched(resource, [operation], model), patched(resource, [operation, operation], model)
    assert quick == long
    assert (quick is resource) == (long is resource) == (active == value)


def test_a_connection_is_trusted_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """After that, and after an error, it is asked again whether it lives."""
    now = 1000.0
    monkeypatch.setattr(connections.time, "monotonic", lambda: now)
    User.objects.exists()
    connection = databases["default"]  # the proxy ``django.db.connection`` cannot be patched and put back
    for later, errors, trusted in ((0.5, False, True), (1.5, False, False), (0.5, True, False)):
        now = 1000.0
        monkeypatch.setattr(connection, "errors_occurred", errors)
        connections.remember()
        now += later
        monkeypatch.setattr(connection, "health_check_done", False)
        connections.trust()
        assert connection.health_check_done is trusted
