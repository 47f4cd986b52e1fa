"""A receipt in words: one sentence for the whole, and a line for each account."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.utils import timezone

from directories.models import Directory
from directories.readiness import listed
from provisioning.models import Account
from provisioning.models.accounts import LastResult
from provisioning.receipts.models import Receipt, ReceiptAccount, ReceiptStatus, Seen


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account: its state in a word with a colour, and in ``detail`` what is wrong or comes next."""

    account: ReceiptAccount
    word: str
    colour: str
    detail: str

    @property
    def may_except(self) -> bool:
        """Whether somebody may answer for leaving it open."""
        return not self.account.proven


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """A receipt: the sentence, its colour, and its accounts, those that never were apart."""

    receipt: Receipt
    words: str
    colour: str
    accounts: Sequence[AccountLine]
    never: Sequence[ReceiptAccount]


def lines_of(receipts: Collection[Receipt]) -> list[ReceiptLine]:
    """Return receipts in words; three queries, however many there are."""
    rows: dict[int, list[ReceiptAccount]] = {receipt.pk: [] for receipt in receipts}
    for row in ReceiptAccount.objects.filter(receipt__in=rows).order_by("directory", "pk"):
        rows[row.receipt_id].append(row)
    waiting = [row for each in rows.values() for row in each if not row.proven]
    accounts = Account.objects.in_bulk([row.account_id for row in waiting]) if waiting else {}
    directories = Directory.objects.in_bulk({row.directory_id for row in waiting}) if waiting else {}
    found = []
    for receipt in receipts:
        there = [row for row in rows[receipt.pk] if row.seen != Seen.NEVER]
        never = [row for row in rows[receipt.pk] if row.seen == Seen.NEVER]
        lines = [_line(receipt, row, accounts.get(row.account_id), directories.get(row.directory_id)) for row in there]
        found.append(ReceiptLine(receipt, sentence(receipt, there), _colour(receipt), lines, never))
    return found


def sentence(receipt: Receipt, accounts: Collection[ReceiptAccount]) -> str:
    """Return the whole receipt in a sentence or two; ``accounts`` are those that there were."""
    if receipt.status == ReceiptStatus.CANCELLED:
        return f"Cancelled: {receipt.name} returned on {_moment(receipt.ended_at)}."
    if not accounts:
        done = receipt.status == ReceiptStatus.CLOSED
        return "There was no account to disable." if done else "Looking whether there are accounts."
    proven = [row for row in accounts if row.proven]
    last = max((row.read_at for row in proven if row.read_at), default=None)
    verified = f", verified {_time(last)}" if last else ""
    gone = sum(row.seen == Seen.ABSENT for row in proven)
    word = "disabled" if not gone else "gone" if gone == len(proven) else "disabled or gone"
    said = f"{len(proven)} of {len(accounts)} {word}{verified}."
    if chosen := names(row for row in accounts if row.excepted):
        said += f" Left open by choice: {chosen}."
    if open_ := names(row for row in accounts if not row.done):
        said += f" Still open: {open_}."
    return said


def names(rows: Iterable[ReceiptAccount]) -> str:
    """Name the directories."""
    found = list(dict.fromkeys(row.directory for row in rows))
    return listed(found) if found else ""


def _colour(receipt: Receipt) -> str:
    if receipt.status == ReceiptStatus.CLOSED:
        return "warning" if receipt.late else "success"
    if receipt.status == ReceiptStatus.CANCELLED:
        return "info"
    return "danger" if receipt.unproven else "warning"


def _line(receipt: Receipt, row: ReceiptAccount, account: Account | None, directory: Directory | None) -> AccountLine:
    if row.proven:
        later = f"Deleted after the grace time, seen gone {_moment(row.gone_at)}." if row.gone_at else ""
        later += f" Evidence: row {row.gone_evidence} of the chain." if row.gone_evidence else ""
        return AccountLine(row, "Deleted" if later else str(Seen(row.seen).label), "success", later)
    if row.excepted:
        over = row.until is not None and row.until < timezone.localdate()
        detail = f"{row.owner} answers for it until {row.until}. {row.reason}"
        return AccountLine(row, "Exception ended" if over else "Left open", "danger" if over else "warning", detail)
    if receipt.status != ReceiptStatus.OPEN:
        return AccountLine(row, "Not closed", "info", "")
    if directory is None:
        return AccountLine(row, "Open", "danger", "The directory was removed from the portal. Look there by hand.")
    if directory.unreachable_since:
        retry = f" Next try: {_time(directory.retry_at)}." if directory.retry_at else ""
        since = _moment(directory.unreachable_since)
        return AccountLine(row, "Unreachable", "danger", f"{directory} cannot be reached since {since}.{retry}")
    if not directory.enabled:
        return AccountLine(row, "Open", "danger", f"{directory} is switched off. Switch it on under Directories.")
    if row.seen == Seen.UNCLEAR:
        words = f"{directory} has the account and does not show whether it is enabled. Map Active to what shows it."
        return AccountLine(row, "Not proven", "danger", words)
    if account is not None and account.last_result in (LastResult.PARKED, LastResult.WAITING, LastResult.OPEN):
        return AccountLine(row, "Open", "danger", account.last_message)
    if row.seen == Seen.ACTIVE:
        return AccountLine(row, "Active", "danger", account.last_message if account else "")
    return AccountLine(row, "On its way", "info", "")


def _time(at: dt.datetime | None) -> str:
    """Return the time of day, with the day when it was another one."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    return f"{local:%H:%M:%S}" if local.date() == timezone.localdate() else f"{local:%Y-%m-%d %H:%M:%S}"


def _moment(at: dt.datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}" if at else ""
