"""The attribute mapping of a directory as a form: one row for each directory attribute.

The controls of all rows share their names, so that the n-th value of each belongs to the n-th row of the page.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.http import QueryDict
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from directories.attributes import FREE, FROM_SOURCES, SOURCE_ATTRIBUTES, Kind, PortalAttribute
from directories.expressions import ROW, USER, ExpressionError, compile_expression
from directories.mapping import Catalogue
from directories.models import AttributeMapping, MappingDirection
from directories.readiness import KEPT

MAX_ROWS = 500
DIRECTIONS = [
    (MappingDirection.BOTH.value, "Both ways"),
    (MappingDirection.IN.value, "In: to the portal"),
    (MappingDirection.OUT.value, "Out: to the directory"),
]
REQUIRED = [("", "No"), ("yes", "Yes")]
UNUSED = "— not mapped —"
CHOSEN = frozenset(Kind) - FREE


class MappingRow(forms.Form):
    """One attribute from outside. Each kind has its own control for the portal attribute; the chosen one counts."""

    mapping_attribute = forms.CharField(max_length=128, required=False, label="Directory attribute")
    mapping_kind = forms.ChoiceField(choices=AttributeMapping.OF_PEOPLE, label="Kind")
    mapping_profile = forms.ChoiceField(required=False, label="Portal attribute")
    mapping_custom_profile = forms.ChoiceField(required=False, label="Portal attribute")
    mapping_custom = forms.CharField(max_length=128, required=False, label="Portal attribute")
    mapping_direction = forms.ChoiceField(choices=DIRECTIONS, label="Direction")
    mapping_expression = forms.CharField(max_length=2000, required=False, label="Expression", strip=True)
    mapping_required = forms.ChoiceField(choices=REQUIRED, required=False, label="Required")

    def __init__(self, data: Mapping[str, str], catalogue: Catalogue, index: int) -> None:
        super().__init__(data, auto_id=f"id_%s_{index}")
        self.index = index
        for name, field in self.fields.items():
            if isinstance(field, forms.ChoiceField):
                field.widget = UnfoldAdminSelectWidget(attrs={"aria-label": field.label})
            else:
                field.widget = UnfoldAdminTextInputWidget(attrs={"aria-label": field.label, "autocomplete": "off"})
            kind = name.removeprefix("mapping_")
            if isinstance(field, forms.ChoiceField) and kind in CHOSEN:
                found = [(a.name, a.label) for a in (*catalogue.values(), *SOURCE_ATTRIBUTES) if a.kind == kind]
                field.choices = [("", UNUSED), *found]
            elif isinstance(field, forms.ChoiceField):
                field.widget.choices = field.choices
        self.fields["mapping_expression"].widget.attrs |= {"class": _mono(self, "mapping_expression")}
        self.fields["mapping_attribute"].widget.attrs |= {"class": _mono(self, "mapping_attribute")}
        self.fields["mapping_attribute"].widget.attrs["list"] = "directory-attributes"
        self.fields["mapping_expression"].widget.attrs["placeholder"] = "optional"
        for kind in FREE:
            if (name := f"mapping_{kind}") in self.fields:
                self.fields[name].widget.attrs["placeholder"] = "any name"

    @property
    def portal(self) -> forms.BoundField:
        """The control of the chosen kind."""
        return self[f"mapping_{self.kind}"]

    @property
    def kind(self) -> str:
        """The chosen kind; the default one when the page sent nonsense."""
        chosen = self.data.get("mapping_kind")
        return chosen if f"mapping_{chosen}" in self.fields and chosen in list(Kind) else Kind.PROFILE.value

    @property
    def blank(self) -> bool:
        """Whether the row maps nothing and says nothing else."""
        return not (
            self.data.get(f"mapping_{self.kind}", "").strip() or self.data.get("mapping_expression", "").strip()
        )

    def clean(self) -> dict[str, Any]:
        """Refuse half a row and an expression that is not understood."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        attribute, portal = cleaned.get("mapping_attribute"), cleaned.get(f"mapping_{self.kind}")
        if not self.blank and not attribute and "mapping_attribute" not in self.errors:
            self.add_error("mapping_attribute", "Name the directory attribute.")
        if not self.blank and not portal and self.portal.name not in self.errors:
            self.add_error(self.portal.name, "Choose the portal attribute.")
        if cleaned.get("mapping_expression"):
            self._check_expression(cleaned["mapping_expression"], cleaned.get("mapping_direction"))
        return cleaned

    def clean_mapping_direction(self) -> str:
        """What a source says of contracts only comes in."""
        return self.direction

    @property
    def needed(self) -> bool:
        """Whether a value is required."""
        return self.data.get("mapping_required") == "yes"

    @property
    def direction(self) -> str:
        """The direction that counts."""
        if self.kind in FROM_SOURCES:
            return MappingDirection.IN.value
        return self.data.get("mapping_direction") or MappingDirection.BOTH.value

    def _check_expression(self, expression: str, direction: str | None) -> None:
        if direction == MappingDirection.BOTH:
            self.add_error(
                "mapping_expression",
                "An expression works one way: choose the direction here and add a second row for the other one.",
            )
            return
        try:
            compile_expression(expression, ROW if direction == MappingDirection.IN else USER)
        except ExpressionError as error:
            self.add_error("mapping_expression", str(error))

    def unsaved(self, position: int) -> AttributeMapping:
        """Return the row as a mapping without a directory. It need not be valid: the live sample shows what it can."""
        return AttributeMapping(
            directory_attribute=self.data.get("mapping_attribute", "").strip(),
            kind=self.kind,
            portal_attribute=self.data.get(f"mapping_{self.kind}", "").strip(),
            direction=self.direction,
            expression=self.data.get("mapping_expression", "").strip(),
            required=self.needed,
            position=position,
        )


