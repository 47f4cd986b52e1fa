"""The departments of a source: read and compared before its people, and written before them."""

from collections.abc import Iterable, Iterator

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
TWICE = "Other departments have the same number, so it stays as it was. Give each a number of its own in the source."


def plan(run: ImportRun, connector: Connector, lease: Lease) -> set[str] | None:
    """Plan what is new or differs of a source's departments; return the numbers of all, None where it gives none."""
    if Capability.DEPARTMENTS not in connector.capabilities:
        return None
    rows, planned = _read(run, connector, lease)
    found = Department.objects.filter(source=run.directory_id)
    held = {
        number: DepartmentRow(number, name, code, parent or "", head)
        for number, name, code, parent, head in found.values_list(
            "external_id", "name", "code", "parent__external_id", "manager_ref"
        )
    }
    _, problems = services.places(rows, {number: one.parent or None for number, one in held.items()})
    known = {*held, *rows}
    for number, row in rows.items():
        parent = row.parent if row.parent in known else ""
        same = held.get(number) == DepartmentRow(row.number, row.name, row.code, parent, row.head)
        problem = problems.get(number, "")
        if row.parent and not parent:
            problem = f"Its parent {row.parent} is not among the departments, so it stands at the top."
        if not same or problem:
            planned.append(
                PlannedDepartment(
                    run=run,
                    number=number,
                    name=row.name,
                    code=row.code,
                    parent=row.parent,
                    head=row.head,
                    new=number not in held,
                    problem=problem,
                )
            )
    for start in range(0, len(planned), PAGE):
        with lease.page(durable=False):
            PlannedDepartment.objects.bulk_create(planned[start : start + PAGE])
    return known


def apply(run: ImportRun, lease: Lease) -> None:
    """Write the planned departments; done again it changes nothing."""
    rows = [
        DepartmentRow(one.number, one.name, one.code, one.parent, one.head)
        for one in PlannedDepartment.objects.filter(run=run, usable=True)
    ]
    if rows and run.directory_id is not None:
        with lease.page():
            services.write_departments(run.directory_id, rows)


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
