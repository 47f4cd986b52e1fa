"""The double refuses, hides and pretends as the preset says; what is forbidden is noted."""

import json
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from tests.doubles.scim.product import Product
from tests.doubles.scim.server import Doubles

NICK = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User"
PERSON: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "displayName": "Ann Lee",
    "active": True,
}


def ask(
    product: Product, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: str
) -> tuple[int, Any]:
    """Return the status and the JSON that a product answers."""
    sent = {name: value for name, value in {**product.preset.headers, **(headers or {})}.items() if value}
    kind = sent.pop("Content-Type", None)
    builder = EnvironBuilder(
        path=path,
        method=method,
        query_string=query,
        headers=sent,
        data=None if body is None else json.dumps(body),
        content_type=kind if body is not None else None,
    )
    response = product.answer(Request(builder.get_environ()), path)
    return response.status_code, json.loads(response.get_data()) if response.get_data() else None


def person(name: str = "ann", **values: Any) -> dict[str, Any]:
    return {
        **PERSON,
        "userName": name,
        "externalId": f"x-{name}",
        "emails": [{"value": f"{name}@example.org", "primary": True}],
        **values,
    }


def created(product: Product, name: str = "ann", **values: Any) -> str:
    status, found = ask(product, "POST", "/Users", person(name, **values))
    assert status == 201, found
    return str(found["id"])


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}


def adding(*refs: str) -> dict[str, Any]:
    return patch({"op": "add", "path": "members", "value": [{"value": ref} for ref in refs]})


def forbidden(product: Product) -> str:
    """Return the one violation that was noted, and forget it."""
    (found,) = product.violations
    product.violations.clear()
    return found


def group(product: Product, **values: Any) -> str:
    status, found = ask(
        product,
        "POST",
        "/Groups",
        {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Team", **values},
    )
    assert status == 201, found
    return str(found["id"])


@pytest.mark.parametrize(
    ("name", "values", "status"),
    [
        ("aws", {"displayName": None}, 400),
        ("aws", {"emails": [{"value": "a@example.org", "primary": True}, {"value": "b@example.org"}]}, 400),
        ("aws", {"emails": [{"value": "a@example.org"}]}, 400),
        ("aws", {"photos": [{"value": "https://example.org/a.png"}]}, 400),
        ("aws", {"emails": [{"value": "a@example.org", "primary": True, "display": "A"}]}, 400),
        ("entra", {}, 400),
        ("salesforce", {}, 409),
    ],
)
def test_a_new_user_must_be_as_the_preset_says(
    doubles: Doubles, name: str, values: dict[str, Any], status: int
) -> None:
    product = doubles.product(name)
    assert ask(product, "POST", "/Users", person(**values))[0] == status
    assert forbidden(product).startswith("POST /Users")
    assert not product.users()


def test_salesforce_says_409_of_what_is_no_duplicate(doubles: Doubles) -> None:
    product = doubles.product("salesforce")
    _, said = ask(product, "POST", "/Users", person())
    assert "REQUIRED_FIELD_MISSING" in said["detail"]
    assert forbidden(product)
    created(product, entitlements=[{"value": "profile"}])
    assert ask(product, "POST", "/Users", person(entitlements=[{"value": "profile"}]))[0] == 409
    assert not product.violations


def test_an_extension_that_only_the_product_knows_is_kept(doubles: Doubles) -> None:
    product = doubles.product("entra")
    ref = created(product, password="Secret 1234567!", **{NICK: {"mailNickname": "ann"}})
    change = patch({"op": "replace", "path": f"{NICK}:mailNickname", "value": "annie"})
    assert ask(product, "PATCH", f"/Users/{ref}", change) == (204, None)
    assert product.users()[0][NICK] == {"mailNickname": "annie"}


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("aws", 'userName eq "ann"', 200),
        ("aws", 'userName sw "a"', 400),
        ("aws", 'nickName eq "ann"', 400),
        ("aws", 'userName eq "ann" or externalId eq "x-ann"', 400),
        ("entra", 'userName eq "ann" and externalId eq "x-ann"', 400),
        ("snowflake", 'userName eq "ann" and externalId eq "x-ann"', 400),
        ("keycloak", 'userName eq "ann" or externalId eq "x-ann"', 200),
        ("keycloak", 'userName eq "' + "a" * 2100 + '"', 400),
        ("generic", 'emails.value eq "ann@example.org"', 200),
    ],
)
def test_filters_are_taken_or_refused(doubles: Doubles, name: str, text: str, status: int) -> None:
    product = doubles.product(name)
    nick = {NICK: {"mailNickname": "ann"}, "password": "Secret 1234567!"} if name == "entra" else {}
    created(product, **nick)
    found, page = ask(product, "GET", "/Users", filter=text)
    assert found == status
    if status == 200:
        assert [one["userName"] for one in page["Resources"]] == ["ann"]
        assert not product.violations
    else:
        assert forbidden(product)


