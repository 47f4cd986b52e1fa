"""Who may use the API, and how often: staff of the portal, by session or by name and password."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from rest_framework.authentication import BaseAuthentication, BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle, UserRateThrottle
from rest_framework.views import APIView

from config.signin import counting
from config.signin.addresses import client_address, network_of
from config.signin.backend import TooManySignIns
from config.signin.counting import TooManyTries
from config.signin.limits import TryLimit
from provisioning.api.problems import handle


class _Shared(SimpleRateThrottle):
    """Counts over all processes, and by the network that the client's own address is of."""

    left = 0.0

    def get_ident(self, request: Request) -> str:
        """Return the client's network."""
        return network_of(client_address(request))

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request."""
        most, seconds = self.parse_rate(self.rate)
        key = counting.key("requests", str(self.get_cache_key(request, view)))
        try:
            counting.count({key: TryLimit(most=most or 0, window=dt.timedelta(seconds=seconds or 0))})
        except TooManyTries as error:
            self.left = error.left.total_seconds()
            return False
        return True

    def wait(self) -> float | None:
        """Return the seconds until the next request is allowed."""
        return self.left


class PerAddress(_Shared):
    """Requests from one address, counted before anybody is let in."""

    scope = "api-address"

    def get_cache_key(self, request: Request, view: Any) -> str:
        """Count by the client's address."""
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


class PerUser(_Shared, UserRateThrottle):
    """Requests of one user."""

    scope = "api-user"


class TooManyRequests(APIException):
    """Too many wrong sign-ins; ``wait`` becomes Retry-After."""

    status_code = 429

    def __init__(self, error: TooManySignIns) -> None:
        super().__init__(str(error))
        self.wait = error.left.total_seconds()


class NameAndPassword(BasicAuthentication):
    """Basic authentication with the limits of the sign-in page."""

    def authenticate_credentials(self, *args: Any, **kwargs: Any) -> Any:
        """Say when to try again."""
        try:
            return super().authenticate_credentials(*args, **kwargs)
        except TooManySignIns as error:
            raise TooManyRequests(error) from None


class IsPermittedStaff(BasePermission):
    """Lets staff of the portal in who have the view's ``permission``."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Ask for both."""
        user = request.user
        return bool(user and user.is_active and user.is_staff and user.has_perm(view.permission))


class Endpoint(APIView):
    """What every view of the API shares; ``permission`` is the right that it asks for."""

    permission = ""
    authentication_classes: Sequence[type[BaseAuthentication]] = (NameAndPassword, SessionAuthentication)
    permission_classes = (IsPermittedStaff,)
    throttle_classes = (PerUser,)
    parser_classes: Sequence[type[BaseParser]] = (JSONParser,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the request before looking at who sends it: REST framework would do it in the other order."""
        throttle = PerAddress()
        if not throttle.allow_request(request, self):
            self.throttled(request, throttle.wait() or 1.0)
        super().initial(request, *args, **kwargs)

    def get_exception_handler(self) -> Callable[..., Any]:
        """Answer with problem details."""
        return handle
