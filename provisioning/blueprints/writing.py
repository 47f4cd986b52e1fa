"""Writes one part of a blueprint; a part that is as it should be is not touched."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import models
from pydantic import SecretStr

from directories.attributes import PROFILE_ATTRIBUTES, Type
from directories.described.document import Location
from directories.described.schema import declared_by
from directories.health import retry_now
from directories.models import (
    WEEKDAYS,
    AttributeMapping,
    Directory,
    ProvisioningSettings,
    QueryTemplate,
)
from provisioning import directory_settings, second_person, services
from provisioning.blueprints import state
from provisioning.blueprints.state import BlueprintItem
from provisioning.models import AttributeDefinition, Group
from provisioning.models.people import fold
from provisioning.profile.custom_attributes import count_holders, count_outside, keep
from reports import evidence

Row = TypeVar("Row", bound=models.Model)
BY_BLUEPRINT, BY_PUTTING_BACK = " by a blueprint", " by putting back"
PROFILE_NAMES = frozenset(attribute.name for attribute in PROFILE_ATTRIBUTES)


class PartRefused(Exception):
    """A part cannot be written; ``path`` is within that part."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.path: Location = path


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """What was there before (None: nothing) and what is there now.

    ``impact`` is what that does to a directory's accounts, or to the people and groups of a SCIM application, and
    ``over`` what of it is over the limits.
    """

    label: str
    before: BlueprintItem | None
    after: BlueprintItem
    directory: Directory | None = None
    impact: services.Reckoned | None = None
    over: Sequence[str] = ()


def stored(rows: "models.QuerySet[Row]", wanted: BlueprintItem, name: models.Q) -> Row | None:
    """Return the row that an item means, locked: that of the number "id", which no document can have, else of its name.

    Takes the number out of the item. Raises PartRefused where it is gone, or another one has the name by now.
    """
    number, found = wanted.pop("id", None), rows.select_for_update()
    if number is None:
        return found.filter(name).first()
    if rows.filter(name).exclude(pk=number).exists():
        raise PartRefused(
            f"Another one is called {wanted['name']} by now. Give one of them another name first.", "name"
        )
    row = found.filter(pk=number).first()
    if row is None:
        raise PartRefused("It was deleted. Add it anew.", "name")
    return row


