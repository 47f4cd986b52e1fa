"""What changed of the configuration, in words: a line for each value, and of lists only what came and went."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reports import evidence

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class ChangedValue:
    """What one value was and is; each is a list of lines."""

    name: str
    before: list[str]
    after: list[str]


def changed_values(changes: Mapping[str, Any]) -> Iterator[ChangedValue]:
    """Yield the values of a row of the evidence; the whole of something new comes value by value, too."""
    for path, (before, after) in changes.items():
        yield from _values(path, before, after)


def _values(path: str, before: Any, after: Any) -> Iterator[ChangedValue]:
    if isinstance(before, Mapping | None) and isinstance(after, Mapping | None) and (before or after):
        old, new = before or {}, after or {}
        for key in dict.fromkeys([*old, *new]):
            yield from _values(f"{path}.{key}", old.get(key), new.get(key))
        return
    if isinstance(before, list | None) and isinstance(after, list | None):
        old_lines, new_lines = [_words(one) for one in before or []], [_words(one) for one in after or []]
        gone = [line for line in old_lines if line not in new_lines]
        come = [line for line in new_lines if line not in old_lines]
        moved = not (gone or come)
        before_lines, after_lines = (old_lines, new_lines) if moved else (gone, come)
    else:
        before_lines, after_lines = _words(before).splitlines(), _words(after).splitlines()
    if before == after == evidence.SECRET:
        after_lines = ["another secret"]
    if before_lines != after_lines:
        yield ChangedValue(_name(path), before_lines or [NOTHING], after_lines or [NOTHING])


def _name(path: str) -> str:
    words = path.replace("_", " ").replace(".", " › ")
    return words[:1].upper() + words[1:]


def _words(value: Any) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(
            f"{key.replace('_', ' ')}: {_words(one)}" for key, one in value.items() if one not in ("", None)
        )
    if isinstance(value, list):
        return ", ".join(_words(one) for one in value) or NOTHING
    return str(value)
