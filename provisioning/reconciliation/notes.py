"""Writing down what a run finds, as far as the directory's settings and people want to hear of it."""

from typing import Any

from django.utils import timezone

from config.database import bulk
from provisioning.imports.runs import Lease
from provisioning.reconciliation.comparing import Compared
from provisioning.reconciliation.models import Finding, FindingState, Policy, ReconcileRun, ReconcileSettings

CARRIED = ("reason", "owner", "ignored_until", "decided_by", "decided_at")


class Notes:
    """Writes what was found, a page a transaction, and applies what the directory's settings and people decided."""

    def __init__(self, run: ReconcileRun, lease: Lease) -> None:
        self.run, self.lease = run, lease
        settings = ReconcileSettings.objects.filter(directory=run.directory_id).first()
        self.policies: dict[str, str] = settings.policies if settings else {}

    def write(self, found: Compared, *, groups: int = 0) -> None:
        """Note one page."""
        kept = [one for one in found.findings if self.policies.get(one["kind"]) != Policy.IGNORE]
        with self.lease.page(durable=False) as gains:
            self._carry(kept)
            bulk.insert(Finding, [{**one, "run_id": self.run.pk} for one in kept])
            gains["seen"], gains["in_step"] = found.seen, found.in_step
            gains["under_way"], gains["groups_seen"] = found.under_way, groups
            gains["passed_over"] = len(found.findings) - len(kept)

    def _carry(self, rows: list[dict[str, Any]]) -> None:
        """Keep ignored what somebody ignored in an earlier run, until its end: one query where anything was found."""
        if not rows:
            return
        subjects = [one["subject"] for one in rows]
        ignored = Finding.objects.filter(
            directory=self.run.directory_id, state=FindingState.IGNORED, subject__any_of=subjects
        )
        still = ignored.filter(ignored_until__gte=timezone.localdate()).exclude(run=self.run).order_by("pk")
        before = {(one.kind, one.subject): one for one in still}
        fresh = Finding()
        for row in rows:
            old = before.get((row["kind"], row["subject"]))
            row["state"] = FindingState.IGNORED if old else FindingState.OPEN
            for name in CARRIED:
                row[name] = getattr(old or fresh, name)
