"""``/api/v1/users``: people, checked by the form of the admin's page and written through the services.

What a program takes away is no decision of a person about one user: the guard counts it, as from any other door.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from django.core import exceptions
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm, modelform_factory
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from directories.attributes import Type
from provisioning import reach, services, usernames
from provisioning.admin import protection
from provisioning.admin.fields import PREFIX
from provisioning.admin.users.form import form_for
from provisioning.admin.users.rename import free_name
from provisioning.api import schema
from provisioning.api.access import actor_of
from provisioning.api.filters import FilterKind, Inside, ResourceField
from provisioning.api.resources import ApiList, ApiSingle, NotPossible, repeatable
from provisioning.models import AttributeDefinition, User
from provisioning.tokens import families

TEXTS = (
    *("display_name", "phone", "mobile", "title", "department", "division", "organization", "cost_center"),
    *("employee_number", "employee_type", "street_address", "locality", "region", "postal_code", "country"),
    *("locale", "time_zone"),
)
NAMES = ("username", "email", "first_name", "last_name")
WRITTEN = (*NAMES, *TEXTS, "manager", "is_active", "provisioned", "custom_profile", "custom_attributes")
KEPT = ("id", "scim_id", "is_staff", "is_superuser", "created_at", "updated_at")
JSON = ("custom_profile", "custom_attributes")
STAFF = "This person may sign in to the portal. Only a superuser, with a personal token, may change them."
NOT_YOURS = "Your role does not extend to this."
OWN = "Nobody deactivates or deletes themselves."
NO_ATTRIBUTE = "There is no custom profile attribute {name}. Add it in the portal first."
KINDS = {Type.NUMBER: FilterKind.NUMBER, Type.BOOLEAN: FilterKind.BOOLEAN}


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]})
class ScalarField(serializers.Field[Any, Any, Any, Any]):
    """A text, a number, true or false; which of them is right, the attribute says."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse anything with parts."""
        if not isinstance(data, str | int | float | bool):
            raise ValidationError("Send a text, a number, true or false.")
        return data

    def to_representation(self, value: Any) -> Any:
        """Send it as it is kept."""
        return value


class UserSerializer(serializers.ModelSerializer[User]):
    """A user as they are sent, and what may be sent of one."""

    custom_profile = serializers.DictField(
        child=ScalarField(allow_null=True),
        required=False,
        help_text="Values of custom profile attributes by name. Null takes one away.",
    )
    custom_attributes = serializers.DictField(
        child=serializers.CharField(allow_null=True, max_length=4000),
        required=False,
        help_text="Free names and values of this person. Null takes one away.",
    )

    def validate_custom_attributes(self, value: Any) -> Any:
        """Refuse names that cannot be kept."""
        if not all(name.isprintable() for name in value):
            raise ValidationError("A name holds characters that cannot be shown.")
        return value

    class Meta:
        model = User
        fields = ("id", *WRITTEN, *KEPT[1:])
        read_only_fields = KEPT
        extra_kwargs: ClassVar[dict[str, Any]] = {"username": {"validators": []}, "manager": {"allow_null": True}}


class OfUsers:
    """What the list and the single user share."""

    model: ClassVar[Any] = User
    family = families.USERS
    serializer_class: ClassVar[Any] = UserSerializer

    def permits(self, request: Request) -> bool:
        """Open for whoever has the right over anybody; the rows are theirs alone."""
        return reach.has_anywhere(request.user, cast(Any, self).right(request))

    def rows(self) -> "QuerySet[User]":
        """Return those over whom the right extends; the manager is sent by their id, which is in the row."""
        request = cast(Any, self).request
        return reach.people(request.user, cast(Any, self).right(request))

    def answer(self, row: Any, status: int = 200, **headers: str) -> Response:
        """Leave out what is hidden from whoever asks."""
        response: Response = super().answer(row, status, **headers)  # type: ignore[misc]
        self._hide([response.data])
        return response

    def show(self, rows: Sequence[Any]) -> list[Any]:
        """The same for many."""
        shown: list[Any] = super().show(rows)  # type: ignore[misc]
        return self._hide(shown)

    def _hide(self, shown: list[Any]) -> list[Any]:
        for name in reach.hidden(cast(Any, self).request.user):
            for one in shown:
                one.pop(name, None)
        return shown


