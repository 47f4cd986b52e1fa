"""Panels: parts of a page that are loaded after it, each from an address of its own."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def loaded_later(address: str, pk: int, words: str) -> SafeString:
    """Return what stands in a panel's place until it comes; ``address`` is the name of its address in the admin."""
    html = '<div hx-get="{}" hx-trigger="load" hx-swap="outerHTML">{}</div>'
    return format_html(html, reverse(f"admin:{address}", args=[pk]), words)


def viewed(page: "admin.ModelAdmin[Any]", request: HttpRequest, object_id: str, right: str = "") -> Any:
    """Return what a panel is about; raise Http404 without it, PermissionDenied for who may not see it.

    ``right`` is what one needs besides.
    """
    found = page.get_object(request, unquote(object_id))
    if found is None:
        raise Http404(f"There is no such {page.opts.verbose_name}.")
    if not page.has_view_permission(request, found) or (right and not request.user.has_perm(right)):
        raise PermissionDenied
    return found
