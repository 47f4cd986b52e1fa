"""Making the portal what a blueprint says: all of it or nothing, and nothing twice."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from pydantic import SecretStr, ValidationError

from directories.described.document import Document, DocumentError, Location, Problem
from directories.described.schema import checked
from provisioning.blueprints import checks, memory, sections, writing
from provisioning.blueprints.memory import BlueprintPart
from provisioning.blueprints.schema import with_sections
from provisioning.blueprints.state import BlueprintItem

Step = tuple[str, Callable[[BlueprintItem, str], writing.WrittenPart]]


@dataclass(frozen=True, slots=True)
class BlueprintDifference:
    """One thing that a blueprint changes. ``before`` is None for what is new; secrets show that, not what."""

    item: str
    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if not self.path:
            return f"+ {self.item}"
        return f"~ {self.item}: {self.path}: {self.shown_before} -> {self.shown_after}"

    @property
    def shown_before(self) -> str:
        """The value before, for people."""
        return _shown(self.before)

    @property
    def shown_after(self) -> str:
        """The value that it gets, for people."""
        return _shown(self.after)


@dataclass(slots=True)
class Applied:
    """What a blueprint changed, and what about its directories cannot work, as their pages say it too.

    ``impacts`` tells what it does to accounts, and to people and groups of SCIM applications, a line for each where
    that is anything; ``over`` is what of that is over a limit, and ``reached`` the number that is then asked for.
    ``parts`` are all items that were written.
    """

    differences: list[BlueprintDifference] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    impacts: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    reached: int = 0
    parts: list[BlueprintPart] = field(default_factory=list)


def apply(text: str, *, actor: str, check: bool = False, number: int | None = None) -> Applied:
    """Make the portal what the blueprint says and return what changed; with ``check`` only return what would.

    ``number`` is how many accounts or people somebody saw that it reaches, needed where that is over a limit.
    Raises DocumentError, with every problem that was found and nothing changed.
    """
    document = Document(text)
    data = _checked(document)
    with transaction.atomic():
        found = Applied()
        carry_out(found, document, data, actor, check=check, number=number)
        if check:
            # The difference is that of a real run, databases' own rules included; then all of it is taken back.
            transaction.set_rollback(True)
        else:
            memory.remember(found.parts, len(found.differences), actor)
    return found


def _checked(document: Document) -> dict[str, Any]:
    if document.data is None:
        raise DocumentError([Problem(1, "", "The blueprint is empty.")])
    extra = sections.registered()
    schema = with_sections({section.name: section.schema for section in extra})
    try:
        data = checked(schema, document.data)
    except ValidationError as error:
        raise DocumentError(document.problem(each["loc"], each["msg"]) for each in error.errors()) from None
    problems = [document.problem(path, message) for path, message in checks.within(data)]
    if problems:
        raise DocumentError(problems)
    return data


def steps() -> list[Step]:
    """Return the sections in the order in which they are written, with what writes one item of each."""
    return [
        ("attributes", writing.write_attribute),
        ("directories", writing.write_directory),
        ("groups", writing.write_group),  # which name directories
        *((section.name, section.write) for section in sections.registered()),
    ]


def carry_out(
    found: Applied,
    document: Document,
    data: dict[str, Any],
    actor: str,
    *,
    check: bool,
    number: int | None,
    by: Sequence[Step] | None = None,
) -> None:
    """Write every item in the caller's transaction and note in ``found`` what that changes; raise DocumentError.

    ``by`` is what writes the items of each section, if not ``steps``.
    """
    problems: list[Problem] = []
    over: list[tuple[Location, str]] = []
    writing.release_default(data.get("directories", []))
    for section, write in by or steps():
        for index, wanted in enumerate(data[section]):
            try:
                written = write(wanted, actor)
            except writing.PartRefused as refused:
                problems.append(document.problem((section, index, *refused.path), refused.message))
                continue
            if impact := written.impact:
                found.impacts += [f"{written.label} {wanted['name']}: {words}" for words in impact.sentences]
                found.reached += impact.reached if written.over else 0
            over += [((section, index), words) for words in written.over]
            found.parts.append(BlueprintPart(section, wanted["name"], written.before, written.after))
            found.differences += differences(f"{written.label} {wanted['name']}", written.before, written.after)
            if written.directory is not None:
                checked = list(checks.directory(written.directory, written.after))
                problems += [document.problem((section, index, *path), words, line) for path, words, line in checked]
                found.warnings += [] if checked else checks.warnings(written.directory)
    found.over = [words for _, words in over]
    if not problems and not check and over and number != found.reached:
        advice = f"Look at what --check shows, then apply it with --number {found.reached}."
        problems = [document.problem(path, f"{words} {advice}") for path, words in over]
    if problems:
        raise DocumentError(problems)


def differences(item: str, before: BlueprintItem | None, after: BlueprintItem) -> Iterator[BlueprintDifference]:
    """Give every value that differs; only the item itself when it is new."""
    if before is None:
        yield BlueprintDifference(item, "", None, after)
        return
    yield from _differences(item, (), before, after)


def _differences(item: str, path: tuple[str, ...], before: Any, after: Any) -> Iterator[BlueprintDifference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _differences(item, (*path, key), before.get(key), after.get(key))
    elif before != after:
        yield BlueprintDifference(item, ".".join(path), before, after)


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "(secret)"
    if isinstance(value, list):
        return f"{len(value)} in the list"
    if value is None or value == "":
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)
