"""What a statement's result and its parsed tree tell about the account."""

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from directories.connectors.sql.errors import Parameters
from directories.connectors.sql.session import SqlSession
from directories.query_templates import NamedValues, Template

_WRITING = {"UPDATE", "INSERT", "copy", "DELETE"}


def affected(session: SqlSession, template: Template, values: NamedValues) -> int | None:
    """Run a statement; return how many rows it found, None when it does not say (a function or procedure)."""
    bound = template.bind(values)
    result = session.run(bound)
    with session.translated(Parameters(bound.parameters, bound.names)):
        rows = result.rowcount if template.kind in _WRITING else None
        result.close()  # reads what else a procedure answers
    return rows if rows is not None and rows >= 0 else None


def bare_name(name: str) -> str:
    """Return a column's name as the rows of a result carry it."""
    return name.strip().strip('"`[]')


def counted_none(template: Template, row: Sequence[Any]) -> bool:
    """Return whether the row says "none": SELECT COUNT(*) and SELECT EXISTS(...) always give one."""
    columns = template.tree.selects if isinstance(template.tree, exp.Query) else []
    computed = len(columns) == 1 and not isinstance(columns[0].unalias(), exp.Column | exp.Star | exp.Literal)
    return computed and len(row) == 1 and not row[0]


def inserted_name(template: Template, column: str) -> str | None:
    """Return the placeholder whose value alone goes into ``column``."""
    tree = template.tree
    if not isinstance(tree, exp.Insert) or not isinstance(tree.this, exp.Schema):
        return None
    columns = [part.name.casefold() for part in tree.this.expressions]
    rows = tree.expression.expressions if isinstance(tree.expression, exp.Values) else []
    if column not in columns or len(rows) != 1 or len(rows[0].expressions) != len(columns):
        return None
    value = rows[0].expressions[columns.index(column)]
    names = {item.sentinel: item.name for item in template.source.placeholders}
    return names.get(value.name) if isinstance(value, exp.Column | exp.Literal) else None
