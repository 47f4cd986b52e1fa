"""Trying statements: as they would be sent for one person, and on request run and always rolled back.

Where a table could not take a change back, nothing is run.
"""

import time
from collections.abc import Sequence

from sqlglot import exp

from directories.connectors.errors import ConnectorError
from directories.connectors.sql.dialects.base import Dialect
from directories.connectors.sql.session import SqlSession
from directories.connectors.types import TriedStatement
from directories.query_templates import PASSWORD, NamedValues, Template, fold

MASK = "••••••••"


def shown(templates: Sequence[Template], values: NamedValues) -> list[TriedStatement]:
    """Return each statement with its values; none is run."""
    return [_shown(template, values) for template in templates]


def rolled_back(
    session: SqlSession, dialect: Dialect, templates: Sequence[Template], values: NamedValues
) -> list[TriedStatement]:
    """Return each statement with how many rows it found or changed, which is taken back."""
    refused = _cannot_take_back(session, dialect, templates)
    if refused:
        return [_shown(template, values, error=refused) for template in templates]
    with session.transaction(keep=False):
        return _run(session, templates, values)


def _run(session: SqlSession, templates: Sequence[Template], values: NamedValues) -> list[TriedStatement]:
    found: list[TriedStatement] = []
    failed = False
    for template in templates:
        if failed:
            found.append(_shown(template, values, error="Not run: a statement before it failed."))
            continue
        started = time.perf_counter()
        try:
            rows = _rows(session, template, values)
        except ConnectorError as error:
            failed = True
            found.append(_shown(template, values, error=error.message))
            continue
        found.append(_shown(template, values, rows, (time.perf_counter() - started) * 1000))
    return found


def _rows(session: SqlSession, template: Template, values: NamedValues) -> int:
    """Run a statement and return how many rows it found or changed."""
    result = session.run(template.bind(values))
    with session.translated():
        if result.returns_rows:
            return sum(len(part) for part in result.partitions(1000))
        return max(result.rowcount, 0)


def _shown(
    template: Template, values: NamedValues, rows: int | None = None, milliseconds: float | None = None, error: str = ""
) -> TriedStatement:
    bound = template.bind(values)
    parameters = {
        name: MASK if fold(name) == PASSWORD and value is not None else value
        for name, value in zip(bound.names, bound.parameters, strict=True)
    }
    return TriedStatement(bound.sql, parameters, rows, milliseconds, error)


def _cannot_take_back(session: SqlSession, dialect: Dialect, templates: Sequence[Template]) -> str:
    """Return why a change could not be rolled back, "" when it can."""
    for template in templates:
        if template.kind == "SELECT":
            continue
        if template.kind == "procedure" and dialect.procedures_commit:
            return "Not run: a procedure may commit by itself, and what it does could not be taken back."
        for table in template.tree.find_all(exp.Table):
            if not isinstance(table.this, exp.Identifier):
                continue
            if dialect.keeps_no_transaction(session.rows, table.db, table.name):
                return (
                    f"Not run: {table.name} is a view or a table without transactions (such as MyISAM), "
                    "and what is done to it could not be taken back."
                )
    return ""
