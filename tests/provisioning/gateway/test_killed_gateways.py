"""A directory that only gateways reach, and both sides killed in the middle of the work."""

import datetime as dt
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from directories.config import load, open_connector
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services, tasks
from provisioning.gateway import enrolment, mailbox
from provisioning.gateway.models import Gateway, GatewayCall, Machine
from provisioning.models import Account, Change, ImportRun, User
from provisioning.models.imports import RunStatus
from tests import servers
from tests.fixtures.directories import GENEROUS
from tests.fixtures.ldap import MAPPING
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until
from tests.provisioning.gateway.premises import Certificate, HiddenLDAP, Premises, gateway_file, kill

pytestmark = pytest.mark.heavy
PEOPLE, WRITTEN = 8_000, 500
EVERYTHING = dict.fromkeys(
    ("import_users", "create_users", "update_users", "deactivate_users", "deactivate_missing"), True
)
LIMITS = {"max_opened": PEOPLE, "max_created": PEOPLE, "max_created_percent": 100, "max_changed": PEOPLE}


@pytest.fixture
def premises() -> Iterator[Premises]:
    built = Premises()
    built.build()
    yield built
    built.leave()


@pytest.fixture
def ldap(premises: Premises, tmp_path: Path) -> Iterator[HiddenLDAP]:
    folder = servers.shared_folder() / "hidden-openldap" / premises.name
    program = HiddenLDAP(folder)
    program.premises = premises
    program.install()
    program.fill([(f"user{n}", f"First{n}", f"Last{n}") for n in range(PEOPLE)])
    program.start()
    yield program
    program.stop()


@pytest.fixture
def web(portal: Portal, premises: Premises, tmp_path: Path) -> tuple[str, Path]:
    """The portal's address on the cable, and the file of its certificate."""
    folder = tmp_path / "portal"
    folder.mkdir()
    maker = Certificate(folder)
    maker.address = premises.outside
    maker.certificate()
    portal.environment["ALLOWED_HOSTS"] = premises.outside
    address = f"{premises.outside}:{portal.port}"
    files = ("--certfile", str(folder / "server.crt"), "--keyfile", str(folder / "server.key"))
    portal.start("gunicorn", "config.wsgi", "--bind", address, "--threads", "8", *files)
    wait_until(lambda: _answers(premises.outside, portal.port), words="the web server")
    return f"https://{address}", folder / "server.crt"


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True


def reached(run: ImportRun, status: RunStatus, **counters: int) -> Callable[[], bool]:
    conditions = {f"{name}__gt": number for name, number in counters.items()}
    return lambda: ImportRun.objects.filter(pk=run.pk, status=status, **conditions).exists()


def test_kills_on_either_side_lose_nothing_and_double_nothing(
    portal: Portal, premises: Premises, ldap: HiddenLDAP, web: tuple[str, Path], tmp_path: Path
) -> None:
    for host in ("127.0.0.1", premises.inside):
        for port in (ldap.port, ldap.tls_port):
            assert not _answers(host, port), "the portal reaches the directory by itself"
    gateway = Gateway.objects.create(name="Head office")
    files = [gateway_file(tmp_path, name, *web, ldap) for name in ("first", "second")]
    for file in files:
        done = premises.gateway(file, "enrol", "--code", enrolment.new_code(gateway, "admin"))
        assert done.wait(60) == 0, file.with_suffix(".log").read_text()
    directory = Directory.objects.create(
        name="Staff", kind="gateway", settings={"gateway": "Head office", "name": "Staff"}
    )
    AttributeMapping.objects.bulk_create(
        AttributeMapping(directory=directory, directory_attribute=theirs, portal_attribute=ours, position=position)
        for position, (theirs, ours) in enumerate(MAPPING.items())
    )
    ProvisioningSettings.objects.create(directory=directory, **EVERYTHING, **GENEROUS, **LIMITS)

    first = premises.gateway(files[0], "run")
    wait_until(lambda: Machine.objects.filter(seen_at__isnull=False).exists(), words="the first gateway")
    with open_connector(load(directory.pk)) as connector:
        found = connector.test()
        assert found.ok, found.steps
        shown = connector.inspect("user7")
    assert shown is not None
    assert shown.account.key == "user7"
    assert ldap.password not in str(Machine.objects.values())

    # --- The gateway is killed in the middle of an import, and then the worker.
    worker = portal.worker()
    run = services.start_import(directory, preview=False, actor="tester")
    wait_until(reached(run, RunStatus.CRAWLING, seen=0), 60, "some rows read")
    kill(first)
    wait_until(reached(run, RunStatus.FAILED), 60, "the end of the broken import")
    run.refresh_from_db()
    assert not User.objects.exists(), "an import that was not whole changed something"
    assert "Head office" in run.message

    first, second = premises.gateway(files[0], "run"), premises.gateway(files[1], "run")
    wait_until(lambda: not any(machine.silent for machine in Machine.objects.all()), words="both gateways")
    again = services.start_import(directory, preview=False, actor="tester")
    wait_until(reached(again, RunStatus.CRAWLING, seen=0), 60, "some rows read")
    portal.kill(worker)
    ImportRun.objects.filter(pk=again.pk).update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    portal.empty_broker()
    tasks.start_due_imports()
    worker = portal.worker()
    wait_until(reached(again, RunStatus.FINISHED), 90, "the end of the import")
    assert User.objects.count() == Account.objects.filter(directory=directory).count() == PEOPLE

    # --- The same in the middle of deliveries: half of them new, half of them changed.
    new = [User(username=f"new{n}", first_name="New", last_name=f"Name{n}") for n in range(WRITTEN // 2)]
    for user in [*new, *User.objects.order_by("pk")[: WRITTEN - len(new)]]:
        user.last_name = f"{user.last_name} Married"
        user.save()
    wait_until(lambda: 0 < Change.objects.count() < WRITTEN - 20, 60, "some deliveries")
    kill(first)
    before = Change.objects.count()
    assert before > 0
    wait_until(lambda: Change.objects.count() < before - 40, 90, "the second gateway to take over")
    portal.kill(worker)
    left = Change.objects.count()
    Account.objects.filter(leased_until__isnull=False).update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    portal.empty_broker()
    worker = portal.worker()
    tasks.sweep()

    def none_left() -> bool:
        Directory.objects.filter(retry_at__isnull=False).update(retry_at=timezone.now())
        tasks.sweep()
        return not Change.objects.exists()

    wait_until(none_left, 120, f"the last {left} deliveries")
    people = ldap.people()
    assert Counter(Counter(entry["uid"] for entry in people).values()) == {1: PEOPLE + len(new)}
    wanted = dict(User.objects.values_list("username", "last_name"))
    assert {entry["uid"]: entry["sn"] for entry in people} == wanted
    assert not Change.objects.filter(parked__isnull=False).exists()
    assert second.poll() is None

    # --- Withdrawn at once.
    for machine in Machine.objects.all():
        enrolment.withdraw(machine, "admin")
    assert second.wait(20) == 3, "the gateway goes on although it was withdrawn"
    GatewayCall.objects.update(heard_at=timezone.now() - dt.timedelta(hours=1))  # those of the killed workers
    mailbox.sweep()
    assert not GatewayCall.objects.exists()
