"""``/api/v1/requests``: what people asked for, and the decisions about it, by a person's own token alone."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from provisioning.api import schema
from provisioning.api.access import actor_of
from provisioning.api.filters import fields_of
from provisioning.api.resources import ApiList, ApiRow, ApiSingle, NotPossible, repeatable
from provisioning.models import User
from provisioning.requests import services
from provisioning.requests.models import ProductRequest, RequestState, RequestStep, StepState
from provisioning.requests.rights import VIEW
from provisioning.tokens import families

COLUMNS = (
    *("id", "product", "product_name", "person", "person_name", "asked_by", "asked_by_name", "state"),
    *("renews", "answers", "reason", "why", "asked_at", "decided_at", "ended_at"),
)
NOBODY = "Nobody in person has this token. Requests are decided with a personal token, of who is asked."
NO_STEP = "The request has no such step. Read it again: step is the one that waits."


class RequestedProductSerializer(serializers.ModelSerializer[ProductRequest]):
    """A request; ``step`` is the one that waits for a decision, and ``waits_for`` says whose."""

    step = serializers.IntegerField(read_only=True, allow_null=True)
    waits_for = serializers.CharField(read_only=True, allow_null=True)

    class Meta:
        model = ProductRequest
        fields = (*COLUMNS, "step", "waits_for")
        read_only_fields = COLUMNS


class DecisionSerializer(serializers.Serializer[Any]):
    """Which step is decided: the very one that was looked at, and why."""

    step = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000)


class OfRequests:
    """What everything about requests shares."""

    model: ClassVar[Any] = ProductRequest
    family = families.REQUESTS
    serializer_class: ClassVar[Any] = RequestedProductSerializer

    def rows(self) -> "QuerySet[Any]":
        """Return all requests with the step that waits."""
        waiting = RequestStep.objects.filter(request=OuterRef("pk"), state=StepState.OPEN).order_by("position")
        return ProductRequest.objects.annotate(
            step=Subquery(waiting.values("pk")[:1]), waits_for=Subquery(waiting.values("said")[:1])
        )


@extend_schema(tags=["requests"])
class ApiRequests(OfRequests, ApiList):
    """All requests."""

    fields = fields_of(ProductRequest, COLUMNS)

    @schema.listing("list_requests", RequestedProductSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List requests, in the order of their ids: `state eq "waiting"`, say."""
        return super().get(request, **within)


@extend_schema(tags=["requests"])
class ApiRequest(OfRequests, ApiSingle):
    """One request."""

    @schema.reading("get_request", RequestedProductSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a request."""
        return super().get(request, pk)


class DecisionAction(OfRequests, ApiRow):
    """A decision about a request, by whoever is asked and may look at requests."""

    rights: ClassVar[Mapping[str, str]] = {"POST": VIEW}

    def decide(self, request: Request, pk: int, *, approve: bool) -> Response:
        """Decide the step as the person whose token it is."""
        user = request.user
        if not isinstance(user, User):
            raise PermissionDenied(NOBODY)
        body = DecisionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        step, reason = body.validated_data["step"], body.validated_data.get("reason", "")
        if not RequestStep.objects.filter(pk=step, request=pk).exists():
            raise NotFound(NO_STEP)
        try:
            done = services.decided(step, user, approve=approve, reason=reason, actor=actor_of(request))
        except services.AskRefused as refused:
            raise NotPossible(str(refused)) from None
        if done.state == RequestState.GRANTED and done.person_id is not None:
            person, actor = done.person_id, actor_of(request)
            transaction.on_commit(lambda: services.fulfil([person], actor), robust=True)
        return self.answer(self.find(pk))


@extend_schema(tags=["requests"])
class ApproveRequest(DecisionAction):
    """Approves a step."""

    @schema.acting("approve_request", RequestedProductSerializer, body=DecisionSerializer)
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Approve the step of a request that waits for you; after the last one, what was asked for is given."""
        return self.decide(request, pk, approve=True)


@extend_schema(tags=["requests"])
class RefuseRequest(DecisionAction):
    """Refuses a step."""

    @schema.acting("refuse_request", RequestedProductSerializer, body=DecisionSerializer)
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Refuse the step of a request that waits for you, and say why."""
        return self.decide(request, pk, approve=False)
