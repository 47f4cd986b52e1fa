"""Tokens that open nothing: counted over all processes, reported, and asked to come back later.

A right token opens the door whatever was counted: tokens are too long to be guessed, and an application with an old
one must not shut out another one behind the same address.
"""

import datetime as dt
import time

from django.http import HttpRequest

from config.signin import counting, events, limits
from config.signin.addresses import client_address, network_of
from config.signin.counting import TooManyTries
from config.signin.events import FailedTry
from scim.models import Client

MOST_PLACES = 1000
_paused: dict[str, float] = {}  # what this process knows already, so that a flood costs the database nothing


def count(request: HttpRequest, slug: str = "") -> dt.timedelta:
    """Count a wrong token; return for how long none is taken from the address, which is zero for those that count."""
    address = client_address(request)
    place = network_of(address)
    left = _paused.get(place, 0.0) - time.monotonic()
    if left > 0:
        return dt.timedelta(seconds=left)
    key = counting.key("token", place)
    try:
        counted = counting.count({key: limits.TOKENS})
    except TooManyTries as error:
        _remember(place, error.left)
        return error.left
    name = Client.objects.filter(slug=slug).values_list("name", flat=True).first() if slug else None
    tried = FailedTry(f"token of a SCIM application from {address}", application=name or "")
    events.failed(tried, counted.rows[key])
    if counted.pause:
        events.paused(tried, counted.pause)
        _remember(place, counted.pause)
    return dt.timedelta()


def _remember(place: str, left: dt.timedelta) -> None:
    if len(_paused) >= MOST_PLACES:
        _paused.clear()
    _paused[place] = time.monotonic() + left.total_seconds()
