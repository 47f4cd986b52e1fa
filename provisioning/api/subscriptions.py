"""``/api/v1/subscriptions``: the receivers of events. Their address, secret and token are written and never read."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema
from pydantic import SecretStr
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from provisioning.api import configuration, schema
from provisioning.api.access import actor_of
from provisioning.api.configuration import Configuration, SecretField, secrets_sent
from provisioning.api.filters import fields_of
from provisioning.api.resources import ApiList, ApiRow, ApiSingle, repeatable
from provisioning.blueprints import receivers
from provisioning.blueprints.state import without_nulls
from provisioning.events import subscriptions
from provisioning.events.models import Subscription
from provisioning.events.rotation import secrets_of
from provisioning.tokens import families

CHANGE = "events.change_subscription"
TAKEN = "There is a receiver of this name already."
NO_SECRET = "A receiver always has a secret. Send another one, or leave it out."
STATE = ("unreachable_since", "failing_since", "stopped_because", "created_at", "updated_at")


class SubscriptionSerializer(serializers.ModelSerializer[Subscription]):
    """A receiver of events, as it is sent, and what may be sent of one."""

    address = serializers.SerializerMethodField(help_text="Where events go, without what may be a key in it.")
    url = serializers.CharField(write_only=True, required=False, help_text="The whole address; it is never sent.")
    kinds = serializers.ListField(child=serializers.CharField(), help_text='Such as "user.created".')
    fields: Any = serializers.ListField(
        child=serializers.CharField(), required=False, help_text='Attributes that are sent: "profile.email".'
    )
    filter = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    secret = SecretField(required=False, help_text="By which what is sent is signed: whsec_ and Base64.")
    token = SecretField(required=False, help_text="A token that is sent along.")

    class Meta:
        model = Subscription
        fields = (
            *("id", "name", "address", "url", "enabled", "envelope", "kinds", "filter", "fields", "audience"),
            *("authority", "give_up_days", "secret", "token", *STATE),
        )
        read_only_fields = ("id", *STATE)

    def get_address(self, held: Subscription) -> str:
        """Cut the rest off."""
        return subscriptions.shown_address(held.url)

    def to_representation(self, instance: Subscription) -> dict[str, Any]:
        """Say of its secrets whether there are any."""
        known = secrets_of(instance)
        shown = {name: field for name, field in self.fields.items() if name not in (*receivers.SECRETS, "url")}
        found = {str(name): field.to_representation(field.get_attribute(instance)) for name, field in shown.items()}
        return found | {name: bool(known.get(name)) for name in receivers.SECRETS}


class RotateSerializer(serializers.Serializer[Any]):
    """The secret that signs from now on; left out, the portal makes one, which its page shows."""

    secret = serializers.CharField(required=False, max_length=200)


class OfSubscriptions(Configuration):
    """What the list and the single receiver share."""

    model: ClassVar[Any] = Subscription
    family = families.CONFIGURATION
    serializer_class: ClassVar[Any] = SubscriptionSerializer
    not_versioned = frozenset(STATE) - {"created_at", "updated_at"}

    def save(self, request: Request, held: Subscription | None, sent: dict[str, Any]) -> str:
        """Write what was sent of a receiver, or add one, in the caller's transaction; return its name."""
        known = secrets_of(held) if held else {}
        secrets = {name: sent.pop(name) for name in receivers.SECRETS if name in sent}
        secrets = secrets_sent({name: bool(known.get(name)) for name in receivers.SECRETS}, secrets, where="secret")
        if "secret" in secrets and secrets["secret"] is None:
            raise ValidationError({"secret": [NO_SECRET]})
        named = {"name": held.name} if held else {}
        wanted = configuration.item(receivers.ReceiverSchema, named | sent | without_nulls(secrets))
        if "token" in secrets and secrets["token"] is None:
            wanted["token"] = SecretStr("")
        others = Subscription.objects.filter(name__iexact=wanted["name"]).exclude(pk=held.pk if held else 0)
        if others.exists():
            raise ValidationError({"name": [TAKEN]})
        receivers.change(held, wanted, actor_of(request))
        return str(wanted["name"])


@extend_schema(tags=["subscriptions"])
class ApiSubscriptions(OfSubscriptions, ApiList):
    """All receivers of events."""

    fields = fields_of(
        Subscription, ("id", "name", "enabled", "envelope", "filter", "audience", "give_up_days", *STATE)
    )

    @schema.listing("list_subscriptions", SubscriptionSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List receivers of events, in the order of their ids."""
        return super().get(request, **within)

    @schema.writing("create_subscription", SubscriptionSerializer, status=201)
    @repeatable
    def post(self, request: Request) -> Response:
        """Add a receiver of events; one without a secret gets one, which its page shows."""
        with transaction.atomic():
            made = self.rows().get(name=self.save(request, None, self.sent(request)))
        return self.answer(made, 201, Location=request.build_absolute_uri(f"{request.path}/{made.pk}"))


@extend_schema(tags=["subscriptions"])
class ApiSubscription(OfSubscriptions, ApiSingle):
    """One receiver of events."""

    @schema.reading("get_subscription", SubscriptionSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a receiver of events."""
        return super().get(request, pk)

    @schema.writing("update_subscription", SubscriptionSerializer, versioned=True)
    @repeatable
    def patch(self, request: Request, pk: int) -> Response:
        """Change what is sent of a receiver, and leave the rest (RFC 7396); lists are replaced whole."""
        with transaction.atomic():
            self.save(request, self.locked(request, pk), self.sent(request))
        return self.answer(self.find(pk))

    @schema.deleting("delete_subscription", versioned=True)
    @repeatable
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a receiver with all that waits for it, and its log."""
        with transaction.atomic():
            subscriptions.remove(self.locked(request, pk), actor_of(request))
        return Response(status=204)


@extend_schema(tags=["subscriptions"])
class RotateSecret(OfSubscriptions, ApiRow):
    """Gives a receiver another secret."""

    versioned = False
    rights: ClassVar[Mapping[str, str]] = {"POST": CHANGE}

    @schema.acting("rotate_secret", SubscriptionSerializer, body=RotateSerializer)
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Give a receiver another secret; what is sent is signed by the one before too, for a week."""
        body = RotateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            held: Subscription = self.locked(request, pk)
            if "secret" in body.validated_data:
                self.save(request, held, {"secret": body.validated_data["secret"]})
            else:
                subscriptions.rotate_secret(held, actor_of(request))
        return self.answer(self.find(pk))
