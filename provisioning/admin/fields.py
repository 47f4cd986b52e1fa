"""Form fields of the user page: one for each type of custom profile attribute, and the editor of free attributes."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from directories.attributes import PortalAttribute, Type
from provisioning.models import AttributeDefinition
from provisioning.profile.person import attribute_of
from provisioning.profile.values import parse, time_zones

PREFIX = "attribute_"
BLANK = ("", "—")


class ParsedField(forms.CharField):
    """A field whose text is read by ``provisioning.profile.values``: the form refuses what files and imports refuse.

    ``stored`` is the value that the user has. Left as it is, it passes: what a directory brought in, or a choice that
    is offered no longer, must not stop somebody from changing a phone number.
    """

    stored: Any = None

    def __init__(self, attribute: PortalAttribute, **options: Any) -> None:
        self.attribute = attribute
        super().__init__(**{"required": attribute.required, "label": attribute.label, **options})

    def clean(self, value: Any) -> Any:
        """Return the value as the portal keeps it; None when blank."""
        text = super().clean(value)
        if self.stored not in (None, "") and text == str(self.prepare_value(self.stored)):
            return self.stored
        try:
            parsed = parse(self.attribute, text)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        return parsed

    def prepare_value(self, value: Any) -> Any:
        """Show what is stored as the choices of the field spell it."""
        if self.attribute.type == Type.BOOLEAN and isinstance(value, bool):
            return "yes" if value else "no"
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare as the widget shows them."""
        return str(self.prepare_value(initial) or "") != str(data or "")


class ProfileTextField(ParsedField):
    """The same for a text field of the user, which keeps a blank as an empty text."""

    def clean(self, value: Any) -> Any:
        """Return the text."""
        return super().clean(value) or ""


def field_for(definition: AttributeDefinition) -> ParsedField:
    """Return the form field of a custom profile attribute."""
    widget: forms.Widget = UnfoldAdminTextInputWidget()
    match Type(definition.type):
        case Type.NUMBER:
            widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
        case Type.DATE:
            widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
        case Type.BOOLEAN:
            widget = UnfoldAdminSelectWidget(choices=[BLANK, ("yes", "Yes"), ("no", "No")])
        case Type.CHOICE:
            widget = UnfoldAdminSelectWidget(choices=[BLANK, *((choice, choice) for choice in definition.choices)])
    return ParsedField(attribute_of(definition), widget=widget)


def offer_stored(field: ParsedField, stored: Any) -> None:
    """Tell the field what the user has, and keep it choosable."""
    field.stored = stored
    shown = field.prepare_value(stored)
    if shown and hasattr(field.widget, "choices") and shown not in dict(field.widget.choices):
        field.widget.choices = [*field.widget.choices, (shown, f"{shown} (no longer offered)")]


def time_zone_widget() -> Any:
    """Return a searchable list of time zones."""
    return UnfoldAdminSelect2Widget(choices=[BLANK, *((name, name.replace("_", " ")) for name in time_zones())])


class KeyValueWidget(forms.Widget):
    """Rows of a name and a value, with buttons to add and remove."""

    template_name = "provisioning/widgets/key_value.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Give the template the rows; after a refused form they are as they were typed."""
        context = super().get_context(name, value, attrs)
        pairs = value.items() if isinstance(value, dict) else value or []
        rows = [{"key": key, "value": _shown(item)} for key, item in pairs]
        context["widget"] |= {"rows": rows, "input_classes": " ".join(INPUT_CLASSES)}
        return context

    def value_from_datadict(self, data: Any, files: MultiValueDict[str, Any], name: str) -> list[tuple[str, str]]:
        """Return the rows as typed."""
        if not hasattr(data, "getlist"):
            return list(data.get(name) or [])
        return list(zip(data.getlist(f"{name}-key"), data.getlist(f"{name}-value"), strict=False))

    def value_omitted_from_data(self, data: Any, files: MultiValueDict[str, Any], name: str) -> bool:
        """A form without this editor leaves the attributes alone; one without rows empties them."""
        return f"{name}-present" not in data


class KeyValueField(forms.Field):
    """Free attributes of one user: a dict with text values. A value that was not edited keeps its type."""

    widget = KeyValueWidget
    maximum = 100

    def clean(self, value: Any) -> dict[str, Any]:
        """Return the dict; refuse a value without a name, a name twice and too much."""
        pairs = _filled(value)
        _refuse(pairs, self.maximum)
        stored = self.initial if isinstance(self.initial, dict) else {}
        unedited = {key for key, text in pairs if key in stored and _shown(stored[key]) == text}
        return {key: stored[key] if key in unedited else text for key, text in pairs}

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what is shown."""
        return [(key, _shown(value)) for key, value in (initial or {}).items()] != _filled(data)


def _filled(rows: Sequence[tuple[str, str]] | None) -> list[tuple[str, str]]:
    """Return the rows of which anything was filled in."""
    pairs = [(key.strip(), text.strip()) for key, text in rows or []]
    return [pair for pair in pairs if any(pair)]


def _refuse(pairs: Sequence[tuple[str, str]], maximum: int) -> None:
    """Raise ValidationError for what cannot be kept."""
    names = [key for key, _ in pairs]
    if not all(names):
        raise ValidationError("Give each attribute a name.")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValidationError(f"The name {', '.join(sorted(twice))} is there twice.")
    if len(pairs) > maximum or any(len(key) > 64 or len(text) > 4000 for key, text in pairs):
        raise ValidationError("At most 100 attributes; a name has at most 64 characters and a value 4000.")
    if any("\x00" in key + text for key, text in pairs):
        raise ValidationError("The text holds characters that cannot be shown.")


def shown(value: Any) -> str:
    """Return a stored value of a custom profile attribute for a page that only shows it."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return "–" if value in (None, "") else str(value)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
