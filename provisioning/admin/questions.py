"""What a person confirms before a change of settings is saved that reaches many: a directory's, or an application's."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.http import QueryDict

from provisioning import services
from provisioning.guard.limits import Objection


@dataclass(frozen=True, slots=True)
class Question:
    """What a person confirms before a save. ``number`` is to be typed where limits are passed, None where not.

    ``token`` stands for what was shown: whoever confirms something else is asked again. ``wrong``: another number was
    typed.
    """

    impact: services.Reckoned
    limits: list[str]
    number: int | None
    token: str
    wrong: bool = False


def ask(impact: services.Reckoned, over: Iterable[Objection], data: QueryDict) -> Question | None:
    """Return what is to be confirmed before a save; None when it is small, or was confirmed by what was sent."""
    if impact.is_small:
        return None
    limits = [objection.words for objection in over]
    number = impact.reached if limits else None
    token = hashlib.sha256(repr((impact.sentences, limits)).encode()).hexdigest()[:16]
    confirmed = data.get("confirmed") == token
    typed = data.get("confirmed_number", "").replace(",", "").strip()
    if confirmed and (number is None or typed == str(number)):
        return None
    return Question(impact, limits, number, token, wrong=confirmed)
