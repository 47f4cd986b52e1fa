"""What is answered by a shorter way is answered as by the long one."""

import pytest
from django.db import connection
from django.db import connections as databases
from django.test.utils import CaptureQueriesContext

from config import connections
from provisioning.models import User
from reports.models import Event
from scim.models import Reach, UserLink
from tests.scim.conftest import Scim

pytestmark = pytest.mark.django_db
NAMES = ("anna", "ANNA", "berta", "b.alias", "carla", "c.alias", "nobody", "boss", "ｃarla")


@pytest.mark.heavy
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
@pytest.mark.parametrize("said", [True, False, None])
def test_switching_somebody_is_the_patch(scim: Scim, active: bool, value: bool, said: bool | None) -> None:
    """One operation goes the short way, the same one twice goes through the engine."""
    ends = []
    for number in (1, 2):
        user = scim.add(f"anna{number}", title="Boss", nickName="An", externalId="x")
        User.objects.filter(scim_id=user["id"]).update(is_active=active)
        links = UserLink.objects.filter(user__scim_id=user["id"])
        links.update(said_active=said, user_name=f"a{number}", user_name_key=f"a{number}")
        switch = {"op": "replace", "path": "active", "value": value}
        answer = scim.patch(f"/Users/{user['id']}", *[switch] * number)
        assert answer.status == 200
        shown = {name: held for name, held in answer.json.items() if name not in ("id", "meta", "userName")}
        lines = Event.objects.filter(identifier=f"anna{number}").order_by("pk").values_list("operation", "result")
        ends.append((shown, *links.values_list("said_active", "kept", "external_id"), *lines))
    assert ends[0] == ends[1]
    assert ends[0][0]["active"] is (value if value is False or said is False else active)


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


def test_how_many_queries_a_write_takes(scim: Scim) -> None:
    """With those of the token, of the mapping (2) and of the live log; each more is felt by every application."""
    user = scim.add("anna")
    scim.patch(f"/Users/{user['id']}", {"op": "replace", "path": "active", "value": True})
    for number, write in (
        (9, lambda: scim.add("berta")),
        (11, lambda: scim.patch(f"/Users/{user['id']}", {"op": "replace", "path": "active", "value": False})),
    ):
        with CaptureQueriesContext(connection) as asked:
            write()
        asked_for = [query["sql"] for query in asked.captured_queries if "SAVEPOINT" not in query["sql"]]
        assert len(asked_for) == number, asked_for
