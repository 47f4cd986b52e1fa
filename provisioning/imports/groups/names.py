"""Names for groups that come in: two groups of the portal never share one."""

from collections.abc import Callable, Iterable

from provisioning.models import Group
from provisioning.models.people import fold

MAX_NAME = 255


class Names:
    """Finds a free name for each group, and remembers which it gave away."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._given: set[str] = set()

    def candidates(self, names: Iterable[str]) -> set[str]:
        """Return the folded names that ``choose`` may look at first."""
        return {fold(name) for wanted in names for name in (wanted, self._with_suffix(wanted))}

    def choose(self, wanted: str, holder: Callable[[str], int | None], own: int | None = None) -> str:
        """Return the name itself, else with the directory's name behind it, else with a number.

        ``holder`` says which group has a folded name; ``own`` is the group that the name is for.
        """
        number, name = 0, wanted
        while fold(name) in self._given or holder(fold(name)) not in (None, own):
            number += 1
            name = self._with_suffix(wanted, number)
        self._given.add(fold(name))
        return name

    def _with_suffix(self, name: str, number: int = 1) -> str:
        suffix = f" ({self.directory})" if number == 1 else f" ({self.directory}) {number}"
        return name[: MAX_NAME - len(suffix)].rstrip() + suffix


class Holders:
    """Which group has a folded name: many looked up at once, a rare other one by itself."""

    def __init__(self, names: set[str]) -> None:
        self._asked = names
        self._found = dict(Group.objects.filter(name_key__in=names).order_by().values_list("name_key", "pk"))

    def __call__(self, name: str) -> int | None:
        """Return the id of the group with a folded name, None when it is free."""
        if name not in self._asked:
            self._asked.add(name)
            self._found.update(Group.objects.filter(name_key=name).values_list("name_key", "pk"))
        return self._found.get(name)
