"""Where the placeholders of a template stand in the admin's own text.

Each ``##NAME##`` is replaced by an ordinary word of the same length before sqlglot reads the statement, because ``#``
means something else in every dialect (in MySQL it starts a comment). The same length keeps every position true, so that
an error names the admin's own line and column and so that the text around a placeholder is kept letter by letter.
"""

import itertools
import re
import string
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from directories.query_templates.errors import TemplateError, error_at
from directories.query_templates.languages import LANGUAGES
from directories.query_templates.procedures import without_word

PLACEHOLDER = re.compile(r"##(\w[\w.-]*)##")
MAX_LENGTH = 20_000  # characters; far above any sensible statement, and it bounds the parser's work
_DIGITS = string.digits + string.ascii_lowercase
# None of these letters has a meaning after a backslash in any dialect.
_PREFIXES = ["".join(pair) for pair in itertools.product("qjkwyi", string.ascii_lowercase)]
_TEXT_TOKENS = {TokenType.STRING, TokenType.NATIONAL_STRING}
_CURLY = {"‘": "'", "’": "'", "“": '"', "”": '"', "´": "'"}


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One ``##NAME##``: its span in the text, and the word that stands for it while sqlglot reads the statement."""

    name: str
    start: int
    end: int
    sentinel: str


@dataclass(frozen=True, slots=True)
class Hole:
    """The part of the text that bound values take the place of: a bare placeholder or a whole quoted literal.

    ``quote`` is how a literal begins (a quote, or ``N'``) and "" for a bare placeholder; ``previous`` and ``following``
    are the tokens around it.
    """

    start: int
    end: int
    quote: str
    placeholders: tuple[Placeholder, ...]
    previous: Token | None
    following: Token | None

    @property
    def alone(self) -> bool:
        """Whether one placeholder fills it."""
        first = self.placeholders[0]
        return (self.start + len(self.quote), self.end - bool(self.quote)) == (first.start, first.end)

    @property
    def bare(self) -> bool:
        """Whether the placeholder stands outside quotes."""
        return not self.quote


@dataclass(frozen=True, slots=True)
class SourceText:
    """A template read into tokens: the admin's text, the same text with sentinels, tokens, placeholders and holes.

    ``procedure`` is the word with which a procedure is run; it is blank in ``masked`` and no token.
    """

    text: str
    masked: str
    dialect: str
    procedure: str
    tokens: tuple[Token, ...]
    placeholders: tuple[Placeholder, ...]
    holes: tuple[Hole, ...]

    def unmask(self, text: str) -> str:
        """Return ``text`` with the sentinels turned back into placeholders."""
        for placeholder in self.placeholders:
            text = text.replace(placeholder.sentinel, f"##{placeholder.name}##")
        return text

    def error(self, offset: int, message: str) -> TemplateError:
        """Return the error for what stands at ``offset``."""
        return error_at(self.text, offset, message)


def scan(text: str, dialect: str) -> SourceText:
    """Read ``text`` into tokens and holes; raise TemplateError where a placeholder stands where no value can."""
    if len(text) > MAX_LENGTH:
        raise TemplateError(f"The statement is longer than {MAX_LENGTH:,} characters.")
    if "\x00" in text:
        raise error_at(text, text.index("\x00"), "The statement holds a NUL character; remove it.")
    placeholders = _placeholders(text)
    masked = list(text)
    for placeholder in placeholders:
        masked[placeholder.start : placeholder.end] = placeholder.sentinel
    procedure, source = without_word("".join(masked), dialect)
    tokens = _tokens(text, source, dialect)
    _refuse_strays(text, source, dialect, tokens)
    return SourceText(
        text, source, dialect, procedure, tokens, placeholders, _holes(text, dialect, placeholders, tokens)
    )


def _placeholders(text: str) -> tuple[Placeholder, ...]:
    lowered = text.casefold()
    prefix = next((prefix for prefix in _PREFIXES if prefix not in lowered), None)
    if prefix is None:
        raise TemplateError("The statement is too long to be read; shorten it.")
    found = []
    for index, match in enumerate(PLACEHOLDER.finditer(text)):
        length = match.end() - match.start() - len(prefix)
        # The number comes first, so that no sentinel is the beginning of another.
        sentinel = prefix + _base36(index).rjust(3, "0").ljust(length, "z")
        found.append(Placeholder(match[1], match.start(), match.end(), sentinel))
    return tuple(found)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def _tokens(text: str, masked: str, dialect: str) -> tuple[Token, ...]:
    try:
        return tuple(sqlglot.tokenize(masked, read=dialect))
    except SqlglotError:
        offset = _unclosed(masked)
        raise error_at(text, offset, "A quote, bracket or comment is opened here and not closed.") from None


