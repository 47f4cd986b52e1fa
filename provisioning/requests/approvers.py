"""Who decides a step, found anew each time by what people are now: manager, head, owner, group, condition.

Each way is a ladder: where nobody on a rung can decide, those on the next one up are asked, and the step says so. Above
the last rung are those who run the portal. Whoever asked, and whoever it is for, never decides, neither as a member of
a group nor as a substitute. A fixed number of queries, whatever the number of steps; one more for each level of
managers, for each group and for each condition.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet
from django.utils import timezone

from provisioning.contracts.derive import heads
from provisioning.contracts.managers import DepartmentHead
from provisioning.contracts.models import Employment
from provisioning.contracts.tree import upwards
from provisioning.groups import nesting
from provisioning.models import Grant, User
from provisioning.models.people import fold
from provisioning.requests.models import ApproverKind, RequestStep, Substitute
from provisioning.rules import fields
from provisioning.rules.conditions import from_json, problems
from provisioning.rules.preview import count

MOST = 200  # people of one group or condition who are asked
NAMED = 3  # of them in words
LEVELS = 20  # of managers
DECIDE = "decide_productrequest"
ABOVE = "one step up"
RUNNERS = "runs the portal"
NAMES = ("username", "display_name", "first_name", "last_name")  # what a person is called by


@dataclass(frozen=True, slots=True)
class ApproverFacts:
    """What of a person matters: whether they are active, and who manages them."""

    id: int
    name: str
    active: bool
    manager: int | None = None


@dataclass(frozen=True, slots=True)
class Rung:
    """People who could decide, and what they are."""

    users: Sequence[int]
    what: str


@dataclass(slots=True)
class Roll:
    """What was read for some steps."""

    people: dict[int, ApproverFacts] = field(default_factory=dict)
    departments: Mapping[int, int] = field(default_factory=dict)  # of people
    heads: Mapping[int, DepartmentHead] = field(default_factory=dict)
    parents: Mapping[int, int | None] = field(default_factory=dict)
    groups: Mapping[int, Sequence[int]] = field(default_factory=dict)
    conditions: Mapping[str, Sequence[int]] = field(default_factory=dict)
    substitutes: Mapping[int, Sequence[int]] = field(default_factory=dict)
    runners: Sequence[int] = ()


@dataclass(slots=True)
class Deciders:
    """Who is asked: people with whom they stand in for, None for themselves; and that in words."""

    users: dict[int, int | None] = field(default_factory=dict)
    said: str = ""


def found_for(steps: Sequence[RequestStep]) -> dict[int, Deciders]:
    """Return who decides each of the steps now; they are read with request, product and its rule, and group."""
    roll = _read(steps)
    return {step.pk: _found(step, roll) for step in steps}


# --- Pure ------------------------------------------------------------------------------------------------------------


def _found(step: RequestStep, roll: Roll) -> Deciders:
    barred = {step.request.person_id, step.request.asked_by_id}
    asked: list[tuple[Rung, list[int]]] = []
    missed = False
    for rung in _ladder(step, roll):
        able = [pk for pk in rung.users if pk not in barred and pk in roll.people and roll.people[pk].active]
        if able:
            asked.append((rung, able))
        elif not asked:
            missed = True
        if len(asked) > step.raised:
            break
    found = Deciders()
    for _, able in asked:
        for pk in able:
            found.users.setdefault(pk, None)
    for pk in list(found.users):
        for other in roll.substitutes.get(pk, ()):
            if other not in barred and other in roll.people and roll.people[other].active:
                found.users.setdefault(other, pk)
    found.said = _said(asked, roll, missed=missed)
    return found


def _ladder(step: RequestStep, roll: Roll) -> Iterator[Rung]:
    """Yield who could decide, the nearest first."""
    product, last = step.request.product, Rung((), "")
    for rung in _first_rungs(step, roll):
        if rung.users:
            last = rung
            yield rung
    seen = set(last.users)
    here: Sequence[int] = last.users
    while here:
        above = dict.fromkeys(
            manager for pk in here if pk in roll.people and (manager := roll.people[pk].manager) is not None
        )
        here = [pk for pk in above if pk not in seen]
        seen.update(here)
        if here:
            yield Rung(here, ABOVE)
    if product is not None and step.kind != ApproverKind.PRODUCT_HEAD:
        yield from _heads(product.department_id, roll)
    yield Rung(roll.runners, RUNNERS)


def _first_rungs(step: RequestStep, roll: Roll) -> Iterator[Rung]:
    request, product = step.request, step.request.product
    match step.kind:
        case ApproverKind.MANAGER:
            person = roll.people.get(request.person_id or 0)
            yield Rung([person.manager] if person and person.manager else [], "manager")
        case ApproverKind.HEAD:
            yield from _heads(roll.departments.get(request.person_id or 0), roll)
        case ApproverKind.PRODUCT_HEAD:
            yield from _heads(product.department_id if product else None, roll)
        case ApproverKind.OWNER:
            yield Rung([product.owner_id] if product and product.owner_id else [], "owner of the product")
        case ApproverKind.PERSON:
            yield Rung([step.person_id] if step.person_id else [], "chosen for it")
        case ApproverKind.GROUP:
            name = step.group.name if step.group else ""
            yield Rung(roll.groups.get(step.group_id or 0, ()), f"member of {name}")
        case ApproverKind.CONDITION:
            yield Rung(roll.conditions.get(_key(step), ()), "found by a condition")


def _heads(department: int | None, roll: Roll) -> Iterator[Rung]:
    for key in upwards(department, roll.parents) if department is not None else ():
        if (head := roll.heads[key].head) is not None:
            yield Rung([head], f"head of {roll.heads[key].name}")


def _said(asked: Sequence[tuple[Rung, Sequence[int]]], roll: Roll, *, missed: bool) -> str:
    """Say who is asked: "Asha Rao (manager)"; and that somebody nearer could not be."""
    if not asked:
        return ""
    parts = []
    for rung, users in asked:
        names = [roll.people[pk].name for pk in users[:NAMED]]
        more = len(users) - len(names)
        listed = " or ".join([*names, f"{more} more"] if more else names)
        parts.append(f"{listed} ({rung.what})")
    said = ", or since nobody answered ".join(parts)
    return f"{said}; nobody nearer could decide" if missed else said


def _key(step: RequestStep) -> str:
    return json.dumps(step.condition, sort_keys=True)


# --- Read ------------------------------------------------------------------------------------------------------------


def _read(steps: Sequence[RequestStep]) -> Roll:
    kinds = {step.kind for step in steps}
    persons = {step.request.person_id for step in steps if step.request.person_id}
    roll = Roll()
    roll.heads, roll.parents = heads()
    if ApproverKind.HEAD in kinds:
        roll.departments = departments_of(persons)
    roll.groups = {
        pk: list(nesting.effective_users(pk).order_by("user_id")[:MOST])
        for pk in {step.group_id for step in steps if step.kind == ApproverKind.GROUP and step.group_id}
    }
    wanted = {_key(step): step.condition for step in steps if step.kind == ApproverKind.CONDITION}
    roll.conditions = {key: _of_condition(condition) for key, condition in wanted.items()}
    roll.runners = list(runners().values_list("pk", flat=True)[:MOST])
    nearest = {*persons, *roll.runners, *(one.head for one in roll.heads.values() if one.head)}
    nearest |= {step.person_id for step in steps if step.person_id}
    nearest |= {step.request.product.owner_id for step in steps if step.request.product} - {None}  # type: ignore[arg-type]
    nearest |= {pk for users in (*roll.groups.values(), *roll.conditions.values()) for pk in users}
    _read_people(roll, nearest)
    _read_substitutes(roll)
    return roll


def _read_people(roll: Roll, wanted: Collection[int | None]) -> None:
    """Read people and everybody above them: one query a level of managers."""
    missing = {pk for pk in wanted if pk is not None}
    for _ in range(LEVELS):
        missing -= roll.people.keys()
        if not missing:
            return
        for user in User.objects.filter(pk__in=missing).only(*NAMES, "is_active", "manager"):
            roll.people[user.pk] = ApproverFacts(user.pk, str(user), user.is_active, user.manager_id)
        missing = {one.manager for one in roll.people.values() if one.manager is not None}


def _read_substitutes(roll: Roll) -> None:
    today = timezone.localdate()
    rows = Substitute.objects.filter(user__in=roll.people, starts__lte=today, ends__gte=today).order_by("pk")
    found: dict[int, list[int]] = defaultdict(list)
    for pk, other in rows.values_list("user_id", "substitute_id"):
        found[pk].append(other)
    roll.substitutes = found
    others = {pk for held in found.values() for pk in held} - roll.people.keys()
    for user in User.objects.filter(pk__in=others).only(*NAMES, "is_active") if others else ():
        roll.people[user.pk] = ApproverFacts(user.pk, str(user), user.is_active)


def departments_of(persons: Collection[int]) -> dict[int, int]:
    """Return the departments of people: of their primary contract, else the only one called as their profile says."""
    rows = Employment.objects.filter(user__in=persons, primary__department__isnull=False)
    found = dict(rows.values_list("user_id", "primary__department_id"))
    rest = [pk for pk in persons if pk not in found]
    if rest:
        by_name: dict[str, list[int]] = defaultdict(list)
        for pk, one in heads()[0].items():
            by_name[fold(one.name)].append(pk)
        for user, name in User.objects.filter(pk__in=rest).exclude(department="").values_list("pk", "department"):
            if len(by_name[fold(name)]) == 1:
                found[user] = by_name[fold(name)][0]
    return {user: department for user, department in found.items() if department is not None}


def _of_condition(condition: Mapping[str, object]) -> list[int]:
    known = fields.known()
    try:
        node = from_json(condition)
    except ValueError:
        return []
    if problems(node, known):
        return []
    active = User.objects.filter(is_active=True)
    return [user.pk for user in count(node, (0, 0), known, users=active, examples=MOST).examples]


def runners() -> "QuerySet[User]":
    """Return those who decide what nobody else can: administrators, and staff with the right to it."""
    gives = Grant.objects.filter(
        role__permissions__codename=DECIDE, role__permissions__content_type__app_label="requests"
    )
    held = Q(is_staff=True) & (
        Q(pk__in=gives.current().everywhere().values("user"))
        | Q(user_permissions__codename=DECIDE, user_permissions__content_type__app_label="requests")
    )
    return User.objects.filter(Q(is_superuser=True) | held, is_active=True).order_by("pk").distinct()
