"""My team: whom somebody manages, what they have, and asking for them; the helpdesk looks for anybody."""

from collections import defaultdict

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from provisioning.models import User
from provisioning.models.people import fold
from provisioning.requests import catalogue, rights
from provisioning.requests.models import ProductRequest, RequestState
from provisioning.requests.pages.common import me, page, part

MOST = 20


@login_required
@require_GET
def team(request: HttpRequest) -> HttpResponse:
    """Show the team, each with what they have and what waits; four queries, whatever the size of the team."""
    mine = me(request)
    shown = part(rights.team(mine), request)
    people = list(shown.object_list)
    held: dict[int, list[str]] = defaultdict(list)
    rows = catalogue.current().filter(user__in=people, rule__product__isnull=False).order_by("rule__name")
    for user, name in rows.values_list("user_id", "rule__name"):
        held[user].append(name)
    waiting: dict[int | None, list[ProductRequest]] = defaultdict(list)
    for one in ProductRequest.objects.filter(person__in=people, state=RequestState.WAITING).order_by("pk"):
        waiting[one.person_id].append(one)
    helps = rights.helps(mine)
    wanted = request.GET.get("q", "").strip()
    found = {
        "people": [(one, held[one.pk], waiting[one.pk]) for one in people],
        "page": shown,
        "helps": helps,
        "wanted": wanted,
        "found": _found(wanted) if helps and wanted else [],
    }
    return page(request, "team", "My team", found)


def _found(wanted: str) -> list[User]:
    """Return active people whose names begin with what the helpdesk typed: by indexes of these."""
    key = fold(wanted)
    by_name = Q(username_key__startswith=key) | Q(last_name_key__startswith=key) | Q(first_name_key__startswith=key)
    return list(User.objects.filter(by_name, is_active=True).order_by("username_key")[:MOST])
