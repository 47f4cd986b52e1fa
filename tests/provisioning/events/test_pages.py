"""The pages of events: adding a receiver, its test event, its log and what was given up."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from provisioning import services
from provisioning.events.kinds import KINDS
from provisioning.events.models import Attempt, Envelope, EventDelivery, OutgoingEvent, Stream, Subscription
from provisioning.models import User
from reports.models import Event as ReportLine
from tests.provisioning.admin.conftest import client_of, it_staff
from tests.provisioning.events.conftest import Receiver, send, subscribe

__all__ = ["client_of", "it_staff"]
pytestmark = pytest.mark.django_db
LIST = "/events/subscription/"


def typed(address: str, **values: Any) -> dict[str, Any]:
    return {
        "name": "SIEM",
        "url": address,
        "envelope": Envelope.WEBHOOK,
        "kinds": ["user.created", "user.deleted"],
        "fields_sent": ["profile.username"],
        "give_up_days": 5,
        "_save": "1",
        **values,
    }


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


@pytest.mark.heavy
def test_a_receiver_is_added_tested_and_looked_at(it_staff: Client, receiver: Receiver) -> None:
    empty = text(it_staff, LIST)
    assert "No receiver yet." in empty
    assert "0 receivers" in " ".join(empty.split())
    answer = it_staff.post(f"{LIST}add/", typed(f"{receiver.server.url}/hook/k3y", token="t0ken-7"))
    assert answer.status_code == 302, answer.content.decode()
    one = Subscription.objects.get()
    page = f"{LIST}{one.pk}/"
    assert (one.kinds, one.fields) == (["user.created", "user.deleted"], ["profile.username"])
    shown = text(it_staff, f"{page}change/")
    assert "t0ken-7" not in shown
    assert one.secrets["secret"] not in shown
    assert one.secrets["secret"] in it_staff.post(f"{page}show/").content.decode()
    assert ReportLine.objects.filter(message__endswith="looked at the secret of SIEM.").count() == 1
    answer = it_staff.post(f"{page}test/", follow=True)
    assert "took the test event (204" in answer.content.decode()
    assert receiver.kinds() == ["test"]
    receiver.answer, receiver.body = (lambda came: 403), b"Who are you?"
    answer = it_staff.post(f"{page}test/", follow=True)
    assert "did not take the test event. The receiver answered 403" in answer.content.decode()
    log = text(it_staff, f"{page}log/")
    assert log.count('<td data-label="Event"') == 2
    assert "Who are you?" in log
    assert text(it_staff, f"{page}log/?which=failed").count('<td data-label="Event"') == 1
    assert "k3y" not in text(it_staff, LIST)
    fresh = it_staff.post(f"{page}rotate/").content.decode()
    one.refresh_from_db()
    assert one.secrets["secret"] in fresh
    assert "Secrets before it sign too, the last one until" in fresh
    assert it_staff.post(f"{LIST}{one.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "ftp://receiver.example.com"}, "Type a whole address"),
        ({"url": "https://a:b@receiver.example.com"}, "holds a user name or a password"),
        ({"filter": "user.shoe_size gt 40"}, "is nothing that an event tells"),
        ({"filter": "type eq"}, "The filter cannot be read"),
        ({"kinds": []}, "This field is required."),
        ({"envelope": "set", "kinds": ["import.failed"]}, "Security event tokens tell of users, groups"),
        ({"give_up_days": 99}, "less than or equal to 30"),
        ({"token": "a\x07b"}, "plain letters"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(it_staff: Client, values: dict[str, Any], words: str) -> None:
    answer = it_staff.post(f"{LIST}add/", typed("https://receiver.example.com/hook", **values))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Subscription.objects.exists()


def test_a_token_does_not_follow_to_another_host(it_staff: Client) -> None:
    one = subscribe("https://receiver.example.com/hook", kinds=list(KINDS))
    one.secrets = {**one.secrets, "token": "t0ken-7"}
    one.save()
    elsewhere = typed("https://elsewhere.example.net/hook")
    answer = it_staff.post(f"{LIST}{one.pk}/change/", elsewhere)
    assert "type its token again" in answer.content.decode()
    answer = it_staff.post(f"{LIST}{one.pk}/change/", typed("https://receiver.example.com/other"))
    assert answer.status_code == 302
    one.refresh_from_db()
    assert one.secrets["token"] == "t0ken-7"
    assert it_staff.post(f"{LIST}{one.pk}/change/", {**elsewhere, "forget_token": "on"}).status_code == 302
    one.refresh_from_db()
    assert "token" not in one.secrets


@pytest.mark.heavy
def test_what_was_given_up_is_sent_again_or_dropped(it_staff: Client, receiver: Receiver) -> None:
    one = subscribe(receiver.server.url)
    page = f"{LIST}{one.pk}/given-up/"
    assert "Nothing was given up." in text(it_staff, page)
    for name in ("ada", "bob", "eve"):
        services.save_user(User(username=name), "root")
    send(one)
    receiver.came.clear()
    again = list(OutgoingEvent.objects.order_by("pk"))
    streams = {stream.subject: stream.pk for stream in Stream.objects.all()}
    words = {"parked": timezone.now(), "parked_code": "http_500", "parked_message": "The receiver answered 500."}
    dead = [
        EventDelivery.objects.create(
            subscription=one, event=event, stream_id=streams[event.subject], reason=event.kind, **words
        )
        for event in again
    ]
    assert "The receiver answered 500." in text(it_staff, page)
    assert "Given up: 3" in text(it_staff, f"{LIST}{one.pk}/change/")
    assert '<span class="rc-wrong">3</span>' in text(it_staff, LIST)
    for action in ("again", "drop"):
        answer = it_staff.post(f"{page}decide/", {"action": action}, follow=True)
        assert "Nothing was chosen." in answer.content.decode()
    assert EventDelivery.objects.filter(parked__isnull=False).count() == 3
    it_staff.post(f"{page}decide/", {"action": "again", "delivery": [dead[0].pk]})
    it_staff.post(f"{page}decide/", {"action": "drop", "delivery": [dead[1].pk]})
    assert EventDelivery.objects.filter(parked__isnull=False).count() == 1
    it_staff.post(f"{page}decide/", {"action": "again", "all": "1"})
    send(one)
    assert [came.json["data"]["user"]["username"] for came in receiver.came] == ["ada", "eve"]
    attempts = Attempt.objects.filter(identifier="bob")
    it_staff.post(f"{LIST}{one.pk}/again/", {"attempt": [attempt.pk for attempt in attempts]})
    send(one)
    assert receiver.came[-1].json["data"]["user"]["username"] == "bob"


@pytest.mark.heavy
def test_auditors_look_and_change_nothing(client_of: Callable[..., Client]) -> None:
    one = subscribe("https://receiver.example.com/hook/k3y")
    auditor = client_of("Auditor")
    assert "k3y" not in text(auditor, f"{LIST}{one.pk}/change/")
    for address in ("test", "switch", "show", "rotate", "again", "given-up/decide"):
        assert auditor.post(f"{LIST}{one.pk}/{address}/").status_code == 403
    assert client_of("Helpdesk").get(LIST).status_code == 403


@pytest.mark.parametrize("asked", ["q=k3y", "url__contains=k3y", "url__startswith=https://receiver.example.com/hook/k"])
def test_nobody_finds_out_what_an_address_hides(client_of: Callable[..., Client], asked: str) -> None:
    subscribe("https://receiver.example.com/hook/k3y")
    auditor = client_of("Auditor")
    assert "receiver.example.com" in text(auditor, f"{LIST}?q=audit")
    assert "receiver.example.com" not in text(auditor, f"{LIST}?{asked}")


def test_switching_on_says_from_when_events_are_sent(it_staff: Client, settings: Any) -> None:
    settings.EVENTS_LOOK_SECONDS = 7.0
    one = subscribe("https://receiver.example.com/hook", enabled=False)
    answer = it_staff.post(f"{LIST}{one.pk}/switch/", follow=True)
    assert "What happens is sent within 7 seconds from now on." in answer.content.decode()


@pytest.mark.heavy
def test_start_tells_of_a_receiver_that_takes_nothing(it_staff: Client) -> None:
    one = subscribe("https://receiver.example.com/hook")
    Subscription.objects.filter(pk=one.pk).update(unreachable_since=timezone.now(), last_error="It is away.")
    start = text(it_staff, "/")
    assert "Audit takes no events" in start
    it_staff.post(f"{LIST}{one.pk}/switch/")
    assert "Audit takes no events" not in text(it_staff, "/")
    it_staff.post(f"{LIST}{one.pk}/switch/")
    one.refresh_from_db()
    assert (one.enabled, one.unreachable_since) == (True, None)
