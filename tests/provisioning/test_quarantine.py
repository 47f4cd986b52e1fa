"""A directory that only refuses is tried rarely, with one change, and comes back by itself."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from directories import health
from directories.connectors.base import ConnectorError
from directories.connectors.memory import STORES, Memory
from directories.models import Directory, ProvisioningSettings
from provisioning.models import Account, Change, User
from provisioning.models.outbox import Lane
from provisioning.outbound import batch
from provisioning.outbound.accounts.delivery import AccountWork
from provisioning.outbound.accounts.outbox import enqueue_users
from reports.models import Event
from tests.provisioning.impact.test_reckoning import make

pytestmark = pytest.mark.django_db
COUNT = health.REFUSALS + 5


@pytest.fixture
def crm() -> Directory:
    STORES["crm"].clear()
    return make()


def new(count: int, prefix: str = "new") -> list[int]:
    """Add users by statements, with changes for the directory; return their accounts."""
    User.objects.bulk_create(
        User(username=f"{prefix}{n}", username_key=f"{prefix}{n}", email=f"{prefix}{n}@example.org")
        for n in range(count)
    )
    enqueue_users(list(User.objects.filter(username__startswith=prefix).values_list("pk", flat=True)), "test", "tests")
    accounts = Account.objects.filter(key__startswith=prefix).order_by("pk")
    return list(accounts.values_list("pk", flat=True))


def deliver(directory: Directory, ids: list[int]) -> batch.Delivered:
    Account.objects.update(not_before=timezone.now() - dt.timedelta(seconds=1))
    return batch.deliver(AccountWork, directory.pk, ids)


def refuse(monkeypatch: pytest.MonkeyPatch, tried: list[str], code: str = "refused") -> None:
    def create(self: Memory, entry: Any, password: str | None = None) -> None:
        tried.append(entry.key)
        raise ConnectorError("The quota of the CRM is used up. Ask for more.", code=code)

    monkeypatch.setattr(Memory, "create", create)


def quarantine(monkeypatch: pytest.MonkeyPatch, crm: Directory) -> list[str]:
    """Let the directory refuse for so long that it goes into quarantine; return the list of who is tried."""
    tried: list[str] = []
    refuse(monkeypatch, tried)
    deliver(crm, new(COUNT - 1, "first"))
    Directory.objects.update(refusing_since=timezone.now() - health.REFUSING)
    deliver(crm, new(1, "last"))
    crm.refresh_from_db()
    return tried


def due(crm: Directory) -> None:
    Directory.objects.filter(pk=crm.pk).update(retry_at=timezone.now() - dt.timedelta(seconds=1))


@pytest.mark.heavy
def test_a_directory_that_only_refuses_goes_into_quarantine_with_one_notice(
    monkeypatch: pytest.MonkeyPatch, crm: Directory
) -> None:
    tried: list[str] = []
    refuse(monkeypatch, tried)
    deliver(crm, new(COUNT, "first"))
    crm.refresh_from_db()
    assert (crm.refusals, crm.quarantined) == (COUNT, False), "many at once are no long time"
    Directory.objects.update(refusing_since=timezone.now() - health.REFUSING)
    deliver(crm, new(1, "last"))
    crm.refresh_from_db()
    assert crm.quarantined
    assert crm.unreachable_since is not None
    assert "quota" in crm.last_error
    tried.clear()
    waiting = new(30, "later")
    deliver(crm, waiting)
    assert not tried, "nothing is tried before it is due"
    due(crm)
    deliver(crm, waiting)
    assert len(tried) == 1, "one change is the trial"
    crm.refresh_from_db()
    assert crm.quarantined
    assert crm.retry_at is not None
    assert crm.retry_at > timezone.now() + dt.timedelta(seconds=health.FIRST_QUARANTINE_PAUSE)
    assert Change.objects.filter(account__in=waiting, parked=None).count() == 29, "the others wait and are not parked"
    assert Event.objects.filter(message__contains="quarantine").count() == 1


def test_what_the_portal_itself_finds_wrong_is_no_refusal(monkeypatch: pytest.MonkeyPatch, crm: Directory) -> None:
    """People whose values do not fit the mapping close no directory to those who leave it."""
    tried: list[str] = []
    refuse(monkeypatch, tried, code="mapping")
    deliver(crm, new(COUNT, "first"))
    crm.refresh_from_db()
    assert (len(tried), crm.refusals, crm.quarantined) == (COUNT, 0, False)


@pytest.mark.heavy
def test_it_returns_by_itself_when_the_trial_succeeds(monkeypatch: pytest.MonkeyPatch, crm: Directory) -> None:
    quarantine(monkeypatch, crm)
    waiting = new(3, "later")
    monkeypatch.undo()
    due(crm)
    assert deliver(crm, waiting).resumed
    crm.refresh_from_db()
    assert (crm.quarantined, crm.refusals, crm.refusing_since, crm.unreachable_since) == (False, 0, None, None)
    deliver(crm, waiting)
    assert set(STORES["crm"]) == {"later0", "later1", "later2"}
    assert Event.objects.filter(message__contains="has left quarantine").count() == 1


def test_one_that_nothing_waits_for_returns_by_a_test_of_the_connection_and_the_report_says_so(
    monkeypatch: pytest.MonkeyPatch, crm: Directory
) -> None:
    quarantine(monkeypatch, crm)
    due(crm)
    assert deliver(crm, []).resumed
    crm.refresh_from_db()
    assert not crm.quarantined
    assert Event.objects.filter(message="CRM takes changes again and has left quarantine.").count() == 1


def test_who_is_done_in_between_ends_the_count(monkeypatch: pytest.MonkeyPatch, crm: Directory) -> None:
    refuse(monkeypatch, [])
    deliver(crm, new(COUNT, "first"))
    monkeypatch.undo()
    deliver(crm, new(1, "fine"))
    crm.refresh_from_db()
    assert (crm.refusals, crm.refusing_since) == (0, None)


@pytest.mark.heavy
def test_settings_that_cannot_be_used_count_too(crm: Directory) -> None:
    crm.attribute_mappings.update(portal_attribute="nothing")
    deliver(crm, new(COUNT, "first"))
    Directory.objects.update(refusing_since=timezone.now() - health.REFUSING)
    deliver(crm, new(1, "last"))
    crm.refresh_from_db()
    assert crm.quarantined
    due(crm)
    later = new(2, "later")
    deliver(crm, later)
    crm.refresh_from_db()
    assert crm.quarantined, "a trial that cannot even begin does not end it"
    crm.attribute_mappings.filter(directory_attribute="mail").update(portal_attribute="email")
    crm.attribute_mappings.filter(directory_attribute="phone").update(portal_attribute="phone")
    due(crm)
    assert deliver(crm, later).resumed


@pytest.mark.heavy
def test_leavers_in_quarantine_are_shown_in_red(
    monkeypatch: pytest.MonkeyPatch, crm: Directory, admin_client: Client
) -> None:
    quarantine(monkeypatch, crm)
    account = Account.objects.get(key="last0")
    Change.objects.create(account=account, directory=crm, lane=Lane.LEAVERS, reason="deactivated")
    start = admin_client.get("/").content.decode()
    assert "CRM is in quarantine" in start
    assert "1 of those who lose access there still have it." in start
    listed = admin_client.get("/provisioning/change/").content.decode()
    assert "CRM is in quarantine since" in listed
    assert "1 of those who lose access there still have it." in listed
    assert f"{COUNT} changes: the directory refused it (CRM)" in listed
    assert "Correct that first." in listed


@pytest.mark.heavy
def test_what_waits_for_a_person_is_no_trial_of_a_directory(monkeypatch: pytest.MonkeyPatch, crm: Directory) -> None:
    there = new(1, "there")
    deliver(crm, there)
    quarantine(monkeypatch, crm)
    before = Directory.objects.get(pk=crm.pk).failures
    ProvisioningSettings.objects.update(max_leavers=0, deactivate_users=True, on_deactivate="delete")
    User.objects.filter(username="there0").update(is_active=False)
    enqueue_users(User.objects.filter(username="there0").values_list("pk", flat=True), "test", "tests")
    due(crm)
    deliver(crm, there)
    assert Change.objects.filter(account__in=there, parked_code="held").count() == 1
    crm.refresh_from_db()
    assert crm.quarantined, "nothing was tried"
    assert crm.failures == before
    assert crm.retry_at is not None
    assert crm.retry_at <= timezone.now(), "the next change is the trial, at once"
