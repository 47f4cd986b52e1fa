"""Who has what by which rule: people against what rules give them, a page of people at a time, and the same as CSV."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet

from config.database import keyset
from provisioning.models import User
from provisioning.models.people import fold
from provisioning.rules.models import BusinessRule, Entitlement, Granted
from reports.csv_lines import MARK, harmless, line_writer

PAGE = 25  # people
COLUMNS = 12
LISTED = 500  # rules that the box offers
CSV_PAGE = 2000
HEAD = ("User name", "Name", "Department", "Has", "Rule", "Contract", "Since", "Note")
RELATED = ("user", "entitlement__rule", "entitlement__group", "entitlement__directory", "contract")
BEATEN = "another rule goes first"


@dataclass(frozen=True, slots=True)
class GridCriteria:
    """Which people are meant: the beginning of a user name, a department, and what a rule of that name gives."""

    search: str = ""
    department: str = ""
    rule: str = ""

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "GridCriteria":
        """Return what an address asks for."""
        return cls(*(asked.get(name, "").strip()[:150] for name in ("q", "department", "rule")))

    @property
    def address(self) -> str:
        """The same as the query of an address."""
        pairs = {"q": self.search, "department": self.department, "rule": self.rule}
        return urlencode({name: value for name, value in pairs.items() if value})

    def rows(self) -> "QuerySet[Granted]":
        """Return what is granted to those who are meant; each condition is one of an index."""
        found = Granted.objects.exclude(entitlement=None)
        if self.rule:
            given = Entitlement.objects.filter(rule__name__iexact=self.rule).values_list("pk", flat=True)
            found = found.filter(entitlement__in=list(given))
        if self.search or self.department:
            people = User.objects.all()
            if key := fold(self.search):
                people = people.filter(username_key__startswith=key)
            if self.department:
                people = people.filter(department__iexact=self.department)
            found = found.filter(user__in=people.values("pk"))
        return found


@dataclass(slots=True)
class GridRow:
    """One person, and for each column by which rules they have it."""

    user: User
    has: dict[str, list[Granted]] = field(default_factory=dict)

    def cells(self, columns: list[str]) -> list[tuple[str, list[Granted]]]:
        """Return what stands in each column."""
        return [(name, self.has.get(name, [])) for name in columns]


def page(asked: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of people with what they have: two queries, and one for the names of rules."""
    criteria = GridCriteria.of(asked)
    granted = criteria.rows()
    after = int(asked["after"]) if asked.get("after", "").isdecimal() and len(asked["after"]) < 19 else 0
    found = granted.filter(user__gt=after).order_by("user").values_list("user", flat=True).distinct()
    ids = list(found[: PAGE + 1])
    rows: dict[int, GridRow] = {}
    columns: dict[str, int] = {}
    for one in granted.filter(user__in=ids[:PAGE]).select_related(*RELATED).order_by("user", "entitlement__rule", "pk"):
        row = rows.setdefault(one.user_id, GridRow(one.user))
        row.has.setdefault(str(one.entitlement), []).append(one)
        columns[str(one.entitlement)] = columns.get(str(one.entitlement), 0) + 1
    shown = sorted(columns, key=lambda name: (-columns[name], name.casefold()))[:COLUMNS]
    more = {"after": ids[PAGE - 1]} if len(ids) > PAGE else {}
    return {
        "title": "Who has what by which rule",
        "criteria": criteria,
        "columns": shown,
        "hidden": len(columns) - len(shown),
        "rows": [(row.user, row.cells(shown)) for row in rows.values()],
        "next": f"?{'&'.join(filter(None, [criteria.address, urlencode(more)]))}" if more else "",
        "export": criteria.address,
        "names": BusinessRule.objects.filter(retired=False).values_list("name", flat=True)[:LISTED],
    }


def csv_lines(criteria: GridCriteria) -> Iterator[str]:
    """Yield the file: a line for each thing that each of the people has by each rule."""
    written = line_writer()
    yield MARK + written(HEAD)
    for found in keyset.pages(criteria.rows().select_related(*RELATED), CSV_PAGE):
        yield "".join(written([harmless(cell) for cell in _line(one)]) for one in found)


def _line(one: Granted) -> tuple[str, ...]:
    user, entitlement = one.user, one.entitlement
    assert entitlement is not None
    contract = one.contract.external_id if one.contract else ""
    since = f"{one.since:%Y-%m-%d %H:%M} UTC"
    note = "" if one.wins else BEATEN
    return (
        user.username,
        user.get_full_name(),
        user.department,
        str(entitlement),
        entitlement.rule.name,
        contract,
        since,
        note,
    )
