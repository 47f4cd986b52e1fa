"""What a blueprint changed, kept so that it can be taken back: encrypted, since items hold secrets."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from provisioning.blueprints.state import BlueprintItem
from provisioning.models import AppliedBlueprint

KEPT = 50  # blueprints that are remembered
SECRET = "$secret"


@dataclass(frozen=True, slots=True)
class BlueprintPart:
    """One item of a blueprint: what it was (None: it is new), and what it is now."""

    section: str
    name: str
    before: BlueprintItem | None
    after: BlueprintItem


def remember(parts: Iterable[BlueprintPart], differences: int, actor: str, *, undoes: int | None = None) -> None:
    """Keep what a blueprint changed, in its transaction."""
    items = [
        {"section": one.section, "name": one.name, "before": plain(one.before), "after": plain(one.after)}
        for one in parts
        if one.before != one.after
    ]
    if items:
        kept: dict[str, Any] = {"items": items, "differences": differences, "undoes": undoes}
        AppliedBlueprint.objects.create(actor=actor[:255], **kept)
        old = list(AppliedBlueprint.objects.order_by("-pk").values_list("pk", flat=True)[KEPT:])
        AppliedBlueprint.objects.filter(pk__in=old).delete()


def plain(value: Any) -> Any:
    """Return the value as JSON, for an encrypted column alone: secrets in clear."""
    if isinstance(value, SecretStr):
        return {SECRET: value.get_secret_value()}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def opened(value: Any) -> Any:
    """Return what ``plain`` was given."""
    if isinstance(value, dict):
        if set(value) == {SECRET}:
            return SecretStr(value[SECRET])
        return {key: opened(each) for key, each in value.items()}
    return [opened(each) for each in value] if isinstance(value, list) else value
