"""Applying a run of the portal's own: the pages, the lease and the resuming are those of an import."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from directories.encryption import decrypt
from provisioning.guard.losses import BITS, LossKind
from provisioning.imports import decisions, departments, plan_hash, runs
from provisioning.imports.doors import granting
from provisioning.imports.doors.again import look_again
from provisioning.imports.doors.groups import PortalGroupApplier
from provisioning.imports.doors.runs import record_losses
from provisioning.imports.doors.writing import PortalLines, PortalWriter
from provisioning.imports.runs import Incomplete, Lease
from provisioning.imports.users.apply import LOST, Applier, passed_guard
from provisioning.imports.users.managers import link_managers
from provisioning.imports.users.plan import Planned
from provisioning.imports.users.state import ACTIVE
from provisioning.models import ImportRun
from provisioning.models.imports import PlanPart, RunStatus
from provisioning.outbound.accounts import outbox
from provisioning.outbound.passwords.send import send as set_passwords
from reports.models import Result

ANOTHER_PLAN = "The plan is not the one that was approved, so nothing was applied. Plan it again."
LEFT = "What was approved is applied. "


class PortalApplier(Applier):
    """Applies the people of one run under its lease."""

    def __init__(self, run: ImportRun, lease: Lease) -> None:
        self.directory_id = 0
        self.run, self.lease = run, lease
        self.caused_by = runs.caused_by(run)
        self.writer = PortalWriter(run)
        self.lines = PortalLines(run)  # type: ignore[assignment]

    def _page(self, changes: Sequence[Planned], passwords: Mapping[int, str], gains: dict[str, Any]) -> None:
        self._keep_names(changes, gains)
        written = self._write(changes, passwords)
        self.lease.write(applied_up_to=changes[-1].id)
        if written.refused or written.staff or written.said:
            self._not_done(changes, written, gains)
        done = [change for change in changes if written.outcome(change)[0] == change.action]
        erased = granting.write(self.run, [change for change in done if change.id in written.people])
        record_losses(self.run, done, erased)
        gains["applied"] = len(changes)
        by_word: dict[tuple[str, int], list[int]] = {}
        for change in changes:
            if change.id in written.people:
                closes = self.run.approved and granting.closes_accounts(change)
                key = _word(change), (change.losses & LOST) | (BITS[LossKind.OFF] if closes else 0)
                by_word.setdefault(key, []).append(written.people[change.id][0])
        for (word, losses), ids in by_word.items():
            outbox.enqueue_users(ids, word, self.caused_by, **passed_guard(losses))
        self._send_passwords(changes, written.people)

    def _send_passwords(self, changes: Sequence[Planned], people: Mapping[int, tuple[int, int | None]]) -> None:
        """Pass passwords on that a file had for directories; the portal's own stay as they are."""
        tokens = {change.id: change.row["send"] for change in changes if change.row.get("send")}
        if tokens:
            clear = {people[pk][0]: decrypt(token) for pk, token in tokens.items() if pk in people}
            set_passwords(clear, self.caused_by)
            self._forget(tokens, "send")


def work(run: ImportRun, lease: Lease) -> None:
    """Apply what is to be applied of a run that was planned, and let it wait or end."""
    if run.approved and not run.checked:
        if plan_hash.of(run) != run.plan_hash:
            raise Incomplete(ANOTHER_PLAN)
        lease.write(checked=True)
    PortalApplier(run, lease).run_all()
    link_managers(run, lease)
    PortalGroupApplier(run, lease).run_all()
    if run.departments_changed:
        departments.apply(run, lease)
    run.refresh_from_db()
    with transaction.atomic():
        look_again(run)
        if run.part == PlanPart.CHOSEN:
            decisions.close_chosen(run)
            if decisions.left(run):
                message = LEFT + decisions.words_left(run)
                waits = {"approved": False, "part": PlanPart.REST, "applied_up_to": 0}
                lease.end(RunStatus.APPROVAL, message, **waits, **plan_hash.sealed(run))
                return
        message = runs.summary(run)
        lease.end(RunStatus.FINISHED, message)
        if run.refused:
            runs.forget_passwords(run.pk)
        runs.report(run, Result.PARTLY if run.errors else Result.SUCCESS, message + ".")


def _word(change: Planned) -> str:
    if ACTIVE in change.after and change.action != "create":
        return "activated" if change.after[ACTIVE] else "deactivated"
    return "created" if change.action == "create" else "updated"
