"""Who may sign in to the portal, by user name and password, at every door: the sign-in page and the REST API.

The API asks for staff besides.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from django.http import HttpRequest

from config.signin import chosen, counting, events, limits, policy
from config.signin.addresses import client_address, network_of
from config.signin.counting import CountedTries, TooManyTries
from config.signin.events import FailedTry
from config.signin.limits import TryLimit
from reports.journal import fold


class TooManySignIns(TooManyTries):
    """Too many wrong ones were tried; a right one is refused as well, so that nobody learns which it was."""

    def __str__(self) -> str:
        if self.left == limits.MOMENT:
            return "Too many sign-ins at the same moment. Try again in a few seconds."
        return f"Too many wrong sign-ins. {super().__str__()}"


class PortalBackend(ModelBackend):
    """Lets active staff in, and people who are not staff where the settings say so.

    Every wrong try counts, against the account, the address, and both together.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """Return the user; raise TooManySignIns. Without a request, as in commands, nothing is counted."""
        if request is None or username is None or password is None:
            return super().authenticate(request, username, password, **kwargs)
        name = username.replace("\x00", "").encode(errors="replace").decode()
        attempt = _Attempt(name, client_address(request))
        stored = chosen.known(name) if policy.current().self_service else chosen.StoredPassword()
        user = super().authenticate(request, name, password, **kwargs)
        if user is not None and not user.is_staff and not stored.fits(user):
            user = None
        if user is None:
            attempt.was_wrong()
        else:
            attempt.was_right()
        return user

    def _get_group_permissions(self, user_obj: Any) -> QuerySet[Permission]:
        """Return the rights of the roles that have not ended; whatever ends does so at its moment."""
        return Permission.objects.filter(group__in=user_obj.roles)

    def user_can_authenticate(self, user: Any) -> bool:
        """Return whether somebody may sign in; a session ends as soon as they may not."""
        return policy.may_sign_in(user)


class _Attempt:
    """One try to sign in, from when it is counted until its outcome is known."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        folded, place = fold(name), network_of(address)
        self.pair = counting.key("account and address", folded, place)
        self.of_address = counting.key("address", place)
        self.of_account = counting.key("account", folded)
        self.rules: Mapping[str, TryLimit] = {
            self.pair: limits.PAIR,
            self.of_address: limits.ADDRESS,
            self.of_account: limits.ACCOUNT,
        }
        self.counted = self._count()

    def _count(self) -> CountedTries:
        try:
            return counting.count(self.rules, usual=(self.pair, self.of_account), decided=False)
        except TooManyTries as error:
            events.refused(self._tried())
            raise TooManySignIns(error.left) from None

    def was_right(self) -> None:
        counting.was_right(self.counted, self.pair)

    def was_wrong(self) -> None:
        pauses = counting.was_wrong(self.counted, self.rules)
        tried = self._tried()
        events.failed(tried, self.counted.rows[self.pair])
        whose = tried.what.partition(" from ")[0]
        for key, about in (
            (self.pair, tried.what),
            (self.of_address, f"sign-in from {self.address}"),
            (self.of_account, f"{whose} from a new address"),
        ):
            if pause := pauses.get(key):
                events.paused(FailedTry(about, tried.identifier, tried.user_id), pause)

    def _tried(self) -> FailedTry:
        """Return the try in words; looked up for all names alike, so that the time tells nothing either."""
        model = get_user_model()
        try:
            user = model._default_manager.get_by_natural_key(self.name)
        except model.DoesNotExist:
            return FailedTry(f"sign-in with a user name that nobody has from {self.address}")
        name = user.get_username()
        return FailedTry(f"sign-in as {name} from {self.address}", name, user.pk)
