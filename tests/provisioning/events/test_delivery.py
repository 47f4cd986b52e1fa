"""Events reach a real HTTP receiver: signed, in order for each person, at least once and with one id for ever."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from config.database import bulk
from directories.models import Directory
from provisioning import services, tasks
from provisioning.events import delivery, fan_out, rotation, sending, subscriptions
from provisioning.events.models import Attempt, EventDelivery, OutgoingEvent, Stream, Subscription
from provisioning.models import User
from provisioning.outbound import batch, dispatch
from provisioning.restore import holding
from reports.models import Event as ReportLine
from tests.provisioning.events.conftest import Received, Receiver, send, subscribe

pytestmark = pytest.mark.django_db


def add(username: str, **fields: Any) -> User:
    user = User(username=username, email=f"{username}@example.org", first_name="Ada", **fields)
    services.save_user(user, "root")
    return user


def change(user: User, department: str) -> None:
    user.department = department
    services.save_user(user, "root")


def due_again() -> None:
    """Let every pause be over."""
    Stream.objects.update(not_before=timezone.now() - dt.timedelta(seconds=1), leased_until=None)
    Subscription.objects.filter(retry_at__isnull=False).update(retry_at=timezone.now() - dt.timedelta(seconds=1))


def test_a_change_arrives_signed_and_with_nothing_that_was_not_chosen(
    subscription: Subscription, receiver: Receiver
) -> None:
    ada = add("ada", department="Sales")
    change(ada, "Research")
    send(subscription)
    first, second = receiver.came
    assert first.headers["webhook-id"] == f"evt_{OutgoingEvent.objects.order_by('pk')[0].ident.hex}"
    Webhook(subscription.secrets["secret"]).verify(second.body, second.headers)
    assert second.headers["content-type"] == "application/json"
    assert second.json["type"] == "user.updated"
    data = second.json["data"]
    assert data["user"] == {
        "id": str(ada.scim_id),
        "username": "ada",
        "active": True,
        "email": "ada@example.org",
        "department": "Research",
    }
    assert data["changes"] == {"department": {"before": "Sales", "after": "Research"}}
    assert data["actor"] == "root"
    assert b"Ada" not in first.body, "the first name was not chosen"
    assert not EventDelivery.objects.exists()
    logged = Attempt.objects.order_by("pk").first()
    assert logged is not None
    assert (logged.status, logged.taken, logged.kind, logged.identifier) == (204, True, "user.created", "ada")


def test_after_a_new_secret_both_verify_for_a_week(subscription: Subscription, receiver: Receiver) -> None:
    before = subscription.secrets["secret"]
    fresh = subscriptions.rotate_secret(subscription, "root")
    add("ada")
    send(subscription)
    for secret in (before, fresh):
        Webhook(secret).verify(receiver.came[0].body, receiver.came[0].headers)
    subscription.secrets["previous"][before] = (timezone.now() - dt.timedelta(seconds=1)).isoformat()
    subscription.save()
    add("bob")
    send(subscription)
    Webhook(fresh).verify(receiver.came[1].body, receiver.came[1].headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(before).verify(receiver.came[1].body, receiver.came[1].headers)


def test_whoever_makes_a_second_new_secret_forgets_none_that_signs(
    subscription: Subscription, receiver: Receiver
) -> None:
    first, other = subscription.secrets["secret"], Subscription.objects.get()  # another window
    second = subscriptions.rotate_secret(subscription, "root")
    third = subscriptions.rotate_secret(other, "root")
    assert subscriptions.rotate_secret(subscription, "root") != third
    add("ada")
    send(subscription)
    for secret in (first, second, third, Subscription.objects.get().secrets["secret"]):
        Webhook(secret).verify(receiver.came[0].body, receiver.came[0].headers)
    for _ in range(2 * rotation.MOST):
        subscriptions.rotate_secret(subscription, "root")
    assert len(rotation.signing(Subscription.objects.get())) == rotation.MOST


def test_whoever_switches_it_meanwhile_brings_no_earlier_secret_back(subscription: Subscription) -> None:
    other = Subscription.objects.get()  # another window
    fresh = subscriptions.rotate_secret(subscription, "root")
    for enabled in (False, True):
        subscriptions.switch(other, enabled, "root")
        now = Subscription.objects.get()
        assert (now.secrets["secret"], now.enabled, other.enabled) == (fresh, enabled, enabled)
    assert len(rotation.signing(now)) == 2


def test_a_secret_that_was_replaced_before_several_could_sign_signs_on(subscription: Subscription) -> None:
    week, secret = timezone.now() + dt.timedelta(days=5), subscription.secrets["secret"]
    subscription.secrets, subscription.previous_until = {"secret": secret, "previous": "whsec_b2xk"}, week
    assert rotation.signing(subscription) == [secret, "whsec_b2xk"]
    rotation.replace(subscription, "whsec_bmV3")
    assert set(rotation.signing(subscription)) == {"whsec_bmV3", secret, "whsec_b2xk"}
    assert subscription.secrets["previous"]["whsec_b2xk"] == week.isoformat()


def test_what_is_not_taken_of_one_person_holds_up_that_person_alone(
    subscription: Subscription, receiver: Receiver
) -> None:
    ada, bob = add("ada"), add("bob")
    receiver.answer = lambda came: 500 if came.json["data"]["user"]["username"] == "ada" else 204
    send(subscription)
    change(ada, "Sales")
    change(bob, "Sales")
    send(subscription)
    taken = Attempt.objects.filter(taken=True).order_by("pk")
    assert list(taken.values_list("identifier", "kind")) == [("bob", "user.created"), ("bob", "user.updated")]
    stream = Stream.objects.get(subject=f"user {ada.pk}")
    assert stream.attempts == 1
    assert stream.not_before > timezone.now()
    receiver.answer = lambda came: 204
    due_again()
    send(subscription)
    assert receiver.kinds()[-2:] == ["user.created", "user.updated"], "in the order in which it happened"
    first_try, second_try = (
        one for one in receiver.came if one.json["data"]["user"]["username"] == "ada" and one.kind == "user.created"
    )
    assert first_try.headers["webhook-id"] == second_try.headers["webhook-id"]
    assert first_try.body == second_try.body


def test_an_event_is_given_up_in_time_and_what_follows_goes_on(subscription: Subscription, receiver: Receiver) -> None:
    ada = add("ada")
    change(ada, "Sales")
    receiver.answer = lambda came: 422 if came.kind == "user.created" else 204
    receiver.body = b"No such tenant.\nTry another."
    fan_out.fan_out()
    Stream.objects.update(attempts=delivery.TRIES - 1)
    send(subscription)
    parked = EventDelivery.objects.get()
    assert (parked.event.kind, parked.parked_code) == ("user.created", "http_422")
    assert parked.parked_message == (
        "The receiver answered 422 instead of taking the event. It said: No such tenant. / Try another."
    )
    assert receiver.kinds() == ["user.created", "user.updated"]
    receiver.answer = lambda came: 204
    assert subscriptions.retry_given_up(EventDelivery.objects.all(), "root") == 1
    send(subscription)
    assert not EventDelivery.objects.exists()
    assert receiver.came[-1].headers["webhook-id"] == receiver.came[0].headers["webhook-id"]


def test_each_event_has_all_its_tries(subscription: Subscription, receiver: Receiver) -> None:
    ada = add("ada")
    change(ada, "Sales")
    receiver.answer = lambda came: 422 if came.kind == "user.updated" else 204
    fan_out.fan_out()
    Stream.objects.update(attempts=delivery.TRIES - 1)
    send(subscription)
    assert EventDelivery.objects.get().parked is None
    assert Stream.objects.get().attempts == 1


def test_a_receiver_that_is_away_is_left_alone_and_gets_everything_later(subscription: Subscription) -> None:
    away = subscribe("http://127.0.0.1:9", "Away")  # nobody listens there
    add("ada")
    send(subscription)
    result = send(away)
    away.refresh_from_db()
    assert away.unreachable_since is not None
    assert away.failing_since is not None
    assert result.retry_in is not None
    assert EventDelivery.objects.filter(subscription=away, parked=None).count() == 1
    assert not EventDelivery.objects.filter(subscription=subscription).exists(), "nobody else waits for it"
    tried = Attempt.objects.filter(subscription=away).count()
    send(away)
    assert Attempt.objects.filter(subscription=away).count() == tried == 1


@pytest.mark.heavy
def test_a_receiver_that_only_fails_is_left_alone_after_some_events(
    subscription: Subscription, receiver: Receiver
) -> None:
    for number in range(delivery.MANY + 5):
        add(f"user{number}")
    receiver.answer = lambda came: 500
    send(subscription)
    assert len(receiver.came) == delivery.MANY
    subscription.refresh_from_db()
    assert subscription.unreachable_since is not None
    due_again()
    assert send(subscription).retry_in is not None
    assert len(receiver.came) == delivery.MANY + 1, "it answers, and fails as it did"
    receiver.answer = lambda came: 204
    due_again()
    assert send(subscription).resumed
    due_again()
    send(subscription)
    assert Attempt.objects.filter(taken=True).count() == delivery.MANY + 5
    subscription.refresh_from_db()
    assert (subscription.unreachable_since, subscription.failing_since) == (None, None)


def test_retry_after_is_kept(subscription: Subscription, receiver: Receiver) -> None:
    receiver.answer, receiver.headers = (lambda came: 429), {"Retry-After": "300"}
    add("ada")
    add("bob")
    send(subscription)
    assert len(receiver.came) == 1
    subscription.refresh_from_db()
    assert subscription.retry_at is not None
    assert subscription.retry_at > timezone.now() + dt.timedelta(seconds=290)


def test_gone_switches_the_subscription_off(subscription: Subscription, receiver: Receiver) -> None:
    receiver.answer = lambda came: 410
    add("ada")
    add("bob")
    send(subscription)
    subscription.refresh_from_db()
    assert (subscription.enabled, subscription.stopped_because) == (False, delivery.STOPPED)
    assert len(receiver.came) == 1
    assert ReportLine.objects.filter(message__startswith="Audit gets no events any more").count() == 1
    assert EventDelivery.objects.filter(parked=None).count() == 2
    receiver.answer = lambda came: 204
    subscriptions.switch(subscription, True, "root")
    due_again()
    send(subscription)
    assert receiver.kinds()[1:] == ["user.created", "user.created"]


def test_a_worker_that_dies_in_the_middle_loses_nothing(
    subscription: Subscription, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        add(f"user{number}")

    class Killed(BaseException):
        pass

    def die(came: Received) -> int:
        monkeypatch.setattr(sending.Sender, "_judged", lambda *_: (_ for _ in ()).throw(Killed()))
        return 204

    receiver.answer = lambda came: die(came) if len(receiver.came) == 3 else 204
    with pytest.raises(Killed):
        send(subscription)
    monkeypatch.undo()
    receiver.answer = lambda came: 204
    monkeypatch.setattr(batch, "SHARE_SECONDS", float("inf"))
    due_again()
    send(subscription)
    assert not EventDelivery.objects.exists()
    ids = [one.headers["webhook-id"] for one in receiver.came]
    assert set(ids) == {f"evt_{ident.hex}" for ident in OutgoingEvent.objects.values_list("ident", flat=True)}
    assert len(ids) > 4, "what was sent and not recorded is sent again, with its id"


def test_what_was_sent_can_be_sent_again_with_its_id(subscription: Subscription, receiver: Receiver) -> None:
    add("ada")
    send(subscription)
    assert subscriptions.send_again(Attempt.objects.all(), "root") == 1
    send(subscription)
    first, again = receiver.came
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.body == again.body


def test_a_receiver_that_takes_nothing_for_days_is_switched_off_with_a_line(subscription: Subscription) -> None:
    add("ada")
    fan_out.fan_out()
    subscriptions.sweep()
    Subscription.objects.update(failing_since=timezone.now() - dt.timedelta(days=6))
    subscriptions.sweep()
    subscription.refresh_from_db()
    assert (subscription.enabled, subscription.stopped_because) == (False, "It has taken no event for 5 days.")
    assert ReportLine.objects.filter(message__startswith="The portal switched events for Audit off.").exists()


@pytest.mark.parametrize("events", [1, delivery.MANY])
def test_a_receiver_for_which_nothing_waits_any_more_is_not_called_a_failing_one(
    subscription: Subscription, receiver: Receiver, events: int
) -> None:
    """What it refused was given up; that it is quiet since then says nothing of it."""
    for number in range(events):
        add(f"user{number}")
    receiver.answer = lambda came: 422
    fan_out.fan_out()
    Stream.objects.update(attempts=delivery.TRIES - 1)
    send(subscription)
    if events == delivery.MANY:
        Subscription.objects.update(unreachable_since=timezone.now(), retry_at=timezone.now(), failures=1)
    assert EventDelivery.objects.filter(parked__isnull=False).count() == events
    subscription.refresh_from_db()
    assert subscription.failing_since is not None
    long_ago = timezone.now() - dt.timedelta(days=6)
    Subscription.objects.update(failing_since=long_ago)
    Subscription.objects.filter(unreachable_since__isnull=False).update(unreachable_since=long_ago)
    subscriptions.sweep()
    subscription.refresh_from_db()
    assert (subscription.enabled, subscription.stopped_because) == (True, "")
    assert (subscription.failing_since, subscription.unreachable_since, subscription.retry_at) == (None, None, None)


def test_no_secret_is_in_the_log(subscription: Subscription, receiver: Receiver) -> None:
    subscription.secrets = {**subscription.secrets, "token": "t0p-Secret-Token"}
    subscription.save()
    receiver.answer = lambda came: 500
    secret = subscription.secrets["secret"].encode()
    receiver.body = b"Bad t0p-Secret-Token, and " + secret + b"\x00\x1b[31m" + 9000 * b"x"
    add("ada")
    send(subscription)
    assert receiver.came[0].headers["authorization"] == "Bearer t0p-Secret-Token"
    words = Attempt.objects.get().words
    assert words.startswith("The receiver answered 500 instead of taking the event. It said: Bad …, and …")
    assert len(words) < 600
    assert words.isprintable()
    kept = str(list(Subscription.objects.values()))
    assert "t0p-Secret-Token" not in kept
    assert subscription.secrets["secret"] not in kept


def test_nothing_goes_out_while_the_portal_looks_first(subscription: Subscription, receiver: Receiver) -> None:
    Directory.objects.create(name="CRM", kind="sqlite")
    add("ada")
    holding.hold_all("A backup was restored.")
    send(subscription)
    assert receiver.came == []
    holding.let_all_go("root")
    send(subscription)
    assert len(receiver.came) == 1


def test_the_sweep_sends_what_no_message_told_of(
    subscription: Subscription, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("ada")
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(dispatch, "send", lambda task, *args, **_: sent.append((task, *args)))
    tasks.sweep()
    assert [found[:2] for found in sent if found[0] == fan_out.SEND] == [(fan_out.SEND, subscription.pk)] * 2
    tasks.send_events(subscription.pk)
    assert receiver.kinds() == ["user.created"]


@pytest.mark.heavy
def test_workers_go_on_until_nothing_is_left_and_no_more_of_them_than_may(
    subscription: Subscription, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker sends off is another turn of its own, as the queue would bring it back."""
    turns: list[tuple[Any, ...]] = []
    monkeypatch.setattr(dispatch, "send", lambda task, *args, **_: turns.append((task, *args)))
    for number in range(delivery.CHUNK + 5):
        add(f"user{number}")
    fan_out.fan_out()
    turns[:] = [turn for turn in turns if turn[0] == fan_out.SEND]
    assert len(turns) == delivery.LEASES.drains
    for _ in range(delivery.LEASES.drains):
        delivery.LEASES.claim(list(Stream.objects.order_by("pk").values_list("pk", flat=True)), 1)
    tasks.send_events(*turns.pop()[1:])
    assert receiver.came == [], "as many as may are at it"
    Stream.objects.update(leased_until=None)
    while turns:
        tasks.send_events(*turns.pop()[1:])
    assert len(receiver.came) == delivery.CHUNK + 5


