"""The connection form: drawn from the fields that a connector declares."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
    UnfoldBooleanWidget,
)

from directories.connectors.base import Connector, ConnectorField, FieldType
from directories.connectors.sql.urls import parse_url
from directories.models import Directory

PREFIX = "connection"

RETYPE = (
    "The connection changed, so the stored value is not sent there by itself: type it again. "
    "(It could otherwise be sent to someone else's server.)"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is saved for a directory: ``settings`` in the clear, ``secrets`` never rendered."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, Any]


NOTHING = Stored({}, {})


class DirectoryForm(forms.ModelForm[Directory]):
    """Name and description of a directory."""

    class Meta:
        model = Directory
        fields = ("name", "description")
        widgets = {
            "name": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }
        help_texts = {"name": "How people and reports call it, for example APPSDB."}

    def clean_name(self) -> str:
        """Refuse a name that another directory has, whatever its case."""
        name = str(self.cleaned_data["name"]).strip()
        taken = Directory.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).only("name").first()
        if taken:
            raise forms.ValidationError(f"There is a directory {taken.name} already. Choose another name.")
        return name


class ConnectionForm(forms.Form):
    """The settings of one connector.

    A blank secret keeps the stored one, but only while the place it is sent to is unchanged. The password inside a
    pasted URL is taken when the password's own box is blank.
    """

    def __init__(self, connector: type[Connector], data: Any = None, *, stored: Stored = NOTHING) -> None:
        initial = {field.name: stored.settings.get(field.name, field.default) for field in connector.fields}
        super().__init__(data, prefix=PREFIX, initial=initial)
        self.connector = connector
        self.stored = stored
        for declared in connector.fields:
            has_stored = bool(stored.secrets.get(declared.name))
            self.fields[declared.name] = _form_field(declared, has_stored)
            if has_stored and not declared.required:
                self.fields[f"{declared.name}_clear"] = forms.BooleanField(
                    label=f"Remove the stored {declared.label.lower()}",
                    required=False,
                    widget=UnfoldBooleanWidget(),
                )

        self._show_fills()

    def _show_fills(self) -> None:
        """Show in the boxes what stands for them while they are blank; the page follows the choice that decides."""
        by = self.connector.fills_by
        if by:
            self.fields[by].widget.attrs["x-on:change"] = "fill($event)"
        for name, words in self.connector.fills.get(str(self[by].value() or "") if by else "", {}).items():
            self.fields[name].widget.attrs["placeholder"] = words

    def ask_less(self) -> None:
        """Take a blank box where a connection test may find out what belongs into it."""
        for declared in self.connector.fields:
            if declared.suggested:
                self.fields[declared.name].required = False
        self.full_clean()

    @property
    def fills(self) -> Mapping[str, Mapping[str, str]]:
        """The default values shown as placeholders, by the value of the field that decides."""
        return self.connector.fills

    @property
    def decides(self) -> str:
        """The name of the field whose value decides about placeholders and notes, "" where none does."""
        return self.connector.fills_by

    @property
    def notes(self) -> Mapping[str, str]:
        """What to do at the other end, by the value of the field that decides."""
        return self.connector.notes

    @property
    def note(self) -> str:
        """What to do at the other end, for the value that is chosen."""
        return self.notes.get(str(self[self.decides].value() or ""), "") if self.decides else ""

    @property
    def takes_url(self) -> bool:
        """Whether pasting a database URL makes sense."""
        return self.connector.templated

    @property
    def secret_names(self) -> set[str]:
        """The names of the settings that are never shown."""
        return {field.name for field in self._secrets()}

    @property
    def groups(self) -> list[tuple[str, list[forms.BoundField], str]]:
        """The fields by the connector's groups, in the declared order; a secret is followed by its "remove" box.

        The third part says how a group that few need is drawn, "open" or "closed"; "" for one that everybody needs.
        """
        groups: dict[str, list[forms.BoundField]] = {}
        for declared in self.connector.fields:
            group = groups.setdefault(declared.group, [])
            group.append(self[declared.name])
            if f"{declared.name}_clear" in self.fields:
                group.append(self[f"{declared.name}_clear"])
        return [(name, fields, self._fold(name, fields)) for name, fields in groups.items()]

    def _fold(self, group: str, fields: Iterable[forms.BoundField]) -> str:
        if group not in self.connector.folded:
            return ""
        defaults = {field.name: field.default for field in self.connector.fields}
        touched = any(field.errors or _set(field.value(), defaults.get(field.name)) for field in fields)
        return "open" if touched else "closed"

    def clean(self) -> dict[str, Any]:
        """Take the password of a pasted URL; refuse to send a stored secret to a place that changed."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        pasted = self._pasted_secrets()
        moved = self._moved(cleaned)
        for field in self._secrets():
            if cleaned.get(field.name) or cleaned.get(f"{field.name}_clear"):
                continue
            if pasted.get(field.name):
                cleaned[field.name] = pasted[field.name]
                self.errors.pop(field.name, None)
            elif moved and self.stored.secrets.get(field.name):
                self.add_error(field.name, RETYPE)
        return cleaned

    @property
    def moved(self) -> bool:
        """Whether what the page holds would send the stored secrets to another place."""
        return self.is_bound and (not self.is_valid() or self._moved(self.cleaned_data))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that are not secret, by the connector's names."""
        return {
            field.name: self.cleaned_data.get(field.name)
            for field in self.connector.fields
            if field.type is not FieldType.SECRET
        }

    @property
    def secrets(self) -> dict[str, Any]:
        """The secrets as they shall be stored: typed, kept or removed."""
        found: dict[str, Any] = {}
        for field in self._secrets():
            if self.cleaned_data.get(f"{field.name}_clear"):
                continue
            value = self.cleaned_data.get(field.name) or self.stored.secrets.get(field.name)
            if value:
                found[field.name] = value
        return found

    def changed_labels(self) -> list[str]:
        """Return the labels of the settings and secrets that would change; never a value."""
        before, after = {**self.stored.settings, **self.stored.secrets}, {**self.settings, **self.secrets}
        return [
            field.label
            for field in self.connector.fields
            if _differs(before.get(field.name, field.default), after.get(field.name))
        ]

    def _secrets(self) -> Iterator[ConnectorField]:
        return (field for field in self.connector.fields if field.type is FieldType.SECRET)

    def _pasted_secrets(self) -> dict[str, Any]:
        text = self.data.get(f"{PREFIX}-paste_url", "").strip()
        try:
            return parse_url(text) if text else {}
        except ValueError:
            return {}

    def _moved(self, cleaned: Mapping[str, Any]) -> bool:
        return leads_elsewhere(self.connector, self.stored.settings, cleaned)


