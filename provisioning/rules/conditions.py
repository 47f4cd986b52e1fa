"""Pure: the condition of a rule as a tree, as JSON, as one line of SCIM's filter language, and in plain words.

A field is written as the filter language has it: ``user.title``, ``contract.title``. Outside ``contract[...]`` ("in the
same contract") a comparison with a field of contracts holds when any contract in its window has such a value; ``ne`` is
the contrary of ``eq`` there too. Departments and groups are kept by their ids, so that a new name changes nothing.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Present,
    ValuePath,
)
from scim2_models.path import Not as NotNode

from config.filter_syntax import parse as parse_filter
from provisioning.models.people import fold

USER, CONTRACT = "user", "contract"
GROUPS, BRANCH, DEPARTMENT = "user.groups", "contract.branch", "contract.department"
CUSTOM = "contract.custom_"  # begins the key of a custom field of contracts, which may be any
MOST_LINES = 200  # of a condition
MOST_VALUES = 1000  # of one of its lines
MOST_COMPARED, LONGEST = 10_000, 1_000_000  # values and characters of the whole as one line
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")  # of an attribute, as the grammar has it


class FieldKind(StrEnum):
    """What values of a field are; of DEPARTMENT, BRANCH (a department or one below it) and GROUP they are ids."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"
    DEPARTMENT = "department"
    BRANCH = "branch"
    GROUP = "group"


