"""Sections of a blueprint that belong to apps above this one: what may stand in them, writing and showing them."""

from collections.abc import Callable
from dataclasses import dataclass

from directories.described.references import Placeholders
from directories.described.schema import Strict
from provisioning.blueprints.state import BlueprintItem
from provisioning.blueprints.writing import WrittenPart


@dataclass(frozen=True, slots=True)
class Section:
    """A list of items that have a name.

    ``write`` makes one item as it is wanted, for an actor; raises ``writing.PartRefused``. ``export`` returns the
    items, with references in place of secrets. ``permission`` is the right to change such an item.
    """

    name: str
    schema: type[Strict]
    write: Callable[[BlueprintItem, str], WrittenPart]
    export: Callable[[Placeholders], list[BlueprintItem]]
    permission: str


_SECTIONS: dict[str, Section] = {}


def register(section: Section) -> None:
    """Let blueprints carry the section; an app does this when it is ready."""
    _SECTIONS[section.name] = section


def registered() -> list[Section]:
    """Return the sections in the order in which they came."""
    return list(_SECTIONS.values())
