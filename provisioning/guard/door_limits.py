"""How much uploaded files, bulk actions and what is taken over may do a day without a question; and changing that.

What a change of these limits means is told with numbers of today, and each goes into the report and the evidence.
"""

from django.db import transaction

from provisioning.guard.limits import Limit, most_allowed
from provisioning.guard.losses import LossKind
from provisioning.guard.models import DoorLimits
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

ONE = 1  # the row that holds them
SUBJECT = "limits of other doors"  # of the evidence
FIELDS = {
    LossKind.OFF: ("max_off", "max_off_percent"),
    LossKind.ON: ("max_on", "max_on_percent"),
    LossKind.BLANKED: ("max_blanked", "max_blanked_percent"),
    LossKind.RENAMED: ("max_renamed", "max_renamed_percent"),
    LossKind.CHANGED: ("max_changed", "max_changed_percent"),
    LossKind.MEMBERS: ("max_lost_members", "max_lost_members_percent"),
}
WORDS = {
    LossKind.OFF: "be deactivated or deleted",
    LossKind.ON: "be activated again or restored",
    LossKind.BLANKED: "lose a value",
    LossKind.RENAMED: "get another user name",
    LossKind.CHANGED: "get another value of one attribute",
}


def stored() -> DoorLimits:
    """Return the limits as they are; the usual ones before anybody changed them."""
    return DoorLimits.objects.filter(pk=ONE).first() or DoorLimits(pk=ONE)


def limits() -> dict[LossKind, Limit]:
    """Return the limits by kind of loss."""
    held = stored()
    return {kind: Limit(getattr(held, most), getattr(held, percent)) for kind, (most, percent) in FIELDS.items()}


def meaning(people: int, memberships: int) -> list[str]:
    """Say what the limits mean for so many active people and memberships."""
    held = limits()
    found = []
    for kind, words in WORDS.items():
        most = min(people, most_allowed(held[kind], people))
        found.append(f"{most:,} of {people:,} active people may {words} a day without a question.")
    most = min(memberships, most_allowed(held[LossKind.MEMBERS], memberships))
    return [*found, f"{most:,} of {memberships:,} memberships may be lost a day without a question."]


def save(wanted: DoorLimits, actor: str) -> None:
    """Keep changed limits, with a line in the report and a row of the evidence."""
    with transaction.atomic():
        before = _plain(stored())
        wanted.pk = ONE
        wanted.save()
        after = _plain(wanted)
        changed = [
            f"{name} from {before[name]:,} to {number:,}" for name, number in after.items() if before[name] != number
        ]
        if not changed:
            return
        words = f"{actor} changed how much other doors than imports may do a day: {', '.join(changed)}."
        record(Line("", "", Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, words, actor=actor))
        evidence.changed(SUBJECT, after, words, actor)


def _plain(held: DoorLimits) -> dict[str, int]:
    return {name: getattr(held, name) for pair in FIELDS.values() for name in pair}
