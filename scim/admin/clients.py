"""The list of SCIM applications, and the addresses of everything that can be done with one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from provisioning.admin.states import counted
from scim.admin import conformance, log, page, state, tokens, undo
from scim.models import Client, RequestLog
from scim.upkeep import clients, impact

FOLDER = "admin/scim/client"


@admin.register(Client)
class ClientAdmin(ModelAdmin):  # type: ignore[misc]
    """SCIM applications: few rows, much to set on each."""

    list_display = ("title", "product", "state", "people", "last_request")
    list_display_links = None
    list_before_template = f"{FOLDER}/list_before.html"
    tells_when_empty = True
    search_fields = ("name",)
    ordering = ("name",)
    actions = None
    delete_confirmation_template = f"{FOLDER}/delete.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        """Bring the newest request along."""
        newest = RequestLog.objects.filter(client=OuterRef("pk")).order_by("-pk").values("at")[:1]
        return Client.objects.annotate(last_request_at=Subquery(newest))

    # --- the list ----------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Tell an empty list from an empty search."""
        extra = {"no_clients": not Client.objects.exists(), "allowed": page.allowed(request), **(extra_context or {})}
        return super().changelist_view(request, extra)  # type: ignore[no-any-return]

    @admin.display(description="Name", ordering="name")
    def title(self, client: Client) -> str:
        """The name, which opens the page."""
        return render_to_string(f"{FOLDER}/row_title.html", {"client": client})

    @admin.display(description="Product", ordering="provider")
    def product(self, client: Client) -> str:
        """What sits at the other end."""
        return client.get_provider_display()

    @admin.display(description="State")
    def state(self, client: Client) -> str:
        """Whether it can sign in, and whether its requests succeed."""
        return render_to_string("portal/state.html", {"state": state.of(client)})

    @admin.display(description="People")
    def people(self, client: Client) -> str:
        """How many people it knows."""
        return counted(client.user_links.filter(deleted_at__isnull=True))

    @admin.display(description="Last request")
    def last_request(self, client: Client) -> str:
        """When it last asked for something."""
        at = getattr(client, "last_request_at", None)
        return str(naturaltime(at)) if at else "never"

    # --- pages -------------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the name, and nothing else."""
        return page.add(self, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Edit everything about one application."""
        return page.change(self, request, object_id)

    def get_urls(self) -> list[URLPattern]:
        """Add the fragments and the actions."""
        one = "<int:object_id>"
        here: list[URLPattern] = [
            self._url("fragment/mapping/", page.check_mapping, "check_mapping"),
            self._url(f"{one}/enable/", self._switch(True), "enable"),
            self._url(f"{one}/disable/", self._switch(False), "disable"),
            self._url(f"{one}/default-mapping/", page.default_mapping, "default_mapping"),
            self._url(f"{one}/token/add/", tokens.add, "token_add"),
            self._url(f"{one}/token/<int:token_id>/show/", tokens.show, "token_show"),
            self._url(f"{one}/token/<int:token_id>/renew/", tokens.renew, "token_renew"),
            self._url(f"{one}/token/<int:token_id>/revoke/", tokens.revoke, "token_revoke"),
            self._url(f"{one}/activity/", state.activity, "activity"),
            self._url(f"{one}/log/", log.rows, "log"),
            self._url(f"{one}/log/<int:request_id>/", log.one, "log_one"),
            self._url(f"{one}/log/<int:request_id>/replay/", log.replay, "log_replay"),
            self._url(f"{one}/conformance/", conformance.check, "conformance"),
            self._url(f"{one}/undo/", undo.last, "undo"),
        ]
        return here + super().get_urls()  # type: ignore[no-any-return]

    def _url(self, route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        def bound(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            return view(self, request, **kwargs)

        url: URLPattern = path(route, self.admin_site.admin_view(bound), name=f"scim_client_{name}")
        return url

    def _switch(self, enabled: bool) -> Callable[..., HttpResponse]:
        def switch(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
            self.require(request, "scim.change_client")
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            client = get_object_or_404(Client, pk=object_id)
            now = impact.stored(client)
            client.enabled = enabled
            if question := page.ask(replace(now, client=client), request.POST):
                return page.confirm(self, request, client, question, tab="connection")
            if clients.set_enabled(client, enabled, request.user.get_username()):
                self.log_change(request, client, "Enabled." if enabled else "Disabled.")
            message = "switched on" if enabled else "switched off: all its requests are refused"
            messages.success(request, f"{client} is {message}.")
            return HttpResponseRedirect(reverse("admin:scim_client_change", args=[client.pk]))

        return switch

    # --- deleting ----------------------------------------------------------------------------------------------------

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Tell the consequences in words; Django would load and list every link."""
        return [text for client in objs for text in state.consequences(client)], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: Client) -> None:
        """Delete the application; its people stay."""
        clients.remove(obj, request.user.get_username())

    # --- rights ------------------------------------------------------------------------------------------------------

    def require(self, request: HttpRequest, *permissions: str) -> None:
        """Raise PermissionDenied unless the user has every permission, for example ``scim.change_client``."""
        if not request.user.has_perms(permissions):
            raise PermissionDenied
