"""The roles' page: Django's permission groups, under a name that nobody confuses with groups of people.

The pages of staff, of users and of the sign-in's settings are registered from here.
"""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

import config.overviews.admin
import config.sign_in_settings
import config.staff
import config.users  # noqa: F401 - these four register their pages
from config.models import Role
from provisioning.admin.gone import GoneIsNotFound
from provisioning.roles import ABOUT, ROLES, codenames
from reports import evidence

admin.site.unregister([Group, EmailAddress, Authenticator, UserSession, SocialAccount, SocialApp, SocialToken])
admin.site.empty_value_display = "–"  # as the portal's own pages show it

VERBS = {"view": "See", "add": "Add", "change": "Change", "delete": "Delete"}
WORDS = {
    "change_change": "Try refused changes again and push users to directories",
    "add_importrun": "Import users, preview, approve and cancel",
    "view_change": "See what failed and what waits",
    "view_event": "See the provisioning report",
    "set_password_user": "Set passwords of users in directories",
    "show_token": "Show tokens of SCIM applications again",
    "view_requestlog": "See the live log of SCIM applications",
}


class RightsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """The rights that the portal's pages ask for, in words."""

    def __init__(self) -> None:
        asked = set().union(*map(codenames, ROLES)) | {("portal", f"{verb}_role") for verb in VERBS}
        rights = Permission.objects.filter(codename__in={codename for _, codename in asked})
        super().__init__(
            rights.filter(content_type__app_label__in={app for app, _ in asked}).order_by("content_type", "pk"),
            label="Rights",
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
        )

    def label_from_instance(self, obj: Any) -> str:
        """Say the right in words."""
        return in_words(obj)


def in_words(right: Permission) -> str:
    """Return the right as an instruction: "Change user"."""
    verb, _, thing = str(right.name).removeprefix("Can ").partition(" ")
    return WORDS.get(right.codename, f"{VERBS.get(verb, verb)} {thing}")


@admin.register(Role)
class RoleAdmin(GoneIsNotFound, GroupAdmin, ModelAdmin):  # type: ignore[misc]
    """A role is a name and its rights; who holds it is chosen on the user's page."""

    list_display = ["name", "about"]
    filter_horizontal = ()
    readonly_fields = ("rights",)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the rights, and keep what changed as evidence."""
        super().save_related(request, form, formsets, change)
        self._keep(request, form.instance, "changed" if change else "added")

    def delete_model(self, request: HttpRequest, obj: Role) -> None:
        """Delete the role, and keep that as evidence."""
        self._keep(request, obj, "deleted")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Role]) -> None:
        """Delete the roles, and keep that as evidence."""
        for role in queryset:
            self._keep(request, role, "deleted")
        super().delete_queryset(request, queryset)

    def _keep(self, request: HttpRequest, role: Role, verb: str) -> None:
        actor, held = request.user.get_username(), role.permissions.values_list("content_type__app_label", "codename")
        gone = verb == "deleted"
        state = None if gone else {"name": role.name, "rights": sorted(".".join(pair) for pair in held)}
        evidence.changed(f"role {role.pk}", state, f"{actor} {verb} the role {role.name}.", actor)

    @admin.display(description="For")
    def about(self, role: Role) -> str:
        """Return what the portal's own roles are for."""
        return ABOUT.get(role.name, "")

    @admin.display(description="Rights")
    def rights(self, role: Role) -> str:
        """Return the role's rights for those who may only look."""
        held = role.permissions.select_related("content_type").order_by("content_type", "pk")
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((in_words(one),) for one in held)))

    def get_fields(self, request: HttpRequest, obj: Role | None = None) -> list[Any]:
        """Let rights be ticked by those who may change them."""
        changes = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return ["name", "permissions" if changes else "rights"]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the rights as a list to tick."""
        if db_field.name == "permissions":
            return RightsField()
        return super().formfield_for_manytomany(db_field, request, **kwargs)
