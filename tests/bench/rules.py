"""Evaluating rules: everybody at first, everybody again, and one person's change.

Each person has three contracts; each rule asks for a title or a department of theirs, and gives a group. Steps run in
processes of their own, as those of ``tests.bench.steps``: ``python -m tests.bench.rules STEP ...``.
"""

import datetime as dt
import json
import sys
import time
from collections.abc import Iterator

import django

from tests.bench.steps import measured, run_step

CONTRACTS = 3
RULES = 1000
PAGE = 10_000


def measured_in(variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Fill the portal, and evaluate."""

    def step(*words: str) -> dict[str, float]:
        return run_step(variables, "tests.bench.rules", *words)

    step("fill", str(count))
    names = {
        "first": "a first evaluation, which waits",
        "approve": "applying it",
        "again": "everybody again, nothing changed",
    }
    for name, what in names.items():
        found = step(name)
        figures = (
            f"{found['seconds']:.1f} s, {count / found['seconds']:,.0f} people/s; {found['rows']:,.0f} rows planned"
        )
        yield (
            f"{RULES:,} rules for {count:,} people with {CONTRACTS} contracts each: {what}",
            figures,
            "",
            _mib(found),
        )
    found = step("one")
    figures = f"{found['seconds']:.2f} s, of which {found['matching'] * 1000:.2f} ms to match"
    yield ("One person's change, from the mark to the membership", figures, "", _mib(found))


def _mib(found: dict[str, float]) -> str:
    return f"{found['memory']:.0f} MiB"


def fill(count: str) -> dict[str, float]:
    """Write people, contracts, departments, groups and rules."""
    from provisioning.contracts.models import Contract, Department
    from provisioning.models import Group, User
    from provisioning.rules.models import BusinessRule, Entitlement, EntitlementKind

    number, half = int(count), RULES // 2
    top = Department.objects.create(external_id="top", name="Everything")
    departments = Department.objects.bulk_create(
        Department(external_id=str(place), name=f"Department {place}", parent=top) for place in range(half)
    )
    groups = Group.objects.bulk_create(Group(name=f"Group {place}") for place in range(RULES))
    leaves = [{"field": "contract.title", "op": "eq", "values": [f"Title {place}"]} for place in range(half)]
    leaves += [{"field": "contract.branch", "op": "eq", "values": [one.pk]} for one in departments]
    rules = BusinessRule.objects.bulk_create(
        BusinessRule(
            name=f"Rule {place}",
            published=True,
            condition={"all": [leaf, {"field": "contract.fte", "op": "ge", "values": [0.2]}]},
        )
        for place, leaf in enumerate(leaves)
    )
    Entitlement.objects.bulk_create(
        Entitlement(rule=rule, kind=EntitlementKind.GROUP, group=group)
        for rule, group in zip(rules, groups, strict=True)
    )
    for start in range(0, number, PAGE):
        users = User.objects.bulk_create(
            User(username=f"person{place}") for place in range(start, min(start + PAGE, number))
        )
        Contract.objects.bulk_create(
            [
                Contract(
                    user=user,
                    external_id=str(which),
                    starts=dt.date(2020 + which, 1, 1),
                    ends=dt.date(2020, 12, 31) if which == 0 else None,
                    title=f"Title {(user.pk * 7 + which) % (half * 4)}",
                    department=departments[(user.pk * 3 + which) % half],
                    fte="0.5",
                )
                for user in users
                for which in range(CONTRACTS)
            ],
            batch_size=PAGE,
        )
    return {}


def first() -> dict[str, float]:
    """Plan for everybody."""
    from provisioning.imports.doors.rules import evaluate

    result: dict[str, float] = {}
    with measured(result):
        done = evaluate("bench", look=True)
    return {**result, "rows": done.run.planned if done else 0}


def approve() -> dict[str, float]:
    """Apply what waits."""
    from provisioning import services
    from provisioning.imports import engine
    from provisioning.models import ImportRun

    run, result = ImportRun.objects.latest("pk"), dict[str, float]()
    services.approve_import(run, "bench", plan_hash=run.plan_hash)
    with measured(result):
        engine.execute(run.pk)
    return {**result, "rows": run.planned}


def again() -> dict[str, float]:
    """Look at everybody, of whom nobody changed."""
    return first()


def one() -> dict[str, float]:
    """Move one person."""
    from django.utils import timezone

    from provisioning.contracts.models import Contract
    from provisioning.imports.doors.rules import evaluate_due
    from provisioning.models import User
    from provisioning.rules.book import published

    user = User.objects.latest("pk")
    Contract.objects.filter(user=user, external_id="2").update(title="Title 1")
    result: dict[str, float] = {}
    with measured(result):
        evaluate_due("bench", only=[user.pk])
    book = published()
    matcher, [person] = book.matcher(), book.people().read([user])
    begun = time.perf_counter()
    matcher.match(person.facts, timezone.now())
    return {**result, "matching": time.perf_counter() - begun}


if __name__ == "__main__":
    django.setup()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
