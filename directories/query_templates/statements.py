"""What kinds of statement an operation may hold, checked on the parsed tree."""

from collections.abc import Iterator, Mapping

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError
from sqlglot.tokenizer_core import TokenType

from directories.query_templates.effects import check_effects
from directories.query_templates.errors import TemplateError
from directories.query_templates.languages import LANGUAGES
from directories.query_templates.procedures import as_function, is_call
from directories.query_templates.scan import SourceText

HR = frozenset({"contracts", "departments", "titles"})
CHANGES = "changes"
ABOUT_EVERYBODY = HR | {"import_groups", CHANGES}  # reads without naming anybody
LABELLED = HR | {"import_groups", "import", "import_members"}  # their columns have names that count
READS = LABELLED | {"check", CHANGES}
WITH_PASSWORD = frozenset({"create", "set_password"})
_SELECT, _FUNCTION, _INSERT, _COPY, _UPDATE, _DELETE = "SELECT", "function", "INSERT", "copy", "UPDATE", "DELETE"
PROCEDURE = "procedure"
# Further statements of an operation keep other tables in sync, so an operation allows more than its own verb. ``copy``
# is INSERT ... SELECT, with which a delete keeps a record of the leaver; ``function`` is SELECT add_user(...). Whatever
# writes may be a procedure.
ALLOWED: Mapping[str, tuple[str, ...]] = {
    "import": (_SELECT,),
    "check": (_SELECT,),
    "create": (_INSERT, _COPY, _UPDATE, _FUNCTION),
    "update": (_UPDATE, _INSERT, _COPY, _FUNCTION),
    "delete": (_DELETE, _UPDATE, _COPY, _FUNCTION),
    "disable": (_UPDATE, _DELETE, _INSERT, _COPY, _FUNCTION),
    "enable": (_UPDATE, _DELETE, _INSERT, _COPY, _FUNCTION),
    "set_password": (_UPDATE, _INSERT, _FUNCTION),
    "import_groups": (_SELECT,),
    "import_members": (_SELECT,),
    "create_group": (_INSERT, _COPY, _UPDATE, _FUNCTION),
    "update_group": (_UPDATE, _INSERT, _COPY, _FUNCTION),
    "delete_group": (_DELETE, _UPDATE, _COPY, _FUNCTION),
    "add_member": (_INSERT, _COPY, _UPDATE, _FUNCTION),
    "remove_member": (_DELETE, _UPDATE, _COPY, _FUNCTION),
    "contracts": (_SELECT,),
    "departments": (_SELECT,),
    "titles": (_SELECT,),
    CHANGES: (_SELECT,),
}
_WORDS = {
    "import": "An import query is a SELECT.",
    "check": "A check query is a SELECT.",
    "create": "A create query is an INSERT or CALL; an UPDATE or a SELECT of a function may follow it.",
    "update": "An update query is an UPDATE or CALL; an INSERT or a SELECT of a function may stand beside it.",
    "delete": "A delete query is a DELETE, an UPDATE or CALL; INSERT ... SELECT may stand before it.",
    "disable": "A disable query is an UPDATE, a DELETE, an INSERT or CALL.",
    "enable": "An enable query is an UPDATE, a DELETE, an INSERT or CALL.",
    "set_password": "A set password query is an UPDATE or CALL.",
    "import_groups": "An import groups query is a SELECT.",
    "import_members": "An import memberships query is a SELECT.",
    "create_group": "A create group query is an INSERT or CALL; an UPDATE or a SELECT of a function may follow it.",
    "update_group": "A rename group query is an UPDATE or CALL; an INSERT or a function may stand beside it.",
    "delete_group": "A delete group query is a DELETE, an UPDATE or CALL.",
    "add_member": "An add member query is an INSERT or CALL; an UPDATE or a SELECT of a function may follow it.",
    "remove_member": "A remove member query is a DELETE, an UPDATE or CALL.",
    "contracts": "A contracts query is a SELECT.",
    "departments": "A departments query is a SELECT.",
    "titles": "A titles query is a SELECT.",
    CHANGES: "A changed people query is a SELECT.",
}
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_FORBIDDEN = (
    *(exp.Create, exp.Drop, exp.Alter, exp.TruncateTable, exp.Grant, exp.Revoke),
    *(exp.Command, exp.Set, exp.Use, exp.Copy),
)
_FIRST = {TokenType.SELECT, TokenType.WITH, TokenType.INSERT, TokenType.UPDATE, TokenType.DELETE, TokenType.L_PAREN}


def parse_statement(source: SourceText, operation: str) -> exp.Expr:
    """Parse the one statement of ``source`` and check its kind; raise TemplateError."""
    if operation not in ALLOWED:
        raise ValueError(f"unknown operation {operation!r}")
    if not source.tokens:
        raise TemplateError("Write a statement, or remove this row.")
    first = source.tokens[0]
    if first.token_type not in _FIRST and not source.procedure:
        word = source.unmask(first.text)[:30]
        raise source.error(first.start, f"{_WORDS[operation]} It cannot begin with {word}.")
    separator = next((token for token in source.tokens[:-1] if token.token_type == TokenType.SEMICOLON), None)
    if separator is not None:
        raise source.error(separator.start, "Only one statement a row; put the next one into its own row.")
    tree = _parse(source)
    _check_kind(source, tree, operation)
    check_effects(source, tree, operation, reads=operation in READS - ABOUT_EVERYBODY)
    _check_markers(source, tree)
    return tree


