"""What a schema cannot say: whether the parts of a blueprint fit each other and the portal."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from directories import query_templates
from directories.attributes import Kind
from directories.connectors.sql import language_of
from directories.described.document import Location
from directories.forms.draft import DirectoryDraft
from directories.forms.features import MATCHED, MATCHING
from directories.forms.situation import situation_of
from directories.mapping import AttributeRule, Catalogue, problems_of
from directories.models import Directory
from directories.readiness import assess
from provisioning.blueprints.state import BlueprintItem
from provisioning.models.people import fold
from provisioning.profile.person import catalogue


def within(data: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """Give what contradicts itself within the document: a name twice, two default directories."""
    sections = {name: items for name, items in data.items() if name != "version"}
    for section, items in sections.items():
        seen: dict[str, int] = {}
        for index, item in enumerate(items):
            first = seen.setdefault(fold(item["name"]), index)
            if first != index:
                yield (section, index, "name"), f"{item['name']!r} stands here twice. Remove one."
    defaults = [index for index, item in enumerate(data["directories"]) if item.get("default")]
    for index in defaults[1:]:
        yield ("directories", index, "default"), "Another directory is the default already; there is one."


def directory(stored: Directory, described: BlueprintItem) -> Iterator[tuple[Location, str, int]]:
    """Give what is wrong with a directory as it was just written: path, words, and the line within a statement."""
    known = catalogue()
    yield from _mapping(described, known)
    yield from _statements(stored, described, known)
    for key in MATCHING:
        path = described["provisioning"][key]
        kind, _, name = path.partition(".")
        allowed = kind in {Kind.PROFILE, Kind.CUSTOM_PROFILE} and (Kind(kind), name) in known
        allowed = allowed and (kind != Kind.PROFILE or name in MATCHED)
        if not allowed and (path or key == MATCHING[0]):
            message = f"Rows are matched by {', '.join(f'profile.{one}' for one in MATCHED)} or custom_profile.NAME."
            yield ("provisioning", key), message, 1
    if problem := DirectoryDraft(stored, known).problem_of_grace():
        yield ("provisioning", "delete_after_days"), problem, 1


def warnings(stored: Directory) -> list[str]:
    """Return what a stored directory is set to do and cannot."""
    situation = situation_of(DirectoryDraft(stored, catalogue()), None)
    return [f"{stored.name}: {warning}" for warning in assess(situation, timezone.localtime()).warnings]


def _mapping(described: BlueprintItem, known: Catalogue) -> Iterator[tuple[Location, str, int]]:
    for index, row in enumerate(described["mapping"]):
        for problem in problems_of([AttributeRule(**{**row, "kind": Kind(row["kind"])})], known):
            field = "expression" if "expression" in problem else "portal_attribute"
            yield ("mapping", index, field), problem, 1


def _statements(stored: Directory, described: BlueprintItem, known: Catalogue) -> Iterator[tuple[Location, str, int]]:
    templates = described["templates"]
    language = language_of(stored.kind)
    if not language:
        if templates:
            yield ("templates",), "Directories of this kind have no query templates.", 1
        return
    reads = query_templates.import_attributes(templates.get("import", []), language)
    mapped = [name for row in described["mapping"] for name in (row["directory_attribute"], row["portal_attribute"])]
    names = {*reads, *mapped, *(attribute.name for attribute in known.values())}
    found: dict[tuple[str, int], list[query_templates.TemplateError]] = defaultdict(list)
    for operation, statements in templates.items():
        for index, sql in enumerate(statements):
            found[operation, index] += query_templates.check(sql, language, operation, names)
    for (operation, index), problems in found.items():
        for problem in problems:
            where = f"line {problem.line}, column {problem.column} of the statement"
            yield ("templates", operation, index), f"{problem.message} ({where})", problem.line
