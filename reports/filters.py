"""The filter language of SCIM (RFC 7644 section 3.4.2.2) over the report: ``result eq "failed" and cause sw "HR"``.

``read`` refuses what it does not understand with the place in the text and what to write instead, and returns what is
left to be searched: alternatives, each of which is a few comparisons that all hold.
"""

import datetime as dt
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from scim2_models.path import FilterNode, LogicalExpr, LogicalOperator, Not

from config.filter_syntax import check_size, parse
from reports.models import Direction, Operation, Result

MOST_ALTERNATIVES = 12
"""Each of them is a search of its own, and ten of those are still within a tenth of a second."""

TEXTS = ("eq", "ne", "sw", "co", "ew", "pr")
NUMBERS = ("eq", "ne", "pr")
CHOICES = ("eq", "ne")
MOMENTS = ("ge", "gt", "lt", "le")
OPPOSITE = {"eq": "ne", "ne": "eq", "ge": "lt", "lt": "ge", "gt": "le", "le": "gt"}
OTHERS = {
    "=": "eq", "==": "eq", ":": "eq", "is": "eq", "equals": "eq", "!=": "ne", "<>": "ne", ">": "gt", ">=": "ge",
    "<": "lt", "<=": "le", "like": "co", "contains": "co", "startswith": "sw", "endswith": "ew", "exists": "pr",
}  # fmt: skip
"""What other languages write for an operator."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[()\[\]]|[^\s()\[\]"]+|"', re.DOTALL)
_WITH_SIGN = re.compile(r"([A-Za-z]+)(?:[=<>!:]+)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MINUTE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class FilterField:
    """What can be asked for, by which operators, and the values that there are; others are free text or numbers."""

    operators: tuple[str, ...]
    column: str
    values: dict[str, str] = field(default_factory=dict)  # label by value


FIELDS = {
    "identifier": FilterField(TEXTS, "identifier_key"),
    "application": FilterField(TEXTS, "application"),
    "result": FilterField(CHOICES, "result", dict(Result.choices)),
    "operation": FilterField(CHOICES, "operation", dict(Operation.choices)),
    "direction": FilterField(CHOICES, "direction", dict(Direction.choices)),
    "cause": FilterField(TEXTS, "actor"),
    "time": FilterField(MOMENTS, "at"),
    "message": FilterField(TEXTS, "message"),
    "run": FilterField(NUMBERS, "run_id"),
    "user": FilterField(NUMBERS, "user_id"),
    "account": FilterField(NUMBERS, "account_id"),
    "group": FilterField(NUMBERS, "group_id"),
}


class FilterProblem(ValueError):
    """What is wrong with a filter, in words; ``column`` counts from 1."""

    def __init__(self, column: int, words: str) -> None:
        super().__init__(f"Column {column}: {words}")
        self.column = column


@dataclass(frozen=True, slots=True)
class FilterTerm:
    """One comparison. ``value`` is a text, a number, a set of values (of choices) or a span of time (of moments)."""

    name: str
    operator: str
    value: Any
    negated: bool = False

    @property
    def field(self) -> FilterField:
        """What it compares."""
        return FIELDS[self.name]

    @property
    def indexed(self) -> bool:
        """Whether an index finds the lines; otherwise they are looked at one by one."""
        if self.field.values or self.field.operators == MOMENTS:
            return True
        if self.name in ("identifier", "cause"):
            return self.operator in ("eq", "sw") and not self.negated
        return self.operator == "eq" and self.name != "message"

    def opposite(self) -> "FilterTerm":
        """Return what holds where this does not."""
        if self.field.values:
            return replace(self, value=frozenset(self.field.values) - self.value)
        if self.operator in OPPOSITE:
            return replace(self, operator=OPPOSITE[self.operator])
        return replace(self, negated=not self.negated)


@dataclass(frozen=True, slots=True)
class Span:
    """What a written time covers: a day, a minute, or one moment; ``end`` is exclusive."""

    start: dt.datetime
    end: dt.datetime


def read(text: str) -> list[list[FilterTerm]]:
    """Return the alternatives of a filter; raise FilterProblem, or ValueError where no place can be named."""
    check_size(text, "filter")
    terms = list(_FilterReader(text).terms())
    found = _alternatives(parse(text), iter(terms), negated=False)
    if len(found) > MOST_ALTERNATIVES:
        raise ValueError(
            f"The filter means {len(found)} searches at once, and {MOST_ALTERNATIVES} are allowed. Use fewer of “or”."
        )
    return found


def slow_parts(alternatives: Sequence[Sequence[FilterTerm]]) -> list[str]:
    """Return what no index answers, as ``message co``, each once."""
    return list(
        dict.fromkeys(f"{term.name} {term.operator}" for one in alternatives for term in one if not term.indexed)
    )


def vocabulary(texts: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Return what can be written, for the completion: operators and values by name; ``texts`` are some of a field."""
    return {
        name: {
            "operators": known.operators,
            "values": list(known.values) or list(texts.get(name, ())),
            "quoted": known.operators != NUMBERS,
        }
        for name, known in FIELDS.items()
    }


