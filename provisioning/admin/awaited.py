"""The box of settings that wait for another person, on the page of a directory and on that of the guard limits."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from directories.models import Directory
from provisioning import second_person
from provisioning.guard.models import AwaitedSettings


def context(directory: Directory | None, request: HttpRequest) -> dict[str, Any]:
    """Return what waits for another person's word, and whether this one may give it; None: the guard limits."""
    found = AwaitedSettings.objects.filter(directory=directory).first()
    if found is None:
        return {}
    words = second_person.words(found.values, second_person.now_of(directory))
    return {"awaited": found, "awaited_words": words, "own": found.actor == request.user.get_username()}


def decide(directory: Directory | None, request: HttpRequest) -> None:
    """Do what the box's buttons say, and tell."""
    try:
        agreed = request.POST.get("decision") == "agree"
        messages.success(request, second_person.decide(directory, request.user.get_username(), agreed=agreed))
    except second_person.NotAgreed as refused:
        messages.error(request, str(refused))
