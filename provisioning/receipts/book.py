"""The book of receipts: opened, filled, ended. A page of leavers costs a fixed number of queries.

A receipt is opened in the transaction in which accounts are enqueued, and accounts are filled in that of the outbound
results. It ends in a transaction of its own (``settle``), which also appends to the chain of evidence: that lock is
held for a moment only. So does a deletion after that (``tell_gone``). A worker that dies before it leaves both to the
next sweep.
"""

import datetime as dt
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from config.database import bulk
from directories.config import record_sources
from provisioning.contracts.derive import ends_of
from provisioning.models import Account, User
from provisioning.models.outbox import AccountState
from provisioning.receipts.models import LATE, PROVEN, Receipt, ReceiptAccount, ReceiptStatus, Seen
from reports import evidence
from reports.models import EvidenceKind

PAGE = 500
PROJECT = Path(__file__).parents[2] / "pyproject.toml"
UNPROVEN = ~Q(seen__in=PROVEN) & Q(owner="")


@dataclass(frozen=True, slots=True)
class Proof:
    """What a worker did to the account of a leaver, and what it saw after that.

    ``sent_at`` is when the directory was told, None when it had nothing to do; ``answer`` says in words what it was
    told. ``seen`` is what a look at it showed at ``read_at``.
    """

    seen: Seen
    read_at: dt.datetime
    sent_at: dt.datetime | None = None
    answer: str = ""
    remote_id: str = ""


@cache
def product_version() -> str:
    """Return the version of the portal, as its pyproject.toml has it."""
    project: dict[str, str] = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    return project["version"]


def begin(account_ids: Collection[int], decision: str, origin: str) -> None:
    """Open receipts for the users of accounts that are to close, or add these accounts to those that are open.

    Needs a transaction. Accounts that are known to be gone prove nothing and are left out, and so are records of
    sources, which are no accounts.
    """
    columns = ("pk", "user_id", "directory_id", "directory__name", "key", "remote_id", "state")
    there = Account.objects.filter(pk__any_id=account_ids, user__isnull=False).exclude(state=AccountState.ABSENT)
    accounts = list(there.exclude(directory__in=record_sources()).order_by("user_id", "pk").values_list(*columns))
    receipts = _open({user for _, user, *_ in accounts}, decision, origin)
    bulk.insert(
        ReceiptAccount,
        [
            {
                "receipt_id": receipts[user],
                "account_id": pk,
                "directory_id": directory_id,
                "directory": directory,
                "key": key,
                "remote_id": remote_id,
                "before": state,
            }
            for pk, user, directory_id, directory, key, remote_id, state in accounts
            if user in receipts
        ],
        ignore_conflicts=True,
    )


def _open(user_ids: Collection[int], decision: str, origin: str) -> dict[int, int]:
    """Return the open receipt of each user; those that exist are locked, so that none ends meanwhile."""
    if not user_ids:
        return {}
    found = _locked(user_ids)
    fresh = User.objects.filter(pk__in=set(user_ids) - set(found)).select_related("employment").order_by("pk")
    users = list(fresh) if len(found) < len(user_ids) else []
    ends = ends_of([user.pk for user in users if hasattr(user, "employment")])
    common = {"decision": decision[:64], "origin": origin[:255], "version": product_version()}
    rows = [
        {
            **common,
            "user_id": user.pk,
            "username": user.username,
            "name": user.get_full_name()[:310],
            "employee_number": user.employee_number,
            "manager_id": user.manager_id,
            "hr_end": ends[user.pk][0] if user.pk in ends else None,
            "hr_zone": ends[user.pk][1] if user.pk in ends else "",
        }
        for user in users
    ]
    if rows:
        made = bulk.insert_returning(Receipt, rows, ignore_conflicts=True)
        if len(made) == len(rows):
            return found | {user.pk: pk for user, pk in zip(users, made, strict=True)}
        found = _locked(user_ids)  # another transaction has opened some of them
    return found


def _locked(user_ids: Collection[int]) -> dict[int, int]:
    opened = Receipt.objects.filter(user_id__in=user_ids, status=ReceiptStatus.OPEN).order_by("pk")
    return dict(opened.select_for_update(no_key=True).values_list("user_id", "pk"))


def unproven(account_ids: Collection[int]) -> set[int]:
    """Return those of the accounts that an open receipt waits for."""
    rows = ReceiptAccount.objects.filter(UNPROVEN, account_id__in=account_ids, receipt__status=ReceiptStatus.OPEN)
    return set(rows.values_list("account_id", flat=True))


def record(proofs: Mapping[int, Proof]) -> None:
    """Write what became of accounts (by id) into their open receipts, in the transaction of the results."""
    if not proofs:
        return
    waiting = ReceiptAccount.objects.filter(account_id__in=proofs, receipt__status=ReceiptStatus.OPEN).order_by("pk")
    rows = list(waiting.select_for_update(of=("self",), no_key=True))
    for row in rows:
        proof = proofs[row.account_id]
        row.seen, row.read_at = proof.seen, proof.read_at
        if row.seen == Seen.ABSENT and row.before == AccountState.PENDING and not row.sent_at and not proof.sent_at:
            row.seen = Seen.NEVER
        row.sent_at, row.answer = row.sent_at or proof.sent_at, proof.answer or row.answer
        row.remote_id = row.remote_id or proof.remote_id
    bulk.update(rows, ["seen", "read_at", "sent_at", "answer", "remote_id"])
    _settle_on_commit({row.receipt_id for row in rows})
    gone = [pk for pk, proof in proofs.items() if proof.seen == Seen.ABSENT and proof.sent_at]
    if gone:
        later = ReceiptAccount.objects.filter(account_id__in=gone, seen=Seen.DISABLED, gone_at=None)
        if later.exclude(receipt__status=ReceiptStatus.OPEN).update(gone_at=timezone.now()):
            transaction.on_commit(tell_gone, robust=True)


