"""Gateways that show no sign of life although directories need them: for Start, the sidebar and notices."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Max, Q
from django.utils import timezone

from directories.connectors.gateway import ThroughGateway
from directories.models import Directory
from provisioning.gateway.models import Gateway, Machine
from provisioning.notices.causes import DANGER, Cause, FoundSubject

SILENT = dt.timedelta(minutes=1)
MOST = 200


@dataclass(frozen=True, slots=True)
class SilentGateway:
    """One gateway, since when it is silent (None: it never spoke), and how many directories wait for it."""

    pk: int
    name: str
    since: dt.datetime | None
    directories: int

    @property
    def title(self) -> str:
        """What is the matter."""
        return f"The gateway {self.name} shows no sign of life"

    @property
    def text(self) -> str:
        """Since when, and what to do."""
        since = f"Since {timezone.localtime(self.since):%Y-%m-%d %H:%M}. " if self.since else "It never spoke. "
        waits = "1 directory waits" if self.directories == 1 else f"{self.directories:,} directories wait"
        return f"{since}{waits} for it. Look whether its program runs and reaches the portal."


def using(gateway: str) -> Sequence[Directory]:
    """Return the directories that are reached through a gateway."""
    found = Directory.objects.filter(kind=ThroughGateway.kind, settings__gateway=gateway)
    return list(found.order_by("name"))


def silent() -> list[SilentGateway]:
    """Return the silent ones that a directory in use needs: two queries, however many there are."""
    needed: dict[str, int] = {}
    used = Directory.objects.filter(kind=ThroughGateway.kind, enabled=True).order_by("name")
    for settings in used.values_list("settings", flat=True)[:10_000]:
        name = str(settings.get("gateway") or "")
        needed[name] = needed.get(name, 0) + 1
    if not needed:
        return []
    seen = Max("machines__seen_at", filter=Q(machines__withdrawn_at=None))
    rows = Gateway.objects.filter(name__in=needed).annotate(seen=seen).order_by("name")
    late = timezone.now() - SILENT
    return [
        SilentGateway(pk, name, at, needed[name])
        for pk, name, at in rows.values_list("pk", "name", "seen")[:MOST]
        if at is None or at < late
    ]


def _silent() -> Iterator[FoundSubject]:
    alone = silent()
    for one in alone:
        yield FoundSubject(f"gateway {one.pk}", one.title, one.text, f"/gateway/gateway/{one.pk}/change/")
    late = timezone.now() - SILENT
    others = Machine.objects.filter(withdrawn_at=None, seen_at__lt=late).order_by("pk")
    machines = others.exclude(gateway__in=[one.pk for one in alone])
    for pk, name, gateway_id, gateway in machines.values_list("pk", "name", "gateway", "gateway__name")[:MOST]:
        title = f"The machine {name} of the gateway {gateway} shows no sign of life"
        text = "Another one does its work. Start it again, or withdraw it."
        yield FoundSubject(f"machine {pk}", title, text, f"/gateway/gateway/{gateway_id}/change/")


CAUSE = Cause(
    name="gateway",
    label="A gateway or one of its machines shows no sign of life",
    level=DANGER,
    permission="gateway.view_gateway",
    find=_silent,
)
