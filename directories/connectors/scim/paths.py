"""Pure: SCIM attribute paths (RFC 7644 section 3.10 and figure 7), read from a resource and written to one.

A path is what the attribute mapping names: ``name.givenName``, ``emails[type eq "work"].value`` or
``urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department``. Names are compared without case (RFC 7643
section 2.1).
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson
from scim2_models import Path, SCIMException
from scim2_models.path import AttrPath, CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator, ValuePath

from directories.attributes import Value
from directories.connectors.base import ConnectorError

CORE = ("urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:core:2.0:Group")
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
# RFC 7643 section 4.1.2: what holds several values, each an object.
_PLURAL = frozenset(
    [
        "emails",
        "phonenumbers",
        "ims",
        "photos",
        "addresses",
        "groups",
        "entitlements",
        "roles",
        "x509certificates",
        "members",
    ]
)
_FLAGS = frozenset({"active", "primary"})
NO_PATH = '{text} is no SCIM attribute. Write for example name.givenName or emails[type eq "work"].value.'
NO_CHOICE = '{text} chooses values in a way that cannot be written. Choose them by eq, as in emails[type eq "work"].'

Resource = dict[str, Any]
Operation = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AttributePath:
    """One attribute: ``chosen`` are sub-attributes by which one of several values is picked, ``sub`` the part of it."""

    text: str
    schema: str
    attribute: str
    sub: str = ""
    chosen: tuple[tuple[str, Any], ...] = ()

    @property
    def plural(self) -> bool:
        """Whether the attribute holds several values."""
        return bool(self.chosen) or (not self.schema and self.attribute.casefold() in _PLURAL)

    @property
    def part(self) -> str:
        """The sub-attribute that holds the value, "" where the attribute itself does."""
        return self.sub or ("value" if self.plural else "")

    @property
    def whole(self) -> str:
        """The path of the attribute with all its values."""
        return f"{self.schema}:{self.attribute}" if self.schema else self.attribute

    @property
    def one(self) -> str:
        """The path of the value that is picked, with all its sub-attributes."""
        wanted = " and ".join(f"{name} eq {orjson.dumps(value).decode()}" for name, value in self.chosen)
        return f"{self.whole}[{wanted}]" if wanted else self.whole

    @property
    def wire(self) -> str:
        """The path as a request names it."""
        return f"{self.one}.{self.part}" if self.part else self.one


@lru_cache(maxsize=4096)
def parse(text: str) -> AttributePath:
    """Return a path; raise ConnectorError for what is none."""
    try:
        node = Path(text.strip()).ast
    except (SCIMException, ValueError):
        node = None
    match node:
        case AttrPath():
            return _path(text, node, node.sub_attr, ())
        case ValuePath():
            chosen = tuple(_chosen(text, node.val_filter))
            return _path(text, node.attr_path, node.sub_attr, chosen)
    raise ConnectorError(NO_PATH.format(text=text), code="mapping")


def parse_known(texts: Iterable[str]) -> list[AttributePath]:
    """Return the paths among these texts; whoever writes one that is none is told."""
    found = []
    for text in texts:
        with suppress(ConnectorError):
            found.append(parse(text))
    return found


def _path(text: str, named: AttrPath, sub: str | None, chosen: tuple[tuple[str, Any], ...]) -> AttributePath:
    schema = "" if (named.uri or "").casefold() in {core.casefold() for core in CORE} else named.uri or ""
    return AttributePath(text, schema, named.attr, sub or "", chosen)


def _chosen(text: str, node: FilterNode) -> Iterable[tuple[str, Any]]:
    match node:
        case Comparison(op=CompareOperator.eq):
            yield str(node.attr_path), node.value
        case LogicalExpr(op=LogicalOperator.and_):
            for term in node.terms:
                yield from _chosen(text, term)
        case _:
            raise ConnectorError(NO_CHOICE.format(text=text), code="mapping")


# --- Reading ---------------------------------------------------------------------------------------------------------


def member(held: Any, name: str) -> Any:
    """Return what an object has under a name, whatever its case; None without it."""
    if not isinstance(held, Mapping):
        return None
    if name in held:
        return held[name]
    folded = name.casefold()
    return next((value for known, value in held.items() if known.casefold() == folded), None)


def read(resource: Mapping[str, Any], path: AttributePath) -> Value:
    """Return what a resource holds at a path; None for nothing, a tuple for several values."""
    found = member(member(resource, path.schema) if path.schema else resource, path.attribute)
    if isinstance(found, list):
        values = [_value(item, path.sub or "value") for item in found if _matches(item, path)]
        known = [value for value in values if value not in (None, "")]
        if path.chosen or len(known) < 2:
            return known[0] if known else None
        return tuple(map(str, known))
    return _value(found, path.sub or "value")


def _value(held: Any, name: str) -> Value:
    plain = member(held, name) if isinstance(held, Mapping) else held
    return plain if isinstance(plain, str | bool | int | float) else None


def _matches(item: Any, path: AttributePath) -> bool:
    return all(_alike(member(item, name), wanted) for name, wanted in path.chosen)


def _alike(held: Any, wanted: Any) -> bool:
    if isinstance(held, str) and isinstance(wanted, str):
        return held.casefold() == wanted.casefold()
    return bool(held == wanted)


# --- Writing ---------------------------------------------------------------------------------------------------------


def written(path: AttributePath, value: Value) -> Any:
    """Return a value as JSON has it; None for nothing."""
    if value in (None, "", ()):
        return None
    if isinstance(value, tuple):
        return list(value)
    if (path.sub or path.attribute).casefold() in _FLAGS:
        return str(value).strip().casefold() in {"true", "1", "yes", "t", "y"}
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if not isinstance(value, str) and path.schema in ("", ENTERPRISE):
        return str(value)  # every other attribute of these schemas is text
    return value


def applied(resource: Mapping[str, Any], path: AttributePath, wanted: Any) -> bool:
    """Return whether a resource holds what was written; letters' case and outer space are a server's choice."""
    return bool(_plain(read(resource, path)) == _plain(wanted))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        parts = sorted(str(_plain(one)) for one in value)
        return _plain(parts[0]) if len(parts) == 1 else parts
    if isinstance(value, bool) or value is None:
        return value
    return str(value).strip().casefold() or None


def put(resource: Resource, path: AttributePath, value: Any) -> None:
    """Let a resource hold a value (of ``written``) at a path; None takes it away."""
    holder = resource
    if path.schema:
        holder = _object(resource, path.schema)
        if value is not None and path.schema not in (schemas := resource.setdefault("schemas", [])):
            schemas.append(path.schema)
    if path.plural:
        _put_several(holder, path, value)
    elif path.sub:
        inner = _object(holder, path.attribute)
        _set(inner, path.sub, value)
        if not inner:
            _set(holder, path.attribute, None)
    else:
        _set(holder, path.attribute, value)
    if path.schema and not holder:
        _set(resource, path.schema, None)


def _put_several(holder: Resource, path: AttributePath, value: Any) -> None:
    held = member(holder, path.attribute)
    items: list[Any] = list(held) if isinstance(held, list) else []
    if not path.chosen:
        values = value if isinstance(value, list) else [value]
        _set(holder, path.attribute, [{path.part: one} for one in values if one is not None] or None)
        return
    item = next((one for one in items if _matches(one, path)), None)
    if item is None and value is not None:
        items.append({**dict(path.chosen), path.part: value})
    elif item is not None:
        _set(item, path.part, value)
        if not set(item) - {name for name, _ in path.chosen} - {"primary"}:
            items.remove(item)
    _set(holder, path.attribute, items or None)


def _object(holder: Resource, name: str) -> Resource:
    found = member(holder, name)
    if isinstance(found, dict):
        return found
    _set(holder, name, made := dict[str, Any]())
    return made


def _set(holder: Resource, name: str, value: Any) -> None:
    folded = name.casefold()
    known = next((key for key in holder if key.casefold() == folded), name)
    if value is None:
        holder.pop(known, None)
    else:
        holder[known] = value


# --- PATCH -----------------------------------------------------------------------------------------------------------


def operations(
    resource: Mapping[str, Any],
    changes: Sequence[tuple[AttributePath, Any]],
    *,
    clear: str = "remove",
    primary: Sequence[str] = (),
) -> list[Operation]:
    """Return the PATCH operations (RFC 7644 section 3.5.2) that let a resource hold the changed values.

    A value that is not there yet is added whole, since to replace what a filter does not find is an error (3.5.2.3).
    ``clear`` is how a value is taken away: ``remove`` it, or ``replace`` it by ``null`` or ``empty`` text. Of the
    attributes ``primary`` one value must be marked as such.
    """
    found: list[Operation] = []
    added: dict[str, Resource] = {}
    for path, value in changes:
        if value is None:
            found.append(_clearing(resource, path, clear))
        elif path.chosen and not _has(resource, path):
            if path.one not in added:
                added[path.one] = dict(path.chosen)
                if path.whole in primary and not _has(resource, replace(path, chosen=(("primary", True),))):
                    added[path.one]["primary"] = True
                found.append({"op": "add", "path": path.whole, "value": [added[path.one]]})
            added[path.one][path.part] = value
        elif path.plural and not path.chosen:
            values = value if isinstance(value, list) else [value]
            found.append({"op": "replace", "path": path.whole, "value": [{path.part: one} for one in values]})
        else:
            verb = "add" if read(resource, path) is None else "replace"
            found.append({"op": verb, "path": path.wire, "value": value})
    return found


def _clearing(resource: Mapping[str, Any], path: AttributePath, clear: str) -> Operation:
    if clear in ("null", "empty"):
        return {"op": "replace", "path": path.wire, "value": None if clear == "null" else ""}
    where = path.wire
    if path.plural and not path.chosen:
        where = path.whole
    elif path.chosen and path.part == "value":
        where = path.one  # nothing is left of an e-mail address without its value
    elif path.sub and path.attribute.casefold() == "manager":
        where = path.whole
    return {"op": "remove", "path": where}


def _has(resource: Mapping[str, Any], path: AttributePath) -> bool:
    found = member(member(resource, path.schema) if path.schema else resource, path.attribute)
    return isinstance(found, list) and any(_matches(item, path) for item in found)
