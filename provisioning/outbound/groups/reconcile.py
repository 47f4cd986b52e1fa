"""One group against its directory: first the group itself, then who leaves it and who comes in.

Members go in and out as differences, a page a call, and each page is recorded before the next one is begun: a worker
that is killed loses at most that page, and putting it into the group once more does no harm. No transaction is open
during a call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from directories.config import DirectoryConfig
from directories.connectors.base import (
    Capability,
    Conflict,
    Connector,
    ConnectorError,
    Entry,
    GroupEntry,
    NotFound,
    RemoteGroup,
)
from directories.models import PushGroups
from provisioning.models import Account, GroupAccount
from provisioning.models.outbox import AccountState, LastResult
from provisioning.outbound.accounts.plan import Step
from provisioning.outbound.batch import Batch, Outcome
from provisioning.outbound.digests import place_digest, seen_digest
from provisioning.outbound.dispatch import chunks
from provisioning.outbound.groups import deltas, messages, record, scope
from provisioning.outbound.groups.leaving import entry_of
from provisioning.outbound.leases import Parked
from provisioning.profile.person import person_behind
from reports.journal import Line
from reports.models import Operation, Result

T = TypeVar("T")
MEMBERS = 1000  # members a call


class GroupStatus(StrEnum):
    """How a group stands to the directory."""

    WANTED = "wanted"
    LEFT = "left"  # deleted from the portal, or no longer chosen
    OFF = "off"  # groups are not pushed to this directory now, or the group is the directory's own


@dataclass(slots=True)
class GroupOutcome(Outcome):
    """How one group (``row``) ended. ``refused`` are members that the directory refused; ``gone``: it is not there."""

    refused: set[int] = field(default_factory=set)
    gone: bool = False


class GroupReconciler:
    """Brings one group of a batch in sync.

    ``asked`` is whether the directory has answered, and ``step`` what a failed line calls the work. ``again``: the
    directory contradicted what the portal believes, so the group is looked at even if it seems to be in sync.
    """

    def __init__(
        self, config: DirectoryConfig, connector: Connector, batch: Batch, account: GroupAccount, actor: str
    ) -> None:
        self.config, self.connector, self.batch = config, connector, batch
        self.held, self.name = batch.held, config.name
        self.capabilities = connector.capabilities
        self.account, self.actor = account, actor
        self.asked = self.again = False
        self.step = Step.UPDATE
        self.outcome = GroupOutcome(account)

    def reconcile(self) -> GroupOutcome:
        """Bring the group in sync; raise ConnectorError, or Lost."""
        try:
            self._reconcile()
        except (NotFound, Conflict) as error:
            # Somebody else was quicker between the look and the act: look once more. A group that is gone is empty.
            # After a conflict the digest stays: it says that the group is there, for when it is to be deleted.
            self.again = True
            if isinstance(error, NotFound):
                self.account.state = AccountState.ABSENT
            self.outcome.lines.clear()
            self._reconcile()
        return self.outcome

    def _reconcile(self) -> None:
        self.step = Step.UPDATE
        match self._status():
            case GroupStatus.OFF:
                self._in_sync(f"Groups are not sent to {self.name}.")
            case GroupStatus.LEFT:
                self._leave()
            case GroupStatus.WANTED:
                self._want()

    def _status(self) -> GroupStatus:
        """Return whether the group is to be in the directory."""
        features = self.config.features
        if not features.sync_groups or features.push_groups == PushGroups.NONE:
            return GroupStatus.OFF
        if self.account.group is not None and self.account.group.owner_id == self.account.directory_id:
            return GroupStatus.OFF
        return GroupStatus.WANTED if scope.belongs(self.account, features.push_groups) else GroupStatus.LEFT

    def _in_sync(self, reason: str = "") -> None:
        account, refused = self.account, self.outcome.refused
        account.last_result, account.attempts, account.last_message = LastResult.OK, 0, reason
        account.last_synced_at = self.held.clock.now()
        if refused:
            account.last_result = LastResult.PARKED
            account.last_message = f"{len(refused)} of its members could not be changed."

    # --- The group itself --------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        account = self.account
        if account.state != AccountState.ACTIVE or not account.pushed_digest:
            self.outcome.gone = True  # it never got there
            return
        self.step = Step.DELETE
        if not self.config.features.delete_groups:
            self._stays()
            return
        if Capability.DELETE_GROUP not in self.capabilities:
            raise self._cannot("delete groups")
        self._call(lambda: self.connector.delete_group(entry_of(account)))
        self.outcome.lines.append(self._line(Step.DELETE, account.key))
        self.outcome.gone = True

    def _stays(self) -> None:
        """Leave the group in the directory, and say so once when nothing else in the portal shows it any more."""
        account = self.account
        reason = f"Deleting groups is switched off for {self.name}: the group stays there."
        if account.group is None and account.last_message != reason:
            words = messages.stays(account.key, self.name)
            line = messages.line(account.key, self.name, Operation.DELETE, Result.SKIPPED, words, actor=self.actor)
            self.outcome.lines.append(line)
        self._in_sync(reason)

    def _want(self) -> None:
        account, group = self.account, self.account.group
        assert group is not None
        reason, whole = "", account.state != AccountState.ACTIVE
        if whole or self.again or account.pushed_digest != _digest(group.name, group.description):
            reason, fresh = self._bring_group(GroupEntry(group.name, account.remote_id, group.description))
            whole = whole or fresh
        if Capability.MEMBERS in self.capabilities:
            self.step = Step.UPDATE
            self._members(whole=whole)
        elif not reason:
            reason = f"{self.name} cannot change the members of groups as it is set up."
        self._in_sync(reason)

    def _bring_group(self, wanted: GroupEntry) -> tuple[str, bool]:
        """Create, link or update the group; return why not more, and whether nobody was put into it yet."""
        account, reason = self.account, ""
        lines: list[Line] = []
        self.step = Step.CREATE
        found = self._find(wanted)
        fresh = found is None or found.ref != account.remote_id
        if found is None:
            held = self._create(wanted)
            lines.append(self._line(Step.CREATE, wanted.name))
        else:
            if fresh:
                self._must_be_free(found)
                lines.append(self._line(Step.LINK, wanted.name))
            held, reason = self._update(wanted, found, lines)
        account.remote_id, account.place = held.ref, place_digest(held.place)
        account.key, account.state = held.name[:255], AccountState.ACTIVE
        account.pushed_digest = _digest(held.name, held.description)
        if lines:
            record.group(self.held, account, lines, fresh=fresh)
        return reason, fresh

    def _find(self, wanted: GroupEntry) -> RemoteGroup | None:
        found = self._call(lambda: self.connector.find_group(wanted))
        if found is None and wanted.ref:
            # Deleted over there and made again, perhaps by us before a crash: it is found by its name.
            found = self._call(lambda: self.connector.find_group(GroupEntry(wanted.name)))
        return found

    def _create(self, wanted: GroupEntry) -> RemoteGroup:
        if Capability.CREATE_GROUP not in self.capabilities:
            raise self._cannot("create groups")
        return self._call(lambda: self.connector.create_group(GroupEntry(wanted.name, "", wanted.description)))

    def _update(self, wanted: GroupEntry, found: RemoteGroup, lines: list[Line]) -> tuple[RemoteGroup, str]:
        """Give the group its name and description; return it as it is now, and why not more."""
        if (found.name, found.description) == (wanted.name, wanted.description):
            return found, ""
        if Capability.UPDATE_GROUP not in self.capabilities:
            return found, f"{self.name} cannot rename groups as it is set up."
        self.step = Step.UPDATE
        entry = GroupEntry(wanted.name, found.ref, wanted.description)
        held = self._call(lambda: self.connector.update_group(entry))
        lines.append(self._line(Step.UPDATE, wanted.name, found.name))
        return held, ""

    def _must_be_free(self, found: RemoteGroup) -> None:
        """Refuse to take over a group that is the directory's own, or another one of the portal."""
        account = self.account
        others = GroupAccount.objects.filter(directory=account.directory_id, remote_id=found.ref).exclude(pk=account.pk)
        other = others.select_related("group").first()
        if other is None:
            return
        if other.group is not None and other.group.owner_id == account.directory_id:
            message = (
                f"{self.name} has a group of its own with this name, which the portal imports as {other.group.name}. "
                "Rename one of the two, or do not choose this group for the directory."
            )
        else:
            message = f"{self.name} keeps the group {other.key} of the portal under this name. Rename one of the two."
        raise ConnectorError(message, code="other_group")

    # --- Its members -------------------------------------------------------------------------------------------------

    def _members(self, *, whole: bool) -> None:
        """Take out who does not belong in the group and put in who does, a page a call."""
        changed = {change.about for change in self.held.changes[self.account.pk]}
        among = sorted(pk for pk in changed if pk is not None)
        for page in [None] if whole or None in changed else chunks(among, MEMBERS):
            for find, add in ((deltas.to_remove, False), (deltas.to_add, True)):
                last = 0
                while ids := find(self.account, last, page, MEMBERS):
                    last = ids[-1]
                    self._change(ids, add=add)

    def _change(self, account_ids: Sequence[int], *, add: bool) -> None:
        """Put members into the group or take them out, in one call, and record it."""
        self.batch.keep_lease()
        members = list(Account.objects.filter(pk__in=account_ids).select_related("user__manager").order_by("pk"))
        entries = {member.pk: _entry(member) for member in members}
        by_entry = {id(entry): pk for pk, entry in entries.items()}
        change = self.connector.add_members if add else self.connector.remove_members
        answer = self._call(lambda: change(entry_of(self.account), list(entries.values())))
        refused = {by_entry[id(entry)]: Parked(error.code, error.message) for entry, error in answer}
        self.outcome.refused |= record.members(self.held, self.account, self.name, members, refused, added=add)

    # --- Calls and lines ---------------------------------------------------------------------------------------------

    def _call(self, call: Callable[[], T]) -> T:
        result = call()
        self.asked = True
        return result

    def _cannot(self, what: str) -> ConnectorError:
        return ConnectorError(f"{self.name} cannot {what} as it is set up.", code="capability")

    def _line(self, step: Step, name: str, before: str = "") -> Line:
        words = messages.done(step, name, before, self.name)
        return messages.line(name, self.name, messages.OPERATIONS[step], Result.SUCCESS, words, actor=self.actor)


def _entry(account: Account) -> Entry:
    return Entry(account.key, account.remote_id, account.attributes, person_behind(account).flat())


def _digest(name: str, description: str) -> str:
    return seen_digest({"name": name, "description": description})
