"""A scripted source: the rows that a directory gives, and what goes wrong while it gives them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from directories.connectors.base import (
    Capability,
    Connector,
    ConnectorConfig,
    DepartmentPage,
    Page,
    RemoteAccount,
    RemoteContract,
    RemoteDepartment,
)
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.imports import engine
from provisioning.models import ImportRun, PlannedChange, User
from provisioning.models.imports import Trigger

MAPPING = {"FIRSTNAME": "profile.first_name", "LASTNAME": "profile.last_name", "MAIL": "profile.email"}


@dataclass
class Source:
    """A directory's rows by key, in order. ``before_page`` is called with the number of each page, from 0.

    ``departments`` None: it does not give any.
    """

    directory: Directory
    rows: list[RemoteAccount] = field(default_factory=list)
    departments: list[RemoteDepartment] | None = None
    page_size: int = 0
    before_page: Callable[[int], None] = lambda number: None
    complete: bool = True

    def put(self, key: str, first: str = "", last: str = "", mail: str = "", **more: Any) -> None:
        """Add or replace a row."""
        attributes = {"FIRSTNAME": first, "LASTNAME": last, "MAIL": mail, **more.pop("also", {})}
        row = RemoteAccount(key, key, attributes, **more)
        self.rows = [*(one for one in self.rows if one.ref != key), row]

    def employ(self, key: str, *contracts: tuple[str, dict[str, Any]]) -> None:
        """Give a row that is there these contracts, and no others: number and values of each."""
        given = [RemoteContract(number, values) for number, values in contracts]
        self.rows = [replace(one, contracts=given) if one.ref == key else one for one in self.rows]

    def put_many(self, count: int, prefix: str = "user") -> None:
        """Add rows prefix0, prefix1 and so on."""
        self.rows += [
            RemoteAccount(
                f"{prefix}{n}", f"{prefix}{n}", {"FIRSTNAME": f"First{n}", "LASTNAME": "L", "MAIL": f"{n}@x.org"}
            )
            for n in range(count)
        ]

    def remove(self, *keys: str) -> None:
        """Take rows away."""
        self.rows = [row for row in self.rows if row.key not in keys]

    def map(self, **attributes: str) -> None:
        """Map more attributes: DIRECTORY_ATTRIBUTE="kind.name"."""
        for theirs, ours in attributes.items():
            kind, _, name = ours.partition(".")
            AttributeMapping.objects.create(
                directory=self.directory, directory_attribute=theirs, kind=kind, portal_attribute=name
            )

    def set(self, **features: Any) -> None:
        """Change provisioning settings."""
        ProvisioningSettings.objects.filter(directory=self.directory).update(**features)

    def start(self, *, preview: bool = False) -> ImportRun:
        """Queue a run that the test works on itself."""
        directory = Directory.objects.select_related("provisioning").get(pk=self.directory.pk)
        return services.start_import(directory, preview=preview, actor="tester", trigger=Trigger.COMMAND)

    def run(self, *, preview: bool = False) -> ImportRun:
        """Import, or preview, and return the run as it ended."""
        run = self.start(preview=preview)
        engine.execute(run.pk)
        run.refresh_from_db()
        return run


class SourceConnector(Connector):
    """Gives a source's rows. It declares no kind, so it is not in the registry."""

    def __init__(self, source: Source) -> None:
        super().__init__(ConnectorConfig({}))
        self.source = source

    @property
    def capabilities(self) -> frozenset[Capability]:
        found = {Capability.IMPORT}
        if any(row.contracts is not None for row in self.source.rows):
            found.add(Capability.CONTRACTS)
        return frozenset(found if self.source.departments is None else {*found, Capability.DEPARTMENTS})

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        size, rows = self.source.page_size or page_size, self.source.rows
        for number, start in enumerate(range(0, len(rows) or 1, size)):
            self.source.before_page(number)
            last = start + size >= len(rows)
            yield Page(rows[start : start + size], last=last and self.source.complete)

    def departments(self, page_size: int = 1000) -> Iterator[DepartmentPage]:
        yield DepartmentPage(self.source.departments or (), last=self.source.complete)

    def count(self) -> int | None:
        return len(self.source.rows)

    def look_up(self, refs: Sequence[str]) -> Sequence[RemoteAccount]:
        return [row for row in self.source.rows if row.ref in refs]

    def _unused(self, *_: Any) -> Any:
        raise AssertionError("an import only reads")

    test = find = create = update = disable = enable = delete = set_password = _unused


SourceConnector.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]


@pytest.fixture
def source(db: None, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A directory named HR with import on and generous limits; its rows come from the test."""
    directory = Directory.objects.create(name="HR", kind="memory")
    for theirs, ours in MAPPING.items():
        AttributeMapping.objects.create(
            directory=directory, directory_attribute=theirs, portal_attribute=ours.partition(".")[2]
        )
    shares = ("leavers", "blanked", "activated", "changed", "created", "department", "group")
    limits = {f"max_{name}_percent": 100 for name in shares} | {
        "max_opened": 100_000,
        "max_created": 100_000,
        "max_changed": 100_000,
    }
    ProvisioningSettings.objects.create(directory=directory, import_users=True, deactivate_missing=True, **limits)
    made = Source(directory)
    monkeypatch.setattr(engine, "open_connector", lambda config: SourceConnector(made))
    return made


def planned(run: ImportRun, action: str = "") -> list[PlannedChange]:
    """Return the run's planned changes, of one action if given."""
    rows = PlannedChange.objects.filter(run=run)
    return list(rows.filter(action=action) if action else rows)


def errors(run: ImportRun) -> dict[str, str]:
    """Return the reasons of a run's errors by key."""
    return {change.key: change.message for change in planned(run, "error")}


def user(username: str) -> User:
    """Return a user by name."""
    return User.objects.get(username=username)
