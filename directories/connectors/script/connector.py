"""A source of truth that a script reads, which only the operator can have put there."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, ClassVar

from directories.connectors.base import (
    Capability,
    ConnectionStep,
    ConnectionTest,
    ConnectorConfig,
    ConnectorError,
    ConnectorField,
    Cursor,
    FieldType,
    Page,
)
from directories.connectors.form_values import number_of, text_of
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
from directories.connectors.script.process import Limits, ScriptRun

LIMITS, SCRIPT = "Limits", "Script"
SECONDS, MEMORY, OUTPUT, PROCESSES = 600, 512, 200, 50
MEGABYTE = 1024 * 1024
NO_SINCE = "The script is not told the time of the last change. Name where it finds that."
BAD_NAME = "Each line of the environment is NAME=value, with a name of letters, digits and _. Correct {name}."


def _fields() -> tuple[ConnectorField, ...]:
    number = FieldType.INTEGER
    limits: dict[str, Any] = {"group": LIMITS, "harmless": True}
    departments = ConnectorField(
        "departments_script",
        "Script of the departments",
        help_text="Its name, as above. Blank: the source has no departments.",
        group=DEPARTMENTS,
    )
    return (
        ConnectorField(
            "script",
            "Script of the people",
            required=True,
            help_text="Its name in the folder that the operator gave, for example hr/people.py.",
            selects=True,
        ),
        ConnectorField("arguments", "Arguments", FieldType.TEXTAREA, help_text="One a line.", selects=True),
        ConnectorField(
            "environment",
            "Environment",
            FieldType.TEXTAREA,
            help_text="NAME=value, one a line. The script gets nothing else of the portal's environment.",
        ),
        ConnectorField("secret_name", "Name of the secret", default="SECRET", help_text="In its environment."),
        ConnectorField(
            "since_name",
            "Name of the time of the last change",
            help_text="In its environment, when only changes are read; the script then prints who changed since. For "
            "example SINCE. Blank: the script does not know.",
            harmless=True,
        ),
        ConnectorField("secret", "Secret", FieldType.SECRET, help_text="A password or key, or JSON with several."),
        *person_fields(id="ExternalId", contracts="Contracts", number="ExternalId"),
        *department_fields(
            departments,
            id="ExternalId",
            name="DisplayName",
            parent="ParentExternalId",
            manager="ManagerExternalId",
        ),
        ConnectorField("seconds", "Seconds", number, default=SECONDS, minimum=1, maximum=86_400, **limits),
        ConnectorField(
            "memory",
            "Memory (MB)",
            number,
            default=MEMORY,
            minimum=0,
            maximum=1_000_000,
            help_text="Of each of its processes. 0: no limit.",
            **limits,
        ),
        ConnectorField("output", "Output (MB)", number, default=OUTPUT, minimum=1, maximum=10_000, **limits),
        ConnectorField("processes", "Processes", number, default=PROCESSES, minimum=1, maximum=10_000, **limits),
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
        values = config.settings
        blank = values.get("memory") in (None, "")
        memory = MEMORY if blank else 0 if str(values["memory"]) == "0" else number_of(values, "memory", MEMORY)
        self.limits = Limits(
            seconds=number_of(values, "seconds", SECONDS),
            memory=memory * MEGABYTE,
            output=number_of(values, "output", OUTPUT) * MEGABYTE,
            processes=number_of(values, "processes", PROCESSES),
        )

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
        found = self._run("script", {_checked(text_of(self.config.settings, "since_name")): since})
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
            self.environment()
        except ConnectorError as error:
            return ConnectionTest([ConnectionStep(SCRIPT, False, error.message)])
        found = self.looked_at()
        return replace(found, steps=[ConnectionStep(SCRIPT, True, f"{path.name} may be run."), *found.steps])

    def environment(self) -> dict[str, str]:
        """Return what the script gets besides a path and a folder; raise ConnectorError."""
        values = self.config.settings
        found: dict[str, str] = {}
        for line in text_of(values, "environment").splitlines():
            name, equals, value = line.strip().partition("=")
            if line.strip():
                found[_checked(name.strip() if equals else "")] = value.strip()
        if secret := str(values.get("secret") or ""):
            found[_checked(text_of(values, "secret_name") or "SECRET")] = secret
        return found

    def _run(self, setting: str, more: Mapping[str, str] | None = None) -> Iterator[Record]:
        values = self.config.settings
        path = executable(text_of(values, setting))
        environment = {**self.environment(), **(more or {})}
        arguments = [line.strip() for line in text_of(values, "arguments").splitlines() if line.strip()]
        secrets = [str(values.get("secret") or "")]
        try:
            run = ScriptRun([os.fspath(path), *arguments], environment, self.limits, secrets)
        except (OSError, ValueError):
            raise ConnectorError("The script cannot be started. Check its arguments.", code="script") from None
        with closing(run):
            yield from records(run.lines())


def _checked(name: str) -> str:
    if not name.isidentifier() or not name.isascii() or name.startswith(("LD_", "PYTHON")):
        raise ConnectorError(BAD_NAME.format(name=name or "the line without ="), code="settings")
    return name
