"""The roles' page: Django's permission groups, under a name that nobody confuses with groups of people."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from config.models import Role

admin.site.unregister(Group)

APPS = ("provisioning", "directories", "reports", "scim", "portal")


@admin.register(Role)
class RoleAdmin(GroupAdmin, ModelAdmin):  # type: ignore[misc]
    """A role is a name and its rights; who holds it is chosen on the user's page."""

    list_display = ["name"]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only the rights that this portal's pages ask for."""
        if db_field.name == "permissions":
            kwargs["queryset"] = portal_permissions()
        return super().formfield_for_manytomany(db_field, request, **kwargs)


def portal_permissions() -> QuerySet[Permission]:
    """Return the rights of the portal's own models."""
    return Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
