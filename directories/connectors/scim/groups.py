"""Groups of a SCIM application, and who is in them: added and removed in portions, never by a list of everybody.

Many applications show nobody of a group, so nothing here depends on what they show, but for one that changes groups
only as a whole (PUT).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from directories.connectors.base import (
    Conflict,
    ConnectorError,
    Entry,
    GroupEntry,
    GroupPage,
    MemberPage,
    NotFound,
    RefusedMember,
    RemoteGroup,
)
from directories.connectors.scim import listing
from directories.connectors.scim.client import Json, Refused
from directories.connectors.scim.discovery import Application
from directories.connectors.scim.lookup import by_id, by_values, ref_of
from directories.connectors.scim.paths import CORE, member, parse, read

ABSENT = "The group is not in the application."
NO_ID = (
    "The application says that it created the group, and does not show it. Look there whether it has it, and then "
    "retry."
)
NO_ACCOUNT = "The account is not in the application."
CUT = "The application does not show every member of its groups, so they cannot be imported."
_NAME = parse("displayName")
_ENVELOPE = 200  # bytes of a PATCH that are not members


class Groups:
    """The groups of one application."""

    def __init__(self, application: Application) -> None:
        self.application, self.client = application, application.client
        self.rules = application.settings.preset.group

    @property
    def _without_members(self) -> Mapping[str, str]:
        """How a group is asked for, which may have a hundred thousand members."""
        return {"excludedAttributes": "members"} if self.rules.members_by == "get" else {}

    # --- The groups themselves ---------------------------------------------------------------------------------------

    def pages(self, size: int) -> Iterator[GroupPage]:
        """Stream every group; raise ConnectorError where the list may leave some out."""
        query = self._without_members
        for page in listing.pages(self.application, "Groups", size, query):
            if page.last and not page.whole:
                raise ConnectorError(CUT, code="paging")
            yield GroupPage([_group(one) for one in page.resources], page.last)

    def find(self, group: GroupEntry) -> RemoteGroup | None:
        """Return the group with the entry's id, with what the portal calls it, or before it has an id with its name."""
        found = self._find(group)
        return _group(found) if found else None

    def _find(self, group: GroupEntry) -> Json | None:
        query = self._without_members
        if group.ref and (found := by_id(self.client, "group", group.ref, query)):
            return found
        wanted = {"externalId": group.portal_id}
        if not group.ref:
            wanted["displayName"] = group.name
        return by_values(self.application, "group", wanted, query)

    def create(self, group: GroupEntry) -> RemoteGroup:
        """Create the group, with nobody in it."""
        resource: Json = {"schemas": [CORE[1]], "displayName": group.name}
        if group.portal_id:
            resource["externalId"] = group.portal_id
        answer = self.client.post("Groups", resource)
        if not ref_of(answer):
            found = self._find(GroupEntry(group.name, "", "", group.portal_id))
            if found is None:
                raise ConnectorError(NO_ID, code="no_id")
            answer = found
        return RemoteGroup(ref_of(answer), str(read(answer, _NAME) or group.name))

    def adopt(self, group: GroupEntry) -> None:
        """Write what the portal calls the group where externalId is blank and may be written."""
        if not group.portal_id or (self.rules.patchable and "externalId" not in self.rules.patchable):
            return
        held = self._held(group) if self._by_put else by_id(self.client, "group", group.ref, self._without_members)
        if held is None or member(held, "externalId"):
            return
        try:
            if self._by_put:
                self.client.put("Groups", group.ref, resource={**_plain(held), "externalId": group.portal_id})
            else:
                change = {"op": "add", "path": "externalId", "value": group.portal_id}
                self.client.patch("Groups", group.ref, operations=[change])
        except Refused:
            return  # the application takes it from nobody

    def rename(self, group: GroupEntry) -> RemoteGroup:
        """Give the group its name; raise NotFound when it is absent."""
        if self._by_put:
            held = self._held(group)
            answer = self.client.put("Groups", group.ref, resource={**_plain(held), "displayName": group.name})
        else:
            change = {"op": "replace", "path": "displayName", "value": group.name}
            answer = self.client.patch("Groups", group.ref, operations=[change])
        if ref_of(answer) != group.ref:
            answer = by_id(self.client, "group", group.ref, self._without_members) or {}
        return RemoteGroup(group.ref, str(read(answer, _NAME) or group.name))

    def delete(self, group: GroupEntry) -> None:
        """Remove the group; what is absent is gone."""
        try:
            self.client.delete("Groups", group.ref)
        except NotFound:
            return

    # --- Who is in them ----------------------------------------------------------------------------------------------

    def members(self, group: RemoteGroup, size: int) -> Iterator[MemberPage]:
        """Stream the ids of a group's members."""
        query = {"attributes": "members"} if self.rules.members_by == "attributes" else None
        found = by_id(self.client, "group", group.ref, query)
        if found is None:
            raise NotFound(ABSENT)
        listed = member(found, "members")
        refs = [str(member(one, "value") or "") for one in (listed if isinstance(listed, list) else ())]
        if not all(refs):
            raise ConnectorError(CUT, code="answer")
        for start in range(0, len(refs) or 1, size):
            yield MemberPage(refs[start : start + size], last=start + size >= len(refs))

    def add(self, group: GroupEntry, members: Sequence[Entry]) -> list[RefusedMember]:
        """Put accounts into the group; return those that could not be."""
        return self._change(group, members, self.rules.add_per_request, self._adding, self._put_in)

    def remove(self, group: GroupEntry, members: Sequence[Entry]) -> list[RefusedMember]:
        """Take accounts out of the group; return those that could not be."""
        return self._change(group, members, self.rules.remove_per_request, self._removing, self._put_out)

    def _change(
        self,
        group: GroupEntry,
        members: Sequence[Entry],
        most: int,
        operations: Callable[[Sequence[str]], list[Json]],
        whole: Callable[[list[Json], Sequence[str]], list[Json]],
    ) -> list[RefusedMember]:
        there = [entry for entry in members if entry.ref]
        refused = [_refused(entry, NO_ACCOUNT) for entry in members if not entry.ref]
        if self._by_put:
            held = self._held(group)
            now = member(held, "members")
            people = whole(list(now) if isinstance(now, list) else [], [entry.ref for entry in there])
            removing = operations == self._removing
            self.client.put("Groups", group.ref, resource={**_plain(held), "members": people}, urgent=removing)
            return refused
        for portion in self._portions(there, most):
            refused += self._patch(group, portion, operations)
        return refused

    def _portions(self, members: Sequence[Entry], most: int) -> Iterator[list[Entry]]:
        """Cut members into as many as one request takes, by their number and their bytes."""
        portion: list[Entry] = []
        size = _ENVELOPE
        for entry in members:
            bytes_ = len(orjson.dumps(self._adding([entry.ref])))
            if portion and (len(portion) >= most or (self.rules.max_bytes and size + bytes_ > self.rules.max_bytes)):
                yield portion
                portion, size = [], _ENVELOPE
            portion.append(entry)
            size += bytes_
        if portion:
            yield portion

    def _patch(
        self, group: GroupEntry, portion: list[Entry], operations: Callable[[Sequence[str]], list[Json]]
    ) -> list[RefusedMember]:
        """Send a portion; where one id spoils it for all, send halves of it, down to the one."""
        try:
            refs, removing = [entry.ref for entry in portion], operations == self._removing
            self.client.patch("Groups", group.ref, operations=operations(refs), members=len(refs), urgent=removing)
        except (NotFound, Conflict, Refused) as error:
            if isinstance(error, NotFound) and by_id(self.client, "group", group.ref, self._without_members) is None:
                raise NotFound(ABSENT) from None
            if len(portion) > 1:
                middle = len(portion) // 2
                return [
                    *self._patch(group, portion[:middle], operations),
                    *self._patch(group, portion[middle:], operations),
                ]
            (entry,) = portion
            return self._alone(entry, error, adding=operations == self._adding)
        return []

    def _alone(self, entry: Entry, error: ConnectorError, *, adding: bool) -> list[RefusedMember]:
        """Return whether one member that was refused could not be added, or removed."""
        if isinstance(error, Conflict) and adding:
            return []  # they are in it already
        if not adding and (isinstance(error, NotFound) or getattr(error, "scim_type", "").casefold() == "notarget"):
            return []  # they are out of it already
        if isinstance(error, NotFound):
            return [_refused(entry, NO_ACCOUNT)]
        return [RefusedMember(entry, error)]

    def _adding(self, refs: Sequence[str]) -> list[Json]:
        if self.rules.adds_in_one_operation:
            return [{"op": "add", "path": "members", "value": [{"value": ref} for ref in refs]}]
        by_id_alone = self.rules.member_as == "id"
        return [{"op": "add", "path": "members", "value": ref if by_id_alone else [{"value": ref}]} for ref in refs]

    def _removing(self, refs: Sequence[str]) -> list[Json]:
        match self.rules.remove_by:
            case "value":
                return [{"op": "remove", "path": "members", "value": [{"value": ref} for ref in refs]}]
            case "path_or":
                return [{"op": "remove", "path": f"members[{' or '.join(map(_is, refs))}]"}]
        return [{"op": "remove", "path": f"members[{_is(ref)}]"} for ref in refs]

    # --- Where groups are changed as a whole -------------------------------------------------------------------------

    @property
    def _by_put(self) -> bool:
        return self.rules.members_by != "none" and self.application.changes_whole(self.rules.update)

    def _held(self, group: GroupEntry) -> Json:
        """Return the group with everything that is written back; raise NotFound."""
        query = {"attributes": "displayName,externalId,members"} if self.rules.members_by == "attributes" else None
        found = by_id(self.client, "group", group.ref, query)
        if found is None:
            raise NotFound(ABSENT)
        return found

    def _put_in(self, people: list[Json], refs: Sequence[str]) -> list[Json]:
        known = {member(one, "value") for one in people}
        return [*people, *({"value": ref} for ref in refs if ref not in known)]

    def _put_out(self, people: list[Json], refs: Sequence[str]) -> list[Json]:
        left = set(refs)
        return [one for one in people if member(one, "value") not in left]


def _group(resource: Json) -> RemoteGroup:
    name = str(read(resource, _NAME) or "")
    return RemoteGroup(ref_of(resource), name, problem="" if name else "The group has no name.")


def _plain(resource: Json) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "meta"}


def _refused(entry: Entry, message: str) -> RefusedMember:
    return RefusedMember(entry, ConnectorError(message, code="not_found"))


def _is(ref: str) -> str:
    return f"value eq {orjson.dumps(ref).decode()}"
