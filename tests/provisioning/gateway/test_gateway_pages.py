"""The pages of gateways, and who is told of a silent one."""

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.signin import again
from directories.models import Directory
from provisioning.gateway import silence
from provisioning.gateway.models import EnrolmentCode, Gateway, Machine
from provisioning.models import User
from provisioning.notices.models import Notice
from provisioning.notices.watch import watch
from tests.fixtures.gateways import HERE, Caller

pytestmark = pytest.mark.django_db
LONG_AGO = dt.timedelta(minutes=10)


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


def page(gateway: Gateway) -> str:
    return reverse("admin:gateway_gateway_change", args=[gateway.pk])


def reached(gateway: Gateway, **more: Any) -> Directory:
    settings = {"gateway": gateway.name, "name": HERE.name}
    return Directory.objects.create(name="Staff", kind="gateway", settings=settings, **more)


def silent_machine(gateway: Gateway) -> None:
    at = timezone.now() - LONG_AGO
    Machine.objects.create(gateway=gateway, name="cellar", public_key="x", portal_key="y", seen_at=at)


@pytest.mark.heavy
def test_a_gateway_is_added_and_shows_its_first_code_once(admin: Client) -> None:
    added = admin.post(reverse("admin:gateway_gateway_add"), {"name": "Head office", "description": ""}, follow=True)
    assert b"Next: enrol its first machine." in added.content
    assert b"No machine is enrolled yet" in added.content
    gateway = Gateway.objects.get()
    shown = admin.post(reverse("admin:gateway_gateway_code", args=[gateway.pk]))
    code = EnrolmentCode.objects.get()
    assert b"rollcall_gateway_" in shown.content
    assert code.digest.encode() not in shown.content
    assert "no-store" in shown.headers["Cache-Control"]
    assert b"rollcall_gateway_" not in admin.get(page(gateway)).content


def test_a_code_asks_for_a_new_proof_of_who_it_is(admin: Client, office: Gateway) -> None:
    session = admin.session
    who, _ = session[again.KEPT]
    session[again.KEPT] = [who, time.time() - 4000]
    session.save()
    asked = admin.post(reverse("admin:gateway_gateway_code", args=[office.pk]))
    assert asked.status_code == 302
    assert asked.headers["Location"].startswith(reverse("prove_again"))
    assert not EnrolmentCode.objects.exists()


@pytest.mark.heavy
def test_its_page_says_how_each_machine_does(admin: Client, caller: Caller, office: Gateway) -> None:
    reached(office)
    Machine.objects.create(
        gateway=office, name="cellar", public_key="x", portal_key="y", seen_at=timezone.now() - LONG_AGO
    )
    shown = admin.get(page(office)).content.decode()
    for words in ("box", "Connected", "cellar", "Silent", HERE.name, "2 ms", "Staff"):
        assert words in shown, words
    assert caller.machine.portal_key not in shown
    table = admin.get(reverse("admin:gateway_gateway_machines", args=[office.pk])).content.decode()
    assert "Connected" in table


def test_a_machine_is_withdrawn_after_a_question(admin: Client, caller: Caller, office: Gateway) -> None:
    address = reverse("admin:gateway_gateway_withdraw", args=[office.pk, caller.machine.pk])
    assert b"It is the only machine of this gateway" in admin.get(address).content
    assert Machine.objects.get().withdrawn_at is None
    assert b"is withdrawn" in admin.post(address, follow=True).content
    machine = Machine.objects.get()
    assert (machine.withdrawn_by, machine.withdrawn_at is None) == ("root", False)
    assert admin.post(address).status_code == 404


def test_a_gateway_that_a_directory_needs_stays(admin: Client, office: Gateway) -> None:
    directory = reached(office)
    address = reverse("admin:gateway_gateway_delete", args=[office.pk])
    assert b"can only be reached through it" in admin.post(address, {"post": "yes"}, follow=True).content
    directory.delete()
    admin.post(address, {"post": "yes"})
    assert not Gateway.objects.exists()


def test_the_name_of_a_gateway_stays(admin: Client, office: Gateway) -> None:
    admin.post(page(office), {"name": "Elsewhere", "description": "The cellar."})
    office.refresh_from_db()
    assert (office.name, office.description) == (HERE.gateway, "The cellar.")


@pytest.mark.heavy
def test_a_silent_gateway_is_told_of_everywhere(admin: Client, caller: Caller, office: Gateway) -> None:
    assert silence.silent() == []
    reached(office)
    assert silence.silent() == []
    Machine.objects.update(seen_at=timezone.now() - LONG_AGO)
    (found,) = silence.silent()
    assert (found.name, found.directories) == (HERE.gateway, 1)
    start = admin.get("/").content.decode()
    assert "The gateway Head office shows no sign of life" in start
    assert "1 directory waits for it" in start
    watch()
    assert Notice.objects.filter(cause="gateway", closed_at=None).count() == 1
    Machine.objects.update(seen_at=timezone.now())
    watch()
    assert not Notice.objects.filter(cause="gateway", closed_at=None).exists()
    Directory.objects.update(enabled=False)
    Machine.objects.update(seen_at=None)
    assert silence.silent() == []


def test_one_silent_machine_of_two_is_a_notice(caller: Caller, office: Gateway) -> None:
    reached(office)
    Machine.objects.create(
        gateway=office, name="cellar", public_key="x", portal_key="y", seen_at=timezone.now() - LONG_AGO
    )
    watch()
    assert (
        Notice.objects.get(cause="gateway").title
        == "The machine cellar of the gateway Head office shows no sign of life"
    )


@pytest.mark.heavy
def test_the_list_costs_the_same_for_many(admin: Client, django_assert_max_num_queries: Callable[..., Any]) -> None:
    for number in range(30):
        gateway = Gateway.objects.create(name=f"Office {number}")
        for machine in range(3):
            Machine.objects.create(gateway=gateway, name="m", public_key=f"{number}-{machine}", portal_key="x")
    with django_assert_max_num_queries(25):
        assert b"Office 7" in admin.get(reverse("admin:gateway_gateway_changelist")).content


def test_the_page_of_a_new_directory_offers_gateways_and_asks_for_no_secret(admin: Client, office: Gateway) -> None:
    shown = admin.get(f"{reverse('admin:directories_directory_add')}?kind=gateway").content.decode()
    assert f'<option value="{HERE.gateway}">' in shown
    assert "its secrets never come to the portal" in shown
    assert 'type="password"' not in shown


def test_the_connection_test_says_what_is_missing(admin: Client, office: Gateway) -> None:
    def tested(**values: str) -> str:
        posted = {"kind": "gateway", "name": "Staff", **{f"connection-{name}": value for name, value in values.items()}}
        return admin.post(reverse("admin:directories_directory_fragment_test"), posted).content.decode()

    assert "No machine is enrolled for the gateway" in tested(gateway=HERE.gateway, name="people")
    Caller(Client(), office).ask(fresh=True)
    found = tested(gateway=HERE.gateway, name="wrong")
    assert "has no directory of this name" in found
    assert HERE.name in found  # what it could be
    Machine.objects.update(seen_at=timezone.now() - LONG_AGO)
    assert "shows no sign of life" in tested(gateway=HERE.gateway, name="people")