def _unclosed(masked: str) -> int:
    """Return the offset of the last quote that no other closes, or 0."""
    opened: tuple[str, int] | None = None
    for offset, character in enumerate(masked):
        if opened is None and character in "'\"`":
            opened = (character, offset)
        elif opened is not None and character == opened[0]:
            opened = None
    return opened[1] if opened else max(masked.rfind("/*"), 0)


def _gaps(masked: str, tokens: tuple[Token, ...]) -> list[tuple[int, int]]:
    """Return the spans between the tokens: white space and comments."""
    edges = [0, *itertools.chain.from_iterable((token.start, token.end + 1) for token in tokens), len(masked)]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _refuse_strays(text: str, masked: str, dialect: str, tokens: tuple[Token, ...]) -> None:
    """Refuse what reads like a placeholder or a quote but is none, and MySQL's comments that the server runs."""
    for start, end in _gaps(masked, tokens):
        run = re.search(r"/\*M?!", masked[start:end]) if LANGUAGES[dialect].runs_comments else None
        if run:
            raise error_at(text, start + run.start(), "MySQL runs what stands in a /*! comment; remove it.")
    for token in tokens:
        word = masked[token.start : token.end + 1]
        curly = next((offset for offset, character in enumerate(word) if character in _CURLY), None)
        if curly is not None and token.token_type == TokenType.VAR:
            straight = _CURLY[word[curly]]
            raise error_at(
                text, token.start + curly, f"This is a curly quote ({word[curly]}); write {straight} instead."
            )
        if "##" in word or (token.token_type == TokenType.HASH and masked[token.start + 1 : token.start + 2] == "#"):
            offset = token.start + max(word.find("##"), 0)
            message = "## begins a placeholder, and a placeholder is ##NAME## with letters, digits, _ . - in its name."
            raise error_at(text, offset, message)


def _holes(
    text: str, dialect: str, placeholders: tuple[Placeholder, ...], tokens: tuple[Token, ...]
) -> tuple[Hole, ...]:
    holes: list[Hole] = []
    waiting = list(placeholders)
    for index, token in enumerate(tokens):
        inside = [item for item in waiting if token.start <= item.start and item.end <= token.end + 1]
        if not inside:
            continue
        waiting = [item for item in waiting if item not in inside]
        around: Any = (
            tokens[index - 1] if index else None,
            tokens[index + 1] if index + 1 < len(tokens) else None,
        )
        holes.append(_hole(text, token, tuple(inside), *around, escapes=LANGUAGES[dialect].backslashes))
    if waiting:
        raise error_at(text, waiting[0].start, f"##{waiting[0].name}## stands in a comment; remove it there.")
    return tuple(holes)


def _hole(
    text: str,
    token: Token,
    inside: tuple[Placeholder, ...],
    previous: Token | None,
    following: Token | None,
    *,
    escapes: bool,  # whether a backslash in a literal makes something else of the letter after it
) -> Hole:
    start, end = token.start, token.end + 1
    name, offset = inside[0].name, inside[0].start
    if token.token_type in _TEXT_TOKENS:
        quote = text[start : start + 1]
        quote = text[start : start + 2] if quote in "nN" else quote
        for item in inside if escapes else ():
            before = text[start : item.start]
            if (len(before) - len(before.rstrip("\\"))) % 2:
                raise error_at(text, item.start - 1, f"Double the backslash right before ##{item.name}##.")
        return Hole(start, end, quote, inside, previous, following)
    if token.token_type == TokenType.IDENTIFIER:
        raise error_at(
            text, offset, f"##{name}## stands in a quoted name; a value goes in single quotes: '##{name}##'."
        )
    if (start, end) == (inside[0].start, inside[0].end):
        return Hole(start, end, "", inside, previous, following)
    if token.token_type == TokenType.VAR:
        raise error_at(text, offset, f"##{name}## is joined to a word; a value can stand only by itself or in quotes.")
    raise error_at(text, offset, f"##{name}## can stand only by itself or in an ordinary '...' literal.")
