"""How a ``##NAME##`` finds its value: any case, and a portal name with or without its underscores."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from directories.attributes import Value


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """Return the form in which names compare: no case, no underscores, hyphens, dots or spaces."""
    return "".join(character for character in name.casefold() if character not in "_-. ")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant by ``name``."""
    by_fold: dict[str, str] = {}
    for candidate in known:
        by_fold.setdefault(fold(candidate), candidate)
    close = difflib.get_close_matches(fold(name), by_fold, n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


class Values(Mapping[str, Value]):
    """Values by name from several sources; an earlier source wins, and an exact name (any case) wins over a folded one.

    Give the mapped directory attributes before the portal's own: the mapping wins.
    """

    def __init__(self, *sources: Mapping[str, Value]) -> None:
        self._exact: dict[str, Value] = {}
        self._folded: dict[str, Value] = {}
        for source in sources:
            for name, value in source.items():
                self._exact.setdefault(name.casefold(), value)
                self._folded.setdefault(fold(name), value)

    def over(self, first: Mapping[str, Value]) -> "Values":
        """Return these values with others that win over them."""
        found = Values(first)
        for mine, others in ((found._exact, self._exact), (found._folded, self._folded)):
            for name, value in others.items():
                mine.setdefault(name, value)
        return found

    def __getitem__(self, name: str) -> Value:
        exact = name.casefold()
        return self._exact[exact] if exact in self._exact else self._folded[fold(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._exact)

    def __len__(self) -> int:
        return len(self._exact)
