"""A SCIM document and a person of the portal: what the mapping leads into the portal, what the client's own side keeps.

What no row maps is not lost: it is kept for the client that sent it (``UserLink.kept``) and given back, so that whoever
PUTs what it has read changes nothing. It leads nowhere else and cannot be searched.
"""

from collections.abc import Collection, Mapping
from typing import Any

from directories.attributes import Kind
from directories.mapping import BOTH
from scim.models import ClientMapping, Resource
from scim.resources import schemas
from scim.resources.rules import Path, Rules

MARK = "~"  # in a kept element: which slot of the mapping it is
_PRIMARY = "emails"  # the attribute whose first slot is the primary value unless the client says otherwise
LABELS = {"type", "primary", "display", MARK}
_ENTERPRISE = schemas.ENTERPRISE
_USER_DEFAULTS = (
    ("userName", "username"),
    ("active", "active"),
    ("name.givenName", "first_name"),
    ("name.familyName", "last_name"),
    ("displayName", "display_name"),
    ('emails[type eq "work"].value', "email"),
    ('phoneNumbers[type eq "work"].value', "phone"),
    ('phoneNumbers[type eq "mobile"].value', "mobile"),
    ("title", "title"),
    ("userType", "employee_type"),
    ("locale", "locale"),
    ("timezone", "time_zone"),
    ('addresses[type eq "work"].streetAddress', "street_address"),
    ('addresses[type eq "work"].locality', "locality"),
    ('addresses[type eq "work"].region', "region"),
    ('addresses[type eq "work"].postalCode', "postal_code"),
    ('addresses[type eq "work"].country', "country"),
    (f"{_ENTERPRISE}:employeeNumber", "employee_number"),
    (f"{_ENTERPRISE}:costCenter", "cost_center"),
    (f"{_ENTERPRISE}:organization", "organization"),
    (f"{_ENTERPRISE}:division", "division"),
    (f"{_ENTERPRISE}:department", "department"),
    (f"{_ENTERPRISE}:manager.value", "manager"),
)
_GROUP_DEFAULTS = (("displayName", "name"), (f"{schemas.CUSTOM_GROUP}:description", "description"))


def defaults() -> list[ClientMapping]:
    """Return the rows that a new client starts with, not saved and without their client."""
    users = ((Resource.USER, number, path, name) for number, (path, name) in enumerate(_USER_DEFAULTS))
    groups = ((Resource.GROUP, number, path, name) for number, (path, name) in enumerate(_GROUP_DEFAULTS))
    return [
        ClientMapping(
            resource=resource,
            scim_path=path,
            kind=Kind.PROFILE,
            portal_attribute=name,
            direction=BOTH,
            required=path in ("userName", "displayName") and number == 0,
            position=number,
        )
        for resource, number, path, name in (*users, *groups)
    ]


def attribute_names() -> dict[str, str]:
    """Return in which attribute of the SCIM service profile attributes are: "emails" for "profile.email"."""
    found = {}
    for path, name in _USER_DEFAULTS:
        urn, colon, last = path.rpartition(":")
        found[f"{Kind.PROFILE.value}.{name}"] = urn + colon + last.partition("[")[0].partition(".")[0]
    return found


def split(document: Mapping[str, Any], rules: Rules) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of the mapped paths (None where the document has none), and what is left of the document."""
    rest: dict[str, Any] = _copied(document)
    row: dict[str, Any] = {}
    chosen: dict[tuple[str, tuple[str, str]], dict[str, Any] | None] = {}
    given_back = {rule.path.text for rule in rules.readable}
    slots = {(rule.path.attribute, rule.path.element[1].casefold()) for rule in rules.writable if rule.path.element}
    for rule in rules.writable:
        holder = _holder(rest, rule.path, chosen, slots if rule.path.text in rules.firsts else None)
        key = _key(rule.path)
        row[rule.path.text] = holder.get(key) if holder is not None else None
        if holder is not None and rule.path.text in given_back:
            holder.pop(key, None)
            if rule.path.element:
                holder[MARK] = rule.path.element[1]
    return row, _tidied(rest)


def overlay(kept: dict[str, Any], values: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Return the document of what the client keeps and the values of the mapped paths."""
    document: dict[str, Any] = _copied(kept)
    for rule in rules.readable:
        value = values.get(rule.path.text)
        if value is not None and value != "":
            _place(document, rule.path, value, rule.path.text in rules.firsts)
    for name in list(document):
        if isinstance(document[name], list):
            document[name] = [_unmarked(element) for element in document[name] if _says_something(element)]
        if document[name] in ([], {}, None, ""):
            del document[name]
    return document


