"""Everything about one directory as frozen plain data: what a worker, an import or a form preview needs of it."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from django.db.models import Exists, OuterRef, Q, QuerySet

from directories.attributes import OF_CONTRACTS, Kind
from directories.connectors import connector_class, registry
from directories.connectors.base import Connector, ConnectorConfig, ConnectorError
from directories.connectors.records import RecordSource
from directories.expressions import ROW, ExpressionError, compile_expression
from directories.mapping import IN, AttributeRule
from directories.models import (
    AttributeMapping,
    Directory,
    ProvisioningSettings,
    QueryTemplate,
    TemplateOperation,
    in_order,
)

WRITES = (
    *(TemplateOperation.CREATE, TemplateOperation.UPDATE, TemplateOperation.DELETE, TemplateOperation.DISABLE),
    *(TemplateOperation.ENABLE, TemplateOperation.SET_PASSWORD),
)  # to accounts


@dataclass(frozen=True, slots=True)
class Features:
    """A plain copy of ``ProvisioningSettings``; the fields have its names and meaning."""

    import_users: bool = False
    create_users: bool = False
    update_users: bool = False
    deactivate_users: bool = False
    delete_users: bool = False
    accounts_for: str = "everyone"
    deactivate_missing: bool = False
    import_passwords: bool = False
    on_deactivate: str = "disable"
    on_delete: str = "delete"
    delete_after_days: int | None = None
    groups_of_leavers: str = "later"
    match_attribute: str = "profile.username"
    match_second: str = ""
    match_third: str = ""
    source_rank: int = 100
    follow_renames: bool = False
    initial_password: str = "random"
    fixed_password: str | None = field(default=None, repr=False)
    password_storage: str = "bcrypt"
    schedule: str = "off"
    schedule_time: dt.time | None = None
    schedule_weekday: int | None = None
    set_passwords: bool = False
    sync_groups: bool = False
    import_groups: bool = True
    push_groups: str = "chosen"
    delete_groups: bool = False
    listen: bool = False
    incremental_minutes: int | None = None
    max_lost_members: int = 500
    max_lost_members_percent: int = 20
    max_leavers: int = 50
    max_leavers_percent: int = 10
    max_blanked: int = 100
    max_blanked_percent: int = 10
    max_activated: int = 50
    max_activated_percent: int = 10
    max_opened: int = 500
    max_created: int = 200
    max_created_percent: int = 20
    max_changed: int = 500
    max_changed_percent: int = 30
    max_department_percent: int = 50
    max_group_percent: int = 50
    max_elevated: int = 5
    max_contracts_added: int = 500
    max_contracts_added_percent: int = 30
    max_contracts_removed: int = 50
    max_contracts_removed_percent: int = 10
    max_contracts_changed: int = 500
    max_contracts_changed_percent: int = 30
    max_blocked: int = 50
    max_blocked_percent: int = 10
    four_eyes: bool = False

    @property
    def match_attributes(self) -> tuple[str, ...]:
        """The attributes by which a new row finds its user, in the order in which they are tried."""
        return in_order(self.match_attribute, self.match_second, self.match_third)


@dataclass(frozen=True, slots=True)
class DirectoryConfig:
    """One directory, ready to be opened and mapped. ``connector`` holds secrets in clear, so it is never shown."""

    id: int | None
    name: str
    kind: str
    enabled: bool
    connector: ConnectorConfig = field(repr=False)
    rules: tuple[AttributeRule, ...] = ()
    features: Features = field(default_factory=Features)


def load(directory_id: int) -> DirectoryConfig:
    """Return the configuration in three queries; raise Directory.DoesNotExist when there is no such directory."""
    directory = Directory.objects.select_related("provisioning").get(pk=directory_id)
    provisioning = getattr(directory, "provisioning", None) or ProvisioningSettings(directory=directory)
    return from_parts(directory, directory.query_templates.all(), directory.attribute_mappings.all(), provisioning)


def record_sources() -> "QuerySet[Directory]":
    """Return the directories whose rows are records of people and no accounts: nobody signs in there by them.

    Those are the kinds that are nothing else, and databases that say of contracts, as long as the portal neither
    writes there nor has the statements for it: statements that only wait for a switch are those of an application.
    """
    kinds = [kind for kind, connector in registry().items() if issubclass(connector, RecordSource)]
    databases = [kind for kind, connector in registry().items() if connector.templated]
    theirs = {"directory": OuterRef("pk")}
    tells = AttributeMapping.objects.filter(**theirs, kind__in=OF_CONTRACTS).exclude(portal_attribute="")
    could_write = QueryTemplate.objects.filter(**theirs, operation__in=WRITES)
    switches = ("create_users", "update_users", "deactivate_users", "delete_users", "set_passwords")
    only_read = Q(**{f"provisioning__{switch}": False for switch in switches})
    only_tells = Q(Exists(tells), ~Exists(could_write), kind__in=databases)
    return Directory.objects.filter(Q(kind__in=kinds) | (only_tells & only_read))


def from_parts(
    directory: Directory,
    templates: Iterable[QueryTemplate],
    mappings: Iterable[AttributeMapping],
    provisioning: ProvisioningSettings,
) -> DirectoryConfig:
    """Return the configuration of parts that need not be saved; templates and mappings in the order they are run in."""
    rules = tuple(_rule(mapping) for mapping in mappings)
    features = Features(**{name.name: getattr(provisioning, name.name) for name in fields(Features)})
    statements: dict[str, list[str]] = {}
    for template in templates:
        statements.setdefault(str(template.operation), []).append(template.sql)
    connector = ConnectorConfig(
        settings={**directory.settings, **(directory.secrets or {})},
        templates={operation: tuple(lines) for operation, lines in statements.items()},
        attributes=mapped_attributes(rules),
        with_passwords=features.import_passwords,
        directory=directory.pk,
    )
    return DirectoryConfig(directory.pk, directory.name, directory.kind, directory.enabled, connector, rules, features)


def mapped_attributes(rules: Iterable[AttributeRule]) -> tuple[str, ...]:
    """Return the directory attributes that are mapped or that an expression reads, each once, in the rules' order."""
    names: dict[str, str] = {}
    for rule in rules:
        if rule.portal_attribute:
            for name in (rule.directory_attribute, *_read_by(rule)):
                names.setdefault(name.casefold(), name)
    return tuple(names.values())


def _read_by(rule: AttributeRule) -> Iterable[str]:
    """Return the attributes of the row that an inbound rule's expression reads; one that is wrong reads none."""
    if rule.direction != IN or not rule.expression.strip():
        return ()
    try:
        return sorted(compile_expression(rule.expression, ROW).names)
    except ExpressionError:
        return ()


def open_connector(config: DirectoryConfig) -> Connector:
    """Return the directory's connector, to be used as a context manager; raise ConnectorError for an unknown kind."""
    try:
        found = connector_class(config.kind)
    except KeyError:
        raise ConnectorError(
            f"Directories of the kind {config.kind!r} are not supported by this installation.", code="kind"
        ) from None
    return found(config.connector)


def _rule(mapping: AttributeMapping) -> AttributeRule:
    return AttributeRule(
        directory_attribute=mapping.directory_attribute,
        kind=Kind(mapping.kind),
        portal_attribute=mapping.portal_attribute,
        direction=str(mapping.direction),
        expression=mapping.expression,
        required=mapping.required,
    )
