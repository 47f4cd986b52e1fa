"""Four eyes for the four eyes: switching them off, and raising a limit while something is held by it, wait as well.

What somebody asked for is kept (``AwaitedSettings``) and applied when another person agrees. Each step is a line of the
report and a row of the evidence. The limits are those of a directory, or the guard limits of other doors, where None
stands for the directory; those are asked about as soon as one directory asks for four eyes, as their plans are.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from directories.forms.features import GUARDS, LABELS, LIMIT_LABELS
from directories.models import Directory, ProvisioningSettings
from provisioning.blueprints import state
from provisioning.guard import door_limits
from provisioning.guard.models import AwaitedSettings, DoorLimits
from provisioning.models import Change, GroupChange, ImportRun
from provisioning.models.imports import WAITING
from provisioning.models.outbox import HELD
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, EvidenceKind, Operation, Result

SAME = "You asked for this yourself, so somebody else has to agree."
GONE = "This was decided in the meantime."
WAITS = "{words}: this waits until another person agrees, on this page."
BLUEPRINT = "Four eyes are asked for here: ask for this on the directory's page, where another person agrees."
DOORS = "guard limits"  # what the page of the other doors' limits is called
DOOR_LABELS = {
    name: f"{kind.label}{words}"
    for kind, pair in door_limits.FIELDS.items()
    for name, words in zip(pair, ("", ", in per cent"), strict=True)
}
Limits = ProvisioningSettings | DoorLimits


class NotAgreed(Exception):
    """The person cannot agree; the message says why."""


def loosened(before: ProvisioningSettings, after: ProvisioningSettings) -> dict[str, Any]:
    """Return what of a change of settings has to wait for another person, by the column's name."""
    if not before.four_eyes:
        return {}
    found: dict[str, Any] = {} if after.four_eyes else {"four_eyes": False}
    return found | _raised(before, after, GUARDS, before.directory_id)


def loosened_doors(before: DoorLimits, after: DoorLimits) -> dict[str, Any]:
    """Return the same of a change of the guard limits of other doors."""
    asked = ProvisioningSettings.objects.filter(four_eyes=True).exists()
    return _raised(before, after, DOOR_LABELS, None) if asked else {}


def _raised(before: Limits, after: Limits, names: Iterable[str], directory_id: int | None) -> dict[str, Any]:
    """Return the limits that are raised while one of them holds something."""
    raised = {name: getattr(after, name) for name in names if getattr(after, name) > getattr(before, name)}
    return raised if raised and _holds(directory_id) else {}


def _holds(directory_id: int | None) -> bool:
    """Return whether something of a directory, or of a plan without one, waits because of a limit."""
    parked = {"directory": directory_id, "parked__isnull": False, "parked_code": HELD}
    return (
        ImportRun.objects.filter(directory=directory_id, status__in=WAITING).exclude(message="").exists()
        or Change.objects.filter(**parked).exists()
        or GroupChange.objects.filter(**parked).exists()
    )


def withhold(before: ProvisioningSettings, after: ProvisioningSettings) -> dict[str, Any]:
    """Take out of ``after`` what has to wait for another person, and return it."""
    return _withheld(loosened(before, after), before, after)


def _withheld(waits: dict[str, Any], before: Limits, after: Limits) -> dict[str, Any]:
    for name in waits:
        setattr(after, name, getattr(before, name))
    return waits


@transaction.atomic
def save_doors(after: DoorLimits, actor: str) -> str:
    """Save the guard limits of other doors but for what has to wait, and return that in words, "" for nothing."""
    DoorLimits.objects.select_for_update().get_or_create(pk=door_limits.ONE)  # one person asks at a time
    before = door_limits.stored()
    waits = _withheld(loosened_doors(before, after), before, after)
    door_limits.save(after, actor)
    return ask(None, waits, actor) if waits else ""


def labels(values: Mapping[str, Any]) -> list[str]:
    """Return what the page calls the settings."""
    return [{**LABELS, **LIMIT_LABELS}[name] for name in values]


def words(values: Mapping[str, Any], now: Limits) -> str:
    """Say what is asked for."""
    parts = []
    called = [DOOR_LABELS[name] for name in values] if isinstance(now, DoorLimits) else labels(values)
    for name, label in zip(values, called, strict=True):
        parts.append(f"“{label}” off" if name == "four_eyes" else f"“{label}” {getattr(now, name)} → {values[name]}")
    return "; ".join(parts)


def now_of(directory: Directory | None) -> Limits:
    """Return the settings as they are."""
    return ProvisioningSettings.objects.get(directory=directory) if directory else door_limits.stored()


def _called(directory: Directory | None) -> str:
    return directory.name if directory else DOORS


def ask(directory: Directory | None, values: dict[str, Any], actor: str) -> str:
    """Keep what waits, in the place of what was asked for before, in the caller's transaction; return it in words."""
    AwaitedSettings.objects.update_or_create(directory=directory, defaults={"values": values, "actor": actor[:255]})
    said = words(values, now_of(directory))
    message = f"{actor} asked for {said} of {_called(directory)}. Another person has to agree."
    _tell(directory, message, actor, values)
    return said


@transaction.atomic
def decide(directory: Directory | None, actor: str, *, agreed: bool) -> str:
    """Apply what waits, or drop it, and return what was done; raise NotAgreed when this person may not.

    Whoever asked for it may only drop it.
    """
    awaited = AwaitedSettings.objects.select_for_update().filter(directory=directory).first()
    if awaited is None:
        raise NotAgreed(GONE)
    if agreed and awaited.actor == actor:
        raise NotAgreed(SAME)
    settings = now_of(directory)
    said = words(awaited.values, settings)
    awaited.delete()
    if not agreed:
        message = f"{actor} refused what {awaited.actor} asked for: {said} of {_called(directory)}."
        _tell(directory, message, actor, awaited.values)
        return message
    if isinstance(settings, DoorLimits):
        for name, value in awaited.values.items():
            setattr(settings, name, value)
        door_limits.save(settings, awaited.actor)
    else:
        ProvisioningSettings.objects.filter(pk=settings.pk).update(**awaited.values)
    message = f"{actor} agreed to what {awaited.actor} asked for: {said} of {_called(directory)}."
    # Whoever asked has changed the settings; the other one only looked, and may still approve plans.
    _tell(directory, message, awaited.actor, awaited.values, by=actor)
    if directory is not None:
        evidence.changed(f"directory {directory.pk}", state.for_evidence(directory), message, awaited.actor)
    return message


def _tell(directory: Directory | None, message: str, actor: str, values: Mapping[str, Any], by: str = "") -> None:
    name, subject = (directory.name, f"directory {directory.pk}") if directory else ("", door_limits.SUBJECT)
    record(Line("", name, Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, message, actor=actor))
    row = {"subject": subject, "what": message, "by": by or actor, "asked": dict(values)}
    evidence.append(EvidenceKind.APPROVAL, row)
