"""What rules give, written with a page of a plan: the grants and the memberships; values and accounts go their own way.

Values are part of the plan itself. Accounts follow from the grants, when the people are enqueued (see ``scope``).
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.utils import timezone

from provisioning.contracts.models import Contract
from provisioning.guard import ledger
from provisioning.guard.losses import LossKind
from provisioning.identities import membership
from provisioning.imports.runs import caused_by
from provisioning.imports.users.plan import GRANTS, Planned
from provisioning.models import ImportRun
from provisioning.models.imports import Door
from provisioning.rules import services as rules
from provisioning.rules.difference import ADD, REMOVE
from provisioning.rules.models import Entitlement, EntitlementKind, Granted

ACCOUNT = "account"  # the scope of the ledger in which lost accounts are counted
WHY = {Door.RULES: " by a rule", Door.UNDO: ", because what a rule did was undone"}


def closes_accounts(change: Planned) -> bool:
    """Return whether the person loses an account by a rule."""
    steps = change.row.get(GRANTS, ())
    return any(step["op"] == REMOVE and step["kind"] == EntitlementKind.ACCOUNT for step in steps)


def write(run: ImportRun, changes: Sequence[Planned]) -> int:
    """Write what a page grants and takes away, in the caller's transaction; return how many memberships were erased.

    A fixed number of statements, whatever the number of people and of groups.
    """
    steps = [(change.user_id or 0, step) for change in changes for step in change.row.get(GRANTS, ())]
    if not steps:
        return 0
    there = set(
        Entitlement.objects.filter(pk__in={step["entitlement"] for _, step in steps}).values_list("pk", flat=True)
    )
    contracts = {step["contract"] for _, step in steps} - {None}
    known = set(Contract.objects.filter(pk__in=contracts).values_list("pk", flat=True))
    given: list[Granted] = []
    taken: list[Granted] = []
    for user, step in steps:
        if step["entitlement"] in there:
            (taken if step["op"] == REMOVE else given).append(_row(user, step, known))
    gone = Q()
    by_entitlement: dict[int, list[int]] = {}
    for row in taken:
        by_entitlement.setdefault(row.entitlement_id or 0, []).append(row.user_id)
    for entitlement, users in by_entitlement.items():
        gone |= Q(entitlement=entitlement, user__in=users)
    if by_entitlement:
        Granted.objects.filter(gone).delete()
        rules.purge()
    Granted.objects.bulk_create(
        given,
        update_conflicts=True,
        unique_fields=["user", "entitlement"],
        update_fields=["contract", "value", "before", "wins", "begins_at"],
        batch_size=1000,
    )
    joining = [(step["group"], user) for user, step in steps if step["member"] and step["op"] == ADD]
    leaving = [(step["group"], user) for user, step in steps if step["member"] and step["op"] == REMOVE]
    why = WHY.get(Door(run.door), "")
    _, left = membership.change_pairs(joining, leaving, caused_by(run), why=why, run_id=run.pk, cleared=True)
    lost = sum(closes_accounts(change) for change in changes)
    ledger.record(run.door, None, {(LossKind.OFF, ACCOUNT): lost}, agreed=run.approved)
    return len(left)


def _row(user: int, step: dict[str, Any], contracts: set[int]) -> Granted:
    return Granted(
        user_id=user,
        entitlement_id=step["entitlement"],
        directory_id=step["directory"],
        contract_id=step["contract"] if step["contract"] in contracts else None,
        value=step["value"],
        before=step["before"],
        wins=step["wins"],
        begins_at=dt.datetime.fromisoformat(step["begins"]) if step.get("begins") else None,
        since=timezone.now(),
    )
