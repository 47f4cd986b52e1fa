"""Users who may be one person: groups of them who share a number, an address or a name, found by sets.

People who may sign in to the portal are never merged, so they are left out. Who has the same name is offered only where
neither their employee numbers nor, where there is such an attribute, their dates of birth say that they are two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet, TextField, Value
from django.db.models.functions import Concat, Upper

from provisioning.models import AttributeDefinition, User
from provisioning.models.people import fold

PAGE = 25
MOST = 20  # people of one group that are shown
BIRTH = ("birth_date", "date_of_birth", "birthdate", "birthday")  # what a custom attribute may be called
SEPARATOR = "\x1f"
KEYS: Mapping[str, tuple[str, Any, Q]] = {
    "number": ("Employee number", Upper("employee_number"), ~Q(employee_number="")),
    "email": ("E-mail", F("email_key"), ~Q(email_key="")),
    "name": (
        "First and last name",
        Concat("last_name_key", Value(SEPARATOR), "first_name_key", output_field=TextField()),
        ~Q(last_name_key="") & ~Q(first_name_key=""),
    ),
}


@dataclass(frozen=True, slots=True)
class Duplicates:
    """People who share a value, and how many more there are than are shown."""

    value: str
    people: Sequence[User]
    more: int = 0


@dataclass(frozen=True, slots=True)
class DuplicatesPage:
    """One page of groups; ``after`` is what the next one begins behind, "" where there is no more."""

    groups: Sequence[Duplicates]
    after: str


def find(by: str, after: str = "") -> DuplicatesPage:
    """Return a page of users who share what ``by`` names in ``KEYS``: three queries at the most, whatever their number.

    A page may have fewer groups than others: of those who only have one name, some are known to be two people.
    """
    _, key, wanted = KEYS[by]
    there: QuerySet[Any] = User.objects.filter(wanted, is_staff=False, is_superuser=False).order_by().annotate(same=key)
    shared = there.values("same").annotate(number=Count("pk")).filter(number__gt=1)
    if after:
        shared = shared.filter(same__gt=after)
    rows = list(shared.order_by("same").values_list("same", "number")[: PAGE + 1])
    numbers = dict(rows[:PAGE])
    found: dict[str, list[User]] = {value: [] for value in numbers}
    for user in _people(there, by, numbers).order_by("pk") if numbers else ():
        found[user.same].append(user)
    birth = _birth() if by == "name" else ""
    groups = [
        Duplicates(value.replace(SEPARATOR, ", "), people[:MOST], len(people) - len(people[:MOST]))
        for value, people in found.items()
        if by != "name" or not all(_two(people[0], other, birth) for other in people[1:])
    ]
    return DuplicatesPage(groups, rows[PAGE - 1][0] if len(rows) > PAGE else "")


def _people(there: "QuerySet[Any]", by: str, values: Iterable[str]) -> "QuerySet[Any]":
    """Return the users with these values, by the columns that are indexed."""
    if by == "email":
        return there.filter(email_key__in=values)
    if by == "name":
        return there.filter(last_name_key__in={value.partition(SEPARATOR)[0] for value in values}, same__in=values)
    return there.filter(same__in=values)


def _two(one: User, other: User, birth: str) -> bool:
    """Return whether two people of one name are known to be two: another number, or another date of birth."""
    pairs = [(one.employee_number, other.employee_number)]
    if birth:
        pairs.append((one.custom_profile.get(birth), other.custom_profile.get(birth)))
    return any(mine and theirs and fold(str(mine)) != fold(str(theirs)) for mine, theirs in pairs)


def _birth() -> str:
    """Return the name of the custom attribute that holds dates of birth, "" where there is none."""
    return AttributeDefinition.objects.filter(name__in=BIRTH).values_list("name", flat=True).first() or ""
