"""/healthz and /readyz: what monitors see."""

import datetime as dt
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from config.health import readiness
from directories.models import Directory
from provisioning import heartbeat
from provisioning.models import Account, Change, GroupAccount, GroupChange, Heartbeat, User
from tests.servers import free_port


@pytest.fixture(autouse=True)
def _fresh_answer() -> Iterator[None]:
    """The answer is kept for two seconds; every test wants its own."""
    readiness.until = 0.0
    yield
    readiness.until = 0.0


@pytest.fixture
def waiting_change(db: None) -> Change:
    """A change that has been due for two hours."""
    directory = Directory.objects.create(name="A", kind="sqlite")
    user = User(username="ada")
    User.objects.bulk_create([user])
    account = Account.objects.create(user=user, directory=directory, key="ada")
    Change.objects.all().delete()
    two_hours_ago = timezone.now() - dt.timedelta(hours=2)
    Account.objects.update(not_before=two_hours_ago)
    return Change.objects.create(account=account, directory=directory, reason="test", created_at=two_hours_ago)


def test_healthz_needs_no_database(client: Client) -> None:
    """No database is allowed in this test, so a query would fail it."""
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


def test_ready_with_a_fresh_worker(db: None, client: Client) -> None:
    """All parts ok is 200, without a sign-in and without a cookie."""
    heartbeat.stamp()
    heartbeat.stamp()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert {name: part["status"] for name, part in response.json().items() if name != "status"} == {
        "database": "ok",
        "broker": "ok",
        "worker": "ok",
        "due_changes": "ok",
        "look_first": "ok",
    }
    assert not response.cookies
    assert Heartbeat.objects.count() == 1


@pytest.mark.parametrize("minutes", [None, 4])
def test_not_ready_without_a_worker(db: None, client: Client, minutes: int | None) -> None:
    """A worker that never came, or was last seen four minutes ago, is missing."""
    if minutes:
        heartbeat.stamp()
        Heartbeat.objects.update(at=timezone.now() - dt.timedelta(minutes=minutes))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["worker"]["status"] == "failing"


def test_not_ready_while_a_due_change_is_left(waiting_change: Change, client: Client) -> None:
    """Two hours are too long for a change that could be delivered."""
    heartbeat.stamp()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["due_changes"]["status"] == "failing"
    assert 7190 < response.json()["due_changes"]["oldest_seconds"] < 7300


def test_not_ready_while_a_due_change_of_a_group_is_left(db: None, client: Client) -> None:
    """Groups wait no longer than users."""
    heartbeat.stamp()
    directory = Directory.objects.create(name="A", kind="sqlite")
    two_hours_ago = timezone.now() - dt.timedelta(hours=2)
    group = GroupAccount.objects.create(directory=directory, key="Developers", not_before=two_hours_ago)
    GroupChange.objects.create(group_account=group, directory=directory, reason="test", created_at=two_hours_ago)
    assert client.get("/readyz").json()["due_changes"]["status"] == "failing"


@pytest.mark.parametrize(
    "excuse",
    [
        lambda: Directory.objects.update(enabled=False),
        lambda: Directory.objects.update(retry_at=timezone.now() + dt.timedelta(minutes=5)),
        lambda: Account.objects.update(not_before=timezone.now() + dt.timedelta(minutes=5)),
        lambda: Change.objects.update(parked=timezone.now()),
    ],
    ids=["directory off", "directory unreachable", "postponed", "parked"],
)
def test_what_waits_for_a_reason_is_not_due(
    waiting_change: Change, client: Client, excuse: Callable[[], object]
) -> None:
    """A directory that is down for a day does not make the portal unready."""
    heartbeat.stamp()
    excuse()
    assert client.get("/readyz").json()["due_changes"] == {"status": "ok", "oldest_seconds": 0}


def test_a_broker_that_is_gone(db: None, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer names the part and nothing of the inside."""
    from celery import Celery

    address = f"redis://:hidden@127.0.0.1:{free_port()}/0"
    monkeypatch.setattr(settings, "CELERY_BROKER_URL", address)
    monkeypatch.setattr("config.health.app", Celery("elsewhere", broker=address, set_as_current=False))
    heartbeat.stamp()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["broker"] == {"status": "failing"}
    assert "hidden" not in response.content.decode()
    assert "Error" not in response.content.decode()


def test_asking_often_costs_nothing(
    db: None, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The second of two quick questions reads nothing."""
    client.get("/readyz")
    with django_assert_num_queries(0):
        client.get("/readyz")


def test_a_broken_database_is_an_answer(client: Client) -> None:
    """Without a database (pytest forbids it here) the page still answers, and says which part fails."""
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["database"] == {"status": "failing"}