class DirectoryRow(MappingRow):
    """One attribute of a directory, which may be a source of contracts too."""

    mapping_kind = forms.ChoiceField(choices=AttributeMapping.KINDS, label="Kind")
    mapping_contract = forms.ChoiceField(required=False, label="Field of the contract")
    mapping_custom_contract = forms.CharField(max_length=128, required=False, label="Field of the contract")
    mapping_record = forms.ChoiceField(required=False, label="What HR says")
    required = False  # whether the directory makes no account without it

    def clean(self) -> dict[str, Any]:
        """Refuse that what only goes out is required."""
        cleaned = super().clean()
        if self.needed and cleaned.get("mapping_direction") == MappingDirection.OUT:
            self.add_error("mapping_required", "What only goes out cannot be required.")
        return cleaned


class MappingsForm:
    """Every row: those on the page or those stored, then the attributes of the directory that have none yet.

    ``offered`` are further names: of so many that a row for each would bury those that matter. ``kept_by_server`` are
    attributes that only the directory itself writes, ``required`` those without which it makes no account.
    """

    def __init__(
        self,
        data: QueryDict | None,
        catalogue: Catalogue,
        stored: Sequence[AttributeMapping] = (),
        attributes: Iterable[str] = (),
        offered: Iterable[str] = (),
        *,
        kept_by_server: Collection[str] = (),
        required: Sequence[str] = (),
    ) -> None:
        self.catalogue = catalogue
        self.kept_by_server = kept_by_server
        self.required = {name.casefold() for name in required}
        values = _posted(data) if data is not None else [_values(mapping) for mapping in stored]
        self._bound = data is not None
        named = {row["mapping_attribute"].strip().casefold() for row in values}
        for attribute in (*attributes, *required):
            if attribute.casefold() not in named:
                named.add(attribute.casefold())
                values.append(_blank(attribute))
        self.rows = [self._row(row, index) for index, row in enumerate(values)]
        self.offered = [name for name in offered if name.casefold() not in named]

    def _row(self, values: Mapping[str, str], index: int) -> DirectoryRow:
        row = DirectoryRow(values, self.catalogue, index)
        row.required = values["mapping_attribute"].strip().casefold() in self.required
        return row

    @property
    def empty_row(self) -> DirectoryRow:
        """The row that "Add a row" puts on the page."""
        return DirectoryRow(_blank(""), self.catalogue, 9999)

    @property
    def error_count(self) -> int:
        """How many rows cannot be saved."""
        return sum(bool(row.errors) for row in self.rows if not row.blank) if self._bound else 0

    @property
    def attributes(self) -> list[str]:
        """The directory attributes that are named or offered."""
        return [name for row in self.rows if (name := row.data["mapping_attribute"].strip())] + self.offered

    def check(self) -> bool:
        """Check every row and the rows against each other; return whether they can be saved."""
        used = [row for row in self.rows if not row.blank]
        valid = [row for row in used if row.is_valid()]
        if len(used) > MAX_ROWS and used:
            used[-1].add_error("mapping_attribute", f"At most {MAX_ROWS} rows.")
        inward = Counter(_portal(row) for row in valid if row.cleaned_data["mapping_direction"] != MappingDirection.OUT)
        outward = Counter(
            _directory(row) for row in valid if row.cleaned_data["mapping_direction"] != MappingDirection.IN
        )
        for row in valid:
            direction = row.cleaned_data["mapping_direction"]
            if direction != MappingDirection.OUT and inward[_portal(row)] > 1:
                row.add_error(row.portal.name, "Two rows bring a value into this portal attribute. Keep one of them.")
            if direction != MappingDirection.IN and outward[_directory(row)] > 1:
                row.add_error("mapping_attribute", "Two rows send a value to this attribute. Keep one of them.")
            elif direction != MappingDirection.IN and _directory(row) in self.kept_by_server:
                row.add_error("mapping_attribute", f"{KEPT[0].upper()}{KEPT[1:]}")
        return not self.error_count

    def unsaved(self) -> list[AttributeMapping]:
        """Return the mapped rows without a directory."""
        return [row.unsaved(position) for position, row in enumerate(row for row in self.rows if not row.blank)]

    def suggest(self, suggestions: Iterable[tuple[str, PortalAttribute | None]]) -> int:
        """Fill blank rows, and rows for what is offered, and return how many; a portal attribute is used once."""
        found = {name.casefold(): attribute for name, attribute in suggestions if attribute}
        taken = {(row.kind, row.data.get(f"mapping_{row.kind}")) for row in self.rows if not row.blank}
        filled, blank = 0, len(self.rows)
        self.rows += [self._row(_blank(name), blank + more) for more, name in enumerate(self.offered)]
        for index, row in enumerate(self.rows):
            attribute = found.get(row.data["mapping_attribute"].strip().casefold()) if row.blank else None
            if attribute and (attribute.kind.value, attribute.name) not in taken:
                taken.add((attribute.kind.value, attribute.name))
                values = {**row.data, "mapping_kind": attribute.kind.value}
                values[f"mapping_{attribute.kind.value}"] = attribute.name
                self.rows[index] = self._row(values, index)
                filled += 1
        self.rows = [row for index, row in enumerate(self.rows) if index < blank or not row.blank]
        named = {name.casefold() for row in self.rows if (name := row.data["mapping_attribute"].strip())}
        self.offered = [name for name in self.offered if name.casefold() not in named]
        return filled


