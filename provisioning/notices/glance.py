"""What every page shows beside what it is about: open notices, and that the portal looks first."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import BigIntegerField, F, TextField, Value
from django.db.models.functions import Cast
from django.http import HttpRequest

from provisioning.notices.models import Notice
from provisioning.restore.models import HeldDirectory

KEPT = "_glance"
BIGINT: "BigIntegerField[int, int]" = BigIntegerField()
TEXT: "TextField[str, str]" = TextField()


@dataclass(frozen=True, slots=True)
class Glance:
    """How many notices are open, of each cause, and how many directories are kept back, with the first reason."""

    causes: Mapping[str, int]
    held: int
    why: str

    @property
    def notices(self) -> int:
        """How many notices are open."""
        return sum(self.causes.values())


def glance(request: HttpRequest) -> Glance:
    """Return what a request's page shows: one query for a request, however many ask."""
    found: Glance | None = getattr(request, KEPT, None)
    if found is None:
        found = _look()
        setattr(request, KEPT, found)
    return found


def _look() -> Glance:
    """Read both at once: they are few, and every page shows them."""
    held = HeldDirectory.objects.order_by().values_list(F("pk"), F("why"))
    notice = Value(0, output_field=BIGINT), Cast("cause", TEXT)
    rows = list(Notice.objects.filter(closed_at=None).order_by().values_list(*notice).union(held, all=True))
    reasons = sorted(row for row in rows if row[0])
    return Glance(Counter(cause for pk, cause in rows if not pk), len(reasons), reasons[0][1] if reasons else "")
