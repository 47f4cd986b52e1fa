"""Requests of people who turn out to be one person."""

import datetime as dt

import pytest
from django.utils import timezone

from provisioning import services
from provisioning.imports import engine
from provisioning.models import ImportRun, User
from provisioning.requests import due
from provisioning.requests.models import ApproverKind, Product, ProductRequest, RequestState, Substitute
from provisioning.requests.products import StepDraft
from provisioning.rules.models import Holding
from tests.provisioning.requests.conftest import approve, ask, asked, group, members, others, person, product

pytestmark = pytest.mark.django_db


def merged(goes: User, stays: User) -> ImportRun:
    """Merge one into the other, and let the next look come."""
    run = services.merge_by_plan(goes, stays, "admin").run
    assert not run.errors
    due.look()
    return run


def split(run: ImportRun) -> None:
    """Take a merge back, and let the next look come."""
    undo = services.undo(run, "admin")
    services.approve_import(undo, "admin", plan_hash=undo.plan_hash)
    engine.execute(undo.pk)
    due.look()


def of(user: User) -> dict[str, str]:
    """Return where a person's requests are, by product."""
    return dict(ProductRequest.objects.filter(person=user).values_list("product_name", "state"))


@pytest.mark.heavy
def test_requests_follow_whom_their_person_is_merged_into_and_a_split_brings_them_back() -> None:
    others(200)
    vpn = group("VPN")
    boss = person("boss")
    anna, anna2 = person("anna", manager=boss), person("anna2", manager=boss)
    approve(ask(product("Remote work", vpn), anna2), boss)
    crm, books = product("CRM"), product("Books")
    for asker, wanted in ((anna2, crm), (anna2, books), (anna, books)):
        ask(wanted, asker)
    assert members(vpn) == {"anna2"}
    run = merged(anna2, anna)
    assert of(anna) == {
        "Remote work": RequestState.GRANTED,
        "CRM": RequestState.WAITING,
        "Books": RequestState.WAITING,  # its own; that of anna2 is over
    }
    assert members(vpn) == {"anna"}
    assert Holding.objects.get().user == anna
    twice = ProductRequest.objects.get(person=None)
    assert (twice.product_name, twice.state) == ("Books", RequestState.CANCELLED)
    split(run)
    back = User.objects.get(username="anna2")
    assert of(back) == {"Remote work": RequestState.GRANTED, "CRM": RequestState.WAITING}
    assert of(anna) == {"Books": RequestState.WAITING}
    assert members(vpn) == {"anna2"}
    assert ProductRequest.objects.get(product=crm).asked_by == back


@pytest.mark.heavy
def test_whoever_stays_decides_and_owns_and_never_for_themselves() -> None:
    others(200)
    head, deputy = person("head"), person("deputy")
    owner, owner2 = person("owner", manager=head), person("owner2")
    tool = product("Tool", steps=[StepDraft(ApproverKind.PERSON, person=owner2.pk)], owner=owner2.pk)
    today = timezone.localdate()
    Substitute.objects.create(user=owner2, substitute=deputy, starts=today, ends=today + dt.timedelta(days=1))
    theirs, own = ask(tool, person("ada")), ask(tool, owner)
    assert asked(theirs) == {"owner2", "deputy"}
    run = merged(owner2, owner)
    assert Product.objects.get().owner == owner
    assert asked(theirs) == {"owner", "deputy"}
    assert "owner" not in asked(own)
    split(run)
    assert asked(theirs) == {"owner2", "deputy"}
    assert Product.objects.get().owner == User.objects.get(username="owner2")