def _mono(row: MappingRow, name: str) -> str:
    return f"{row.fields[name].widget.attrs.get('class', '')} font-mono"


def _portal(row: DirectoryRow) -> tuple[str, str]:
    return row.kind, row.cleaned_data[f"mapping_{row.kind}"]


def _directory(row: DirectoryRow) -> str:
    name: str = row.cleaned_data["mapping_attribute"]
    return name.casefold()


def posted(data: QueryDict, names: Collection[str]) -> list[dict[str, str]]:
    """Return the rows of the page; what the page has no control for, perhaps as it is an older one, is blank."""
    columns = {name: data.getlist(name) for name in names if name in data}
    rows = zip(*columns.values(), strict=False)
    return [dict.fromkeys(names, "") | dict(zip(columns, values, strict=True)) for values in rows]


def _blank(attribute: str) -> dict[str, str]:
    return dict.fromkeys(DirectoryRow.base_fields, "") | {
        "mapping_attribute": attribute,
        "mapping_kind": Kind.PROFILE.value,
        "mapping_direction": MappingDirection.BOTH.value,
    }


def _values(mapping: AttributeMapping) -> dict[str, str]:
    return _blank(mapping.directory_attribute) | {
        "mapping_kind": mapping.kind,
        f"mapping_{mapping.kind}": mapping.portal_attribute,
        "mapping_direction": mapping.direction,
        "mapping_expression": mapping.expression,
        "mapping_required": "yes" if mapping.required else "",
    }


def _posted(data: QueryDict) -> list[dict[str, str]]:
    """Return the rows of the page; rows without a name and without anything else are left out."""
    rows = posted(data, DirectoryRow.base_fields)
    chosen = ("mapping_kind", "mapping_direction", "mapping_required")
    optional = [name for name in DirectoryRow.base_fields if name not in chosen]
    return [row for row in rows if any(row[name].strip() for name in optional)]
