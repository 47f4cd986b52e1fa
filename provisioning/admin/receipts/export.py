"""Receipts as CSV: first who asked for what and when, and then a line for each account."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import QuerySet
from django.utils import timezone

from provisioning.admin.receipts.lines import lines_of
from provisioning.receipts.book import product_version
from provisioning.receipts.models import Receipt, ReceiptAccount
from reports import evidence
from reports.csv_lines import MARK, harmless, line_writer

PAGE = 500
COLUMNS = """
Receipt|User name|Name|Employee number|HR's end|HR's time zone|Learnt at|Learnt from|Decision|State|Ended at
|Evidence row|Directory|Account|Lasting id|Sent at|Answer|Seen|Read back at|Exception|Owner|Until
|Deleted at|Evidence row of the deletion
""".replace("\n", "").split("|")


def csv_lines(receipts: QuerySet[Receipt], query: str, actor: str) -> Iterator[str]:
    """Yield the file. The head of the chain that it states can be verified later."""
    line = line_writer()
    rows = ReceiptAccount.objects.filter(receipt__in=receipts.order_by()).count()
    stated = {
        "Query": query,
        "Receipts": str(receipts.order_by().count()),
        "Rows": str(rows),
        "Time zone": timezone.get_current_timezone_name(),
        "Exported at": _time(timezone.now()),
        "Exported by": actor,
        "Product version": product_version(),
        "Evidence head": str(evidence.head()),
    }
    yield MARK + "".join(line([name, harmless(value)]) for name, value in stated.items()) + line([]) + line(COLUMNS)
    last: int | None = None
    while True:
        page = list((receipts.filter(pk__lt=last) if last else receipts).order_by("-pk")[:PAGE])
        if not page:
            return
        last = page[-1].pk
        yield "".join(line([harmless(cell) for cell in cells]) for cells in _cells(page))


def _cells(receipts: list[Receipt]) -> Iterator[list[str]]:
    for found in lines_of(receipts):
        one = found.receipt
        start = [str(one.pk), one.username, one.name, one.employee_number, one.hr_end_there, one.hr_zone]
        start += [_time(one.learnt_at), one.origin, one.decision, one.get_status_display(), _time(one.ended_at)]
        start += [str(one.evidence or "")]
        for row in [*(each.account for each in found.accounts), *found.never]:
            end = [row.directory, row.key, row.remote_id, _time(row.sent_at), row.answer, row.get_seen_display()]
            end += [_time(row.read_at), row.reason, row.owner, str(row.until or "")]
            yield [*start, *end, _time(row.gone_at), str(row.gone_evidence or "")]


def _time(at: dt.datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}" if at else ""
