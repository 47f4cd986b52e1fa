"""The button that holds an application's own service to the standard."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, render

from scim.models import Client
from scim.upkeep import addresses, conformance

FOLDER = "admin/scim/client"


def check(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Run the checks and show each."""
    model_admin.require(request, "scim.change_client")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    client = get_object_or_404(Client, pk=object_id)
    outcome = conformance.run(client, addresses.base_url(client, request))
    return render(request, f"{FOLDER}/conformance.html", {"client": client, "outcome": outcome})