def write_attribute(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Create or change the custom profile attribute of that name."""
    return change_attribute(AttributeDefinition.objects.filter(name=wanted["name"]).first(), wanted, actor)


def change_attribute(definition: AttributeDefinition | None, wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Change a custom profile attribute, or create one; raise PartRefused."""
    before = state.of_attribute(definition) if definition else None
    after = dict(wanted)
    if before != after:
        _keep_values(before, after)
        definition = definition or AttributeDefinition(name=wanted["name"])
        for name, value in after.items():
            setattr(definition, name, value)
        definition.save()
        keep(definition, "changed" if before else "added", actor)
    return WrittenPart("attribute", before, after)


def _keep_values(before: BlueprintItem | None, after: BlueprintItem) -> None:
    """Refuse, as the attribute's page does, what would make the values that users have unreadable."""
    name, kind = after["name"], after["type"]
    if name in PROFILE_NAMES:
        raise PartRefused("Every user has a field of that name already.", "name")
    if before is None:
        return
    if kind == Type.CHOICE and before["type"] in {Type.CHOICE, Type.TEXT}:
        if count_outside(name, after["choices"])[0]:
            raise PartRefused("Users have a value that is not among the choices.", "choices")
    elif kind != before["type"] and (before["type"], kind) != (Type.CHOICE, Type.TEXT) and count_holders(name):
        raise PartRefused("Users have values of the attribute, which are not turned into another type.", "type")


def write_group(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Create or change a group; its members stay."""
    group = Group.objects.filter(name_key=fold(wanted["name"])).first()
    before = state.of_group(group) if group else None
    chosen = _chosen(wanted["directories"]) if "directories" in wanted else {}
    after = {"directories": [], **(before or {}), **wanted}
    if "directories" in wanted:
        after["directories"] = sorted(chosen.values(), key=str.casefold)
    if before != after:
        group = group or Group()
        if not group.is_ours:
            raise PartRefused("This group comes from a directory or an application and is changed there.", "name")
        group.name, group.description = after["name"], after["description"]
        services.save_group(group, actor, chosen if "directories" in wanted else None)
    return WrittenPart("group", before, after)


def _chosen(names: list[str]) -> dict[int, str]:
    """Return the directories of these names."""
    found = {}
    for index, name in enumerate(names):
        directory = Directory.objects.filter(name__iexact=name).first()
        if directory is None:
            raise PartRefused(f"There is no directory named {name}.", "directories", index)
        found[directory.pk] = directory.name
    return found


def release_default(directories: list[BlueprintItem]) -> None:
    """Let go of the default where the blueprint gives it to another directory: there is one at any time."""
    for wanted in directories:
        if wanted.get("default"):
            rest = Directory.objects.filter(is_default=True).exclude(name__iexact=wanted["name"])
            rest.update(is_default=False)


def write_directory(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Create or change the directory of that name; sections that the blueprint leaves out stay as they are."""
    directory = stored(Directory.objects.all(), wanted, models.Q(name__iexact=wanted["name"]))
    way = BY_PUTTING_BACK if evidence.is_put_back() else BY_BLUEPRINT
    return change_directory(directory, wanted, actor, way=way)


def change_directory(directory: Directory | None, wanted: BlueprintItem, actor: str, *, way: str = "") -> WrittenPart:
    """Change a directory that the caller has locked, or create one; raise PartRefused.

    Sections that are left out stay as they are. ``way`` is told in the report, behind who did it.
    """
    before = state.load_directory(directory) if directory else None
    after = {**(before or state.new_directory(wanted["name"], wanted["kind"])), **wanted}
    if before and before["kind"] != after["kind"]:
        raise PartRefused(f"The directory is of the kind {before['kind']}, which cannot change.", "kind")
    _require_connection(after, is_new=before is None)
    changed = [name for name in after if before is None or before[name] != after[name]]
    directory = directory or Directory(kind=after["kind"])
    if not changed:
        return WrittenPart("directory", before, after, directory)
    held = services.stored_configuration(directory.pk) if before else None
    limits = ProvisioningSettings.objects.filter(directory=directory).first() if before else None
    _write(directory, after, changed)
    directory_settings.plan_next_import(directory)
    _record(directory, before, changed, actor, way)
    now = services.stored_configuration(directory.pk) if before else None
    impact = services.impact_of_change(held, now) if now else None
    if limits and now:
        directory_settings.follow(directory, limits, now.features, actor)
    over = impact.objections(limits or ProvisioningSettings()) if impact else []
    return WrittenPart("directory", before, after, directory, impact, [objection.words for objection in over])


def _require_connection(after: BlueprintItem, *, is_new: bool) -> None:
    """A new directory without a settings section has to do without any that are required."""
    for section, secret in (("settings", False), ("secrets", True)):
        for field in declared_by(after["kind"], secret=secret):
            if is_new and field.required and after[section].get(field.name) in (None, ""):
                raise PartRefused(f"{field.name} is required.", section)


def _write(directory: Directory, after: BlueprintItem, changed: list[str]) -> None:
    if not {"settings", "secrets"}.isdisjoint(changed):
        directory.answered_at = None  # nobody knows whether it can be reached like this
    _write_basics(directory, after)
    if "templates" in changed:
        directory.query_templates.all().delete()
        QueryTemplate.objects.bulk_create(
            QueryTemplate(directory=directory, operation=operation, position=position, sql=sql)
            for operation, statements in after["templates"].items()
            for position, sql in enumerate(statements)
        )
    if "mapping" in changed:
        directory.attribute_mappings.all().delete()
        AttributeMapping.objects.bulk_create(
            AttributeMapping(directory=directory, position=position, **row)
            for position, row in enumerate(after["mapping"])
        )
    if "provisioning" in changed:
        _write_provisioning(directory, after["provisioning"])


def _write_basics(directory: Directory, after: BlueprintItem) -> None:
    directory.name, directory.description = after["name"], after["description"]
    directory.enabled, directory.is_default = after["enabled"], after["default"]
    directory.settings = {
        field.name: after["settings"].get(field.name) for field in declared_by(after["kind"], secret=False)
    }
    directory.secrets = {name: _clear(secret) for name, secret in after["secrets"].items()}
    names = ["name", "description", "enabled", "is_default", "settings", "secrets", "answered_at", "updated_at"]
    directory.save(update_fields=None if directory.pk is None else names)


def _write_provisioning(directory: Directory, wanted: BlueprintItem) -> None:
    values: dict[str, Any] = {name: _clear(value) for name, value in wanted.items()}
    weekday = values["schedule_weekday"]
    values["schedule_weekday"] = None if weekday is None else [name.lower() for name in WEEKDAYS].index(weekday)
    settings = ProvisioningSettings.objects.filter(directory=directory).first()
    settings = settings or ProvisioningSettings(directory=directory)
    before = copy(settings)
    for name, value in values.items():
        setattr(settings, name, value)
    if settings.pk is not None and second_person.loosened(before, settings):
        raise PartRefused(second_person.BLUEPRINT, "provisioning")
    settings.save(update_fields=None if settings.pk is None else list(values))


def _clear(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _record(directory: Directory, before: BlueprintItem | None, changed: list[str], actor: str, way: str) -> None:
    """Write the line of the provisioning report, and let waiting changes try the new settings at once."""
    if before is None:
        directory_settings.record(directory, f"{actor} added the directory {directory.name}{way}.", actor)
        return
    retry_now(directory.pk)
    names = ", ".join(changed)
    directory_settings.record(directory, f"{actor} changed {directory.name}{way}: {names}.", actor)
