"""What people call the attributes of plans."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from directories.attributes import Kind
from directories.mapping import Catalogue
from provisioning.contracts.planned import ATTRIBUTE, differences, number_of
from provisioning.imports.users.plan import GIVEN
from provisioning.profile.facts import free_label

RULES_GIVE = "What rules give"


class Labels(dict[str, str]):
    """The attributes' labels by "kind.name"; a free custom attribute is its own label."""

    def __init__(self, known: Catalogue) -> None:
        super().__init__({f"{kind.value}.{name}": attribute.label for (kind, name), attribute in known.items()})
        self[GIVEN] = RULES_GIVE

    def in_order(self, paths: Iterable[str]) -> list[str]:
        """Return the attributes as the catalogue orders them; free ones come last."""
        places = {path: place for place, path in enumerate(self)}
        return sorted(paths, key=lambda path: (places.get(path, len(places)), path))

    def __missing__(self, path: str) -> str:
        if number := number_of(path):
            return f"Contract {number}"
        if path == ATTRIBUTE:
            return "Contracts"
        return free_label(path.removeprefix(f"{Kind.CUSTOM.value}."))

    def differences(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
        """Yield label, value before and value after of what a plan changes; of a contract for each of its fields."""
        for path, value in after.items():
            if not number_of(path):
                yield self[path], before.get(path), value
                continue
            for label, held, wanted in differences(before.get(path), value):
                yield f"{self[path]}: {label}", held, wanted
