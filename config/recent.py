"""What the start page shows of the report: what runs did in all and what people did by hand, not each line of a run."""

from collections import Counter

from reports.models import Event, Result

WINDOW = 200
"""How many of the newest lines are looked at, so that the page costs the same after an import of a million users."""

ALIKE = 3
"""A CSV file or the deliveries after an import bring many lines of one sort; a few of them tell enough."""


def recent(number: int) -> list[Event]:
    """Return the newest lines worth showing: a run's own line stands for its lines about people."""
    newest = Event.objects.defer("changes")
    about_no_person = newest.filter(identifier_key="")[:WINDOW]  # runs and settings: few, and in an index
    found = {event.pk: event for event in [*newest[:WINDOW], *about_no_person]}
    shown, alike = [], Counter[tuple[str, str, str, str]]()
    for event in sorted(found.values(), key=lambda event: (event.at, event.pk), reverse=True):
        kind = (event.direction, event.operation, event.result, event.application)
        alike[kind] += 1
        many = event.identifier or event.result == Result.FAILED
        if not (event.identifier and event.run_id) and not (many and alike[kind] > ALIKE):
            shown.append(event)
    return shown[:number]