def leads_elsewhere(connector: type[Connector], before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether other settings would send the stored secrets to another place."""
    return any(
        _differs(before.get(field.name, field.default), after.get(field.name))
        for field in connector.fields
        if field.type is not FieldType.SECRET and not field.harmless
    )


def _differs(before: Any, after: Any) -> bool:
    """Whether two settings differ; None and "" are the same, and so are a browser's line ends and others."""
    return bool(_plain(before) != _plain(after))


def _set(value: Any, default: Any) -> bool:
    """Whether a box holds anything but what it holds from the start; a bound one holds text."""
    return str(value or "") != str(default or "")


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return "\n".join(value.split("\r\n")).strip()
    return "" if value is None else value


def _form_field(declared: ConnectorField, has_stored: bool) -> forms.Field:
    common: dict[str, Any] = {
        "label": declared.label,
        "required": declared.required,
        "help_text": declared.help_text,
    }
    match declared.type:
        case FieldType.SECRET:
            hint = "stored – leave blank to keep" if has_stored else ""
            widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password", "placeholder": hint})
            return forms.CharField(
                **{**common, "required": declared.required and not has_stored}, widget=widget, strip=False
            )
        case FieldType.INTEGER:
            return forms.IntegerField(
                **common,
                min_value=declared.minimum,
                max_value=declared.maximum,
                widget=UnfoldAdminIntegerFieldWidget(),
            )
        case FieldType.BOOLEAN:
            return forms.BooleanField(**{**common, "required": False}, widget=UnfoldBooleanSwitchWidget())
        case FieldType.CHOICE:
            return forms.ChoiceField(**common, choices=declared.choices, widget=UnfoldAdminSelectWidget())
        case FieldType.TEXTAREA:
            return forms.CharField(**common, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "class": "font-mono"}))
        case FieldType.TEXT:
            return forms.CharField(**common, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}))
