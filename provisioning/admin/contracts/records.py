"""What sources of truth said last of each person, and who is blocked and why."""

from typing import Any

from django.contrib import admin
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import display

from provisioning.admin.gone import GoneIsNotFound
from provisioning.admin.kept_by_portal import ReadOnly
from provisioning.contracts.models import SourceRecord
from reports.paging import CappedPaginator

SHOWN = 200  # characters of a value


@admin.register(SourceRecord)
class SourceRecordAdmin(ReadOnly, GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Rows as they were read; only a source changes them."""

    list_display = ("key", "remote_id", "source", "state", "reason", "seen_at")
    list_filter = ("blocked", "source")
    list_select_related = ("source",)
    list_per_page = 50
    ordering = ("pk",)
    paginator = CappedPaginator
    show_full_result_count = False
    search_fields = ("remote_id__startswith", "key__startswith")
    search_help_text = "Beginning of the name or the number"
    when_empty = "No row is kept yet. They are once contracts are mapped and a source is imported or previewed."
    fields = readonly_fields = ("key", "remote_id", "source", "state", "reason", "seen_at", "row", "contracts")

    @display(description="State", label={"Blocked": "warning", "Taken": "success"})  # type: ignore[untyped-decorator]
    def state(self, record: SourceRecord) -> str:
        """Whether anything was done about it."""
        return "Blocked" if record.blocked else "Taken"

    @display(description="Row as it was read")  # type: ignore[untyped-decorator]
    def row(self, record: SourceRecord) -> str:
        """Each value by its name at the source."""
        return _values(record.raw.get("values", {}))

    @display(description="Contracts as they were read")  # type: ignore[untyped-decorator]
    def contracts(self, record: SourceRecord) -> str:
        """Each contract with its values."""
        found = record.raw.get("contracts") or []
        return (
            format_html_join("", "<p>Contract {}</p>{}", ((number, _values(values)) for number, values, _ in found))
            or "–"
        )


def _values(values: dict[str, Any]) -> str:
    lines = format_html_join("", "<li>{}: {}</li>", ((name, _shown(value)) for name, value in values.items()))
    return format_html_join("", "<ul>{}</ul>", [(lines,)])


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        (value,) = value.values()
    if value is None or value == "":
        return "–"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{text[:SHOWN]}…" if len(text) > SHOWN else text
