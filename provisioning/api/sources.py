"""``/api/v1/sources/<name>/``: a source of truth pushes its people, and asks what became of them.

``POST records`` and ``POST departments`` take a batch, of a new delivery or with ``?delivery=`` of one that is open,
and with ``?close=true`` close it. ``POST deliveries/<number>/close`` says that a delivery is whole. ``GET
deliveries/<number>`` shows how far its import is.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, NotFound, PermissionDenied
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from directories import deliveries
from directories.config import load, open_connector
from directories.connectors.push import Push
from directories.connectors.push.store import DEPARTMENT, PERSON
from directories.deliveries import DeliveryRefused
from directories.models import Directory, PushedDelivery
from provisioning.api.access import Endpoint
from provisioning.api.problems import problem
from provisioning.api.pushed import BadBody, checked, records_of
from provisioning.imports import deliveries as imports
from provisioning.imports import runs
from provisioning.imports.runs import ImportRefused
from provisioning.models import ImportRun
from provisioning.models.imports import RunStatus

PERMISSION = "provisioning.add_importrun"
LARGEST = 16 * 1024 * 1024  # bytes of a body
COUNTS = ("seen", "unchanged", "created", "updated", "deactivated", "held", "errors", "blocked", "left_alone")
NO_SOURCE = "There is no source of this name that takes what is pushed."
NO_DELIVERY = "This source has no such delivery. Push without one to begin another."
NO_NUMBER = "{name} must be a whole number."
ANOTHER = "This token is of another source."
UNKNOWN = "The token is not known, has ended or was withdrawn. Make another one on the page of the source."


class TooLarge(APIException):
    """A body that is too large."""

    status_code = 413
    default_detail = f"The body is larger than {LARGEST // (1024 * 1024)} MB. Send smaller batches of one delivery."


class Encoded(APIException):
    """A body that is compressed."""

    status_code = 415
    default_detail = "The body is compressed. Send it as it is."


@dataclass(frozen=True, slots=True)
class Pusher:
    """Who has the token of a source; it may do nothing else than push to it."""

    directory: Directory
    is_authenticated: bool = True
    is_active: bool = True
    is_staff: bool = True

    @property
    def pk(self) -> str:
        """By what requests are counted."""
        return f"source {self.directory.pk}"

    def has_perm(self, permission: str) -> bool:
        """Pushing is all."""
        return permission == PERMISSION

    def get_username(self) -> str:
        """Who is in the report."""
        return f"token of {self.directory.name}"


class SourceToken(BaseAuthentication):
    """``Authorization: Bearer`` with the token of a source."""

    def authenticate(self, request: Request) -> tuple[Pusher, None] | None:
        """Return whose token it is."""
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "bearer":
            return None
        directory = deliveries.source_of_token(secret.strip())
        if directory is None:
            raise AuthenticationFailed(UNKNOWN)
        return Pusher(directory), None

    def authenticate_header(self, request: Request) -> str:
        """Say what is asked for."""
        return 'Bearer realm="api"'


class Body(BaseParser):
    """The body as bytes, whatever its type says."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Read no more than is allowed."""
        found = stream.read(LARGEST + 1)
        if len(found) > LARGEST:
            raise TooLarge
        return found


class SourceEndpoint(Endpoint):
    """What the addresses of a source share."""

    permission = PERMISSION
    schema = None  # see docs/sources.md: what is pushed has the shape that the source has
    authentication_classes = (SourceToken, *Endpoint.authentication_classes)
    parser_classes = (Body,)

    def source(self, request: Request, name: str) -> Directory:
        """Return the source that is asked for; raise what REST framework answers."""
        user: Any = request.user
        if isinstance(user, Pusher):
            if user.directory.name.casefold() != name.casefold() or user.directory.kind != Push.kind:
                raise PermissionDenied(ANOTHER)
            return user.directory
        found = Directory.objects.select_related("provisioning").filter(name__iexact=name, kind=Push.kind).first()
        if found is None:
            raise NotFound(NO_SOURCE)
        return found

    def handle_exception(self, exc: Exception) -> Response:
        """Answer what a delivery is refused for."""
        if isinstance(exc, BadBody):
            return problem(400, exc.message, errors=exc.faults) if exc.faults else problem(400, exc.message)
        if isinstance(exc, ImportRefused | DeliveryRefused):
            return problem(409, str(exc))
        if isinstance(exc, PushedDelivery.DoesNotExist):
            return problem(404, NO_DELIVERY)
        return super().handle_exception(exc)


