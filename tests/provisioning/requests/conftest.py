"""Products, people with managers and heads, and browsers of people who are not staff."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from directories.models import Directory
from provisioning.contracts.models import Department
from provisioning.models import Group, User
from provisioning.requests import due, services
from provisioning.requests.models import ApproverKind, AskedApprover, Product, ProductRequest, RequestStep
from provisioning.requests.products import ProductDraft, StepDraft, save
from provisioning.rules.services import RuleDraft
from tests.provisioning.rules.conftest import clock, group, members, others, person

__all__ = ["clock", "group", "members", "others", "person"]

MODEL = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture(autouse=True)
def people_may_sign_in(settings: Settings) -> None:
    """Who may sign in is decided elsewhere; here everybody may who is given a session."""
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, MODEL]


@pytest.fixture
def browser_of() -> Callable[[User], Client]:
    """``browser_of(user)``: a signed-in client."""

    def browser_of(user: User) -> Client:
        client = Client()
        client.force_login(user, backend=MODEL)
        return client

    return browser_of


def product(name: str, *gives: Any, steps: Any = ApproverKind.MANAGER, **values: Any) -> Product:
    """Make a product that gives groups and accounts in directories; ``steps``: kinds, or drafts of steps."""
    wanted = steps if isinstance(steps, list) else [steps]
    drafts = [one if isinstance(one, StepDraft) else StepDraft(one) for one in wanted]
    rule = RuleDraft(
        name=name,
        directories=[one.pk for one in gives if isinstance(one, Directory)],
        groups=[one.pk for one in gives if isinstance(one, Group)],
        values=dict(one for one in gives if isinstance(one, tuple)),
        position=50,
        by_request=True,
    )
    return save(None, ProductDraft(rule=rule, steps=drafts, **values), "admin")


def ask(wanted: Product, who: User, by: User | None = None, **more: Any) -> ProductRequest:
    """Ask for a product, and expect that it works."""
    found = services.ask(wanted, [who], by or who, **more)
    assert not found.problems, found.problems
    return found.made[0]


def step_of(request: ProductRequest, position: int = 1) -> RequestStep:
    return RequestStep.objects.get(request=request, position=position)


def approve(request: ProductRequest, by: User, position: int = 1) -> ProductRequest:
    return services.decide(step_of(request, position).pk, by, approve=True)


def refuse(request: ProductRequest, by: User, reason: str = "", position: int = 1) -> ProductRequest:
    return services.decide(step_of(request, position).pk, by, approve=False, reason=reason)


def asked(request: ProductRequest, position: int = 1) -> set[str]:
    """Return who is asked now."""
    rows = AskedApprover.objects.filter(step=step_of(request, position))
    return set(rows.values_list("user__username", flat=True))


def later(days: int) -> None:
    """Let the tick come so many days later."""
    now = timezone.now() + dt.timedelta(days=days)
    due.ask_again(now)


def department(number: str, head: User | None = None, parent: Department | None = None) -> Department:
    return Department.objects.create(external_id=number, name=number, manager=head, parent=parent)
