"""What earlier runs of a door planned about people, and waits: it is taken back when something else follows by now."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from provisioning.imports import plan_hash
from provisioning.imports.decisions import NOTHING_TO_DECIDE
from provisioning.imports.users import store
from provisioning.models import ImportRun, PlannedChange
from provisioning.models.imports import WAITING, Action, Door, RunStatus

AGAIN = "What this follows from became another since, so this was planned anew."
SWITCHES = (Action.UPDATE, Action.DEACTIVATE)


class WaitingRows:
    """What earlier runs of a door planned and nobody decided yet; it is taken back where something else follows."""

    def __init__(self, door: Door) -> None:
        runs = ImportRun.objects.filter(door=door, status__in=WAITING).order_by("pk")
        self.runs = {run.pk: run for run in runs.select_for_update(no_key=True)}
        self.withdrawn: list[int] = []

    def of(self, user_ids: Sequence[int]) -> dict[int, PlannedChange]:
        """Return the rows about these users; no query where no run waits."""
        if not self.runs:
            return {}
        rows = PlannedChange.objects.filter(run__in=list(self.runs), user_id__in=user_ids, verdict="")
        return {one.user_id or 0: one for one in rows.filter(action__in=SWITCHES).order_by("pk")}

    def withdraw(self, row: PlannedChange) -> None:
        """Take a row back."""
        self.withdrawn.append(row.pk)

    def close(self) -> None:
        """Write what was taken back, and seal what is left of each run; one of which nothing is left ends."""
        for run in self.runs.values():
            rows = PlannedChange.objects.filter(run=run)
            mine = rows.filter(pk__in=self.withdrawn)
            gains: dict[str, Any] = {}
            store.refuse(mine, AGAIN, gains)
            if not gains:
                continue
            for name, number in gains.items():
                setattr(run, name, getattr(run, name) + number)
            sealed = plan_hash.sealed(run)
            run.plan_hash, run.facets = sealed["plan_hash"], sealed["facets"]
            if not rows.exclude(action__in=NOTHING_TO_DECIDE).exists():
                run.status, run.message, run.finished_at = RunStatus.CANCELLED, AGAIN, timezone.now()
            run.save()
