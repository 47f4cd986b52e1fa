"""``/api/v1/directories``: a directory whole, with statements, mapping and features, written as by a blueprint.

Secrets are written and never read; those that are stored go to no other place than the one they were given for.
"""

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from directories.connectors import connector_class, registry
from directories.described.document import Location
from directories.described.schema import declared_by
from directories.encryption import is_lost
from directories.forms.connection import RETYPE, leads_elsewhere
from directories.forms.features import LEAVERS
from directories.models import WEEKDAYS, AttributeMapping, Directory, ProvisioningSettings
from provisioning import directory_settings
from provisioning.api import configuration, schema
from provisioning.api.access import actor_of
from provisioning.api.configuration import Configuration, SecretField, SecretsField, merged
from provisioning.api.filters import fields_of
from provisioning.api.resources import ApiList, ApiSingle, NotPossible, repeatable
from provisioning.blueprints import checks, state
from provisioning.blueprints.schema import DirectorySchema
from provisioning.blueprints.state import FIXED_PASSWORD, BlueprintItem, without_nulls
from provisioning.blueprints.writing import change_directory, release_default
from provisioning.tokens import families

TAKEN = "There is a directory {name} already. Choose another name."
UNKNOWN = "This installation cannot speak to directories of the kind {kind}."
CHANGE = "directories.change_directory"
DEFAULT = f"is_default takes the default from another directory, which needs another right: {CHANGE}."
COLUMNS = ("id", "name", "kind", "enabled", "is_default", "description")
HEALTH = ("answered_at", "unreachable_since", "retry_at", "quarantined", "last_error", "created_at", "updated_at")


class MappingRowSerializer(serializers.ModelSerializer[AttributeMapping]):
    """A row of a directory's attribute mapping."""

    expression = serializers.CharField(required=False, allow_blank=True, max_length=2000)

    class Meta:
        model = AttributeMapping
        fields = ("directory_attribute", "portal_attribute", "kind", "direction", "expression", "required")
        extra_kwargs: ClassVar[dict[str, Any]] = {"portal_attribute": {"allow_blank": False, "required": True}}


class DirectoryFeaturesSerializer(serializers.ModelSerializer[ProvisioningSettings]):
    """The features, the schedule and the limits of a directory."""

    schedule_time = serializers.CharField(required=False, allow_null=True, help_text='A time of day: "02:30".')
    schedule_weekday = serializers.ChoiceField([day.lower() for day in WEEKDAYS], required=False, allow_null=True)
    fixed_password = SecretField(required=False, help_text="The password that new accounts get.")

    class Meta:
        model = ProvisioningSettings
        fields = state.PROVISIONING_FIELDS


class DirectorySerializer(serializers.ModelSerializer[Directory]):
    """A directory whole, as it is sent, and what may be sent of one."""

    settings = serializers.DictField(required=False, help_text="Of the connection, as its kind names them.")
    secrets = SecretsField(required=False, help_text="Secrets of the connection: whether each is there.")
    templates = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="The statements by operation, in their order. Null takes those of an operation away.",
    )
    mapping = MappingRowSerializer(many=True, required=False, help_text="All rows, in their order.")
    provisioning = DirectoryFeaturesSerializer(required=False)

    class Meta:
        model = Directory
        fields = (*COLUMNS, "settings", "secrets", "templates", "mapping", "provisioning", *HEALTH)
        read_only_fields = ("id", *HEALTH)
        extra_kwargs: ClassVar[dict[str, Any]] = {"is_default": {"required": False}}

    def to_representation(self, instance: Directory) -> dict[str, Any]:
        """Return it with marks in place of secrets; a kind that is not installed has no names for them."""
        plain: dict[str, Any] = {
            name: field.to_representation(value) if (value := getattr(instance, name)) is not None else None
            for name, field in self.fields.items()
            if name in (*COLUMNS, *HEALTH)
        }
        known = instance.kind in registry()
        parts = {
            "settings": state.settings_of(instance.kind, instance.settings) if known else instance.settings,
            "secrets": secrets_set(instance) if known else {},
            "templates": state.templates_of(instance.kind, list(instance.query_templates.all())),
            "mapping": [state.of_mapping(row) for row in instance.attribute_mappings.all() if row.portal_attribute],
            "provisioning": _features(getattr(instance, "provisioning", None)),
        }
        found = plain | parts
        return {str(name): found[str(name)] for name in self.fields}


def secrets_set(directory: Directory) -> dict[str, bool]:
    """Return for each secret of a directory's kind whether there is one; where no key opens them, there are."""
    lost = is_lost(directory, state.SECRETS)
    held = {} if lost else directory.secrets or {}
    return {field.name: lost or bool(held.get(field.name)) for field in declared_by(directory.kind, secret=True)}


def _features(stored: ProvisioningSettings | None) -> dict[str, Any]:
    settings = copy(stored) if stored is not None else ProvisioningSettings()
    lost = is_lost(settings, FIXED_PASSWORD)
    if lost:
        settings.fixed_password = None
    return {**state.of_provisioning(settings), FIXED_PASSWORD: lost or bool(settings.fixed_password)}


