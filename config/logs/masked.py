"""Secrets are kept out of every log: one-time links, tokens, passwords, and what exceptions say of values."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from urllib.parse import unquote, urlsplit

MASK = "…"
SHORT = 6  # a setting that is shorter is no secret, but a word that may stand anywhere
_WORDS = (
    r"(?:password|passwd|passphrase|pwd|secret|token|credential|api[-_]?key|cookie|sessionid|authorization)[\w-]{0,40}"
)
_HEADER = r"\b(?:x-[\w-]{0,40}(?:key|token|secret)|api[-_]?key)"
_VALUE = r"(?:\"[^\"]*\"?|'[^']*'?|[^\s,;&)}\]]+)"
PATTERNS = [
    (re.compile(r"(/welcome/[^/\s]+/)[^/?#\s\"']+"), rf"\1{MASK}"),  # one-time links
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {MASK}"),
    (re.compile(r"(?i)(authorization\s*[=:]\s*)(?![\s\"']|bearer\b|basic\b)[^\r\n]+"), rf"\1{MASK}"),
    (re.compile(rf"(?i)({_HEADER}\s*:\s*)(?![\s\"'])[^\r\n]+"), rf"\1{MASK}"),  # whose value may hold blanks
    (re.compile(rf"(?i)({_WORDS}[\"']?\s*[=:]+\s*){_VALUE}"), rf"\1{MASK}"),
    (re.compile(r"(?i)([?&](?:code|state|key|sig|signature)=)[^&\s\"']+"), rf"\1{MASK}"),
    (re.compile(r"(://[^/\s:@]*:)[^/\s]+@"), rf"\1{MASK}@"),  # the password of an address
    (re.compile(r"(://[^/\s:@]*:)(?!\d{1,5}[/?#])\S{1,256}@"), rf"\1{MASK}@"),  # one with a slash in it; no port
    (re.compile(r"(?i)(https?://)[^/\s:@?#]+@"), rf"\1{MASK}@"),  # a token in the place of the name
    (re.compile(r"\b((?:rollcall_push|rollcall_api|whsec)_)[\w+/=-]+"), rf"\1{MASK}"),
    (re.compile(r"(\([\w\", ]+\)=)\(.*"), rf"\1{MASK}"),  # PostgreSQL's: Key (name)=(value) already exists.
    (re.compile(r"(?s)(\[parameters: ).*"), rf"\1{MASK}]"),  # SQLAlchemy's
]
_SETTING = re.compile(r"SECRET|PASSWORD|TOKEN|ENCRYPTION_KEYS")


def mask(text: str) -> str:
    """Return the text with "…" in place of each secret."""
    own = own_secrets()
    if own is not None:
        text = own.sub(MASK, text)
    for pattern, words in PATTERNS:
        text = pattern.sub(words, text)
    return text


def message(record: logging.LogRecord) -> str:
    """Return what a record says, without secrets and without the words of an exception, which may hold values.

    What a malformed call was to log is shown as it stands, masked.
    """
    try:
        text = _without_exceptions(record).getMessage()
    except Exception:
        text = _as_it_stands(record)
    for error in chain(record.exc_info[1] if record.exc_info else None):
        for words in (repr(error), str(error)):
            if len(words) >= SHORT:
                text = text.replace(words, type(error).__name__)
    return mask(text)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an exception and those that it came of."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@cache
def own_secrets() -> re.Pattern[str] | None:
    """Return what finds the portal's own secrets, which are settings: None when there are none."""
    found = sorted(_secrets(os.environ), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, found))) if found else None


def _secrets(settings: Mapping[str, str]) -> set[str]:
    found = set[str]()
    for name, value in settings.items():
        if _SETTING.search(name):
            found |= {value, *(part.strip() for part in value.split(","))}
        elif name.endswith("_URL"):
            with suppress(ValueError):
                password = urlsplit(value).password or ""
                found |= {password, unquote(password)}
    return {secret for secret in found if len(secret) >= SHORT}


def _without_exceptions(record: logging.LogRecord) -> logging.LogRecord:
    """Return the record with the names of exceptions in place of the exceptions that it was to show."""
    if not isinstance(record.args, tuple) or not any(isinstance(value, BaseException) for value in record.args):
        return record
    args = tuple(type(value).__name__ if isinstance(value, BaseException) else value for value in record.args)
    return logging.makeLogRecord({**record.__dict__, "args": args})


def _as_it_stands(record: logging.LogRecord) -> str:
    with suppress(Exception):
        return f"{record.msg} {record.args!r}"
    return f"The log call in line {record.lineno} of {record.filename} cannot be shown."
