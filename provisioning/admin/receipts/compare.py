"""HR's list of leavers against the receipts: who is in both, and who is missing on either side."""

import csv
import datetime as dt
import io
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from django.db.models import Q
from django.utils import timezone

from provisioning.models import User
from provisioning.models.people import fold
from provisioning.receipts.models import Receipt

MOST = 20_000
PAGE = 1000
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%dT%H:%M", "%d/%m/%Y")
STILL_ACTIVE, NO_ACCOUNT, NOT_KNOWN = (
    "Still active in the portal.",
    "Inactive in the portal; there was no account to close, or it was closed before receipts were kept.",
    "Not known in the portal.",
)
NO_LIST = "This is no list of people. Save it as CSV, with one person and one date a line: 4711;2030-01-31"


class UnreadableList(Exception):
    """The list cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class HrLine:
    """One person of HR's list."""

    key: str
    end: dt.date


@dataclass(slots=True)
class Comparison:
    """What the two lists say: pairs, those whom only HR has with why, and receipts of people whom HR does not have."""

    both: list[tuple[HrLine, Receipt, int]] = field(default_factory=list)  # days from HR's end until it was learnt
    only_hr: list[tuple[HrLine, str]] = field(default_factory=list)
    only_here: list[Receipt] = field(default_factory=list)


def read(text: str) -> list[HrLine]:
    """Return the lines of HR's list; raise UnreadableList with the line's number."""
    first = text.lstrip("\ufeff\r\n ").partition("\n")[0]
    delimiter = max(";,\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter))
    except csv.Error:
        raise UnreadableList(NO_LIST) from None
    found: list[HrLine] = []
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if any("\0" in cell for cell in cells):
            raise UnreadableList(NO_LIST)
        if not any(cells):
            continue
        end = next((day for cell in cells if (day := _day(cell))), None)
        if end is None and not found:
            continue  # the heading
        key = next((cell for cell in cells if cell and not _day(cell)), "")
        if end is None or not key:
            raise UnreadableList(f"Line {number} has no name or no date. Write the date like 2030-01-31.")
        found.append(HrLine(key, end))
        if len(found) > MOST:
            raise UnreadableList(f"The list has more than {MOST:,} lines. Cut it into shorter spans of time.")
    if not found:
        raise UnreadableList("There is no line with a name and a date. Write one person a line: 4711;2030-01-31")
    return found


def compare(lines: Iterable[HrLine], start: dt.datetime, end: dt.datetime) -> Comparison:
    """Compare the list with the receipts that were opened in the span."""
    result, matched = Comparison(), set()
    lines = [line for line in lines if start.date() <= line.end <= end.date()]
    for page in _pages(lines):
        receipts = _receipts_of(page)
        missing = [line for line in page if fold(line.key) not in receipts]
        why = _why({line.key for line in missing})
        for line in page:
            if receipt := receipts.get(fold(line.key)):
                matched.add(receipt.pk)
                result.both.append((line, receipt, (timezone.localdate(receipt.learnt_at) - line.end).days))
            else:
                result.only_hr.append((line, why.get(fold(line.key), NOT_KNOWN)))
    here = Receipt.objects.filter(learnt_at__gte=start, learnt_at__lt=end).order_by("-pk")
    result.only_here = [receipt for receipt in here[:MOST] if receipt.pk not in matched]
    return result


def _receipts_of(lines: Collection[HrLine]) -> dict[str, Receipt]:
    """Return the newest receipt by each key, be it a number or a name."""
    folded = {fold(line.key) for line in lines}
    spelt = User.objects.filter(username_key__in=folded).values_list("username", flat=True)
    keys = {line.key for line in lines} | folded | set(spelt)
    found: dict[str, Receipt] = {}
    for receipt in Receipt.objects.filter(Q(employee_number__in=keys) | Q(username__in=keys)).order_by("pk"):
        for key in (receipt.employee_number, receipt.username):
            if key:
                found[fold(key)] = receipt
    return found


def _why(keys: Iterable[str]) -> dict[str, str]:
    """Say of people who have no receipt how they stand in the portal."""
    folded = {fold(key) for key in keys}
    users = User.objects.filter(Q(username_key__in=folded) | Q(employee_number__in=keys))
    found: dict[str, str] = {}
    for username, number, active in users.values_list("username", "employee_number", "is_active"):
        for key in (username, number):
            found[fold(key)] = STILL_ACTIVE if active else NO_ACCOUNT
    return found


def _pages(lines: list[HrLine]) -> Iterator[list[HrLine]]:
    for start in range(0, len(lines), PAGE):
        yield lines[start : start + PAGE]


def _day(text: str) -> dt.date | None:
    for written in DATES:
        try:
            return dt.datetime.strptime(text, written).date()
        except ValueError:
            continue
    return None
