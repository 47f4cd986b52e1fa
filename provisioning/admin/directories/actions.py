"""Row and page actions of a directory: each is one POST that goes back to where it came from."""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from directories.models import Directory
from provisioning import directory_settings, services
from provisioning.admin import awaited

CHANGE = "directories.change_directory"
LONGEST = 7 * 24 * 60  # minutes


def allowed(model_admin: Any, request: HttpRequest) -> dict[str, bool]:
    """Return what the user may do with directories, for the templates."""
    return {
        "change": model_admin.has_change_permission(request),
        "add": model_admin.has_add_permission(request),
        "delete": model_admin.has_delete_permission(request),
        "import": request.user.has_perm("provisioning.add_importrun"),
        "reconcile": request.user.has_perm("reconciliation.add_reconcilerun"),
        "push": request.user.has_perm("provisioning.change_change"),
    }


def make_default(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Make it the default directory."""
    directory = _directory(model_admin, request, object_id, CHANGE)
    if isinstance(directory, HttpResponse):
        return directory
    if directory_settings.make_default(directory, request.user.get_username()):
        model_admin.log_change(request, directory, "Made default.")
        messages.success(request, f"{directory.name} is now the default directory.")
    else:
        messages.info(request, f"{directory.name} is the default directory already.")
    return _back(request, directory)


def clone(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Copy it, secrets included, with everything switched off, and open the copy."""
    directory = _directory(model_admin, request, object_id, CHANGE, "directories.add_directory")
    if isinstance(directory, HttpResponse):
        return directory
    copy = directory_settings.clone(directory, request.user.get_username())
    model_admin.log_addition(request, copy, f"Copied from {directory.name}.")
    messages.success(
        request,
        f"{copy.name} is a copy of {directory.name}, stored credentials included. All its features and its schedule "
        "are off: look at the connection, then switch on what should flow.",
    )
    return HttpResponseRedirect(reverse("admin:directories_directory_change", args=[copy.pk]))


def second_person(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Agree to settings that somebody else asked for, or refuse them."""
    directory = _directory(model_admin, request, object_id, CHANGE)
    if isinstance(directory, HttpResponse):
        return directory
    awaited.decide(directory, request)
    return HttpResponseRedirect(reverse("admin:directories_directory_change", args=[directory.pk]))


def enable(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Switch it on."""
    return _switch(model_admin, request, object_id, True)


def disable(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Switch it off."""
    return _switch(model_admin, request, object_id, False)


def push(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Have every user looked at for this directory."""
    directory = _directory(model_admin, request, object_id, "provisioning.change_change")
    if isinstance(directory, HttpResponse):
        return directory
    services.provision_directory(directory, request.user.get_username())
    model_admin.log_change(request, directory, "Pushed all users.")
    messages.success(
        request,
        f"All users are being looked at for {directory.name}: who is missing is added, who differs is updated. "
        "The report shows each one as it is done.",
    )
    return _back(request, directory)


def undo_pushes(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Plan to take back what was pushed to this directory in the last minutes that the form names."""
    model_admin.require(request, "provisioning.add_importrun")
    directory = _directory(model_admin, request, object_id, "provisioning.change_change")
    if isinstance(directory, HttpResponse):
        return directory
    text, now = request.POST.get("minutes", ""), timezone.now()
    minutes = min(int(text), LONGEST) if text.isdecimal() and len(text) < 7 else 60
    try:
        run = services.undo_pushes(directory, now - dt.timedelta(minutes=minutes), now, request.user.get_username())
    except services.ImportRefused as refused:
        messages.error(request, refused.message)
        return _back(request, directory)
    return HttpResponseRedirect(reverse("admin:provisioning_importrun_change", args=[run.pk]))


def _switch(model_admin: Any, request: HttpRequest, object_id: int, enabled: bool) -> HttpResponse:
    directory = _directory(model_admin, request, object_id, CHANGE)
    if isinstance(directory, HttpResponse):
        return directory
    if directory_settings.set_enabled(directory, enabled, request.user.get_username()):
        model_admin.log_change(request, directory, "Enabled." if enabled else "Disabled.")
    if enabled:
        messages.success(request, f"{directory.name} is switched on. Changes that waited are being made now.")
    else:
        messages.success(
            request,
            f"{directory.name} is switched off: nothing is imported, and changes wait until you enable it again.",
        )
    return _back(request, directory)


def _directory(
    model_admin: Any, request: HttpRequest, object_id: int, *permissions: str
) -> Directory | HttpResponseNotAllowed:
    """Return the directory for a permitted POST."""
    model_admin.require(request, *permissions)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    return get_object_or_404(Directory, pk=object_id)


def _back(request: HttpRequest, directory: Directory) -> HttpResponse:
    """Return to the list or to the page, whichever the button was on."""
    if request.POST.get("from") == "page":
        return HttpResponseRedirect(reverse("admin:directories_directory_change", args=[directory.pk]))
    return HttpResponseRedirect(reverse("admin:directories_directory_changelist"))