class OfDirectories(Configuration):
    """What the list and the single directory share."""

    model: ClassVar[Any] = Directory
    family = families.DIRECTORIES
    serializer_class: ClassVar[Any] = DirectorySerializer
    not_versioned = frozenset(HEALTH) - {"created_at", "updated_at"}

    def rows(self) -> "QuerySet[Directory]":
        """Return all directories with their parts."""
        return state.with_parts()

    def save(self, request: Request, directory: Directory | None, number: int | None = None) -> Directory:
        """Write what was sent of a directory, or add one, in the caller's transaction; return it.

        Raises ValidationError, PartRefused, and TooMuch where ``number`` is not how many accounts it reaches.
        """
        sent = self.sent(request)
        if "is_default" in sent:
            sent["default"] = sent.pop("is_default")
        if sent.get("default") and not request.user.has_perm(CHANGE):
            raise PermissionDenied(DEFAULT)
        if directory is not None and directory.kind not in registry():
            raise NotPossible(UNKNOWN.format(kind=directory.kind))
        before = state.load_directory(directory) if directory else None
        wanted = _wanted(before, sent)
        _must_be_free(wanted["name"], directory)
        if before is not None:
            _must_stay_here(before, wanted, sent)
        features = wanted.get("provisioning")
        newly = features and features["create_users"] and not (before and before["provisioning"]["create_users"])
        if features and newly and not features["deactivate_users"]:
            raise ValidationError({"provisioning": {"deactivate_users": [LEAVERS]}})
        release_default([wanted])
        written = change_directory(directory, wanted, actor_of(request))
        assert written.directory is not None
        if problems := [(path, words) for path, words, _ in checks.directory(written.directory, written.after)]:
            raise ValidationError(configuration.by_field(problems))
        configuration.must_be_confirmed(written, number)
        return written.directory


@extend_schema(tags=["directories"])
class ApiDirectories(OfDirectories, ApiList):
    """All directories."""

    fields = fields_of(Directory, (*COLUMNS, *HEALTH))

    @schema.listing("list_directories", DirectorySerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List directories, in the order of their ids."""
        return super().get(request, **within)

    @schema.writing("create_directory", DirectorySerializer, status=201)
    @repeatable
    def post(self, request: Request) -> Response:
        """Add a directory; nothing is asked of it yet."""
        with transaction.atomic():
            made = self.save(request, None)
        return self.answer(
            self.rows().get(pk=made.pk), 201, Location=request.build_absolute_uri(f"{request.path}/{made.pk}")
        )


@extend_schema(tags=["directories"])
class ApiDirectory(OfDirectories, ApiSingle):
    """One directory."""

    parameters = frozenset({"number"})
    asks_again: ClassVar[frozenset[str]] = frozenset({"DELETE"})

    @schema.reading("get_directory", DirectorySerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a directory."""
        return super().get(request, pk)

    @schema.writing("update_directory", DirectorySerializer, versioned=True, parameters=[schema.NUMBER])
    @repeatable
    def patch(self, request: Request, pk: int) -> Response:
        """Change what is sent of a directory, and leave the rest (RFC 7396); its accounts follow in the background."""
        number = configuration.number_of(request)
        with transaction.atomic():
            self.save(request, self.locked(request, pk), number)
        return self.answer(self.find(pk))

    @schema.deleting("delete_directory", versioned=True)
    @repeatable
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a directory and what the portal knows of its accounts, which are left as they are."""
        with transaction.atomic():
            directory_settings.remove(self.locked(request, pk), actor_of(request))
        return Response(status=204)


def _wanted(before: BlueprintItem | None, sent: Mapping[str, Any]) -> BlueprintItem:
    """Return the parts that were sent, each whole with what was there before; raise ValidationError by field."""
    now = before or {part: {} for part in ("settings", "secrets", "templates", "provisioning")}
    data = {name: before[name] for name in ("name", "kind")} if before else {}
    data |= sent
    for part in ("settings", "templates", "provisioning"):
        if part in sent:
            data[part] = merged(now[part], sent[part], where=part)
    if "templates" in data:
        data["templates"] = without_nulls(data["templates"])
    if "secrets" in sent:
        held = {name: name in now["secrets"] for name in {*now["secrets"], *_names(sent["secrets"])}}
        changed = configuration.secrets_sent(held, sent["secrets"], where="secrets")
        data["secrets"] = without_nulls({**now["secrets"], **changed})
    if FIXED_PASSWORD in data.get("provisioning", {}):
        held = {FIXED_PASSWORD: bool(now["provisioning"].get(FIXED_PASSWORD))}
        there = {FIXED_PASSWORD: data["provisioning"][FIXED_PASSWORD]} if FIXED_PASSWORD in sent["provisioning"] else {}
        changed = configuration.secrets_sent(held, there, where="provisioning")
        if not changed:
            data["provisioning"][FIXED_PASSWORD] = now["provisioning"].get(FIXED_PASSWORD)
    return configuration.item(DirectorySchema, data, {"default": "is_default"})


def _names(sent: Any) -> list[str]:
    return [str(name) for name in sent] if isinstance(sent, Mapping) else []


def _must_be_free(name: str, directory: Directory | None) -> None:
    others = Directory.objects.exclude(pk=directory.pk) if directory else Directory.objects.all()
    if taken := others.filter(name__iexact=name).only("name").first():
        raise ValidationError({"name": [TAKEN.format(name=taken.name)]})


def _must_stay_here(before: BlueprintItem, wanted: BlueprintItem, sent: Mapping[str, Any]) -> None:
    """Refuse to send stored secrets to another place: they are sent anew with it, or taken away."""
    after = {**before, **wanted}
    if not leads_elsewhere(connector_class(before["kind"]), before["settings"], after["settings"]):
        return
    anew = sent.get("secrets", {})
    kept = [name for name in before["secrets"] if name in after["secrets"] and not isinstance(anew.get(name), str)]
    problems: list[tuple[Location, str]] = [(("secrets", name), RETYPE) for name in kept]
    typed = isinstance(sent.get("provisioning", {}).get(FIXED_PASSWORD), str)
    if before["provisioning"][FIXED_PASSWORD] and after["provisioning"][FIXED_PASSWORD] and not typed:
        problems.append((("provisioning", FIXED_PASSWORD), RETYPE))
    if problems:
        raise ValidationError(configuration.by_field(problems))
