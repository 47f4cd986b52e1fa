"""What each directory would get if some attributes of a user were others; nothing is written, nobody is asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from directories.attributes import Kind
from directories.models import Directory
from provisioning import services
from provisioning.models import User
from provisioning.profile.person import catalogue
from provisioning.profile.values import parse
from provisioning.services import Step, on_demand

ACTIVE, PROVISIONED = "is_active", "provisioned"


@dataclass(frozen=True, slots=True)
class DirectoryEffect:
    """What one directory would get."""

    directory: str
    words: str
    changes: tuple[tuple[str, str, str], ...] = ()


def choices() -> list[tuple[str, str]]:
    """Return the attributes that may be tried, as "kind.name" with their labels."""
    tried = {(Kind.PROFILE, "active"): "", (Kind.PROFILE, "username"): "", (Kind.PROFILE, "manager"): ""}
    return [
        (f"{kind.value}.{name}", attribute.label)
        for (kind, name), attribute in catalogue().items()
        if (kind, name) not in tried
    ]


def apply(user: User, values: Mapping[str, str]) -> list[str]:
    """Change the user as held in memory, who must not be saved; return what is wrong with values."""
    problems = []
    known = {f"{kind.value}.{name}": attribute for (kind, name), attribute in catalogue().items()}
    for path, raw in values.items():
        if path in (ACTIVE, PROVISIONED):
            setattr(user, path, raw == "yes")
            continue
        attribute = known.get(path)
        if attribute is None:
            problems.append("There is no such attribute any more.")
            continue
        try:
            value = parse(attribute, raw)
        except ValueError as error:
            problems.append(f"{attribute.label}: {error}")
            continue
        if attribute.kind == Kind.PROFILE:
            setattr(user, attribute.name, "" if value is None else value)
        else:
            user.custom_profile = {**user.custom_profile, attribute.name: value}
    return problems


def effects(user: User) -> list[DirectoryEffect]:
    """Return what each directory would get of the user as held in memory."""
    found = []
    for directory in Directory.objects.order_by("name"):
        plan = services.preview(user, directory)
        would = " and ".join(on_demand.DOES[Step(step)] for step in plan.steps)
        words = f"Would {would}. {plan.reason}".strip() if would else plan.reason
        changes = tuple(
            (name, on_demand.shown(name, old), on_demand.shown(name, new)) for name, (old, new) in plan.changes.items()
        )
        found.append(DirectoryEffect(directory.name, words or f"{directory.name} is in sync.", changes))
    return found


def differences(before: list[DirectoryEffect], after: list[DirectoryEffect]) -> list[tuple[DirectoryEffect, bool]]:
    """Return the effects of the changed user, each with whether it differs from what happens anyway."""
    return [(new, new != old) for old, new in zip(before, after, strict=True)]
