"""The start page: what needs attention first, then what comes next and what happened last.

A fixed number of queries, each over an index and cut short, and each only for those who may open what it is about.
"""

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from config import attention
from config.attention import capped_text
from config.figures import figures
from config.first_steps import first_steps
from config.recent import recent
from provisioning.admin.operations.lists import leavers_waiting
from provisioning.gateway import silence as gateways
from provisioning.models import Account
from provisioning.models.accounts import LastResult
from provisioning.models.imports import RunStatus
from provisioning.outbound.kinds import KINDS, WorkKind
from provisioning.services import HELD
from scim.upkeep import health

SHOWN = 8


@dataclass(frozen=True, slots=True)
class DashboardNotice:
    """One thing to look at: how bad it is, what it is, what to do and where."""

    level: str
    icon: str
    title: str
    text: str
    url: str
    action: str


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the start page's parts to its context (unfold's DASHBOARD_CALLBACK)."""
    can = request.user.has_perm
    context.update(
        title="Start",
        notices=list(_notices(request)),
        watches=can("provisioning.view_account"),
        steps=first_steps() if can("directories.add_directory") else [],
        recent=recent(SHOWN) if can("reports.view_event") else None,
        report_url=_url("reports_event_changelist"),
        **figures(request),
    )
    return context


@require_GET
@never_cache
def parts(request: HttpRequest) -> HttpResponse:
    """Show what the start page shows below its head: its script asks for that now and then."""
    return render(request, "portal/start.html", fill(request, {}))


def _notices(request: HttpRequest) -> Iterator[DashboardNotice]:
    can = request.user.has_perm
    if can("provisioning.view_change"):
        yield from _worker()
    if can("provisioning.view_account"):
        yield from _left_open()
        yield from _unreachable(details=can("directories.view_directory"))
    if can("gateway.view_gateway"):
        yield from _gateways()
    if can("provisioning.view_importrun"):
        yield from _imports(outages_told=can("provisioning.view_account"))
    if can("requests.view_productrequest"):
        yield from _requests(request)
    if can("scim.view_client"):
        yield from _scim()
    if can("events.view_subscription"):
        yield from _receivers()
    watched = [kind for kind in KINDS if can(f"provisioning.view_{kind.change._meta.model_name}")]
    yield from _parked(watched, may_retry=can("provisioning.change_change"))
    if can("provisioning.view_account") and not can("provisioning.view_change"):
        yield from _accounts()


def _worker() -> Iterator[DashboardNotice]:
    silence = attention.worker_silence()
    if silence is None or silence:
        since = (
            f"No worker has shown a sign of life for {_length(silence)}." if silence else "No worker has started yet."
        )
        text = f"{since} Changes and imports wait until one runs. Start the worker and beat processes."
        yield DashboardNotice("danger", "heart_broken", "The background worker is not running", text, "", "")


def _left_open() -> Iterator[DashboardNotice]:
    """Name the directories where people who left can still sign in: the gravest thing that a page can say."""
    for row in attention.left_open(SHOWN):
        number = capped_text(row["number"], attention.CAUSES_CAP - 1)
        who = (
            f"{row['example']} has left and still has an account"
            if row["number"] == 1
            else f"{number} people have left and still have accounts"
        )
        query = urlencode({"account": "open", "directory": row["directory_id"]})
        yield DashboardNotice(
            "danger",
            "lock_open",
            f"{who} in {row['directory__name']}",
            row["message"],
            f"{_url('provisioning_user_changelist')}?{query}",
            "Show who",
        )


def _unreachable(*, details: bool) -> Iterator[DashboardNotice]:
    """Name the directories that are down; where and why is for those who may open directories."""
    closed = list(attention.unreachable()[:SHOWN])
    leavers = leavers_waiting(closed)
    for directory in closed:
        began = directory.unreachable_since or timezone.now()
        reason = f"{directory.last_error} " if details and directory.last_error else ""
        returns = "takes one of them again" if directory.quarantined else "returns"
        still = _leavers(leavers.get(directory.pk, 0))
        length, since = _since(began), timezone.localtime(began).strftime("%Y-%m-%d %H:%M")
        yield DashboardNotice(
            "danger",
            "cloud_off",
            f"{directory.name} {'is in quarantine' if directory.quarantined else 'cannot be reached'}",
            f"Since {since} ({length}). {reason}Its changes wait and go out when it {returns}.{still}",
            _url("directories_directory_change", directory.pk) if details else "",
            "Open directory",
        )


def _gateways() -> Iterator[DashboardNotice]:
    for gateway in gateways.silent()[:SHOWN]:
        url = _url("gateway_gateway_change", gateway.pk)
        yield DashboardNotice("danger", "router", gateway.title, gateway.text, url, "Open gateway")


def _leavers(number: int) -> str:
    """Say how many of those who lose access still have it because their directory is closed."""
    return f" {capped_text(number)} of those who lose access there still have it." if number else ""


def _imports(*, outages_told: bool) -> Iterator[DashboardNotice]:
    """Tell of imports that wait or went wrong; that a directory is down is told once."""
    for run in attention.approvals()[:SHOWN]:
        text = run.message or "It would change more than the limits allow. Nothing has been changed yet."
        url = _url("provisioning_importrun_change", run.pk)
        yield DashboardNotice(
            "warning", "pan_tool", f"An import of {run.source} waits for approval", text, url, "Review"
        )
    for run in attention.troubled_imports(SHOWN):
        url = _url("provisioning_importrun_change", run.pk)
        outage = run.directory.last_error if run.directory and run.directory.unreachable_since else ""
        if outages_told and outage and run.message.startswith(outage):
            continue
        if run.status == RunStatus.FAILED:
            title = f"The last import of {run.source} failed"
            yield DashboardNotice("danger", "error", title, run.message, url, "Open import")
            continue
        errors = "1 error" if run.errors == 1 else f"{run.errors:,} errors"
        title = f"The last import of {run.source} ended with {errors}"
        text = "Those rows were not applied. The list says of each what is wrong and what to do."
        yield DashboardNotice("warning", "error", title, text, f"{url}?action=error#changes", "Show the errors")


def _requests(request: HttpRequest) -> Iterator[DashboardNotice]:
    number, nobodys = attention.requests_waiting(request)
    if number:
        title = f"{capped_text(number)} {'request waits' if number == 1 else 'requests wait'} for your decision"
        text = "Whoever asked waits for you. Nothing is approved by itself."
        yield DashboardNotice("warning", "task_alt", title, text, reverse("my:approvals"), "Decide")
    if nobodys:
        title = f"Nobody can decide {capped_text(nobodys)} {'request' if nobodys == 1 else 'requests'}"
        text = "Nobody of those who could is active. Change who decides on the product’s page."
        url = f"{_url('requests_productrequest_changelist')}?state__exact=waiting"
        yield DashboardNotice("danger", "help", title, text, url, "Show them")


def _scim() -> Iterator[DashboardNotice]:
    for client, trouble in health.troubles(SHOWN):
        url = _url("scim_client_change", client.pk)
        yield DashboardNotice(
            trouble.level, "sync_problem", f"{client}: {trouble.label.lower()}", trouble.text, url, "Open"
        )


def _receivers() -> Iterator[DashboardNotice]:
    for one in attention.troubled_receivers()[:SHOWN]:
        title = f"{one.name} takes no events" if one.enabled else f"Events for {one.name} were switched off"
        text = f"{one.last_error} Events wait for it." if one.enabled else one.stopped_because
        yield DashboardNotice(
            "warning" if one.enabled else "danger",
            "campaign",
            title,
            text.strip(),
            _url("events_subscription_change", one.pk),
            "Open receiver",
        )


def _parked(kinds: Collection[WorkKind], *, may_retry: bool) -> Iterator[DashboardNotice]:
    for cause in attention.parked_causes(SHOWN):
        if cause.kind not in kinds:
            continue
        number = capped_text(cause.number, attention.CAUSES_CAP - 1)
        noun = cause.kind.noun if cause.number == 1 else cause.kind.plural
        held = cause.code == HELD
        query = urlencode({"directory": cause.directory_id, "parked_code": cause.code})
        yield DashboardNotice(
            "danger",
            "front_hand",
            f"{number} {noun} {'held for' if held else 'refused by'} {cause.directory}",
            f"For example: {cause.message}",
            f"{_url(f'provisioning_{cause.kind.change._meta.model_name}_changelist')}?{query}",
            ("Look and decide" if held else "Look and retry") if may_retry else "Look",
        )


def _accounts() -> Iterator[DashboardNotice]:
    """Say the same to those who look after users and not after directories."""
    if number := attention.capped(Account.objects.filter(last_result=LastResult.PARKED)):
        title = "1 account needs attention" if number == 1 else f"{capped_text(number)} accounts need attention"
        refused = "A directory refused its last change." if number == 1 else "Directories refused their last change."
        text = f"{refused} IT must act; there is nothing for the caller to do."
        url = f"{_url('provisioning_user_changelist')}?account=attention"
        yield DashboardNotice("danger", "front_hand", title, text, url, "Show users")


def _since(began: dt.datetime) -> str:
    return timesince(began) if timezone.now() - began >= dt.timedelta(minutes=1) else "just now"


def _length(silence: dt.timedelta) -> str:
    minutes = int(silence.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


def _url(name: str, *args: int) -> str:
    try:
        return reverse(f"admin:{name}", args=args)
    except NoReverseMatch:
        return ""
