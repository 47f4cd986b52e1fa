"""Whether a plan puts somebody into a privileged group: a person decides about that, and no program."""

from collections.abc import Collection

from django.db.models import Q, QuerySet

from config.database import keyset
from provisioning.groups import nesting
from provisioning.imports.decisions import OVER
from provisioning.imports.users.plan import GRANTS
from provisioning.models import GroupAccount, ImportRun, Membership, PlannedChange, PlannedMember
from provisioning.models.imports import Action
from provisioning.rules.difference import ADD

PAGE = 2000  # rows of a plan that are read at a time


def elevates(run: ImportRun) -> bool:
    """Return whether what is left of a plan adds to a privileged group, or to one that is nested in such a group."""
    privileged = nesting.leading_to_privileged()
    return bool(privileged) and (
        _by_members(run, privileged) or _by_merging(run, privileged) or _by_grants(run, privileged)
    )


def _by_members(run: ImportRun, privileged: Collection[int]) -> bool:
    accounts = GroupAccount.objects.filter(group__in=privileged).values("pk")
    into = Q(planned_group__group_id__in=privileged) | Q(planned_group__group_account_id__in=accounts)
    rows = PlannedMember.objects.filter(into, planned_group__run=run, add=True)
    rows = rows.exclude(planned_group__verdict__in=OVER)
    return (rows.filter(held=True) if run.rest_applied else rows).exists()


def _by_merging(run: ImportRun, privileged: Collection[int]) -> bool:
    """Return whether somebody goes whose memberships whoever stays gets."""
    going = _rows(run).filter(action=Action.MERGE).values("user_id")
    return Membership.objects.filter(group__in=privileged, user__in=going).exists()


def _by_grants(run: ImportRun, privileged: Collection[int]) -> bool:
    return any(
        step["op"] == ADD and step["member"] and step["group"] in privileged
        for page in keyset.pages(_rows(run).filter(row__has_key=GRANTS), PAGE)
        for planned in page
        for step in planned.row[GRANTS]
    )


def _rows(run: ImportRun) -> "QuerySet[PlannedChange]":
    rows = PlannedChange.objects.filter(run=run).exclude(verdict__in=OVER).order_by()
    return rows.filter(held=True) if run.rest_applied else rows
