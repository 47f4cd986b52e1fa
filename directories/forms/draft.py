"""A directory as the page has it, saved or not: every form of it at once.

Test, "Try it", the live sample and the save all work on a draft, so that what was looked at is what is saved.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import Model
from django.http import QueryDict

from directories import readiness
from directories.config import DirectoryConfig, from_parts, open_connector
from directories.connectors import connector_class
from directories.connectors.base import Capability, ConnectorError
from directories.encryption import is_lost
from directories.forms.connection import NOTHING, ConnectionForm, DirectoryForm, Stored
from directories.forms.features import MATCHING, ProvisioningForm
from directories.forms.mappings import MappingsForm
from directories.forms.templates import TemplatesForm
from directories.mapping import Catalogue, writes_state
from directories.models import (
    AttributeMapping,
    Directory,
    MappingDirection,
    ProvisioningSettings,
    PushGroups,
    QueryTemplate,
    TemplateOperation,
)

PARTS_MARK = "has_parts"
LOST = (
    "The stored password of new accounts cannot be read: ENCRYPTION_KEYS lacks the key that it was written with. Put "
    "that key back, or type the password again and save."
)
DIRECTORY_FIELDS = ("name", "description", "settings", "secrets", "updated_at")


@dataclass(slots=True)
class Saved:
    """What a save changed: names of fields, settings and operations, never a value."""

    names: list[str] = field(default_factory=list)
    create_switched_on: bool = False
    outbound_changed: bool = False
    groups_switched_on: bool = False


class DirectoryDraft:
    """The forms of one directory. ``columns`` are further attributes to offer for mapping.

    A page that shows only the connection (adding a directory) does not send ``PARTS_MARK``; the rest then stays as it
    is stored.
    """

    def __init__(
        self, directory: Directory, catalogue: Catalogue, data: QueryDict | None = None, columns: Iterable[str] = ()
    ) -> None:
        self.directory = directory
        self.catalogue = catalogue
        self.connector = connector_class(directory.kind)
        saved = directory.pk is not None
        # Those of before stay for the way back while a gateway has the directory.
        self.stored_templates = list(directory.query_templates.all()) if saved and self.templated else []
        self.stored_mappings = list(directory.attribute_mappings.all()) if saved else []
        provisioning = ProvisioningSettings.objects.filter(directory=directory).first() if saved else None
        provisioning = provisioning or ProvisioningSettings(directory=directory)
        self.provisioning_before = copy(provisioning)
        self.created_before = provisioning.create_users
        self.pushed_before = _pushed(provisioning)
        self.parts = data if data is not None and PARTS_MARK in data else None
        self.basics = DirectoryForm(data, instance=directory)
        self.lost = is_lost(directory, "secrets")
        secrets = {} if self.lost else directory.secrets or {}
        stored = Stored(directory.settings, secrets) if saved else NOTHING
        self.connection = ConnectionForm(self.connector, data, stored=stored)
        self.templates = TemplatesForm(self.parts, self.stored_templates)
        self.reads = self.templates.import_attributes(directory.kind) if self.templated else []
        found = self._mappable(columns)
        rows, offered = ([*self.reads, *found], []) if self.templated else ([], found)
        kept = self.connector.kept_by_server
        self.required = self.connector.required({name: self.setting(name) for name in self.connection.fields})
        self.mappings = MappingsForm(
            self.parts,
            catalogue,
            self.stored_mappings,
            rows,
            offered,
            kept_by_server=kept,
            required=self.required,
        )
        self.features = ProvisioningForm(self.parts, instance=provisioning, catalogue=catalogue.values())
        self.features.moved = self.connection.moved
        if not self.templated:
            self.features.fields["initial_password"].help_text = "Given to an account when it is created."
        self.features.lacking = self.lacking

    def _mappable(self, columns: Iterable[str]) -> list[str]:
        """Leave out the columns of the user name and the password, which need no mapping."""
        own = {self.setting("username_column").casefold(), self.setting("password_column").casefold()}
        return [name for name in columns if name.casefold() not in own]

    def is_valid(self) -> bool:
        """Check every form, so that all errors are shown at once."""
        checks = [
            self.basics.is_valid(),
            self.connection.is_valid(),
            self.check_templates(),
            self.mappings.check(),
            self.parts is None or self.features.is_valid(),
            self.parts is None or self._check_grace(),
        ]
        return all(checks)

    def _check_grace(self) -> bool:
        problem = self.problem_of_grace()
        if problem:
            self.features.add_error("delete_after_days", problem)
        return not problem

    def problem_of_grace(self) -> str:
        """Say why accounts cannot be deleted later, "" where they can: nothing would close them until then."""
        config = self.config()
        wanted = self.features.unsaved()
        if config is None or not readiness.deletes_later(wanted) or Capability.DISABLE not in self.lacking:
            return ""
        with open_connector(config) as connector:
            if Capability.UPDATE not in self.lacking and writes_state(config.rules, connector.update_names):
                return ""
        message = (
            f"The account stays open until then, because it cannot be disabled. {self.lacking[Capability.DISABLE]}"
        )
        return f"{message} Or leave this blank: then it is deleted at once."

    def check_templates(self) -> bool:
        """Check every statement against the names and the user table of this draft."""
        table, key = self.setting("user_table"), self.setting("username_column")
        return not self.templated or self.templates.check(self.directory.kind, self.known_names(), table, key)

    def known_names(self) -> set[str]:
        """The names that a placeholder may have: directory attributes and portal attributes."""
        portal = {attribute.name for attribute in self.catalogue.values()}
        custom = {row.portal_attribute for row in self.mappings.unsaved()}
        return {*self.reads, *self.mappings.attributes, *portal, *custom}

    def config(self) -> DirectoryConfig | None:
        """Return the draft ready to be opened; None when the connection cannot be used as it is."""
        settings: Any = self.connection.stored.settings
        secrets: Any = self.connection.stored.secrets
        if self.connection.is_bound:
            if not self.connection.is_valid():
                return None
            settings, secrets = self.connection.settings, self.connection.secrets
        draft = Directory(
            pk=self.directory.pk,
            name=self.directory.name,
            kind=self.directory.kind,
            enabled=self.directory.enabled,
            settings=settings,
            secrets=secrets,
        )
        return from_parts(draft, self.templates.unsaved(), self.mappings.unsaved(), self.features.unsaved())

    @cached_property
    def lacking(self) -> Mapping[Capability, str]:
        """What is missing for each capability that the directory does not have, and what to do about it."""
        config = self.config()
        if config is None:
            return dict.fromkeys(Capability, "The connection is not complete. Correct it under Connection.")
        found = {capability: self.connector.lacking(capability, config.connector) for capability in Capability}
        return {capability: words for capability, words in found.items() if words}

    @property
    def deletion_is_final(self) -> str:
        """What a deletion takes for good, "" where nothing is deleted or it can be undone."""
        config = self.config()
        if config is None or Capability.DELETE in self.lacking:
            return ""
        with suppress(ConnectorError), open_connector(config) as connector:
            return connector.deletion_is_final
        return ""

    @property
    def templated(self) -> bool:
        """Whether the admin writes the directory's statements."""
        return self.connector.templated

    @property
    def trials(self) -> Sequence[tuple[str, str]]:
        """The operations whose statements can be tried, with what people call them."""
        config = self.config()
        found = self.connector.trials(config.connector) if config else ()
        return [(name, TemplateOperation(name).label) for name in TemplateOperation.values if name in found]

    @property
    def key_source(self) -> str:
        """Where the user name of an account comes from."""
        return self.connector.key_source

    @property
    def kind_label(self) -> str:
        """What people call a directory like this one."""
        return self.connector.called(self.connection.stored.settings)

    @property
    def clear_passwords(self) -> bool:
        """Whether the directory itself hashes passwords."""
        return self.connector.clear_passwords

    @property
    def columns_word(self) -> str:
        """What the directory's own attributes are called."""
        return self.connector.attributes_word

    @property
    def cautions(self) -> Sequence[str]:
        """What is dangerous about the connection as the page has it."""
        form = self.connection
        return self.connector.cautions(form.settings if form.is_bound and form.is_valid() else self.directory.settings)

    @property
    def lost_password(self) -> str:
        """What is wrong with a stored password, "" for nothing."""
        return LOST if self.features.lost else ""

    @property
    def retype(self) -> bool:
        """Whether a secret was typed that the page, drawn again, does not show."""
        form = self.connection
        return form.is_bound and any(form.data.get(form.add_prefix(name)) for name in form.secret_names)

    @property
    def inspects(self) -> bool:
        """Whether one entry of the directory can be shown with all its attributes."""
        return Capability.INSPECT in self.connector.implemented()

    @property
    def has_host(self) -> bool:
        """Whether it is reached over the network."""
        return "host" in self.connection.fields

    def setting(self, name: str) -> str:
        """Return one setting as the page has it."""
        value = self.connection[name].value() if name in self.connection.fields else ""
        return str(value or "")

    @transaction.atomic
    def save(self) -> Saved:
        """Save every part of a valid draft; unchanged templates and mappings keep their rows."""
        saved = Saved(names=[*_labels(self.basics), *self.connection.changed_labels()])
        self.directory.settings = self.connection.settings
        if self.connection.secrets or not self.lost:
            self.directory.secrets = self.connection.secrets
        _write(self.directory, DIRECTORY_FIELDS)
        provisioning = self.features.save(commit=False)
        if self.parts is not None:
            saved.names += _labels(self.features)
            outbound_changed = _outbound(self.mappings.unsaved()) != _outbound(self.stored_mappings)
            saved.names += self._save_templates() + self._save_mappings()
            saved.create_switched_on = provisioning.create_users and not self.created_before
            saved.outbound_changed = outbound_changed
            saved.groups_switched_on = _pushed(provisioning) not in (self.pushed_before, PushGroups.NONE)
        provisioning.directory = self.directory
        _write(provisioning, [*ProvisioningForm.base_fields, *MATCHING])
        return saved

    def _save_templates(self) -> list[str]:
        operations = self.templates.changed_operations(self.stored_templates)
        if operations:
            self.directory.query_templates.all().delete()
            rows = self.templates.unsaved()
            for row in rows:
                row.directory = self.directory
            QueryTemplate.objects.bulk_create(rows)
        return operations

    def _save_mappings(self) -> list[str]:
        rows = self.mappings.unsaved()
        if _plain(rows) == _plain(self.stored_mappings):
            return []
        self.directory.attribute_mappings.all().delete()
        for row in rows:
            row.directory = self.directory
        AttributeMapping.objects.bulk_create(rows)
        return ["attribute mapping"]


def _pushed(provisioning: ProvisioningSettings) -> str:
    """Return which groups go out."""
    return provisioning.push_groups if provisioning.sync_groups else PushGroups.NONE.value


def _write(instance: Model, fields: Iterable[str]) -> None:
    """Save what the page holds and nothing else: workers write the other columns meanwhile."""
    instance.save(update_fields=None if instance.pk is None else sorted(set(fields)))


def _labels(form: forms.BaseForm) -> list[str]:
    return [str(form[name].label) for name in form.changed_data]


def _outbound(rows: Iterable[AttributeMapping]) -> list[tuple[str, ...]]:
    return _plain(row for row in rows if row.direction != MappingDirection.IN)


def _plain(rows: Iterable[AttributeMapping]) -> list[tuple[str, ...]]:
    return [
        (row.directory_attribute, row.kind, row.portal_attribute, str(row.direction), row.expression)
        for row in rows
        if row.portal_attribute
    ]
