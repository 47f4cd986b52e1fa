"""Pure: a directory's row becomes values of a user, and a user becomes the attributes of a directory.

A ``Mapper`` is made once for a directory and then run for every row; the rules are compiled up front, because an import
runs it on tens of thousands of rows a second.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from directories.attributes import (
    FREE,
    FROM_SOURCES,
    OF_CONTRACTS,
    SOURCE_ATTRIBUTES,
    Format,
    Kind,
    Person,
    PortalAttribute,
    Type,
    UnreadableValue,
    Value,
)
from directories.coercion import BadValue, Coerce, coercer
from directories.connectors.base import ConnectorError, RemoteContract
from directories.expressions import ROW, USER, Expression, ExpressionError, compile_expression
from directories.query_templates.names import fold, nearest

AttributeKey = tuple[Kind, str]
Catalogue = Mapping[AttributeKey, PortalAttribute]
IN, OUT, BOTH = "in", "out", "both"
_LAYOUTS = 64
BLANK = (None, "")
REQUIRED = "{} is required and empty."
OF_SOURCES: Catalogue = {(one.kind, one.name): one for one in SOURCE_ATTRIBUTES}


class MappingError(ConnectorError):
    """The attribute mapping cannot be used; someone must correct it."""

    code = "mapping"


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """One row of the attribute mapping. Without a portal attribute it is unused.

    ``required``: nothing is done about a person, or with a contract's person, for whom the row gives no value.
    """

    directory_attribute: str
    kind: Kind = Kind.PROFILE
    portal_attribute: str = ""
    direction: str = BOTH
    expression: str = ""
    required: bool = field(default=False, repr=False)


def writes_state(rules: Iterable[AttributeRule], update_names: Collection[str]) -> bool:
    """Return whether an update writes if the user is active, so that it can disable and enable.

    ``update_names`` are the names that an update uses, of directory attributes; empty: what is mapped. An attribute
    that is mapped and that no statement writes disables nobody.
    """
    written = {fold(name) for name in update_names}
    return any(
        not written or fold(rule.directory_attribute) in written
        for rule in rules
        if (rule.kind, rule.portal_attribute) == (Kind.PROFILE, "active") and rule.direction != IN
    )


class Inbound(NamedTuple):
    """What a row means for its user, and what is wrong with it, in words. An attribute with a problem has no value.

    ``left`` tells of values that an attribute does not take (no e-mail address): they spoil nothing else of the row.
    """

    values: dict[AttributeKey, Value]
    problems: list[str]
    left: list[str]


class _Reader(NamedTuple):
    """One inbound rule, compiled."""

    name: str
    target: AttributeKey
    label: str
    coerce: Coerce
    expression: Expression | None
    format: Format | None
    required: bool
    keep_when_empty: bool
    needed: bool


class _Writer(NamedTuple):
    """One outbound rule, compiled."""

    name: str
    kind: Kind
    attribute: str
    expression: Expression | None


class _Readers:
    """Inbound rules that are run on rows; where several lead to one attribute, the first that gives a value wins."""

    def __init__(self, readers: Iterable[_Reader]) -> None:
        self._readers = tuple(readers)
        self._needed = {reader.target: reader.label for reader in self._readers if reader.needed}
        self._layouts: dict[tuple[str, ...], Sequence[tuple[str | None, _Reader]]] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names of what is mapped."""
        return frozenset(reader.target[1] for reader in self._readers)

    def missing(self, values: Mapping[AttributeKey, Value]) -> str:
        """Say which required attributes have no value, "" for none."""
        return " ".join(REQUIRED.format(label) for target, label in self._needed.items() if values.get(target) in BLANK)

    def read(self, row: Mapping[str, Value]) -> Inbound:
        """Return the values that the row gives; an attribute that the row does not have is left out."""
        layout = tuple(row)
        plan = self._layouts.get(layout) or self._plan(layout)
        values: dict[AttributeKey, Value] = {}
        problems: list[str] = []
        left: list[str] = []
        for name, reader in plan:
            try:
                value = None if name is None else row[name]
                if reader.expression is not None:
                    value = reader.expression.evaluate(value, row)
                elif isinstance(value, UnreadableValue):
                    problems.append(f"{name} {value}.")
                    continue
                value = reader.coerce(value)
            except (BadValue, ExpressionError) as error:
                problems.append(_problem(reader.label, error))
                continue
            if value is None or value == "":
                if reader.keep_when_empty or reader.target in values:
                    continue
            elif values.get(reader.target) not in (None, ""):
                continue
            elif reader.format is not None:
                try:
                    value = reader.format.read(str(value))
                except ValueError:
                    left.append(f"{reader.label} {reader.format.words}, so it was not taken over.")
                    continue
            values[reader.target] = value
        for _, reader in plan:
            if reader.required and values.get(reader.target, ...) in BLANK:
                del values[reader.target]
                problems.append(REQUIRED.format(reader.label))
        return Inbound(values, problems, left)

    def _plan(self, layout: tuple[str, ...]) -> Sequence[tuple[str | None, _Reader]]:
        """Find each rule's column without regard to case; remembered, because rows of one crawl look alike."""
        names = {name.casefold(): name for name in layout}
        plan = [(names.get(reader.name.casefold()), reader) for reader in self._readers]
        plan = [(name, reader) for name, reader in plan if name is not None or reader.expression is not None]
        if len(self._layouts) >= _LAYOUTS:
            self._layouts.clear()
        self._layouts[layout] = plan
        return plan


