"""What a plan can be filtered by: counted once when it is complete, so that its page counts nothing."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from provisioning.imports.users.labels import Labels
from provisioning.imports.users.plan import CAUSES, INACTIVE
from provisioning.models import ImportRun, PlannedChange
from provisioning.models.imports import Door
from provisioning.models.people import fold
from provisioning.profile.person import catalogue

MOST = 500  # combinations of changed attributes
DEPARTMENTS = 300


@dataclass(frozen=True, slots=True)
class RowCriteria:
    """Which rows of a plan are meant; blank means all. ``search`` is the beginning of a user name.

    ``groups`` are planned groups by id, each with its members: then no row of a person is meant.
    """

    actions: tuple[str, ...] = ()
    search: str = ""
    department: str = ""
    attribute: str = ""
    cause: str = ""
    verdict: str | None = None
    groups: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        """Say in words which rows are meant."""
        parts = [
            ("", ", ".join(self.actions)),
            ("cause", self.cause),
            ("department", self.department),
            ("attribute", self.attribute),
            ("user name beginning with", self.search),
        ]
        return ", ".join(f"{label} {value}".strip() for label, value in parts if value) or "everything"


EVERYTHING = RowCriteria()


def count(run: ImportRun) -> dict[str, Any]:
    """Return the rows by action, cause and changed attributes, and by department, most first."""
    changes = PlannedChange.objects.filter(run=run).order_by()
    kinds = changes.values_list("action", "cause", "attributes").annotate(number=Count("pk")).order_by("-number")
    departments = changes.exclude(department="").values_list("department").annotate(number=Count("pk"))
    return {
        "kinds": [list(row) for row in kinds[:MOST]],
        "departments": [list(row) for row in departments.order_by("-number")[:DEPARTMENTS]],
    }


def matching(run: ImportRun, wanted: RowCriteria) -> "QuerySet[PlannedChange]":
    """Return the rows of a plan that are meant; each condition is one of an index."""
    rows = PlannedChange.objects.filter(run=run)
    if wanted.groups:
        return rows.none()
    if wanted.actions:
        rows = rows.filter(action__in=wanted.actions)
    if wanted.department:
        rows = rows.filter(department=wanted.department)
    if wanted.cause:
        rows = rows.filter(cause=wanted.cause)
    if wanted.attribute:
        kinds = run.facets.get("kinds", [])
        naming = [names for _, _, names, _ in kinds if f"|{wanted.attribute}|" in names]
        rows = (
            rows.filter(attributes__in=naming)
            if len(kinds) < MOST
            else rows.filter(attributes__contains=f"|{wanted.attribute}|")
        )
    if wanted.verdict is not None:
        rows = rows.filter(verdict=wanted.verdict)
    if key := fold(wanted.search):
        rows = rows.filter(key_folded__startswith=key)
    return rows


def causes(run: ImportRun) -> dict[tuple[str, str], int]:
    """Return how many rows the plan has by action and cause."""
    found: dict[tuple[str, str], int] = {}
    for action, cause, _, number in run.facets.get("kinds", []):
        found[action, cause] = found.get((action, cause), 0) + number
    return found


def cause_words(run: ImportRun, cause: str) -> str:
    """Return a cause in words; only an import has a source that may say so."""
    return "Deactivated" if cause == INACTIVE and run.door != Door.IMPORT else CAUSES.get(cause, "")


def attributes(run: ImportRun) -> list[tuple[str, str]]:
    """Return the attributes that updates of the plan change, with their labels, by label."""
    labels = Labels(catalogue())
    names = {name for _, _, text, _ in run.facets.get("kinds", []) for name in text.split("|") if name}
    return sorted(((name, labels[name]) for name in names), key=lambda pair: pair[1].casefold())