def _alternatives(node: FilterNode, terms: Iterator[FilterTerm], *, negated: bool) -> list[list[FilterTerm]]:
    """Return the disjunctive normal form; ``terms`` are those of the leaves, in their order."""
    if isinstance(node, Not):
        return _alternatives(node.expr, terms, negated=not negated)
    if not isinstance(node, LogicalExpr):
        term = next(terms)
        return [[term.opposite() if negated else term]]
    parts = [_alternatives(part, terms, negated=negated) for part in node.terms]
    if (node.op == LogicalOperator.and_) == negated:  # "or", or "and" that is denied
        return _joined([alternative for part in parts for alternative in part])
    found: list[list[FilterTerm]] = [[]]
    for part in parts:
        found = [[*one, *other] for one, other in product(found, part)]
        if len(found) > 10 * MOST_ALTERNATIVES:
            break  # enough to be refused
    return found


def _joined(alternatives: list[list[FilterTerm]]) -> list[list[FilterTerm]]:
    """Return them with ``result eq "failed" or result eq "partly"`` as one that allows both."""
    together: dict[str, FilterTerm] = {}
    others = []
    for alternative in alternatives:
        term = alternative[0]
        if len(alternative) > 1 or not term.field.values:
            others.append(alternative)
        elif term.name in together:
            together[term.name] = replace(term, value=together[term.name].value | term.value)
        else:
            together[term.name] = term
    return [*([term] for term in together.values()), *others]


