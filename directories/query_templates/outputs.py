"""What the columns of an import query are called.

Both notations work: ``SELECT '##FIRSTNAME##', FIRSTNAME`` (a label and then its column) and plain ``SELECT FIRSTNAME``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from directories.query_templates.errors import TemplateError
from directories.query_templates.scan import SourceText


@dataclass(frozen=True, slots=True)
class Output:
    """One attribute that an import query gives: its name, its expression and its place in the result's row."""

    name: str
    expression: exp.Expr
    position: int


def labels_of(source: SourceText, tree: exp.Expr) -> dict[str, str]:
    """Return the labels of an import query by the sentinel that stands for them."""
    names = {item.sentinel: item.name for item in source.placeholders}
    columns = tree.expressions if isinstance(tree, exp.Select) else []
    return {
        column.name: names[column.name]
        for column in columns[:-1]
        if isinstance(column, exp.Literal) and column.name in names
    }


def outputs_of(source: SourceText, tree: exp.Expr, labels: Mapping[str, str]) -> tuple[Output, ...]:
    """Return the attributes that an import query gives; raise TemplateError for a column without a name."""
    found: list[Output] = []
    label = ""
    for position, column in enumerate(tree.selects if isinstance(tree, exp.Query) else []):
        if isinstance(column, exp.Literal) and column.name in labels and not label:
            label = labels[column.name]
            continue
        name = label or column.output_name
        label = ""
        if column.is_star or name == "*":
            raise TemplateError("Name the columns instead of *: each is one attribute.")
        if not name:
            text = source.unmask(column.sql(dialect=source.dialect))[:60]
            raise TemplateError(f"Give the column {text} a name: AS NAME, or '##NAME##' before it.")
        if name.casefold() in {output.name.casefold() for output in found}:
            raise TemplateError(f"Two columns are called {name}; give each its own name.")
        found.append(Output(name, column, position))
    return tuple(found)
