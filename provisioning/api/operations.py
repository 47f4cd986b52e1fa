"""``/api/v1/operations`` and ``/api/v1/group-operations``: what is on its way to directories, and trying it again."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from provisioning import services
from provisioning.api import schema
from provisioning.api.access import actor_of
from provisioning.api.filters import FilterKind, ResourceField, fields_of
from provisioning.api.resources import ApiList, ApiResource, ApiSingle, repeatable
from provisioning.models import Change, GroupChange
from provisioning.tokens import families

COMMON = ("lane", "reason", "actor", "created_at", "cleared", "parked", "parked_code", "parked_message")
FILTERED = ("id", "directory", "lane", "actor", "created_at", "cleared", "parked", "parked_code")


class OperationSerializer(serializers.ModelSerializer[Change]):
    """An account that is to be brought in sync; with ``parked`` somebody has to see to it first."""

    user = serializers.IntegerField(source="account.user_id", read_only=True, allow_null=True)
    key = serializers.CharField(source="account.key", read_only=True)

    class Meta:
        model = Change
        fields = ("id", "directory", "account", "user", "key", *COMMON)
        read_only_fields = fields


class GroupOperationSerializer(serializers.ModelSerializer[GroupChange]):
    """A group that is to be brought in sync; with ``account`` only whether that one is in it."""

    group = serializers.IntegerField(source="group_account.group_id", read_only=True, allow_null=True)
    key = serializers.CharField(source="group_account.key", read_only=True)

    class Meta:
        model = GroupChange
        fields = ("id", "directory", "group_account", "group", "key", "account", *COMMON)
        read_only_fields = fields


class RetriedSerializer(serializers.Serializer[Any]):
    """How many operations are tried again."""

    tried = serializers.IntegerField()


class OfOperations:
    """What is about accounts."""

    model: ClassVar[Any] = Change
    family = families.OPERATIONS
    serializer_class: ClassVar[Any] = OperationSerializer

    def rows(self) -> "QuerySet[Any]":
        """Return the changes with their accounts."""
        return Change.objects.select_related("account")


class OfGroupOperations:
    """What is about groups."""

    model: ClassVar[Any] = GroupChange
    family = families.OPERATIONS
    serializer_class: ClassVar[Any] = GroupOperationSerializer

    def rows(self) -> "QuerySet[Any]":
        """Return the changes with their groups."""
        return GroupChange.objects.select_related("group_account")


@extend_schema(tags=["operations"])
class ApiOperations(OfOperations, ApiList):
    """What failed and what waits, of accounts."""

    fields = fields_of(Change, (*FILTERED, "account")) | {
        "user": ResourceField(FilterKind.NUMBER, "account__user_id", nullable=True)
    }

    @schema.listing("list_operations", OperationSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List operations on accounts, the oldest first: `parked pr`, say."""
        return super().get(request, **within)


@extend_schema(tags=["operations"])
class ApiOperation(OfOperations, ApiSingle):
    """One operation on an account."""

    @schema.reading("get_operation", OperationSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show an operation; one that is done is gone, and in the report."""
        return super().get(request, pk)


@extend_schema(tags=["operations"])
class ApiGroupOperations(OfGroupOperations, ApiList):
    """What failed and what waits, of groups."""

    fields = fields_of(GroupChange, (*FILTERED, "group_account", "account")) | {
        "group": ResourceField(FilterKind.NUMBER, "group_account__group_id", nullable=True)
    }

    @schema.listing("list_group_operations", GroupOperationSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List operations on groups, the oldest first."""
        return super().get(request, **within)


@extend_schema(tags=["operations"])
class ApiGroupOperation(OfGroupOperations, ApiSingle):
    """One operation on a group."""

    @schema.reading("get_group_operation", GroupOperationSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show an operation; one that is done is gone, and in the report."""
        return super().get(request, pk)


class RetryAction(ApiResource):
    """Tries an operation again; what the guard holds is released or refused by a person."""

    def tried(self, request: Request, pk: int) -> Response:
        """Try it; raise NotFound."""
        found = self.model._default_manager.filter(pk=pk)
        if not found.exists():
            raise NotFound("There is no such operation: it may be done by now. The report tells.")
        return Response({"tried": services.retry(found, actor_of(request))}, status=202)


@extend_schema(tags=["operations"])
class RetryOperation(OfOperations, RetryAction):
    """Tries an operation on an account again."""

    rights: ClassVar[Mapping[str, str]] = {"POST": "provisioning.change_change"}

    @schema.acting("retry_operation", RetriedSerializer, status=202)
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Try an operation on an account again now."""
        return self.tried(request, pk)


@extend_schema(tags=["operations"])
class RetryGroupOperation(OfGroupOperations, RetryAction):
    """Tries an operation on a group again."""

    rights: ClassVar[Mapping[str, str]] = {"POST": "provisioning.change_groupchange"}

    @schema.acting("retry_group_operation", RetriedSerializer, status=202)
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Try an operation on a group again now."""
        return self.tried(request, pk)
