"""For how many people a condition holds, with examples, while it is written: narrowed by SQL as far as that goes."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet
from django.utils import timezone

from directories.attributes import Kind as AttributeKind
from provisioning.contracts import tree
from provisioning.contracts.models import Contract, Department
from provisioning.models import Account, Membership, User
from provisioning.rules import fields
from provisioning.rules.book import book_of
from provisioning.rules.conditions import (
    BRANCH,
    CUSTOM,
    DEPARTMENT,
    GROUPS,
    USER,
    Handle,
    Known,
    Node,
    handles,
    to_json,
)
from provisioning.rules.matching import Window
from provisioning.rules.models import BusinessRule

MOST = 10_000  # people who are asked
PAGE = 1000
EXAMPLES = 5
OF_TEXTS = frozenset({"type", "employer", "title", "team", "cost_centre", "division"})


@dataclass(slots=True)
class PeopleFound:
    """How many people a condition holds for, of how many that were asked; ``cut``: there are more than those."""

    number: int = 0
    asked: int = 0
    cut: bool = False
    examples: list[User] = field(default_factory=list)

    @property
    def words(self) -> str:
        """Say it in a sentence."""
        people = "1 person" if self.number == 1 else f"{self.number:,} people"
        return f"{people} of the first {self.asked:,}" if self.cut else people


def count(
    node: Node,
    window: Window,
    known: Known | None = None,
    now: dt.datetime | None = None,
    *,
    users: "QuerySet[User] | None" = None,
    examples: int = EXAMPLES,
) -> PeopleFound:
    """Count for whom of ``users`` a condition without problems holds now, and name so many of them."""
    before, after = window
    rule = BusinessRule(pk=0, condition=to_json(node), days_before=before, days_after=after)
    book = book_of([rule], [], known)
    matcher, people, moment = book.matcher(), book.people(), now or timezone.now()
    held = handles(node, book.kinds)
    whom = User.objects.all() if users is None else users
    users = whom.filter(_narrowed(held)).select_related("manager").order_by("pk")
    found, last = PeopleFound(), 0
    while found.asked < MOST and (page := list(users.filter(pk__gt=last)[:PAGE])):
        last = page[-1].pk
        found.asked += len(page)
        for person in people.read(page):
            if matcher.match(person.facts, moment).matches:
                found.number += 1
                if len(found.examples) < examples:
                    found.examples.append(person.user)
    found.cut = found.asked >= MOST and users.filter(pk__gt=last).exists()
    return found


def holding_for(user: User, conditions: Mapping[int, Node], known: Known | None = None) -> set[int]:
    """Return which of many conditions, by an id of the caller's, hold for one user now; one that is wrong does not."""
    asked = [BusinessRule(pk=pk, condition=to_json(node)) for pk, node in conditions.items()]
    book = book_of(asked, [], known)
    [person] = book.people().read([user])
    return {match.rule for match in book.matcher().match(person.facts, timezone.now()).matches}


def _narrowed(held: Sequence[Handle] | None) -> Q:
    """Return, as a condition of SQL, who may be meant at all; nothing where that cannot be told."""
    found = Q()
    attributes = fields.attributes_by_name() if held else {}
    for key, value in held or ():
        name = key.partition(".")[2]
        if key == GROUPS:
            part = Q(pk__in=Membership.objects.filter(group=value).values("user"))
        elif key in (BRANCH, DEPARTMENT):
            parents = dict(Department.objects.values_list("pk", "parent_id")) if key == BRANCH else {}
            part = _with_contracts(Q(department__in=tree.subtree([value], parents) if parents else [value]))
        elif key.startswith(CUSTOM) or not isinstance(value, str) or not value.isascii():
            return Q()
        elif key.startswith(f"{USER}.") and name in attributes and attributes[name].kind == AttributeKind.PROFILE:
            part = Q(**{f"{name}__iexact": value})
        elif name in OF_TEXTS and not key.startswith(f"{USER}."):
            part = _with_contracts(Q(**{f"{name}__iexact": value}))
        else:
            return Q()
        found |= part
    return found


def _with_contracts(wanted: Q) -> Q:
    contracts = Contract.objects.filter(wanted)
    through = Account.objects.filter(pk__in=contracts.values("account"), user__isnull=False).values("user_id")
    return Q(pk__in=contracts.filter(user__isnull=False).values("user_id")) | Q(pk__in=through)
