"""Try it: what the statements of an operation look like for one user, and on request what they would reach.

Statements that are run are always rolled back. Where a table could not take a change back, nothing is run.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from directories.attributes import Value
from directories.config import DirectoryConfig, open_connector
from directories.connectors.base import ConnectorError, Entry, GroupEntry
from directories.connectors.sql.connector import SqlConnector
from directories.query_templates import GROUPED, PASSWORD, NamedValues, Template, fold, group_values

EXAMPLE = GroupEntry("Example group", "1", "An example")
MASK = "••••••••"


@dataclass(frozen=True, slots=True)
class Tried:
    """One statement with its values. ``rows`` and ``milliseconds`` are None when it was not run.

    ``parameters`` are the bound values by name; a password is masked. ``error`` says why it was not run or failed.
    """

    bound_sql: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    rows: int | None = None
    milliseconds: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom statements are tried for: a user, the password of a new account, and for statements of groups a group."""

    entry: Entry
    password: str | None = None
    group: GroupEntry = EXAMPLE


def try_operation(config: DirectoryConfig, operation: str, subject: Subject, *, run: bool) -> list[Tried]:
    """Return each statement of ``operation`` as it would be sent for the subject; raise ConnectorError."""
    with open_connector(config) as connector:
        if not isinstance(connector, SqlConnector):
            raise ConnectorError("Only directories with query templates can be tried.", code="template")
        templates = connector.templates(operation)
        values = connector.values(subject.entry, subject.password)
        if operation in GROUPED:
            group = subject.group
            values = values.over(group_values(group.name, group.name, group.ref, group.description))
        if not run:
            return [_shown(template, values) for template in templates]
        refused = _cannot_take_back(connector, templates)
        if refused:
            return [_shown(template, values, error=refused) for template in templates]
        with connector.session.transaction(keep=False):
            return _run(connector, templates, values)


def _run(connector: SqlConnector, templates: Sequence[Template], values: NamedValues) -> list[Tried]:
    tried: list[Tried] = []
    failed = False
    for template in templates:
        if failed:
            tried.append(_shown(template, values, error="Not run: a statement before it failed."))
            continue
        started = time.perf_counter()
        try:
            rows = _rows(connector, template, values)
        except ConnectorError as error:
            failed = True
            tried.append(_shown(template, values, error=error.message))
            continue
        tried.append(_shown(template, values, rows, (time.perf_counter() - started) * 1000))
    return tried


def _rows(connector: SqlConnector, template: Template, values: NamedValues) -> int:
    """Run a statement and return how many rows it found or changed."""
    session = connector.session
    result = session.run(template.bind(values))
    with session.translated():
        if result.returns_rows:
            return sum(len(part) for part in result.partitions(1000))
        return max(result.rowcount, 0)


def _shown(
    template: Template, values: NamedValues, rows: int | None = None, milliseconds: float | None = None, error: str = ""
) -> Tried:
    bound = template.bind(values)
    parameters = {
        name: MASK if fold(name) == PASSWORD and value is not None else value
        for name, value in zip(bound.names, bound.parameters, strict=True)
    }
    return Tried(bound.sql, parameters, rows, milliseconds, error)


def _cannot_take_back(connector: SqlConnector, templates: Sequence[Template]) -> str:
    """Return why a change could not be rolled back, "" when it can."""
    for template in templates:
        if template.kind == "SELECT":
            continue
        if template.kind == "procedure" and connector.dialect.procedures_commit:
            return "Not run: a procedure may commit by itself, and what it does could not be taken back."
        for table in template.tree.find_all(exp.Table):
            if not isinstance(table.this, exp.Identifier):
                continue
            if connector.dialect.keeps_no_transaction(connector.session.rows, table.db, table.name):
                return (
                    f"Not run: {table.name} is a view or a table without transactions (such as MyISAM), "
                    "and what is done to it could not be taken back."
                )
    return ""
