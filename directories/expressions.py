"""Pure: the expressions of attribute mappings, such as ``{{ value | lower }}``.

Jinja2 in its sandbox, and of that language only what a mapping needs: an allowed list of syntax (no loops, no
assignments, no calls, no attributes but those of ``row`` and ``user``), filters and tests. What is not listed here
does not exist, so that an expression can neither reach Python nor grow without bound.

``value`` is the mapped attribute; ``row`` holds the directory's attributes (inbound) and ``user`` the portal's
(outbound). One ``{{ ... }}`` gives its value with its type; anything around it gives text.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any

from jinja2 import TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from directories.attributes import UnreadableValue, Value
from directories.filters import FILTERS, KEEPS_MISSING, MAX_TEXT, FilterError, is_missing, text

MAX_SOURCE = 2_000
MAX_DEPTH = 60
MAX_BITS = 128
ROW, USER = "row", "user"
_OPERATORS = (nodes.Not, nodes.And, nodes.Or, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Concat, nodes.CondExpr)
_VALUES = (nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Slice, nodes.Getitem)
_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Name, nodes.Getattr, nodes.Filter, nodes.Test),
    *(nodes.Compare, nodes.Operand, *_OPERATORS, *_VALUES),
)
_NO_CALLS = "Functions are written as filters, for example value | lower."
_REFUSED: dict[type[nodes.Node], str] = {
    nodes.For: "Loops are not allowed; use split, join, first or last.",
    nodes.Call: _NO_CALLS,
    nodes.Assign: "Values cannot be stored; write one expression.",
    nodes.Mul: "Multiplication, division and powers are not allowed.",
}


class ExpressionError(ValueError):
    """An expression cannot be understood, or not be computed; ``message`` never holds a value of a person."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(f"Line {line}: {message}")
        self.message = message
        self.line = line


class _Missing(Undefined):
    """A missing value: prints as nothing and equals none and the empty text."""

    def __eq__(self, other: object) -> bool:
        return other is None or other == "" or isinstance(other, _Missing)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = Undefined.__hash__


class _Names:
    """The attributes of a row or a user, found without regard to case."""

    __slots__ = ("_folded", "_values")

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values
        self._folded: dict[str, Value] | None = None

    def get(self, name: str) -> Value:
        if name in self._values:
            return self._values[name]
        if self._folded is None:
            self._folded = {key.casefold(): value for key, value in self._values.items()}
        return self._folded.get(name.casefold())


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox without any attribute of a Python object."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, _Names) and isinstance(argument, str):
            return _shown(obj.get(argument))
        if isinstance(obj, str | list | tuple) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except IndexError:
                return _Missing()
        if isinstance(obj, _Missing):
            return obj
        raise SecurityError("not allowed")


def _shown(value: Any) -> Any:
    if isinstance(value, UnreadableValue):
        raise FilterError(f"it reads a value that {value}")
    return _Missing() if value is None else value


