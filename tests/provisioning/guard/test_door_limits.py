"""How much other doors than imports may do a day is a setting: told with numbers, kept as evidence, never off."""

import pytest
from django.contrib.auth.models import Group as Role
from django.test import Client

from provisioning import services
from provisioning.guard import door_limits
from provisioning.guard.models import DoorLimits
from provisioning.models import User
from provisioning.roles import AUDITOR, IT_STAFF
from reports.models import Event, Evidence

pytestmark = pytest.mark.django_db
PAGE = "/guard/doorlimits/"


def people(number: int) -> list[int]:
    User.objects.bulk_create([User(username=f"u{n}", username_key=f"u{n}") for n in range(number)])
    return list(User.objects.filter(username__startswith="u").order_by("pk").values_list("pk", flat=True))


def fields(**values: int) -> dict[str, int]:
    held = DoorLimits()
    return {name: getattr(held, name) for pair in door_limits.FIELDS.values() for name in pair} | values


def signed_in(role: str) -> Client:
    person = User.objects.create_user(f"one-of-{role[:2].lower()}", is_staff=True, provisioned=False)
    person.groups.add(Role.objects.get(name=role))
    client = Client()
    client.force_login(person)
    return client


@pytest.mark.heavy
def test_a_changed_limit_holds_at_once_and_0_always_asks() -> None:
    ids = people(40)
    assert services.switch_by_plan(ids[:6], False, "admin").waits
    door_limits.save(DoorLimits(max_off=6, max_off_percent=100), "admin")
    assert not services.switch_by_plan(ids[:6], False, "admin").waits
    assert services.switch_by_plan(ids[6:7], False, "admin").waits, "after six in the last 24 hours"
    door_limits.save(DoorLimits(max_on=0), "admin")
    assert services.switch_by_plan(ids[:1], True, "admin").waits


@pytest.mark.heavy
def test_the_page_says_what_the_limits_mean_and_keeps_each_change(db: None) -> None:
    people(100)
    it = signed_in(IT_STAFF)
    page = it.get(PAGE).content.decode()
    assert "10 of 101 active people may be deactivated or deleted a day without a question." in page
    assert it.post(PAGE, fields(max_off=20, max_off_percent=50)).status_code == 302
    assert "20 of 101 active people may be deactivated or deleted a day" in it.get(PAGE).content.decode()
    words = "one-of-it changed how much other doors than imports may do a day: max_off from 50 to 20"
    assert Event.objects.filter(message__startswith=words, actor="one-of-it").count() == 1
    row = Evidence.objects.latest("seq")
    assert row.payload["subject"] == "limits of other doors"
    for values in ({"max_off_percent": 101}, {"max_off": -1}, {"max_off": ""}):
        it.post(PAGE, fields() | values)
        assert door_limits.stored().max_off == 20
    assert it.post(f"{PAGE}1/delete/", {"post": "yes"}).status_code == 403


def test_an_auditor_looks_and_changes_nothing(db: None) -> None:
    auditor = signed_in(AUDITOR)
    assert auditor.get(PAGE).status_code == 200
    auditor.post(PAGE, fields(max_off=20))
    assert door_limits.stored().max_off == 50


def test_the_page_stands_once_in_its_heading() -> None:
    page = signed_in(IT_STAFF).get(PAGE).content.decode()
    _, _, heading = page.partition('id="header-inner"')
    assert heading
    assert heading.partition("<form")[0].lower().count("guard limits") == 1
