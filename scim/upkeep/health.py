"""How SCIM applications do, told cheaply: whether a token still opens the door, and how the newest requests went."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.timesince import timeuntil

from scim.access import tokens
from scim.models import Client, RequestLog, Token, TokenKind

WINDOW = 20
"""How many of the newest requests are looked at."""

MANY = 5
"""So many failures among them are worth somebody's attention."""

EXPECTED = {404, 409, 412}
"""What a careful client meets every day: asked whether somebody exists, tried to add who is there, came second."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that needs a person: how bad it is, in a few words and in a sentence."""

    level: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Recent:
    """How the newest requests went."""

    total: int
    failed: int
    example: str = ""

    @property
    def bad(self) -> bool:
        """Whether so many failed that somebody should look."""
        return self.failed >= MANY

    @property
    def words(self) -> str:
        """The numbers as a sentence."""
        if not self.failed:
            return f"The last {self.total} requests succeeded."
        return f"{self.failed} of the last {self.total} requests failed.{self.example}"


def recent(client: Client) -> Recent:
    """Return how the newest requests of the application went."""
    newest = RequestLog.objects.filter(client=client).order_by("-pk").values_list("status", "done")[:WINDOW]
    return _judged(list(newest))


OF_TOKENS = ("No token", "Token expired", "Token ends soon")  # labels of what is wrong with tokens


def token_trouble(client: Client) -> Trouble | None:
    """Return what is wrong with the application's tokens, None when one of them lasts."""
    return _ends(_watched().get(pk=client.pk))


def troubles(limit: int) -> list[tuple[Client, Trouble]]:
    """Return what needs attention about the applications that are on, in one query and one for each that fails."""
    found: list[tuple[Client, Trouble]] = []
    for client in _watched().filter(enabled=True):
        trouble = _ends(client) or (_failing(client) if client.failed >= MANY else None)
        if trouble:
            found.append((client, trouble))
        if len(found) == limit:
            break
    return found


@cache  # every page of the admin asks; building the statement takes as long as running it
def _watched() -> "QuerySet[Any]":
    """Return the applications with when their last token ends and how many of the newest requests failed."""
    kept = Token.objects.filter(client=OuterRef("pk"), kind=TokenKind.BEARER, revoked_at__isnull=True)
    latest = kept.order_by("-expires_at").exclude(expires_at=None).values("expires_at")[:1]
    asked = RequestLog.objects.filter(client=OuterRef("pk"))
    oldest = asked.order_by("-pk").values("pk")[WINDOW - 1 : WINDOW]
    bad = asked.filter(pk__gte=OuterRef("oldest"), status__gte=400).exclude(status__in=EXPECTED)
    return Client.objects.annotate(
        endless=Exists(kept.filter(expires_at=None)),
        last_end=Subquery(latest),
        oldest=Coalesce(Subquery(oldest), 0),
        failed=Coalesce(Subquery(bad.order_by().values("client").annotate(n=Count("pk")).values("n")), 0),
    )


def _ends(client: Any) -> Trouble | None:
    now = timezone.now()
    if client.endless:
        return None
    if client.last_end is None:
        return Trouble("danger", "No token", "No token is valid: every request is refused. Make one.")
    if client.last_end <= now:
        return Trouble("danger", "Token expired", "The last token has expired: every request is refused. Renew it.")
    if client.last_end > now + tokens.SOON:
        return None
    text = (
        f"The last token ends in {timeuntil(client.last_end, now)}. Renew it and put the new one into the other side."
    )
    return Trouble("warning", "Token ends soon", text)


def _failing(client: Client) -> Trouble | None:
    found = recent(client)
    return Trouble("danger", "Requests fail", found.words) if found.bad else None


def _judged(newest: list[tuple[int, str]]) -> Recent:
    failed = [(status, done) for status, done in newest if status >= 400 and status not in EXPECTED]
    example = f" The newest: {failed[0][0]}{f', {failed[0][1]}' if failed[0][1] else '.'}" if failed else ""
    return Recent(len(newest), len(failed), example)
