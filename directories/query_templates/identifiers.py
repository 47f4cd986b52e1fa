"""Table and column names as an admin types them into a form, made safe for a statement."""

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from directories.query_templates.errors import TemplateError
from directories.query_templates.languages import LANGUAGES


def table_name(text: str, dialect: str) -> exp.Table:
    """Return the table that ``text`` names (``USERS``, ``schema.users``, ``"Users"``); raise TemplateError.

    A name without quotes is folded as the database folds it and then quoted, because a name such as ``user`` would
    otherwise mean something else (in PostgreSQL, the role that is logged in).
    """
    try:
        table = exp.to_table(text.strip(), dialect=dialect)
    except SqlglotError:
        table = exp.Table(this=exp.to_identifier(text.strip(), quoted=True))
    parts = [part for part in table.parts if isinstance(part, exp.Identifier)]
    if not 0 < len(parts) <= 3 or len(parts) != len(table.parts) or not all(part.name for part in parts):
        raise TemplateError(f"{text[:60]} is not the name of a table.")
    names = [_quoted(part, dialect) for part in reversed(parts)]
    return exp.Table(**dict(zip(("this", "db", "catalog"), names, strict=False)))


def column_name(text: str, dialect: str) -> exp.Identifier:
    """Return the column that ``text`` names; raise TemplateError."""
    try:
        column = sqlglot.parse_one(text.strip(), read=dialect)
    except SqlglotError:
        column = None
    if isinstance(column, exp.Column) and isinstance(column.this, exp.Identifier) and not column.args.get("table"):
        return _quoted(column.this, dialect)
    if not text.strip() or "\x00" in text:
        raise TemplateError(f"{text[:60]} is not the name of a column.")
    return _quoted(exp.to_identifier(text.strip(), quoted=text.strip() != text.strip().lower()), dialect)


def _quoted(part: exp.Identifier, dialect: str) -> exp.Identifier:
    return exp.to_identifier(comparable(part, dialect), quoted=True)


def comparable(part: exp.Identifier, dialect: str) -> str:
    """Return the name that the database knows ``part`` by."""
    fold = LANGUAGES[dialect].fold
    return part.name if part.args.get("quoted") or fold is None else fold(part.name)


def same_name(one: exp.Identifier, other: exp.Identifier, dialect: str) -> bool:
    """Return whether the database takes both for one name."""
    left, right = comparable(one, dialect), comparable(other, dialect)
    return left == right if LANGUAGES[dialect].fold else left.casefold() == right.casefold()


def sql_of(node: exp.Expr, dialect: str) -> str:
    """Return the SQL of a tree in ``dialect``."""
    return node.sql(dialect=dialect, comments=False)
