"""A user, a group and a department as of a moment, walked back over the report."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from provisioning import services
from provisioning.history import past
from provisioning.identities.restoring import restore_page
from provisioning.identities.users import remove_manager
from provisioning.models import Group, User
from provisioning.profile.facts import MEMBER
from provisioning.recycle.models import DeletedUser
from reports.models import Event
from tests.provisioning.admin import roll
from tests.provisioning.imports.conftest import Source

pytestmark = pytest.mark.django_db


def moment() -> dt.datetime:
    """Return a moment that nothing happens at: what came before it is older, and what follows is newer."""
    return timezone.now()


def change(user: User, **values: Any) -> None:
    for name, value in values.items():
        setattr(user, name, value)
    services.save_user(user, "ida")


def made(username: str, **values: Any) -> User:
    user = User(username=username, **values)
    services.save_user(user, "ida")
    return user


def group(name: str = "Sales") -> Group:
    made = Group(name=name)
    services.save_group(made, "ida")
    return made


@pytest.mark.heavy
def test_every_moment_is_as_it_was_then() -> None:
    """Whatever is done, walking back gives what was there: compared with what was seen at each moment."""
    never = moment()
    anna, boss, sales = made("anna", department="Sales"), made("boss"), group()
    seen: list[tuple[dt.datetime, past.Past]] = []

    def look() -> None:
        at = moment()
        seen.append((at, past.user(anna.pk, at)))

    look()
    change(anna, department="IT", manager=boss, custom_attributes={"nick": "Ann"})
    services.add_members(sales, [anna.pk], "ida")
    look()
    services.rename_and_save(User.objects.get(pk=anna.pk), "anna.berg", "ida")
    services.set_active([anna.pk], False, "ida")
    look()
    remove_manager(boss, "ida")
    services.remove_members(sales, [anna.pk], "ida")
    look()
    services.delete_users([anna.pk], "ida")
    for at, then in seen:
        now = past.user(anna.pk, at)
        assert (now.exists, now.name, now.values, now.members) == (True, then.name, then.values, then.members)
        assert not now.unknown
    assert [then.values.get("Department") for _, then in seen] == ["Sales", "IT", "IT", "IT"]
    assert [then.name for _, then in seen] == ["anna", "anna", "anna.berg", "anna.berg"]
    assert [then.members for _, then in seen] == [{}, {sales.pk: "Sales"}, {sales.pk: "Sales"}, {}]
    assert [then.values.get("Manager (user name)") for _, then in seen] == [None, "boss", "boss", None]
    assert past.user(anna.pk, moment()).exists is False
    assert past.user(anna.pk, never).exists is None  # the report is younger
    assert "Sales" not in past.user(anna.pk, never).values.values()


def test_who_is_deleted_and_restored_was_not_there_in_between() -> None:
    anna, sales = made("anna", department="Sales"), group()
    services.add_members(sales, [anna.pk], "ida")
    there = moment()
    services.delete_users([anna.pk], "ida")
    gone = moment()
    bin_id = DeletedUser.objects.get(user_id=anna.pk).pk
    [restored] = restore_page({bin_id: ""}, "ida")
    assert restored.user_id == anna.pk
    back = moment()
    change(User.objects.get(pk=anna.pk), department="IT")
    assert past.user(anna.pk, moment()).values["Department"] == "IT"
    assert past.user(anna.pk, gone).exists is False
    before = past.user(anna.pk, there)
    assert (before.exists, before.values["Department"], before.members) == (True, "Sales", {sales.pk: "Sales"})
    assert past.user(anna.pk, back).members == {sales.pk: "Sales"}
    assert past.group(sales.pk, there).members == past.group(sales.pk, back).members == {anna.pk: "anna"}
    assert past.group(sales.pk, gone).members == {}


def test_a_group_has_the_members_that_it_had_whoever_left_and_however() -> None:
    sales, inner = group(), group("Inner")
    anna, ben, carl = made("anna"), made("ben"), made("carl")
    services.add_members(sales, [anna.pk, ben.pk, carl.pk], "ida")
    services.nest_group(sales, inner, "ida")
    full = moment()
    services.remove_members(sales, [anna.pk], "ida")
    services.delete_users([ben.pk], "ida")
    services.unnest_group(sales, inner, "ida")
    few = moment()
    sales.name = "Marketing"
    services.save_group(sales, "ida")
    services.delete_groups([sales.pk], "ida")
    then = past.group(sales.pk, full)
    assert (then.name, set(then.members.values()), set(then.children.values())) == (
        "Sales",
        {"anna", "ben", "carl"},
        {"Inner"},
    )
    assert past.group(sales.pk, few).members == {carl.pk: "carl"}
    assert past.group(sales.pk, moment()).exists is False
    assert past.user(carl.pk, few).members == {sales.pk: "Marketing"}  # as it was called when they left it
    assert past.user(carl.pk, moment()).members == {}


def test_a_department_has_the_people_that_it_had() -> None:
    anna, ben, carl = (made(name, department="Sales") for name in ("anna", "ben", "carl"))
    made("dora", department="IT")
    full = moment()
    change(anna, department="IT")
    services.delete_users([ben.pk], "ida")
    made("emil", department="Sales")
    assert set(past.department("Sales", full).members.values()) == {"anna", "ben", "carl"}
    assert set(past.department("Sales", moment()).members.values()) == {"carl", "emil"}
    assert set(past.department("IT", full).members.values()) == {"dora"}
    assert carl.pk in past.department("Sales", full).members


def test_what_no_line_tells_of_is_said_not_to_be_known() -> None:
    anna = made("anna", department="Sales")
    start = moment()
    change(anna, department="IT")
    User.objects.filter(pk=anna.pk).update(department="Board")  # behind the report's back
    then = past.user(anna.pk, start)
    assert then.values["Department"] == "Sales"
    assert "no line tells of the change in between" in then.unknown[0]
    assert "“Board”" in then.unknown[0]


def test_a_line_of_days_when_memberships_had_no_values_is_named() -> None:
    anna, sales = made("anna"), group()
    start = moment()
    services.add_members(sales, [anna.pk], "ida")
    Event.objects.filter(changes__has_key=MEMBER).update(changes={}, group_id=None)
    then = past.user(anna.pk, start)
    assert "Not all is known before" in then.unknown[0]
    assert "anna was added to the group Sales." in then.unknown[0]
    Event.objects.filter(group_id=sales.pk).update(group_id=None)
    assert "no line from then names this group" in " ".join(past.group(sales.pk, start).unknown)


def test_more_lines_than_anybody_waits_for_are_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    anna = made("anna")
    start = moment()
    for name in ("IT", "Sales", "Board"):
        change(anna, department=name)
    monkeypatch.setattr("provisioning.history.lines.MOST", 2)
    then = past.user(anna.pk, start)
    assert then.exists is None
    assert then.values == {}
    assert "Choose a later one" in then.unknown[0]


@pytest.mark.heavy
def test_an_import_is_walked_back_with_its_values_and_its_groups(source: Source) -> None:
    source.put("anna", first="Anna", last="Berg", mail="a@x.org")
    source.put("ben", first="Ben")
    source.run()
    anna = User.objects.get(username="anna")
    start = moment()
    source.put("anna", first="Anne", last="Berg", mail="")
    source.run()
    assert past.user(anna.pk, start).values["First name"] == "Anna"
    assert past.user(anna.pk, moment()).values["First name"] == "Anne"
    then, now = past.user(anna.pk, start), past.user(anna.pk, moment())
    difference = {one.label: (one.before, one.after) for one in past.compare(then, now)}
    assert difference["First name"] == ("Anna", "Anne")
    source.remove("anna")
    source.run()
    assert past.user(anna.pk, moment()).values["Active"] == "no"
    assert past.user(anna.pk, start).values["Active"] == "yes"


def test_the_number_of_queries_does_not_grow_with_lines(django_assert_num_queries: Any) -> None:
    anna = made("anna")
    start = moment()
    numbers = []
    for count in (1, 12):
        for number in range(count):
            change(anna, department=f"Department {count} {number}")
        with django_assert_num_queries(6) as captured:
            past.user(anna.pk, start)
        numbers.append(len(captured))
    assert numbers[0] == numbers[1]


@pytest.mark.heavy
def test_the_page_shows_a_deleted_user_then_and_what_differs() -> None:
    anna = made("anna", department="Sales")
    then = timezone.localtime(moment() + dt.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M")
    Event.objects.filter(user_id=anna.pk).update(at=moment() - dt.timedelta(hours=2))
    services.delete_users([anna.pk], "ida")
    Event.objects.filter(operation="delete").update(at=moment() + dt.timedelta(hours=1))
    client = roll.helpdesk()
    text = roll.words(client.get("/provisioning/user/as-of/", {"what": "user", "name": "ANNA", "at": then}))
    assert "Sales" in text
    assert "as known now" in text
    assert "Passwords" in text
    nobody = roll.words(client.get("/provisioning/user/as-of/", {"what": "user", "name": "zoe", "at": then}))
    assert "knows nobody of this user name" in nobody
    assert "Choose a date." in roll.words(client.get("/provisioning/user/as-of/", {"what": "user", "name": "anna"}))
