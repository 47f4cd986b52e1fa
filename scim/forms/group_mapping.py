"""The attribute mapping of a SCIM application's groups as a form: a group has a name and a description, and no more."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import QueryDict
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from directories.attributes import Kind
from directories.expressions import ROW, USER, ExpressionError, compile_expression
from directories.models import MappingDirection
from scim.forms.mappings import DIRECTIONS
from scim.models import ClientMapping, Resource
from scim.resources.group_rules import DISPLAY, problem
from scim.resources.schemas import CUSTOM_GROUP

UNUSED = ("", "— not mapped —")


class GroupMappingForm(forms.Form):
    """What becomes of the name, and where the description stands."""

    group_name_expression = forms.CharField(max_length=2000, required=False, label="Expression for the name")
    group_description_path = forms.CharField(max_length=200, required=False, label="SCIM attribute of the description")
    group_description_direction = forms.ChoiceField(
        choices=[UNUSED, *DIRECTIONS], required=False, label="Direction of the description"
    )
    group_description_expression = forms.CharField(
        max_length=2000, required=False, label="Expression for the description"
    )

    def __init__(self, data: QueryDict | None, stored: Iterable[ClientMapping]) -> None:
        super().__init__(data, initial=_initial(stored))
        for name, field in self.fields.items():
            attrs = {"aria-label": str(field.label), "autocomplete": "off", "spellcheck": "false"}
            if isinstance(field, forms.ChoiceField):
                field.widget = UnfoldAdminSelectWidget(choices=field.choices, attrs=attrs)
                continue
            if name.endswith("path"):  # as those of users: a URN needs more than a line
                field.widget = forms.Textarea(attrs=attrs | {"rows": "1", "class": "rcd-input rcs-path"})
                continue
            field.widget = UnfoldAdminTextInputWidget(attrs=attrs | {"placeholder": "optional"})
            field.widget.attrs["class"] += " font-mono"

    def clean_group_name_expression(self) -> str:
        """Refuse an expression that is not understood."""
        return self._expression("group_name_expression", ROW)

    def clean(self) -> dict[str, Any]:
        """Refuse a description that stands nowhere, and an expression that goes both ways."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        direction = cleaned.get("group_description_direction")
        if not direction:
            return cleaned
        if wrong := problem(cleaned.get("group_description_path") or "", "description", direction):
            self.add_error("group_description_path", wrong)
        if not cleaned.get("group_description_expression"):
            return cleaned
        if direction == MappingDirection.BOTH:
            self.add_error("group_description_expression", "An expression works one way: choose one direction.")
            return cleaned
        try:
            self._expression("group_description_expression", ROW if direction == MappingDirection.IN else USER)
        except forms.ValidationError as error:
            self.add_error("group_description_expression", error)
        return cleaned

    def unsaved(self) -> list[ClientMapping]:
        """Return the rows without an application."""
        said = self.cleaned_data
        expression = said["group_name_expression"]
        rows = [_row(DISPLAY, "name", MappingDirection.IN if expression else MappingDirection.BOTH, expression)]
        if direction := said["group_description_direction"]:
            expression = said["group_description_expression"]
            rows.append(_row(said["group_description_path"], "description", direction, expression))
        for position, row in enumerate(rows):
            row.position = position
        return rows

    def _expression(self, name: str, variables: str) -> str:
        source: str = self.cleaned_data.get(name) or ""
        try:
            if source:
                compile_expression(source, variables)
        except ExpressionError as error:
            raise forms.ValidationError(str(error)) from None
        return source


def _initial(stored: Iterable[ClientMapping]) -> dict[str, str]:
    rows = {row.portal_attribute: row for row in stored}
    name, description = rows.get("name"), rows.get("description")
    return {
        "group_name_expression": name.expression if name else "",
        "group_description_path": description.scim_path if description else f"{CUSTOM_GROUP}:description",
        "group_description_direction": description.direction if description else "",
        "group_description_expression": description.expression if description else "",
    }


def _row(path: str, attribute: str, direction: str, expression: str) -> ClientMapping:
    return ClientMapping(
        resource=Resource.GROUP,
        scim_path=path,
        kind=Kind.PROFILE.value,
        portal_attribute=attribute,
        direction=direction,
        expression=expression,
        required=attribute == "name",
    )