class Mapper:
    """The attribute mapping of one directory.

    Where several rules lead to one attribute, the first that gives a value wins. ``version`` changes with the rules and
    the types of the attributes that they name. Raises MappingError for rules that cannot be used.
    """

    def __init__(self, rules: Iterable[AttributeRule], catalogue: Catalogue) -> None:
        used = [rule for rule in rules if rule.portal_attribute]
        if problems := problems_of(used, catalogue):
            raise MappingError(f"Correct the attribute mapping: {problems[0]}")
        inward = [rule for rule in used if rule.direction != OUT]
        self._people = _Readers(_reader(rule, catalogue) for rule in inward if rule.kind not in OF_CONTRACTS)
        self._contracts = _Readers(_reader(rule, catalogue) for rule in inward if rule.kind in OF_CONTRACTS)
        spelt: dict[str, str] = {}
        self._writers = tuple(
            _writer(rule, spelt.setdefault(rule.directory_attribute.casefold(), rule.directory_attribute))
            for rule in used
            if rule.direction != IN and rule.kind not in FROM_SOURCES
        )
        attributes = [_attribute(rule, catalogue) for rule in used]
        needed = [f"required {rule.portal_attribute}" for rule in inward if rule.required]
        parts = [*map(repr, used), *map(repr, attributes), *needed]
        self.version = blake2b(repr(parts).encode(), digest_size=8).hexdigest()

    def inbound(self, row: Mapping[str, Value]) -> Inbound:
        """Return the values that the row gives; an attribute that the row does not have is left out."""
        return self._people.read(row)

    def missing(self, values: Mapping[AttributeKey, Value]) -> str:
        """Say which required attributes of a person have no value, "" for none."""
        return self._people.missing(values)

    def missing_of_contract(self, values: Mapping[AttributeKey, Value]) -> str:
        """Say which required fields of a contract have no value, "" for none."""
        return self._contracts.missing(values)

    @property
    def contract_fields(self) -> frozenset[str]:
        """The fields of contracts that are mapped; none where contracts are not imported."""
        return self._contracts.names

    def contract(self, contract: RemoteContract, row: Mapping[str, Value]) -> Inbound:
        """Return what a contract gives; what it does not have may stand in the ``row`` of its person."""
        return self._contracts.read({**row, **contract.attributes})

    def outbound(self, person: Person) -> dict[str, Value]:
        """Return directory attribute -> value; None for what the person does not have. Raises MappingError."""
        values: dict[str, Value] = {}
        flat: dict[str, Value] | None = None
        for name, kind, attribute, expression in self._writers:
            value = person.get(kind, attribute)
            if expression is not None:
                flat = person.flat() if flat is None else flat
                try:
                    value = expression.evaluate(value, flat)
                except ExpressionError as error:
                    raise MappingError(f"The mapping of {name}: {error.message}") from None
            elif value == "":
                value = None
            if values.get(name) is None:
                values[name] = value
        return values


def problems_of(rules: Iterable[AttributeRule], catalogue: Catalogue) -> list[str]:
    """Return what is wrong with the rules, a sentence each, for forms and blueprints."""
    return [problem for rule in rules if rule.portal_attribute for problem in _rule_problems(rule, catalogue)]


