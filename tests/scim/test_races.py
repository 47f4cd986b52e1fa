"""Two requests about one user, or one group, at the same moment: real connections, in either order.

The first request has done its work and not committed yet when the second one comes and waits for it.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, transaction

from provisioning.models import Group, Membership, User
from reports.models import Event
from scim.models import UserLink
from tests.fixtures.waiting import wait_until
from tests.scim.conftest import USER, Answer, Scim, make_client

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.heavy]

Ask = Callable[[], Answer]


def waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def raced(first: Ask, second: Ask) -> tuple[int, int]:
    """Ask for the second thing while the first is done and not committed; return both statuses."""
    done, commit = threading.Event(), threading.Event()
    answers: dict[int, Answer] = {}

    def begin() -> None:
        with transaction.atomic():
            answers[0] = first()
            done.set()
            commit.wait(30)
        connections.close_all()

    def follow() -> None:
        answers[1] = second()
        connections.close_all()

    threads = [threading.Thread(target=begin), threading.Thread(target=follow)]
    threads[0].start()
    assert done.wait(30)
    threads[1].start()
    try:
        wait_until(waiting, words="the second request to wait")
    finally:
        commit.set()
        for thread in threads:
            thread.join(30)
    return answers[0].status, answers[1].status


def requests(scim: Scim, user: Any) -> dict[str, Ask]:
    path = f"/Users/{user['id']}"
    body = {"schemas": [USER], "userName": "leaver", "externalId": "1", "title": "T", "active": True}
    bulk = {"method": "PUT", "path": path, "data": body}
    schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]
    return {
        "delete": lambda: scim.delete(path),
        "put": lambda: scim.put(path, body),
        "patch": lambda: scim.patch(path, {"op": "replace", "path": "active", "value": True}),
        "title": lambda: scim.patch(path, {"op": "add", "path": "title", "value": "T"}),
        "bulk": lambda: scim.post("/Bulk", {"schemas": schemas, "Operations": [bulk]}),
        "other": lambda: scim.post("/Users", {**body, "externalId": "2"}),
    }


@pytest.mark.parametrize("second", ["put", "patch", "title", "delete", "bulk"])
@pytest.mark.parametrize("reach", ["all", "own"])
def test_who_comes_after_a_delete_finds_nobody(second: str, reach: str) -> None:
    """RFC 7644 section 3.6: 404 for all operations on the deleted resource."""
    scim = make_client(reach=reach)
    ways = requests(scim, scim.add("leaver", externalId="1"))
    first, status = raced(ways["delete"], ways[second])
    assert (first, status) == (204, 200 if second == "bulk" else 404)
    user = User.objects.get()
    assert (user.is_active, user.title) == (False, "")
    assert UserLink.objects.get().deleted_at is not None
    assert Event.objects.filter(operation="delete").count() == 1
    assert not Event.objects.filter(operation="enable").exists()


@pytest.mark.parametrize("first", ["put", "patch"])
def test_a_delete_after_a_change_deletes(first: str) -> None:
    scim = make_client()
    leaver = scim.add("leaver", externalId="1", active=False)
    ways = requests(scim, leaver)
    assert raced(ways[first], ways["delete"]) == (200, 204)
    assert User.objects.get().is_active is False
    assert scim.get(f"/Users/{leaver['id']}").status == 404


def test_a_new_hire_who_comes_with_the_delete() -> None:
    """The one who waited sees that the name is a leaver's by now."""
    scim = make_client()
    leaver = scim.add("leaver", externalId="1")
    ways = requests(scim, leaver)
    assert raced(ways["delete"], ways["other"]) == (204, 201)
    assert User.objects.get(username="leaver").scim_id.hex != leaver["id"].replace("-", "")
    assert User.objects.filter(is_active=False).count() == 1


def test_two_changes_of_one_user_lose_nothing() -> None:
    scim = make_client()
    path = f"/Users/{scim.add('leaver')['id']}"
    title = lambda: scim.patch(path, {"op": "add", "path": "title", "value": "T"})  # noqa: E731
    nick = lambda: scim.patch(path, {"op": "add", "path": "nickName", "value": "N"})  # noqa: E731
    assert raced(title, nick) == (200, 200)
    now = scim.get(path).json
    assert (now["title"], now["nickName"]) == ("T", "N")


@pytest.mark.parametrize("reach", ["all", "own"])
def test_who_comes_after_the_delete_of_a_group_finds_none(reach: str) -> None:
    scim = make_client(reach=reach)
    user = scim.add("anna")
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"]
    path = f"/Groups/{scim.post('/Groups', {'schemas': schemas, 'displayName': 'Team'}).json['id']}"
    operation = {"op": "add", "path": "members", "value": [{"value": user["id"]}]}
    assert raced(lambda: scim.delete(path), lambda: scim.patch(path, operation)) == (204, 404)
    assert not Group.objects.exists()


@pytest.mark.parametrize("first", ["delete", "add", "put"])
def test_no_group_names_somebody_who_is_deleted_at_that_moment(first: str) -> None:
    """Whichever comes first, and also where others are members already."""
    scim = make_client()
    user, other = scim.add("anna"), scim.add("berta")
    head = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Team"}
    group = f"/Groups/{scim.post('/Groups', {**head, 'members': [{'value': other['id']}]}).json['id']}"
    operation = {"op": "add", "path": "members", "value": [{"value": user["id"]}]}
    both = [{"value": other["id"]}, {"value": user["id"]}]
    add: Ask = lambda: scim.patch(group, operation)  # noqa: E731
    delete: Ask = lambda: scim.delete(f"/Users/{user['id']}")  # noqa: E731
    if first == "delete":
        assert raced(delete, add) == (204, 400)
    elif first == "add":
        assert raced(add, delete) == (204, 204)
    else:
        assert raced(lambda: scim.put(group, {**head, "members": both}), delete) == (200, 204)
    assert [member["value"] for member in scim.get(group).json["members"]] == [other["id"]]
    assert list(Membership.objects.values_list("user__username", flat=True)) == ["berta"]
