"""Moving a directory behind a gateway, and back: it stays the same one, with everything that is known of it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from directories.config import DirectoryConfig, from_parts
from directories.connectors import connector_class, registry
from directories.connectors.base import ConnectionStep, ConnectionTest, ConnectorConfig, ConnectorError
from directories.connectors.gateway import ThroughGateway
from directories.connectors.gateway.connector import described
from directories.connectors.push import Push
from directories.encryption import is_lost
from directories.forms.connection import ConnectionForm, Stored
from directories.models import Directory, ProvisioningSettings
from provisioning import directory_settings
from provisioning.blueprints.export import for_gateway

TEMPLATE = "admin/directories/directory/move.html"
STAY = {Push.kind}  # kinds that only the portal itself can have
ANOTHER = (
    "Behind the gateway it is called {theirs}, and here {ours}. Choose the directory of the file that is this one."
)


def move(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show the way to move it; move it once the new way was tested and works."""
    model_admin.require(request, "directories.change_directory")
    directory = get_object_or_404(Directory.objects.exclude(kind__in=STAY), pk=object_id)
    kind = _wanted_kind(request, directory)
    outward = kind == ThroughGateway.kind
    form, test = None, None
    if kind:
        stored = Stored({"name": directory.name}, {}) if outward else Stored({}, {})
        form = ConnectionForm(connector_class(kind), request.POST if request.method == "POST" else None, stored=stored)
    if form is not None and form.is_bound and form.is_valid():
        config = _config(directory, kind, form)
        test = _tested(config, directory)
        if test.ok:
            return _moved(model_admin, request, directory, config)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "title": f"Move {directory.name}",
        "directory": directory,
        "connection": form,
        "kind": kind,
        "kind_label": connector_class(kind).label if kind else "",
        "kinds": [(name, found.label) for name, found in registry().items() if name not in {*STAY, directory.kind}],
        "outward": outward,
        "part": for_gateway(directory) if outward else "",
        "secret": bool(outward and directory.secrets),
        "test": test,
    }
    return render(request, TEMPLATE, context)


def _wanted_kind(request: HttpRequest, directory: Directory) -> str:
    """Return of which kind it becomes: a gateway's, or what the gateway says it is.

    Only where the gateway has said nothing it is chosen, "" until then.
    """
    if directory.kind != ThroughGateway.kind:
        return ThroughGateway.kind
    said = described(ConnectorConfig(directory.settings)).kind
    kind = said or request.POST.get("kind") or request.GET.get("kind")
    return kind if kind in registry() and kind not in {*STAY, ThroughGateway.kind} else ""


def _config(directory: Directory, kind: str, form: ConnectionForm) -> DirectoryConfig:
    """Return the directory as it would be."""
    secrets: Any = form.secrets
    moved = Directory(
        pk=directory.pk,
        name=directory.name,
        kind=kind,
        enabled=directory.enabled,
        settings=form.settings,
        secrets=secrets,
    )
    features = ProvisioningSettings.objects.filter(directory=directory).first() or ProvisioningSettings()
    return from_parts(moved, directory.query_templates.all(), directory.attribute_mappings.all(), features)


def _tested(config: DirectoryConfig, directory: Directory) -> ConnectionTest:
    """Test the new way; what is found behind a gateway must be of the same kind."""
    try:
        with connector_class(config.kind)(config.connector) as connector:
            found = connector.test()
    except ConnectorError as error:
        return ConnectionTest([ConnectionStep("Settings", False, error.message)])
    theirs = described(config.connector) if config.kind == ThroughGateway.kind else None
    if found.ok and theirs is not None and theirs.kind != directory.kind:
        words = ANOTHER.format(theirs=theirs.label or "nothing", ours=connector_class(directory.kind).label)
        return ConnectionTest([*found.steps, ConnectionStep("The same directory", False, words)])
    return found


def _moved(model_admin: Any, request: HttpRequest, directory: Directory, config: DirectoryConfig) -> HttpResponse:
    outward = config.kind == ThroughGateway.kind
    where = f"through the gateway {config.connector.settings['gateway']}" if outward else "by the portal itself"
    had_secrets = is_lost(directory, "secrets") or bool(directory.secrets)
    try:
        directory_settings.move(directory, config, request.user.get_username(), where)
    except directory_settings.RemovalRefused as refused:
        messages.error(request, str(refused))
        return _page(directory)
    model_admin.log_change(request, directory, "Moved.")
    words = f"{directory.name} is reached {where} now, and keeps its accounts, mapping and features."
    if outward and had_secrets:
        words += " What is secret about it is no longer in the portal."
    messages.success(request, words)
    return _page(directory)


def _page(directory: Directory) -> HttpResponse:
    """Lead to the directory, or to the list when it is gone."""
    there = Directory.objects.filter(pk=directory.pk).exists()
    where, args = ("change", [directory.pk]) if there else ("changelist", [])
    return HttpResponseRedirect(reverse(f"admin:directories_directory_{where}", args=args))
