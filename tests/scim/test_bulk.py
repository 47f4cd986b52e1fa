"""Bulk requests: RFC 7644 section 3.7."""

import pytest

from provisioning.models import Group, Membership, Nesting, User
from scim import bulk
from scim.bulk.operations import BulkOperation, read
from scim.bulk.order import circles

REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def user(name, bulk_id, **data):
    return {
        "method": "POST",
        "path": "/Users",
        "bulkId": bulk_id,
        "data": {"schemas": [USER], "userName": name, **data},
    }


def group(name, bulk_id, *members):
    values = [{"value": member} for member in members]
    data = {"schemas": [GROUP], "displayName": name, "members": values}
    return {"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data}


def run(scim, *operations, **more):
    answer = scim.post("/Bulk", {"schemas": [REQUEST], "Operations": list(operations), **more})
    assert answer.status == 200, answer
    assert answer.json["schemas"] == [RESPONSE]
    return answer.json["Operations"]


def statuses(done):
    return [each["status"] for each in done]


def members(name):
    return set(Membership.objects.filter(group__name=name).values_list("user__username", flat=True))


def test_operations_of_every_method(scim):
    old, gone = scim.add("old"), scim.add("gone")
    done = run(
        scim,
        user("alice", "qwerty"),
        {
            "method": "PUT",
            "path": f"/Users/{old['id']}",
            "data": {"schemas": [USER], "userName": "old", "title": "Boss"},
        },
        {
            "method": "patch",
            "path": f"/Users/{old['id']}",
            "data": {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "replace", "path": "active", "value": False}],
            },
        },
        {"method": "DELETE", "path": f"/Users/{gone['id']}"},
    )
    assert statuses(done) == ["201", "200", done[2]["status"], "204"]
    assert done[2]["status"] in ("200", "204")
    alice, changed = User.objects.get(username="alice"), User.objects.get(username="old")
    assert done[0]["bulkId"] == "qwerty"
    assert done[0]["location"].endswith(f"/scim/v2/Users/{alice.scim_id}")
    assert done[0]["version"] == scim.get(f"/Users/{alice.scim_id}").headers["ETag"]
    assert (changed.title, changed.is_active) == ("Boss", False)
    assert done[3]["location"].endswith(gone["id"])
    assert all("response" not in each for each in done)


def test_references_in_any_order(scim):
    done = run(scim, group("Readers", "g", "bulkId:late", "bulkId:early"), user("early", "early"), user("late", "late"))
    assert statuses(done) == ["201", "201", "201"]
    assert [each["bulkId"] for each in done] == ["g", "early", "late"]
    assert members("Readers") == {"early", "late"}


def test_references_in_extensions_paths_and_patches(scim):
    boss = {ENTERPRISE: {"manager": {"value": "bulkId:boss"}}}
    add = [{"op": "add", "path": "members", "value": [{"value": "bulkId:boss"}]}]
    patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": add}
    done = run(
        scim,
        {"method": "PATCH", "path": "/Groups/bulkId:g", "data": patch},
        user("worker", "w", **boss),
        user("boss", "boss"),
        group("Readers", "g"),
    )
    assert [int(each["status"]) < 300 for each in done] == [True] * 4, done
    assert User.objects.get(username="worker").manager.username == "boss"
    assert members("Readers") == {"boss"}


def test_a_circle_of_groups_is_resolved(scim):
    # RFC 7644 section 3.7.1: "The service provider MUST try to resolve circular cross-references"
    done = run(scim, group("A", "a", "bulkId:b", "bulkId:u"), group("B", "b", "bulkId:a"), user("someone", "u"))
    assert statuses(done) == ["201", "201", "201"], done
    pairs = set(Nesting.objects.values_list("parent__name", "child__name"))
    assert pairs == {("A", "B"), ("B", "A")}
    assert members("A") == {"someone"}
    for each in done[:2]:
        assert scim.get("/Groups/" + each["location"].rpartition("/")[2]).headers["ETag"] == each["version"]


def test_a_circle_of_managers_is_resolved(scim):
    one, two = ({ENTERPRISE: {"manager": {"value": f"bulkId:{name}"}}} for name in ("two", "one"))
    assert statuses(run(scim, user("one", "one", **one), user("two", "two", **two))) == ["201", "201"]
    assert User.objects.get(username="one").manager.username == "two"
    assert User.objects.get(username="two").manager.username == "one"


def test_a_circle_that_fails_leaves_nothing(scim):
    scim.post("/Groups", {"schemas": [GROUP], "displayName": "B"})
    done = run(scim, group("A", "a", "bulkId:b"), group("B", "b", "bulkId:a"), user("someone", "u"))
    assert statuses(done) == ["409", "409", "201"]
    assert done[1]["response"]["scimType"] == "uniqueness"
    assert not Group.objects.filter(name="A").exists()


def test_what_refers_to_nothing_fails_alone(scim):
    done = run(scim, group("A", "a", "bulkId:nobody"), user("someone", "u"), user("someone", "again"))
    assert statuses(done) == ["409", "201", "409"]
    assert "nobody" in done[0]["response"]["detail"]
    assert done[2]["response"]["scimType"] == "uniqueness"
    assert "location" not in done[2]
    assert not Group.objects.exists()


def test_what_refers_to_a_failure_fails_too(scim):
    scim.add("taken")
    done = run(scim, group("A", "a", "bulkId:u"), user("taken", "u"))
    assert statuses(done) == ["409", "409"]
    assert not Group.objects.exists()


