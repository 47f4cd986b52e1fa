"""The portal's programs on a real broker: a save reaches the directory, and readiness tells the truth."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from directories.models import Directory
from provisioning.models import User
from tests.fixtures.directories import AppsDb
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until
from tests.servers import Server


def ready(portal: Portal) -> dict[str, object]:
    """Return what /readyz says."""
    try:
        with urllib.request.urlopen(f"{portal.url}/readyz") as response:
            return dict(json.load(response))
    except urllib.error.HTTPError as response:
        return dict(json.load(response))


def test_readiness_follows_the_worker(portal: Portal) -> None:
    """Without a worker the portal is up but not ready; with one it is."""
    portal.web()
    assert ready(portal)["worker"] == {"status": "failing", "last_seen_seconds": None}
    portal.worker()
    wait_until(lambda: ready(portal)["status"] == "ok", words="a ready portal")


def test_a_saved_user_reaches_the_directory_without_a_sweep(
    portal: Portal, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    """Over the embedded broker; ``make bench`` measures how long it takes."""
    make_directory(pg_appsdb, create_users=True)
    portal.worker("--pool=threads")
    wait_until(portal.swept, words="the worker's start")
    User.objects.create_user("ada", first_name="Ada", last_name="Łovelace", email="ada@example.org")
    wait_until(lambda: "ada" in pg_appsdb.people(), words="the delivery")
    assert pg_appsdb.people()["ada"] == ("Ada", "Łovelace", "ada@example.org")


def test_redis_with_a_pool_of_processes(
    portal: Portal,
    redis_server: Server,
    pg_appsdb: AppsDb,
    make_directory: Callable[..., Directory],
) -> None:
    """Production's broker and pool: what was saved before any worker ran is delivered at its start."""
    make_directory(pg_appsdb, create_users=True)
    User.objects.create_user("ada")
    portal.empty_broker()
    portal.environment["REDIS_URL"] = redis_server.url
    portal.worker("--pool=prefork")
    wait_until(lambda: "ada" in pg_appsdb.people(), words="the delivery")


@pytest.mark.parametrize("beats", [1, 2])
def test_beat_sweeps(portal: Portal, beats: int) -> None:
    """Two beats do no harm."""
    for number in range(beats):
        portal.beat(f"--schedule={portal.folder / f'schedule-{number}'}")
    portal.worker()
    wait_until(portal.swept, words="the sweep")