def test_a_slow_receiver_makes_way_after_its_turn(
    subscription: Subscription, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TURN", -1.0)
    add("ada")
    result = send(subscription)
    assert (result.claimed, receiver.came) == (1, [])
    assert delivery.LEASES.due(subscription.pk, 10) == [Stream.objects.get().pk], "without a pause"


def test_old_events_are_forgotten_and_what_waits_is_kept(subscription: Subscription, receiver: Receiver) -> None:
    add("ada")
    send(subscription)
    add("bob")
    fan_out.fan_out()
    old = timezone.now() - dt.timedelta(days=31)
    OutgoingEvent.objects.update(at=old)
    Attempt.objects.update(at=old)
    Stream.objects.update(not_before=old)
    subscriptions.purge()
    assert [one.identifier for one in OutgoingEvent.objects.all()] == ["bob"]
    assert (Attempt.objects.count(), Stream.objects.count()) == (0, 1)
    send(subscription)
    assert receiver.came[-1].json["data"]["user"]["username"] == "bob"


def test_what_waits_for_a_receiver_that_is_off_is_forgotten_in_time(
    subscription: Subscription, receiver: Receiver
) -> None:
    other = subscribe(receiver.server.url, "Other")
    add("ada")
    fan_out.fan_out()
    Subscription.objects.filter(pk=subscription.pk).update(enabled=False)
    OutgoingEvent.objects.update(at=timezone.now() - dt.timedelta(days=31))
    subscriptions.purge()
    assert OutgoingEvent.objects.count() == 1, "it waits for the other receiver"
    send(other)
    subscriptions.purge()
    assert (OutgoingEvent.objects.count(), EventDelivery.objects.count()) == (0, 0)


def test_what_comes_while_idle_streams_are_forgotten_is_kept(
    subscription: Subscription, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = add("ada")
    send(subscription)
    Stream.objects.update(not_before=timezone.now() - dt.timedelta(days=31))
    delete = bulk.delete

    def and_something_comes_before(rows: Any) -> int:
        if rows.model is Stream and not EventDelivery.objects.exists():
            change(ada, "Sales")
            fan_out.fan_out()
        return delete(rows)

    monkeypatch.setattr(bulk, "delete", and_something_comes_before)
    subscriptions.purge()
    send(subscription)
    assert receiver.kinds() == ["user.created", "user.updated"]
