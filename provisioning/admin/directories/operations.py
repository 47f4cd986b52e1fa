"""A directory's operations as its page groups them: what is switched on needs first, then the rest and contracts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from directories.forms.draft import DirectoryDraft
from directories.forms.templates import HR, OPTIONAL, Block
from directories.models import OnLeave, PushGroups, TemplateOperation

# What each feature runs; where a leaver's account is deleted or disabled is a choice of its own.
RUNS = {
    "import_users": (TemplateOperation.IMPORT,),
    "create_users": (TemplateOperation.CHECK, TemplateOperation.CREATE),
    "update_users": (TemplateOperation.UPDATE,),
    "set_passwords": (TemplateOperation.SET_PASSWORD,),
}
LEAVING = {"deactivate_users": "on_deactivate", "delete_users": "on_delete"}
LEAVERS: Mapping[str, TemplateOperation] = {
    OnLeave.DISABLE: TemplateOperation.DISABLE,
    OnLeave.DELETE: TemplateOperation.DELETE,
}
PUSHED = (
    TemplateOperation.CREATE_GROUP,
    TemplateOperation.UPDATE_GROUP,
    TemplateOperation.ADD_MEMBER,
    TemplateOperation.REMOVE_MEMBER,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One operation; ``needed`` by what is switched on."""

    block: Block
    needed: bool

    @property
    def written(self) -> bool:
        """Whether it has a statement."""
        return bool(self.block.statements)


@dataclass(frozen=True, slots=True)
class OperationSection:
    """Operations under one heading; a folded one opens when it is pressed."""

    title: str
    operations: list[Shown]
    about_groups: bool = False
    folded: bool = False

    @property
    def needed(self) -> int:
        """How many operations what is switched on needs."""
        return sum(shown.needed for shown in self.operations)

    @property
    def written(self) -> int:
        """How many of those have a statement."""
        return sum(shown.needed and shown.written for shown in self.operations)


def sections(draft: DirectoryDraft) -> list[OperationSection]:
    """Return every operation once, under the headings that have any."""
    features = draft.features
    switched_on = set(runs(lambda name: features[name].value()))
    needed = switched_on or set(TemplateOperation) - OPTIONAL
    shown = [Shown(block, block.operation in needed) for block in draft.templates.blocks]
    hr = [one for one in shown if one.block.operation in HR]
    people = [one for one in shown if not one.block.about_groups and one.block.operation not in HR]
    groups = [one for one in shown if one.block.about_groups]
    first = [one for one in people if one.needed]
    rest = [one for one in people if not one.needed]
    folded = not features["sync_groups"].value() and not any(one.written for one in groups)
    title = "What is switched on needs" if switched_on else "Most directories need"
    found = [
        OperationSection(title, first),
        OperationSection("Only when you want more", rest),
        OperationSection("Contracts of a source of truth", hr, folded=not any(one.written for one in hr)),
        OperationSection("Groups", groups, about_groups=True, folded=folded),
    ]
    return [section for section in found if section.operations]


def runs(value: Callable[[str], Any]) -> Iterator[TemplateOperation]:
    """Return the operations that the features run; ``value`` gives a provisioning setting by its name."""
    for feature, operations in RUNS.items():
        if value(feature):
            yield from operations
    for feature, choice in LEAVING.items():
        chosen = value(choice)
        if value(feature) and chosen in LEAVERS:
            yield LEAVERS[chosen]
            if chosen == OnLeave.DELETE and value("delete_after_days"):
                yield TemplateOperation.DISABLE
    if value("sync_groups"):
        if value("import_groups"):
            yield from (TemplateOperation.IMPORT_GROUPS, TemplateOperation.IMPORT_MEMBERS)
        if value("push_groups") != PushGroups.NONE:
            yield from PUSHED
        if value("delete_groups"):
            yield TemplateOperation.DELETE_GROUP