def _filter(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(value: Any, *args: Any, **kwargs: Any) -> Any:
        if is_missing(value) and function not in KEEPS_MISSING:
            return _Missing()
        return _shown(_bounded(function(None if isinstance(value, _Missing) else value, *args, **kwargs)))

    return call


def _bounded(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise FilterError(f"the result is longer than {MAX_TEXT} characters")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise FilterError("the number is too long")
    return value


def _environment() -> _Sandbox:
    environment = _Sandbox(undefined=_Missing, finalize=text, autoescape=False, optimized=False, cache_size=0)
    environment.globals.clear()
    environment.filters = {name: _filter(function) for name, function in FILTERS.items()}
    environment.tests = {
        "defined": lambda value: not is_missing(value),
        "missing": is_missing,
        "none": is_missing,
        "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        # ``in`` is a comparison of its own in Jinja2; a test of that name is looked up for "is in".
        "in": lambda value, values: value in values,
    }
    return environment


_ENVIRONMENT = _environment()


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; ``names`` are the attributes of ``row`` or ``user`` that it reads."""

    source: str
    scope: str
    names: frozenset[str]
    _run: Callable[[dict[str, Any]], Any]

    def evaluate(self, value: Value, values: Mapping[str, Value]) -> Value:
        """Return the result; None for nothing. Raise ExpressionError when it cannot be computed."""
        try:
            found = self._run({"value": _shown(value), self.scope: _Names(values)})
            return _several(found) if self.scope == USER and isinstance(found, list | tuple) else _result(found)
        except FilterError as error:
            raise ExpressionError(f"The expression cannot be computed: {error}.") from None
        except Exception:
            # The driver of the expression is whatever the admin wrote: its exception text may hold the value.
            raise ExpressionError("The expression cannot be computed from this value.") from None


def _several(found: Sequence[Any]) -> Value:
    """Return the values for an attribute that has several, each once."""
    return tuple(dict.fromkeys(str(_bounded(item)) for item in found if not is_missing(item) and item != "")) or None


def _result(found: Any) -> Value:
    if isinstance(found, Undefined):
        return None
    if isinstance(found, list | tuple | dict | _Names):
        raise FilterError("it gives a list, not a value; use join, first or last")
    result: Value = _bounded(found)
    return result


@lru_cache(maxsize=1024)
def compile_expression(source: str, scope: str) -> Expression:
    """Return ``source`` ready to run; ``scope`` is ROW (inbound) or USER. Raise ExpressionError with its line."""
    if len(source) > MAX_SOURCE:
        raise ExpressionError(f"The expression is longer than {MAX_SOURCE} characters.")
    try:
        tree = _ENVIRONMENT.parse(source)
        names = frozenset(_check(tree, scope))
        return Expression(source, scope, names, _runner(tree))
    except TemplateSyntaxError as error:
        raise ExpressionError(_message(error), error.lineno) from None
    except (RecursionError, SyntaxError, MemoryError, OverflowError):
        raise ExpressionError("The expression is nested too deeply.") from None
    except ValueError as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError("The expression holds a number that is too long.") from None


def _message(error: TemplateSyntaxError) -> str:
    message = (error.message or "The expression is not understood").rstrip(".")
    return f"{message[:1].upper()}{message[1:200]}."


def _runner(tree: nodes.Template) -> Callable[[dict[str, Any]], Any]:
    lone = _lone_expression(tree)
    if lone is None:
        template = _ENVIRONMENT.from_string(tree)
        return lambda context: template.render(context).strip() or None
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), lone, lineno=1)]
    program = nodes.Template(body, lineno=1)
    program.set_environment(_ENVIRONMENT)
    compiled = _ENVIRONMENT.from_string(program)

    def run(values: dict[str, Any]) -> Any:
        context = compiled.new_context(values)
        for _ in compiled.root_render_func(context):
            pass
        return context.vars["result"]

    return run


def _lone_expression(tree: nodes.Template) -> nodes.Expr | None:
    """Return the one ``{{ ... }}`` that the template consists of, None when there is anything else."""
    parts = [part for node in tree.body for part in (node.nodes if isinstance(node, nodes.Output) else [node])]
    parts = [part for part in parts if not (isinstance(part, nodes.TemplateData) and not part.data.strip())]
    if len(parts) == 1 and isinstance(parts[0], nodes.Expr) and not isinstance(parts[0], nodes.TemplateData):
        return parts[0]
    return None


def _check(node: nodes.Node, scope: str, depth: int = 0) -> Iterator[str]:
    """Refuse what is not allowed; yield the attributes that are read."""
    if depth > MAX_DEPTH:
        raise ExpressionError("The expression is nested too deeply.", node.lineno)
    if not isinstance(node, _ALLOWED):
        reason = next((words for kind, words in _REFUSED.items() if isinstance(node, kind)), None)
        if isinstance(node, nodes.BinExpr):
            reason = _REFUSED[nodes.Mul]
        raise ExpressionError(reason or f"{type(node).__name__} is not allowed in an expression.", node.lineno)
    if isinstance(node, nodes.Name):
        _known(node.name, ["value", scope], "name", node.lineno)
    elif isinstance(node, nodes.Filter):
        _known(node.name, list(FILTERS), "filter", node.lineno)
    elif isinstance(node, nodes.Test):
        _known(node.name, list(_ENVIRONMENT.tests), "test", node.lineno)
    elif isinstance(node, nodes.Getattr | nodes.Getitem):
        yield from _read(node, scope)
    for child in node.iter_child_nodes():
        yield from _check(child, scope, depth + 1)


def _read(node: nodes.Getattr | nodes.Getitem, scope: str) -> Iterator[str]:
    if isinstance(node.node, nodes.Name):
        _known(node.node.name, ["value", scope], "name", node.lineno)
    of_names = isinstance(node.node, nodes.Name) and node.node.name == scope
    if isinstance(node, nodes.Getattr):
        if not of_names:
            raise ExpressionError(f"Only {scope} has attributes. {_NO_CALLS}", node.lineno)
        yield node.attr
    elif of_names:
        if not (isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)):
            raise ExpressionError(f'Write the attribute\'s name: {scope}["NAME"].', node.lineno)
        yield node.arg.value
    elif not isinstance(node.arg, nodes.Const | nodes.Slice | nodes.Neg):
        raise ExpressionError("Only a number may stand in the brackets, for example value[:3].", node.lineno)


def _known(name: str, known: list[str], what: str, line: int) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else f" There is: {', '.join(known)}."
    raise ExpressionError(f"There is no {what} {name[:60]!r}.{hint}", line)
