"""Who may use the API, and how often: staff of the portal, by session or by name and password."""

from collections.abc import Callable
from typing import Any

from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle, UserRateThrottle
from rest_framework.views import APIView

from provisioning.api.problems import handle


class PerAddress(SimpleRateThrottle):
    """Requests from one address, counted before anybody is let in, so that passwords cannot be tried at will."""

    scope = "api-address"

    def get_cache_key(self, request: Request, view: Any) -> str:
        """Count by the client's address."""
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


class PerUser(UserRateThrottle):
    """Requests of one user."""

    scope = "api-user"


class Staff(BasePermission):
    """Lets staff of the portal in who have the view's ``permission``."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Ask for both."""
        user = request.user
        return bool(user and user.is_active and user.is_staff and user.has_perm(view.permission))


class Endpoint(APIView):
    """What every view of the API shares; ``permission`` is the right that it asks for."""

    permission = ""
    authentication_classes = (BasicAuthentication, SessionAuthentication)
    permission_classes = (Staff,)
    throttle_classes = (PerUser,)
    parser_classes = (JSONParser,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the request before looking at who sends it: REST framework would do it in the other order."""
        throttle = PerAddress()
        if not throttle.allow_request(request, self):
            self.throttled(request, throttle.wait() or 1.0)
        super().initial(request, *args, **kwargs)

    def get_exception_handler(self) -> Callable[..., Any]:
        """Answer with problem details."""
        return handle
