"""Pieces of the directory page that are drawn again from what the form holds, saved or not."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, render

from directories import health
from directories.connectors import registry
from directories.connectors.base import Capability, ConnectionStep, ConnectionTest, ConnectorConfig, ConnectorError
from directories.connectors.sql import language_of
from directories.connectors.sql.urls import parse_url
from directories.forms.connection import ConnectionForm, Stored
from directories.forms.draft import DirectoryDraft
from directories.models import Directory
from directories.suggestions import suggest, suggest_fields
from provisioning.admin.directories import page as directories_page
from provisioning.profile.person import catalogue

FOLDER = "admin/directories/directory"
PANELS = {"templates", "mapping", "features"}


def drafted(model_admin: Any, request: HttpRequest, columns: list[str] | None = None) -> DirectoryDraft | HttpResponse:
    """Return the draft that the page sent, or the answer for a request that may not or cannot be served."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    number = request.POST.get("directory", "")
    model_admin.require(request, f"directories.{'change' if number else 'add'}_directory")
    if number:
        directory = get_object_or_404(Directory, pk=int(number) if number.isdecimal() else 0)
    else:
        directory = Directory(kind=request.POST.get("kind", ""))
    if directory.kind not in registry():
        return HttpResponseBadRequest("Unknown kind of directory.")
    offered = columns or directories_page.posted_columns(request.POST)
    return DirectoryDraft(directory, catalogue(), request.POST, offered)


def test(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Test the connection as the form has it. A stored secret is only sent where it was stored for."""
    draft = drafted(model_admin, request)
    if isinstance(draft, HttpResponse):
        return draft
    draft.connection.ask_less()
    context: dict[str, Any] = {"draft": draft, "connection": draft.connection}
    config = draft.config()
    if config is not None:
        context["test"] = found = _tested(draft, config.connector)
        context["columns"] = [*found.attributes, *found.of_contracts] if found.ok else []
        context["trust"] = draft.connection["ca"] if found.certificate else None
        if found.ok:
            context["proof"] = health.proof_of_test(config.connector)
            if draft.directory.pk and not draft.connection.changed_labels():
                health.note_answer(draft.directory.pk)
        context["unreached"] = [step.name for step in found.steps if step.ok is None]
        context["suggestions"] = [
            (draft.connection[name], values) for name, values in found.suggestions.items() if values
        ]
    return render(request, f"{FOLDER}/test.html", context)


def paste_url(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Fill the fields from a pasted URL; its password is not sent back but taken when the page is saved."""
    draft = drafted(model_admin, request)
    if isinstance(draft, HttpResponse):
        return draft
    context: dict[str, Any] = {"draft": draft, "connection": draft.connection}
    form, parsed = draft.connection, dict[str, Any]()
    try:
        parsed = dict(parse_url(request.POST.get("connection-paste_url", "")))
    except ValueError as error:
        context["url_error"] = str(error)
    kind = parsed.pop("kind", draft.directory.kind)
    secrets = {name for name in form.secret_names if parsed.get(name)}
    filled = [str(form.fields[name].label) for name in parsed if name in form.fields]
    values = {name: form[name].value() for name in form.fields} | parsed
    shown = {name: value for name, value in values.items() if name not in form.secret_names}
    context["connection"] = ConnectionForm(draft.connector, stored=Stored(shown, form.stored.secrets))
    context |= {"filled": filled, "took_secret": bool(secrets), "other_kind": _other_kind(draft, kind)}
    return render(request, f"{FOLDER}/connection_fields.html", context)


def panel(model_admin: Any, request: HttpRequest, panel: str) -> HttpResponse:
    """Draw one tab again: its choices follow what was changed on the other tabs."""
    draft = drafted(model_admin, request)
    if isinstance(draft, HttpResponse):
        return draft
    if panel not in PANELS:
        return HttpResponseBadRequest("Unknown tab.")
    if request.POST.get("has_errors"):
        draft.is_valid()
    return _panel(request, draft, panel)


def suggest_mappings(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Fill the blank rows of the mapping from the names of the columns, asking the directory for them if need be."""
    draft = drafted(model_admin, request)
    if isinstance(draft, HttpResponse):
        return draft
    note, of_contracts = "", set(draft.templates.contract_attributes(draft.directory.kind))
    contracts = Capability.CONTRACTS not in draft.lacking
    posted = directories_page.posted_columns(request.POST)
    if not posted or (contracts and not draft.templated):
        found, note = _columns(draft)
        of_contracts.update(found.of_contracts)
        again = drafted(model_admin, request, [*(found.attributes or posted), *found.of_contracts])
        draft = draft if isinstance(again, HttpResponse) else again
    wanted = draft.catalogue
    if not draft.templated:  # the user name comes with the account
        wanted = {target: attribute for target, attribute in wanted.items() if attribute.name != "username"}
    names = draft.mappings.attributes
    meant = {draft.connector.meant_by(name): name for name in reversed(names) if name not in of_contracts}
    suggested = [(meant[word], attribute) for word, attribute in suggest([*reversed(meant)], wanted)]
    if contracts:
        numbered = Capability.DEPARTMENTS not in draft.lacking
        suggested += suggest_fields([name for name in names if name in of_contracts], numbered=numbered)
    filled = draft.mappings.suggest(suggested)
    message = f"{filled} suggested: look them over, then save." if filled else "Nothing more to suggest."
    return _panel(request, draft, "mapping", note=f"{note} {message}".strip())


def _columns(draft: DirectoryDraft) -> tuple[ConnectionTest, str]:
    """Return what a test of the connection found, with no columns where it failed, and why there are none."""
    config = draft.config()
    if config is None:
        return ConnectionTest([]), _unasked(draft, "The connection is not complete")
    found = _tested(draft, config.connector)
    if not found.ok:
        return ConnectionTest([]), _unasked(draft, f"The directory could not be asked for its {draft.columns_word}")
    return found, ""


def _unasked(draft: DirectoryDraft, why: str) -> str:
    return f"{why}, so only the import queries were looked at." if draft.templated else f"{why}."


def _tested(draft: DirectoryDraft, config: ConnectorConfig) -> ConnectionTest:
    try:
        with draft.connector(config) as connector:
            return connector.test()
    except ConnectorError as error:
        return ConnectionTest([ConnectionStep("Settings", False, error.message)])


def _other_kind(draft: DirectoryDraft, kind: str) -> tuple[str, str] | None:
    """Return the kind and label that the URL is for, when it is not the page's."""
    alike = kind == draft.directory.kind or (
        language_of(kind) and language_of(kind) == language_of(draft.directory.kind)
    )
    if alike or kind not in registry():
        return None
    return kind, registry()[kind].label


def _panel(request: HttpRequest, draft: DirectoryDraft, name: str, **extra: Any) -> HttpResponse:
    columns = directories_page.posted_columns(request.POST)
    context = {**directories_page.parts_context(draft, columns), "may_change": True, **extra}
    return render(request, f"{FOLDER}/tab_{name}.html", context)
