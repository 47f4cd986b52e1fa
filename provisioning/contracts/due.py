"""Which people are to be looked at again because their contracts, or what these hang on, changed.

A mark is written in the transaction of the change, so that nothing is lost when whoever made it dies: the tick of the
next minute looks at everybody who is marked.
"""

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from config.database import bulk
from provisioning.contracts import tree
from provisioning.contracts.derive import basis, derive
from provisioning.contracts.models import Department, Employment
from provisioning.models import Account, User

JOINING = dt.timedelta(days=30)  # how far ahead joiners are told


def joining(now: dt.datetime) -> "QuerySet[Employment]":
    """Return the employments of which nothing holds yet and that begin soon."""
    return Employment.objects.filter(active=False, next_change_at__gt=now, next_change_at__lte=now + JOINING)


def mark(user_ids: Collection[int]) -> None:
    """Mark users who have contracts, or had them until now: two statements."""
    if user_ids:
        now = timezone.now()
        rows = [{"user_id": pk, "next_change_at": now, "said": {}} for pk in sorted(user_ids)]
        bulk.insert(Employment, rows, ignore_conflicts=True)
        again(user_ids)


def again(user_ids: Collection[int]) -> None:
    """Mark those of the users who have an employment: one statement."""
    if user_ids:
        Employment.objects.filter(user__in=user_ids).update(next_change_at=timezone.now())


def returned(user_ids: Collection[int]) -> None:
    """Mark users who were restored, as far as sources have contracts of them."""
    mark(_with_contracts(user_ids))


def made_again(user_ids: Collection[int]) -> None:
    """Mark users who got the accounts of deleted people back, as far as sources have contracts of them.

    What these say now is noted first: whoever made the users anew has decided, and only a change from now on counts.
    """
    if here := _with_contracts(user_ids):
        now = timezone.now()
        found = [(one.user.pk, one.active if one.contracts else None) for one in derive(here, basis(now))]
        rows: list[dict[str, Any]] = [
            {"user_id": pk, "active": active, "next_change_at": now, "said": {}} for pk, active in found
        ]
        bulk.insert(Employment, rows, ignore_conflicts=True)
        again(here)


def _with_contracts(user_ids: Collection[int]) -> set[int]:
    here = Account.objects.filter(user__in=user_ids, contracts__isnull=False)
    return {pk for pk in here.values_list("user_id", flat=True) if pk is not None}


def of_managers(source_id: int, refs: Collection[str]) -> None:
    """Mark everybody whose contracts, or the heads of whose departments, are people whom a source shows only now."""
    if refs:
        here = Q(contracts__manager_ref__any_of=refs, directory=source_id, user__isnull=False)
        of(User.objects.none().values("pk"), Account.objects.filter(here).values("user_id"))
        headed = Department.objects.filter(source=source_id, manager_ref__any_of=refs).values_list("pk", flat=True)
        if ids := list(headed):
            below(ids)


def below(department_ids: Collection[int]) -> None:
    """Mark everybody in these departments and below them: the head of one may manage whoever is below."""
    parents = dict(Department.objects.values_list("pk", "parent_id"))
    in_departments(tree.subtree(department_ids, parents))


def in_departments(department_ids: Collection[int]) -> None:
    """Mark everybody with a contract in one of these departments."""
    if department_ids:
        here = Q(contracts__department__in=department_ids)
        people = User.objects.filter(here).values("pk")
        of(people, Account.objects.filter(here, user__isnull=False).values("user_id"))


def of(people: "QuerySet[Any, Any]", through: "QuerySet[Any, Any]") -> None:
    """Mark the users of a query, and those of accounts."""
    Employment.objects.filter(Q(user__in=people) | Q(user__in=through)).update(next_change_at=timezone.now())


def everybody() -> None:
    """Mark everybody who has contracts: the order of contracts, or what follows them, became another."""
    Employment.objects.update(next_change_at=timezone.now())
