"""One group against its directory: first the group itself, then who leaves it and who comes in.

Members go in and out as differences, a page a call, and each page is recorded before the next one is begun: a worker
that is killed loses at most that page, and putting it into the group once more does no harm. No transaction is open
during a call.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TypeVar

from django.db.models import QuerySet

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
    Unavailable,
)
from directories.models import GroupsOfLeavers, PushGroups
from provisioning.guard.losses import LossKind
from provisioning.models import Account, GroupAccount, PushedMember
from provisioning.models.outbox import AccountState, LastResult
from provisioning.outbound.accounts.messages import late as late_words
from provisioning.outbound.accounts.plan import Step
from provisioning.outbound.allowance import Allowance
from provisioning.outbound.batch import Batch, Outcome
from provisioning.outbound.digests import OUTDATED, place_digest, seen_digest
from provisioning.outbound.dispatch import chunks
from provisioning.outbound.groups import deltas, messages, record, scope
from provisioning.outbound.groups.leaving import entry_of
from provisioning.outbound.leases import Parked
from provisioning.profile.person import person_behind
from reports.journal import Line
from reports.models import Operation, Result

T = TypeVar("T")


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

    ``lost`` is the step that the directory was asked for before and did not answer, "" for none. ``asked`` is whether
    the directory has answered, and ``step`` what a failed line calls the work. ``again``: the directory contradicted
    what the portal believes, or never answered, so the group is looked at even if it seems to be in sync.
    """

    def __init__(
        self,
        config: DirectoryConfig,
        connector: Connector,
        batch: Batch,
        account: GroupAccount,
        actor: str,
        *,
        allowance: Allowance | None = None,
    ) -> None:
        self.allowance = allowance
        self.config, self.connector, self.batch = config, connector, batch
        self.held, self.name = batch.held, config.name
        self.capabilities = connector.capabilities
        self.account, self.actor = account, actor
        self.lost = account.unanswered
        self.asked, self.again = False, bool(self.lost)
        self.step = Step.UPDATE
        self.outcome = GroupOutcome(account)

    def reconcile(self) -> GroupOutcome:
        """Bring the group in sync; raise ConnectorError, or Lost."""
        if self.allowance is not None:
            self.allowance.begin()
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
        self.account.unanswered = ""
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
            made = self._made_before() if self.lost == Step.CREATE else None
            if made is None:
                self.outcome.gone = True  # it never got there
                return
            account.remote_id, account.state, account.pushed_digest = made.ref, AccountState.ACTIVE, OUTDATED
        self.step = Step.DELETE
        if not self.config.features.delete_groups:
            self._stays()
            return
        if Capability.DELETE_GROUP not in self.capabilities:
            raise self._cannot("delete groups")
        self._must_be_allowed()
        self._ask(Step.DELETE, lambda: self.connector.delete_group(entry_of(account, self.connector)))
        self.outcome.lines.append(self._line(Step.DELETE, account.key))
        self.outcome.gone = True

    def _made_before(self) -> RemoteGroup | None:
        """Return the group that the directory was asked to create before, without an answer; None when it is not there.

        It was looked for before it was asked for, so one of that name that nobody else has is this one.
        """
        found = self._call(lambda: self.connector.find_group(GroupEntry(self.account.key)))
        if found is not None and self._others(found):
            return None
        if found is not None:
            self.outcome.lines.append(self._line(Step.CREATE, found.name, late=True))
        return found

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
        wanted = replace(entry_of(account, self.connector), name=group.name)
        if whole or self.again or account.pushed_digest != _digest(wanted.name, wanted.description):
            reason, fresh = self._bring_group(wanted)
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
        if not wanted.ref:
            self._deleted_goes_first(wanted.name)
        found = self._find(wanted)
        fresh = found is None or found.ref != account.remote_id
        if found is None:
            held = self._create(wanted)
            lines.append(self._line(Step.CREATE, wanted.name))
        else:
            if fresh:
                self._must_be_free(found)
                self._call(partial(self.connector.adopt_group, replace(wanted, ref=found.ref), found))
                lines.append(self._linked(found.name))
            elif self.lost == Step.UPDATE and (found.name, found.description) == (wanted.name, wanted.description):
                lines.append(self._line(Step.UPDATE, wanted.name, account.key, late=True))
            held, reason = self._update(wanted, found, lines)
        account.remote_id, account.place = held.ref, place_digest(held.place)
        account.key, account.state = held.name[:255], AccountState.ACTIVE
        account.pushed_digest = _digest(held.name, held.description)
        if lines:
            account.unanswered = ""
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
        entry = replace(wanted, ref="")
        return self._ask(Step.CREATE, lambda: self.connector.create_group(entry))

    def _update(self, wanted: GroupEntry, found: RemoteGroup, lines: list[Line]) -> tuple[RemoteGroup, str]:
        """Give the group its name and description; return it as it is now, and why not more."""
        if (found.name, found.description) == (wanted.name, wanted.description):
            return found, ""
        if Capability.UPDATE_GROUP not in self.capabilities:
            return found, f"{self.name} cannot rename groups as it is set up."
        self.step = Step.UPDATE
        entry = replace(wanted, ref=found.ref)
        held = self._ask(Step.UPDATE, lambda: self.connector.update_group(entry))
        lines.append(self._line(Step.UPDATE, wanted.name, found.name))
        return held, ""

    def _must_be_free(self, found: RemoteGroup) -> None:
        """Refuse to take over a group that is the directory's own, or another one of the portal, deleted or not.

        A name proves nothing: whoever makes a group of that name again may mean another one by it.
        """
        account = self.account
        other = self._others(found).select_related("group").first()
        if other is None:
            return
        if other.group is None:
            raise self._of_deleted(other, found)
        if other.group.owner_id == account.directory_id:
            message = (
                f"{self.name} has a group of its own with this name, which the portal imports as {other.group.name}. "
                "Rename one of the two, or do not choose this group for the directory."
            )
        else:
            message = f"{self.name} keeps the group {other.key} of the portal under this name. Rename one of the two."
        raise ConnectorError(message, code="other_group")

    def _others(self, found: RemoteGroup) -> QuerySet[GroupAccount]:
        """Return what else in the portal stands for a group of the directory."""
        account = self.account
        return GroupAccount.objects.filter(directory=account.directory_id, remote_id=found.ref).exclude(pk=account.pk)

    def _deleted_goes_first(self, name: str) -> None:
        """Refuse to make a group while the directory has that of one of that name that was deleted from the portal."""
        deleted = GroupAccount.objects.filter(directory=self.account.directory_id, group=None, key__iexact=name)
        for other in deleted.exclude(state=AccountState.ABSENT):
            if other.changes.filter(parked=None).exists():
                raise Unavailable(messages.namesake_first(name, self.name), whole_directory=False)
            held = self.connector.find_group(GroupEntry(other.key, other.remote_id)) if other.remote_id else None
            if held is not None and held.name.casefold() == name.casefold():
                raise self._of_deleted(other, held)

    def _of_deleted(self, other: GroupAccount, held: RemoteGroup) -> ConnectorError:
        """Return why a directory's group is not taken: it is what a deleted group of the portal left there."""
        if other.changes.filter(parked=None).exists():
            return Unavailable(messages.namesake_first(other.key, self.name), whole_directory=False)
        words = messages.deleted_namesake(held.name, self.name, pushed=bool(other.pushed_digest))
        return ConnectorError(words, code="other_group")

    # --- Its members -------------------------------------------------------------------------------------------------

    def _members(self, *, whole: bool) -> None:
        """Take out who does not belong in the group and put in who does, a page a call."""
        changed = {change.about for change in self.held.changes[self.account.pk]}
        among = sorted(pk for pk in changed if pk is not None)
        leavers = self.config.features.groups_of_leavers == GroupsOfLeavers.NOW
        to_remove = partial(deltas.to_remove, leavers=leavers)
        # They may have been put into the group before, without an answer, and not belong there any more.
        doubtful = {*self.account.unanswered_members, *(among if self.lost else ())}
        size = self.connector.members_at_once
        for some in chunks(sorted(doubtful), size):
            if ids := deltas.not_belonging(self.account, some, leavers=leavers):
                self._change(ids, add=False)
        for page in [None] if whole or None in changed else chunks(among, size):
            for find, add in ((to_remove, False), (deltas.to_add, True)):
                last = 0
                while ids := find(self.account, last, page, size):
                    last = ids[-1]
                    if add and page is None:  # no change names them
                        record.asking(self.held, self.account, ids)
                    self._change(ids, add=add)

    def _change(self, account_ids: Sequence[int], *, add: bool) -> None:
        """Put members into the group or take them out, in one call, and record it."""
        self.batch.keep_lease()
        members = list(Account.objects.filter(pk__in=account_ids).select_related("user__manager").order_by("pk"))
        refused = {} if add else self._held_back([member.pk for member in members])
        entries = {member.pk: _entry(member) for member in members if member.pk not in refused}
        by_entry = {id(entry): pk for pk, entry in entries.items()}
        change = self.connector.add_members if add else self.connector.remove_members
        if entries:
            answer = self._ask(
                "members", lambda: change(entry_of(self.account, self.connector), list(entries.values()))
            )
            stay = {by_entry[id(entry)]: Parked(error.code, error.message) for entry, error in answer}
            if not add:
                self._not_lost(stay)
            refused |= stay
        self.outcome.refused |= record.members(self.held, self.account, self.name, members, refused, added=add)
        if len(refused) < len(members):
            self.account.attempts = 0  # pauses grow only while nothing is done

    # --- What a person has to be asked about first -------------------------------------------------------------------

    def _cleared(self) -> tuple[bool, set[int | None]]:
        """Return whether the whole group was decided about, and the members who were."""
        decided = {change.about for change in self.held.changes[self.account.pk] if change.cleared}
        return None in decided, decided

    def _held_back(self, account_ids: Sequence[int]) -> dict[int, Parked]:
        """Return those who may not be taken out of the group without a person's word, and why."""
        whole, decided = self._cleared()
        asked = [pk for pk in account_ids if pk not in decided]
        if self.allowance is None or whole or not asked:
            return {}
        self.allowance.begin()  # what was done before is done
        left = asked[self.allowance.take(LossKind.MEMBERS, len(asked)) :]
        why = self.allowance.held(LossKind.MEMBERS)
        return dict.fromkeys(left, Parked(why.code, why.message))

    def _not_lost(self, member_ids: Collection[int]) -> None:
        """Give back what was taken for members whom the directory kept in the group."""
        whole, decided = self._cleared()
        if self.allowance is not None and not whole:
            self.allowance.give_back(LossKind.MEMBERS, len(set(member_ids) - decided))

    def _must_be_allowed(self) -> None:
        """Raise ConnectorError when the group has more members than may lose it without a person's word."""
        whole, _ = self._cleared()
        number = PushedMember.objects.filter(group_account=self.account).count()
        if self.allowance is None or whole or not number:
            return
        if self.allowance.take(LossKind.MEMBERS, number) < number:
            self.allowance.undo()
            raise self.allowance.held(LossKind.MEMBERS)

    # --- Calls and lines ---------------------------------------------------------------------------------------------

    def _call(self, call: Callable[[], T]) -> T:
        result = call()
        self.asked = True
        return result

    def _ask(self, step: str, call: Callable[[], T]) -> T:
        """Call for a step, and remember until the turn has ended that the directory was asked for it."""
        account, before = self.account, self.account.unanswered
        account.unanswered = before or step
        try:
            return self._call(call)
        except ConnectorError as error:
            if self.allowance is not None:
                self.allowance.undo()
            if not isinstance(error, Unavailable):
                account.unanswered = before  # an answer
            raise

    def _cannot(self, what: str) -> ConnectorError:
        return ConnectorError(f"{self.name} cannot {what} as it is set up.", code="capability")

    def _line(self, step: Step, name: str, before: str = "", *, late: bool = False) -> Line:
        words = messages.done(step, name, before, self.name)
        words = late_words(words) if late else words
        return messages.line(name, self.name, messages.OPERATIONS[step], Result.SUCCESS, words, actor=self.actor)

    def _linked(self, name: str) -> Line:
        """Return the line about a group that is there: the portal may have made it, and not have heard of that."""
        late = self.lost == Step.CREATE
        return self._line(Step.CREATE if late else Step.LINK, name, late=late)


def _entry(account: Account) -> Entry:
    user = account.user
    return Entry(
        key=account.key,
        ref=account.remote_id,
        attributes=account.attributes,
        person=person_behind(account).flat(),
        portal_id=str(user.scim_id) if user else "",
    )


def _digest(name: str, description: str) -> str:
    return seen_digest({"name": name, "description": description})