REFERENCES = (FieldKind.DEPARTMENT, FieldKind.BRANCH, FieldKind.GROUP)
_ORDERED = ("eq", "ne", "gt", "ge", "lt", "le", "pr")
OPERATORS: Mapping[FieldKind, tuple[str, ...]] = {
    FieldKind.TEXT: ("eq", "ne", "co", "sw", "ew", "pr"),
    FieldKind.NUMBER: _ORDERED,
    FieldKind.DATE: _ORDERED,
    FieldKind.BOOLEAN: ("eq", "ne"),
    FieldKind.DEPARTMENT: ("eq", "ne", "pr"),
    FieldKind.BRANCH: ("eq", "ne"),
    FieldKind.GROUP: ("eq", "ne", "pr"),
}
WORDS: Mapping[str, str] = {
    "eq": "is",
    "ne": "is not",
    "co": "contains",
    "sw": "starts with",
    "ew": "ends with",
    "gt": "is more than",
    "ge": "is at least",
    "lt": "is less than",
    "le": "is at most",
    "pr": "is filled in",
}
OF_DATES: Mapping[str, str] = {"gt": "is after", "ge": "is on or after", "lt": "is before", "le": "is on or before"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field that conditions may ask for; ``label`` is what people call it."""

    key: str
    label: str
    kind: FieldKind = FieldKind.TEXT

    @property
    def of_contract(self) -> bool:
        """Whether it is one of contracts."""
        return self.key.startswith(f"{CONTRACT}.")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison: with one of several ``values`` where the operator is ``eq`` or ``ne``, with none for ``pr``.

    Values are what JSON holds: text, a number, a date as its ISO text, true or false, the id of a department or group.
    """

    key: str
    operator: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; without parts it always does."""

    parts: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Either:
    """One of the parts holds."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Same:
    """There is one contract in its window of which the part holds."""

    part: "Node"


Node = Leaf | All | Either | Not | Same
EVERYBODY = All()


@dataclass(frozen=True, slots=True)
class Known:
    """What conditions may name: fields by key, and the departments and groups by id."""

    fields: Mapping[str, Field]
    departments: "IdNames"
    groups: "IdNames"

    def field(self, key: str) -> Field | None:
        """Return a field by its key, None where there is none."""
        found = self.fields.get(key)
        if found is None and key.startswith(CUSTOM) and NAME.fullmatch(key.partition(".")[2]):
            return Field(key, f"{key.removeprefix(CUSTOM)} of the contract")
        return found

    def names(self, kind: FieldKind) -> "IdNames":
        """Return what ids of a kind stand for."""
        return self.groups if kind == FieldKind.GROUP else self.departments


@dataclass(slots=True)
class IdNames:
    """What ids stand for: a name, and a number for those that share it ("" for none)."""

    by_id: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    _ids: dict[str, list[int]] | None = None

    def text(self, pk: int) -> str | None:
        """Return the shortest text that ``ids`` reads as this id alone, None when there is none of it any more."""
        if pk not in self.by_id:
            return None
        name, number = self.by_id[pk]
        wanted = (name, f"{name} ({number})")
        return next((text for text in wanted if self.ids(text) == [pk]), f"#{pk}")

    def ids(self, text: str) -> list[int]:
        """Return whom a text means: a name, a name with its number in brackets, a number, or "#" and the id."""
        if self._ids is None:
            self._ids = {}
            for pk, (name, number) in self.by_id.items():
                for one in {fold(name), fold(f"{name} ({number})"), f"#{pk}"}:
                    self._ids.setdefault(one, []).append(pk)
            numbers: dict[str, list[int]] = {}
            for pk, (_, number) in self.by_id.items():
                if number and fold(number) not in self._ids:
                    numbers.setdefault(fold(number), []).append(pk)
            self._ids |= numbers
        return self._ids.get(fold(text), [])


# --- As JSON ---------------------------------------------------------------------------------------------------------


def to_json(node: Node) -> dict[str, Any]:
    """Return the tree as it is stored."""
    match node:
        case Leaf(key, operator, values):
            return {"field": key, "op": operator, **({"values": list(values)} if values else {})}
        case All(parts):
            return {"all": [to_json(part) for part in parts]}
        case Either(parts):
            return {"any": [to_json(part) for part in parts]}
        case Not(part):
            return {"not": to_json(part)}
        case Same(part):
            return {"same": to_json(part)}


def from_json(held: Mapping[str, Any]) -> Node:
    """Return a stored tree; raise ValueError when it is none."""
    match held:
        case {"field": str(key), "op": str(operator), **rest}:
            return Leaf(key, operator, tuple(rest.get("values", ())))
        case {"all": list(parts)}:
            return All(tuple(from_json(part) for part in parts))
        case {"any": list(parts)}:
            return Either(tuple(from_json(part) for part in parts))
        case {"not": dict(part)}:
            return Not(from_json(part))
        case {"same": dict(part)}:
            return Same(from_json(part))
    raise ValueError("This is no condition. Write it anew.")


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield every comparison of a tree."""
    match node:
        case Leaf():
            yield node
        case All(parts) | Either(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part) | Same(part):
            yield from leaves(part)


# --- What is wrong with it -------------------------------------------------------------------------------------------


def problems(node: Node, known: Known) -> list[str]:
    """Return in sentences what is wrong with a condition, and what to do about it; nothing when it can be used."""
    found = list(_wrong(node, known, within=False))
    lines = list(leaves(node))
    values = sum(len(one.values) or 1 for one in lines)
    if len(lines) > MOST_LINES:
        found.append(f"The condition has {len(lines)} lines; {MOST_LINES} are allowed. Make two rules of it.")
    elif values > MOST_COMPARED:
        found.append(f"The condition has {values} values; {MOST_COMPARED} are allowed. Make two rules of it.")
    return list(dict.fromkeys(found))


def _wrong(node: Node, known: Known, *, within: bool) -> Iterator[str]:
    match node:
        case Leaf():
            yield from _wrong_leaf(node, known, within=within)
        case Either(()):
            yield "A group of lines of which one must hold has no line. Add one, or remove the group."
        case All(parts) | Either(parts):
            for part in parts:
                yield from _wrong(part, known, within=within)
        case Not(part):
            yield from _wrong(part, known, within=within)
        case Same(part):
            if within:
                yield "“In the same contract” cannot stand within another one. Take one of them out."
            yield from _wrong(part, known, within=True)


def _wrong_leaf(leaf: Leaf, known: Known, *, within: bool) -> Iterator[str]:
    held = known.field(leaf.key)
    if held is None:
        yield f"There is no field {leaf.key}. Choose another one, or remove the line."
        return
    if within and not held.of_contract:
        yield f"{held.label} is no field of contracts, so it cannot stand in “in the same contract”. Move the line out."
    if leaf.operator not in OPERATORS[held.kind]:
        words = WORDS.get(leaf.operator, leaf.operator)
        usual = ", ".join(operator_words(one, held.kind) for one in OPERATORS[held.kind])
        yield f"{held.label} cannot be asked for with “{words}”. Choose one of: {usual}."
        return
    number = len(leaf.values)
    if leaf.operator == "pr":
        if number:
            yield f"{held.label} {WORDS['pr']}: take the value out."
    elif not number:
        yield f"{held.label}: say with what it is compared."
    elif number > 1 and leaf.operator not in ("eq", "ne"):
        yield f"{held.label} is compared with one value only. Write a line for each."
    elif number > MOST_VALUES:
        yield f"{held.label} is compared with {number} values; {MOST_VALUES} are allowed. Make two lines of them."
    for value in leaf.values:
        yield from _wrong_value(value, held, known)


def _wrong_value(value: Any, held: Field, known: Known) -> Iterator[str]:
    if held.kind in REFERENCES:
        if known.names(held.kind).text(value) is None:
            what = "group" if held.kind == FieldKind.GROUP else "department"
            yield f"{held.label}: a {what} that the rule names is not there any more. Choose another one."
        return
    try:
        plain(value, held)
    except ValueError as error:
        yield str(error)


# --- Values ----------------------------------------------------------------------------------------------------------


def plain(value: Any, held: Field) -> Any:
    """Return a value that somebody wrote as a leaf keeps it; raise ValueError with words."""
    text = str(value).strip()
    match held.kind:
        case FieldKind.NUMBER:
            try:
                number = Decimal(text)
                if isinstance(value, bool) or not number.is_finite():
                    raise InvalidOperation
            except InvalidOperation:
                raise ValueError(f"{held.label} is compared with a number, such as 0.8. “{text}” is none.") from None
            return int(number) if number == number.to_integral_value() else float(number)
        case FieldKind.DATE:
            try:
                return dt.date.fromisoformat(text).isoformat()
            except ValueError:
                message = f"{held.label} is compared with a date, such as 2026-11-30. “{text}” is none."
                raise ValueError(message) from None
        case FieldKind.BOOLEAN:
            words = {"true": True, "yes": True, "false": False, "no": False}
            if text.casefold() not in words:
                raise ValueError(f"{held.label} is compared with true or false. “{text}” is neither.")
            return words[text.casefold()]
    if not text:
        raise ValueError(f"{held.label}: say with what it is compared.")
    return text


def read(text: str, held: Field, known: Known) -> Any:
    """Return what somebody wrote as a leaf keeps it: departments and groups by their ids; raise ValueError."""
    if held.kind not in REFERENCES:
        return plain(text, held)
    found = known.names(held.kind).ids(text)
    what = "group" if held.kind == FieldKind.GROUP else "department"
    if not found:
        raise ValueError(f"There is no {what} “{text}”. Write its name or its number.")
    if len(found) > 1:
        raise ValueError(f"{len(found)} {what}s are called “{text}”. Write the number of the one that you mean.")
    return found[0]


def shown(value: Any, held: Field | None, known: Known) -> str:
    """Return a value as people write it."""
    if held is not None and held.kind in REFERENCES:
        return known.names(held.kind).text(value) or "(not there any more)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# --- As one line -----------------------------------------------------------------------------------------------------


def parse(text: str, known: Known) -> Node:
    """Return the tree of one line of the filter language, blank for everybody; raise ValueError with words."""
    if not text.strip():
        return EVERYBODY
    node = _read(parse_filter(text, longest=LONGEST, most=MOST_COMPARED), known, "")
    if wrong := problems(node, known):
        raise ValueError(" ".join(wrong))
    return node


def _read(node: FilterNode, known: Known, prefix: str) -> Node:
    match node:
        case LogicalExpr(op=operator, terms=terms):
            parts = tuple(_read(term, known, prefix) for term in terms)
            return both(parts) if operator == LogicalOperator.and_ else either(parts)
        case NotNode(expr=part):
            return Not(_read(part, known, prefix))
        case ValuePath(attr_path=path, val_filter=part):
            if str(path).casefold() != CONTRACT or prefix:
                raise ValueError(f"Only contract[...] can stand before brackets, and {path} does.")
            return Same(_read(part, known, f"{CONTRACT}."))
        case Present(attr_path=path):
            return Leaf(_field(path, known, prefix).key, "pr")
        case Comparison(attr_path=path, op=operator, value=value):
            held = _field(path, known, prefix)
            if value is None:
                filled = Leaf(held.key, "pr")
                return Not(filled) if operator == CompareOperator.eq else filled
            text = str(value).lower() if isinstance(value, bool) else str(value)
            return Leaf(held.key, str(operator.value), (read(text, held, known),))
    raise ValueError("The condition cannot be read. Write comparisons joined by and, or, not.")


def either(parts: Sequence[Node]) -> Node:
    """Return "one of": comparisons of one field by ``eq`` become one with several values."""
    whole = _merged(parts, "eq")
    return whole[0] if len(whole) == 1 else Either(whole)


def both(parts: Sequence[Node]) -> Node:
    """Return "all of": comparisons of one field by ``ne`` become one with several values."""
    whole = _merged(parts, "ne")
    return whole[0] if len(whole) == 1 else All(whole)


def _merged(parts: Sequence[Node], operator: str) -> tuple[Node, ...]:
    merged: dict[str, dict[Any, None]] = {}
    found: list[Node | str] = []
    for part in parts:
        if isinstance(part, Leaf) and part.operator == operator:
            if part.key not in merged:
                found.append(part.key)
            merged.setdefault(part.key, {}).update(dict.fromkeys(part.values))
        else:
            found.append(part)
    return tuple(Leaf(one, operator, tuple(merged[one])) if isinstance(one, str) else one for one in found)


def _field(path: AttrPath, known: Known, prefix: str) -> Field:
    wanted = f"{prefix}{path}".casefold()
    for key, held in known.fields.items():
        if key.casefold() == wanted:
            return held
    if custom := known.field(f"{prefix}{path}"):
        return custom
    raise ValueError(f"There is no field {prefix}{path}. Choose one of the list, such as user.title or contract.title.")


def render(node: Node, known: Known) -> str:
    """Return the tree as one line of the filter language, "" for everybody."""
    return "" if node == EVERYBODY else str(_written(node, known, within=False))


def _written(node: Node, known: Known, *, within: bool) -> FilterNode:
    match node:
        case Leaf():
            return _written_leaf(node, known, within=within)
        case All(parts) if len(parts) > 1:
            return LogicalExpr(LogicalOperator.and_, tuple(_written(part, known, within=within) for part in parts))
        case Either(parts) if len(parts) > 1:
            return LogicalExpr(LogicalOperator.or_, tuple(_written(part, known, within=within) for part in parts))
        case All((part,)) | Either((part,)):
            return _written(part, known, within=within)
        case Not(part):
            return NotNode(_written(part, known, within=within))
        case Same(part):
            return ValuePath(AttrPath(CONTRACT), _written(part, known, within=True))
    raise ValueError("The condition has a part without a line, which the filter language cannot say.")


def _written_leaf(leaf: Leaf, known: Known, *, within: bool) -> FilterNode:
    owner, _, name = leaf.key.partition(".")
    path = AttrPath(name) if within else AttrPath(owner, name)
    held = known.field(leaf.key)
    if leaf.operator == "pr":
        return Present(path)
    values = [shown(v, held, known) if held and held.kind in REFERENCES else v for v in leaf.values]
    operator = CompareOperator(leaf.operator)
    terms = tuple(Comparison(path, operator, value) for value in values)
    if len(terms) == 1:
        return terms[0]
    return LogicalExpr(LogicalOperator.and_ if leaf.operator == "ne" else LogicalOperator.or_, terms)


# --- In words --------------------------------------------------------------------------------------------------------


def operator_words(operator: str, kind: FieldKind) -> str:
    """Return what people call an operator."""
    return OF_DATES.get(operator, WORDS[operator]) if kind == FieldKind.DATE else WORDS.get(operator, operator)


def words(node: Node, known: Known) -> str:
    """Return the condition as a sentence without its full stop: "Department is Sales or below, and title ..."."""
    if node == EVERYBODY:
        return "Everybody"
    said = _said(node, known, top=True)
    return said[:1].upper() + said[1:]


def _said(node: Node, known: Known, *, top: bool = False) -> str:
    match node:
        case Leaf():
            return _said_leaf(node, known)
        case All(()):
            return "everybody"
        case Either(()):
            return "nobody"
        case All((part,)) | Either((part,)):
            return _said(part, known, top=top)
        case All(parts) | Either(parts):
            word = "and" if isinstance(node, All) else "or"
            joint = f", {word} " if top else f" {word} "
            said = joint.join(_said(part, known) for part in parts)
            return said if top else f"({said})"
        case Not(part):
            return f"not {_said(part, known)}"
        case Same(part):
            return f"in the same contract {_said(part, known)}"


def _said_leaf(leaf: Leaf, known: Known) -> str:
    held = known.field(leaf.key)
    label = held.label if held else leaf.key
    label = label if label[:2].isupper() else label[:1].lower() + label[1:]
    operator = operator_words(leaf.operator, held.kind if held else FieldKind.TEXT)
    if leaf.operator == "pr":
        return f"{label} {operator}"
    values = [shown(value, held, known) for value in leaf.values]
    joint = " nor " if leaf.operator == "ne" else " or "
    listed = values[0] if len(values) == 1 else f"{', '.join(values[:-1])}{joint}{values[-1]}" if values else "nothing"
    below = " or below" if held and held.kind == FieldKind.BRANCH else ""
    return f"{label} {operator} {listed}{below}"


# --- Whether it holds ------------------------------------------------------------------------------------------------

Facts = Mapping[str, Any]  # folded text, Decimal, date, bool, or a frozenset of ids, by the field's key; None is blank
Test = Callable[[Facts, Sequence[Facts]], bool]  # of a person and of the contracts that are in their windows


def compiled(node: Node, kinds: Mapping[str, FieldKind]) -> Test:
    """Return the condition as a function; ``kinds`` are those of its fields."""
    match node:
        case Leaf(key):
            test = _test(node, kinds[key])
            if not key.startswith(f"{CONTRACT}."):
                return lambda user, contracts: test(user.get(key))
            if node.operator == "ne":
                return lambda user, contracts: all(test(one.get(key)) for one in contracts)
            return lambda user, contracts: any(test(one.get(key)) for one in contracts)
        case All(parts):
            tests = [compiled(part, kinds) for part in parts]
            return lambda user, contracts: all(test(user, contracts) for test in tests)
        case Either(parts):
            tests = [compiled(part, kinds) for part in parts]
            return lambda user, contracts: any(test(user, contracts) for test in tests)
        case Not(part):
            inner = compiled(part, kinds)
            return lambda user, contracts: not inner(user, contracts)
        case Same(part):
            inner = compiled(part, kinds)
            return lambda user, contracts: any(inner(user, (one,)) for one in contracts)


def _test(leaf: Leaf, kind: FieldKind) -> Callable[[Any], bool]:
    """Return a comparison as a function of one value."""
    wanted = [comparable(value, kind) for value in leaf.values]
    first = wanted[0] if wanted else None
    match leaf.operator:
        case "pr":
            return lambda value: value is not None and value != frozenset()
        case "eq" | "ne" if kind in REFERENCES:
            ids, equal = frozenset(wanted), leaf.operator == "eq"
            return lambda value: (value is not None and not ids.isdisjoint(value)) == equal
        case "eq" | "ne":
            values, equal = frozenset(wanted), leaf.operator == "eq"
            return lambda value: (value in values) == equal
        case "co":
            return lambda value: value is not None and first in value
        case "sw":
            return lambda value: value is not None and value.startswith(first)
        case "ew":
            return lambda value: value is not None and value.endswith(first)
        case "gt":
            return lambda value: value is not None and value > first
        case "ge":
            return lambda value: value is not None and value >= first
        case "lt":
            return lambda value: value is not None and value < first
        case "le":
            return lambda value: value is not None and value <= first
    raise ValueError(f"There is no operator {leaf.operator}.")


def comparable(value: Any, kind: FieldKind) -> Any:
    """Return a stored value as comparisons take it, None when it is blank or cannot be compared."""
    if value is None or value == "":
        return None
    match kind:
        case FieldKind.TEXT:
            return fold(str(value))
        case FieldKind.NUMBER:
            try:
                number = Decimal(str(value))
            except InvalidOperation:
                return None
            return number if number.is_finite() else None
        case FieldKind.DATE if not isinstance(value, dt.date):
            try:
                return dt.date.fromisoformat(str(value)[:10])
            except ValueError:
                return None
        case FieldKind.BOOLEAN:
            return {"true": True, "false": False}.get(str(value).casefold())
    return value


# --- Which values must be there at all -------------------------------------------------------------------------------

Handle = tuple[str, Any]  # a field's key and a value


def handles(node: Node, kinds: Mapping[str, FieldKind]) -> list[Handle] | None:
    """Return values one of which a person must have for the condition to hold, as few as can be told; None: unknown."""
    match node:
        case Leaf(key, "eq", values):
            return [(key, comparable(value, kinds[key])) for value in values]
        case All(parts):
            found = [held for held in (handles(part, kinds) for part in parts) if held is not None]
            return min(found, key=len, default=None)
        case Either(parts):
            each = [handles(part, kinds) for part in parts]
            return None if None in each else [handle for held in each for handle in held or ()]
        case Same(part):
            return handles(part, kinds)
    return None
