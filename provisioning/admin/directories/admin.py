"""The list of directories, and the URLs of everything that can be done with one."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from directories.connectors import registry
from directories.models import Directory
from provisioning import directory_settings
from provisioning.admin.directories import actions as directories_actions
from provisioning.admin.directories import entry, feeding, fragments, impact, moving, tryout
from provisioning.admin.directories import page as directories_page
from provisioning.admin.directories import state as directories_state

FOLDER = "admin/directories/directory"


@admin.register(Directory)
class DirectoryAdmin(ModelAdmin):  # type: ignore[misc]
    """Directories: few rows, much to set on each."""

    list_display = ("title", "kind_label", "state", "features", "next_import")
    list_display_links = None
    list_select_related = ("provisioning",)
    list_before_template = f"{FOLDER}/list_before.html"
    tells_when_empty = True
    search_fields = ("name", "description")
    ordering = ("name",)
    actions = None
    delete_confirmation_template = f"{FOLDER}/delete.html"

    # --- the list ----------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Tell an empty list from an empty search."""
        allowed = directories_actions.allowed(self, request)
        extra = {"no_directories": not Directory.objects.exists(), "allowed": allowed, **(extra_context or {})}
        return super().changelist_view(request, extra)  # type: ignore[no-any-return]

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Draw the row actions for this user's rights; a closure, because one admin serves many requests."""
        allowed = directories_actions.allowed(self, request)

        @admin.display(description="")
        def row_actions(directory: Directory) -> str:
            return render_to_string(f"{FOLDER}/row_actions.html", {"directory": directory, "allowed": allowed})

        return (*self.list_display, row_actions)

    @admin.display(description="Name", ordering="name")
    def title(self, directory: Directory) -> str:
        """The name, which opens the page, with the default badge."""
        return render_to_string(f"{FOLDER}/row_title.html", {"directory": directory})

    @admin.display(description="Kind", ordering="kind")
    def kind_label(self, directory: Directory) -> str:
        """What kind of system it is."""
        found = registry().get(directory.kind)
        return found.called(directory.settings) if found else directory.kind

    @admin.display(description="State")
    def state(self, directory: Directory) -> str:
        """Whether it can be reached."""
        return render_to_string("portal/state.html", {"state": directories_state.state_of(directory)})

    @admin.display(description="Switched on")
    def features(self, directory: Directory) -> str:
        """The features that are on."""
        return directories_state.features_on(directory) or "nothing yet"

    @admin.display(description="Next import")
    def next_import(self, directory: Directory) -> str:
        """When it is imported next."""
        return directories_state.next_import(directory) or "–"

    # --- pages -------------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Choose a kind, then describe the connection."""
        return directories_page.add(self, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Edit everything about one directory."""
        return directories_page.change(self, request, object_id)

    def get_urls(self) -> list[URLPattern]:
        """Add the fragments and the row actions."""
        here: list[URLPattern] = [
            self._url("fragment/test/", fragments.test, "fragment_test"),
            self._url("fragment/url/", fragments.paste_url, "fragment_url"),
            self._url("fragment/panel/<slug:panel>/", fragments.panel, "fragment_panel"),
            self._url("fragment/suggest/", fragments.suggest_mappings, "fragment_suggest"),
            self._url("fragment/sample/", tryout.sample, "fragment_sample"),
            self._url("fragment/entry/", entry.entry, "fragment_entry"),
            self._url("fragment/try/", tryout.try_it, "fragment_try"),
            self._url("fragment/people/", tryout.people, "fragment_people"),
            self._url("<int:object_id>/health/", directories_state.health, "health"),
            self._url("<int:object_id>/recompute/", impact.recompute, "recompute"),
            self._url("<int:object_id>/make-default/", directories_actions.make_default, "make_default"),
            self._url("<int:object_id>/clone/", directories_actions.clone, "clone"),
            self._url("<int:object_id>/enable/", directories_actions.enable, "enable"),
            self._url("<int:object_id>/disable/", directories_actions.disable, "disable"),
            self._url("<int:object_id>/second-person/", directories_actions.second_person, "second_person"),
            self._url("<int:object_id>/upload/", feeding.upload, "upload"),
            self._url("<int:object_id>/tokens/", feeding.tokens, "tokens"),
            self._url("<int:object_id>/move/", moving.move, "move"),
            self._url("<int:object_id>/push/", directories_actions.push, "push"),
            self._url("<int:object_id>/undo-pushes/", directories_actions.undo_pushes, "undo_pushes"),
        ]
        return here + super().get_urls()  # type: ignore[no-any-return]

    def _url(self, route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        def bound(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            return view(self, request, **kwargs)

        url: URLPattern = path(route, self.admin_site.admin_view(bound), name=f"directories_directory_{name}")
        return url

    # --- deleting ----------------------------------------------------------------------------------------------------

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Tell the consequences in words; Django would load and list every account."""
        return [text for directory in objs for text in directories_state.consequences(directory)], {}, set(), []

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Delete, unless an import is running."""
        try:
            return super().delete_view(request, object_id, extra_context)  # type: ignore[no-any-return]
        except directory_settings.RemovalRefused as refused:
            messages.error(request, str(refused))
            return HttpResponseRedirect(reverse("admin:directories_directory_change", args=[object_id]))

    def delete_model(self, request: HttpRequest, obj: Directory) -> None:
        """Delete the directory and what the portal knows of its accounts."""
        directory_settings.remove(obj, request.user.get_username())

    # --- rights ------------------------------------------------------------------------------------------------------

    def require(self, request: HttpRequest, *permissions: str) -> None:
        """Raise PermissionDenied unless the user has every permission, for example ``directories.change_directory``."""
        if not request.user.has_perms(permissions):
            raise PermissionDenied