class _FilterReader:
    """Goes through the text from left to right, and knows at each place what may stand there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [(match.start() + 1, match.group()) for match in _TOKEN.finditer(text)]
        self.place = 0

    def terms(self) -> Iterator[FilterTerm]:
        """Yield each comparison; raise FilterProblem at the first place that is not understood."""
        opened: list[int] = []
        while True:
            self._open(opened)
            yield self._term()
            while self._peek() == ")":
                column, _ = self._next("")
                if not opened:
                    raise FilterProblem(column, "There is no bracket to close here. Take it away.")
                opened.pop()
            if self._peek() is None:
                break
            column, word = self._next("")
            if word.lower() not in ("and", "or"):
                raise FilterProblem(column, "Write “and” or “or” between two comparisons.")
        if opened:
            raise FilterProblem(opened[-1], "This bracket is not closed. Write “)” where it ends.")

    def _open(self, opened: list[int]) -> None:
        while True:
            word = self._peek()
            if word == "(":
                opened.append(self._next("")[0])
            elif word is not None and word.lower() == "not":
                column, _ = self._next("")
                if self._peek() != "(":
                    raise FilterProblem(column, 'Write brackets after “not”: not (result eq "success").')
            else:
                return

    def _term(self) -> FilterTerm:
        column, written = self._next(f"Write a comparison here. {_such_as()}")
        name = written.lower()
        known = FIELDS.get(name)
        if known is None:
            raise FilterProblem(column, _unknown(written))
        operators = _listed(known.operators)
        column, written = self._next(f"Write one of {operators} after {name}.")
        operator = written.lower()
        if operator not in known.operators:
            meant = OTHERS.get(operator)
            if meant in known.operators:
                raise FilterProblem(column, f"Write “{meant}” instead of “{written}”.")
            raise FilterProblem(column, f"“{written}” cannot stand after {name}. Write one of {operators}.")
        if operator == "pr":
            return FilterTerm(name, operator, None)
        column, written = self._next(f"Write a value after “{operator}”. {_value_such_as(name)}")
        return _checked(name, operator, self._value(column, written, name), column)

    def _value(self, column: int, written: str, name: str) -> str:
        if written == '"':
            raise FilterProblem(column, "This text does not end. Write a second quotation mark at its end.")
        if written.startswith('"'):
            return self._unescaped(column, written)
        if FIELDS[name].operators == NUMBERS:
            return written
        if written in ("(", ")", "[", "]"):
            raise FilterProblem(column, f"Write a value here. {_value_such_as(name)}")
        plain = written.strip("'")
        raise FilterProblem(column, f'Write the value between double quotation marks: "{plain}".')

    @staticmethod
    def _unescaped(column: int, written: str) -> str:
        try:
            text = str(json.loads(written))
            check_size(text, "text")
        except ValueError:
            words = 'This text cannot be read. Within a text write \\\\ for a backslash and \\" for a quotation mark.'
            raise FilterProblem(column, words) from None
        return text

    def _peek(self) -> str | None:
        return self.tokens[self.place][1] if self.place < len(self.tokens) else None

    def _next(self, missing: str) -> tuple[int, str]:
        if self.place == len(self.tokens):
            raise FilterProblem(len(self.text.rstrip()) + 1, f"The filter ends too early. {missing}")
        self.place += 1
        return self.tokens[self.place - 1]


def _checked(name: str, operator: str, value: str, column: int) -> FilterTerm:
    """Return the term with its value as it is compared."""
    known = FIELDS[name]
    if known.values:
        wanted = value.casefold()
        for key, label in known.values.items():
            if wanted in (key, label.casefold()):
                allowed = frozenset({key})
                return FilterTerm(name, "eq", allowed if operator == "eq" else frozenset(known.values) - allowed)
        raise FilterProblem(column, f"There is no {name} “{value}”. Write one of {_listed(known.values, quoted=True)}.")
    if known.operators == NUMBERS:
        if not (value.isascii() and value.isdecimal() and len(value) < 19):
            raise FilterProblem(column, f"Write the number of a {name}: {name} {operator} 12.")
        return FilterTerm(name, operator, int(value))
    if known.operators == MOMENTS:
        return FilterTerm(name, operator, _span(value, column))
    if not value.strip():
        raise FilterProblem(column, f"Write a value between the quotation marks, or “not ({name} pr)” for a blank one.")
    return FilterTerm(name, operator, value)


def _span(value: str, column: int) -> Span:
    """Return what a written time covers, in the portal's zone unless it has one of its own."""
    try:
        if _DAY.fullmatch(value):
            start = dt.datetime.strptime(value, "%Y-%m-%d")
            return Span(timezone.make_aware(start), timezone.make_aware(start + dt.timedelta(days=1)))
        moment = parse_datetime(value)
        if moment is not None:
            start = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
            step = dt.timedelta(minutes=1) if _MINUTE.fullmatch(value) else dt.timedelta(microseconds=1)
            return Span(start, start + step)
    except (ValueError, OverflowError):
        pass
    raise FilterProblem(column, 'This is not a time. Write it like "2030-01-31" or "2030-01-31T14:30".')


def _unknown(written: str) -> str:
    if written.lower() in ("and", "or", ")"):
        return f"A comparison is missing before “{written}”. {_such_as()}"
    if written.startswith('"'):
        return f"Write what to compare first. {_such_as()}"
    if written in ("[", "]"):
        return "Brackets of this kind have no use here: a line has one value of each. Write round ones."
    signed = _WITH_SIGN.match(written)
    if signed and signed[1].lower() in FIELDS:
        return f'Write {signed[1]} eq "…", with spaces between the words.'
    close = difflib.get_close_matches(written.lower(), FIELDS, n=1)
    meant = f" Do you mean {close[0]}?" if close else ""
    return f"A line has no “{written}”.{meant} Write one of {_listed(FIELDS)}."


def _such_as() -> str:
    return 'For example: result eq "failed".'


def _value_such_as(name: str) -> str:
    known = FIELDS[name]
    if known.values:
        return f"One of {_listed(known.values, quoted=True)}."
    if known.operators == NUMBERS:
        return "A number."
    return 'A time, such as "2030-01-31".' if known.operators == MOMENTS else "A text between double quotation marks."


def _listed(words: Sequence[str] | dict[str, Any], *, quoted: bool = False) -> str:
    return ", ".join(f'"{word}"' if quoted else word for word in words)
