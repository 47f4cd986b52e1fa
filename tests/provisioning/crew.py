"""A directory in memory that fails on demand, for tests of what the portal makes of a directory's answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from django.utils import timezone

from directories import config
from directories.attributes import Value
from directories.connectors.base import (
    Capability,
    ConnectionStep,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    Entry,
    NotFound,
    Page,
    RemoteAccount,
)
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from tests.fixtures.directories import GENEROUS

Call = tuple[str, str]


@dataclass
class Crew:
    """What the directory holds, which calls it got, and what goes wrong: ``fail`` is asked before every call."""

    rows: dict[str, dict[str, Value]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    opened: int = 0
    capabilities: frozenset[Capability] = frozenset(Capability)
    passwords: dict[str, str | None] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    broken: str = ""  # why the connection test fails
    fail: Callable[[str, str], None] = lambda call, key: None

    def done(self, *names: str) -> list[Call]:
        """Return the calls of these names (all but ``find`` by default), in order."""
        return [call for call in self.calls if (call[0] in names if names else call[0] != "find")]


class CrewConnector(Connector):
    """Speaks to a ``Crew``. It declares no kind, so it is not in the registry."""

    def __init__(self, crew: Crew) -> None:
        super().__init__(ConnectorConfig({"crew": crew}))
        self.crew = crew
        crew.opened += 1

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        return "" if capability in config.settings["crew"].capabilities else f"There is no {capability.value} query."

    def _call(self, name: str, entry: Entry, *, there: bool = False) -> str:
        key = entry.ref or entry.key
        self.crew.calls.append((name, key))
        self.crew.fail(name, key)
        if there and key not in self.crew.rows:
            raise NotFound("There is no such account.")
        return key

    def _remote(self, key: str) -> RemoteAccount:
        enabled = key not in self.crew.disabled if Capability.DISABLE in self.capabilities else None
        return RemoteAccount(key, key, dict(self.crew.rows[key]), enabled)

    def test(self) -> ConnectionTest:
        return ConnectionTest((ConnectionStep("Port", not self.crew.broken, self.crew.broken),))

    def find(self, entry: Entry) -> RemoteAccount | None:
        key = self._call("find", entry)
        return self._remote(key) if key in self.crew.rows else None

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        key = self._call("create", entry)
        assert key not in self.crew.rows, f"{key} was created twice"
        self.crew.rows[key] = dict(entry.attributes)
        self.crew.passwords[key] = password
        return self._remote(key)

    def update(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        key = self._call("update", entry, there=True)
        self.crew.rows[key] |= entry.attributes
        return self._remote(key)

    def disable(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        key = self._call("disable", entry, there=True)
        self.crew.disabled.add(key)

    def enable(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        key = self._call("enable", entry, there=True)
        self.crew.disabled.discard(key)

    def delete(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        key = self._call("delete", entry)
        self.crew.rows.pop(key, None)
        self.crew.disabled.discard(key)

    def set_password(self, entry: Entry, password: str) -> None:
        key = self._call("set_password", entry, there=True)
        self.crew.passwords[key] = password

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        yield Page([RemoteAccount(key, key, row) for key, row in self.crew.rows.items()], last=True)


class Crews(dict[str, Crew]):
    """The crews by the name of their directory; one is made when it is first asked for."""

    def __missing__(self, name: str) -> Crew:
        self[name] = Crew()
        return self[name]


@pytest.fixture
def crews(monkeypatch: pytest.MonkeyPatch) -> Crews:
    """Let every directory be a ``Crew``."""
    found = Crews()
    monkeypatch.setattr(config, "open_connector", lambda opened: CrewConnector(found[opened.name]))
    return found


def save_crew_directory(name: str = "CREW", **features: object) -> Directory:
    """Save a directory with first name, last name and e-mail mapped, and every outbound feature on."""
    directory = Directory.objects.create(name=name, kind="crew", answered_at=timezone.now())
    switches = {"create_users": True, "update_users": True, "deactivate_users": True, "delete_users": True}
    plain = {"initial_password": "fixed", "fixed_password": "defaultPassword123#", "password_storage": "plain"}
    ProvisioningSettings.objects.create(directory=directory, **{**switches, **plain, **GENEROUS, **features})  # type: ignore[arg-type]
    for position, (theirs, ours) in enumerate(
        {"FIRSTNAME": "first_name", "LASTNAME": "last_name", "EMAIL_ADDRESS": "email"}.items()
    ):
        AttributeMapping.objects.create(
            directory=directory, directory_attribute=theirs, portal_attribute=ours, position=position
        )
    return directory
