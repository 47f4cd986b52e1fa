"""One group against its directory: look and act. No transaction is open, and nothing is written to the portal."""

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
    Unavailable,
)
from directories.models import PushGroups
from provisioning.models import Account, GroupAccount
from provisioning.models.accounts import AccountState
from provisioning.outbound.accounts.outbox import Parked
from provisioning.outbound.accounts.plan import Step
from provisioning.outbound.accounts.reconcile import who
from provisioning.outbound.digests import place_digest, seen_digest
from provisioning.outbound.groups import messages, scope
from provisioning.outbound.groups.leaving import entry_of
from reports.journal import Line
from reports.models import Operation, Result

T = TypeVar("T")


class Standing(StrEnum):
    """How a group stands to the directory."""

    WANTED = "wanted"
    LEFT = "left"  # deleted from the portal, or no longer chosen
    OFF = "off"  # groups are not pushed to this directory now, or the group is the directory's own


@dataclass(slots=True)
class Settled:
    """What was done about the group itself; its new values are on the account.

    ``fresh``: it was made or found just now, so that nobody was put into it yet. ``whole``: everyone in it must be
    looked at. ``members``: they can be. ``gone``: it is not in the directory.
    """

    lines: list[Line] = field(default_factory=list)
    reason: str = ""
    fresh: bool = False
    whole: bool = False
    members: bool = False
    gone: bool = False


class Refused(Exception):
    """The group itself could not be brought in step; somebody must see to it."""

    def __init__(self, step: Step, cause: Parked) -> None:
        super().__init__(cause.message)
        self.step, self.cause = step, cause


