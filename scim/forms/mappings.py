"""The attribute mapping of a SCIM application's users as a form: one row for each SCIM attribute.

The controls of all rows share their names, so that the n-th value of each belongs to the n-th row of the page. Groups
have a form of their own (``group_mapping``).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import QueryDict
from unfold.widgets import UnfoldAdminSelectWidget

from directories.attributes import Kind
from directories.forms.mappings import MappingRow, posted
from directories.mapping import Catalogue
from directories.models import MappingDirection
from scim.forms.paths import PATHS
from scim.models import ClientMapping, Resource
from scim.resources.rules import parse
from scim.resources.schemas import ENTERPRISE

MAX_ROWS = 300
DIRECTIONS = [
    (MappingDirection.BOTH.value, "Both ways"),
    (MappingDirection.IN.value, "In: to the portal"),
    (MappingDirection.OUT.value, "Out: to the application"),
]
ALWAYS = ("profile", "username")
"""What no mapping may lack, because nobody can be added without it."""

SHORT = "enterprise:"
"""What stands on the page for the URN of the enterprise extension, which nobody can read in a narrow box."""

NO_PATH = 'Write it as name.givenName, emails[type eq "work"].value, enterprise:department or URN:attribute.'


class ScimRow(MappingRow):
    """One SCIM attribute and the portal attribute that it stands for."""

    def __init__(self, data: Mapping[str, str], catalogue: Catalogue, index: int) -> None:
        super().__init__(data, catalogue, index)
        attrs = {"aria-label": "SCIM attribute", "rows": "1", "spellcheck": "false", "autocapitalize": "off"}
        widget = forms.Textarea(attrs=attrs | {"class": "rcd-input rcs-path"})
        self.fields["mapping_attribute"] = forms.CharField(
            max_length=200, required=False, label="SCIM attribute", widget=widget
        )
        _choose(self.fields["mapping_direction"], DIRECTIONS)

    @property
    def always(self) -> bool:
        """Whether the portal cannot do without the row."""
        return (self.kind, self.data.get(f"mapping_{self.kind}")) == ALWAYS

    def clean(self) -> dict[str, Any]:
        """Refuse a path that is none."""
        cleaned = super().clean()
        path = cleaned.get("mapping_attribute")
        if path and parse(expanded(path)) is None:
            self.add_error("mapping_attribute", NO_PATH)
        return cleaned

    def stored(self, position: int) -> ClientMapping:
        """Return the row as a mapping without an application. It need not be valid."""
        row = self.unsaved(position)
        return ClientMapping(
            resource=Resource.USER,
            scim_path=expanded(row.directory_attribute),
            kind=self.kind,
            portal_attribute=row.portal_attribute,
            direction=row.direction,
            expression=row.expression,
            required=self.always or self.needed,
            position=position,
        )


class ScimMappings:
    """Every row: those on the page, or those stored."""

    def __init__(self, data: QueryDict | None, catalogue: Catalogue, stored: Sequence[ClientMapping] = ()) -> None:
        self.catalogue = catalogue
        self._bound = data is not None
        values = _posted(data) if data is not None else [_values(mapping) for mapping in stored]
        self.rows = [ScimRow(row, catalogue, index) for index, row in enumerate(values)]
        self.problems: list[str] = []

    @property
    def empty_row(self) -> ScimRow:
        """The row that "Add a row" puts on the page."""
        return ScimRow(_blank(), self.catalogue, 9999)

    @property
    def known(self) -> list[str]:
        """The paths that identity providers send and no row names."""
        named = {row.data["mapping_attribute"].strip().casefold() for row in self.rows}
        return [path for path in PATHS if path.casefold() not in named]

    @property
    def error_count(self) -> int:
        """How much cannot be saved."""
        if not self._bound:
            return 0
        return sum(bool(row.errors) for row in self.rows if not row.blank) + len(self.problems)

    def check(self) -> bool:
        """Check every row, the rows against each other, and what must not be missing; return whether all is well."""
        used = [row for row in self.rows if not row.blank]
        valid = [row for row in used if row.is_valid()]
        inward = Counter(_portal(row) for row in valid if row.cleaned_data["mapping_direction"] != MappingDirection.OUT)
        outward = Counter(_path(row) for row in valid if row.cleaned_data["mapping_direction"] != MappingDirection.IN)
        for row in valid:
            direction = row.cleaned_data["mapping_direction"]
            if direction != MappingDirection.OUT and inward[_portal(row)] > 1:
                row.add_error(row.portal.name, "Two rows bring a value into this portal attribute. Keep one of them.")
            if direction != MappingDirection.IN and outward[_path(row)] > 1:
                row.add_error("mapping_attribute", "Two rows give this attribute its value. Keep one of them.")
        self.problems = [] if inward[ALWAYS] else ["A row must bring the user name into the portal."]
        if len(used) > MAX_ROWS:
            self.problems.append(f"At most {MAX_ROWS} rows.")
        return not self.error_count

    def unsaved(self) -> list[ClientMapping]:
        """Return the mapped rows without an application."""
        return [row.stored(position) for position, row in enumerate(row for row in self.rows if not row.blank)]

    def live_problems(self) -> list[str]:
        """Return what is wrong, a sentence each, for the box that follows what is typed."""
        self.check()
        found = [
            f"{row.data['mapping_attribute'] or 'A row without a SCIM attribute'}: {error}"
            for row in self.rows
            if not row.blank
            for errors in row.errors.values()
            for error in errors
        ]
        return found + self.problems


def shortened(path: str) -> str:
    """Return the path as the page shows it."""
    prefix = f"{ENTERPRISE}:"
    return SHORT + path[len(prefix) :] if path.casefold().startswith(prefix.casefold()) else path


def expanded(path: str) -> str:
    """Return the path as it is stored."""
    return f"{ENTERPRISE}:{path[len(SHORT) :]}" if path.casefold().startswith(SHORT) else path


def _choose(field: forms.Field, choices: list[tuple[str, str]]) -> None:
    field.choices = choices  # type: ignore[attr-defined]
    field.widget = UnfoldAdminSelectWidget(choices=choices, attrs={"aria-label": field.label})


def _portal(row: ScimRow) -> tuple[str, str]:
    return row.kind, row.cleaned_data[f"mapping_{row.kind}"]


def _path(row: ScimRow) -> str:
    path: str = row.cleaned_data["mapping_attribute"]
    return expanded(path).casefold()


def _blank() -> dict[str, str]:
    return dict.fromkeys(ScimRow.base_fields, "") | {
        "mapping_kind": Kind.PROFILE.value,
        "mapping_direction": MappingDirection.BOTH.value,
    }


def _values(mapping: ClientMapping) -> dict[str, str]:
    return _blank() | {
        "mapping_attribute": shortened(mapping.scim_path),
        "mapping_kind": mapping.kind,
        f"mapping_{mapping.kind}": mapping.portal_attribute,
        "mapping_direction": mapping.direction,
        "mapping_expression": mapping.expression,
        "mapping_required": "yes" if mapping.required else "",
    }


def _posted(data: QueryDict) -> list[dict[str, str]]:
    """Return the rows of the page; rows that say nothing are left out."""
    names = list(ScimRow.base_fields)
    rows = posted(data, names)
    fixed = ("mapping_kind", "mapping_direction", "mapping_required")
    said = [name for name in names if name not in fixed]
    return [row for row in rows if any(row[name].strip() for name in said)]
