"""Contracts that the portal keeps, and decisions about requests: the same forms and services as on the pages."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from provisioning.contracts.models import Contract, Department
from provisioning.models import Account, Group, Membership, User
from provisioning.requests.models import ApproverKind, ProductRequest, RequestState
from provisioning.requests.products import StepDraft
from provisioning.roles import HELPDESK, IT_STAFF
from reports.models import Event
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import Program, of_service, personal
from tests.provisioning.api.test_configuration import errors
from tests.provisioning.requests.conftest import ask, product, step_of

pytestmark = pytest.mark.django_db


# --- Contracts -------------------------------------------------------------------------------------------------------


def contract(program: Program, user: User, **fields: Any) -> Any:
    answer = program.ask("POST", "contracts", {"user": user.pk, "external_id": "1", "starts": "2026-01-01", **fields})
    assert answer.status_code == 201, answer.json()
    return answer


def test_a_contract_is_added_changed_and_deleted_and_the_person_follows(
    program: Program, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    anna = roll.person("anna")
    ward = Department.objects.create(external_id="w", name="Ward")
    with django_capture_on_commit_callbacks(execute=True):
        made = contract(program, anna, ends="2026-02-01", title="Nurse", department=ward.pk, fte="0.5")
    shown = made.json()
    assert (shown["title"], shown["department"], shown["user"]) == ("Nurse", ward.pk, anna.pk)
    assert not User.objects.get(pk=anna.pk).is_active
    address = f"contracts/{shown['id']}"
    with django_capture_on_commit_callbacks(execute=True):
        changed = program.ask("PATCH", address, {"ends": None}, If_Match=made["ETag"])
    assert (changed.json()["title"], changed.json()["ends"]) == ("Nurse", None)
    assert User.objects.get(pk=anna.pk).is_active
    assert program.ask("PATCH", address, {"title": "x"}, If_Match=made["ETag"]).status_code == 412
    with django_capture_on_commit_callbacks(execute=True):
        assert program.ask("DELETE", address).status_code == 204
    assert (Contract.objects.count(), User.objects.get(pk=anna.pk).is_active) == (0, False)
    assert Event.objects.filter(actor="ida, by token sync", message__startswith="Contract 1 of").count() == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ends": "2020-01-01"}, "ends"),
        ({"ends": "tomorrow"}, "ends"),
        ({"department": 999}, "department"),
        ({"fte": "many"}, "fte"),
        ({"external_id": ""}, "external_id"),
        ({"user": "other"}, "user"),
        ({"manager": "self"}, "manager"),
    ],
)
def test_a_contract_that_cannot_be_is_refused_by_field(program: Program, body: Any, field: str) -> None:
    anna, other = roll.person("anna"), roll.person("other")
    made = contract(program, anna).json()
    sent = {name: {"other": other.pk, "self": anna.pk}.get(value, value) for name, value in body.items()}
    assert list(errors(program.ask("PATCH", f"contracts/{made['id']}", sent))) == [field]


def test_a_number_of_a_person_is_there_once(program: Program) -> None:
    anna = roll.person("anna")
    contract(program, anna)
    twice = program.ask("POST", "contracts", {"user": anna.pk, "external_id": "1", "starts": "2026-01-01"})
    assert twice.status_code == 400


def test_a_contract_of_a_source_stays_as_the_source_says(program: Program) -> None:
    held = Account.objects.create(user=roll.person("anna"), directory=roll.directory(), key="anna")
    theirs = Contract.objects.create(account=held, external_id="1", starts=dt.date(2026, 1, 1), title="Nurse")
    for method, body in (("PATCH", {"title": "x"}), ("DELETE", None)):
        assert program.ask(method, f"contracts/{theirs.pk}", body).status_code == 403
    theirs.refresh_from_db()
    assert theirs.title == "Nurse"
    mine = contract(program, roll.person("ben"), account=held.pk, custom={"x": "y"}, manager_ref="z").json()
    assert (mine["account"], mine["custom"], mine["manager_ref"]) == (None, {}, "")


# --- Requests --------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(staff: User) -> ProductRequest:
    """Anna asked for a laptop, and Ida, with the token, decides."""
    group = Group.objects.create(name="Laptops")
    return ask(product("Laptop", group, steps=[StepDraft(ApproverKind.PERSON, person=staff.pk)]), roll.person("anna"))


def test_a_step_is_approved_and_what_was_asked_for_is_given(
    program: Program, asked: ProductRequest, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    [shown] = program.list("requests", 'state eq "waiting"')
    assert (shown["step"], "ida" in shown["waits_for"]) == (step_of(asked).pk, True)
    with django_capture_on_commit_callbacks(execute=True):
        done = program.ask("POST", f"requests/{asked.pk}/approve", {"step": shown["step"]}, Idempotency_Key="1")
    assert (done.status_code, done.json()["state"], done.json()["step"]) == (200, "granted", None)
    assert Membership.objects.filter(user__username="anna", group__name="Laptops").exists()
    again = program.ask("POST", f"requests/{asked.pk}/approve", {"step": shown["step"]}, Idempotency_Key="1")
    assert (again.status_code, again["Idempotency-Replayed"]) == (200, "true")
    assert program.ask("POST", f"requests/{asked.pk}/refuse", {"step": shown["step"], "reason": "x"}).status_code == 409
    assert Event.objects.filter(actor="ida, by token sync", message__contains="approved step 1").exists()


def test_refusing_says_why(program: Program, asked: ProductRequest) -> None:
    step = step_of(asked).pk
    assert program.ask("POST", f"requests/{asked.pk}/refuse", {"step": step}).status_code == 409
    done = program.ask("POST", f"requests/{asked.pk}/refuse", {"step": step, "reason": "None left."})
    assert (done.json()["state"], "None left." in done.json()["why"]) == ("refused", True)


def test_nobody_decides_what_is_not_theirs_to_decide(staff: User, program: Program, asked: ProductRequest) -> None:
    step = {"step": step_of(asked).pk}
    address = f"requests/{asked.pk}/approve"
    other = personal(roll.staff(HELPDESK, "hilda"))
    assert other.ask("POST", address, step).status_code == 409
    assert personal(roll.staff("", "boss")).ask("POST", address, step).status_code == 409
    service = of_service(IT_STAFF).ask("POST", address, step)
    assert (service.status_code, "personal token" in service.json()["detail"]) == (403, True)
    assert personal(staff, {"requests": "read"}, "reader").ask("POST", address, step).status_code == 403
    assert program.ask("POST", address, {"step": step["step"] + 1}).status_code == 404
    assert "step" in errors(program.ask("POST", address, {}))
    own = ask(asked.product, roll.person("ben"), by=staff)  # type: ignore[arg-type]
    refused = program.ask("POST", f"requests/{own.pk}/approve", {"step": step_of(own).pk})
    assert (refused.status_code, "Nobody decides" in refused.json()["detail"]) == (409, True)
    assert set(ProductRequest.objects.values_list("state", flat=True)) == {RequestState.WAITING}
