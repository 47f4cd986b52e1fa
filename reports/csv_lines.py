"""Lines of CSV that are streamed and safe to open in a spreadsheet."""

import csv
from collections.abc import Callable, Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # how a formula begins
MARK = "\ufeff"  # the byte order mark at the beginning of a file, by which Excel knows UTF-8


class _Echo:
    """A file for csv.writer that hands back what is given to it."""

    def write(self, text: str) -> str:
        return text


def line_writer() -> Callable[[Sequence[Any]], str]:
    """Return what makes a line of cells; each file needs its own."""
    return csv.writer(_Echo()).writerow  # it returns what write() does


def harmless(value: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula (OWASP: a leading apostrophe)."""
    return f"'{value}" if value.startswith(FORMULA) else value
