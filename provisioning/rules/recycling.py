"""What rules gave to one who is deleted, as a part of the image, so that it is not taken for what people gave by hand.

Who is restored has it until rules are asked again, which is within the minute. What was given on request does not come
back: whoever is deleted has given it back.
"""

from collections.abc import Collection, Mapping
from typing import Any

from config.database import bulk
from provisioning.recycle.images import Keeper
from provisioning.rules import looks
from provisioning.rules.models import Entitlement, Granted

NAMES = ("entitlement_id", "directory_id", "value", "before", "wins")


def take(user_ids: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """Return what rules gave these users."""
    found: dict[int, list[dict[str, Any]]] = {}
    rows = Granted.objects.filter(user__in=user_ids).exclude(entitlement=None).order_by("pk")
    for row in rows.values("user_id", *NAMES):
        found.setdefault(row.pop("user_id"), []).append(row)
    return found


def give(parts: Mapping[int, list[dict[str, Any]]]) -> dict[int, list[str]]:
    """Note it as given by rules again, as far as these are there, and let the users be looked at."""
    wanted = {row["entitlement_id"] for held in parts.values() for row in held}
    there = set(Entitlement.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    rows = [{"user_id": user, **row} for user, held in parts.items() for row in held if row["entitlement_id"] in there]
    bulk.insert(Granted, rows, ignore_conflicts=True)
    looks.ask(parts)
    return {}


KEEPER = Keeper("rules", take, give)
