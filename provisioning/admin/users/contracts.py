"""The contracts of one user, on the user page: when each holds, as a picture, and what follows from all of them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from provisioning.admin.panels import loaded_later, viewed
from provisioning.contracts.days import day_words
from provisioning.contracts.derive import Derived, Held, Phase, basis, derive
from provisioning.models import User

SHOWN = 60  # contracts in the picture
PAST, FUTURE = dt.timedelta(days=5 * 365), dt.timedelta(days=2 * 365)  # how far it goes at the most
ROOM = dt.timedelta(days=60)  # beside the first and the last day
COLOURS = {Phase.NOW: "success", Phase.AHEAD: "info", Phase.OVER: "", Phase.NEVER: "danger"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One contract in the picture; ``left`` and ``width`` are per cent of it, as CSS takes them."""

    held: Held
    primary: bool
    left: str
    width: str
    days: str

    @property
    def colour(self) -> str:
        """The colour of its label."""
        return COLOURS[self.held.phase]


class ContractsPanel(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the panel and its address to the user page."""

    @admin.display(description="Contracts")
    def contracts_panel(self, user: User) -> SafeString:
        """Load the panel after the page."""
        return loaded_later("provisioning_user_contracts", user.pk, "Looking for contracts …")

    def get_urls(self) -> list[URLPattern]:
        """Add the panel's address."""
        view = self.admin_site.admin_view(require_GET(self.contracts_view))
        return [path("<path:object_id>/contracts/", view, name="provisioning_user_contracts"), *super().get_urls()]

    def contracts_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the contracts to who may see the user and contracts."""
        user = viewed(self, request, object_id, "contracts.view_contract")
        known = basis()
        [found] = derive([user.pk], known)
        today, bars = picture(found, known.now)
        context = {
            "user": user,
            "found": found,
            "today": today,
            "bars": bars,
            "more": len(found.contracts) - len(bars),
            "notes": list(dict.fromkeys(one.zone.note for one in found.contracts if one.zone.note)),
            "next_change": timezone.localtime(found.next_change_at) if found.next_change_at else None,
            "follows": [(each.attribute.label, found.values.get(each.path)) for each in known.follows],
            "may_add": request.user.has_perm("contracts.add_contract"),
            "phases": Phase,
        }
        return TemplateResponse(request, "provisioning/user/contracts.html", context)


def picture(found: Derived, now: dt.datetime) -> tuple[str, list[Bar]]:
    """Return where today is, in per cent, and the bars: the primary contract first, then the latest."""
    held = sorted(found.contracts, key=lambda one: one.term.starts or dt.date.min, reverse=True)
    shown = sorted(held, key=lambda one: one is not found.primary)[:SHOWN]
    first, last = _window(shown, now.date())
    length = (last - first).days

    def place(day: dt.date) -> float:
        return 100 * (min(max(day, first), last) - first).days / length

    bars = []
    for one in shown:
        if one.term.backwards:
            left, right = 0.0, 0.0
        else:
            left = place(one.term.starts) if one.term.starts else 0.0
            right = place(one.term.ends + dt.timedelta(days=1)) if one.term.ends and one.term.ends < last else 100.0
        words = f"{day_words(one.term.starts)} – {day_words(one.term.ends)}"
        bars.append(Bar(one, one is found.primary, f"{left:.2f}", f"{max(right - left, 0.6):.2f}", words))
    return f"{place(now.date()):.2f}", bars


def _window(shown: Sequence[Held], today: dt.date) -> tuple[dt.date, dt.date]:
    starts = [one.term.starts for one in shown if one.term.starts]
    ends = [one.term.ends for one in shown if one.term.ends]
    first = max(min([today, *starts]), today - PAST) - ROOM
    last = min(max([today, *starts, *ends]), today + FUTURE) + ROOM
    return first, last
