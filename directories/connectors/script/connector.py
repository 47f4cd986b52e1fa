"""A source of truth that a script reads, which only the operator can have put there."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import ClassVar

from directories.connectors.base import (
    Capability,
    ConnectionStep,
    ConnectionTest,
    ConnectorConfig,
    ConnectorError,
    ConnectorField,
    Cursor,
    Page,
)
from directories.connectors.form_values import text_of
from directories.connectors.records import (
    DEPARTMENTS,
    Record,
    RecordSource,
    department_fields,
    moment_ago,
    paged,
    person_fields,
    since_of,
)
from directories.connectors.script.executable import executable
from directories.connectors.script.output import records
from directories.connectors.script.settings import (
    LIMITS,
    SCRIPT,
    environment_of,
    handed_over,
    limit_fields,
    limits_of,
    name_of,
    started,
)

SECONDS = 600
NO_SINCE = "The script is not told the time of the last change. Name where it finds that."


def _fields() -> tuple[ConnectorField, ...]:
    departments = ConnectorField(
        "departments_script",
        "Script of the departments",
        help_text="Its name, as above. Blank: the source has no departments.",
        group=DEPARTMENTS,
    )
    *handed, secret = handed_over()
    return (
        ConnectorField(
            "script",
            "Script of the people",
            required=True,
            help_text="Its name in the folder that the operator gave, for example hr/people.py.",
            selects=True,
        ),
        *handed,
        ConnectorField(
            "since_name",
            "Name of the time of the last change",
            help_text="In its environment, when only changes are read; the script then prints who changed since. For "
            "example SINCE. Blank: the script does not know.",
            harmless=True,
        ),
        secret,
        *person_fields(id="ExternalId", contracts="Contracts", number="ExternalId"),
        *department_fields(
            departments,
            id="ExternalId",
            name="DisplayName",
            parent="ParentExternalId",
            manager="ManagerExternalId",
        ),
        *limit_fields(SECONDS),
    )


class Script(RecordSource):
    """People from one script, departments from another."""

    kind: ClassVar[str] = "script"
    label: ClassVar[str] = "Script"
    icon: ClassVar[str] = "terminal"
    fields = _fields()
    folded = frozenset({DEPARTMENTS, LIMITS})
    departments_at = "departments_script"
    reads_ahead = True

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.limits = limits_of(config.settings, SECONDS)

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """What changed can be asked for where the script takes the time of the last change."""
        if capability is Capability.INCREMENTAL and not text_of(config.settings, "since_name"):
            return NO_SINCE
        return super().lacking(capability, config)

    def cursor(self) -> Cursor | None:
        """Return a while ago."""
        return None if self.lacks(Capability.INCREMENTAL) else moment_ago()

    def changes(self, cursor: Cursor, page_size: int = 1000) -> Iterator[Page]:
        """Run the script of the people for those who changed since then; only a whole import shows who is gone."""
        since = f"{since_of(cursor):%Y-%m-%dT%H:%M:%SZ}"
        found = self._run("script", {name_of(text_of(self.config.settings, "since_name")): since})
        for accounts, last in paged(map(self.account, found), page_size):
            yield Page(accounts, last)

    @property
    def patience(self) -> float:
        """The time of one run."""
        return float(self.limits.seconds)

    def people(self) -> Iterator[Record]:
        """Run the script of the people."""
        return self._run("script")

    def department_records(self) -> Iterator[Record]:
        """Run the script of the departments."""
        return self._run("departments_script")

    def test(self) -> ConnectionTest:
        """Look whether the script may be run, and run it until the first people came."""
        try:
            path = executable(text_of(self.config.settings, "script"))
            environment_of(self.config.settings)
        except ConnectorError as error:
            return ConnectionTest([ConnectionStep(SCRIPT, False, error.message)])
        found = self.looked_at()
        return replace(found, steps=[ConnectionStep(SCRIPT, True, f"{path.name} may be run."), *found.steps])

    def _run(self, setting: str, more: Mapping[str, str] | None = None) -> Iterator[Record]:
        with closing(started(self.config, text_of(self.config.settings, setting), self.limits, more=more)) as run:
            yield from records(run.lines())
