"""Templates as the database gets them: the admin's own text with bound parameters in place of the placeholders.

The text that is sent is fixed when the template is read; only the list of parameters depends on values. So no value can
change the shape of a statement.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokenizer_core import TokenType

from directories.attributes import Value
from directories.query_templates import groups
from directories.query_templates.errors import TemplateError
from directories.query_templates.names import NamedValues, fold, nearest
from directories.query_templates.outputs import Output, labels_of, outputs_of
from directories.query_templates.scan import Hole, SourceText, scan
from directories.query_templates.splice import BoundParameter, Splice
from directories.query_templates.statements import (
    LABELLED,
    READS,
    WITH_PASSWORD,
    kind_of,
    misplaced,
    parse_statement,
)

PASSWORD = "password"


@dataclass(frozen=True, slots=True)
class Bound:
    """A statement for the driver's own parameter style, with the values and the names of its parameters."""

    sql: str
    parameters: tuple[Value, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A statement that was checked. ``outputs`` are the attributes that an import query gives, ``labels`` their labels.

    ``kind`` is SELECT, INSERT, UPDATE or DELETE, ``function`` for a SELECT of functions only, ``copy`` for an
    INSERT ... SELECT, ``procedure`` for CALL and EXEC. ``tree`` is the parsed statement, in which the
    sentinels of ``source`` stand.
    """

    source: SourceText
    operation: str
    kind: str
    tree: exp.Expr
    sql: str
    slots: tuple[BoundParameter, ...]
    labels: Mapping[str, str]
    outputs: tuple[Output, ...]

    @property
    def text(self) -> str:
        """The statement as the admin wrote it."""
        return self.source.text

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the placeholders that take a value, each once, as first written."""
        first: dict[str, str] = {}
        for slot in self.slots:
            first.setdefault(fold(slot.name), slot.name)
        return tuple(first.values())

    def bind(self, values: Mapping[str, Value]) -> Bound:
        """Return the statement with its parameters taken from ``values``; a name without a value binds NULL."""
        found = values if isinstance(values, NamedValues) else NamedValues(values)
        parameters = tuple(slot.take(found) for slot in self.slots)
        return Bound(self.sql, parameters, tuple(slot.name for slot in self.slots))


@lru_cache(maxsize=2048)
def parse(sql: str, dialect: str, operation: str) -> Template:
    """Read a template; raise TemplateError for the first thing wrong. Names are not looked up (see ``check``)."""
    source = scan(sql, dialect)
    tree = parse_statement(source, operation)
    for hole in source.holes:
        _check_hole(source, hole, operation)
    for problem in misplaced(source, tree):
        raise problem
    labels = labels_of(source, tree) if operation in LABELLED else {}
    outputs = outputs_of(source, tree, labels) if operation in LABELLED else ()
    text, slots = Splice(source, tree, labels).render()
    return Template(source, operation, kind_of(source, tree), tree, text, slots, labels, outputs)


def check(
    sql: str, dialect: str, operation: str, known_names: Iterable[str], key_column: str = ""
) -> list[TemplateError]:
    """Return everything that is wrong with a template; ``known_names`` are the attributes a placeholder may name.

    While users are imported only their key is known: with ``key_column`` (the user name column) given, an import query
    may name only that.
    """
    try:
        template = parse(sql, dialect, operation)
    except TemplateError as error:
        return [error]
    known = (
        ["USERNAME", key_column] if operation == "import" and key_column else groups.known_names(operation, known_names)
    )
    folded = {fold(name) for name in known} | {PASSWORD}
    problems = []
    for item in template.source.placeholders:
        if item.sentinel not in template.labels and fold(item.name) not in folded:
            meant = nearest(item.name, known)
            meant = meant.upper() if meant and item.name.isupper() else meant  # any case works; theirs reads best
            hint = f" Did you mean ##{meant}##?" if meant else " Map it first, or correct the name."
            problems.append(template.source.error(item.start, f"No attribute is called {item.name}.{hint}"))
    return problems


def names_in(statements: Iterable[str], dialect: str) -> list[str]:
    """Return the names of the placeholders in the statements, each once; what cannot be read names nothing."""
    names: dict[str, str] = {}
    for sql in statements:
        try:
            source = scan(sql, dialect)
        except TemplateError:
            continue
        for item in source.placeholders:
            names.setdefault(fold(item.name), item.name)
    return [*names.values()]


def import_attributes(statements: Iterable[str], dialect: str) -> list[str]:
    """Return the attributes that the import queries give, in order; a query that cannot be read gives none."""
    names: dict[str, str] = {}
    for sql in statements:
        try:
            template = parse(sql, dialect, "import")
        except TemplateError:
            continue
        for output in template.outputs:
            names.setdefault(output.name.casefold(), output.name)
    return [*names.values()]


def _check_hole(source: SourceText, hole: Hole, operation: str) -> None:
    for item in hole.placeholders:
        if item.name.casefold() == PASSWORD and operation not in WITH_PASSWORD:
            message = "##PASSWORD## exists only in create and set password queries."
            if operation in READS:
                message += " To import passwords, switch that on and name the password column."
            raise source.error(item.start, message)
    if source.procedure.startswith("EXEC") and not hole.alone:
        message = (
            f"{source.procedure} takes values, not expressions: let each argument be one ##NAME##, alone in its quotes."
        )
        raise source.error(hole.start, message)
    before, after = hole.previous, hole.following
    types = Dialect.get_or_raise(source.dialect).parser_class.TYPE_TOKENS
    prefixes = {*types, TokenType.INTERVAL, TokenType.INTRODUCER} - {TokenType.VAR, TokenType.IDENTIFIER}
    if before is not None and before.token_type in prefixes:
        name = hole.placeholders[0].name
        kind = before.text.upper()
        raise source.error(before.start, f"Write CAST(##{name}## AS ...) instead of {kind} '##{name}##'.")
    if any(token is not None and token.token_type == TokenType.STRING for token in (before, after)):
        raise source.error(hole.start, "Two texts stand side by side here; put them into one pair of quotes.")
