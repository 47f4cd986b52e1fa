"""The tokens of a SCIM application on its page: made, shown again, renewed, revoked."""

import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from scim.access import tokens
from scim.access.tokens import Issued
from scim.models import Client, Token, TokenKind

FOLDER = "admin/scim/client"
LASTS = {"": "No end", "30": "30 days", "90": "90 days", "180": "180 days", "365": "1 year"}
MOST = 50


def context(request: HttpRequest, client: Client, clear: Issued | None = None, note: str = "") -> dict[str, Any]:
    """Return what the token panel shows: to those with the right, and in clear only what was just made or asked for."""
    if not request.user.has_perm("scim.view_token"):
        return {"tokens": None}
    fresh = clear or _just_made(request, client)
    kept = client.tokens.filter(kind=TokenKind.BEARER)
    now = timezone.now()
    return {
        "tokens": [token for token in kept[:MOST] if token.revoked_at is None],
        "revoked": [token for token in kept[:MOST] if token.revoked_at is not None][:5],
        "fresh": fresh,
        "lasts": LASTS,
        "soon": now + tokens.SOON,
        "now": now,
        "note": note,
    }


def remember(request: HttpRequest, issued: Issued) -> None:
    """Let the next page of this sign-in show the token that was just made, once."""
    request.session[_key(issued.client)] = issued.token.pk


def _just_made(request: HttpRequest, client: Client) -> Issued | None:
    pk = request.session.pop(_key(client), None) if request.method == "GET" else None
    token = client.tokens.filter(pk=pk, revoked_at=None).first() if pk else None
    return Issued(token, str(token.secret)) if token else None


def add(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Make another token."""
    model_admin.require(request, "scim.add_token", "scim.view_token")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    client = get_object_or_404(Client, pk=object_id)
    days = request.POST.get("token_days", "")
    ends = timezone.now() + dt.timedelta(days=int(days)) if days in LASTS and days else None
    label = request.POST.get("token_label", "").strip()[:100]
    return _panel(request, client, tokens.issue(client, request.user.get_username(), label, ends))


def show(model_admin: Any, request: HttpRequest, object_id: int, token_id: int) -> HttpResponse:
    """Show a token again; that somebody looked is recorded."""
    model_admin.require(request, "scim.view_token", "scim.show_token")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    token = _token(object_id, token_id)
    return _panel(request, token.client, Issued(token, tokens.show(token, request.user.get_username())))


def renew(model_admin: Any, request: HttpRequest, object_id: int, token_id: int) -> HttpResponse:
    """Make a successor, with some days in which both work."""
    model_admin.require(request, "scim.view_token", "scim.add_token")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    token = _token(object_id, token_id)
    issued = tokens.renew(token, request.user.get_username())
    days = tokens.OVERLAP.days
    note = f"Both tokens work for {days} days. Put the new one into the other side; then the old one ends by itself."
    return _panel(request, token.client, issued, note)


def revoke(model_admin: Any, request: HttpRequest, object_id: int, token_id: int) -> HttpResponse:
    """Close the door at once."""
    model_admin.require(request, "scim.view_token", "scim.delete_token")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    token = _token(object_id, token_id)
    tokens.revoke(token, request.user.get_username())
    return _panel(request, token.client, None, f"{token} is revoked: requests with it are refused from now on.")


def _token(client_id: int, token_id: int) -> Token:
    kept = Token.objects.select_related("client").filter(kind=TokenKind.BEARER, client=client_id)
    return get_object_or_404(kept, pk=token_id)


def _panel(request: HttpRequest, client: Client, clear: Issued | None, note: str = "") -> HttpResponse:
    rights = {name: request.user.has_perm(f"scim.{right}_token") for name, right in _RIGHTS.items()}
    shown = {**context(request, client, clear, note), "client": client, "allowed": rights}
    return render(request, f"{FOLDER}/tokens.html", shown)


_RIGHTS = {"issue": "add", "show": "show", "revoke": "delete"}


def _key(client: Client) -> str:
    return f"scim-token-{client.pk}"
