"""The form behind a custom profile attribute."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from directories.attributes import PROFILE_ATTRIBUTES, Type
from provisioning.models import AttributeDefinition
from provisioning.profile.custom_attributes import count_holders, count_outside

PROFILE_NAMES = frozenset(attribute.name for attribute in PROFILE_ATTRIBUTES)


class ChoicesField(forms.CharField):
    """A list of texts, edited one a line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Show one a line."""
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """Return the lines without blanks and repetitions."""
        lines = [line.strip() for line in (super().clean(value) or "").splitlines()]
        return list(dict.fromkeys(line for line in lines if line))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare the lists."""
        return (initial or []) != [line.strip() for line in (data or "").splitlines() if line.strip()]


class AttributeDefinitionForm(forms.ModelForm[AttributeDefinition]):
    """Refuses what would make the values that users have unreadable."""

    choices = ChoicesField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        required=False,
        label="Choices",
        help_text="One a line. Only for the type Choice.",
        strip=False,
    )

    class Meta:
        model = AttributeDefinition
        fields: ClassVar[list[str]] = ["label", "name", "type", "choices", "required", "searchable", "position"]
        help_texts: ClassVar[dict[str, str]] = {
            "label": "What people read on the user page.",
            "required": "It must be filled in when a user is added or saved. Users without it stay as they are.",
            "searchable": "People are found by it in the search, such as by a badge number.",
            "position": "Lower numbers come first on the user page.",
        }

    def clean_name(self) -> str:
        """Refuse the names of the profile's own fields: templates could not tell them apart."""
        name: str = self.cleaned_data["name"]
        if name in PROFILE_NAMES:
            raise ValidationError(f'"{name}" is a field that every user has already.')
        return name

    def clean(self) -> dict[str, Any]:
        """Check type and choices against each other and against the values that users have."""
        data = super().clean() or {}
        if self.errors:
            return data
        kind, choices = data.get("type", self.instance.type), data.get("choices", self.instance.choices)
        if kind == Type.CHOICE and not choices:
            raise ValidationError({"choices": "Write at least one choice."})
        if kind != Type.CHOICE:
            data["choices"] = []
        if self.instance.pk:
            self._keep_values(kind, choices)
        return data

    def _keep_values(self, kind: str, choices: list[str]) -> None:
        """Raise ValidationError when users hold values that the new type or choices would not take."""
        name, before = self.instance.name, AttributeDefinition.objects.get(pk=self.instance.pk)
        if kind == Type.CHOICE and before.type in {Type.CHOICE, Type.TEXT}:
            count, examples = count_outside(name, choices)
            if count:
                words = ", ".join(f'"{example}"' for example in examples)
                field = "choices" if before.type == Type.CHOICE else "type"
                raise ValidationError(
                    {field: f"{_users(count)} a value that is not among the choices: {words}. Add it, or change them."}
                )
        elif kind != before.type and not (before.type == Type.CHOICE and kind == Type.TEXT):
            count = count_holders(name)
            if count:
                raise ValidationError(
                    {
                        "type": f"{_users(count)} a value of the type {before.get_type_display().lower()}, which is "
                        "not turned into another. Empty them first, or make a new attribute."
                    }
                )


def _users(count: int) -> str:
    return "1 user has" if count == 1 else f"{count:,} users have"
