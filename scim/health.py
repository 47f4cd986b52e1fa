"""How SCIM applications do, told cheaply: whether a token still opens the door, and how the newest requests went."""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.timesince import timeuntil

from scim import tokens
from scim.models import Client, RequestLog, TokenKind

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


def token_trouble(client: Client) -> Trouble | None:
    """Return what is wrong with the application's tokens, None when one of them lasts."""
    now = timezone.now()
    kept = client.tokens.filter(kind=TokenKind.BEARER, revoked_at__isnull=True)
    ends = list(kept.values_list("expires_at", flat=True))
    if not ends:
        return Trouble("danger", "No token", "No token is valid: every request is refused. Make one.")
    last = None if None in ends else max(filter(None, ends))
    if last is None or last > now + tokens.SOON:
        return None
    if last <= now:
        return Trouble("danger", "Token expired", "The last token has expired: every request is refused. Renew it.")
    text = f"The last token ends in {timeuntil(last, now)}. Renew it and put the new one into the other side."
    return Trouble("warning", "Token ends soon", text)


def troubles(limit: int) -> list[tuple[Client, Trouble]]:
    """Return what needs attention about the applications that are on."""
    found: list[tuple[Client, Trouble]] = []
    for client in Client.objects.filter(enabled=True)[:100]:
        trouble = token_trouble(client) or _failing(client)
        if trouble:
            found.append((client, trouble))
    return found[:limit]


def _failing(client: Client) -> Trouble | None:
    found = recent(client)
    return Trouble("danger", "Requests fail", found.words) if found.bad else None


def _judged(newest: list[tuple[int, str]]) -> Recent:
    failed = [(status, done) for status, done in newest if status >= 400 and status not in EXPECTED]
    example = f" The newest: {failed[0][0]}{f', {failed[0][1]}' if failed[0][1] else '.'}" if failed else ""
    return Recent(len(newest), len(failed), example)
