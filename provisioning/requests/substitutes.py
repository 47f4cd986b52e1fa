"""Who decides requests instead of somebody: named and taken back, with a line in the report and in the evidence."""

from django.db import transaction

from provisioning.requests.models import Substitute
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

NAMED = "{user} lets {other} decide requests instead of them from {starts:%Y-%m-%d} to {ends:%Y-%m-%d}."
TAKEN = "{user} took back that {other} decides requests instead of them."


@transaction.atomic
def save(one: Substitute, actor: str) -> None:
    """Let somebody decide instead of somebody else."""
    one.save()
    _told(one, NAMED, actor)


@transaction.atomic
def remove(one: Substitute, actor: str) -> None:
    """Let them decide no more."""
    _told(one, TAKEN, actor, gone=True)
    one.delete()


def _told(one: Substitute, how: str, actor: str, *, gone: bool = False) -> None:
    user, other = one.user, one.substitute
    words = how.format(user=user, other=other, starts=one.starts, ends=one.ends)
    if actor != user.username:
        words = f"{words} {actor} said so."
    kind = (Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS)
    record(Line(user.username, "", *kind, words, actor=actor, user_id=user.pk))
    state = {"of": user.username, "substitute": other.username, "from": one.starts, "to": one.ends}
    evidence.changed(f"substitute {one.pk}", None if gone else state, words, actor)
