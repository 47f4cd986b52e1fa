"""The roles' page: Django's permission groups, under a name that nobody confuses with groups of people."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.views.decorators.cache import never_cache
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from config.models import Role
from config.roles import ending
from config.roles.rights import RightsField, asked, by_area, givable, in_words
from provisioning.admin.gone import GoneIsNotFound
from provisioning.roles import ABOUT, ROLES

TAKEN = "There is a role of this name already."


def built_in(role: Role | None) -> bool:
    """Return whether the role comes with the portal, whose updates keep it."""
    return role is not None and role.name in ROLES


class CopyForm(forms.ModelForm[Role]):
    """What the copy is called."""

    class Meta:
        model = Role
        fields = ("name",)
        widgets = {"name": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})}

    def clean_name(self) -> str:
        """Refuse a name that differs from another one's by its capitals alone."""
        name: str = self.cleaned_data["name"]
        if Role.objects.filter(name__iexact=name).exists():
            raise ValidationError(TAKEN)
        return name


@admin.register(Role)
class RoleAdmin(GoneIsNotFound, GroupAdmin, ModelAdmin):  # type: ignore[misc]
    """A role is a name and its rights; who holds it is chosen on the user's page."""

    list_display = ["name", "about"]
    filter_horizontal = ()
    readonly_fields = ("rights",)
    actions = None
    change_form_outer_before_template = "admin/portal/role/about.html"
    delete_confirmation_template = "admin/portal/role/delete.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the copy."""
        view = self.admin_site.admin_view(never_cache(self.copy_view))
        return [path("<path:object_id>/copy/", view, name="portal_role_copy"), *super().get_urls()]

    def has_change_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        """Leave the portal's own roles as they are."""
        return super().has_change_permission(request, obj) and not built_in(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        """The same."""
        return super().has_delete_permission(request, obj) and not built_in(obj)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Say on top of the page whose role it is."""
        role = self.get_object(request, unquote(object_id)) if object_id else None
        extra = {"built_in": built_in(role), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, extra)

    def copy_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a name, and make a role of it that begins with the same rights."""
        role = self.get_object(request, unquote(object_id))
        if role is None:
            raise Http404("There is no such role.")
        if not self.has_add_permission(request) or not self.has_view_permission(request, role):
            raise PermissionDenied
        held = asked().filter(group=role)
        own = held.filter(pk__in=givable(request.user).values("pk"))
        form = CopyForm(request.POST or None, initial={"name": f"{role} (copy)"})
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                copied = form.save()
                copied.permissions.set(own)
                ending.keep(copied, f"copied {role} to", request.user.get_username())
            messages.success(request, f"{copied} may do what {role} may. Take away or add rights here, then save.")
            return HttpResponseRedirect(reverse("admin:portal_role_change", args=[copied.pk]))
        left_out = [in_words(one) for one in held.exclude(pk__in=own)]
        context = {"title": f"Copy {role}", "role": role, "form": form, "left_out": left_out, "opts": self.opts}
        return TemplateResponse(
            request, "admin/portal/role/copy.html", {**self.admin_site.each_context(request), **context}
        )

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Say who loses the role, and ask again where that changed meanwhile."""
        role = self.get_object(request, unquote(object_id))
        if role is None:
            raise Http404("There is no such role.")
        if not self.has_delete_permission(request, role):
            raise PermissionDenied
        found = ending.uses(role)
        told = ending.digest(found)
        changed = request.method == "POST" and request.POST.get("told") != told
        if request.method == "POST" and not changed:
            name = str(role)
            ending.delete(role, request.user.get_username())
            messages.success(request, f"The role {name} is deleted.")
            return HttpResponseRedirect(reverse("admin:portal_role_changelist"))
        context = {"title": f"Delete {role}", "object": role, "uses": found, "told": told, "changed": changed}
        return TemplateResponse(
            request,
            self.delete_confirmation_template,
            {**self.admin_site.each_context(request), "opts": self.opts, **context},
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the rights, and keep what changed as evidence."""
        super().save_related(request, form, formsets, change)
        ending.keep(form.instance, "changed" if change else "added", request.user.get_username())

    @admin.display(description="For")
    def about(self, role: Role) -> str:
        """Return what the portal's own roles are for."""
        return ABOUT.get(role.name, "")

    @admin.display(description="Rights")
    def rights(self, role: Role) -> str:
        """Return the role's rights for those who may only look."""
        areas = by_area(role.permissions.select_related("content_type"))
        return format_html_join(
            "", '<strong>{}</strong><ul class="mb-3">{}</ul>', ((area, _listed(held)) for area, held in areas)
        )

    def get_form(self, request: HttpRequest, obj: Role | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Offer the rights that the actor has, and those that the role has already, which they may take away."""
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        if "permissions" in form.base_fields:
            there = obj.permissions.values("pk") if obj else Permission.objects.none().values("pk")
            offered = givable(request.user) | asked().filter(pk__in=there)
            form.base_fields["permissions"] = RightsField(offered)
        return form

    def get_fields(self, request: HttpRequest, obj: Role | None = None) -> list[Any]:
        """Let rights be ticked by those who may change them."""
        changes = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return ["name", "permissions" if changes else "rights"]


def _listed(rights: list[Permission]) -> str:
    return format_html_join("", "<li>{}</li>", ((in_words(one),) for one in rights))
