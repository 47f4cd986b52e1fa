"""RFC 7644 section 3.5.2 over plain dictionaries, as short as it can be said: what the engine is compared with.

It knows one attribute of each kind: ``title`` (simple), ``name`` (complex), ``emails`` (multi-valued and complex) and
the enterprise extension's ``department``. An operation is (op, target, filter, sub-attribute, value).
"""

import copy
from dataclasses import dataclass
from typing import Any

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LABELS = {"type", "primary", "display"}


class Refused(Exception):
    """The scimType that the operation ends with."""


@dataclass(frozen=True)
class Asked:
    """One operation."""

    op: str
    target: str
    where: tuple[str, str] | None = None
    sub: str = ""
    value: Any = None

    def json(self) -> dict[str, Any]:
        """Return it as a client sends it."""
        path = f"{ENTERPRISE}:{self.target}" if self.target == "department" else self.target
        if self.where:
            path += f'[{self.where[0]} eq "{self.where[1]}"]'
        if self.sub:
            path += f".{self.sub}"
        found: dict[str, Any] = {"op": self.op, "path": path}
        return found if self.op == "remove" else {**found, "value": self.value}


def applied(resource: dict[str, Any], operations: list[Asked]) -> dict[str, Any]:
    """Return the resource after all of them; raise Refused."""
    state = copy.deepcopy(resource)
    for asked in operations:
        if asked.target == "emails":
            _emails(state, asked)
        elif asked.target == "name":
            _name(state, asked)
        else:
            home = state.setdefault(ENTERPRISE, {}) if asked.target == "department" else state
            if asked.op == "remove":
                home.pop(asked.target, None)
            else:
                home[asked.target] = asked.value
    state = _tidy(state)
    if state.get("emails") != _tidy(copy.deepcopy(resource)).get("emails"):
        _unite(state)
    return state


def _unite(state: dict[str, Any]) -> None:
    """RFC 7643 section 2.4: no two values of the same type and value; the later one says more of it."""
    emails = state.get("emails") or []
    if not all("value" in email for email in emails):
        return
    found: dict[Any, dict[str, Any]] = {}
    for email in emails:
        key = (email["value"], (email.get("type") or "").casefold())
        found[key] = {**found.get(key, {}), **email}
    if emails:
        state["emails"] = list(found.values())


def _name(state: dict[str, Any], asked: Asked) -> None:
    name = state.setdefault("name", {})
    if asked.op == "remove":
        if asked.sub:
            name.pop(asked.sub, None)
        else:
            state.pop("name")
    else:  # sub-attributes that are not named are left as they are
        name.update({asked.sub: asked.value} if asked.sub else asked.value)


def _emails(state: dict[str, Any], asked: Asked) -> None:
    emails: list[dict[str, Any]] = state.setdefault("emails", [])
    before = [id(each) for each in emails if each.get("primary")]
    picked = [each for each in emails if not asked.where or _matches(each, asked.where)]
    if asked.op == "remove":
        if asked.sub:
            for each in picked:
                each.pop(asked.sub, None)
        else:
            emails[:] = [each for each in emails if not any(each is other for other in picked)]
    elif asked.where:
        written = {asked.sub: asked.value} if asked.sub else asked.value
        if not picked:
            picked = [_made(asked) | written]
            if not _matches(picked[0], asked.where):
                raise Refused("invalidValue")  # what is made would not be what the filter describes
            emails += picked
        for each in picked:
            each.update(written)
    elif asked.op == "replace":
        emails[:] = copy.deepcopy(asked.value)
    else:
        emails += [copy.deepcopy(each) for each in asked.value if each not in emails]
    _one_primary(emails, before)


def _matches(each: dict[str, Any], where: tuple[str, str]) -> bool:
    return str(each.get(where[0], "")).casefold() == where[1].casefold()


def _made(asked: Asked) -> dict[str, Any]:
    """Return the element that an add names, or a replace of a part of one known by its type; else there is none."""
    assert asked.where
    if asked.op == "add" or (asked.sub and asked.where[0] == "type"):
        return {asked.where[0]: asked.where[1]}
    raise Refused("noTarget")


def _one_primary(emails: list[dict[str, Any]], before: list[int]) -> None:
    marked = [each for each in emails if each.get("primary") and id(each) not in before]
    if len(marked) > 1:
        raise Refused("invalidValue")
    for each in emails:
        if marked and each is not marked[0] and each.get("primary"):
            each["primary"] = False


def _tidy(state: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is unassigned (section 2.5 of RFC 7643) and elements that only say what they would be."""
    found = dict(state)
    if "emails" in found:
        found["emails"] = [each for each in found["emails"] if not each.keys() <= LABELS]
    return {key: value for key, value in found.items() if value not in ([], {}, None)}
