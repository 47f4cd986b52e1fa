"""What people call the attributes of plans."""

from collections.abc import Iterable

from directories.attributes import Kind
from directories.mapping import Catalogue
from provisioning.profile.facts import free_label


class Labels:
    """The attributes' labels by "kind.name"; a free custom attribute is its own label."""

    def __init__(self, known: Catalogue) -> None:
        self._labels = {f"{kind.value}.{name}": attribute.label for (kind, name), attribute in known.items()}

    def in_order(self, paths: Iterable[str]) -> list[str]:
        """Return the attributes as the catalogue orders them; free ones come last."""
        places = {path: place for place, path in enumerate(self._labels)}
        return sorted(paths, key=lambda path: (places.get(path, len(places)), path))

    def __getitem__(self, path: str) -> str:
        found = self._labels.get(path)
        return found if found is not None else free_label(path.removeprefix(f"{Kind.CUSTOM.value}."))
