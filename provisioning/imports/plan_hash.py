"""The SHA-256 of a plan: over what is to be applied of its rows, in their order, read a page at a time.

What only describes a row (its message) or belongs to its way (its verdict, a password that is taken out once it is
applied) is left out; the digest of the source's row is in it. What was approved by name and is applied does not count
any more, what was refused does. Fields end with U+001F and rows with U+001E.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from provisioning.imports import facets
from provisioning.models import ImportRun, PlannedChange, PlannedGroup, PlannedMember
from provisioning.models.imports import Verdict

PAGE = 5000
CHANGE = ("action", "key", "match_value", "remote_id", "place", "user_id", "account_id", "before_", "after_", "digest")
GROUP = ("action", "name", "remote_id", "place", "group_account_id", "group_id", "before_", "after_", "digest")
MEMBER = ("planned_group_id", "add", "account_id", "group_account_id", "ref", "user_id", "child_id")
BEFORE_AND_AFTER: dict[str, Any] = {"before_": Cast("before", TextField()), "after_": Cast("after", TextField())}


def of(run: ImportRun) -> str:
    """Return the hash of the rows, in hexadecimal."""
    digest = sha256()
    changes = PlannedChange.objects.filter(run=run).exclude(verdict=Verdict.DONE)
    groups = PlannedGroup.objects.filter(run=run)
    if run.rest_applied:
        changes, groups = changes.filter(held=True), groups.filter(held=True)
        members = PlannedMember.objects.filter(planned_group__in=groups.values("pk"), held=True)
    else:
        groups = groups.filter(applied_at=None)
        members = PlannedMember.objects.filter(planned_group__in=groups.values("pk"))
    with_digest = {**BEFORE_AND_AFTER, "digest": KT("row__digest")}
    for rows in (
        changes.annotate(**with_digest).values_list("pk", *CHANGE),
        groups.annotate(**with_digest).values_list("pk", *GROUP),
        members.values_list("pk", *MEMBER),
    ):
        for page in _pages(rows):
            text = "\x1e".join(["\x1f".join(map(str, row)) for row in page])
            digest.update(text.encode())
            digest.update(b"\x1e")
    return digest.hexdigest()


def sealed(run: ImportRun) -> dict[str, Any]:
    """Return what a run keeps of a plan that is complete: its hash, and how many rows there are of each kind."""
    if not run.planned:
        return {"plan_hash": sha256().hexdigest(), "facets": {}}
    return {"plan_hash": of(run), "facets": facets.count(run)}


def _pages(rows: "QuerySet[Any, Any]") -> Iterator[Sequence[tuple[Any, ...]]]:
    last = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk")[:PAGE]):
        last = page[-1][0]
        yield page
