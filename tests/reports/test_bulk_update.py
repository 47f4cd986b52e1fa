"""Many rows written at once hold what was put on them, by whichever statement."""

import pytest
from django.utils import timezone

from config.database import bulk
from reports.models import Event
from tests.reports.conftest import Write

pytestmark = pytest.mark.django_db
NAMES = ("message", "changes", "user_id", "at", "identifier")


@pytest.mark.parametrize("few", [bulk.FEW, 10_000], ids=["unnest", "upsert"])
def test_rows_hold_what_was_put_on_them(write: Write, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(bulk, "FEW", few)
    write(60)
    rows = list(Event.objects.order_by("pk"))
    untouched = rows.pop()
    for number, row in enumerate(rows):
        row.message = f'Zoë\'s "{number}" \\ {{NULL}}, ä\n'
        row.changes = {"e-mail": [None, f"{number}@example.org"], "naïve, {x}": ["'", '"']}
        row.user_id = number if number % 2 else None
        row.at = timezone.now()
        row.identifier = "" if number % 3 else "NULL"
    bulk.update(rows, NAMES)
    stored = {event.pk: event for event in Event.objects.all()}
    for row in rows:
        assert [getattr(stored[row.pk], name) for name in NAMES] == [getattr(row, name) for name in NAMES]
    assert stored[untouched.pk].message == untouched.message
