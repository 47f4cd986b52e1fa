"""The live log of a SCIM application: its newest requests, each in full, and once more as a dry run."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_plus

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, render

from reports.presentation import report_lines
from scim.models import Client, RequestLog
from scim.upkeep import replay as dry

FOLDER = "admin/scim/client"
SHOWN = 50
_PREFIX = re.compile(r"^/scim/(?:[a-z0-9-]+/)?v2(?=/|\?|$)")
WHICH = {"": "All", "failed": "Failed", "writes": "Changes"}
COLUMNS = ("pk", "client_id", "at", "method", "path", "status", "milliseconds", "done", "response_body")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One request of the list: where it went, without what all of the application's addresses begin with."""

    logged: RequestLog
    where: str
    said: str


def rows(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show the newest requests; the page asks again every few seconds while it is looked at."""
    model_admin.require(request, "scim.view_requestlog")
    client = get_object_or_404(Client, pk=object_id)
    which = request.GET.get("which", "")
    found = RequestLog.objects.filter(client=client).only(*COLUMNS)
    if which == "failed":
        found = found.filter(status__gte=400)
    elif which == "writes":
        found = found.exclude(method__in=["GET", "HEAD", "OPTIONS"])
    newest = sorted(found.order_by("-pk")[:SHOWN], key=lambda logged: (logged.at, logged.pk), reverse=True)
    lines = [_line(logged) for logged in newest]  # several processes write lines a moment later, in any order
    context = {"client": client, "lines": lines, "which": which, "choices": WHICH}
    return render(request, f"{FOLDER}/log.html", context)


def one(model_admin: Any, request: HttpRequest, object_id: int, request_id: int) -> HttpResponse:
    """Show one request with its bodies."""
    model_admin.require(request, "scim.view_requestlog")
    logged = _logged(object_id, request_id)
    context = {
        "client": logged.client,
        "logged": logged,
        "sent": readable(logged.request_body),
        "answered": readable(logged.response_body),
        "refusal": dry.refusal(logged),
        "may_replay": request.user.has_perm("scim.change_client"),
    }
    return render(request, f"{FOLDER}/log_one.html", context)


def replay(model_admin: Any, request: HttpRequest, object_id: int, request_id: int) -> HttpResponse:
    """Send the request again to the real view, take everything back, and show what it would have done."""
    model_admin.require(request, "scim.view_requestlog", "scim.change_client")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    logged = _logged(object_id, request_id)
    context: dict[str, Any] = {"logged": logged, "refusal": dry.refusal(logged)}
    if not context["refusal"]:
        replayed = dry.replay(logged, request)
        context |= {"replayed": replayed, "answered": readable(replayed.body)}
        context["lines"] = report_lines(replayed.lines, request.user)
    return render(request, f"{FOLDER}/log_replay.html", context)


def readable(body: str) -> str:
    """Return JSON with line breaks; what is cut or no JSON stays as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


def _line(logged: RequestLog) -> LogLine:
    path, mark, query = _PREFIX.sub("", logged.path).partition("?")
    where = f"{unquote(path) or '/'}{mark}{unquote_plus(query)}"
    return LogLine(logged, where, logged.done or (_detail(logged.response_body) if logged.status >= 400 else ""))


def _detail(body: str) -> str:
    """Return what an error says to the application."""
    try:
        return str(json.loads(body).get("detail", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""


def _logged(client_id: int, request_id: int) -> RequestLog:
    return get_object_or_404(RequestLog.objects.select_related("client"), pk=request_id, client=client_id)
