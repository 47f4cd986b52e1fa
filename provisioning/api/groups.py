"""``/api/v1/groups`` and ``/api/v1/memberships``: the portal's own groups, and who is directly in any group.

Groups that a directory or an application keeps are shown and not changed, as in the admin.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from directories.models import Directory
from provisioning import services
from provisioning.admin.groups.admin import GroupForm, kept_besides
from provisioning.api import schema
from provisioning.api.access import actor_of
from provisioning.api.filters import FilterKind, ResourceField
from provisioning.api.resources import ApiList, ApiSingle, NotPossible, repeatable
from provisioning.groups import nesting
from provisioning.models import Group, Membership
from provisioning.tokens import families

ELSEWHERE = "This group is kept by a directory or an application. Change it there."
PRIVILEGED = "This group gives special rights. Who is in it, and whether it goes, is decided by a person on its page."
NOT_OUT = "The last active member of a privileged group is taken out by a person, on the page of the group."
CHANGE = "provisioning.change_group"


class GroupSerializer(serializers.ModelSerializer[Group]):
    """A group as it is sent, and what may be sent of one."""

    description = serializers.CharField(required=False, allow_blank=True, max_length=10_000)

    class Meta:
        model = Group
        fields = (
            *("id", "name", "description", "directories", "owner", "pushed_by", "privileged"),
            *("scim_id", "created_at", "updated_at"),
        )
        read_only_fields = ("id", "owner", "pushed_by", "privileged", "scim_id", "created_at", "updated_at")
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "directories": {"required": False, "help_text": "Ids of the directories that it is pushed to."},
            "name": {"validators": []},
        }


class OfGroups:
    """What the list and the single group share."""

    model: ClassVar[Any] = Group
    family = families.GROUPS
    serializer_class: ClassVar[Any] = GroupSerializer

    def rows(self) -> "QuerySet[Group]":
        """Return all groups, with where they go."""
        return Group.objects.prefetch_related("directories")


@extend_schema(tags=["groups"])
class ApiGroups(OfGroups, ApiList):
    """All groups of people."""

    fields: ClassVar[Any] = {
        "id": ResourceField(FilterKind.NUMBER),
        "name": ResourceField(FilterKind.NAME, "name_key"),
        "owner": ResourceField(FilterKind.NUMBER, "owner_id", nullable=True),
        "pushed_by": ResourceField(),
        "privileged": ResourceField(FilterKind.BOOLEAN),
        **{name: ResourceField(FilterKind.MOMENT) for name in ("created_at", "updated_at")},
    }

    @schema.listing("list_groups", GroupSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List groups, in the order of their ids."""
        return super().get(request, **within)

    @schema.writing("create_group", GroupSerializer, status=201)
    @repeatable
    def post(self, request: Request) -> Response:
        """Add a group of the portal's own."""
        with transaction.atomic():
            group = _save(request, Group(), partial=False)
        return self.answer(group, 201, Location=request.build_absolute_uri(f"{request.path}/{group.pk}"))


@extend_schema(tags=["groups"])
class ApiGroup(OfGroups, ApiSingle):
    """One group."""

    @schema.reading("get_group", GroupSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a group; its members are under memberships."""
        return super().get(request, pk)

    @schema.writing("update_group", GroupSerializer)
    @repeatable
    def patch(self, request: Request, pk: int) -> Response:
        """Change what is sent of a group, and leave the rest (RFC 7396)."""
        with transaction.atomic():
            _save(request, _ours(self.locked(request, pk)), partial=True)
            return self.answer(self.find(pk))

    @schema.deleting("delete_group")
    @repeatable
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a group; its members stay."""
        with transaction.atomic():
            group = _usual(_ours(self.locked(request, pk)))
            services.delete_groups([group.pk], actor_of(request))
        return Response(status=204)


class MembershipSerializer(serializers.ModelSerializer[Membership]):
    """One user directly in one group."""

    class Meta:
        model = Membership
        fields = ("id", "group", "user")
        read_only_fields = ("id",)
        validators: ClassVar[list[Any]] = []


class OfMemberships:
    """What the list and the single membership share; whoever may change groups changes who is in them."""

    model: ClassVar[Any] = Membership
    family = families.GROUPS
    serializer_class: ClassVar[Any] = MembershipSerializer
    rights: ClassVar[Mapping[str, str]] = {"POST": CHANGE, "DELETE": CHANGE}


@extend_schema(tags=["memberships"])
class ApiMemberships(OfMemberships, ApiList):
    """Who is directly in which group."""

    fields: ClassVar[Any] = {
        "id": ResourceField(FilterKind.NUMBER),
        "group": ResourceField(FilterKind.NUMBER, "group_id"),
        "user": ResourceField(FilterKind.NUMBER, "user_id"),
    }

    @schema.listing("list_memberships", MembershipSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List memberships: `group eq 7`, say."""
        return super().get(request, **within)

    @schema.writing("add_membership", MembershipSerializer, status=201)
    @repeatable
    def post(self, request: Request) -> Response:
        """Put a user into a group; whoever is in it already stays, and is answered in the same way."""
        body = MembershipSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        group, user = body.validated_data["group"], body.validated_data["user"]
        services.add_members(_usual(_ours(group)), [user.pk], actor_of(request))
        made = Membership.objects.get(group=group, user=user)
        return self.answer(made, 201, Location=request.build_absolute_uri(f"{request.path}/{made.pk}"))


@extend_schema(tags=["memberships"])
class ApiMembership(OfMemberships, ApiSingle):
    """One membership."""

    @schema.reading("get_membership", MembershipSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a membership."""
        return super().get(request, pk)

    @schema.deleting("remove_membership")
    @repeatable
    def delete(self, request: Request, pk: int) -> Response:
        """Take a user out of a group."""
        with transaction.atomic():
            held: Membership = self.locked(request, pk)
            group = _ours(Group.objects.get(pk=held.group_id))
            if not services.remove_members(group, [held.user_id], actor_of(request), by_person=False):
                raise NotPossible(NOT_OUT)
        return Response(status=204)


def _ours(group: Group) -> Group:
    """Return the group; raise PermissionDenied for one that somebody else keeps."""
    if not group.is_ours:
        raise PermissionDenied(ELSEWHERE)
    return group


def _usual(group: Group) -> Group:
    """Return the group; raise NotPossible for one whose members have special rights: no program gives those.

    So have those of a group that is nested in such a one.
    """
    if group.privileged or group.pk in nesting.leading_to_privileged():
        raise NotPossible(PRIVILEGED)
    return group


def _save(request: Request, group: Group, *, partial: bool) -> Group:
    """Save a group with what was sent of it, as the admin's form reads it; raise ValidationError."""
    body = GroupSerializer(data=request.data, partial=partial)
    body.is_valid(raise_exception=True)
    given = body.validated_data
    data = {"name": group.name, "description": group.description, **given}
    wanted: list[Directory] | None = given.get("directories")
    data["directories"] = [one.pk for one in wanted or ()]
    form = GroupForm(data, instance=group)
    if not form.is_valid():
        raise ValidationError({name: [str(error) for error in errors] for name, errors in form.errors.items()})
    saved = form.save(commit=False)
    chosen = None if wanted is None else [*data["directories"], *kept_besides(group)]
    services.save_group(saved, actor_of(request), chosen)
    return saved