def test_a_list_is_cut_without_a_word_unless_a_cursor_is_asked_for(doubles: Doubles) -> None:
    product = doubles.product("aws")
    product.fill(120)
    _, cut = ask(product, "GET", "/Users")
    assert (len(cut["Resources"]), cut["totalResults"]) == (100, 100)
    _, first = ask(product, "GET", "/Users", cursor="")
    _, second = ask(product, "GET", "/Users", cursor=first["nextCursor"])
    assert (len(first["Resources"]), len(second["Resources"]), "nextCursor" in second) == (100, 20, False)
    assert "totalResults" not in first
    assert ask(product, "GET", "/Users", startIndex="1")[0] == 400
    assert forbidden(product)


def test_members_are_shown_as_the_product_shows_them(doubles: Doubles) -> None:
    aws, keycloak = doubles.product("aws"), doubles.product("keycloak")
    ann = created(aws)
    team = group(aws)
    assert ask(aws, "PATCH", f"/Groups/{team}", adding(ann))[0] == 200
    assert "members" not in ask(aws, "GET", f"/Groups/{team}")[1]
    asked = f'id eq "{team}" and members.value eq "{ann}"'
    assert len(ask(aws, "GET", "/Groups", filter=asked)[1]["Resources"]) == 1
    bob = created(keycloak)
    crew = group(keycloak)
    change = patch({"op": "add", "path": "members", "value": bob})
    assert ask(keycloak, "PATCH", f"/Groups/{crew}", change)[0] == 200
    assert "members" not in ask(keycloak, "GET", f"/Groups/{crew}")[1]
    assert len(ask(keycloak, "GET", f"/Groups/{crew}", attributes="members")[1]["members"]) == 1


def test_entra_is_asked_for_the_users_of_a_group(doubles: Doubles) -> None:
    product = doubles.product("entra")
    refs = [
        created(product, name, password="Secret 1234567!", **{NICK: {"mailNickname": name}}) for name in ("ann", "bob")
    ]
    team = group(product)
    assert ask(product, "PATCH", f"/Groups/{team}", adding(refs[0]))[0] == 204
    found = ask(product, "GET", "/Users", cursor="", filter=f'groups.value eq "{team}"')[1]
    assert [one["id"] for one in found["resources"]] == [refs[0]]
    found = ask(product, "GET", "/Users", filter=f'groups.value eq "{team}" and id eq "{refs[1]}"')[1]
    assert found["resources"] == []


def test_changes_of_members_must_be_as_the_preset_says(doubles: Doubles) -> None:
    product = doubles.product("entra")
    refs = [
        created(product, f"user{n}", password="Secret 1234567!", **{NICK: {"mailNickname": "x"}}) for n in range(21)
    ]
    team = group(product)
    path = f"/Groups/{team}"
    remove = [{"op": "remove", "path": f'members[value eq "{ref}"]'} for ref in refs]
    name = {"op": "replace", "path": "displayName", "value": "Other"}
    for wrong in (
        adding(*refs),
        patch(*adding(refs[0])["Operations"], *adding(refs[1])["Operations"]),
        patch(*adding(refs[0])["Operations"], name),
        patch(*remove[:2]),
        patch({"op": "remove", "path": "members", "value": [{"value": refs[0]}]}),
        patch({"op": "replace", "path": "members", "value": [{"value": refs[0]}]}),
        patch({"op": "remove", "path": "members"}),
    ):
        assert ask(product, "PATCH", path, wrong)[0] == 400
        assert forbidden(product)
    assert product.groups()[0].get("members", []) == []
    assert ask(product, "PATCH", path, adding(*refs[:20]))[0] == 204
    assert ask(product, "PATCH", path, patch(remove[0]))[0] == 204
    assert ask(product, "PATCH", path, adding("nobody"))[0] == 404
    assert len(product.groups()[0]["members"]) == 19


def test_members_are_removed_as_the_product_wants_it(doubles: Doubles) -> None:
    for name, right in (
        ("aws", lambda a, b: {"op": "remove", "path": "members", "value": [{"value": a}, {"value": b}]}),
        ("keycloak", lambda a, b: {"op": "remove", "path": f'members[value eq "{a}" or value eq "{b}"]'}),
    ):
        product = doubles.product(name)
        ann, bob = created(product, "ann"), created(product, "bob")
        team = group(product)
        product._set_members(team, [ann, bob])
        one_by_one = patch(*({"op": "remove", "path": f'members[value eq "{ref}"]'} for ref in (ann, bob)))
        assert ask(product, "PATCH", f"/Groups/{team}", one_by_one)[0] == 400
        assert forbidden(product)
        assert ask(product, "PATCH", f"/Groups/{team}", patch(right(ann, bob)))[0] == 200
        assert product.groups()[0].get("members", []) == []