def _holder(
    document: dict[str, Any],
    path: Path,
    chosen: dict[tuple[str, tuple[str, str]], dict[str, Any] | None],
    slots: Collection[tuple[str, str]] | None,
) -> dict[str, Any] | None:
    """Return the object in which the path's value stands, None when there is none."""
    inside: Any = document.get(path.prefix) if path.prefix else document
    if not isinstance(inside, dict):
        return None
    if path.element:
        where = (path.attribute, path.element)
        if where not in chosen:
            others = None if slots is None else {word for attribute, word in slots if attribute == path.attribute}
            chosen[where] = _element(inside.get(path.name), path.element, others)
        return chosen[where]
    if path.sub:
        inside = inside.get(path.name)
    return inside if isinstance(inside, dict) else None


def _element(elements: Any, label: tuple[str, str], slots: Collection[str] | None) -> dict[str, Any] | None:
    """Return the element of that label; for the first slot of the mapping, else the primary one or one without label.

    authentik's only e-mail is ``{"type": "other", "primary": true}``, and some send none but the value. ``slots`` is
    given for the first slot: the labels that are mapped themselves, so that a primary mobile is no work telephone.
    """
    name, word = label
    found = [element for element in elements if isinstance(element, dict)] if isinstance(elements, list) else []
    exact = [element for element in found if str(element.get(name, "")).casefold() == word.casefold()]
    if exact or slots is None:
        return exact[0] if exact else None
    free = (element for element in found if str(element.get(name, "")).casefold() not in slots)
    other = [element for element in free if element.get("primary") is True]
    other += [element for element in found if not element.get(name)]
    return other[0] if other else None


def _key(path: Path) -> str:
    return path.sub or path.name


def _place(document: dict[str, Any], path: Path, value: Any, first: bool) -> None:
    inside = document.setdefault(path.prefix, {}) if path.prefix else document
    if path.element:
        name, word = path.element
        elements = inside.setdefault(path.name, [])
        holder = next((element for element in elements if element.get(MARK) == word), None)
        if holder is None:
            holder = {name: word, MARK: word}
            if first and path.name == _PRIMARY and not any(element.get("primary") for element in elements):
                holder["primary"] = True
            elements.append(holder)
        holder[path.sub] = value
    elif path.sub:
        inside.setdefault(path.name, {})[path.sub] = value
    else:
        inside[path.name] = value


def _tidied(rest: dict[str, Any]) -> dict[str, Any]:
    """Return what is left without what says nothing, nor what ``overlay`` would write anyway."""
    kept = {name: _tidied_value(name, value) for name, value in rest.items()}
    return {name: value for name, value in kept.items() if value not in (None, "", [], {})}


def _tidied_value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _tidied(value)
    if not isinstance(value, list):
        return value
    elements = [element for element in value if element not in ({}, None, "")]
    return [] if len(elements) == 1 and _is_default(name, elements[0]) else elements


def _is_default(name: str, element: Any) -> bool:
    if not isinstance(element, dict) or MARK not in element:
        return False
    plain = {"type": element[MARK], MARK: element[MARK]}
    return bool(element == (plain | {"primary": True} if name == _PRIMARY else plain))


def _unmarked(element: Any) -> Any:
    if isinstance(element, dict):
        element.pop(MARK, None)
    return element


def _says_something(element: Any) -> bool:
    return not isinstance(element, dict) or MARK not in element or not LABELS.issuperset(element)


def _copied(value: Any) -> Any:
    """Return a copy that can be changed."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
