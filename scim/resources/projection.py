"""Which attributes a response holds: ``attributes``, ``excludedAttributes`` and what each attribute's schema says.

RFC 7644 section 3.9; what is returned ``always`` cannot be left out, what is returned ``never`` cannot be asked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scim.errors import ScimError
from scim.resources.attributes import Attribute, Schema

MOST = 200  # names in one parameter

Selection = dict[str, "set[str] | None"]  # attribute path -> its sub-attributes, None for all of them


@dataclass(frozen=True)
class Projection:
    """What to return. ``only`` is None without ``attributes``; paths are folded."""

    schema: Schema
    only: Selection | None = None
    without: Selection = field(default_factory=dict)

    @classmethod
    def read(cls, values: Mapping[str, Any], schema: Schema) -> "Projection":
        """Read the parameters of a URL or a SearchRequest; raise ScimError 400. Unknown names are passed over."""
        only, without = _names(values, "attributes"), _names(values, "excludedAttributes")
        if only and without:
            raise ScimError(400, "Ask for attributes or for excludedAttributes, not for both.", "invalidValue")
        return cls(schema, _wanted(only, schema) if only else None, _wanted(without, schema))

    def shows(self, path: str) -> bool:
        """Return whether an attribute, or a part of it, is returned: what is not need not be read."""
        attribute = self.schema.find(path)
        name = path.casefold()
        if attribute is not None and attribute.returned == "always":
            return True
        if self.only is not None:
            return name in self.only
        return self.without.get(name, ...) is not None

    def apply(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the document as it is sent."""
        if self.only is None and not self.without:
            return document
        found: dict[str, Any] = {}
        for name, value in document.items():
            if name in self.schema.extensions and isinstance(value, dict):
                inner = {
                    key: shown for key, item in value.items() if (shown := self._one(f"{name}:{key}", item)) is not None
                }
                if inner:
                    found[name] = inner
            elif (shown := self._one(name, value)) is not None:
                found[name] = shown
        return found

    def _one(self, path: str, value: Any) -> Any:
        """Return what is left of an attribute's value, None when nothing is."""
        attribute = self.schema.find(path)
        if attribute is None or attribute.returned == "always":
            return value
        name = path.casefold()
        if self.only is not None:
            if name not in self.only:
                return None
            parts = self.only[name]
            return value if parts is None else _parts(value, attribute, parts, keep=True)
        if name not in self.without:
            return value
        left_out = self.without[name]
        return None if left_out is None else _parts(value, attribute, left_out, keep=False)


def _parts(value: Any, attribute: Attribute, names: set[str], *, keep: bool) -> Any:
    if isinstance(value, list):
        return [found for item in value if (found := _parts(item, attribute, names, keep=keep))] or None
    if not isinstance(value, dict):
        return value
    always = {sub.name.casefold() for sub in attribute.sub if sub.returned == "always"}
    shown = {
        name: item for name, item in value.items() if name.casefold() in always or (name.casefold() in names) == keep
    }
    return shown or None


def _names(values: Mapping[str, Any], parameter: str) -> list[str]:
    given = values.get(parameter)
    if given in (None, "", []):
        return []
    listed = given.split(",") if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise ScimError(400, f"{parameter} must be a list of attribute names.", "invalidValue")
    if len(listed) > MOST:
        raise ScimError(400, f"{parameter} names more than {MOST} attributes.", "invalidValue")
    return [name.strip() for name in listed if name.strip()]


def _wanted(names: Iterable[str], schema: Schema) -> Selection:
    wanted: Selection = {}
    for name in names:
        for path, sub in _resolved(name, schema):
            if sub is None:
                wanted[path] = None
            elif wanted.get(path, ...) is not None:
                parts = wanted.setdefault(path, set())
                if parts is not None:
                    parts.add(sub)
    return wanted


def _resolved(name: str, schema: Schema) -> Iterable[tuple[str, str | None]]:
    """Return the folded path and sub-attribute of a name; the URN of a whole extension is all of its attributes."""
    urns = {urn.casefold(): urn for urn in (schema.urn, *schema.extensions)}
    if name.casefold() in urns:
        urn = urns[name.casefold()]
        for attribute in schema.attributes:
            if attribute.path.startswith(f"{urn}:") or (urn == schema.urn and ":" not in attribute.path):
                yield attribute.path.casefold(), None
        return
    named = schema.find(name)
    if named is None:
        return
    whole = next((found for found in schema.attributes if named in found.sub), None)
    yield (whole.path.casefold(), named.name.casefold()) if whole else (named.path.casefold(), None)
