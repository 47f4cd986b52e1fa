"""The columns of a users file: the profile attributes and the custom profile attributes, by their names.

A file may also name them by their labels, in any case and order, and leave columns out.
"""

import datetime as dt
import difflib
from collections.abc import Sequence
from typing import Any

from directories.attributes import Kind, PortalAttribute, Type
from provisioning.models.people import fold
from provisioning.profile.person import catalogue
from reports.csv_lines import FORMULA

KINDS = (Kind.PROFILE, Kind.CUSTOM_PROFILE)
PASSWORD = "password"  # set in directories; no export ever has it


class FileProblem(ValueError):
    """The file as a whole cannot be used; the text says why, for the page."""


def columns() -> dict[str, PortalAttribute]:
    """Return every column by name, in order, in one query."""
    return {name: attribute for (kind, name), attribute in catalogue().items() if kind in KINDS}


def match(headers: Sequence[Any], known: dict[str, PortalAttribute]) -> list[str]:
    """Return the column name of each header; raise FileProblem on an unknown, blank or double one."""
    by_words = {_words(name): name for name in (*known, PASSWORD)}
    by_words |= {_words(one.label): one.name for one in known.values()}
    found: list[str] = []
    for position, header in enumerate(headers, 1):
        words = _words(str(header or ""))
        if not words:
            raise FileProblem(f"Column {position} has no heading in the first line.")
        name = by_words.get(words)
        if name is None:
            near = difflib.get_close_matches(words, list(by_words), n=1)
            hint = f' Did you mean "{by_words[near[0]]}"?' if near else f" The columns are: {', '.join(known)}."
            raise FileProblem(f'There is no column "{header}".{hint}')
        if name in found:
            raise FileProblem(f'The column "{name}" is there twice.')
        found.append(name)
    if "username" not in found:
        raise FileProblem('The column "username" is missing: it says who each line is about.')
    return found


def read(cell: Any) -> Any:
    """Return a cell as it was meant: without the mark that ``harmless`` puts before what looks like a formula."""
    if isinstance(cell, str) and cell[:1] == "'" and cell[1:].startswith(FORMULA):
        return cell[1:]
    return cell


def write(attribute: PortalAttribute, value: Any) -> Any:
    """Return a value of the portal as a cell: text, a number, or blank."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and attribute.type == Type.NUMBER:
        return value
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _words(text: str) -> str:
    return fold(text).replace("_", " ").replace("-", " ").removesuffix(" (user name)")
