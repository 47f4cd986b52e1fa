"""A source of truth that answers in JSON over HTTP, page by page."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urljoin

from directories.connectors.base import (
    Capability,
    ConnectionStep,
    ConnectionTest,
    ConnectorConfig,
    ConnectorError,
    Cursor,
    Page,
)
from directories.connectors.http_json.paging import listed
from directories.connectors.http_json.presets import presets
from directories.connectors.http_json.service import Service
from directories.connectors.http_json.settings import (
    CHANGES,
    SIGN_IN,
    USUAL,
    form_fields,
    http_settings,
    with_preset,
)
from directories.connectors.jmespaths import search
from directories.connectors.outgoing import address_problem
from directories.connectors.records import DEPARTMENTS, Record, RecordSource, moment_ago, paged, since_of
from directories.connectors.shared_fields import LIMITS

ADDRESS = "Address"
NO_SINCE = "The parameter of the time of the last change is not named. Name it under Changes."


class HttpJson(RecordSource):
    """People and departments at addresses that give lists of JSON objects."""

    kind: ClassVar[str] = "http_json"
    label: ClassVar[str] = "HTTP API (JSON)"
    icon: ClassVar[str] = "api"
    fields = form_fields()
    fills_by = "product"
    fills: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "": USUAL,
        **{name: {**USUAL, **preset.settings} for name, preset in presets().items()},
    }
    notes: ClassVar[Mapping[str, str]] = {
        name: f"{preset.notes} (As its documents said on {preset.seen_on}.)" for name, preset in presets().items()
    }
    folded = frozenset({DEPARTMENTS, CHANGES, LIMITS})
    departments_at = "departments_url"
    reads_ahead = True

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.settings = http_settings(config.settings)
        self._person = with_preset(config.settings, "person")

    @classmethod
    def setting(cls, config: ConnectorConfig, name: str) -> str:
        """Return a setting, or what the chosen product says where it is blank."""
        return with_preset(config.settings, name)

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """What changed can be asked for where the service has a parameter for it."""
        if capability is Capability.INCREMENTAL and not cls.setting(config, "since_param"):
            return NO_SINCE
        return super().lacking(capability, config)

    @property
    def patience(self) -> float:
        """The time of one request."""
        return float(self.settings.timeout)

    @cached_property
    def service(self) -> Service:
        """The service, with its open connections; raise ConnectorError."""
        return Service(self.settings)

    def at(self, record: Record, place: str) -> Any:
        """Return what a JMESPath finds in a record."""
        return search(place, record) if place else None

    def fields_of(self, record: Record) -> Mapping[str, Any]:
        """Return the object that the JMESPath of the fields makes of a record."""
        found = search(self._person, record)
        return found if isinstance(found, Mapping) else {}

    def people(self) -> Iterator[Record]:
        """Stream the list of people."""
        return self._people({})

    def department_records(self) -> Iterator[Record]:
        """Stream the list of departments."""
        settings = self.settings
        url = urljoin(settings.url, settings.departments_url)
        return listed(self.service, settings, url, settings.departments_records, extra={})

    def cursor(self) -> Cursor | None:
        """Return a while ago."""
        if self.lacks(Capability.INCREMENTAL):
            return None
        return moment_ago()

    def changes(self, cursor: Cursor, page_size: int = 1000) -> Iterator[Page]:
        """Stream the people who changed since then; who was removed, only a whole import shows."""
        since = since_of(cursor)
        written = {
            "instant": f"{since:%Y-%m-%dT%H:%M:%SZ}",
            "date": f"{since:%Y-%m-%d}",
            "epoch": str(int(since.timestamp())),
        }
        extra = {self.settings.since_param: written[self.settings.since_format]}
        for accounts, last in paged(map(self.account, self._people(extra)), page_size):
            yield Page(accounts, last)

    def test(self) -> ConnectionTest:
        """Look at the address, sign in, and read the first people."""
        if problem := address_problem(self.settings.url):
            return ConnectionTest([ConnectionStep(ADDRESS, False, problem)])
        steps = [ConnectionStep(ADDRESS, True, "It can be asked.")]
        try:
            service = self.service
            service.sign_in()
        except ConnectorError as error:
            return ConnectionTest([*steps, ConnectionStep(SIGN_IN, False, error.message)])
        if self.settings.auth == "oauth2":
            steps.append(ConnectionStep(SIGN_IN, True, "The service gave a token."))
        started = time.perf_counter()
        found = self.looked_at()
        return replace(found, steps=[*steps, *found.steps], latency_ms=(time.perf_counter() - started) * 1000)

    def close(self) -> None:
        """Close the connections."""
        if "service" in self.__dict__:
            self.service.close()

    def _people(self, extra: Mapping[str, str]) -> Iterator[Record]:
        settings = self.settings
        return listed(self.service, settings, settings.url, settings.records, body=settings.body, extra=extra)
