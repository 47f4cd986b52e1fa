"""Accounts that are looked up and written together, at a directory that takes its time to answer."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import pytest

from directories.connectors.base import Capability, ConnectorError, Entry, RemoteAccount, Write
from provisioning import services
from provisioning.models import Account, User
from provisioning.outbound.accounts import outbox, reconcile
from provisioning.outbound.accounts.delivery import deliver
from tests.provisioning.crew import CrewConnector, Crews, save_crew_directory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seconds", [0.1, 3.0])
def test_nobody_is_looked_up_twice_however_long_an_answer_takes(
    crews: Crews, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """``seconds`` is what each wave of four requests takes."""
    now = [1000.0]
    asked: list[int] = []

    def waves(count: int) -> None:
        now[0] += seconds * -(-count // 4)

    def find_many(self: CrewConnector, entries: Sequence[Entry]) -> Mapping[int, RemoteAccount | None]:
        waves(len(entries))
        return {number: self._remote(entry.ref) for number, entry in enumerate(entries)}

    def write_many(self: CrewConnector, writes: Sequence[Write]) -> Sequence[RemoteAccount | ConnectorError]:
        waves(len(writes))
        asked.append(len(writes))
        return [self.update(write.entry) for write in writes]

    directory = save_crew_directory()
    users = User.objects.bulk_create([User(username=f"user{number}", first_name="Ann") for number in range(12)])
    services.provision_many([user.pk for user in users], "test")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    User.objects.update(first_name="Anna")
    services.provision_many([user.pk for user in users], "test")
    crew = crews["CREW"]
    crew.calls.clear()
    monkeypatch.setattr(CrewConnector, "at_once", 50)
    monkeypatch.setattr(CrewConnector, "at_a_time", 4)
    monkeypatch.setattr(CrewConnector, "find_many", find_many)
    monkeypatch.setattr(CrewConnector, "write_many", write_many)
    monkeypatch.setattr(CrewConnector, "writes_together", lambda self, capability: capability is Capability.UPDATE)
    monkeypatch.setattr(reconcile, "time", SimpleNamespace(monotonic=lambda: now[0]))
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    assert {row["FIRSTNAME"] for row in crew.rows.values()} == {"Anna"}
    assert not [call for call in crew.calls if call[0] == "find"]
    assert sum(asked) == 12
    assert min(asked[:-1], default=4) >= 4, "as many at a time as the directory works on"
    assert not Account.objects.exclude(last_result="ok").exists()


def test_a_long_way_makes_no_run_shorter(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    together: list[int] = []

    def find_many(self: CrewConnector, entries: Sequence[Entry]) -> Mapping[int, RemoteAccount | None]:
        now[0] += 1.0 + 0.002 * len(entries)
        return {number: self._remote(entry.ref) for number, entry in enumerate(entries)}

    def write_many(self: CrewConnector, writes: Sequence[Write]) -> Sequence[RemoteAccount | ConnectorError]:
        now[0] += 1.0 + 0.008 * len(writes)
        together.append(len(writes))
        return [self.update(write.entry) for write in writes]

    directory = save_crew_directory()
    users = User.objects.bulk_create([User(username=f"user{number}", first_name="Ann") for number in range(130)])
    services.provision_many([user.pk for user in users], "test")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 200))
    User.objects.update(first_name="Anna")
    services.provision_many([user.pk for user in users], "test")
    monkeypatch.setattr(CrewConnector, "at_once", 200)
    monkeypatch.setattr(CrewConnector, "find_many", find_many)
    monkeypatch.setattr(CrewConnector, "write_many", write_many)
    monkeypatch.setattr(CrewConnector, "writes_together", lambda self, capability: True)
    monkeypatch.setattr(reconcile, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(reconcile, "_sizes", {})
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 200))
    assert (together[0], sum(together)) == (10, 130)
    assert len(together) <= 8, "as many as the directory itself writes in the time of a run"
    assert not Account.objects.exclude(last_result="ok").exists()


def test_a_connector_is_told_when_somebody_loses_access(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    told: set[tuple[str, bool]] = set()
    real = CrewConnector._call

    def call(self: CrewConnector, name: str, entry: Entry, *, there: bool = False) -> str:
        told.add((entry.key, self.urgent))
        return real(self, name, entry, there=there)

    monkeypatch.setattr(CrewConnector, "_call", call)
    directory = save_crew_directory()
    users = User.objects.bulk_create([User(username=name) for name in ("ann", "bob")])
    services.provision_many([user.pk for user in users], "test")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    assert told == {("ann", False), ("bob", False)}
    User.objects.filter(username="ann").update(is_active=False)
    User.objects.filter(username="bob").update(first_name="Bob")
    services.provision_many([user.pk for user in users], "test")
    told.clear()
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    assert told == {("ann", True), ("bob", False)}


def test_the_place_of_a_leaver_is_asked_for_as_urgently(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    told: set[tuple[str, bool]] = set()

    def wanted_container(self: CrewConnector, entry: Entry, *, leaving: bool = False) -> str:
        told.add((entry.key, self.urgent))
        return ""

    directory = save_crew_directory()
    users = User.objects.bulk_create([User(username=name) for name in ("ann", "bob", "cid")])
    services.provision_many([user.pk for user in users], "test")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    User.objects.filter(username="ann").update(is_active=False)
    User.objects.exclude(username="ann").update(first_name="Bob")
    services.provision_many([user.pk for user in users], "test")
    monkeypatch.setattr(CrewConnector, "wanted_container", wanted_container)
    monkeypatch.setattr(CrewConnector, "at_once", 50)
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    assert told == {("ann", True), ("bob", False), ("cid", False)}
