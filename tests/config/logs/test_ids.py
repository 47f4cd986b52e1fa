"""What is written to the log because of one click has one id, from the request to the last call."""

import contextvars
import json
import logging
import urllib.request
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client
from pytest_django import Settings
from structlog.contextvars import bound_contextvars, get_contextvars

from config.env import log_format
from config.logs import tasks
from config.logs.formatter import PortalFormatter
from config.tasks import send_link_mails
from directories.models import Directory
from provisioning.models import Account, User
from provisioning.outbound import dispatch
from provisioning.outbound.dispatch import Delivery, send_gathered
from tests.fixtures.directories import AppsDb
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is written to the log as JSON."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(PortalFormatter("json"))
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def test_a_request_keeps_the_id_that_it_came_with(client: Client, lines: Lines) -> None:
    response = client.get("/my/", headers={"X-Request-ID": "proxy-1.2_3", "Host": "elsewhere.example.org"})
    assert response.headers["X-Request-ID"] == "proxy-1.2_3"
    assert {(line["logger"], line["request_id"]) for line in lines()} >= {
        ("django.security.DisallowedHost", "proxy-1.2_3")
    }
    assert "request_id" not in get_contextvars()


@pytest.mark.parametrize("given", [None, "", "two words", "a" * 65, "x\ny", "-rf", "ä", '"}'])
def test_another_request_gets_an_id(client: Client, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    ids = [client.get("/healthz", headers=headers).headers["X-Request-ID"] for _ in range(2)]
    assert all(len(one) == 32 and one.isalnum() for one in ids)
    assert ids[0] != ids[1]


def test_a_task_has_the_ids_of_who_sent_it() -> None:
    """As Celery calls it; the last test of this file has a worker."""
    headers: dict[str, Any] = {}
    with bound_contextvars(request_id="r1", run_id=5, directory="CRM", password="hunter2"):
        tasks.hand_on(headers=headers)
    assert headers == {tasks.HEADER: {"request_id": "r1", "run_id": "5"}}
    task = type("Task", (), {"name": "t", "request": type("Context", (), headers)})
    with bound_contextvars(request_id="outer"):
        tasks.bind(task_id="1", task=task)
        assert get_contextvars() == {"request_id": "r1", "run_id": "5", "task": "t", "task_id": "1"}
        tasks.unbind(task_id="1")
        assert get_contextvars() == {"request_id": "outer"}
    tasks.hand_on(headers=(none := {}))
    assert none == {}


def test_a_task_that_runs_at_once_leaves_the_ids_as_they_were(settings: Settings) -> None:
    settings.EMAIL_HOST = ""
    with bound_contextvars(request_id="r1"):
        send_link_mails.apply()
        assert get_contextvars() == {"request_id": "r1"}


@pytest.mark.django_db(transaction=True)
def test_what_a_thread_sends_has_the_ids_of_all_who_saved(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.SEND_BESIDE = True
    put: list[Delivery] = []
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(dispatch._sender, "put", put.append)
    monkeypatch.setattr(dispatch, "send", lambda *args, **options: sent.append(get_contextvars()))
    for number in [*range(7), 0]:
        with bound_contextvars(request_id=f"r{number}"), transaction.atomic():
            dispatch.deliver_on_commit(Delivery(1, [number], "accounts", None, 100))
    contextvars.Context().run(send_gathered, put)
    assert sent == [{"request_id": "r0,r1,r2,r3,r4"}]


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({"HTTPS": "true"}, "json"),
        ({"HTTPS": "false"}, "text"),
        ({"HTTPS": "true", "LOG_FORMAT": "text"}, "text"),
        ({"HTTPS": "false", "LOG_FORMAT": "json"}, "json"),
    ],
)
def test_the_format_of_the_log(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], kind: str) -> None:
    monkeypatch.delenv("LOG_FORMAT", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert log_format() == kind


def test_the_clients_of_directories_log_no_addresses() -> None:
    """Addresses may hold keys."""
    assert {settings.LOGGING["loggers"][name]["level"] for name in ("httpx2", "httpcore2")} == {"WARNING"}
    assert not logging.getLogger("httpx2").isEnabledFor(logging.INFO)


def test_from_a_click_to_the_call_of_a_directory(
    portal: Portal, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    """Web server and worker write nothing but JSON, and one id leads from one to the other."""
    make_directory(pg_appsdb, create_users=True)
    portal.environment |= {"LOG_FORMAT": "json", "LOG_LEVEL": "INFO", "ACCESS_LOG": "true", "PORT": str(portal.port)}
    portal.environment |= {"WEB_CONCURRENCY": "1"}
    portal.program("web")
    portal.program("worker")
    wait_until(portal._answers, words="the web server")
    with bound_contextvars(request_id="click-1"):
        ann = User.objects.create_user("ann", "hunter2hunter2")
    asked = urllib.request.Request(f"{portal.url}/healthz", headers={"X-Request-ID": "click-2"})
    urllib.request.urlopen(asked, timeout=10).close()
    account = Account.objects.get(user=ann)
    wait_until(lambda: f"Account {account.pk}: done" in portal.logs(), 60, words="the delivery")
    told = [json.loads(line) for line in portal.logs().splitlines() if line]
    delivered = next(line for line in told if line["event"] == f"Account {account.pk}: done")
    assert delivered["request_id"] == "click-1"
    assert delivered["task"] == "provisioning.tasks.deliver"
    assert delivered["directory"] == account.directory.name
    assert delivered["operation_id"].isdecimal()
    assert any(line["logger"] == "gunicorn.access" and line["event"].endswith("click-2") for line in told)
    assert any(line["logger"] == "gunicorn.error" for line in told)
    assert "hunter2hunter2" not in portal.logs()
