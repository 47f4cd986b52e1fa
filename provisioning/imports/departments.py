"""The departments of a source: read and compared before its people, and written before them.

An undo gives them back what they were, after its people; those that the run had made are taken away where nothing is in
them and below them any more.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from django.utils import timezone

from directories.connectors.base import Capability, Connector, RemoteDepartment
from provisioning.contracts import services
from provisioning.contracts.models import MAX_REF, Department, PlannedDepartment
from provisioning.contracts.services import DepartmentRow
from provisioning.imports.runs import Incomplete, Lease
from provisioning.imports.users.plan import storable
from provisioning.models import ImportRun

PAGE = 1000
MAX_NUMBER, MAX_NAME, MAX_CODE = 128, 150, 64
INCOMPLETE = "{name} stopped before its last department was read, so nothing was changed. Import again."
CHANGED = "It was changed since, so it stays as it is."
IN_USE = "Somebody is in it, or another department below it, so it stays."
NO_PARENT = "Its parent {} is not among the departments, so it stands at the top."
TWICE = "Other departments have the same number, so it stays as it was. Give each a number of its own in the source."


def plan(run: ImportRun, connector: Connector, lease: Lease) -> set[str] | None:
    """Plan what is new or differs of a source's departments; return the numbers of all, None where it gives none."""
    if Capability.DEPARTMENTS not in connector.capabilities:
        return None
    rows, planned = _read(run, connector, lease)
    held = _held(run.directory_id)
    known = {*held, *rows}
    at_top = {number: row.parent for number, row in rows.items() if row.parent and row.parent not in known}
    wanted = {number: replace(row, parent="") if number in at_top else row for number, row in rows.items()}
    parents, problems = services.places(wanted, {number: one.parent or None for number, one in held.items()})
    problems |= {number: NO_PARENT.format(parent) for number, parent in at_top.items()}
    changed = 0
    for number, row in wanted.items():
        after, before, problem = replace(row, parent=parents[number] or ""), held.get(number), problems.get(number, "")
        changed += after != before
        if after != before or problem:
            planned.append(_planned(run, run.directory_id, after, before, new=before is None, problem=problem))
    for start in range(0, len(planned), PAGE):
        with lease.page(durable=False):
            PlannedDepartment.objects.bulk_create(planned[start : start + PAGE])
    if changed:
        lease.write(departments_changed=changed)
    return known


def plan_back(run: ImportRun, made: ImportRun) -> int:
    """Plan on ``made`` to give back what departments were before a run; return how many become another."""
    done = PlannedDepartment.objects.filter(run=run, usable=True).exclude(applied_at=None)
    held: dict[int | None, Mapping[str, DepartmentRow]] = {}
    planned, changed = [], 0
    for one in done:
        now = held.setdefault(one.source_id, _held(one.source_id)).get(one.number)
        before = DepartmentRow(**one.before) if one.before else None
        if now is None or now == before:
            continue
        if now != _row(one):
            planned.append(_planned(made, one.source_id, now, now, usable=False, problem=CHANGED))
            continue
        changed += 1
        planned.append(_planned(made, one.source_id, before or now, now, gone=before is None))
    PlannedDepartment.objects.bulk_create(planned, batch_size=PAGE)
    return changed


def apply(run: ImportRun, lease: Lease) -> None:
    """Write the planned departments; done again it changes nothing."""
    rows: dict[int | None, list[PlannedDepartment]] = defaultdict(list)
    for one in PlannedDepartment.objects.filter(run=run, usable=True, applied_at=None):
        rows[one.source_id or run.directory_id].append(one)
    for source, planned in rows.items():
        with lease.page():
            if source is not None:
                services.write_departments(source, [_row(one) for one in planned if not one.gone])
                _take_away(source, [one for one in planned if one.gone])
            PlannedDepartment.objects.filter(pk__in=[one.pk for one in planned]).update(applied_at=timezone.now())


def _take_away(source: int, planned: Collection[PlannedDepartment]) -> None:
    """Remove departments in which nobody is, and say of the others that they stay."""
    if not planned:
        return
    found = Department.objects.filter(source=source, external_id__in=[one.number for one in planned])
    empty = dict(found.filter(contracts=None).values_list("external_id", "pk"))
    inner = Department.objects.filter(parent__in=found.values("pk")).values_list("parent__external_id", "external_id")
    below = list(inner)
    while used := {parent for parent, child in below if parent in empty and child not in empty}:
        empty = {number: pk for number, pk in empty.items() if number not in used}
    services.delete_departments(list(empty.values()))
    kept = [one.pk for one in planned if one.number not in empty]
    PlannedDepartment.objects.filter(pk__in=kept).update(problem=IN_USE)


def _held(source: int | None) -> dict[str, DepartmentRow]:
    """Return the departments of a source that are there, by number: one query."""
    found = Department.objects.filter(source=source)
    return {
        number: DepartmentRow(number, name, code, parent or "", head)
        for number, name, code, parent, head in found.values_list(
            "external_id", "name", "code", "parent__external_id", "manager_ref"
        )
    }


def _planned(
    run: ImportRun, source: int | None, row: DepartmentRow, before: DepartmentRow | None, **how: Any
) -> PlannedDepartment:
    held = asdict(before) if before else None
    return PlannedDepartment(run=run, source_id=source, before=held, **asdict(row), **how)


def _row(one: PlannedDepartment) -> DepartmentRow:
    return DepartmentRow(one.number, one.name, one.code, one.parent, one.head)


def _read(
    run: ImportRun, connector: Connector, lease: Lease
) -> tuple[dict[str, DepartmentRow], list[PlannedDepartment]]:
    """Return the departments by number, and those that cannot be used."""
    rows: dict[str, DepartmentRow] = {}
    wrong: list[PlannedDepartment] = []
    twice: set[str] = set()
    for one in _stream(run, connector, lease):
        problem = one.problem or _problem(one)
        if not problem and one.ref in rows:
            problem = TWICE
            twice.add(one.ref)
        if problem:
            shown = one.name[:MAX_NAME] if storable(one.name) else ""
            number = one.ref[:MAX_NUMBER] if storable(one.ref) else ""
            wrong.append(PlannedDepartment(run=run, number=number, name=shown, usable=False, problem=problem))
        else:
            code = next(
                (str(value) for name, value in one.attributes.items() if name.casefold() == "code" and value), ""
            )
            rows[one.ref] = DepartmentRow(one.ref, one.name, code[:MAX_CODE], one.parent, one.manager)
    for number in twice:
        del rows[number]
    return rows, wrong


def _stream(run: ImportRun, connector: Connector, lease: Lease) -> Iterator[RemoteDepartment]:
    for page in connector.departments(PAGE):
        yield from page.departments
        lease.write()
        if page.last:
            return
    raise Incomplete(INCOMPLETE.format(name=run.source))


def _problem(one: RemoteDepartment) -> str:
    """Return why a department cannot be kept, "" when it can."""
    if not one.ref.strip() or not one.name.strip():
        return "It has no number." if not one.ref.strip() else "It has no name."
    if not storable("".join(_texts(one))):
        return "It holds a character that cannot be stored. Correct it in the source."
    if len(one.ref) > MAX_NUMBER or len(one.name) > MAX_NAME or len(one.parent) > MAX_NUMBER:
        return f"Its number is longer than {MAX_NUMBER} characters, or its name than {MAX_NAME}."
    return f"The number of its head is longer than {MAX_REF} characters." if len(one.manager) > MAX_REF else ""


def _texts(one: RemoteDepartment) -> Iterable[str]:
    return one.ref, one.name, one.parent, one.manager