def _rule_problems(rule: AttributeRule, catalogue: Catalogue) -> Iterable[str]:
    name = rule.directory_attribute
    if rule.kind in FROM_SOURCES and rule.direction != IN:
        yield f"{name} is what a source says of contracts, which only comes in: choose the direction In."
    if rule.required and rule.direction == OUT:
        yield f"{name} only goes out, so it cannot be required: choose another direction."
    if rule.kind not in FREE and not {(rule.kind, rule.portal_attribute)} & {*catalogue, *OF_SOURCES}:
        known = [attribute for kind, attribute in (*catalogue, *OF_SOURCES) if kind == rule.kind]
        near = nearest(rule.portal_attribute, known)
        hint = f" Did you mean {near}?" if near else ""
        yield f"{name} is mapped to {rule.portal_attribute}, which is not a portal attribute of this kind.{hint}"
    if not rule.expression.strip():
        return
    if rule.direction == BOTH:
        yield f"The expression of {name} works one way: choose one direction, and add a second row for the other."
        return
    try:
        compile_expression(rule.expression, ROW if rule.direction == IN else USER)
    except ExpressionError as error:
        yield f"The expression of {name}, line {error.line}: {error.message}"


def _attribute(rule: AttributeRule, catalogue: Catalogue) -> PortalAttribute:
    """Return the rule's portal attribute; a free one is text."""
    key = (rule.kind, rule.portal_attribute)
    known = catalogue.get(key) or OF_SOURCES.get(key)
    return known or PortalAttribute(rule.kind, rule.portal_attribute, rule.portal_attribute)


def _reader(rule: AttributeRule, catalogue: Catalogue) -> _Reader:
    attribute = _attribute(rule, catalogue)
    # An account without a state says nothing about its user: a blank must not deactivate anybody.
    is_state = attribute.kind in (Kind.PROFILE, Kind.RECORD) and attribute.type == Type.BOOLEAN
    expression = compile_expression(rule.expression, ROW) if rule.expression.strip() else None
    target = (Kind(rule.kind), attribute.name)
    name = rule.directory_attribute
    return _Reader(
        name=name,
        target=target,
        label=attribute.label,
        coerce=coercer(attribute),
        expression=expression,
        format=attribute.format,
        required=attribute.required,
        keep_when_empty=is_state,
        needed=rule.required,
    )


def _writer(rule: AttributeRule, name: str) -> _Writer:
    expression = compile_expression(rule.expression, USER) if rule.expression.strip() else None
    return _Writer(name, Kind(rule.kind), rule.portal_attribute, expression)


def _problem(label: str, error: BadValue | ExpressionError) -> str:
    if isinstance(error, ExpressionError):
        return f"{label}: {error.message}"
    return f"{label} {error}."


def digest(values: Mapping[str, Value] | Mapping[AttributeKey, Value], key: bytes) -> str:
    """Return a keyed digest (32 hexadecimal characters) of the values, whatever their order.

    None and "" are the same, and so are numbers that are equal: a driver's choice of type is not a change. Keyed, so
    that nobody who reads the database can try values against it.
    """
    order, text = _layout(tuple(values))
    plain = [value if type(value) is str and value else _plain(value) for value in values.values()]
    state = _keyed(key).copy()
    state.update((text % tuple([plain[at] for at in order])).encode("utf-8", "surrogatepass"))
    return state.hexdigest()


def contracts_text(contracts: Iterable[RemoteContract]) -> str:
    """Return what stands for a person's contracts in the digest of their row, whatever their order."""
    found = [
        repr((one.ref, one.problem, [(name, _plain(one.attributes[name])) for name in sorted(one.attributes)]))
        for one in contracts
    ]
    return "\n".join(sorted(found))


@lru_cache(maxsize=4096)
def _layout(names: tuple[str | AttributeKey, ...]) -> tuple[tuple[int, ...], str]:
    """Return the order in which values of these names are read, and the text that is made of them with ``%``.

    The text is that of a sorted list of pairs; rows of one crawl look alike, so it is laid out once for them all.
    """
    labels = [f"={name}" if isinstance(name, str) else f"{name[0].value}={name[1]}" for name in names]
    order = sorted(range(len(labels)), key=labels.__getitem__)
    pairs = ", ".join(f"({labels[at]!r}, ".replace("%", "%%") + "%r)" for at in order)
    return tuple(order), f"[{pairs}]"


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> "blake2b":
    """Return a digest that has taken in the key, fitted into blake2b's 64 bytes."""
    return blake2b(key=blake2b(key).digest(), digest_size=16)


def _plain(value: Value) -> object:
    """Return the one form of values that mean the same."""
    if value is None or value == "":
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, dt.date):
        return ("date", value.isoformat())
    return value
