"""Giving each subscription its deliveries of new events, a page a transaction and in a fixed number of queries.

One worker at a time does it, so that the deliveries of one person are in the order of the events.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from scim2_models.path import FilterNode

from config.database import bulk
from config.filter_syntax import parse
from directories.attributes import PROFILE_ATTRIBUTES
from provisioning.events import envelopes, filters
from provisioning.events.delivery import LEASES
from provisioning.events.models import Envelope, EventDelivery, FanOut, OutgoingEvent, Stream, Subscription
from provisioning.models import Group, User
from provisioning.models.outbox import Lane
from provisioning.outbound import dispatch
from provisioning.profile import person
from provisioning.recycle.models import DeletedUser

PAGE = 1000
SEND = "provisioning.tasks.send_events"
UNREADABLE = "Its filter cannot be read any more. Correct it."
PERIOD = 60.0  # seconds for which a backlog is drained before the sweep sends for it again


def fan_out() -> None:
    """Give every subscription its deliveries of the events that nobody was told of yet, and wake the workers.

    Whoever finds another worker at it leaves it to that one, which looks once more when its lock is gone: an event is
    committed before its message is sent, so the event of each message that met the lock is there by then.
    """
    while True:
        found = _page()
        if found is None:
            break
        if not found and not OutgoingEvent.objects.filter(told=False).exists():
            break


def again(deliveries: "Iterable[tuple[int, OutgoingEvent]]", actor: str) -> int:
    """Send events to subscriptions (ids) once more, with the ids that they always had; return how many."""
    rows = list(deliveries)
    with transaction.atomic():
        streams = _streams({(subscription, event.subject) for subscription, event in rows})
        bulk.insert(EventDelivery, [_row(subscription, event, streams, actor) for subscription, event in rows])
    for subscription_id in sorted({subscription for subscription, _ in rows}):
        send_to(subscription_id, LEASES.drains)
    return len(rows)


def _page() -> bool | None:
    """Do the next page and wake its receivers; return whether there was one, None when another worker is at it."""
    with transaction.atomic():
        if not FanOut.objects.filter(pk=FanOut.ONE).select_for_update(skip_locked=True, no_key=True).first():
            return None
        events = list(OutgoingEvent.objects.filter(told=False).order_by("pk")[:PAGE])
        if not events:
            return False
        labels = person.labels()
        asked = [
            (one, node, event) for one, node in _subscriptions() for event in events if _is_for(one, event, labels)
        ]
        _describe(list({event.pk: event for _, _, event in asked}.values()))
        told = {event.pk: what_it_tells(event) for event in events}
        chosen = [(one.pk, event) for one, node, event in asked if node is None or filters.holds(node, told[event.pk])]
        streams = _streams({(subscription, event.subject) for subscription, event in chosen})
        bulk.insert(EventDelivery, [_row(subscription, event, streams) for subscription, event in chosen])
        for event in events:
            event.told = True
        bulk.update(events, ["about", "told"])
    fresh: dict[int, set[int]] = {}
    for subscription, event in chosen:
        fresh.setdefault(subscription, set()).add(streams[subscription, event.subject])
    for subscription, found in sorted(fresh.items()):
        send_to(subscription, min(LEASES.drains, -(-len(found) // LEASES.chunk)))
    return True


def _is_for(subscription: Subscription, event: OutgoingEvent, labels: Mapping[str, str]) -> bool:
    if event.only_id is not None:
        return bool(event.only_id == subscription.pk)
    if event.kind not in subscription.kinds:
        return False
    return subscription.envelope != Envelope.SET or envelopes.names_something(
        event.kind, event.changes, subscription.fields, labels
    )


def _subscriptions() -> Iterator[tuple[Subscription, FilterNode | None]]:
    """Yield the subscriptions in use with their filters; one that cannot be read any more holds up nobody else."""
    for one in Subscription.objects.filter(enabled=True).order_by("pk"):
        try:
            yield one, parse(one.filter) if one.filter.strip() else None
        except ValueError:
            Subscription.objects.filter(pk=one.pk).update(enabled=False, stopped_because=UNREADABLE)


def what_it_tells(event: OutgoingEvent) -> dict[str, Any]:
    """Return what a filter can ask of an event."""
    user, group = event.about.get("user", {}), event.about.get("group", {})
    found = {"type": event.kind, "actor": event.actor, "directory": event.application, "group.name": group.get("name")}
    for part in ("profile", "custom_profile"):
        found |= {f"user.{name}".lower(): value for name, value in user.get(part, {}).items()}
    return found


def _describe(events: Sequence[OutgoingEvent]) -> None:
    """Note what is known of the users and groups of events, once for all who get them."""
    users = _users({event.user_id for event in events if event.user_id})
    groups = _groups({event.group_id for event in events if event.group_id})
    for event in events:
        if event.user_id in users:
            event.about["user"] = users[event.user_id]
        if event.group_id in groups:
            event.about["group"] = groups[event.group_id]


def _users(ids: Collection[int]) -> dict[int | None, dict[str, Any]]:
    """Return users by id, deleted ones as they are in the recycle bin."""
    found: dict[int | None, dict[str, Any]] = {}
    if not ids:
        return found
    for user in User.objects.filter(pk__in=ids).select_related("manager"):
        values = person.person_of(user)
        found[user.pk] = {
            "id": str(user.scim_id),
            "profile": {**values.profile, "active": user.is_active},
            "custom_profile": dict(values.custom_profile),
        }
    if gone := set(ids) - set(found):
        known = {attribute.name for attribute in PROFILE_ATTRIBUTES}
        images = DeletedUser.objects.filter(user_id__in=gone).order_by("pk").values_list("user_id", "image__fields")
        for user_id, fields in images:
            profile = {name: value for name, value in fields.items() if name in known}
            found[user_id] = {
                "id": fields["scim_id"],
                "profile": {**profile, "active": False},
                "custom_profile": fields["custom_profile"],
            }
    return found


def _groups(ids: Collection[int]) -> dict[int | None, dict[str, Any]]:
    if not ids:
        return {}
    rows = Group.objects.filter(pk__in=ids).values_list("pk", "scim_id", "name")
    return {pk: {"id": str(scim_id), "name": name} for pk, scim_id, name in rows}


def _streams(wanted: Collection[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Return the streams of subscriptions and subjects, making those that are missing."""
    rows = [{"subscription_id": subscription, "subject": subject} for subscription, subject in sorted(wanted)]
    bulk.insert(Stream, rows, ignore_conflicts=True)
    subjects = {subject for _, subject in wanted}
    of_these = Stream.objects.filter(subscription__in={pk for pk, _ in wanted}, subject__any_of=subjects).order_by()
    return {(pair[1], pair[2]): pair[0] for pair in of_these.values_list("pk", "subscription_id", "subject")}


def _row(
    subscription: int, event: OutgoingEvent, streams: Mapping[tuple[int, str], int], actor: str = ""
) -> dict[str, Any]:
    return {
        "subscription_id": subscription,
        "stream_id": streams[subscription, event.subject],
        "event_id": event.pk,
        "reason": event.kind,
        "actor": actor or event.actor,
        "lane": Lane.USUAL,
    }


def send_to(
    subscription_id: int, workers: int = 1, *, countdown: float | None = None, until: float | None = None
) -> None:
    """Let workers send what is due to one receiver, until ``until`` (seconds since 1970)."""
    for _ in range(workers):
        dispatch.send(SEND, subscription_id, until or time.time() + PERIOD, countdown=countdown, expires=PERIOD)
