"""How a directory's import queries become few statements: never one a user.

Queries over the user table that ask for one user by the key become columns of one streamed query. Others (joins, other
tables) are rewritten through their parsed tree to ask for a page of users at once. What can be neither is run for each
user, and ``slow_reason`` says so when it is saved.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sqlglot import exp

from directories.attributes import Value
from directories.query_templates.identifiers import column_name, same_name, sql_of, table_name
from directories.query_templates.languages import LANGUAGES
from directories.query_templates.names import fold
from directories.query_templates.template import Template, parse

_KEYS = "zzrollcallkeyszz"  # stands for the list of keys while the tree is written out
_PLAIN = {"expressions", "from_", "where", "limit", "kind"}  # the parts of a SELECT that reads rows as they are


@dataclass(frozen=True, slots=True)
class PageQuery:
    """One statement for the users of a page: its first column is the key, the others are ``names``.

    ``missing`` are the values of a user who has no row (0 for a count, else None). A user's first row counts.
    """

    head: str
    tail: str
    dialect: str
    names: tuple[str, ...]
    missing: tuple[Value, ...]

    def sql(self, keys: int) -> str:
        """Return the statement for this many keys; the keys are its only parameters."""
        marks = (LANGUAGES[self.dialect].parameter(number + 1) for number in range(keys))
        return self.head + ", ".join(marks) + self.tail


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The statements of an import. ``stream`` gives the key, then the password if asked for, then ``names``.

    ``one`` is the stream's query for a single user and ``many`` that for a list of keys; ``keys`` gives which of many
    keys there are. ``pages`` run once a page, ``each`` once a user. ``people`` is the stream with its columns called
    RC_0, RC_1 and so on, and ``key`` the key in it.
    """

    stream: str
    people: str
    key: str
    one: str
    many: PageQuery
    keys: PageQuery
    count: str
    names: tuple[str, ...]
    with_password: bool
    pages: tuple[PageQuery, ...]
    each: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class _UserTable:
    dialect: str
    table: exp.Table
    key: exp.Identifier

    def names_key(self, placeholder: str) -> bool:
        return fold(placeholder) in {fold("username"), fold(self.key.name)}


def plan_import(
    templates: Sequence[str], dialect: str, user_table: str, key_column: str, password_column: str = ""
) -> ImportPlan:
    """Plan the import queries of a directory; raise TemplateError for one that cannot be read.

    With ``password_column``, the stream gives the password too.
    """
    users = _UserTable(dialect, table_name(user_table, dialect), column_name(key_column, dialect))
    columns: dict[str, str] = {}
    sets: list[tuple[exp.Select, Template]] = []
    each: list[Template] = []
    for template in (parse(sql, dialect, "import") for sql in templates):
        merged = _merged(template, users)
        if merged is not None:
            columns.update(merged)
        elif isinstance(rewritten := _for_page(template, users), exp.Select):
            sets.append((rewritten, template))
        else:
            each.append(template)
    language = LANGUAGES[dialect]
    key = sql_of(users.key, dialect)
    password = [sql_of(column_name(password_column, dialect), dialect)] if password_column else []
    given = [key, *password, *columns.values()]
    selected = language.plain(", ".join(given))
    called = language.plain(", ".join(f"{each} AS RC_{number}" for number, each in enumerate(given)))
    source = language.plain(sql_of(users.table, dialect))
    stream = f"SELECT {selected} FROM {source}"  # noqa: S608 - quoted names and the admin's own expressions
    one = f"{stream} WHERE {language.plain(key)} = {language.parameter(1)}"
    quoted = language.plain(key)
    keys = PageQuery(f"SELECT {quoted} FROM {source} WHERE {quoted} IN (", ")", dialect, (), ())  # noqa: S608
    return ImportPlan(
        stream=stream,
        people=f"SELECT {called} FROM {source}",  # noqa: S608 - as the stream
        key=quoted,
        one=one,
        many=PageQuery(f"{stream} WHERE {quoted} IN (", ")", dialect, (), ()),
        keys=keys,
        count=f"SELECT COUNT(*) FROM {source}",  # noqa: S608 - a quoted name
        names=tuple(columns),
        with_password=bool(password),
        pages=_page_queries(sets, dialect),
        each=tuple(each),
    )


@lru_cache(maxsize=256)
def plan_presence(sql: str, dialect: str, user_table: str, key_column: str) -> PageQuery | None:
    """Return a check query rewritten to give those of many keys that it finds an account for.

    None when it compares something else than the key, or is no plain SELECT. No row for any of the keys means that the
    query itself would find none of them; a row may be that of a key which the database takes for equal.
    """
    template = parse(sql, dialect, "check")
    users = _UserTable(dialect, table_name(user_table, dialect), column_name(key_column, dialect))
    rewritten = _for_page(template, users)
    return _page_queries([(rewritten, template)], dialect)[0] if isinstance(rewritten, exp.Select) else None


def slow_reason(sql: str, dialect: str, user_table: str, key_column: str) -> str | None:
    """Return why an import query has to run once for each user, None when it does not; raise TemplateError."""
    users = _UserTable(dialect, table_name(user_table, dialect), column_name(key_column, dialect))
    template = parse(sql, dialect, "import")
    if _merged(template, users) is not None:
        return None
    found = _for_page(template, users)
    return f"An import runs this query once for every user, which is slow: {found}" if isinstance(found, str) else None


