"""Stored procedures: CALL name(...) and SQL Server's EXEC name ..., which sqlglot keeps as a word and one long text.

The word is blanked out before the statement is read into tokens, so that every position stays true. What follows is
then parsed as the SELECT of a function with these arguments.
"""

import re
from collections.abc import Sequence

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from directories.query_templates.errors import error_at
from directories.query_templates.languages import LANGUAGES

_WORD = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*(CALL|EXECUTE|EXEC)\b(?!\s*\.)", re.IGNORECASE | re.DOTALL)
_NAMED = [TokenType.PARAMETER, TokenType.VAR]  # @name


def without_word(text: str, dialect: str) -> tuple[str, str]:
    """Return the word that runs a procedure, "" without one, and the text with blanks in its place."""
    match = _WORD.match(text)
    if match is None:
        return "", text
    word, wanted = match[1].upper(), LANGUAGES[dialect].procedure
    if not wanted:
        raise error_at(text, match.start(1), "This kind of database has no stored procedures. Write a statement.")
    if word.removesuffix("UTE") != wanted:
        raise error_at(text, match.start(1), f"This kind of database runs a procedure with {wanted}.")
    return word, text[: match.start(1)] + " " * len(word) + text[match.end(1) :]


def as_function(tokens: Sequence[Token], *, bracketed: bool) -> list[Token]:
    """Return the tokens of SELECT name(arguments); ``bracketed``: the arguments stand in brackets already."""
    select = _token(TokenType.SELECT, "SELECT", tokens[0])
    if bracketed:
        return [select, *tokens]
    end = 1
    while end + 1 < len(tokens) and tokens[end].token_type == TokenType.DOT:
        end += 1 if tokens[end + 1].token_type == TokenType.DOT else 2  # db..name
    arguments = [*tokens[end:]]
    closing = [arguments.pop()] if arguments and arguments[-1].token_type == TokenType.SEMICOLON else []
    opened, closed = _token(TokenType.L_PAREN, "(", tokens[-1]), _token(TokenType.R_PAREN, ")", tokens[-1])
    return [select, tokens[end - 1], opened, *_unnamed(arguments), closed, *closing]


def is_call(tree: exp.Expr) -> bool:
    """Return whether the tree is one function and nothing else."""
    if not isinstance(tree, exp.Select) or {name for name, value in tree.args.items() if value} - {
        "expressions",
        "kind",
    }:
        return False
    called = tree.expressions[0] if len(tree.expressions) == 1 else None
    while isinstance(called, exp.Dot):
        called = called.expression
    return isinstance(called, exp.Func)


def _unnamed(tokens: Sequence[Token]) -> list[Token]:
    """Return the arguments without the ``@name =`` before them."""
    found: list[Token] = []
    for token in tokens:
        if token.token_type == TokenType.EQ and [one.token_type for one in found[-2:]] == _NAMED:
            del found[-2:]
        else:
            found.append(token)
    return found


def _token(kind: TokenType, text: str, near: Token) -> Token:
    return Token(kind, text, near.line, near.col, near.start, near.end)
