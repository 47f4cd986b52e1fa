"""Resources that the API only reads: each is a model, the columns that are sent, and who may see them.

Columns are named one by one: what is not named is never sent, and no secret is. Most are parts of what is written whole
under another address, and are here to be filtered.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models
from django.db.models import QuerySet
from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from directories.models import AttributeMapping, ProvisioningSettings, QueryTemplate
from provisioning.api import schema
from provisioning.api.filters import fields_of
from provisioning.api.resources import ApiList, ApiSingle
from provisioning.contracts.models import Department, Location, SourceRecord
from provisioning.rules.models import Entitlement
from provisioning.tokens import families
from reports.models import Evidence

LIMITS = tuple(column.name for column in ProvisioningSettings._meta.concrete_fields if column.name.startswith("max_"))


def resource(
    address: str,
    model: type[models.Model],
    family: str,
    columns: Sequence[str],
    *,
    also: Mapping[str, serializers.Field[Any, Any, Any, Any]] | None = None,
    deferred: Sequence[str] = (),
) -> list[URLPattern]:
    """Return the addresses of the list and of one row of a model; ``also`` are fields that are no columns."""
    extra = dict(also or {})
    meta = type("Meta", (), {"model": model, "fields": [*columns, *extra], "read_only_fields": columns})
    name = model.__name__
    about = {"Meta": meta, "__doc__": f"{str(model._meta.verbose_name).capitalize()}, as it is sent.", **extra}
    serializer = type(f"{name}Serializer", (serializers.ModelSerializer,), about)
    filtered = fields_of(model, columns)
    what, named = str(model._meta.verbose_name_plural), address.replace("-", "_")

    class ReadList(ApiList):
        fields = filtered
        serializer_class = serializer

        def rows(self) -> "QuerySet[Any]":
            """Return the rows, without what is not sent."""
            return model._default_manager.defer(*deferred)

        @schema.listing(f"list_{named}", serializer)
        def get(self, request: Request, **within: Any) -> Response:
            return super().get(request, **within)

    class ReadOne(ApiSingle):
        serializer_class = serializer

        def rows(self) -> "QuerySet[Any]":
            """Return the rows, without what is not sent."""
            return model._default_manager.defer(*deferred)

        @schema.reading(f"get_{named}", serializer)
        def get(self, request: Request, pk: int) -> Response:
            return super().get(request, pk)

    for view, words in ((ReadList, f"List {what}."), (ReadOne, f"Show one of the {what}.")):
        view.model, view.family = model, family
        view.get.__doc__ = words
        extend_schema(tags=[address])(view)
    return [
        path(address, ReadList.as_view(), name=f"api-{address}"),
        path(f"{address}/<int:pk>", ReadOne.as_view(), name=f"api-{address}-one"),
    ]


READABLE = [
    *resource(
        "attribute-mappings",
        AttributeMapping,
        families.DIRECTORIES,
        (
            *("id", "directory", "directory_attribute", "kind", "portal_attribute", "direction", "expression"),
            *("required", "position"),
        ),
    ),
    *resource(
        "query-templates",
        QueryTemplate,
        families.DIRECTORIES,
        ("id", "directory", "operation", "position", "sql"),
    ),
    *resource(
        "provisioning-settings",
        ProvisioningSettings,
        families.DIRECTORIES,
        (
            *("id", "directory", "import_users", "create_users", "update_users", "deactivate_users", "delete_users"),
            *("accounts_for", "deactivate_missing", "import_passwords", "on_deactivate", "on_delete"),
            *("delete_after_days", "groups_of_leavers", "match_attribute", "match_second", "match_third"),
            *("source_rank", "follow_renames", "initial_password", "password_storage", "schedule", "schedule_time"),
            *("schedule_weekday", "next_import_at", "set_passwords", "sync_groups", "import_groups", "push_groups"),
            *("delete_groups", "listen", "incremental_minutes", "four_eyes", *LIMITS),
        ),
        deferred=["fixed_password"],
    ),
    *resource(
        "entitlements",
        Entitlement,
        families.CONFIGURATION,
        ("id", "rule", "kind", "directory", "group", "attribute", "value", "ended"),
    ),
    *resource(
        "departments",
        Department,
        families.CONTRACTS,
        ("id", "source", "external_id", "code", "name", "parent", "manager", "manager_ref"),
    ),
    *resource("locations", Location, families.CONTRACTS, ("id", "source", "external_id", "name", "time_zone")),
    *resource(
        "source-records",
        SourceRecord,
        families.CONTRACTS,
        ("id", "source", "remote_id", "key", "blocked", "reason", "seen_at"),
        deferred=["raw"],
    ),
    *resource("evidence", Evidence, families.REPORT, ("seq", "at", "kind", "payload", "previous", "hash")),
]
"""The addresses of all of them."""
