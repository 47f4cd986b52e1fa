"""``POST /api/v1/users/<username>/password``: set a user's password in the directories that take passwords."""

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core import exceptions
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from provisioning import services
from provisioning.api.access import BearerToken, Endpoint, NameAndPassword, actor_of
from provisioning.api.problems import problem
from provisioning.models import User
from provisioning.models.people import fold
from provisioning.tokens import families

NOWHERE = "No directory takes passwords of this user from the portal. Switch on Set passwords for one."
STAFF = "This account can sign in to the portal; only a superuser may set its password."


class PasswordSerializer(serializers.Serializer[Any]):
    """The body: ``{"password": "..."}``."""

    password = serializers.CharField(max_length=256, trim_whitespace=False, write_only=True)


class SentSerializer(serializers.Serializer[Any]):
    """The answer: to which directories the password is on its way."""

    username = serializers.CharField()
    directories = serializers.ListField(child=serializers.CharField())


@extend_schema(tags=["users"])
@method_decorator(sensitive_post_parameters(), name="dispatch")
class SetPassword(Endpoint):
    """Answers 202: the password is on its way, and the report tells when it is there."""

    permission = "provisioning.set_password_user"
    family = families.PASSWORDS
    authentication_classes = (NameAndPassword, BearerToken, SessionAuthentication)

    @extend_schema(operation_id="set_password", request=PasswordSerializer, responses={202: SentSerializer})
    @method_decorator(sensitive_variables("clear", "body"))
    def post(self, request: Request, username: str) -> Response:
        """Send the password on its way."""
        user = User.objects.filter(username_key=fold(username)).first()
        if user is None:
            raise NotFound("There is no such user.")
        if user.may_sign_in and not request.user.is_superuser:
            raise PermissionDenied(STAFF)
        body = PasswordSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        clear = body.validated_data["password"]
        try:
            validate_password(clear, user)
        except exceptions.ValidationError as error:
            raise serializers.ValidationError({"password": error.messages}) from None
        directories = services.set_password(user, clear, actor_of(request))
        if not directories:
            return problem(409, NOWHERE)
        return Response({"username": user.username, "directories": directories}, status=202)
