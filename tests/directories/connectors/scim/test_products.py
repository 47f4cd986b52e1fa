"""Every product, driven by the connector: nothing is ever sent that its preset forbids (the double sees to that)."""

from collections.abc import Callable
from typing import Any

import pytest

from directories.connectors.base import Capability, ConnectorConfig, ConnectorError, Entry, GroupEntry, Unavailable
from directories.connectors.gateway.description import describe, dump_description, load_description
from directories.connectors.scim import Scim
from directories.connectors.scim.presets import all_names
from tests.doubles.scim.server import TOKEN, Doubles

FIRST, LAST, SHOWN, MAIL = "name.givenName", "name.familyName", "displayName", 'emails[type eq "work"].value'
NICK = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User:mailNickname"
PROFILE = 'entitlements[type eq "profile"].value'
# What a product wants beside what everybody maps.
FURTHER: dict[str, dict[str, str]] = {"entra": {NICK: "{key}"}, "salesforce": {PROFILE: "00e5g"}}
PASSWORD = "Secret 1234567!"

Opened = Callable[..., Scim]


@pytest.fixture
def opened(doubles: Doubles) -> Opened:
    """Return a connector to a product."""

    def open_(name: str, **settings: Any) -> Scim:
        values = {"product": name, "url": doubles.url(name), "auth": "bearer", "secret": TOKEN, **settings}
        values["passwords"] = "password" in doubles.product(name).preset.user.required
        return Scim(ConnectorConfig(values, attributes=[FIRST, LAST, SHOWN, MAIL, *FURTHER.get(name, {})]))

    return open_


def person(name: str, key: str = "ann", *, ref: str = "", **values: Any) -> Entry:
    further = {path: value.format(key=key) for path, value in FURTHER.get(name, {}).items()}
    usual = {FIRST: "Ann", LAST: "Lee", SHOWN: f"Ann Lee ({key})", MAIL: f"{key}@example.org"}
    return Entry(key, ref, {**usual, **further, **values}, {"username": key}, f"portal-{key}")


def people(doubles: Doubles, name: str, count: int) -> list[Entry]:
    """Put people into a product by a back door, and return their accounts."""
    return [Entry(f"user{number}", ref) for number, ref in enumerate(doubles.product(name).fill(count))]


@pytest.mark.parametrize("name", all_names())
def test_a_person_comes_changes_leaves_and_is_gone(name: str, doubles: Doubles, opened: Opened) -> None:
    product = doubles.product(name)
    with opened(name) as connector:
        found = connector.test()
        assert found.ok, found.steps
        assert connector.find(person(name)) is None
        ann = connector.create(person(name), PASSWORD)
        assert ann.ref
        again = connector.find(person(name, ref=ann.ref))
        assert again is not None
        assert (again.ref, again.enabled) == (ann.ref, True)
        changed = connector.update(person(name, ref=ann.ref, **{SHOWN: "Ann Fox", LAST: "Fox"}), again)
        assert changed.attributes[LAST] == "Fox"
        assert product.users()[0]["displayName"] == "Ann Fox"
        before = len(product.seen)
        connector.update(person(name, ref=ann.ref, **{SHOWN: "Ann Fox", LAST: "Fox"}))
        assert {one.method for one in product.seen[before:]} == {"GET"}
        connector.disable(person(name, ref=ann.ref))
        assert product.users()[0]["active"] is False
        if product.preset.after_deactivate == "readable":
            connector.enable(person(name, ref=ann.ref))
        else:
            back = connector.create(person(name, ref=ann.ref, **{LAST: "Lee"}), PASSWORD)
            assert (back.ref, back.enabled, back.attributes[LAST]) == (ann.ref, True, "Lee")
        assert [one["active"] for one in product.users()] == [True]
        if Capability.DELETE in connector.capabilities:
            connector.delete(person(name, ref=ann.ref))
            connector.delete(person(name, ref=ann.ref))
        left = product.users()
        assert not left or left[0]["active"] is (product.preset.delete.user == "never")


def test_who_is_gone_for_good_and_comes_back_is_made_anew(doubles: Doubles, opened: Opened) -> None:
    with opened("atlassian") as connector:
        made = connector.create(person("atlassian", ref="gone"))
    assert made.ref != "gone"
    assert [one["userName"] for one in doubles.product("atlassian").users()] == ["ann"]


@pytest.mark.parametrize("name", all_names())
def test_a_group_comes_takes_members_and_is_gone(name: str, doubles: Doubles, opened: Opened) -> None:
    product = doubles.product(name)
    with opened(name) as connector:
        can = connector.capabilities
        if Capability.MEMBERS not in can:
            assert not product.preset.group.supported
            return
        members = people(doubles, name, 3)
        if Capability.CREATE_GROUP in can:
            team = connector.create_group(GroupEntry("Team", portal_id="portal-team")).ref
        else:
            team = product.found_group()
        held = GroupEntry("Team", team, portal_id="portal-team")
        assert connector.find_group(held) is not None
        assert connector.add_members(held, members) == []
        assert connector.add_members(held, members[:1]) == []
        assert connector.remove_members(held, members[1:]) == []
        assert connector.remove_members(held, members[1:]) == []
        assert [one["value"] for one in product.groups()[0]["members"]] == [members[0].ref]
        if Capability.UPDATE_GROUP in can:
            connector.update_group(GroupEntry("Crew", team, portal_id="portal-team"))
            assert product.groups()[0]["displayName"] == "Crew"
        if Capability.DELETE_GROUP in can:
            connector.delete_group(held)
            assert product.groups() == []


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "adds", "removals"), [("aws", 3, 1), ("entra", 13, 10), ("keycloak", 3, 1), ("miro", 1, 1)]
)
def test_250_members_reach_a_group_in_as_few_requests_as_the_product_takes(
    name: str, adds: int, removals: int, doubles: Doubles, opened: Opened
) -> None:
    product = doubles.product(name)
    members = people(doubles, name, 250)
    team = GroupEntry("Team", product.found_group())
    with opened(name) as connector:
        assert connector.add_members(team, members) == []
        assert len(product.sent("PATCH", "/Groups")) == adds
        assert len(product.groups()[0]["members"]) == 250
        assert connector.remove_members(team, members[:10]) == []
        assert len(product.sent("PATCH", "/Groups")) == adds + removals
    assert len(product.groups()[0]["members"]) == 240


