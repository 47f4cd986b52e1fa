"""Adding and editing a SCIM application: one page, one form, one save."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from provisioning.admin import questions
from provisioning.admin.questions import Question
from provisioning.guard import door_limits
from provisioning.profile.person import catalogue
from scim.admin import state, tokens
from scim.forms.basics import AddForm, BasicsForm
from scim.forms.features import FeaturesForm
from scim.forms.group_mapping import GroupMappingForm
from scim.forms.mappings import ScimMappings
from scim.models import Client, ClientMapping, Resource
from scim.resources import mapping
from scim.resources.schemas import CUSTOM
from scim.upkeep import addresses, clients, impact
from scim.upkeep.impact import ClientSettings

FOLDER = "admin/scim/client"
TABS = {
    "connection": "Connection",
    "mapping": "Attribute mapping",
    "features": "Features",
    "log": "Live log",
    "activity": "Activity & check",
}
RIGHTS = {
    "add": "scim.add_client",
    "change": "scim.change_client",
    "delete": "scim.delete_client",
    "see_tokens": "scim.view_token",
    "issue": "scim.add_token",
    "show": "scim.show_token",
    "revoke": "scim.delete_token",
    "log": "scim.view_requestlog",
    "report": "reports.view_event",
}


@dataclass
class ClientDraft:
    """What the page's one form holds, stored or as it was sent."""

    client: Client
    data: QueryDict | None = None

    @cached_property
    def basics(self) -> BasicsForm:
        """Name, product and ways to sign in."""
        return BasicsForm(self.data, instance=self.client)

    @cached_property
    def features(self) -> FeaturesForm:
        """The switches."""
        return FeaturesForm(self.data, instance=self.client)

    @cached_property
    def stored_mappings(self) -> list[ClientMapping]:
        """The mapping as it is stored."""
        return list(self.client.mappings.filter(resource=Resource.USER))

    @cached_property
    def mappings(self) -> ScimMappings:
        """The mapping as the page has it."""
        return ScimMappings(self.data, catalogue(), self.stored_mappings)

    @cached_property
    def stored_groups(self) -> list[ClientMapping]:
        """The mapping of groups as it is stored."""
        return list(self.client.mappings.filter(resource=Resource.GROUP))

    @cached_property
    def groups(self) -> GroupMappingForm:
        """The mapping of groups as the page has it."""
        return GroupMappingForm(self.data, self.stored_groups)

    def is_valid(self) -> bool:
        """Check every part, so that all errors show at once."""
        forms = (self.basics, self.features, self.groups)
        return all([*(form.is_valid() for form in forms), self.mappings.check()])

    def settings(self) -> ClientSettings:
        """Return what would be saved; the draft must be valid."""
        return ClientSettings(self.client, self.mappings.unsaved(), self.groups.unsaved())

    @property
    def errors(self) -> dict[str, int]:
        """How many errors each tab has."""
        return {
            "connection": len(self.basics.errors),
            "mapping": self.mappings.error_count + len(self.groups.errors),
            "features": len(self.features.errors),
        }

    @transaction.atomic
    def save(self) -> list[str]:
        """Save what differs and return its names."""
        names = [str(form[name].label) for form in (self.basics, self.features) for name in form.changed_data]
        self.client.save()
        if self._replace(Resource.USER, self.mappings.unsaved(), self.stored_mappings):
            names.append("attribute mapping")
        if self._replace(Resource.GROUP, self.groups.unsaved(), self.stored_groups):
            names.append("attribute mapping of groups")
        return names

    def _replace(self, resource: Resource, wanted: list[ClientMapping], stored: list[ClientMapping]) -> bool:
        if [*map(_plain, wanted)] == [*map(_plain, stored)]:
            return False
        self.client.mappings.filter(resource=resource).delete()
        for row in wanted:
            row.client = self.client
        ClientMapping.objects.bulk_create(wanted)
        return True


def allowed(request: HttpRequest) -> dict[str, bool]:
    """Return what the user may do with SCIM applications, for the templates."""
    return {name: request.user.has_perm(right) for name, right in RIGHTS.items()}


