"""How something was configured after any of the rows that tell of it, told again from the changes that they hold."""

from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from typing import Any

from reports.evidence import SECRET
from reports.models import Evidence, EvidenceKind

State = dict[str, Any]


def history(subjects: Collection[str]) -> Iterable[Evidence]:
    """Return the rows about one thing, the oldest first; ``subjects`` are its present and former ones."""
    return Evidence.objects.filter(kind=EvidenceKind.CONFIGURATION, subject__in=subjects).order_by("seq")


def states(rows: Iterable[Evidence], wanted: Collection[int]) -> dict[int, State]:
    """Return how a thing was after each of the wanted rows; ``rows`` are all of it, the oldest first.

    Each secret is a mark that holds the number of the row that brought it: another one has another mark.
    """
    found: dict[int, State] = {}
    now: State = {}
    for row in rows:
        if row.payload.get("first"):
            now = {}  # one that was gone before
        for path, (_, after) in row.payload["changes"].items():
            _put(now, path, _marked(after, row.seq))
        if row.seq in wanted:
            found[row.seq] = deepcopy(now)
    return found


def is_secret(value: Any) -> bool:
    """Return whether a value of a state stands for a secret."""
    return isinstance(value, str) and value.startswith(SECRET)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the parts of two states that differ."""
    pairs = {key: (before.get(key), after.get(key)) for key in dict.fromkeys([*before, *after])}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _put(state: State, path: str, value: Any) -> None:
    """Set the part of a state that a path names. Names of parts may hold dots: what is there tells them from steps."""
    steps = path.split(".")
    while len(steps) > 1 and ".".join(steps) not in state:
        for length in range(len(steps) - 1, 0, -1):
            inner = state.get(".".join(steps[:length]))
            if isinstance(inner, dict):
                state, steps = inner, steps[length:]
                break
        else:
            break
    state[".".join(steps)] = value


def _marked(value: Any, seq: int) -> Any:
    if is_secret(value):
        return f"{SECRET} {seq}"
    if isinstance(value, dict):
        return {key: _marked(each, seq) for key, each in value.items()}
    return [_marked(each, seq) for each in value] if isinstance(value, list) else value
