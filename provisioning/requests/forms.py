"""The form of a product: a few fields that its owner chose, and the reason."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

KINDS = {
    "text": "Text",
    "lines": "Several lines",
    "number": "Number",
    "date": "Date",
    "choice": "Choice",
    "yes": "Yes or no",
}
MOST_FIELDS = 6


class AskForm(forms.Form):
    """What somebody fills in to ask for a product; ``fields`` are those of the product."""

    def __init__(self, asked: Sequence[Mapping[str, Any]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked = list(asked)[:MOST_FIELDS]
        for place, one in enumerate(self.asked):
            self.fields[f"field_{place}"] = _field(one)
        self.fields["reason"] = forms.CharField(
            label="Why is it needed?", required=False, max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
        )

    def answers(self) -> list[tuple[str, str]]:
        """Return what was filled in, as pairs of label and text."""
        found = []
        for place, one in enumerate(self.asked):
            value = self.cleaned_data[f"field_{place}"]
            text = ("yes" if value else "no") if isinstance(value, bool) else str(value if value is not None else "")
            if text:
                found.append((str(one["label"]), text))
        return found


def _field(one: Mapping[str, Any]) -> forms.Field:
    common = {"label": one["label"], "required": bool(one.get("required"))}
    match one.get("kind"):
        case "lines":
            return forms.CharField(**common, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))
        case "number":
            return forms.DecimalField(**common, max_digits=15, decimal_places=3)
        case "date":
            return forms.DateField(**common, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
        case "choice":
            pairs = [(text, text) for text in one.get("choices", ())]
            return forms.ChoiceField(**common, choices=[("", "Choose"), *pairs])
        case "yes":
            return forms.BooleanField(label=one["label"], required=False)
    return forms.CharField(**common, max_length=300)
