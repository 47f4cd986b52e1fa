"""What the page of departments shows: the whole tree where it is small, else one level after the other, a page each.

However many departments there are, no more are read than a page shows, and those above them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Count, Q, QuerySet

from provisioning.contracts import tree
from provisioning.contracts.derive import people_of
from provisioning.contracts.models import Department
from provisioning.models import User

SHOWN = 300  # departments on a page
WAY = 20  # levels above a department that are named


def page(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the rows of the page by the values of its address."""
    search = values.get("q", "").strip()[:100]
    everything = Department.objects.select_related("source", "manager").order_by("name", "pk")
    after = _number(values.get("after", ""))
    if search:
        wanted = Q(name__icontains=search) | Q(external_id__iexact=search) | Q(code__iexact=search)
        return _listed(everything.filter(wanted), after, ways=True) | {"search": search}
    below = Department.objects.filter(pk=_number(values.get("below", ""))).first()
    if below is not None:
        return _listed(everything.filter(parent=below), after, ways=False) | {
            "below": below,
            "way": _ways([below])[below.pk],
        }
    all_of_them = list(everything[: SHOWN + 1])
    if len(all_of_them) > SHOWN or after:
        return _listed(everything.filter(parent=None), after, ways=False)
    held = {one.pk: one for one in all_of_them}
    parents = {pk: one.parent_id for pk, one in held.items()}
    order = tree.in_order(parents, lambda pk: (held[pk].name.casefold(), pk))
    return {"rows": _rows([held[pk] for pk, _ in order], {pk: min(depth, 8) for pk, depth in order})}


def _listed(found: "QuerySet[Department]", after: int, *, ways: bool) -> dict[str, Any]:
    """Return one page of departments that are no tree; ``after`` is the last one of the page before."""
    last = Department.objects.filter(pk=after).first()
    if last is not None:
        found = found.filter(Q(name__gt=last.name) | Q(name=last.name, pk__gt=last.pk))
    shown = list(found[: SHOWN + 1])
    more = len(shown) > SHOWN
    shown = shown[:SHOWN]
    above = _ways(shown) if ways else {}
    children = Department.objects.filter(parent__in=shown).order_by().values_list("parent").annotate(Count("pk"))
    below = dict(children)
    rows = _rows(shown, {})
    for row in rows:
        row["way"] = above.get(row["department"].pk, "")
        row["below"] = below.get(row["department"].pk, 0)
    return {"rows": rows, "after": shown[-1].pk if more else None}


def _rows(shown: Sequence[Department], depths: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return the rows of departments: two queries for the numbers of people, two for heads that sources name."""
    counts = Department.objects.filter(pk__in=[one.pk for one in shown]).order_by()
    people = {
        pk: accounts + users
        for pk, accounts, users in counts.values_list("pk").annotate(
            Count("contracts__account", distinct=True), Count("contracts__user", distinct=True)
        )
    }
    heads = _heads(shown)
    return [
        {
            "department": one,
            "depth": depths.get(one.pk, 0),
            "people": people.get(one.pk, 0),
            "head": one.manager or heads.get((one.source_id, one.manager_ref)),
            "way": "",
        }
        for one in shown
    ]


def _ways(shown: Iterable[Department]) -> dict[int, str]:
    """Return what is above each department, from the top: one query for each level, at most ``WAY``."""
    starts = {one.pk: one.parent_id for one in shown}
    known: dict[int, tuple[str, int | None]] = {}
    wanted = {pk for pk in starts.values() if pk}
    for _ in range(WAY):
        missing = wanted - known.keys()
        if not missing:
            break
        found = Department.objects.filter(pk__in=missing).values_list("pk", "name", "parent_id")
        known |= {pk: (name, parent) for pk, name, parent in found}
        wanted |= {parent for _, parent in known.values() if parent}
    parents = {pk: parent for pk, (_, parent) in known.items()}
    return {
        pk: " › ".join(reversed([known[up][0] for up in tree.upwards(parent, parents)])) if parent else ""
        for pk, parent in starts.items()
    }


def _heads(departments: Iterable[Department]) -> dict[tuple[int | None, str], User]:
    refs = {(one.source_id, one.manager_ref) for one in departments if one.manager_ref and not one.manager_id}
    people = people_of(refs)
    users = User.objects.in_bulk(people.values())
    return {ref: users[pk] for ref, pk in people.items() if pk in users}


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
