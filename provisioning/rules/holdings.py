"""What people were given because somebody asked: the rules of products hold for them, until a moment or for good.

Writing a holding changes nothing yet: whoever it is of is looked at again, and the evaluation does the rest.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from config.database import bulk
from provisioning.rules import looks
from provisioning.rules.matching import Matched, RuleMatch
from provisioning.rules.models import BusinessRule, Holding

PAGE = 1000


def read(user_ids: Collection[int]) -> Mapping[int, Sequence[Holding]]:
    """Return what users hold: one query."""
    found: dict[int, list[Holding]] = defaultdict(list)
    for one in Holding.objects.filter(user__in=user_ids).order_by("pk"):
        found[one.user_id].append(one)
    return found


def add(matched: Matched, held: Sequence[Holding], rules: Collection[int], now: dt.datetime) -> None:
    """Let the rules of what a person holds now hold for them, and note when the first of it ends."""
    for one in held:
        if one.rule_id not in rules or (one.until is not None and one.until <= now):
            continue
        matched.matches.append(RuleMatch(one.rule_id, None))
        if one.until is not None and (matched.next_change_at is None or one.until < matched.next_change_at):
            matched.next_change_at = one.until


def give(rule_id: int, user_ids: Collection[int], until: dt.datetime | None) -> None:
    """Give a product to users until a moment, or let what they have of it go on until then: three statements."""
    rows = [{"user_id": pk, "rule_id": rule_id, "until": until} for pk in sorted(user_ids)]
    bulk.insert(Holding, rows, ignore_conflicts=True)
    Holding.objects.filter(rule=rule_id, user__in=user_ids).update(until=until)
    looks.ask(user_ids)


def take(ids: Collection[int], user_ids: Collection[int]) -> None:
    """Take holdings back, by their ids; ``user_ids`` are whose they are."""
    Holding.objects.filter(pk__in=ids).delete()
    looks.ask(user_ids)


def look_again(rule: BusinessRule) -> None:
    """Let everybody who was given a product be looked at: what it gives became another."""
    users = list(Holding.objects.filter(rule=rule).order_by("user").values_list("user_id", flat=True))
    for start in range(0, len(users), PAGE):
        looks.ask(users[start : start + PAGE])
