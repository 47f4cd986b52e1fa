"""What the web log and the provisioning report say of sign-ins: who, from where, how it ended; never a password.

Somebody who tries thousands of passwords must not fill the report. The wrong ones of one account and address are one
line a window, which counts them, and of such lines the report takes so many an hour; the web log has every one.
A name that nobody has is not written down: people type their password there.
"""

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Any

from allauth.account.authentication import get_authentication_records
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from config.signin import counting, limits
from config.signin.addresses import client_address
from config.signin.limits import TryLimit
from config.signin.models import Tries
from reports import journal
from reports.journal import Line
from reports.models import Direction, Operation, Result

log = logging.getLogger(__name__)

LINES = TryLimit(most=200, window=dt.timedelta(hours=1))
"""Lines of wrong ones that the report takes."""
MEANS = {"totp": "an authenticator app", "webauthn": "a passkey", "recovery_codes": "a recovery code"}
UNKNOWN = "an unknown address"
ENOUGH = "There are more wrong sign-ins than the report keeps. The log of the web server has them all."


@dataclass(frozen=True, slots=True)
class FailedTry:
    """One failed try: ``what`` in words ("sign-in as anna from 10.0.0.5"), and whom and what the line is about."""

    what: str
    identifier: str = ""
    user_id: int | None = None
    application: str = ""


def failed(tried: FailedTry, row: Tries) -> None:
    """Record a try that was wrong; ``row`` counts those that belong into one line."""
    log.warning("Wrong %s", tried.what)
    message = f"Wrong {tried.what}." if row.number == 1 else f"{row.number} times: wrong {tried.what}."
    if row.event_id and journal.reword(row.event_id, message):
        return
    if _room():
        event_id = journal.write(_line(tried, message))
        Tries.objects.filter(pk=row.pk).update(event_id=event_id)


def paused(tried: FailedTry, pause: dt.timedelta) -> None:
    """Record that no further try is allowed for a while."""
    message = f"Too many: no {tried.what} for {limits.duration(pause)}."
    log.warning("%s", message)
    _report(tried, message)


def refused(tried: FailedTry) -> None:
    """Write a try to the log, and only the log, during a pause."""
    log.warning("Refused: %s", tried.what)


def signed_in(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Record that somebody signed in, and with what besides a password."""
    _record(request, user, Operation.SIGN_IN, "signed in", _means(request, user))


def signed_out(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Record that somebody signed out."""
    _record(request, user, Operation.SIGN_OUT, "signed out")


def not_allowed(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Record that somebody proved who they are, and may not sign in."""
    name = user.get_username()
    tried = FailedTry(f"sign-in as {name} from {client_address(request) or UNKNOWN}", name, user.pk)
    log.warning("Refused: %s", tried.what)
    _report(tried, f"Refused {tried.what}: they may not sign in.")


def not_vouched_for(request: HttpRequest, provider: str, why: str) -> None:
    """Record that a sign-in through an identity provider failed, and why."""
    address = client_address(request) or UNKNOWN
    message = f"Refused a sign-in through {provider} from {address}: {why.rstrip('.')}."
    log.warning("%s", message)
    _report(FailedTry(message, application=provider), message)


def password_chosen(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Record that somebody chose their password by a one-time link."""
    _record(request, user, Operation.PASSWORD, "chose a portal password by a one-time link")


def password_changed(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Record that somebody changed their password on their own page."""
    _record(request, user, Operation.PASSWORD, "changed their portal password")


def factor(request: HttpRequest, user: AbstractBaseUser, verb: str) -> None:
    """Record what somebody did with a second factor of theirs: "added a passkey"."""
    _record(request, user, Operation.SIGN_IN, verb)


def wrong_code(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Record a wrong code of a second factor."""
    name = user.get_username()
    tried = FailedTry(f"code of {name} from {client_address(request) or UNKNOWN}", name, user.pk)
    log.warning("Wrong %s", tried.what)
    _report(tried, f"Wrong {tried.what}.")


def sessions_ended(request: HttpRequest, user: Any, number: int) -> None:
    """Record that somebody ended sessions of their own."""
    _record(request, user, Operation.SIGN_OUT, f"ended {number} other session{'s' if number != 1 else ''} of theirs")


def _means(request: HttpRequest, user: AbstractBaseUser) -> str:
    """Return the end of a sentence: ", with a passkey", "" for a password alone."""
    records = get_authentication_records(request, user)
    through = [f"through {record['provider']}" for record in records if record["method"] == "socialaccount"]
    means = [*through[-1:], *(f"with {MEANS[record['type']]}" for record in records if record["method"] == "mfa")]
    return "".join(f", {one}" for one in dict.fromkeys(means))


def _record(request: HttpRequest, user: AbstractBaseUser, operation: Operation, verb: str, means: str = "") -> None:
    name = user.get_username()
    message = f"{name} {verb} from {client_address(request) or UNKNOWN}{means}."
    log.info("%s", message)
    line = Line(name, "", Direction.PORTAL, operation, Result.SUCCESS, message, actor=name, user_id=user.pk)
    journal.record(line)


def _report(tried: FailedTry, message: str) -> None:
    """Write a line of the report about a failed try, as long as it takes more of them."""
    if _room():
        journal.record(_line(tried, message))


def _line(tried: FailedTry, message: str) -> Line:
    return Line(
        identifier=tried.identifier,
        application=tried.application,
        direction=Direction.PORTAL,
        operation=Operation.SIGN_IN,
        result=Result.FAILED,
        message=message,
        user_id=tried.user_id,
    )


def _room() -> bool:
    """Return whether the report takes another line; the last one that it takes says so."""
    try:
        counted = counting.count({counting.key("lines"): LINES})
    except counting.TooManyTries:
        return False
    if counted.pause:
        journal.record(_line(FailedTry(""), ENOUGH))
        return False
    return True