class Records(SourceEndpoint):
    """Takes a batch of people."""

    record_kind = PERSON

    def post(self, request: Request, name: str) -> Response:
        """Keep the batch, and let it be imported."""
        directory = self.source(request, name)
        runs.must_be_on(directory)
        number = _number(request, "delivery")
        closing = request.query_params.get("close", "").casefold() in ("1", "true", "yes")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise Encoded
        body = request.data if isinstance(request.data, bytes) else b""
        connector: Any = open_connector(load(directory.pk))
        one = connector.account if self.record_kind == PERSON else connector.department
        records = checked(records_of(body), lambda record: _looked_at(one(record)))
        actor = request.user.get_username()
        delivery = deliveries.receive(directory, self.record_kind, records, actor=actor, number=number)
        if closing:
            delivery = deliveries.close(directory, delivery.pk)
        return taken(directory, delivery)


class Departments(Records):
    """Takes a batch of departments."""

    record_kind = DEPARTMENT


class OneDelivery(SourceEndpoint):
    """Shows a delivery and its import."""

    def get(self, request: Request, name: str, number: int) -> Response:
        """Say how far it is."""
        directory = self.source(request, name)
        return Response(shown(directory, PushedDelivery.objects.get(directory=directory, pk=number)))


class Close(SourceEndpoint):
    """Closes a delivery: nobody else is there."""

    def post(self, request: Request, name: str, number: int) -> Response:
        """Close it, unless it is closed, and let it be imported."""
        directory = self.source(request, name)
        runs.must_be_on(directory)
        return taken(directory, deliveries.close(directory, number, people=_number(request, "people")))


def taken(directory: Directory, delivery: PushedDelivery) -> Response:
    """Let what waits be imported, now or after the import that runs, and answer 202 with the address to ask."""
    with suppress(ImportRefused):  # another import runs; what waits is started after it
        imports.start(directory)
    delivery.refresh_from_db()
    found = shown(directory, delivery)
    return Response(found, status=202, headers={"Location": found["address"]})


def shown(directory: Directory, delivery: PushedDelivery) -> dict[str, Any]:
    """Return a delivery and its import as JSON."""
    arguments = {"name": directory.name, "number": delivery.pk}
    return {
        "delivery": delivery.pk,
        "address": reverse("api-delivery", kwargs=arguments),
        "state": "closed" if delivery.closed_at else "open",
        "records": delivery.records,
        "changed": delivery.changed,
        "missing": delivery.missing,
        "waits": delivery.waits,
        "run": _run(delivery),
    }


def _run(delivery: PushedDelivery) -> dict[str, Any] | None:
    """Return the import that took the delivery in last; one that found nothing is forgotten after the next."""
    if delivery.run_id is None:
        return None
    run = ImportRun.objects.filter(pk=delivery.run_id).first()
    if run is None:
        return {"id": delivery.run_id, "state": RunStatus.FINISHED.value}
    return {
        "id": run.pk,
        "state": run.status,
        "message": run.message,
        "whole": not run.incremental,
        **{name: getattr(run, name) for name in COUNTS},
    }


def _looked_at(found: Any) -> tuple[str, str]:
    """Return the lasting number of a person or a department, and what is wrong with it or with a contract of it."""
    contracts = getattr(found, "contracts", None) or ()
    fault = found.problem or next((one.problem for one in contracts if one.problem), "")
    return found.ref, fault


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadBody(NO_NUMBER.format(name=name))
    return int(text)