def returned(user_ids: Collection[int]) -> None:
    """End the open receipts of users who are back, in the transaction in which that is seen."""
    back = Receipt.objects.filter(user_id__in=user_ids, status=ReceiptStatus.OPEN).order_by("pk")
    if ids := list(back.select_for_update(no_key=True).values_list("pk", flat=True)):
        Receipt.objects.filter(pk__in=ids).update(status=ReceiptStatus.CANCELLED, ended_at=timezone.now())
        _settle_on_commit(ids)


def leave_open(account: ReceiptAccount, reason: str, owner: str, until: dt.date, actor: str) -> bool:
    """Note that an account stays open by somebody's choice; False when it is closed by now."""
    with transaction.atomic():
        rows = ReceiptAccount.objects.filter(pk=account.pk, receipt__status=ReceiptStatus.OPEN).exclude(seen__in=PROVEN)
        said = f"{reason} ({actor})"[:255]
        if not rows.update(reason=said, owner=owner[:255], until=until):
            return False
        _settle_on_commit([account.receipt_id])
    return True


def sweep() -> None:
    """End what nobody ended: receipts of users who are back, and those whose worker died just before the end."""
    active = User.objects.filter(pk=OuterRef("user_id"), is_active=True, provisioned=True)
    back = Receipt.objects.filter(Exists(active), status=ReceiptStatus.OPEN)
    with transaction.atomic():
        returned(list(back.values_list("user_id", flat=True)[:PAGE]))
    settle()
    tell_gone()


def settle(receipt_ids: Collection[int] | None = None) -> None:
    """End the receipts of which every account is done, and append them, and those that were cancelled, to the chain."""
    waits = ReceiptAccount.objects.filter(UNPROVEN, receipt=OuterRef("pk"))
    some = Receipt.objects.filter(evidence=None).filter(~Q(status=ReceiptStatus.OPEN) | ~Exists(waits))
    if receipt_ids is not None:
        some = some.filter(pk__in=receipt_ids)
    while True:
        with transaction.atomic():
            receipts = list(some.order_by("pk").select_for_update()[:PAGE])
            ended = _end(receipts) if receipts else 0
        if ended < PAGE:
            return


def _end(receipts: Sequence[Receipt]) -> int:
    """End receipts that are locked, as far as that is still right now, and return how many were."""
    accounts: dict[int, list[ReceiptAccount]] = {receipt.pk: [] for receipt in receipts}
    for account in ReceiptAccount.objects.filter(receipt__in=receipts).order_by("directory", "pk"):
        accounts[account.receipt_id].append(account)
    now = timezone.now()
    ended = []
    for receipt in receipts:
        if receipt.status == ReceiptStatus.OPEN:
            if not all(account.done for account in accounts[receipt.pk]):
                continue
            receipt.status, receipt.ended_at = ReceiptStatus.CLOSED, now
        receipt.late = (receipt.ended_at or now) - receipt.learnt_at > LATE
        ended.append(receipt)
    rows = evidence.append_many(EvidenceKind.RECEIPT, [told(each, accounts[each.pk]) for each in ended])
    for receipt, row in zip(ended, rows, strict=True):
        receipt.evidence = row
    bulk.update(ended, ["status", "ended_at", "late", "evidence"])
    return len(ended)


def tell_gone() -> None:
    """Append the deletions of accounts that had been disabled to the chain, each after the row of its receipt."""
    ended = ReceiptAccount.objects.filter(receipt__evidence__isnull=False)
    untold = ended.filter(gone_at__isnull=False, gone_evidence__isnull=True).select_related("receipt").order_by("pk")
    while True:
        with transaction.atomic():
            accounts = list(untold.select_for_update(of=("self",), no_key=True)[:PAGE])
            rows = evidence.append_many(EvidenceKind.RECEIPT, [_told_gone(account) for account in accounts])
            for account, row in zip(accounts, rows, strict=True):
                account.gone_evidence = row
            bulk.update(accounts, ["gone_evidence"])
        if len(accounts) < PAGE:
            return


def _told_gone(account: ReceiptAccount) -> dict[str, Any]:
    """Return a later deletion as the chain of evidence has it; ``proven_by`` is the row of the receipt."""
    receipt = account.receipt
    return {
        "receipt": receipt.pk,
        "proven_by": receipt.evidence,
        **{name: getattr(receipt, name) for name in ("user_id", "username", "name", "employee_number")},
        "deleted": {name: getattr(account, name) for name in ("directory", "key", "remote_id", "read_at", "gone_at")},
    }


def told(receipt: Receipt, accounts: Sequence[ReceiptAccount]) -> dict[str, Any]:
    """Return a receipt as the chain of evidence has it."""
    names = ("user_id", "username", "name", "employee_number", "hr_end", "hr_zone", "learnt_at", "origin", "decision")
    fields = (
        "directory",
        "key",
        "remote_id",
        "before",
        "sent_at",
        "answer",
        "seen",
        "read_at",
        "reason",
        "owner",
        "until",
    )
    return {
        "receipt": receipt.pk,
        **{name: getattr(receipt, name) for name in (*names, "version", "status", "ended_at")},
        "accounts": [{name: getattr(account, name) for name in fields} for account in accounts],
    }


def _settle_on_commit(receipt_ids: Collection[int]) -> None:
    if receipt_ids:
        transaction.on_commit(lambda: settle(receipt_ids), robust=True)
