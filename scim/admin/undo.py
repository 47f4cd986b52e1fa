"""Undo what an application did lately: a plan of the inverse, which is looked at and approved in the import history."""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from provisioning import services
from scim.models import Client

RIGHTS = ("scim.change_client", "provisioning.add_importrun")
LONGEST = 7 * 24 * 60  # minutes
SPANS = ((15, "15 minutes"), (60, "hour"), (240, "4 hours"), (1440, "24 hours"))


def last(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Plan to take back what the application did in the last minutes that the form names."""
    model_admin.require(request, *RIGHTS)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    client = get_object_or_404(Client, pk=object_id)
    text = request.POST.get("minutes", "")
    minutes = min(int(text), LONGEST) if text.isdecimal() and len(text) < 7 else 60
    now = timezone.now()
    since = max(now - dt.timedelta(minutes=minutes), client.created_at)  # before that, another one had the name
    try:
        run = services.undo_span(client.name, since, now, request.user.get_username())
    except services.ImportRefused as refused:
        messages.error(request, refused.message)
        return HttpResponseRedirect(f"{reverse('admin:scim_client_change', args=[client.pk])}#activity")
    return HttpResponseRedirect(reverse("admin:provisioning_importrun_change", args=[run.pk]))
