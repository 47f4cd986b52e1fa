"""What changed of the configuration, in words: a line for each value, of lists what came and went."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from directories.forms.features import LABELS, LIMIT_LABELS
from directories.models import TemplateOperation
from provisioning.second_person import DOOR_LABELS
from reports import evidence

NOTHING = "nothing"
NAMES = {
    **DOOR_LABELS,
    **{f"provisioning.{name}": f"Features › {label}" for name, label in {**LABELS, **LIMIT_LABELS}.items()},
    **{f"templates.{value}": f"Query › {label}" for value, label in TemplateOperation.choices},
}
LONG = 80  # letters of a line from which on a text is compared line by line


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a text: " " where both have it, "-" where only the one before does, "+" only the one after."""

    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class ChangedValue:
    """What one value was and is, each as a list of lines; ``diff`` is the same of a long text, line by line."""

    name: str
    before: list[str]
    after: list[str]
    diff: list[DiffLine] = field(default_factory=list)


def changed_values(changes: Mapping[str, Sequence[Any]]) -> Iterator[ChangedValue]:
    """Yield the values of a row of the evidence; the whole of something new comes value by value, too."""
    for path, (before, after) in changes.items():
        yield from _values(path, before, after)


def _values(path: str, before: Any, after: Any) -> Iterator[ChangedValue]:
    if isinstance(before, Mapping | None) and isinstance(after, Mapping | None) and (before or after):
        old, new = before or {}, after or {}
        for key in dict.fromkeys([*old, *new]):
            yield from _values(f"{path}.{key}", old.get(key), new.get(key))
        return
    diff: list[DiffLine] = []
    if isinstance(before, list | None) and isinstance(after, list | None):
        old_lines, new_lines = [_words(one) for one in before or []], [_words(one) for one in after or []]
        gone = [line for line in old_lines if line not in new_lines]
        come = [line for line in new_lines if line not in old_lines]
        moved = not (gone or come)
        before_lines, after_lines = (old_lines, new_lines) if moved else (gone, come)
        if _is_text([*(before or []), *(after or [])]):
            diff = _diff(before or [], after or [])
    else:
        before_lines, after_lines = _words(before).splitlines(), _words(after).splitlines()
        if _is_text([before, after]):
            diff = _diff([before or ""], [after or ""])
    if before_lines == after_lines and _is_another_secret(before, after):
        before_lines, after_lines = [evidence.SECRET], ["another secret"]
    if before_lines != after_lines:
        yield ChangedValue(name_of(path), before_lines or [NOTHING], after_lines or [NOTHING], diff)


def _is_secret(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(evidence.SECRET)


def _is_another_secret(before: Any, after: Any) -> bool:
    """Return whether a secret was replaced: it has another mark, or, in rows, which have none, it is told of at all."""
    parts = before if isinstance(before, list) else [before]
    return any(map(_is_secret, parts)) and (before != after or evidence.SECRET in parts)


def _is_text(values: Sequence[Any]) -> bool:
    """Return whether values are such that a reader wants to see them line by line, as statements are."""
    texts = [value for value in values if isinstance(value, str)]
    return len(texts) == sum(value is not None for value in values) and any(
        "\n" in text or len(text) > LONG for text in texts
    )


def _diff(before: Sequence[str], after: Sequence[str]) -> list[DiffLine]:
    old, new = ([line for text in texts for line in text.splitlines()] for texts in (before, after))
    found: list[DiffLine] = []
    for _, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if old[first:last] == new[start:end]:
            found += [DiffLine(" ", line) for line in old[first:last]]
        else:
            found += [DiffLine("-", line) for line in old[first:last]]
            found += [DiffLine("+", line) for line in new[start:end]]
    return found


def name_of(path: str) -> str:
    """Return what a part of a state is called on pages; ``path`` is its steps, with dots between."""
    if path in NAMES:
        return NAMES[path]
    words = path.replace("_", " ").replace(".", " › ")
    return words[:1].upper() + words[1:]


def _words(value: Any) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _is_secret(value):
        return evidence.SECRET
    if isinstance(value, Mapping):
        return ", ".join(
            f"{key.replace('_', ' ')}: {_words(one)}" for key, one in value.items() if one not in ("", None)
        )
    if isinstance(value, list):
        return ", ".join(_words(one) for one in value) or NOTHING
    return str(value)
