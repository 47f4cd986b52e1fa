"""One page of a plan of the portal's own, written set-based: no directory is behind it, so no account is noted."""

from collections.abc import Iterator, Mapping, Sequence

from provisioning.guard import administrators
from provisioning.guard.losses import BITS, LossKind
from provisioning.identities import lifecycle, merging
from provisioning.identities.restoring import restore_page
from provisioning.identities.users import report_line
from provisioning.imports.runs import caused_by
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.plan import GONE as GONE_THERE
from provisioning.imports.users.plan import Planned, again
from provisioning.imports.users.state import ACTIVE
from provisioning.imports.users.writing import GONE, UserWriter, Written
from provisioning.models import Account, ImportRun, User
from provisioning.models.imports import Action
from provisioning.profile.person import catalogue
from reports.journal import Line
from reports.models import Operation, Result

STAFF = "staff"  # in a row: its person may sign in to the portal, and whoever planned it may change such people


class PortalWriter(UserWriter):
    """Writes pages of a run that has no directory."""

    def __init__(self, run: ImportRun) -> None:
        super().__init__(0, run.started_at)
        self.run, self.actor = run, caused_by(run)
        self.last: set[int] = set()

    def write(self, changes: Sequence[Planned], passwords: Mapping[int, str]) -> Written:
        """Write the changes; users who come from the recycle bin, or go into it, are written by what does only that."""
        leaving = [change.user_id for change in changes if change.user_id and change.losses & BITS[LossKind.OFF]]
        self.last = administrators.last_among(leaving) if leaving else set()
        done = super().write(changes, passwords)
        self._delete([change for change in changes if change.action == Action.DELETE], done)
        self._merge([change for change in changes if change.action == Action.MERGE], done)
        self._restore([change for change in changes if change.action == Action.RESTORE], done)
        return done

    def may_change(self, user: User, change: Planned) -> bool:
        """Return whether the person may be changed; who administers the portal last is not taken away from it."""
        if user.pk in self.last and change.losses & BITS[LossKind.OFF]:
            return False
        return bool(change.row.get(STAFF)) or not user.may_sign_in

    def _accounts(self, changes: Sequence[Planned], users: Sequence[int], done: Written) -> None:
        for change, user_id in zip(changes, users, strict=True):
            done.people[change.id] = (user_id, None)

    def _delete(self, changes: Sequence[Planned], done: Written) -> None:
        there = User.objects.in_bulk([change.user_id for change in changes if change.user_id])
        going = []
        for change in changes:
            user = there.get(change.user_id or 0)
            if user is None:
                done.refused[change.id] = GONE
            elif not self.may_change(user, change):
                done.staff.add(change.id)
            else:
                going.append(user.pk)
        if going:
            lifecycle.delete_page(going, self.actor, self.run.pk, cleared=True)

    def _merge(self, changes: Sequence[Planned], done: Written) -> None:
        """Merge people one after the other; what sources say of their accounts is looked at with their next import."""
        for change in changes:
            merged = merging.merge(change.user_id or 0, change.row["into"], self.actor, self.run.pk)
            if merged.problem:
                done.refused[change.id] = merged.problem
            for pk, digest in merged.seen.items():
                if digest and not digest.startswith(GONE_THERE):
                    Account.objects.filter(pk=pk).update(seen_digest=again(digest))

    def _restore(self, changes: Sequence[Planned], done: Written) -> None:
        by_row = {change.row["deleted"]: change for change in changes}
        if not by_row:
            return
        wanted = {pk: change.row.get("name", "") for pk, change in by_row.items()}
        for one in restore_page(wanted, self.actor, self.run.pk):
            change = by_row[one.deleted_id]
            if one.problem:
                done.refused[change.id] = one.problem
            else:
                change.message = one.words
                done.said.add(change.id)


class PortalLines:
    """Words for the changes of one run of the portal's own; deletions and restorings have their own."""

    def __init__(self, run: ImportRun) -> None:
        self.run, self.actor = run, caused_by(run)
        self.labels = Labels(catalogue())

    def of(self, changes: Sequence[Planned], written: Written) -> Iterator[Line]:
        """Yield the lines of one page."""
        users = User.objects.in_bulk([user for user, _ in written.people.values()])
        for change in changes:
            action, message = written.outcome(change)
            if action == Action.ERROR:
                yield self._failed(change, message)
            elif change.id in written.people and change.action != Action.LINK:
                line = self._done(users[written.people[change.id][0]], change)
                line.run_id = self.run.pk
                yield line

    def _done(self, user: User, change: Planned) -> Line:
        after = {name: change.after[name] for name in self.labels.in_order(change.after)}
        told = self.labels.differences(change.before, after)
        differences = {label: (held, wanted) for label, held, wanted in told}
        if change.action == Action.CREATE:
            return report_line(user, Operation.CREATE, f"{user} was added to the portal.", self.actor, differences)
        if set(change.after) == {ACTIVE}:
            on = change.after[ACTIVE]
            words = f"{user} was {'activated' if on else 'deactivated'} in the portal. {change.message}".rstrip()
            operation = Operation.ENABLE if on else Operation.DISABLE
            return report_line(user, operation, words, self.actor, differences)
        words = f"{user} was changed in the portal: {', '.join(differences)}. {change.message}".rstrip()
        return report_line(user, Operation.UPDATE, words, self.actor, differences)

    def _failed(self, change: Planned, message: str) -> Line:
        user = User(pk=change.user_id, username=change.key)
        line = report_line(user, Operation.UPDATE, f"{change.key} was not changed: {message}", self.actor)
        line.result, line.run_id = Result.FAILED, self.run.pk
        return line