def _parse(source: SourceText) -> exp.Expr:
    tokens = [*source.tokens]
    if source.procedure:
        tokens = as_function(tokens, bracketed=source.procedure == "CALL")
    parser = Dialect.get_or_raise(source.dialect).parser(error_level=ErrorLevel.RAISE)
    try:
        trees = [tree for tree in parser.parse(tokens, source.masked) if tree]
    except ParseError as error:
        raise _unreadable(source, error) from None
    except SqlglotError:
        raise TemplateError("The statement cannot be read; check its quotes and brackets.") from None
    except RecursionError:
        raise TemplateError("The statement is nested too deeply.") from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Expr):
        raise TemplateError("Only one statement a row; put the next one into its own row.")
    return trees[0]


def _unreadable(source: SourceText, error: ParseError) -> TemplateError:
    found = error.errors[0] if error.errors else {}
    word = str(found.get("highlight") or "")
    line, column = int(found.get("line") or 1), int(found.get("col") or 1)
    near = f" near {source.unmask(word)[:60]}" if word else ""
    return TemplateError(
        f"The statement cannot be read{near}; check the words before it.", line, max(column - len(word) + 1, 1)
    )


def kind_of(source: SourceText, tree: exp.Expr) -> str:
    """Return SELECT, function, procedure, INSERT, copy, UPDATE, DELETE or "" for a statement of another kind."""
    if source.procedure:
        return PROCEDURE if is_call(tree) else ""
    if isinstance(tree, exp.Query):
        tables = [table for table in tree.find_all(exp.Table) if not isinstance(table.this, exp.Func)]
        calls = isinstance(tree, exp.Select) and not tables and tree.find(exp.Func) is not None
        return _FUNCTION if calls else _SELECT
    if isinstance(tree, exp.Insert):
        return _COPY if isinstance(tree.expression, exp.Query) else _INSERT
    if isinstance(tree, exp.Update):
        return _UPDATE
    return _DELETE if isinstance(tree, exp.Delete) else ""


def _check_kind(source: SourceText, tree: exp.Expr, operation: str) -> None:
    start = source.tokens[0].start
    kind = kind_of(source, tree)
    if source.procedure and not (kind and operation not in READS):
        example = f"{source.procedure} name" + ("('##USERNAME##')" if source.procedure == "CALL" else " '##USERNAME##'")
        raise source.error(start, _WORDS[operation] if kind else f"A procedure is run like this: {example}.")
    if not source.procedure and kind not in ALLOWED[operation] and not (kind == _FUNCTION and operation in READS):
        raise source.error(start, _WORDS[operation])
    if operation in READS and tree.find(*_CHANGES, exp.Into):
        raise source.error(start, f"{_WORDS[operation]} It must not change anything.")
    if tree.find(*_FORBIDDEN, exp.Into):
        raise source.error(start, "Statements that change tables or rights are not allowed here.")


def _check_markers(source: SourceText, tree: exp.Expr) -> None:
    """Refuse the driver's own parameter marks: a value comes only from a ``##NAME##``."""
    variables = LANGUAGES[source.dialect].variables
    kinds = (exp.Placeholder,) if variables else (exp.Placeholder, exp.Parameter)
    marker = tree.find(*kinds)
    if marker is not None:
        types = {TokenType.PLACEHOLDER, TokenType.COLON, TokenType.PARAMETER}
        offset = next((token.start for token in source.tokens if token.token_type in types), 0)
        raise source.error(offset, "A value is written as ##NAME##, not as ?, :name or $1.")


def misplaced(source: SourceText, tree: exp.Expr) -> Iterator[TemplateError]:
    """Yield an error for each placeholder that stands where the tree holds a name, not a value."""
    values: set[str] = set()
    for node in tree.find_all(exp.Literal, exp.National):
        values.update(item.sentinel for item in source.placeholders if item.sentinel in node.name)
    values.update(column.name for column in tree.find_all(exp.Column) if _is_value(column))
    for item in source.placeholders:
        if item.sentinel not in values:
            message = f"##{item.name}## stands where a name belongs (table, column, alias); it can only be a value."
            yield source.error(item.start, message)


def _is_value(column: exp.Column) -> bool:
    """Return whether a bare word is a value: not qualified, and not the column that an UPDATE sets."""
    parent = column.parent
    assigned = (
        isinstance(parent, exp.EQ)
        and column.arg_key == "this"
        and parent.arg_key == "expressions"
        and isinstance(parent.parent, exp.Update | exp.OnConflict)
    )
    return not column.args.get("table") and not assigned
