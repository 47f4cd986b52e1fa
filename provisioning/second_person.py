"""Four eyes for the four eyes: switching them off, and raising a limit while something is held by it, wait as well.

What somebody asked for is kept (``AwaitedSettings``) and applied when another person agrees. Each step is a line of the
report and a row of the evidence.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from directories.forms.features import GUARDS, LABELS, LIMIT_LABELS
from directories.models import Directory, ProvisioningSettings
from provisioning.guard.models import AwaitedSettings
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


class NotAgreed(Exception):
    """The person cannot agree; the message says why."""


def loosened(before: ProvisioningSettings, after: ProvisioningSettings) -> dict[str, Any]:
    """Return what of a change of settings has to wait for another person, by the column's name."""
    if not before.four_eyes:
        return {}
    found: dict[str, Any] = {} if after.four_eyes else {"four_eyes": False}
    raised = {name: getattr(after, name) for name in GUARDS if getattr(after, name) > getattr(before, name)}
    return found | raised if raised and _holds(before.directory_id) else found


def _holds(directory_id: int) -> bool:
    """Return whether something of a directory waits because of a limit."""
    parked = {"directory": directory_id, "parked__isnull": False, "parked_code": HELD}
    return (
        ImportRun.objects.filter(directory=directory_id, status__in=WAITING).exclude(message="").exists()
        or Change.objects.filter(**parked).exists()
        or GroupChange.objects.filter(**parked).exists()
    )


def withhold(before: ProvisioningSettings, after: ProvisioningSettings) -> dict[str, Any]:
    """Take out of ``after`` what has to wait for another person, and return it."""
    waits = loosened(before, after)
    for name in waits:
        setattr(after, name, getattr(before, name))
    return waits


def labels(values: Mapping[str, Any]) -> list[str]:
    """Return what the page calls the settings."""
    return [{**LABELS, **LIMIT_LABELS}[name] for name in values]


def words(values: Mapping[str, Any], now: ProvisioningSettings) -> str:
    """Say what is asked for."""
    parts = []
    for name, label in zip(values, labels(values), strict=True):
        parts.append(f"“{label}” off" if name == "four_eyes" else f"“{label}” {getattr(now, name)} → {values[name]}")
    return "; ".join(parts)


def ask(directory: Directory, values: dict[str, Any], actor: str) -> str:
    """Keep what waits, in the place of what was asked for before, in the caller's transaction; return it in words."""
    AwaitedSettings.objects.update_or_create(directory=directory, defaults={"values": values, "actor": actor[:255]})
    said = words(values, ProvisioningSettings.objects.get(directory=directory))
    _tell(directory, f"{actor} asked for {said} of {directory.name}. Another person has to agree.", actor, values)
    return said


@transaction.atomic
def decide(directory: Directory, actor: str, *, agreed: bool) -> str:
    """Apply what waits, or drop it, and return what was done; raise NotAgreed when this person may not.

    Whoever asked for it may only drop it.
    """
    awaited = AwaitedSettings.objects.select_for_update().filter(directory=directory).first()
    if awaited is None:
        raise NotAgreed(GONE)
    if agreed and awaited.actor == actor:
        raise NotAgreed(SAME)
    settings = ProvisioningSettings.objects.get(directory=directory)
    said = words(awaited.values, settings)
    awaited.delete()
    if not agreed:
        message = f"{actor} refused what {awaited.actor} asked for: {said} of {directory.name}."
        _tell(directory, message, actor, awaited.values)
        return message
    ProvisioningSettings.objects.filter(pk=settings.pk).update(**awaited.values)
    message = f"{actor} agreed to what {awaited.actor} asked for: {said} of {directory.name}."
    # Whoever asked has changed the settings; the other one only looked, and may still approve plans.
    _tell(directory, message, awaited.actor, awaited.values, by=actor)
    return message


def _tell(directory: Directory, message: str, actor: str, values: Mapping[str, Any], by: str = "") -> None:
    record(Line("", directory.name, Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, message, actor=actor))
    row = {"subject": f"directory {directory.pk}", "what": message, "by": by or actor, "asked": dict(values)}
    evidence.append(EvidenceKind.APPROVAL, row)
