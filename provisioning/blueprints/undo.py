"""Taking back what a blueprint changed: its items become what they were, by the ways that apply a blueprint.

What was changed since stays as it is and is listed. What a blueprint added is not deleted: that is said beforehand.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from directories.described.document import Document, DocumentError, Location, Problem
from provisioning.blueprints import memory, sections, state
from provisioning.blueprints.apply import Applied, carry_out, steps
from provisioning.blueprints.state import BlueprintItem
from provisioning.blueprints.writing import PartRefused, WrittenPart
from provisioning.models import AppliedBlueprint, AttributeDefinition

EMPTY = "version: 1\n"
NOTHING = "Nothing that a blueprint changed is remembered."
UNKNOWN = "There is no blueprint {}. See: manage.py blueprint list"
AGAIN = "This blueprint was taken back already, by blueprint {}."
ADDED = "{}: was added by it, and stays. Switch it off or delete it on its page."
SINCE = "{}: {} was changed since, and stays as it is."
GONE = "{}: is not there any more."
RIGHTS = {
    "attributes": "provisioning.change_attributedefinition",
    "directories": "directories.change_directory",
    "groups": "provisioning.change_group",
}
TOKENS = "{}: its new tokens stay valid, and those that they replaced do not come back. Change tokens on its page."


@dataclass(slots=True)
class Undone(Applied):
    """What was taken back; ``kept`` says what was not, and why."""

    kept: list[str] = field(default_factory=list)


class Items(Document):
    """The items that are to be written: there is no text, so that a problem names the item in place of a line."""

    def __init__(self, items: Mapping[str, Any]) -> None:
        super().__init__(EMPTY)
        self.items = items

    def problem(self, path: Location, message: str, inner_line: int = 1) -> Problem:
        """Return the problem, with the item and the part of it in its words."""
        section, index, *rest = path
        item = self.items[str(section)][int(index)]
        return Problem(inner_line, "", f"{': '.join([_label(str(section), item['name']), *map(str, rest)])}: {message}")


def undo(number: int | None, *, actor: str, check: bool = False, reached: int | None = None) -> Undone:
    """Take back the blueprint of that number, or the newest, and return what changed.

    ``check`` and ``reached`` are those of ``apply``. Raises DocumentError, with nothing changed.
    """
    with transaction.atomic():
        rows = AppliedBlueprint.objects.select_for_update().filter(**({"pk": number} if number else {"undoes": None}))
        one = rows.order_by("-pk").first()
        if one is None:
            raise _refused(UNKNOWN.format(number) if number else NOTHING)
        later = AppliedBlueprint.objects.filter(undoes=one.pk).first()
        if later is not None:
            raise _refused(AGAIN.format(later.pk))
        found = Undone()
        data: dict[str, Any] = {section: [] for section, _ in steps()}
        for item in one.items:
            wanted = _wanted(item, dict(steps())[item["section"]], actor, found)
            if wanted is not None:
                data[item["section"]].append(wanted)
        carry_out(found, Items(data), data, actor, check=check, number=reached)
        if check:
            transaction.set_rollback(True)
        else:
            memory.remember(found.parts, len(found.differences), actor, undoes=one.pk)
    return found


def rights(one: AppliedBlueprint) -> set[str]:
    """Return the permissions that somebody needs to take a blueprint back: to change what it changed."""
    by_section = RIGHTS | {section.name: section.permission for section in sections.registered()}
    return {by_section[item["section"]] for item in one.items}


def _wanted(
    item: Mapping[str, Any], write: Callable[[BlueprintItem, str], WrittenPart], actor: str, found: Undone
) -> BlueprintItem | None:
    """Return what an item of a blueprint is to be again, as far as nobody changed it since; None for nothing."""
    section, name = item["section"], item["name"]
    before, after = memory.opened(item["before"]), memory.opened(item["after"])
    label = _label(section, name)
    if before is None:
        found.kept.append(ADDED.format(label))
        return None
    now = _now(section, before, write, actor)
    if now is None:
        found.kept.append(GONE.format(label))
        return None
    wanted: BlueprintItem = dict(now)
    if section != "attributes":  # whose items are always complete
        wanted = {key: now[key] for key in ("name", "kind") if key in now}
    for key in after:
        if key == "tokens" and after[key] != before[key]:  # one that was revoked never gets valid again
            found.kept.append(TOKENS.format(label))
        elif after[key] != before.get(key):
            value, others = _merged(before.get(key), after[key], now.get(key))
            found.kept += [SINCE.format(label, ".".join([key, *path])) for path in others]
            if value != now.get(key):
                wanted[key] = value
    return wanted if any(wanted[key] != now.get(key) for key in wanted) else None


def _label(section: str, name: str) -> str:
    return f"{section.rstrip('s').replace('_', ' ').replace('directorie', 'directory')} {name}"


def _now(
    section: str, before: BlueprintItem, write: Callable[[BlueprintItem, str], WrittenPart], actor: str
) -> BlueprintItem | None:
    """Return what an item is now, None when it is gone: whoever writes it, and is asked for nothing, tells it."""
    if section == "attributes":
        definition = AttributeDefinition.objects.filter(name=before["name"]).first()
        return state.of_attribute(definition) if definition else None
    try:
        with transaction.atomic():
            written = write({key: before[key] for key in ("name", "kind") if key in before}, actor)
            if written.before is None:  # it would be made anew
                transaction.set_rollback(True)
    except PartRefused:  # it could not even be made anew, or is of another kind by now
        return None
    return written.before


def _merged(before: Any, after: Any, now: Any) -> tuple[Any, list[tuple[str, ...]]]:
    """Return the value that was, as far as what is now is what the blueprint wrote; and the paths of the rest."""
    if isinstance(after, dict) and isinstance(now, dict):
        value, others = dict(now), []
        old = before if isinstance(before, dict) else {}
        for key in dict.fromkeys([*old, *after]):
            if old.get(key) == after.get(key):
                continue
            part, changed = _merged(old.get(key), after.get(key), now.get(key))
            others += [(key, *path) for path in changed]
            if part is None and key not in old:
                value.pop(key, None)
            else:
                value[key] = part
        return value, others
    if now in (after, before):
        return before, []
    return now, [()]


def _refused(words: str) -> DocumentError:
    return DocumentError([Problem(1, "", words)])


def listed() -> Iterator[str]:
    """Say which blueprints are remembered, the newest first."""
    for one in AppliedBlueprint.objects.defer("items")[: memory.KEPT]:
        what = f"took back blueprint {one.undoes}" if one.undoes else "applied"
        yield f"{one.pk}: {what} by {one.actor} on {one.at:%Y-%m-%d %H:%M} UTC, {one.differences} differences"
