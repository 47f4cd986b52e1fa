"""Pure: the tree of departments, as parents by key. What is a cycle is never followed twice."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
Parents = Mapping[K, K | None]


def upwards(key: K, parents: Parents[K]) -> Iterator[K]:
    """Yield a department, its parent, and so on to the root; what is not there ends it, and so does a cycle."""
    seen: set[K] = set()
    here: K | None = key
    while here is not None and here in parents and here not in seen:
        seen.add(here)
        yield here
        here = parents[here]


def cycles(parents: Parents[K]) -> list[list[K]]:
    """Return every cycle: the departments of each, from child to parent. What only hangs below one is in none."""
    found, done = [], set[K]()
    for key in parents:
        path: list[K] = []
        places: dict[K, int] = {}
        here: K | None = key
        while here is not None and here in parents and here not in done and here not in places:
            places[here] = len(path)
            path.append(here)
            here = parents[here]
        if here is not None and here in places:
            found.append(path[places[here] :])
        done.update(path)
    return found


def would_be_cycle(key: K, parent: K | None, parents: Parents[K]) -> list[K]:
    """Return the way from ``parent`` up to ``key``, blank when ``key`` may hang below ``parent``."""
    if parent is None:
        return []
    path = []
    for each in upwards(parent, parents):
        path.append(each)
        if each == key:
            return path
    return []


def children(parents: Parents[K]) -> dict[K | None, list[K]]:
    """Return the departments by parent; None has the roots, which are also those whose parent is not there."""
    found: dict[K | None, list[K]] = {}
    for key, parent in parents.items():
        found.setdefault(parent if parent in parents else None, []).append(key)
    return found


def subtree(keys: Iterable[K], parents: Parents[K]) -> set[K]:
    """Return departments with all that are below them."""
    below = children(parents)
    found = set(keys)
    waiting = list(found)
    while waiting:
        for child in below.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def in_order(parents: Parents[K], sort_by: Callable[[K], Any]) -> list[tuple[K, int]]:
    """Return everything as it is read: each department with its depth, below its parent, siblings in their order.

    What is in a cycle, or hangs below one, comes last, as if it had no parent.
    """
    below = {key: sorted(held, key=sort_by, reverse=True) for key, held in children(parents).items()}
    found: list[tuple[K, int]] = []
    waiting = [(key, 0) for key in below.get(None, ())]
    while waiting:
        key, depth = waiting.pop()
        found.append((key, depth))
        waiting += [(child, depth + 1) for child in below.get(key, ())]
    shown = {key for key, _ in found}
    return found + [(key, 0) for key in sorted((key for key in parents if key not in shown), key=sort_by)]
