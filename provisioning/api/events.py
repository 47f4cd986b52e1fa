"""``/api/v1/events``: the lines of the provisioning report, newest first, found as the report's page finds them."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from provisioning.api import paging, schema
from provisioning.api.paging import CursorPage
from provisioning.api.resources import ApiList, ApiSingle
from provisioning.tokens import families
from reports import filters, search
from reports.models import Event
from reports.paging import PageCursor
from reports.search import EventCriteria


class EventSerializer(serializers.ModelSerializer[Event]):
    """A line of the report, with the names that its filter has."""

    time = serializers.DateTimeField(source="at")
    cause = serializers.CharField(source="actor")
    user = serializers.IntegerField(source="user_id", allow_null=True)
    account = serializers.IntegerField(source="account_id", allow_null=True)
    group = serializers.IntegerField(source="group_id", allow_null=True)
    run = serializers.IntegerField(source="run_id", allow_null=True)

    class Meta:
        model = Event
        fields = (
            *("id", "time", "identifier", "application", "direction", "operation", "result", "message"),
            *("changes", "cause", "user", "account", "group", "run"),
        )
        read_only_fields = fields


@extend_schema(tags=["events"])
class ApiEvents(ApiList):
    """The provisioning report."""

    model: ClassVar[Any] = Event
    family = families.REPORT
    serializer_class: ClassVar[Any] = EventSerializer

    @schema.listing("list_events", EventSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List lines, the newest first: `identifier sw "anna" and result eq "failed"`, say."""
        parameters = request.query_params.dict()
        size, text = paging.limit_of(parameters), parameters.get("cursor", "")
        older = PageCursor.parse(text)
        if text and older is None:
            raise ValidationError({"cursor": [paging.NO_CURSOR]})
        found = search.page(_criteria(parameters.get("filter", "")), size, older=older)
        page = CursorPage(found.rows, str(found.older) if found.older else "")
        return Response(paging.shown(request, page, self.show))


@extend_schema(tags=["events"])
class ApiEvent(ApiSingle):
    """One line of the report."""

    model: ClassVar[Any] = Event
    family = families.REPORT
    serializer_class: ClassVar[Any] = EventSerializer

    @schema.reading("get_event", EventSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a line."""
        return super().get(request, pk)


def _criteria(text: str) -> EventCriteria:
    """Return what a filter searches for, as on the report's page; raise ValidationError."""
    try:
        return EventCriteria(alternatives=filters.read(text) if text.strip() else ())
    except ValueError as error:
        raise ValidationError({"filter": [str(error)]}) from None
