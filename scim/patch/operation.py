"""One operation of a PATCH request, as ``scim.dialects`` reads it: everything behind works with this."""

from dataclasses import dataclass
from typing import Any

from scim.filters import PatchPath
from scim.resources.attributes import Attribute
from scim.resources.schemas import GROUP, USER

ABSENT: Any = object()  # the value of an operation that has none
_CORE = tuple(f"{urn.casefold()}:" for urn in (USER, GROUP))


@dataclass(frozen=True, slots=True)
class PatchOperation:
    """``verb`` is ``add``, ``replace`` or ``remove``.

    ``attribute`` is what the path leads to, a sub-attribute where it names one, None when it is not known; ``parent``
    is the attribute of which that is a part.
    """

    verb: str
    path: PatchPath
    attribute: Attribute | None
    parent: Attribute | None = None
    value: Any = ABSENT

    @property
    def name(self) -> str:
        """The whole attribute that the path is about, folded and without the URN of the resource itself."""
        attribute = self.path.attribute
        text = f"{attribute.uri}:{attribute.attr}" if attribute.uri else attribute.attr
        folded = text.casefold()
        return next((folded.removeprefix(core) for core in _CORE if folded.startswith(core)), folded)

    @property
    def selects(self) -> bool:
        """Whether the path picks values of a multi-valued attribute, so that the operation's value is one of them."""
        return self.path.value_filter is not None

    def message(self) -> dict[str, Any]:
        """Return the operation as a PATCH request holds it."""
        found = {"op": self.verb, "path": str(self.path)}
        return found if self.value is ABSENT else {**found, "value": self.value}