def test_one_member_whom_entra_does_not_know_keeps_nobody_else_out(doubles: Doubles, opened: Opened) -> None:
    product = doubles.product("entra")
    members = people(doubles, "entra", 30)
    with opened("entra") as connector:
        team = connector.create_group(GroupEntry("Team"))
        stranger = Entry("ghost", "00000000-0000-0000-0000-000000000000")
        refused = connector.add_members(GroupEntry("Team", team.ref), [*members[:7], stranger, *members[7:]])
    assert [one.entry.key for one in refused] == ["ghost"]
    assert len(product.groups()[0]["members"]) == 30


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "pages"), [("keycloak", 3), ("entra", 3), ("slack", 1), ("aws", 3)])
def test_a_list_is_read_to_its_end_and_proves_an_absence_only_where_it_can(
    name: str, pages: int, doubles: Doubles, opened: Opened
) -> None:
    people(doubles, name, 250)
    with opened(name) as connector:
        found = list(connector.accounts())
    assert sum(len(page.accounts) for page in found) == 250
    assert len(doubles.product(name).sent("GET", "/Users")) == pages
    assert found[-1].last
    assert found[-1].whole is doubles.product(name).preset.paging.complete


def test_what_the_portal_gives_by_itself_needs_no_mapping() -> None:
    assert Scim.required({"product": "entra"}) == ["name.familyName", "name.givenName", "displayName", NICK]


@pytest.mark.parametrize("name", ["entra", "pingone"])
def test_a_product_that_wants_a_password_gets_nobody_without_one(name: str, doubles: Doubles, opened: Opened) -> None:
    with opened(name) as connector, pytest.raises(ConnectorError, match="Switch Give passwords on"):
        connector.create(person(name))
    assert not doubles.product(name).seen


def test_what_zoom_says_and_does_not_do_is_told(doubles: Doubles, opened: Opened) -> None:
    product = doubles.product("zoom")
    product.invites = True
    with opened("zoom") as connector:
        ann = connector.create(person("zoom"))
        changed = connector.update(person("zoom", ref=ann.ref, **{LAST: "Fox"}))
        assert "not confirmed the invitation" in changed.waits
        assert changed.attributes[LAST] == "Lee"
        product.pending.clear()
        assert connector.update(person("zoom", ref=ann.ref, **{LAST: "Fox"})).waits == ""


def test_a_409_that_is_no_duplicate_takes_nobody_over(doubles: Doubles, opened: Opened) -> None:
    with opened("salesforce") as connector, pytest.raises(ConnectorError, match="entitlements") as refused:
        connector.create(person("salesforce", **{PROFILE: ""}))
    assert refused.value.code == "required"
    assert not doubles.product("salesforce").users()


def test_a_newcomer_whom_the_lists_do_not_show_yet_is_not_made_twice(doubles: Doubles, opened: Opened) -> None:
    product = doubles.product("generic")
    product.lag = 2
    with opened("generic") as connector:
        ann = connector.create(person("generic"))
        assert connector.find(person("generic", ref=ann.ref)) is not None
        with pytest.raises(ConnectorError):
            connector.create(person("generic"))
    assert len(product.users()) == 1


@pytest.mark.heavy
def test_a_first_load_keeps_to_the_limits_and_takes_as_long_as_was_said(doubles: Doubles, opened: Opened) -> None:
    began = doubles.clock()
    with opened("slack", in_flight=1) as connector:
        for number in range(150):
            assert connector.find(person("slack", f"user{number}")) is None
            connector.create(person("slack", f"user{number}"))
    assert doubles.clock() - began == pytest.approx((150 - 17) / 3, rel=0.05)
    assert len(doubles.product("slack").users()) == 150


@pytest.mark.heavy
def test_a_large_group_goes_on_where_it_had_to_wait_for_its_turn(doubles: Doubles, opened: Opened) -> None:
    """GitHub takes 1,000 members an hour: each call is recorded, so that none is sent again."""
    product = doubles.product("github_emu")
    left, team = people(doubles, "github_emu", 250), GroupEntry("Team", product.found_group())
    with opened("github_emu") as connector:
        while left:
            try:
                connector.add_members(team, left[: connector.members_at_once])
            except Unavailable as error:
                doubles.clock.sleep(error.retry_after or 1)
            else:
                del left[: connector.members_at_once]
    assert len(product.groups()[0]["members"]) == 250
    assert len(product.sent("PATCH", "/Groups")) == 3


@pytest.mark.parametrize("name", all_names())
def test_every_product_can_be_reached_through_a_gateway(name: str) -> None:
    with Scim(ConnectorConfig({"product": name, "url": "https://app.example.com"})) as connector:
        said = dump_description(describe(connector, lacking={}, reads_as=""))
        assert load_description(said).members_at_once == connector.members_at_once
        assert load_description(said).adopts