@pytest.mark.parametrize(
    ("limit", "expected"), [(1, ["409"]), (2, ["409", "201", "409"]), (None, ["409", "201", "409", "201"])]
)
def test_fail_on_errors(scim, limit, expected):
    scim.add("taken")
    operations = [user("taken", "1"), user("first", "2"), user("taken", "3"), user("second", "4")]
    done = run(scim, *operations, **({"failOnErrors": limit} if limit else {}))
    assert statuses(done) == expected
    assert User.objects.filter(username="second").exists() == (limit is None)


def test_a_version_guards_an_operation(scim):
    old = scim.add("old")
    body = {"schemas": [USER], "userName": "old", "title": "Boss"}
    put = {"method": "PUT", "path": f"/Users/{old['id']}", "data": body}
    assert statuses(run(scim, {**put, "version": 'W/"other"'})) == ["412"]
    assert User.objects.get(username="old").title == ""
    assert statuses(run(scim, {**put, "version": old["meta"]["version"]})) == ["200"]
    assert User.objects.get(username="old").title == "Boss"


def test_if_match_of_the_request_itself_means_no_operation(scim):
    body = {"schemas": [REQUEST], "Operations": [user("alice", "a")]}
    answer = scim.post("/Bulk", body, If_Match='W/"x"')
    assert statuses(answer.json["Operations"]) == ["201"]


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({}, "400"),
        ([], "400"),
        (None, "400"),
        ({"method": "GET", "path": "/Users"}, "400"),
        ({"method": "POST", "path": "/Users", "data": {}}, "400"),
        ({"method": "POST", "path": 5, "bulkId": "a", "data": {}}, "400"),
        ({"method": "POST", "path": "/Users", "bulkId": "a"}, "400"),
        ({"method": "POST", "path": "/Users", "bulkId": "a", "data": []}, "400"),
        ({"method": "POST", "path": "Users", "bulkId": "a", "data": {}}, "400"),
        ({"method": "POST", "path": "/Users", "bulkId": "a", "data": {"schemas": [USER], "userName": 5}}, "400"),
        ({"method": "POST", "path": "/Nowhere", "bulkId": "a", "data": {}}, "404"),
        ({"method": "POST", "path": "/Bulk", "bulkId": "a", "data": {}}, "404"),
        ({"method": "POST", "path": "http://elsewhere/Users", "bulkId": "a", "data": {}}, "400"),
        ({"method": "DELETE", "path": "/Users/../Groups"}, "404"),
        ({"method": "DELETE", "path": "/Users/nobody"}, "404"),
        ({"method": "DELETE", "path": "/Users"}, "405"),
        ({"method": "POST", "path": "/Users/nobody", "bulkId": "a", "data": {}}, "405"),
    ],
)
def test_what_is_wrong_fails_alone(scim, operation, status):
    done = run(scim, operation, user("fine", "f"))
    assert statuses(done) == [status, "201"]
    assert done[0]["response"]["status"] == status


def test_a_bulk_id_used_twice(scim):
    assert statuses(run(scim, user("one", "x"), user("two", "x"))) == ["201", "400"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"schemas": [REQUEST]},
        {"schemas": [REQUEST], "Operations": {}},
        {"schemas": [USER], "Operations": []},
        {"schemas": [REQUEST], "Operations": [], "failOnErrors": 0},
        {"schemas": [REQUEST], "Operations": [], "failOnErrors": True},
        {"schemas": [REQUEST], "Operations": [], "failOnErrors": "1"},
    ],
)
def test_what_is_no_bulk_request(scim, body):
    answer = scim.post("/Bulk", body)
    assert (answer.status, answer.json["scimType"]) == (400, "invalidSyntax")


def test_too_many_and_too_large(scim):
    many = {"schemas": [REQUEST], "Operations": [user(f"u{n}", f"{n}") for n in range(bulk.MAX_OPERATIONS + 1)]}
    assert scim.post("/Bulk", many).status == 413
    large = {"schemas": [REQUEST], "Operations": [user("x" * (bulk.MAX_BYTES + 1), "1")]}
    assert scim.post("/Bulk", large).status == 413
    assert not User.objects.exists()


def test_limits_are_those_that_are_told(scim):
    told = scim.get("/ServiceProviderConfig").json["bulk"]
    assert told == {"supported": True, "maxOperations": bulk.MAX_OPERATIONS, "maxPayloadSize": bulk.MAX_BYTES}


def test_order_of_long_chains_and_many_circles():
    def post(name, *needs):
        return BulkOperation("POST", "/Groups", {"members": [{"value": f"bulkId:{each}"} for each in needs]}, str(name))

    chain = [post(n, n + 1) for n in range(999)] + [post(999)]
    assert list(circles(chain)) == [[n] for n in range(999, -1, -1)]
    ring = [post(n, (n + 1) % 1000) for n in range(1000)]
    assert list(circles(ring)) == [list(range(1000))]
    two = [post("a", "b"), post("b", "a"), post("c", "a"), post("d", "e", "c"), post("e", "d")]
    assert list(circles(two)) == [[0, 1], [2], [3, 4]]


def test_keys_ignore_case():
    operations, _ = read(
        {"Schemas": [REQUEST], "operations": [{"METHOD": "post", "Path": "/Users", "bulkid": "1", "Data": {}}]}
    )
    assert (operations[0].method, operations[0].bulk_id, operations[0].error) == ("POST", "1", None)
