"""Custom profile attributes: what an admin adds to every user's page."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from provisioning.admin.attributes.form import AttributeDefinitionForm
from provisioning.admin.gone import GoneIsNotFound
from provisioning.models import AttributeDefinition
from provisioning.profile.custom_attributes import count_holders, keep, mapped_by, remove


@admin.register(AttributeDefinition)
class AttributeDefinitionAdmin(GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """The definitions, in the order of the user page."""

    form = AttributeDefinitionForm
    list_display = ("label", "name", "kind", "required", "searchable", "position")
    list_display_links = ("label", "name")
    ordering = ("position", "label")
    search_fields = ("name", "label")
    when_empty = "None yet. Add what the profile lacks, such as a badge number: it is asked for on the user page."
    fields = ("label", "name", "type", "choices", "required", "searchable", "position")
    conditional_fields = {"choices": "type == 'choice'"}
    warn_unsaved_form = True

    @display(description="Type", ordering="type")  # type: ignore[untyped-decorator]
    def kind(self, definition: AttributeDefinition) -> str:
        """Return the type, with its choices."""
        choices = f": {', '.join(definition.choices)}" if definition.choices else ""
        return definition.get_type_display() + choices

    def get_readonly_fields(self, request: HttpRequest, obj: AttributeDefinition | None = None) -> list[str]:
        """Keep the name once it is made: mappings, templates and values go by it."""
        return ["name"] if obj else []

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Say how many users lose a value, and refuse while a directory maps it."""
        lines, protected = [], []
        for definition in objs:
            if mapped := mapped_by(definition):
                protected.append(f"{definition.label}: mapped by {', '.join(mapped)}. Remove that mapping first.")
            holders = count_holders(definition.name)
            lines.append(f"{definition.label}, and its value of {holders:,} {'user' if holders == 1 else 'users'}.")
        allowed = self.has_delete_permission(request)
        return lines, {"attributes": len(lines)}, set() if allowed else {"custom profile attribute"}, protected

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: AttributeDefinition, form: Any, change: bool) -> None:
        """Save the definition, and keep what changed as evidence."""
        super().save_model(request, obj, form, change)
        if form.changed_data:
            keep(obj, "changed" if change else "added", request.user.get_username())

    def delete_model(self, request: HttpRequest, obj: AttributeDefinition) -> None:
        """Delete the definition and everybody's value."""
        if count := remove(obj, request.user.get_username()):
            messages.info(request, f"{obj.label} was taken from {count:,} user{'' if count == 1 else 's'}.")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AttributeDefinition]) -> None:
        """Delete each with its values: one statement an attribute, however many users."""
        for definition in queryset:
            self.delete_model(request, definition)