class GroupDesk:
    """What a batch of groups of one directory shares."""

    def __init__(self, config: DirectoryConfig, connector: Connector) -> None:
        self.config, self.connector, self.name = config, connector, config.name
        self.capabilities = connector.capabilities
        self.asked = False  # whether the directory has answered yet

    def standing(self, account: GroupAccount) -> Standing:
        """Return whether the group is to be in the directory."""
        features = self.config.features
        if not features.sync_groups or features.push_groups == PushGroups.NONE:
            return Standing.OFF
        if account.group is not None and account.group.owner_id == account.directory_id:
            return Standing.OFF
        return Standing.WANTED if scope.belongs(account, features.push_groups) else Standing.LEFT

    def settle(self, account: GroupAccount, actor: str) -> Settled:
        """Bring the group itself in step; raise Refused, or Unavailable."""
        match self.standing(account):
            case Standing.OFF:
                return Settled(reason=f"Groups are not sent to {self.name}.")
            case Standing.LEFT:
                return self._leave(account, actor)
        try:
            return self._want(account, actor)
        except (NotFound, Conflict):
            # Somebody else was quicker between the look and the act: look once more.
            account.pushed_digest = ""
            return self._want(account, actor)

    def change(self, account: GroupAccount, members: Sequence[Account], *, add: bool) -> dict[int, Parked]:
        """Put members into the group or take them out, in one call; return why for each that was refused.

        Raise NotFound when the group is gone.
        """
        entries = {member.pk: _entry(member) for member in members}
        by_entry = {id(entry): pk for pk, entry in entries.items()}
        call = self.connector.add_members if add else self.connector.remove_members
        refused = call(entry_of(account), list(entries.values()))
        self.asked = True
        return {by_entry[id(entry)]: Parked(error.code, error.message) for entry, error in refused}

    def _leave(self, account: GroupAccount, actor: str) -> Settled:
        if account.state != AccountState.ACTIVE or not account.pushed_digest:
            return Settled(gone=True)  # it never got there
        if not self.config.features.delete_groups:
            return self._stays(account, actor)
        if Capability.DELETE_GROUP not in self.capabilities:
            raise Refused(Step.DELETE, Parked("capability", f"{self.name} cannot delete groups as it is set up."))
        self._call(Step.DELETE, lambda: self.connector.delete_group(entry_of(account)))
        return Settled([self._line(Step.DELETE, account.key, actor)], gone=True)

    def _stays(self, account: GroupAccount, actor: str) -> Settled:
        """Leave the group in the directory, and say so once when nothing else in the portal shows it any more."""
        result = Settled(reason=f"Deleting groups is switched off for {self.name}: the group stays there.")
        if account.group is None and account.last_message != result.reason:
            words = messages.stays(account.key, self.name)
            result.lines.append(
                messages.line(account.key, self.name, Operation.DELETE, Result.SKIPPED, words, actor=actor)
            )
        return result

    def _want(self, account: GroupAccount, actor: str) -> Settled:
        group = account.group
        assert group is not None
        can_fill = Capability.MEMBERS in self.capabilities
        result = Settled(members=can_fill)
        if not can_fill:
            result.reason = f"{self.name} cannot change the members of groups as it is set up."
        if account.state == AccountState.ACTIVE and account.pushed_digest == _digest(group.name, group.description):
            return result
        wanted = GroupEntry(group.name, account.remote_id, group.description)
        found = self._find(wanted)
        if found is None:
            held = self._create(wanted)
            result.lines.append(self._line(Step.CREATE, wanted.name, actor))
        else:
            if found.ref != account.remote_id:
                self._must_be_free(account, found)
                result.lines.append(self._line(Step.LINK, wanted.name, actor))
            held = self._update(wanted, found, result, actor)
        result.fresh = found is None or found.ref != account.remote_id
        result.whole = result.fresh or account.state != AccountState.ACTIVE
        account.remote_id, account.place = held.ref, place_digest(held.place)
        account.key, account.state = held.name[:255], AccountState.ACTIVE
        account.pushed_digest = _digest(held.name, held.description)
        return result

    def _update(self, wanted: GroupEntry, found: RemoteGroup, result: Settled, actor: str) -> RemoteGroup:
        """Give the group that was found its name and description, as far as the directory can."""
        if (found.name, found.description) == (wanted.name, wanted.description):
            return found
        if Capability.UPDATE_GROUP not in self.capabilities:
            result.reason = f"{self.name} cannot rename groups as it is set up."
            return found
        entry = GroupEntry(wanted.name, found.ref, wanted.description)
        held = self._call(Step.UPDATE, lambda: self.connector.update_group(entry))
        result.lines.append(self._line(Step.UPDATE, wanted.name, actor, found.name))
        return held

    def _find(self, wanted: GroupEntry) -> RemoteGroup | None:
        found = self._call(Step.CREATE, lambda: self.connector.find_group(wanted))
        if found is None and wanted.ref:
            # Deleted over there and made again, perhaps by us before a crash: it is found by its name.
            found = self._call(Step.CREATE, lambda: self.connector.find_group(GroupEntry(wanted.name)))
        return found

    def _create(self, wanted: GroupEntry) -> RemoteGroup:
        if Capability.CREATE_GROUP not in self.capabilities:
            raise Refused(Step.CREATE, Parked("capability", f"{self.name} cannot create groups as it is set up."))
        entry = GroupEntry(wanted.name, "", wanted.description)
        return self._call(Step.CREATE, lambda: self.connector.create_group(entry))

    def _must_be_free(self, account: GroupAccount, found: RemoteGroup) -> None:
        """Refuse to take over a group that is the directory's own, or another one of the portal."""
        others = GroupAccount.objects.filter(directory=account.directory_id, remote_id=found.ref).exclude(pk=account.pk)
        other = others.select_related("group").first()
        if other is None:
            return
        if other.group is not None and other.group.owner_id == account.directory_id:
            words = (
                f"{self.name} has a group of its own with this name, which the portal imports as {other.group.name}. "
                "Rename one of the two, or do not choose this group for the directory."
            )
        else:
            words = f"{self.name} keeps the group {other.key} of the portal under this name. Rename one of the two."
        raise Refused(Step.CREATE, Parked("other_group", words))

    def _call(self, step: Step, call: Callable[[], T]) -> T:
        try:
            result = call()
        except Unavailable:
            raise
        except ConnectorError as error:
            self.asked = True
            if isinstance(error, NotFound | Conflict):
                raise
            raise Refused(step, Parked(error.code, error.message)) from None
        self.asked = True
        return result

    def _line(self, step: Step, name: str, actor: str, before: str = "") -> Line:
        words = messages.done(step, name, before, self.name)
        return messages.line(name, self.name, messages.OPERATIONS[step], Result.SUCCESS, words, actor=actor)


def _entry(account: Account) -> Entry:
    return Entry(account.key, account.remote_id, account.attributes, who(account)[0].flat())


def _digest(name: str, description: str) -> str:
    return seen_digest({"name": name, "description": description})
