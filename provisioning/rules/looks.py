"""When people are looked at again: marks, and the moments at which the window of a contract begins or ends."""

import datetime as dt
from collections.abc import Collection, Mapping

from django.db.models import F, Q
from django.utils import timezone

from config.database import bulk
from provisioning.models import User
from provisioning.rules.models import BusinessRule, Evaluation, Granted, Look

ONE = 1  # the row of the evaluation
DAILY = dt.timedelta(days=1)
LATELY = dt.timedelta(hours=1)  # whoever changed before that was looked at by the daily evaluation at the latest


def in_use() -> bool:
    """Return whether there is anything to evaluate: two queries at the most."""
    return BusinessRule.objects.filter(published=True).exists() or Granted.objects.exclude(entitlement=None).exists()


def ask(user_ids: Collection[int]) -> None:
    """Let users be looked at again: what rules ask of them became another. Nothing where no rule is in use."""
    if user_ids and in_use():
        now = timezone.now()
        rows = [{"user_id": pk, "next_at": now} for pk in sorted(user_ids)]
        bulk.insert(Look, rows, ignore_conflicts=True)
        Look.objects.filter(user__in=user_ids).update(next_at=now)


def ask_everybody(actor: str = "", *, look: bool = False) -> None:
    """Let everybody be looked at soon: a rule became another, or somebody asked. ``look``: the plan waits for them."""
    values = {"due": True, **({"look": True} if look else {}), **({"actor": actor} if actor else {})}
    Evaluation.objects.update_or_create(pk=ONE, defaults=values)


def everybody_is_due(now: dt.datetime) -> bool:
    """Return whether everybody is to be looked at: somebody asked for it, or the last time is a day ago."""
    held = Evaluation.objects.filter(pk=ONE).first()
    return held is None or held.due or held.evaluated_at is None or held.evaluated_at <= now - DAILY


def due(now: dt.datetime, most: int) -> list[int]:
    """Return users who are to be looked at, so many at the most: their moment has come, or their own row changed since.

    Two queries, each of an index.
    """
    moment = Look.objects.filter(next_at__lte=now).order_by("next_at", "pk")
    found = list(moment.values_list("user_id", flat=True)[:most])
    unseen = Q(look_of_rules=None) | Q(look_of_rules__seen=None) | ~Q(look_of_rules__seen=F("updated_at"))
    lately = User.objects.filter(unseen, updated_at__gt=now - LATELY).order_by("updated_at")
    return sorted({*found, *lately.values_list("pk", flat=True)[:most]})[:most]


def note(users: Mapping[int, dt.datetime], moments: Mapping[int, dt.datetime | None], started: dt.datetime) -> None:
    """Write when users were last changed, as they were read, and when they are due again: two statements.

    Only what differs is written, and whoever was marked since ``started`` stays due.
    """
    now = timezone.now()
    held = {
        pk: (at, seen) for pk, at, seen in Look.objects.filter(user__in=users).values_list("user", "next_at", "seen")
    }
    rows = [
        Look(user_id=pk, next_at=moments.get(pk), seen=changed)
        for pk, changed in users.items()
        if held.get(pk) != (moments.get(pk), changed) and not _marked(held.get(pk), started, now)
    ]
    Look.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["user"], update_fields=["next_at", "seen"], batch_size=1000
    )


def _marked(
    held: "tuple[dt.datetime | None, dt.datetime | None] | None", started: dt.datetime, now: dt.datetime
) -> bool:
    return held is not None and held[0] is not None and started < held[0] <= now
