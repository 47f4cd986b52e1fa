"""Many requests at once, over HTTP with real threads on PostgreSQL."""

import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from urllib.parse import urlsplit

import pytest
from django.core.servers import basehttp
from pytest_django.live_server_helper import LiveServer

from provisioning.models import Group, Membership, User
from scim.lists import counts
from tests.scim.conftest import USER, make_client

pytestmark = pytest.mark.heavy

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Remote:
    """A client of the live server; ``at_once`` sends requests together, each on a thread of its own."""

    def __init__(self, url):
        self.scim = make_client()
        self.host = urlsplit(url).netloc

    def __call__(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers |= {"Authorization": f"Bearer {self.scim.token}", "Content-Type": "application/scim+json"}
        connection.request(method, f"/scim/v2{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content) if content else None

    def at_once(self, requests):
        start = Barrier(len(requests))

        def send(request):
            start.wait()
            return self(*request[:3], **(request[3] if len(request) > 3 else {}))

        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(send, requests))


@pytest.fixture(scope="module")
def server(django_db_setup):
    """A server that lets fifty requests wait; Django's own lets ten."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(basehttp.WSGIServer, "request_queue_size", 128)
        server = LiveServer("localhost")
        yield server
        server.stop()


@pytest.fixture
def remote(transactional_db, server):
    return Remote(server.url)


def member(user, op="add"):
    if op == "add":
        operation = {"op": "add", "path": "members", "value": [{"value": str(user.scim_id)}]}
    else:
        operation = {"op": "remove", "path": f'members[value eq "{user.scim_id}"]'}
    return {"schemas": [PATCH], "Operations": [operation]}


def people(count):
    User.objects.bulk_create(User(username=f"person{n}") for n in range(count))
    return list(User.objects.order_by("pk"))


def test_twenty_creates_of_one_name_make_one_user(remote):
    names = ["Anna", "anna", "ANNA", "aNNa"] * 5
    answers = remote.at_once([("POST", "/Users", {"schemas": [USER], "userName": name}) for name in names])
    assert Counter(status for status, _ in answers) == {201: 1, 409: 19}
    assert {body["scimType"] for status, body in answers if status == 409} == {"uniqueness"}
    assert User.objects.count() == counts.users(remote.scim.client) == 1


def test_ten_creates_of_one_group_make_one(remote):
    body = {"schemas": [GROUP], "displayName": "Readers"}
    answers = remote.at_once([("POST", "/Groups", body)] * 10)
    assert Counter(status for status, _ in answers) == {201: 1, 409: 9}


def test_fifty_additions_lose_nobody(remote):
    group = Group.objects.create(name="Readers", pushed_by="Okta")
    path = f"/Groups/{group.scim_id}"
    answers = remote.at_once([("PATCH", path, member(user)) for user in people(50)])
    assert {status for status, _ in answers} <= {200, 204}
    assert Membership.objects.filter(group=group).count() == 50
    assert len(remote("GET", path)[1]["members"]) == 50


def test_additions_and_removals_at_once(remote):
    group = Group.objects.create(name="Readers", pushed_by="Okta")
    everybody = people(40)
    Membership.objects.bulk_create(Membership(group=group, user=user) for user in everybody[:20])
    path = f"/Groups/{group.scim_id}"
    operations = [("PATCH", path, member(user, "remove")) for user in everybody[:20]]
    answers = remote.at_once(operations + [("PATCH", path, member(user)) for user in everybody[20:]])
    assert {status for status, _ in answers} <= {200, 204}
    left = set(Membership.objects.filter(group=group).values_list("user_id", flat=True))
    assert left == {user.pk for user in everybody[20:]}


def test_of_those_who_read_the_same_version_one_wins(remote):
    _, user = remote("POST", "/Users", {"schemas": [USER], "userName": "anna"})
    path, version = f"/Users/{user['id']}", {"If_Match": user["meta"]["version"]}
    patch = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "by PATCH"}]}
    put = {"schemas": [USER], "userName": "anna", "title": "by PUT"}
    answers = remote.at_once([("PUT", path, put, version), ("PATCH", path, patch, version)] * 5)
    counted = Counter(200 if status == 204 else status for status, _ in answers)
    assert counted == {200: 1, 412: 9}
    assert User.objects.get().title in ("by PUT", "by PATCH")


def test_a_group_is_renamed_while_members_come(remote):
    """A PATCH of the name beside additions: none of them undoes the other, with or without versions."""
    group = Group.objects.create(name="Readers", pushed_by="Okta")
    path = f"/Groups/{group.scim_id}"
    rename = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "displayName", "value": "Writers"}]}
    answers = remote.at_once([("PATCH", path, rename), *(("PATCH", path, member(user)) for user in people(15))])
    assert {status for status, _ in answers} <= {200, 204}
    group.refresh_from_db()
    assert (group.name, group.memberships.count()) == ("Writers", 15)


def test_a_put_of_a_user_beside_a_patch_loses_no_membership(remote):
    group = Group.objects.create(name="Readers", pushed_by="Okta")
    user = people(1)[0]
    Membership.objects.create(group=group, user=user)
    put = {"schemas": [USER], "userName": "person0", "title": "by PUT"}
    patch = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "name.givenName", "value": "by PATCH"}]}
    path = f"/Users/{user.scim_id}"
    answers = remote.at_once([("PUT", path, put), ("PATCH", path, patch)] * 5)
    assert {status for status, _ in answers} <= {200, 204}
    assert Membership.objects.filter(group=group, user=user).exists()


def test_a_put_with_an_old_version_does_not_undo_additions(remote):
    group = Group.objects.create(name="Readers", pushed_by="Okta")
    path = f"/Groups/{group.scim_id}"
    _, read = remote("GET", path)
    remote.at_once([("PATCH", path, member(user)) for user in people(5)])
    put = {"schemas": [GROUP], "displayName": "Readers", "members": []}
    status, _ = remote("PUT", path, put, If_Match=read["meta"]["version"])
    assert status == 412
    assert group.memberships.count() == 5


def test_counts_are_exact_after_people_come_and_go_at_once(remote):
    everybody = people(20)
    requests = [("DELETE", f"/Users/{user.scim_id}", None) for user in everybody[:10]]
    requests += [("POST", "/Users", {"schemas": [USER], "userName": f"new{n}"}) for n in range(15)]
    answers = remote.at_once(requests)
    assert Counter(status for status, _ in answers) == {204: 10, 201: 15}
    _, listed = remote("GET", "/Users?count=1")
    assert listed["totalResults"] == 25
    assert remote("GET", "/Users?count=1000")[1]["itemsPerPage"] == 25