def test_what_cannot_be_made_or_deleted_is_refused(doubles: Doubles) -> None:
    miro, pingone, salesforce = (doubles.product(name) for name in ("miro", "pingone", "salesforce"))
    assert ask(miro, "POST", "/Groups", {"displayName": "Team"})[0] == 405
    assert forbidden(miro)
    assert ask(pingone, "GET", "/Groups")[0] == 404
    assert forbidden(pingone)
    ref = created(salesforce, entitlements=[{"value": "profile"}])
    assert ask(salesforce, "DELETE", f"/Users/{ref}")[0] == 405
    assert forbidden(salesforce)


def test_a_body_may_be_too_large(doubles: Doubles) -> None:
    product = doubles.product("miro")
    team = product.found_group()
    large = patch({"op": "add", "path": "members", "value": [{"value": "a" * 800_000}]})
    assert ask(product, "PATCH", f"/Groups/{team}", large)[0] == 413
    assert forbidden(product)


def test_deleting_may_only_switch_off_and_hide(doubles: Doubles) -> None:
    slack, atlassian = doubles.product("slack"), doubles.product("atlassian")
    ann, bob = created(slack), created(atlassian)
    assert ask(slack, "DELETE", f"/Users/{ann}")[0] == 204
    assert ask(slack, "GET", f"/Users/{ann}")[1]["active"] is False
    assert ask(atlassian, "DELETE", f"/Users/{bob}")[0] == 204
    assert ask(atlassian, "GET", f"/Users/{bob}")[0] == 404
    assert ask(atlassian, "GET", "/Users", filter='userName eq "ann"')[1]["Resources"] == []
    on = patch({"op": "replace", "path": "active", "value": True})
    assert ask(atlassian, "PATCH", f"/Users/{bob}", on)[0] == 200
    assert ask(atlassian, "GET", f"/Users/{bob}")[0] == 200


def test_a_pending_user_takes_nothing_and_says_that_it_did(doubles: Doubles) -> None:
    product = doubles.product("zoom")
    product.invites = True
    ref = created(product)
    product.limits.reset()
    whole = person(title="Boss")
    status, found = ask(product, "PUT", f"/Users/{ref}", whole)
    assert (status, found.get("title")) == (200, None)
    product.pending.clear()
    product.limits.reset()
    status, found = ask(product, "PUT", f"/Users/{ref}", whole)
    assert (status, found["title"], found["userName"]) == (200, "Boss", "ann")


def test_who_is_new_may_be_missing_in_the_next_lists(doubles: Doubles) -> None:
    product = doubles.product("generic")
    product.lag = 2
    created(product)
    seen = [len(ask(product, "GET", "/Users", filter='userName eq "ann"')[1]["Resources"]) for _ in range(3)]
    assert seen == [0, 0, 1]


def test_too_many_requests_are_refused_with_the_time_to_wait(doubles: Doubles) -> None:
    product = doubles.product("slack")
    statuses = [ask(product, "POST", "/Users", person(f"user{number}"))[0] for number in range(21)]
    assert statuses == [201] * 20 + [429]
    assert forbidden(product)
    doubles.clock.sleep(1)
    assert ask(product, "POST", "/Users", person("late"))[0] == 201


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"User-Agent": ""}, 403), ({"Accept": "text/html"}, 415), ({"Content-Type": "application/json"}, 415)],
)
def test_headers_are_asked_for(doubles: Doubles, headers: dict[str, str], status: int) -> None:
    product = doubles.product("aws")
    assert ask(product, "POST", "/Users", person(), headers)[0] == status
    assert forbidden(product)


def test_operations_without_a_path_and_other_methods_are_refused(doubles: Doubles) -> None:
    aws, zoom = doubles.product("aws"), doubles.product("zoom")
    ann, bob = created(aws), created(zoom)
    doubles.clock.sleep(2)
    assert ask(aws, "PATCH", f"/Users/{ann}", patch({"op": "replace", "value": {"title": "Boss"}}))[0] == 400
    assert forbidden(aws)
    assert ask(zoom, "PATCH", f"/Users/{bob}", patch({"op": "replace", "path": "title", "value": "Boss"}))[0] == 405
    assert forbidden(zoom)
    doubles.clock.sleep(2)
    assert ask(zoom, "PATCH", f"/Users/{bob}", patch({"op": "replace", "path": "active", "value": False}))[0] == 200
    assert ask(aws, "PUT", f"/Users/{ann}", person())[0] == 405
    assert forbidden(aws)
    assert ask(aws, "GET", "/Me")[0] == 404
    assert forbidden(aws)


def test_a_product_says_what_it_can_do(doubles: Doubles) -> None:
    entra, salesforce = doubles.product("entra"), doubles.product("salesforce")
    assert ask(entra, "GET", "/ServiceProviderConfig")[1]["pagination"] == {
        "cursor": True,
        "index": False,
        "maxPageSize": 100,
    }
    assert ask(salesforce, "GET", "/ServiceProviderConfig")[0] == 404
    assert forbidden(salesforce)
    assert ask(salesforce, "GET", "/ServiceProviderConfigs")[1]["patch"] == {"supported": True}
    assert ask(entra, "GET", "/Schemas")[1]["totalResults"] > 1
