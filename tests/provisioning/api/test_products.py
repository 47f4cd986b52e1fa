"""Products through the API: whole, checked as on their page; removing says what becomes of what they gave."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from provisioning.contracts.models import Department
from provisioning.models import Group
from provisioning.requests.models import Product, ProductRequest, ProductStep
from provisioning.rules.models import BusinessRule
from reports.models import Event
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import Program
from tests.provisioning.api.test_configuration import change, errors

pytestmark = pytest.mark.django_db


def offer(program: Program, **fields: Any) -> Any:
    answer = program.ask("POST", "products", {"name": "Laptop", **fields})
    assert answer.status_code == 201, answer.json()
    return answer


def test_a_product_is_added_whole_and_changed_in_parts(program: Program) -> None:
    group, anna = Group.objects.create(name="Laptops"), roll.person("anna")
    directory = roll.directory()
    body = {
        "category": "Hardware",
        "text": "Fourteen inches.",
        "owner": anna.pk,
        "audience": "condition",
        "condition": 'user.department eq "Care"',
        "days": 90,
        "most": 3,
        "fields": [{"label": "Colour", "kind": "choice", "choices": ["Black", "Grey"], "required": True}],
        "steps": [{"kind": "manager"}, {"kind": "person", "person": anna.pk, "remind": 1, "escalate": 2}],
        "groups": [group.pk],
        "directories": [directory.pk],
        "values": {"profile.title": "Owner of a laptop"},
    }
    made = offer(program, **body)
    shown = made.json()
    assert {name: shown[name] for name in body if name != "steps"} == {
        name: body[name] for name in body if name != "steps"
    }
    assert [step["kind"] for step in shown["steps"]] == ["manager", "person"]
    assert (shown["steps"][1]["person"], shown["steps"][0]["remind"], shown["offered"]) == (anna.pk, 3, True)
    address = f"products/{shown['id']}"
    same = change(program, address, shown, made["ETag"])
    assert (same.status_code, same["ETag"]) == (200, made["ETag"]), same.json()
    body = {"offered": False, "values": {"profile.title": None}, "days": None, "steps": [{"kind": "owner"}]}
    changed = change(program, address, body, made["ETag"]).json()
    assert (changed["offered"], changed["values"], changed["days"], changed["text"]) == (
        False,
        {},
        None,
        "Fourteen inches.",
    )
    assert [step["kind"] for step in changed["steps"]] == ["owner"]
    assert Event.objects.filter(identifier="Laptop", actor="ida, by token sync").exists()


def test_a_product_keeps_its_picture_and_its_requests(program: Program) -> None:
    made = offer(program).json()
    Product.objects.update(picture=b"GIF89a", picture_type="image/gif")
    assert change(program, f"products/{made['id']}", {"text": "New"}).status_code == 200
    held = Product.objects.get()
    assert (bytes(held.picture or b""), held.picture_type, held.text) == (b"GIF89a", "image/gif", "New")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "Taken"}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"audience": "groups"}, ["seen_by"]),
        ({"audience": "nobody"}, ["audience"]),
        ({"condition": "(("}, ["condition"]),
        ({"days": 0}, ["days"]),
        ({"most": 0}, ["most"]),
        ({"owner": 999}, ["owner"]),
        ({"groups": [999]}, ["groups", "0"]),
        ({"groups": [True]}, ["groups"]),
        ({"directories": [10**30]}, ["directories", "0"]),
        ({"seen_by": list(range(1, 502))}, ["seen_by"]),
        ({"values": {"profile.username": "x"}}, ["values", "profile.username"]),
        ({"steps": []}, ["steps"]),
        ({"steps": [{"kind": "manager"}] * 5}, ["steps"]),
        ({"fields": [{"label": "x"}] * 7}, ["fields"]),
        ({"picture": "x"}, ["picture"]),
        ({"by_request": False}, ["by_request"]),
    ],
)
def test_a_product_that_cannot_be_is_refused_at_its_place(program: Program, body: Any, path: list[str]) -> None:
    offer(program, name="Taken")
    found = errors(change(program, f"products/{offer(program).json()['id']}", body))
    for step in path:
        assert list(found) == [step], found
        found = found[step]


@pytest.mark.parametrize(
    "step", [{"kind": "person"}, {"kind": "group"}, {"kind": "condition"}, {"kind": "condition", "condition": "(("}, {}]
)
def test_a_step_says_who_decides(program: Program, step: Any) -> None:
    assert "steps" in errors(program.ask("POST", "products", {"name": "Laptop", "steps": [step]}))
    assert not Product.objects.exists()


def test_a_choice_says_what_can_be_chosen(program: Program) -> None:
    assert "fields" in errors(
        program.ask("POST", "products", {"name": "x", "fields": [{"label": "y", "kind": "choice"}]})
    )


def test_removing_a_product_says_what_becomes_of_what_it_gave(program: Program) -> None:
    made = offer(program).json()
    assert "keep" in errors(program.ask("DELETE", f"products/{made['id']}", If_Match="*"))
    assert program.ask("DELETE", f"products/{made['id']}?keep=true").status_code == 428
    assert program.ask("DELETE", f"products/{made['id']}?keep=true", If_Match="*").status_code == 204
    assert (BusinessRule.objects.count(), ProductRequest.objects.count()) == (0, 0)


def test_a_product_costs_the_same_however_many_groups_it_has(program: Program) -> None:
    ids, counts = [Group.objects.create(name=f"g{number}").pk for number in range(30)], []
    made = offer(program, audience="groups", seen_by=ids[:1]).json()
    for some in (ids[:2], ids):
        with CaptureQueriesContext(connection) as queries:
            assert change(program, f"products/{made['id']}", {"seen_by": some}).json()["seen_by"] == sorted(some)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_what_is_not_there_any_more_keeps_nobody_from_changing_the_rest(program: Program) -> None:
    definition, ward = roll.definition("badge"), Department.objects.create(external_id="w", name="Ward")
    line = 'contract.department eq "Ward"'
    values = {"custom_profile.badge": "A", "profile.title": "Nurse"}
    step = {"kind": "condition", "condition": line}
    body = {"audience": "condition", "condition": line, "values": values, "steps": [step]}
    addresses = [f"products/{offer(program, **body).json()['id']}"]
    ruled = program.ask("POST", "rules", {"name": "Nurses", "condition": line, "values": values})
    addresses.append(f"rules/{ruled.json()['id']}")
    stored = [Product.objects.get().condition, ProductStep.objects.get().condition]
    definition.delete()
    ward.delete()
    for address in addresses:
        changed = change(program, address, {"category": "Ward"})
        assert changed.status_code == 200, changed.json()
        assert (changed.json()["category"], changed.json()["values"]) == ("Ward", {"profile.title": "Nurse"})
    assert [Product.objects.get().condition, ProductStep.objects.get().condition] == stored
    assert Product.objects.get().audience == "condition"
    found = errors(change(program, addresses[0], {"condition": line}))
    assert list(found) == ["condition"]


def test_a_list_of_products_costs_the_same_however_many_there_are(program: Program) -> None:
    group, counts = Group.objects.create(name="Laptops"), []
    for names in ("A", "BCDE"):
        for name in names:
            offer(program, name=name, groups=[group.pk], audience="groups", seen_by=[group.pk])
        with CaptureQueriesContext(connection) as queries:
            assert len(program.list("products")) == Product.objects.count()
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert [row["name"] for row in program.list("products", 'name eq "C"')] == ["C"]
