"""What the pages say about how a SCIM application does: signed in or not, its requests, its people."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from provisioning.admin.states import State, counted, newest_results
from scim.admin import undo
from scim.models import Client, GroupLink, UserLink
from scim.resources.rules import user_rules
from scim.upkeep import health

FOLDER = "admin/scim/client"


def of(client: Client) -> State:
    """Return switched off, without a token, failing, failing now and then, or ready."""
    if not client.enabled:
        return State("Switched off", "default", "All its requests are refused.")
    if trouble := health.token_trouble(client):
        return State(trouble.label, trouble.level, trouble.text)
    if problems := user_rules(client).problems:
        return State("Mapping to correct", "warning", f"{problems[0]} Until then the row is passed over.")
    recent = health.recent(client)
    if recent.bad:
        return State("Requests fail", "danger", recent.words)
    if not recent.total:
        return State("Waiting", "info", "It has not asked for anything yet.")
    if recent.failed:
        return State("Some requests fail", "warning", recent.words)
    return State("Working", "success", recent.words)


def activity(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show whom it knows and what it did last; loaded after the page, because it counts."""
    model_admin.require(request, "scim.view_client")
    client = get_object_or_404(Client, pk=object_id)
    sees_report = request.user.has_perm("reports.view_event")
    context = {
        "client": client,
        "numbers": numbers(client),
        "last": client.requests.order_by("-pk").first(),
        "spans": undo.SPANS if request.user.has_perms(undo.RIGHTS) else (),
        "events": newest_results(client.name) if sees_report else None,
    }
    return render(request, f"{FOLDER}/activity.html", context)


def numbers(client: Client) -> list[tuple[str, str]]:
    """Return what the application has here, counting no more than a bounded number."""
    people, groups = UserLink.objects.filter(client=client), GroupLink.objects.filter(client=client)
    here = people.filter(deleted_at__isnull=True)
    return [
        ("people it knows", counted(here)),
        ("of them brought by it", counted(here.filter(owned=True))),
        ("inactive", counted(here.filter(user__is_active=False))),
        ("waiting to be deleted", counted(people.filter(leaves_at__isnull=False))),
        ("groups it knows", counted(groups)),
        ("of them made by it", counted(groups.filter(owned=True))),
    ]


def consequences(client: Client) -> list[str]:
    """Return what deleting the application takes away, a sentence each."""
    people = counted(UserLink.objects.filter(client=client))
    return [
        "Its base URL and all its tokens: every request from the other side is refused from then on.",
        "The attribute mapping, the features and the live log.",
        f"What the application called the {people} people that it knows. Added again, it recognises them by its rule.",
    ]
