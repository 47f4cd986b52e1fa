"""Who may use the API, and how often: tokens, and staff of the portal by session or by name and password."""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from rest_framework.authentication import BaseAuthentication, BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle, UserRateThrottle
from rest_framework.views import APIView

from config.signin import counting
from config.signin.addresses import client_address, network_of
from config.signin.backend import TooManySignIns
from config.signin.counting import TooManyTries
from config.signin.limits import TryLimit
from provisioning.actors import through_token
from provisioning.api.problems import handle
from provisioning.models import User
from provisioning.tokens import issuing
from provisioning.tokens.models import ApiToken

UNKNOWN_TOKEN = "The token is not known, has ended or was revoked. Make another one on the page API tokens."
NOBODY_ANSWERS = (
    "{who}, who answered for this token, has left. A superuser can answer for it from now on, on the page API tokens."
)
NO_SCOPE = "The token has not the scope {family}: {scope}. Make one that has, on the page API tokens."


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


class PerToken(_Shared):
    """Requests with one token; those of a session count as their user's."""

    scope = "api-token"

    def get_cache_key(self, request: Request, view: Any) -> str:
        """Count by the token."""
        who = f"token {request.auth.pk}" if isinstance(request.auth, ApiToken) else f"user {request.user.pk}"
        return self.cache_format % {"scope": self.scope, "ident": who}


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


@dataclass(frozen=True, slots=True)
class ServiceActor:
    """Who has the token of a service: nobody in person, with the rights of the token's role."""

    token: ApiToken
    rights: frozenset[str]
    is_authenticated: bool = True
    is_active: bool = True
    is_staff: bool = True
    is_superuser: bool = False

    @property
    def pk(self) -> str:
        """By what requests are counted; nobody has this number."""
        return f"service token {self.token.pk}"

    def has_perm(self, permission: str, obj: Any = None) -> bool:
        """Whether its role has the right."""
        return permission in self.rights

    def has_perms(self, permissions: Collection[str], obj: Any = None) -> bool:
        """Whether its role has all of the rights."""
        return self.rights.issuperset(permissions)

    def get_username(self) -> str:
        """Who made the token answers for it, by the name that they have now."""
        return issuing.answerer(self.token)


class BearerToken(BaseAuthentication):
    """``Authorization: Bearer`` with a token of the page API tokens."""

    def authenticate(self, request: Request) -> tuple[User | ServiceActor, ApiToken] | None:
        """Return whose token it is, and the token."""
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "bearer":
            return None
        token = issuing.find(secret.strip())
        if token is None:
            raise AuthenticationFailed(UNKNOWN_TOKEN)
        if token.owner is not None:
            return token.owner, token
        return ServiceActor(token, _rights_of_service(token)), token

    def authenticate_header(self, request: Request) -> str:
        """Say what is asked for."""
        return 'Bearer realm="api"'


def _rights_of_service(token: ApiToken) -> frozenset[str]:
    """Return the rights of a token's role that who answers for it has too; raise AuthenticationFailed for nobody."""
    if not issuing.answers(token):
        raise AuthenticationFailed(NOBODY_ANSWERS.format(who=issuing.answerer(token)))
    assert token.role is not None
    assert token.maker is not None
    names = token.role.permissions.values_list("content_type__app_label", "codename").order_by()
    found = frozenset(f"{app}.{codename}" for app, codename in names)
    return found if token.maker.is_superuser else found & token.maker.get_all_permissions()


def actor_of(request: Request) -> str:
    """Return who is named in the report: somebody, or a token with the person behind it."""
    token = request.auth
    if isinstance(token, ApiToken):
        return through_token(request.user.get_username(), token.name, service=token.owner_id is None)
    return str(request.user.get_username())


class IsPermittedStaff(BasePermission):
    """Lets staff of the portal in who have the view's ``permission``."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Ask for both, and of a token for the scope besides: it never has more than its owner or its role."""
        user = request.user
        if not (user and user.is_active and user.is_staff and view.permits(request)):
            return False
        if isinstance(request.auth, ApiToken):
            scope = issuing.READ if request.method in SAFE_METHODS else issuing.WRITE
            if request.auth.scopes.get(view.family) not in (scope, issuing.WRITE):
                raise PermissionDenied(NO_SCOPE.format(family=view.family, scope=scope))
        return True


class Endpoint(APIView):
    """What every view of the API shares.

    ``permission`` is the right that it asks for, and ``family`` that of the scope which a token needs.
    """

    permission = ""
    family = ""
    authentication_classes: Sequence[type[BaseAuthentication]] = (NameAndPassword, SessionAuthentication)
    permission_classes: Sequence[type[BasePermission]] = (IsPermittedStaff,)
    throttle_classes: Sequence[type[BaseThrottle]] = (PerUser,)
    parser_classes: Sequence[type[BaseParser]] = (JSONParser,)

    def right(self, request: Request) -> str:
        """Return the right that this request needs."""
        return self.permission

    def permits(self, request: Request) -> bool:
        """Return whether whoever asks has that right."""
        return bool(request.user.has_perm(self.right(request)))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the request before looking at who sends it: REST framework would do it in the other order."""
        throttle = PerAddress()
        if not throttle.allow_request(request, self):
            self.throttled(request, throttle.wait() or 1.0)
        super().initial(request, *args, **kwargs)

    def get_exception_handler(self) -> Callable[..., Any]:
        """Answer with problem details."""
        return handle
