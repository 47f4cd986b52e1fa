"""Whose rows a statement reaches: a template is meant for one user's, so what it changes must hang on a placeholder."""

from sqlglot import exp

from directories.query_templates.errors import TemplateError
from directories.query_templates.scan import SourceText


def check_effects(source: SourceText, tree: exp.Expr, operation: str, *, reads: bool) -> None:
    """Refuse a statement that would reach the rows of other users."""
    if reads and not source.placeholders:
        whom, what = ("group", "##GROUP##") if operation == "import_members" else ("user", "##NAME##")
        raise source.error(0, f"This query names no {what}: it would find the same rows for every {whom}.")
    for node in tree.find_all(exp.Update, exp.Delete):
        verb = "UPDATE" if isinstance(node, exp.Update) else "DELETE"
        where = node.args.get("where")
        if where is None:
            message = f"This {verb} has no WHERE: it would reach every row. Add WHERE with the user's key."
            raise _error(source, verb, message)
        # A new user may count in a table of totals; any other change is meant for the rows of one user.
        total = operation == "create" and verb == "UPDATE" and not _holds_placeholder(source, node)
        _check_where(source, where, verb, total=total)


def _check_where(source: SourceText, where: exp.Expr, verb: str, *, total: bool) -> None:
    if not total and not _holds_placeholder(source, where):
        message = f"The WHERE of this {verb} names no ##NAME##: it would reach the same rows for every user."
        raise _error(source, "WHERE", message)
    if not _names_column(source, where):
        raise _error(source, "WHERE", f"The WHERE of this {verb} compares no column: it would reach every row.")
    if not total and not _bound(source, where.this):
        message = (
            f"The WHERE of this {verb} also reaches rows of other users. Every side of an OR must compare a column "
            "with a ##NAME##: not a column with itself, and not with <> or NOT."
        )
        raise _error(source, "OR", message)


def _bound(source: SourceText, condition: exp.Expr, negated: bool = False) -> bool:
    """Return whether every row that the condition lets through depends on a placeholder.

    One side of AND is enough; OR needs all of them, and NOT turns the two round.
    """
    match condition:
        case exp.Paren():
            return _bound(source, condition.this, negated)
        case exp.Not():
            return _bound(source, condition.this, not negated)
        case exp.And() | exp.Or():
            sides = [_bound(source, side, negated) for side in (condition.left, condition.right)]
            return all(sides) if isinstance(condition, exp.Or) != negated else any(sides)
        case exp.Xor():
            return _bound(source, condition.left) and _bound(source, condition.right)
    # What differs from a user's value are the rows of all the others.
    return isinstance(condition, exp.NEQ | exp.NullSafeNEQ) == negated and _comparison_bound(source, condition)


def _comparison_bound(source: SourceText, condition: exp.Expr) -> bool:
    """Return whether one comparison sets a column against a placeholder, also in the conditions inside it."""
    if not _holds_placeholder(source, condition) or not _names_column(source, condition):
        return False
    if isinstance(condition, exp.Binary) and _plain(source, condition.left) == _plain(source, condition.right):
        return False
    around = condition.find_ancestor(exp.Where)
    inner = [one.this for one in condition.find_all(exp.Where) if _holds_placeholder(source, one)]
    inner += [one for one in condition.find_all(exp.Or, exp.Xor) if one.find_ancestor(exp.Where) is around]
    return all(_bound(source, one) for one in inner)


def _plain(source: SourceText, node: exp.Expr) -> str:
    """Return the text of a side, in which two placeholders of one name are the same, quoted or bare."""
    return source.unmask(node.unnest().sql(dialect=source.dialect)).replace("'", "").casefold()


def _holds_placeholder(source: SourceText, tree: exp.Expr) -> bool:
    words = [placeholder.sentinel for placeholder in source.placeholders]
    return any(word in node.name for node in tree.find_all(exp.Column, exp.Literal, exp.National) for word in words)


def _names_column(source: SourceText, tree: exp.Expr) -> bool:
    words = {placeholder.sentinel for placeholder in source.placeholders}
    return any(column.name not in words for column in tree.find_all(exp.Column))


def _error(source: SourceText, word: str, message: str) -> TemplateError:
    """Return the error at the first ``word`` of the statement, or at its WHERE."""
    at = {token.text.upper(): token.start for token in reversed(source.tokens)}
    return source.error(at.get(word, at.get("WHERE", 0)), message)