@extend_schema(tags=["users"])
class ApiUsers(OfUsers, ApiList):
    """Everybody in the portal."""

    fields: ClassVar[Any] = {
        "id": ResourceField(FilterKind.NUMBER),
        **{name: ResourceField(FilterKind.NAME, f"{name}_key") for name in NAMES},
        **{name: ResourceField() for name in TEXTS},
        "manager": ResourceField(FilterKind.NUMBER, "manager_id", nullable=True),
        **{
            name: ResourceField(FilterKind.BOOLEAN) for name in ("is_active", "is_staff", "is_superuser", "provisioned")
        },
        **{name: ResourceField(FilterKind.MOMENT) for name in ("created_at", "updated_at")},
    }

    def inside(self) -> Inside:
        """Let custom profile attributes be asked for by their names."""
        return {"custom_profile": _custom_field}

    @schema.listing("list_users", UserSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List users, in the order of their ids."""
        hidden = reach.hidden(request.user)
        cast(Any, self).fields = {name: one for name, one in type(self).fields.items() if name not in hidden}
        return super().get(request, **within)

    @schema.writing("create_user", UserSerializer, status=201)
    @repeatable
    def post(self, request: Request) -> Response:
        """Add a user; directories follow in the background."""
        given = _given(request, partial=False)
        with transaction.atomic():
            user = _checked(_form(User(), given))
            user.set_unusable_password()
            services.save_user(user, actor_of(request), by_person=False)
        return self.answer(user, 201, Location=request.build_absolute_uri(f"{request.path}/{user.pk}"))


@extend_schema(tags=["users"])
class ApiUser(OfUsers, ApiSingle):
    """One user."""

    @schema.reading("get_user", UserSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a user."""
        return super().get(request, pk)

    @schema.writing("update_user", UserSerializer)
    @repeatable
    def patch(self, request: Request, pk: int) -> Response:
        """Change what is sent of a user, and leave the rest (RFC 7396); directories follow in the background."""
        with transaction.atomic():
            user = self._mine(request, pk)
            given = _given(request, partial=True)
            if refused := sorted(reach.hidden(request.user) & given.keys()):
                raise ValidationError({name: [NOT_YOURS] for name in refused})
            if given.get("is_active") is False and user.pk == request.user.pk:
                raise NotPossible(OWN)
            name = given.pop("username", user.username)
            if name != user.username:
                _must_be_free(name, user)
            user = _checked(_form(user, given))
            if name != user.username:
                services.rename_user(user, name)
            services.save_user(user, actor_of(request), by_person=False)
        return self.answer(user)

    @schema.deleting("delete_user")
    @repeatable
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a user, who goes into the recycle bin; directories follow in the background."""
        with transaction.atomic():
            user = self._mine(request, pk)
            if user.pk == request.user.pk:
                raise NotPossible(OWN)
            services.delete_users([user.pk], actor_of(request))
        return Response(status=204)

    def _mine(self, request: Request, pk: int) -> User:
        """Return the user, locked, whom this request may change; raise NotFound, PermissionDenied."""
        user: User = self.locked(request, pk)
        if not protection.may_change(request.user, user):
            raise PermissionDenied(STAFF)
        return user


def _given(request: Request, *, partial: bool) -> dict[str, Any]:
    """Return what was sent, by field, of the right types; raise ValidationError."""
    body = UserSerializer(data=request.data, partial=partial)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def _form(user: User, given: Mapping[str, Any]) -> "ModelForm[User]":
    """Return the form of the admin's page, filled with the user and with what was sent of them."""
    definitions = list(AttributeDefinition.objects.all())
    names = [name for name in WRITTEN if name != "custom_profile" and not (user.pk and name == "username")]
    form = modelform_factory(User, form=form_for(definitions), fields=names)
    empty = form(instance=user)
    data = {name: field.prepare_value(empty.get_initial_for_field(field, name)) for name, field in empty.fields.items()}
    data |= {name: value for name, value in given.items() if name not in JSON}
    data["manager"] = getattr(data["manager"], "pk", data["manager"])
    free = {name: _text(value) for name, value in user.custom_attributes.items()} | given.get("custom_attributes", {})
    data["custom_attributes"] = [(name, value) for name, value in free.items() if value is not None]
    data["custom_attributes-present"] = True
    for name, value in given.get("custom_profile", {}).items():
        field = empty.fields.get(PREFIX + name)
        if field is None:
            raise ValidationError({"custom_profile": {name: [NO_ATTRIBUTE.format(name=name)]}})
        data[PREFIX + name] = "" if value is None else field.prepare_value(value)
    return form(data=data, instance=user)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _checked(form: "ModelForm[User]") -> User:
    """Return the user with what was sent; raise ValidationError by field."""
    if form.is_valid():
        return form.save(commit=False)
    found: dict[str, Any] = {}
    for name, errors in form.errors.items():
        if name.startswith(PREFIX):
            found.setdefault("custom_profile", {})[name.removeprefix(PREFIX)] = list(errors)
        else:
            found[name] = list(errors)
    raise ValidationError(found)


def _must_be_free(name: str, user: User) -> None:
    try:
        usernames.validate(name)
        free_name(name, user)
    except exceptions.ValidationError as error:
        raise ValidationError({"username": error.messages}) from None


def _custom_field(name: str) -> ResourceField | None:
    """Return the field of a custom profile attribute."""
    found = AttributeDefinition.objects.filter(name=name.lower()).first()
    if found is None:
        return None
    return ResourceField(KINDS.get(Type(found.type), FilterKind.TEXT), f"custom_profile__{found.name}")
