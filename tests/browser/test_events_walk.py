"""Events by clicks: a receiver is added and tested, hears of a change, fails, and gets what was given up."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from provisioning import services
from provisioning.events.models import EventDelivery, Stream, Subscription
from provisioning.models import User
from tests.browser.conftest import Look
from tests.browser.test_safety_walks import SafetyWalk
from tests.provisioning.events.conftest import Receiver, networks, receiver, send

__all__ = ["networks", "receiver"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_receiver_is_added_hears_of_a_change_and_gets_what_was_given_up(
    page: Page, sign_in: Callable[[Page, User], None], look: Look, receiver: Receiver
) -> None:
    page.goto("/login/")
    sign_in(page, User.objects.create_superuser("root", provisioned=False))
    page.goto("/")
    walk = SafetyWalk(page, look)
    walk.sidebar("Events")
    walk.fits("no-receiver")
    page.get_by_role("link", name="Add receiver").first.click()
    walk.fill(name="SIEM", url=receiver.server.url)
    for kind in ("A user was added", "A user was changed", "A user was deleted"):
        page.get_by_label(kind, exact=True).check()
    page.get_by_label("Department", exact=True).check()
    walk.fits("add")
    walk.button("Save")
    walk.says("Give the receiver its secret, and send a test event.")
    walk.button("Show the secret")
    walk.says("whsec_")
    walk.fits("secret")
    walk.button("Send a test event")
    walk.says("SIEM took the test event (204")

    one = Subscription.objects.get()
    receiver.answer, receiver.body = (lambda came: 500), b"The disk is full."
    services.save_user(User(username="ada", department="Sales"), "root")
    send(one)
    page.get_by_role("link", name="Log of deliveries").click()
    walk.says("It said: The disk is full.")
    walk.fits("log")
    Stream.objects.update(attempts=19, not_before="2026-01-01T00:00Z")
    send(one)
    assert EventDelivery.objects.filter(parked__isnull=False).count() == 1
    page.get_by_role("link", name="SIEM").click()
    walk.fits("failing")
    page.get_by_role("link", name="Given up (1)").click()
    walk.fits("given-up")
    page.get_by_label("Choose user.created of ada").check()
    walk.button("Send again")
    walk.says("1 event is tried again now, in order.")
    receiver.answer = lambda came: 204
    send(one)
    assert [came.json["data"]["user"]["department"] for came in receiver.came[1:]] == ["Sales"] * 3
    page.goto("/events/subscription/")
    expect(page.get_by_text("On", exact=True)).to_be_visible()
    walk.fits("list")
