"""``/api/v1/gateway/``: where the machines of gateways come in, each by the signature of its own key.

``POST enrol`` takes a one-time code, ``POST exchange`` every message after that. Nobody else has business here, so what
is wrong with a message is told only to whom it was proven that they may know.
"""

import datetime as dt
from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables

from config.signin import counting
from config.signin.addresses import client_address, network_of
from config.signin.counting import TooManyTries
from config.signin.limits import TryLimit
from directories.connectors.gateway.codec import Malformed
from directories.gateway.messages import CONTENT_TYPE, LARGEST, MACHINE, SIGNATURE
from provisioning.api import problems
from provisioning.gateway import door, enrolment
from provisioning.gateway.door import NotLetIn
from provisioning.gateway.enrolment import CodeRefused

LARGEST_ENROLMENT = 4096
WRONG = TryLimit(most=20, window=dt.timedelta(minutes=10))  # by the network that they come from
NO_CODE = "The code is not known, was used, or is too old. Make another one on the gateway's page."
NO_BODY = "Send a code, a public key, a name and a version as JSON."
NOT_KNOWN = "The message is not signed by a machine of a gateway."
TOO_MANY = "Too many wrong messages came from this network. Try again later."
TOO_LARGE = "The message is too large."


class Refusal(Exception):
    """The request gets this answer, which nobody signed."""

    def __init__(self, status: HTTPStatus, detail: str, *, counts: bool = True) -> None:
        super().__init__(detail)
        self.status, self.detail, self.counts = status, detail, counts


@method_decorator(csrf_exempt, name="dispatch")
class GatewayDoor(View):
    """What both addresses share: POST alone, a bounded body, and a count of what was refused."""

    http_method_names = ["post"]
    largest = LARGEST
    counted = "gateway"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer with problem details for what is refused."""
        try:
            response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[assignment]
        except Refusal as refusal:
            return self.refused(request, refusal)
        return response

    def refused(self, request: HttpRequest, refusal: Refusal) -> HttpResponse:
        """Count a wrong message, by the network that it comes from; from too many nothing is answered but that."""
        status, detail = refusal.status, refusal.detail
        if refusal.counts and self.must_wait(request):
            status, detail = HTTPStatus.TOO_MANY_REQUESTS, TOO_MANY
        body = orjson.dumps(problems.body(status, detail))
        return HttpResponse(body, status=status, content_type=problems.TYPE)

    def must_wait(self, request: HttpRequest) -> bool:
        """Count one, for this address alone: a machine whose gateway was deleted keeps no other one out."""
        key = counting.key(self.counted, network_of(client_address(request)))
        try:
            counting.count({key: WRONG})
        except TooManyTries:
            return True
        return False

    def body_of(self, request: HttpRequest) -> bytes:
        """Read no more than is allowed; raise Refusal."""
        if int(request.headers.get("Content-Length") or 0) > self.largest:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        found = request.read(self.largest + 1)
        if len(found) > self.largest:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        return bytes(found)


class Exchange(GatewayDoor):
    """One message of a machine, and the portal's answer."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Look at the signature before anything else."""
        number, signature = request.headers.get(MACHINE, ""), request.headers.get(SIGNATURE, "")
        if not number or not signature:
            raise Refusal(HTTPStatus.UNAUTHORIZED, NOT_KNOWN)
        try:
            reply = door.exchange(number, signature, self.body_of(request))
        except NotLetIn:
            raise Refusal(HTTPStatus.UNAUTHORIZED, NOT_KNOWN) from None
        return HttpResponse(reply.body, content_type=CONTENT_TYPE, headers={SIGNATURE: reply.signature})


class Enrol(GatewayDoor):
    """Lets a machine in that has a one-time code."""

    largest = LARGEST_ENROLMENT
    counted = "gateway enrolment"

    @method_decorator(sensitive_variables("found", "code"))
    def post(self, request: HttpRequest) -> HttpResponse:
        """Take the machine's public key and give the portal's."""
        found = _enrolment(self.body_of(request))
        if self.must_wait(request):
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, TOO_MANY, counts=False)
        try:
            done = enrolment.enrol(found["code"], found["public_key"], found["name"], found["version"])
        except (CodeRefused, Malformed):
            raise Refusal(HTTPStatus.FORBIDDEN, NO_CODE, counts=False) from None
        told = {
            "machine": done.machine.pk,
            "gateway": done.machine.gateway.name,
            "portal_key": done.portal_key,
            "proof": done.proof,
        }
        return HttpResponse(orjson.dumps(told), status=HTTPStatus.CREATED, content_type="application/json")


def _enrolment(body: bytes) -> dict[str, str]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    lengths = {"code": 200, "public_key": 64, "name": 64, "version": 32}
    if type(found) is not dict or not all(
        type(found.get(name)) is str and 0 < len(found[name]) <= most and found[name].isprintable()
        for name, most in lengths.items()
    ):
        raise Refusal(HTTPStatus.BAD_REQUEST, NO_BODY)
    return dict(found)
