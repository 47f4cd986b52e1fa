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


class NamedValues(Mapping[str, Value]):
    """Values by name from several sources; an earlier source wins, and an exact name (any case) wins over a folded one.

    Give the mapped directory attributes before the portal's own: the mapping wins.
    """

    def __init__(self, *sources: Mapping[str, Value]) -> None:
        self._sources = sources
        self._spellings = [_spellings(tuple(source)) for source in sources]

    def over(self, first: Mapping[str, Value]) -> "NamedValues":
        """Return these values with others that win over them."""
        return NamedValues(first, *self._sources)

    def __getitem__(self, name: str) -> Value:
        for form, wanted in enumerate((name.casefold(), fold(name))):
            for source, spellings in zip(self._sources, self._spellings, strict=True):
                if wanted in spellings[form]:
                    return source[spellings[form][wanted]]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({name: None for exact, _ in self._spellings for name in exact})

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=1024)
def _spellings(names: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names as they are spelt, by their form without case and by their folded form; the first wins.

    Cached: sources with the same names come by the thousand, one for each account.
    """
    exact: dict[str, str] = {}
    folded: dict[str, str] = {}
    for name in names:
        exact.setdefault(name.casefold(), name)
        folded.setdefault(fold(name), name)
    return exact, folded
