"""The text a driver gets: the admin's own, with the parameter marks of its dialect in place of the placeholders."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from directories.attributes import Value
from directories.query_templates.languages import LANGUAGES
from directories.query_templates.scan import Hole, SourceText

_LIKE = {TokenType.LIKE, TokenType.ILIKE}
# PostgreSQL cannot tell the type of a bare parameter given to these; everywhere else it takes the column's type.
_ANY_TYPE = (exp.Concat, exp.ConcatWs, exp.Is, exp.Format)
_ANY_TYPE_NAMES = {"format", "json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array"}


@dataclass(frozen=True, slots=True)
class BoundParameter:
    """One bound parameter. In a LIKE pattern, the wildcards of the value are escaped: it matches only itself."""

    name: str
    like: str = ""  # the characters to escape with a backslash

    def take(self, values: Mapping[str, Value]) -> Value:
        """Return the parameter for ``values``; a missing value is None."""
        value = values.get(self.name)
        if self.like and isinstance(value, str):
            return "".join(f"\\{letter}" if letter in self.like else letter for letter in value)
        return value


class Splice:
    """Puts the parameter marks of a dialect in place of the holes and keeps everything else of the admin's text."""

    def __init__(self, source: SourceText, tree: exp.Expr, labels: Mapping[str, str]) -> None:
        self._source = source
        self._language = LANGUAGES[source.dialect]
        self._labels = labels
        self._slots: list[BoundParameter] = []
        self._untyped = _untyped(source, tree) if not self._language.infers_types else frozenset[str]()

    def render(self) -> tuple[str, tuple[BoundParameter, ...]]:
        """Return the text for the driver and the slots of its parameters in order."""
        pieces: list[str] = []
        offset = 0
        for hole in self._source.holes:
            pieces += [self._language.plain(self._source.text[offset : hole.start]), self._hole(hole)]
            offset = hole.end
        last = self._source.tokens[-1]
        end = last.start if last.token_type == TokenType.SEMICOLON else len(self._source.text)
        pieces.append(self._language.plain(self._source.text[offset:end]))
        return "".join(pieces), tuple(self._slots)

    def _mark(self, name: str, like: str, *, typed: bool = False) -> str:
        self._slots.append(BoundParameter(name, like))
        mark = self._language.parameter(len(self._slots))
        return f"CAST({mark} AS {self._language.typed_text})" if typed else mark

    def _hole(self, hole: Hole) -> str:
        label = self._labels.get(hole.placeholders[0].sentinel)
        if label is not None:
            return f"'{label}'"
        pattern = hole.previous is not None and hole.previous.token_type in _LIKE
        own_escape = hole.following is not None and hole.following.token_type == TokenType.ESCAPE
        like = self._language.wildcards if pattern and not own_escape else ""
        text = self._value(hole, like)
        return f"{text} ESCAPE '\\'" if like and not self._language.escapes_like else text

    def _value(self, hole: Hole, like: str) -> str:
        parts = [*self._parts(hole)]
        if len(parts) == 1:
            item = hole.placeholders[0]
            return self._mark(item.name, like, typed=item.sentinel in self._untyped)
        typed = bool(self._language.typed_text)
        pieces = []
        for text, name in parts:
            if name:
                pieces.append(self._mark(name, like, typed=typed))
            else:
                literal = text.replace("\\", "\\\\") if like and not self._language.escapes_like else text
                closing = hole.quote[-1]
                pieces.append(self._language.plain(f"{hole.quote}{literal}{closing}"))
        joint = self._language.concatenation
        return f"({f' {joint} '.join(pieces)})" if joint else f"CONCAT({', '.join(pieces)})"

    def _parts(self, hole: Hole) -> Iterator[tuple[str, str]]:
        """Yield (literal text, "") and ("", placeholder name) in order; a literal keeps the admin's own escapes."""
        if hole.bare:
            yield "", hole.placeholders[0].name
            return
        offset, end = hole.start + len(hole.quote), hole.end - 1
        for item in hole.placeholders:
            if item.start > offset:
                yield self._source.text[offset : item.start], ""
            yield "", item.name
            offset = item.end
        if end > offset:
            yield self._source.text[offset:end], ""


def _untyped(source: SourceText, tree: exp.Expr) -> frozenset[str]:
    """Return the sentinels whose type PostgreSQL could not infer."""
    words = {item.sentinel for item in source.placeholders}
    found = set()
    for node in tree.find_all(exp.Column, exp.Literal):
        parent = node.parent
        anonymous = isinstance(parent, exp.Anonymous) and parent.name.casefold() in _ANY_TYPE_NAMES
        if node.name in words and (isinstance(parent, _ANY_TYPE) or anonymous):
            found.add(node.name)
    return frozenset(found)
