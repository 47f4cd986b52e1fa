"""Adding and editing a directory: one page, one form, one save."""

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone

from directories import examples
from directories.connectors import registry
from directories.connectors.sql import language_of
from directories.forms.draft import DirectoryDraft
from directories.forms.features import MATCHING
from directories.models import Directory
from directories.readiness import moment
from provisioning import directory_settings
from provisioning.admin import awaited
from provisioning.admin.directories import actions, impact, operations, progress
from provisioning.admin.directories import state as directories_state
from provisioning.admin.questions import Question
from provisioning.imports.users.authority import explained
from provisioning.models import User
from provisioning.profile.person import catalogue

FOLDER = "admin/directories/directory"
MOST_COLUMNS = 300
MOST_FORECAST = 200_000  # people of whom it is reckoned how long it takes to push them
TABS = {
    "connection": "Connection",
    "templates": "Query templates",
    "mapping": "Attribute mapping",
    "features": "Features & schedule",
    "health": "Health & accounts",
}


def add(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Choose the kind; then describe the connection and save it."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    kind = request.POST.get("kind") or request.GET.get("kind", "")
    if kind not in registry():
        kinds = [(name, connector.label, connector.icon) for name, connector in registry().items()]
        context = {
            **_chrome(model_admin, request),
            "title": "Add a directory",
            "kinds": kinds,
        }
        return render(request, f"{FOLDER}/choose_kind.html", context)
    directory = Directory(kind=kind)
    draft = DirectoryDraft(directory, catalogue(), request.POST if request.method == "POST" else None)
    if request.method == "POST" and draft.is_valid():
        directory_settings.save(draft, request.user.get_username(), request.POST.get("proof", ""))
        model_admin.log_addition(request, directory, "Added.")
        remember_columns(request, directory, posted_columns(request.POST))
        messages.success(request, f"{directory.name} is saved.{_following(directory)}")
        return _to_page(directory, "templates" if draft.templated else "mapping")
    return _page(model_admin, request, draft, posted_columns(request.POST))


def change(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Show or save everything about one directory."""
    if not model_admin.has_view_or_change_permission(request):
        raise PermissionDenied
    directory = get_object_or_404(Directory, pk=int(object_id) if object_id.isdecimal() else 0)
    if directory.kind not in registry():
        messages.error(request, f"This installation cannot speak to directories of the kind {directory.kind!r}.")
        return HttpResponseRedirect(reverse("admin:directories_directory_changelist"))
    columns = request.session.get(_columns_key(directory), [])
    if request.method != "POST":
        return _page(model_admin, request, DirectoryDraft(directory, catalogue(), columns=columns), columns)
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    columns = posted_columns(request.POST) or columns
    stale = request.POST.get("version") != version_of(directory)
    draft = DirectoryDraft(directory, catalogue(), request.POST, columns)
    if not draft.is_valid() or stale:
        return _page(model_admin, request, draft, columns, stale=stale)
    if question := impact.question(draft, request.POST):
        return _page(model_admin, request, draft, columns, question=question)
    return _save(model_admin, request, draft, columns)


def _save(model_admin: Any, request: HttpRequest, draft: DirectoryDraft, columns: list[str]) -> HttpResponse:
    outcome = directory_settings.save(draft, request.user.get_username(), request.POST.get("proof", ""))
    if outcome.saved.names:
        model_admin.log_change(request, draft.directory, f"Changed {', '.join(outcome.saved.names)}."[:1000])
    remember_columns(request, draft.directory, columns)
    messages.success(request, f"Saved. {outcome.active}{_following(draft.directory)}")
    for warning in outcome.warnings:
        messages.warning(request, warning)
    return _to_page(draft.directory, request.POST.get("tab", ""), offer=outcome.offer, preview=outcome.decides_imports)


def _following(directory: Directory) -> str:
    """Return what is to be done next with a directory that is being set up."""
    directory.refresh_from_db(fields=["answered_at"])
    return next((f" Next: {step.next}." for step in progress.steps_of(directory) if not step.done), "")


def _page(
    model_admin: Any,
    request: HttpRequest,
    draft: DirectoryDraft,
    columns: list[str] | None = None,
    *,
    stale: bool = False,
    question: Question | None = None,
) -> HttpResponse:
    directory = draft.directory
    adding = directory.pk is None
    may_change = model_admin.has_add_permission(request) if adding else model_admin.has_change_permission(request)
    errors = tab_errors(draft) if request.method == "POST" else {}
    first_tab = next((tab for tab, count in errors.items() if count), "")
    if question and request.POST.get("tab") in TABS:
        first_tab = request.POST["tab"]
    context = {
        **_chrome(model_admin, request),
        **parts_context(draft, columns or []),
        "title": f"Add a directory: {draft.connector.label}" if adding else stored_name(directory),
        "original": None if adding else directory,
        "adding": adding,
        "stale": stale,
        "version": "" if adding else version_of(directory),
        "tabs": _tabs(draft, errors),
        "first_tab": first_tab,
        "has_errors": request.method == "POST" and not stale and question is None,
        "question": question,
        "proof": request.POST.get("proof", ""),
        "state": None if adding else directories_state.line_of(directory),
        "may_change": may_change,
        **(_awaited(directory, request) if not adding else {}),
        "steps": [] if adding or not may_change else progress.steps_of(directory),
        "offer": request.GET.get("offer", "") if request.method == "GET" else "",
        "forecast": _forecast(draft) if request.method == "GET" and "offer" in request.GET else "",
        "preview": request.method == "GET" and "preview" in request.GET,
        "somebody": not adding and User.objects.filter(provisioned=True).exists(),
    }
    return render(request, f"{FOLDER}/page.html", context)


def _forecast(draft: DirectoryDraft) -> str:
    """Return how long it takes to push everybody, "" when it is not long."""
    people = User.objects.filter(provisioned=True, is_active=True)[:MOST_FORECAST].count()
    return draft.connector.forecast(draft.directory.settings, people)


def _awaited(directory: Directory, request: HttpRequest) -> dict[str, Any]:
    """Return what waits for another person's word about the settings, and whether this one may give it."""
    found = awaited.context(directory, request)
    return found | {"awaited_address": reverse("admin:directories_directory_second_person", args=[directory.pk])}


def parts_context(draft: DirectoryDraft, columns: list[str]) -> dict[str, Any]:
    """Return what the tabs show, for the page and for one tab drawn again."""
    return {
        "draft": draft,
        "directory": draft.directory,
        "columns": columns,
        **(_examples(draft, columns) if draft.templated else {}),
        "sections": operations.sections(draft) if draft.templated else [],
        "zone": timezone.get_current_timezone_name(),
        "next_import": _next_import(draft),
        "several_sources": explained(draft.directory) if draft.directory.pk else [],
    }


def _examples(draft: DirectoryDraft, columns: list[str]) -> dict[str, Any]:
    about = example_table(draft, columns)
    return {
        "examples": {operation.value: found for operation, found in examples.statements(about).items()},
        "also_inserted": [operation.value for operation in examples.inserted(about)],
    }


def example_table(draft: DirectoryDraft, columns: list[str]) -> examples.ExampleTable:
    """Return what the "Insert example" buttons are about: the user table and its columns, as far as they are known."""
    username, password = draft.setting("username_column") or "USERNAME", draft.setting("password_column")
    keys = {username.casefold(), password.casefold()}
    others = [name for name in columns or draft.mappings.attributes if name.casefold() not in keys]
    return examples.ExampleTable(
        language=language_of(draft.directory.kind),
        table=draft.setting("user_table") or "USERS",
        username=username,
        password=password,
        columns=others or examples.DEFAULT_COLUMNS,
        exact=bool(columns),
    )


def tab_errors(draft: DirectoryDraft) -> dict[str, int]:
    """Return how many errors each tab has."""
    return {
        "connection": len(draft.basics.errors) + len(draft.connection.errors),
        "templates": draft.templates.error_count,
        "mapping": draft.mappings.error_count + len(draft.features.errors.keys() & {*MATCHING}),
        "features": len(draft.features.errors.keys() - {*MATCHING}),
    }


def posted_columns(data: QueryDict) -> list[str]:
    """Return the columns that a connection test of this page found."""
    return [name[:128] for name in dict.fromkeys(data.getlist("columns"))][:MOST_COLUMNS]


def remember_columns(request: HttpRequest, directory: Directory, columns: list[str]) -> None:
    """Keep the columns that a test found for this sign-in, so that mapping offers them without another test."""
    if columns:
        request.session[_columns_key(directory)] = columns


def version_of(directory: Directory) -> str:
    """Return what changes with every save of the page, so that two people do not overwrite each other."""
    return directory.updated_at.isoformat()


def stored_name(directory: Directory) -> str:
    """Return the saved name: the form may hold another one that was refused."""
    return Directory.objects.values_list("name", flat=True).get(pk=directory.pk)


def _next_import(draft: DirectoryDraft) -> str:
    at: dt.datetime | None = draft.features.instance.next_import_at
    return moment(at, timezone.localtime()) if at and draft.directory.enabled else ""


def _columns_key(directory: Directory) -> str:
    return f"columns-{directory.pk}"


def _tabs(draft: DirectoryDraft, errors: dict[str, int]) -> list[dict[str, Any]]:
    shown = {"connection"} if draft.directory.pk is None else set(TABS)
    if not draft.templated:
        shown.discard("templates")
    return [{"key": key, "title": title, "errors": errors.get(key, 0)} for key, title in TABS.items() if key in shown]


def _chrome(model_admin: Any, request: HttpRequest) -> dict[str, Any]:
    return {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "allowed": actions.allowed(model_admin, request),
        "media": model_admin.media,
    }


def _to_page(directory: Directory, tab: str, offer: str = "", *, preview: bool = False) -> HttpResponseRedirect:
    url = reverse("admin:directories_directory_change", args=[directory.pk])
    query = urlencode({**({"offer": offer} if offer else {}), **({"preview": 1} if preview else {})})
    return HttpResponseRedirect(f"{url}{'?' if query else ''}{query}#{tab if tab in TABS else 'connection'}")
