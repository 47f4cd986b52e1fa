"""Redis goes away while the portal works: the worker stays, and everything that was saved is delivered."""

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from celery import Celery
from django.conf import settings
from django.db import connection

from directories.models import Directory
from provisioning.models import Change, User
from provisioning.outbound import dispatch
from tests import servers
from tests.fixtures.directories import AppsDb
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until


@pytest.fixture
def broker(own_redis: servers.Program, portal: Portal, monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.Program]:
    """A Redis of this test alone, which the portal's processes and the saves of the test itself send to."""
    url = f"redis://127.0.0.1:{own_redis.port}/0"
    portal.environment["REDIS_URL"] = url
    web = Celery("web", set_as_current=False)
    web.config_from_object("django.conf:settings", namespace="CELERY")
    web.conf.update(broker_url=url, broker_transport_options=settings.REDIS_OPTIONS)
    monkeypatch.setattr(dispatch, "current_app", web)
    monkeypatch.setattr(dispatch, "PAUSE", 0.5)
    monkeypatch.setattr(dispatch, "_down_until", 0.0)
    yield own_redis
    web.close()


class Outages:
    """What takes Redis away, and who is saved meanwhile."""

    def __init__(self, broker: servers.Program, appsdb: AppsDb) -> None:
        self.broker, self.appsdb = broker, appsdb
        self.numbers = itertools.count()

    def save(self, count: int) -> None:
        """Save people, each in a message of their own."""
        for _ in range(count):
            User.objects.create(username=f"user{next(self.numbers)}")

    def delivering(self) -> None:
        """Save people and wait until the worker is in the middle of them."""
        before = len(self.appsdb.people())
        self.save(20)
        wait_until(lambda: len(self.appsdb.people()) > before + 2, 30, "the first of the deliveries")

    def down(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End Redis; it keeps nothing on disk, so every message is lost."""
        self.broker.gentle_signal = number  # type: ignore[misc]
        self.broker.stop()

    def away(self, seconds: float = 0.2, number: signal.Signals = signal.SIGKILL) -> None:
        """Take Redis away for a while."""
        self.down(number)
        time.sleep(seconds)
        self.broker.start()

    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.broker.port)

    def idle(self) -> None:
        self.away(1)

    def idle_asked_to_end(self) -> None:
        self.away(1, signal.SIGTERM)

    def just_as_a_message_came(self) -> None:
        self.save(1)
        self.away()

    def during_deliveries(self) -> None:
        self.delivering()
        self.away()

    def during_deliveries_asked_to_end(self) -> None:
        self.delivering()
        self.away(1, signal.SIGTERM)

    def longer_than_the_deliveries(self) -> None:
        self.delivering()
        self.down()
        self.save(5)
        time.sleep(5)
        self.broker.start()

    def while_the_web_publishes(self) -> None:
        def save() -> None:
            try:
                self.save(60)
            finally:
                connection.close()

        web = threading.Thread(target=save)
        web.start()
        self.away()
        web.join()

    def while_it_connects_again(self) -> None:
        self.delivering()
        self.away()
        with self.client() as client:
            wait_until(lambda: client.info("clients")["connected_clients"] > 1, 30, "the worker's new connection")
        self.away()

    def emptied(self) -> None:
        self.delivering()
        with self.client() as client:
            client.flushall()

    def with_many_messages(self) -> None:
        for _ in range(200):
            dispatch.send(dispatch.DELIVER, Directory.objects.get().pk, [])
        self.delivering()
        self.away()

    def twice(self) -> None:
        self.delivering()
        self.away(3)
        self.delivering()
        self.away()


MOMENTS: list[Callable[[Outages], None]] = [
    Outages.idle,
    Outages.idle_asked_to_end,
    Outages.just_as_a_message_came,
    Outages.during_deliveries,
    Outages.during_deliveries_asked_to_end,
    Outages.longer_than_the_deliveries,
    Outages.while_the_web_publishes,
    Outages.while_it_connects_again,
    Outages.emptied,
    Outages.with_many_messages,
    Outages.twice,
]


def test_the_worker_outlives_every_outage_of_redis(
    portal: Portal, broker: servers.Program, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    """One worker with the Procfile's own options through all of them; the test does the minute's sweep."""
    make_directory(pg_appsdb, create_users=True, initial_password="fixed", password_storage="plain")
    pg_appsdb.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$"
    )
    pg_appsdb.execute("CREATE TRIGGER slow BEFORE INSERT ON USERS FOR EACH ROW EXECUTE FUNCTION slow()")
    worker = portal.program("worker")
    outages = Outages(broker, pg_appsdb)
    outages.save(1)

    def delivered() -> bool:
        assert worker.poll() is None, f"the worker ended:\n{portal.logs()}"
        if not Change.objects.exists():
            return True
        dispatch.send("provisioning.tasks.sweep", expires=60)
        time.sleep(0.5)
        return False

    wait_until(delivered, 60, "the worker's start")
    for moment in MOMENTS:
        started = time.monotonic()
        moment(outages)
        outages.save(1)
        wait_until(delivered, 60, f"the deliveries after Redis was taken away: {moment.__name__}")
        assert set(pg_appsdb.people()) == set(User.objects.values_list("username", flat=True)), moment.__name__
        print(f"{moment.__name__}: {time.monotonic() - started:.1f} s")
