"""What the portal has, in the words of a blueprint: the same plain data that a checked document gives.

Secrets are ``SecretStr`` objects here, so that they can be compared and are never printed.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet
from pydantic import SecretStr

from directories.connectors import registry
from directories.described.schema import declared_by
from directories.encryption import is_lost
from directories.models import (
    WEEKDAYS,
    AttributeMapping,
    Directory,
    ProvisioningSettings,
    QueryTemplate,
    TemplateOperation,
)
from provisioning.models import AttributeDefinition, Group
from reports import evidence

BlueprintItem = dict[str, Any]
TOKENS, TOKEN = "push_tokens", ("label", "created_at", "expires_at", "withdrawn_at")
SECRETS, FIXED_PASSWORD = "secrets", "fixed_password"
NOT_SETTINGS = ("id", "directory", "next_import_at", "import_cursor")
PROVISIONING_FIELDS = tuple(
    field.name for field in ProvisioningSettings._meta.concrete_fields if field.name not in NOT_SETTINGS
)
SECTIONS = ("settings", "secrets", "templates", "mapping", "provisioning")


def of_attribute(definition: AttributeDefinition) -> BlueprintItem:
    """Describe a custom profile attribute."""
    return {
        "name": definition.name,
        "label": definition.label,
        "type": str(definition.type),
        "choices": list(definition.choices),
        "required": definition.required,
        "searchable": definition.searchable,
        "position": definition.position,
    }


def of_group(group: Group) -> BlueprintItem:
    """Describe a group; who is in it is data, not configuration."""
    chosen = sorted((directory.name for directory in group.directories.all()), key=str.casefold)
    return {"name": group.name, "description": group.description, "directories": chosen}


def of_directory(
    directory: Directory,
    templates: list[QueryTemplate],
    mappings: list[AttributeMapping],
    provisioning: ProvisioningSettings,
) -> BlueprintItem:
    """Describe a directory whole."""
    return {
        "name": directory.name,
        "kind": directory.kind,
        "description": directory.description,
        "enabled": directory.enabled,
        "default": directory.is_default,
        "settings": settings_of(directory.kind, directory.settings),
        "secrets": {
            field.name: SecretStr(str(directory.secrets[field.name]))
            for field in declared_by(directory.kind, secret=True)
            if (directory.secrets or {}).get(field.name)
        },
        "templates": templates_of(directory.kind, templates),
        "mapping": [of_mapping(row) for row in mappings if row.portal_attribute],
        "provisioning": of_provisioning(provisioning),
    }


def with_parts() -> "QuerySet[Directory]":
    """Return every directory with its parts, in their order: three queries, however many there are."""
    parts = (
        Prefetch("query_templates", QueryTemplate.objects.order_by("operation", "position", "pk")),
        Prefetch("attribute_mappings", AttributeMapping.objects.order_by("position", "pk")),
    )
    return Directory.objects.select_related("provisioning").prefetch_related(*parts)


def templates_of(kind: str, rows: list[QueryTemplate]) -> dict[str, list[str]]:
    """Return the statements by operation, none for a kind that has none."""
    return {
        operation.value: statements
        for operation in TemplateOperation
        if _templated(kind) and (statements := [statement(row.sql) for row in rows if row.operation == operation])
    }


def settings_of(kind: str, stored: dict[str, Any]) -> BlueprintItem:
    """Return the declared settings: those that have a value, and those that are blank in place of a default."""
    found = {field.name: stored.get(field.name, field.default) for field in declared_by(kind, secret=False)}
    defaults = {field.name: _filled(field.default) for field in declared_by(kind, secret=False)}
    found = {name: _filled(value) for name, value in found.items()}
    return {name: value for name, value in found.items() if value is not None or defaults[name] is not None}


def statement(sql: str) -> str:
    """Return a statement as the page stores it: no outer space, Unix line ends."""
    return sql.replace("\r\n", "\n").strip()


def of_mapping(row: AttributeMapping) -> BlueprintItem:
    """Describe one row of the attribute mapping."""
    return {
        "directory_attribute": row.directory_attribute,
        "portal_attribute": row.portal_attribute,
        "kind": str(row.kind),
        "direction": str(row.direction),
        "expression": row.expression,
        "required": row.required,
    }


def of_provisioning(settings: ProvisioningSettings) -> BlueprintItem:
    """Describe the provisioning settings."""
    found = {name: getattr(settings, name) for name in PROVISIONING_FIELDS}
    weekday = settings.schedule_weekday
    return found | {
        "schedule_time": time_text(settings.schedule_time),
        "schedule_weekday": None if weekday is None else WEEKDAYS[weekday].lower(),
        FIXED_PASSWORD: SecretStr(settings.fixed_password) if settings.fixed_password else None,
    }


def load_directory(directory: Directory) -> BlueprintItem:
    """Describe a stored directory; raise SecretLost when no key opens its secrets."""
    return _loaded(directory, ProvisioningSettings.objects.filter(directory=directory).first())


def for_evidence(directory: Directory) -> BlueprintItem:
    """Describe a stored directory for the chain of evidence: with marks in place of secrets.

    What no key opens is there as what it is: it was neither changed nor taken away.
    """
    provisioning = ProvisioningSettings.objects.filter(directory=directory).first() or ProvisioningSettings()
    lost = [name for row, name in ((directory, SECRETS), (provisioning, FIXED_PASSWORD)) if is_lost(row, name)]
    for name in lost:
        setattr(directory if name == SECRETS else provisioning, name, None)
    state: BlueprintItem = masked(_loaded(directory, provisioning))
    if SECRETS in lost:
        state[SECRETS] = evidence.UNREADABLE
    if FIXED_PASSWORD in lost:
        state["provisioning"][FIXED_PASSWORD] = evidence.UNREADABLE
    if held := directory.push_tokens.order_by("pk").values("pk", *TOKEN):
        state[TOKENS] = {str(one.pop("pk")): one for one in held}
    return state


def _loaded(directory: Directory, provisioning: ProvisioningSettings | None) -> BlueprintItem:
    templates, mappings = list(directory.query_templates.all()), list(directory.attribute_mappings.all())
    return of_directory(directory, templates, mappings, provisioning or ProvisioningSettings())


def new_directory(name: str, kind: str) -> BlueprintItem:
    """Describe a directory that nothing has been said about yet."""
    return of_directory(Directory(name=name, kind=kind), [], [], ProvisioningSettings())


def without_nulls(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part without what null takes away (RFC 7396), or a version had taken out: that stands in it as None."""
    return {name: value for name, value in part.items() if value is not None}


def masked(value: Any) -> Any:
    """Return the same with marks in place of secrets, for the chain of evidence."""
    if isinstance(value, SecretStr):
        return evidence.masked(value.get_secret_value())
    if isinstance(value, dict):
        return {key: masked(each) for key, each in value.items()}
    return [masked(each) for each in value] if isinstance(value, list) else value


def time_text(value: dt.time | None) -> str | None:
    """Return the time as a blueprint writes it."""
    return None if value is None else value.isoformat("minutes" if not value.second else "seconds")


def _templated(kind: str) -> bool:
    """Whether the portal has the statements of such a directory; behind a gateway they stand in its file."""
    found = registry().get(kind)
    return found is not None and found.templated


def _filled(value: Any) -> Any:
    return None if value == "" else value