def _merged(template: Template, users: _UserTable) -> dict[str, str] | None:
    """Return the query's columns by attribute name when it reads one row of the user table by the key, else None."""
    tree = template.tree
    if not isinstance(tree, exp.Select) or {name for name, value in tree.args.items() if value} - _PLAIN:
        return None
    table = tree.args["from_"].this if tree.args.get("from_") else None
    if not isinstance(table, exp.Table) or not _same_table(table, users):
        return None
    where = tree.args.get("where")
    compared = _compared(template, where.this, users) if where else None
    if not isinstance(compared, exp.Column) or not same_name(compared.this, users.key, users.dialect):
        return None
    columns = {}
    for output in template.outputs:
        expression = output.expression.unalias().copy()
        if expression.find(exp.AggFunc, exp.Window, exp.Query) or _placeholders(template, expression):
            return None
        for column in expression.find_all(exp.Column):
            column.set("table", None)
            column.set("db", None)
        columns[output.name] = sql_of(expression, users.dialect)
    return columns


def _same_table(table: exp.Table, users: _UserTable) -> bool:
    if {name for name, value in table.args.items() if value} - {"this", "db", "catalog", "alias"}:
        return False
    schema, wanted = table.args.get("db"), users.table.args.get("db")
    if schema and wanted and not same_name(schema, wanted, users.dialect):
        return False
    return isinstance(table.this, exp.Identifier) and same_name(table.this, users.table.this, users.dialect)


def _placeholders(template: Template, tree: exp.Expr) -> list[str]:
    """Return the names of the placeholders in ``tree`` that take a value, one for each place."""
    names = {item.sentinel: item.name for item in template.source.placeholders}
    found = []
    for node in tree.find_all(exp.Column, exp.Literal, exp.National):
        found += [
            name
            for word, name in names.items()
            if word in node.name and not (word in template.labels and node.parent is template.tree)
        ]
    return found


def _compared(template: Template, node: exp.Expr, users: _UserTable) -> exp.Expr | None:
    """Return what ``node`` compares with the user's key by ``=``, None when it does something else."""
    names = {item.sentinel: item.name for item in template.source.placeholders}
    node = node.unnest()
    if not isinstance(node, exp.EQ):
        return None
    for key, other in ((node.this, node.expression), (node.expression, node.this)):
        if isinstance(key, exp.Column | exp.Literal | exp.National) and users.names_key(names.get(key.name, "")):
            usable = other.find(exp.Column) and not other.find(exp.Query) and not _placeholders(template, other)
            return other if usable else None
    return None


def _for_page(template: Template, users: _UserTable) -> exp.Select | str:
    """Return the query rewritten to a page of users, with the key as its first column, or why that cannot be done."""
    tree = template.tree
    if not isinstance(tree, exp.Select):
        return "it joins several SELECTs; give each attribute one SELECT."
    if len(_placeholders(template, tree)) != 1 or not users.names_key(_placeholders(template, tree)[0]):
        return "it needs exactly one placeholder, the user's key (##USERNAME##)."
    distinct = tree.args.get("distinct")
    if tree.args.get("offset") or tree.find(exp.Window) or (distinct and distinct.args.get("on")):
        return "OFFSET, DISTINCT ON and window functions cannot be asked for many users at once."
    conditions = _conditions(tree)
    for position, condition in enumerate(conditions):
        key = _compared(template, condition, users)
        if key is not None:
            keys = exp.In(this=key.copy(), expressions=[exp.column(_KEYS)])
            rest = [node.copy() for node in (*conditions[:position], *conditions[position + 1 :])]
            return _grouped(tree, template, key).where(keys, *rest, append=False, copy=False)
    return "its WHERE does not compare a column with the user's key by a plain = ."


def _conditions(tree: exp.Select) -> list[exp.Expr]:
    """Return what the WHERE joins by AND; none without a WHERE."""
    where = tree.args.get("where")
    if not where:
        return []
    condition = where.this.unnest()
    return list(condition.flatten()) if isinstance(condition, exp.And) else [where.this]


def _grouped(tree: exp.Select, template: Template, key: exp.Expr) -> exp.Select:
    """Return a copy that selects the key before the attributes, grouped by it where the query aggregates."""
    query = tree.copy()
    query.set("limit", None)
    query.set("expressions", [key.copy(), *(output.expression.copy() for output in template.outputs)])
    if query.args.get("group") or any(output.expression.find(exp.AggFunc) for output in template.outputs):
        query.group_by(key.copy(), copy=False)
    return query


def _page_queries(sets: Sequence[tuple[exp.Select, Template]], dialect: str) -> tuple[PageQuery, ...]:
    """Write the rewritten queries out; those that differ only in what they select become one."""
    found: dict[str, PageQuery] = {}
    merged: dict[str, exp.Select] = {}
    for number, (query, template) in enumerate(sets):
        single = bool(query.args.get("group") or query.args.get("distinct") or query.args.get("order"))
        bare = query.copy()
        bare.set("expressions", [exp.Star()])
        shape = f"{number if single else ''}{query.expressions[0].sql()}{sql_of(bare, dialect)}"
        if shape in merged:
            merged[shape].set("expressions", [*merged[shape].expressions, *query.expressions[1:]])
        else:
            merged[shape] = query
        head, _, tail = LANGUAGES[dialect].plain(sql_of(merged[shape], dialect)).partition(_KEYS)
        names = tuple(output.name for output in template.outputs)
        missing = tuple(
            0 if isinstance(output.expression.unalias(), exp.Count) else None for output in template.outputs
        )
        if earlier := found.get(shape):
            found[shape] = replace(
                earlier, head=head, tail=tail, names=earlier.names + names, missing=earlier.missing + missing
            )
        else:
            found[shape] = PageQuery(head, tail, dialect, names, missing)
    return tuple(found.values())
