"""The hash of a plan: over what is to be applied of its rows, in any order, read a page at a time.

What only describes a row (its message) or belongs to its way (its verdict, a password that is taken out once it is
applied) is left out, and so is what only tells where it came from (its number, that of its account, the digest of the
source's row): the same people from another kind of source are the same plan. Departments that the source gives apart
count as well. Members of groups still name accounts by their numbers. What was approved by name and is applied does not
count any more, what was refused does.

Of each row there is the SHA-512 of its fields, which end with U+001F. They are added up, so that the order in which a
source gives its people does not matter, and the hash is the SHA-256 of the sum.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256, sha512
from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from provisioning.contracts.models import PlannedDepartment
from provisioning.imports import facets
from provisioning.models import ImportRun, PlannedChange, PlannedGroup, PlannedMember
from provisioning.models.imports import Verdict

PAGE = 5000
SIZE = 64  # bytes of a SHA-512
CHANGE = ("action", "key", "match_value", "remote_id", "place", "user_id", "has_account", "before_", "after_")
GROUP = ("action", "name", "remote_id", "place", "has_account", "group_id", "before_", "after_")
DEPARTMENT = ("number", "name", "code", "parent", "head", "gone")
MEMBER = ("planned_group_id", "add", "account_id", "group_account_id", "ref", "user_id", "child_id")
BEFORE_AND_AFTER: dict[str, Any] = {"before_": Cast("before", TextField()), "after_": Cast("after", TextField())}


def of(run: ImportRun) -> str:
    """Return the hash of the rows, in hexadecimal."""
    changes = PlannedChange.objects.filter(run=run).exclude(verdict=Verdict.DONE)
    groups = PlannedGroup.objects.filter(run=run)
    if run.rest_applied:
        changes, groups = changes.filter(held=True), groups.filter(held=True)
        members = PlannedMember.objects.filter(planned_group__in=groups.values("pk"), held=True)
    else:
        groups = groups.filter(applied_at=None)
        members = PlannedMember.objects.filter(planned_group__in=groups.values("pk"))
    of_change = changes.annotate(**BEFORE_AND_AFTER, has_account=Q(account_id__isnull=False))
    of_group = groups.annotate(**BEFORE_AND_AFTER, has_account=Q(group_account_id__isnull=False))
    total = 0
    for kind, rows in (
        ("change", of_change.values_list("pk", *CHANGE)),
        ("group", of_group.values_list("pk", *GROUP)),
        ("member", members.values_list("pk", *MEMBER)),
    ):
        for page in _pages(rows):
            total += sum(_number(kind, fields) for _, *fields in page)
    if run.departments_changed:
        ahead = PlannedDepartment.objects.filter(run=run, usable=True, applied_at=None)
        total += sum(_number("department", fields) for fields in ahead.values_list(*DEPARTMENT).iterator())
    return _text(total)


def sealed(run: ImportRun) -> dict[str, Any]:
    """Return what a run keeps of a plan that is complete: its hash, and how many rows there are of each kind."""
    if not (run.planned or run.departments_changed):
        return {"plan_hash": _text(0), "facets": {}}
    return {"plan_hash": of(run), "facets": facets.count(run)}


def _pages(rows: "QuerySet[Any, Any]") -> Iterator[Sequence[tuple[Any, ...]]]:
    last = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk")[:PAGE]):
        last = page[-1][0]
        yield page


def _number(kind: str, fields: Sequence[Any]) -> int:
    text = "\x1f".join([kind, *map(str, fields)])
    return int.from_bytes(sha512(text.encode()).digest())


def _text(total: int) -> str:
    return sha256((total % (1 << 8 * SIZE)).to_bytes(SIZE)).hexdigest()