def add(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Ask for the name; then show the page with base URL and token."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    form = AddForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        actor = request.user.get_username()
        issued = clients.add(form.cleaned_data["name"], actor, form.cleaned_data["provider"])
        model_admin.log_addition(request, issued.client, "Added.")
        tokens.remember(request, issued)
        messages.success(request, f"{issued.client} is added. Copy the base URL and the token to the other side.")
        return HttpResponseRedirect(reverse("admin:scim_client_change", args=[issued.client.pk]))
    context = {**chrome(model_admin, request), "title": "Add a SCIM application", "form": form}
    return render(request, f"{FOLDER}/add.html", context)


def change(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Show or save everything about one application."""
    if not model_admin.has_view_or_change_permission(request):
        raise PermissionDenied
    client = get_object_or_404(Client, pk=int(object_id) if object_id.isdecimal() else 0)
    if request.method != "POST":
        return _page(model_admin, request, ClientDraft(client))
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    stale = request.POST.get("version") != client.updated_at.isoformat()
    draft = ClientDraft(client, request.POST)
    if not draft.is_valid() or stale:
        return _page(model_admin, request, draft, stale=stale)
    if question := ask(draft.settings(), request.POST):
        return _page(model_admin, request, draft, question=question)
    names = draft.save()
    clients.changed(client, names, request.user.get_username())
    if names:
        model_admin.log_change(request, client, f"Changed {', '.join(names)}."[:1000])
    messages.success(request, "Saved." if names else "Nothing was changed.")
    tab = request.POST.get("tab", "")
    return HttpResponseRedirect(f"{reverse('admin:scim_client_change', args=[client.pk])}#{tab if tab in TABS else ''}")


def check_mapping(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Say what is wrong with the mapping as it is on the page."""
    model_admin.require(request, "scim.change_client")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    problems = ScimMappings(request.POST, catalogue()).live_problems()
    return render(request, f"{FOLDER}/mapping_problems.html", {"problems": problems})


def default_mapping(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Put the mapping back to what every application starts with."""
    model_admin.require(request, "scim.change_client")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    client = get_object_or_404(Client, pk=object_id)
    rows = mapping.defaults()
    users, groups = ([row for row in rows if row.resource == each] for each in (Resource.USER, Resource.GROUP))
    if question := ask(ClientSettings(client, users, groups), request.POST):
        return confirm(model_admin, request, client, question, tab="mapping")
    with transaction.atomic():
        clients.set_default_mapping(client)
        client.save(update_fields=["updated_at"])
        clients.changed(client, ["attribute mapping, back to the default"], request.user.get_username())
    messages.success(request, "The default mapping is back.")
    return HttpResponseRedirect(f"{reverse('admin:scim_client_change', args=[client.pk])}#mapping")


def ask(wanted: ClientSettings, data: QueryDict) -> Question | None:
    """Return what is to be confirmed before an application is made what is wanted; None when it may be saved now."""
    found = impact.of_change(impact.stored(wanted.client), wanted)
    return questions.ask(found, found.objections(door_limits.limits()), data) if found else None


def confirm(model_admin: Any, request: HttpRequest, client: Client, question: Question, *, tab: str) -> HttpResponse:
    """Show the page as it is stored with the question of an action, which is sent to the same address again."""
    return _page(model_admin, request, ClientDraft(client), question=question, action=request.path, tab=tab)


def chrome(model_admin: Any, request: HttpRequest) -> dict[str, Any]:
    """Return what every page of the admin needs."""
    return {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "allowed": allowed(request),
        "media": model_admin.media,
    }


def _page(
    model_admin: Any,
    request: HttpRequest,
    draft: ClientDraft,
    *,
    stale: bool = False,
    question: Question | None = None,
    action: str = "",
    tab: str = "",
) -> HttpResponse:
    client = Client.objects.get(pk=draft.client.pk)  # the form may hold what was refused
    posted = request.method == "POST"
    errors = draft.errors if posted and not action else {}
    tab = tab or (request.POST.get("tab", "") if question else "")
    context = {
        **chrome(model_admin, request),
        **tokens.context(request, client),
        "title": client.name,
        "original": client,
        "client": client,
        "draft": draft,
        "stale": stale,
        "version": client.updated_at.isoformat(),
        "tabs": [{"key": key, "title": title, "errors": errors.get(key, 0)} for key, title in _tabs(request).items()],
        "first_tab": next((name for name, count in errors.items() if count), tab if tab in TABS else ""),
        "has_errors": posted and not stale and question is None,
        "question": question,
        "question_form": "action_form" if action else "scim_form",
        "action": action,
        "may_change": model_admin.has_change_permission(request),
        "state": state.of(client),
        "base_url": addresses.base_url(client, request),
        "token_url": addresses.token_url(request),
        "extension": CUSTOM,
    }
    return render(request, f"{FOLDER}/page.html", context)


def _tabs(request: HttpRequest) -> dict[str, str]:
    return {key: title for key, title in TABS.items() if key != "log" or request.user.has_perm(RIGHTS["log"])}


def _plain(row: ClientMapping) -> tuple[Any, ...]:
    parts = (row.scim_path, str(row.kind), row.portal_attribute, str(row.direction), row.expression)
    return (*parts, row.required)
