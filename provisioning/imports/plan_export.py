"""A plan as CSV: streamed, a line for each value and each membership, safe to open in a spreadsheet."""

from collections.abc import Iterator, Sequence
from typing import Any

from config.database import keyset
from provisioning.imports.facets import EVERYTHING, RowCriteria, cause_words, matching
from provisioning.imports.groups.listing import named
from provisioning.imports.groups.messages import LABELS as GROUP_LABELS
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.listing import shown
from provisioning.models import Decision, ImportRun, PlannedChange, PlannedGroup, PlannedMember
from provisioning.models.imports import Action, GroupAction
from provisioning.profile.person import catalogue
from reports.csv_lines import MARK, harmless, line_writer

PAGE = 2000
COLUMNS = ("Kind", "Name", "What", "Cause", "Department", "Attribute", "Before", "After", "Message", "Decision")
ACTIONS: dict[str, Any] = dict(Action.choices)
GROUP_ACTIONS: dict[str, Any] = dict(GroupAction.choices)


_written = line_writer()


def _line(cells: Sequence[str]) -> str:
    return _written([harmless(cell) for cell in cells])


def csv_lines(run: ImportRun, criteria: RowCriteria) -> Iterator[str]:
    """Yield the file, a page of rows at a time; groups and members follow when no row is left out."""
    yield MARK + _line(COLUMNS)
    labels = Labels(catalogue())
    decided = {one.pk: _decision(one) for one in Decision.objects.filter(run=run)}
    for page in keyset.pages(matching(run, criteria).defer("row"), PAGE):
        yield "".join(_line(cells) for change in page for cells in _change(run, change, labels, decided))
    if criteria == EVERYTHING:
        yield from _groups(run, decided)


def _change(run: ImportRun, change: PlannedChange, labels: Labels, decided: dict[int, str]) -> Iterator[list[str]]:
    first = ["User", change.key, ACTIONS[change.action], cause_words(run, change.cause), change.department]
    rest = [change.message, decided.get(change.decision_id or 0, "")]
    found = [
        [label, shown(held), shown(wanted)] for label, held, wanted in labels.differences(change.before, change.after)
    ]
    for cells in found or [["", "", ""]]:
        yield [*first, *cells, *rest]


def _groups(run: ImportRun, decided: dict[int, str]) -> Iterator[str]:
    for page in keyset.pages(PlannedGroup.objects.filter(run=run).defer("row"), PAGE):
        lines = []
        for one in page:
            first = ["Group", one.name, GROUP_ACTIONS[one.action], "", ""]
            rest = [one.message, decided.get(one.decision_id or 0, "")]
            for name in one.after or [""]:
                values = [shown(one.before.get(name)), shown(one.after[name])] if name else ["", ""]
                lines.append(_line([*first, GROUP_LABELS[name] if name else "", *values, *rest]))
        yield "".join(lines)
    members = PlannedMember.objects.filter(planned_group__run=run).select_related("planned_group")
    for found in keyset.pages(members, PAGE):
        yield "".join(
            _line(
                ["Membership", member.name, "Add" if member.add else "Remove", "", "", "Group"]
                + (["", one.planned_group.name] if member.add else [one.planned_group.name, ""])
                + ["", ""]
            )
            for one, member in zip(found, named(run, found), strict=True)
        )


def _decision(one: Decision) -> str:
    return f"{one.get_verdict_display()} by {one.actor}{f': {one.reason}' if one.reason else ''}"
