"""A source of truth that pushes its people: the connector gives what the portal was sent and has kept."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import orjson

from directories.connectors.base import (
    ConnectionStep,
    ConnectionTest,
    ConnectorError,
    ConnectorField,
    Cursor,
    Entry,
    FieldType,
    Page,
    RemoteAccount,
)
from directories.connectors.push import store
from directories.connectors.push.store import DEPARTMENT, PERSON
from directories.connectors.records import DEPARTMENTS, Record, RecordSource, department_fields, paged, person_fields

DELIVERIES = "Deliveries"
NOT_WHOLE = (
    "No whole delivery was closed yet, so nobody can tell who is missing. Push everybody in one delivery and close it."
)
NOBODY = "Nothing was pushed yet. Make a token (Actions, Tokens), and send the first people."


def _fields() -> tuple[ConnectorField, ...]:
    pushed = ConnectorField(
        "departments",
        "Departments",
        FieldType.CHOICE,
        choices=(("", "Are not pushed"), ("pushed", "Are pushed, too")),
        group=DEPARTMENTS,
        harmless=True,
    )
    return (
        *person_fields(id="id", contracts="contracts", number="id"),
        *department_fields(pushed, id="id", name="name", parent="parent", manager="manager"),
    )


class Push(RecordSource):
    """People and departments that somebody pushes over HTTP."""

    kind: ClassVar[str] = "push"
    label: ClassVar[str] = "Push (JSON sent to the portal)"
    icon: ClassVar[str] = "move_to_inbox"
    fields = _fields()
    folded = frozenset({DEPARTMENTS})
    departments_at = "departments"

    @property
    def source(self) -> int:
        """The number of the source; raise ConnectorError for one that is not saved."""
        if self.config.directory is None:
            raise ConnectorError(store.OUTSIDE, code="settings")
        return self.config.directory

    def people(self) -> Iterator[Record]:
        """Stream the newest record of each person."""
        return map(_record, store.opened().records(self.source, PERSON))

    def department_records(self) -> Iterator[Record]:
        """Stream the newest record of each department."""
        return map(_record, store.opened().records(self.source, DEPARTMENT))

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream everybody; raise ConnectorError as long as no delivery said that it was whole."""
        if not store.opened().is_whole(self.source):
            raise ConnectorError(NOT_WHOLE, code="settings")
        return super().accounts(page_size)

    def count(self) -> int | None:
        """Return how many people there are."""
        return store.opened().count(self.source, PERSON)

    def cursor(self) -> Cursor | None:
        """Return the version of the newest change."""
        return {"version": store.opened().version(self.source)}

    def beginning(self) -> Cursor | None:
        """Everything that was pushed is a change of those who are named in it."""
        return {"version": 0}

    def changes(self, cursor: Cursor, page_size: int = 1000) -> Iterator[Page]:
        """Stream the people who were pushed since."""
        found = store.opened().records(self.source, PERSON, int(cursor.get("version", 0)))
        for accounts, last in paged(map(self.account, map(_record, found)), page_size):
            yield Page(accounts, last)

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the person with the entry's number, or before it has one with its name."""
        if entry.ref:
            return next(iter(self.look_up([entry.ref])), None)
        return super().find(entry)

    def look_up(self, refs: Sequence[str]) -> Sequence[RemoteAccount]:
        """Return those who are there."""
        found = map(self.account, map(_record, store.opened().named(self.source, refs)))
        return [account for account in found if account.ref in refs]

    def test(self) -> ConnectionTest:
        """Say what was pushed."""
        try:
            number, whole = store.opened().count(self.source, PERSON), store.opened().is_whole(self.source)
        except ConnectorError as error:
            return ConnectionTest([ConnectionStep(DELIVERIES, False, error.message)])
        if not number:
            return ConnectionTest([ConnectionStep(DELIVERIES, True, NOBODY, caution=True)])
        words = f"People kept: {number:,}." if whole else f"People kept: {number:,}. {NOT_WHOLE}"
        found = self.looked_at()
        return replace(found, steps=[ConnectionStep(DELIVERIES, True, words, caution=not whole), *found.steps])


def _record(text: str) -> Any:
    return orjson.loads(text)
