"""SCIM 2.0 applications as directories (RFC 7643, 7644, 9865).

What sets one product apart from the next is in its preset; here is nothing about any of them.
"""

import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from directories.connectors.base import (
    Capability,
    ConnectionStep,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    ConnectorError,
    Cursor,
    CursorLost,
    Entry,
    GroupEntry,
    GroupPage,
    Inspection,
    MemberPage,
    Page,
    RefusedMember,
    RemoteAccount,
    RemoteGroup,
    Unavailable,
    Write,
)
from directories.connectors.scim import discovery, listing
from directories.connectors.scim.client import LONGEST_TURN, ScimClient
from directories.connectors.scim.discovery import Application
from directories.connectors.scim.groups import Groups
from directories.connectors.scim.inspection import inspected
from directories.connectors.scim.managers import MANAGER_NAMES
from directories.connectors.scim.paths import member, parse
from directories.connectors.scim.presets import GENERIC, all_names, load
from directories.connectors.scim.rate import forecast
from directories.connectors.scim.settings import (
    ACCOUNTS,
    HEADERS,
    form_fields,
    preset_of,
    scim_settings,
    url_problem,
)
from directories.connectors.scim.users import Users
from directories.connectors.scim.words import MEANT, fills, notes
from directories.connectors.shared_fields import LIMITS, UNCHECKED, UNCHECKED_WORDS

UNMAPPED = frozenset({"userName", "active", "password"})  # what the portal gives every new user by itself
OVERLAP = dt.timedelta(minutes=10)  # how much is read again: changes are written late
ASKED_AT_ONCE = 10  # newcomers in one look-up: a filter is part of the address, and addresses are short
JUST_NOW = 1.0  # seconds for which what was found need not be read again
ADDRESS, SIGN_IN, CAN, PEOPLE, TEAMS = "Address", "Sign-in", "What it can do", "Users", "Groups"
NO_PASSWORDS = "Passwords are not given to it. Switch that on under Connection (Give passwords)."
TAKES_NONE = "Passwords are to be given to it: switch Give passwords off."
NEVER_PASSWORDS = "The product takes no passwords."
NEVER_DELETES = "The product deletes no users. Disable them instead."
NO_GROUPS = "The product's groups cannot be written from outside."
NEVER_DELETES_GROUPS = "The product deletes no groups from outside."
HIDES_MEMBERS = "The product does not show who is in its groups."
MAY_LEAVE_OUT = "The product's lists may leave groups out without a word."
NO_TRUST = "Its times of changes are not trusted. Switch that on under Connection, if they can be."
NO_TIMES = "The product cannot be asked for what changed since a time."


class Scim(Connector):
    """An application that speaks SCIM 2.0: what works on users and groups are objects of their own."""

    kind: ClassVar[str] = "scim"
    label: ClassVar[str] = "SCIM 2.0 application (Slack, AWS, GitHub and others)"
    icon: ClassVar[str] = "apps"
    fields = form_fields()
    fills_by = "product"
    fills: ClassVar[Mapping[str, Mapping[str, str]]] = {name: fills(load(name)) for name in all_names()}
    notes: ClassVar[Mapping[str, str]] = {name: notes(load(name)) for name in all_names()}
    folded = frozenset({HEADERS, ACCOUNTS, LIMITS})
    key_source = "userName"
    look_up_hint = "Let the application's list of users be filtered by externalId or userName."
    delete_hint = "Look in the application why it keeps the account."
    describes_groups = False
    clear_passwords = True
    reads_ahead = True
    manager_names = MANAGER_NAMES

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.settings = scim_settings(config.settings)
        self.preset = self.settings.preset
        self._seen: Mapping[str, RemoteAccount] = {}  # whom find_many gave, by their ids
        self._seen_at = 0.0
        self.at_a_time = self.settings.in_flight
        self.at_once = ASKED_AT_ONCE * self.at_a_time  # who is looked up by requests that are under way together
        # What a pause interrupts is not begun anew.
        self.members_at_once = min(self.preset.group.add_per_request, Connector.members_at_once)

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """Say what the product does not do, or is not told to."""
        return _lacking(capability, config.settings) or super().lacking(capability, config)

    @classmethod
    def cautions(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """Switching the check of the certificate off is loud."""
        return [UNCHECKED_WORDS] if settings.get("check_certificate") == UNCHECKED else []

    @classmethod
    def required(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """Return what the product requires and somebody has to map."""
        wanted = [parse(name) for name in preset_of(settings).user.required if name not in UNMAPPED]
        return [path.text if path.sub or not path.plural else f'{path.text}[type eq "work"].value' for path in wanted]

    @classmethod
    def meant_by(cls, attribute: str) -> str:
        """Return the usual name of a SCIM path."""
        name = attribute.rpartition(":User:")[2] or attribute
        return MEANT.get(name, name)

    @classmethod
    def called(cls, settings: Mapping[str, Any]) -> str:
        """Return the product."""
        preset = preset_of(settings)
        return cls.label.partition(" (")[0] if preset is load(GENERIC) else f"{preset.label} (SCIM)"

    @classmethod
    def forecast(cls, settings: Mapping[str, Any], users: int) -> str:
        """Return how long the product's limits let it take."""
        found = forecast(preset_of(settings), users)
        return found.words if found.slowest is not None else ""

    @property
    def patience(self) -> float:
        """The time of one request, and of waiting for its turn."""
        return float(self.settings.timeout) + LONGEST_TURN

    @property
    def creates_with_password(self) -> bool:
        """A new user gets its password with it, where passwords are given at all."""
        return self.settings.passwords

    @property
    def finds_by_name(self) -> bool:  # type: ignore[override]
        """Whether the application says that its lists can be filtered, or does not say; raise Unavailable."""
        return self.application.offered.filters is not False

    @property
    def keeps_deleted(self) -> bool:
        """Whether the product only switches off whom it is told to delete."""
        return self.preset.delete.user == "deactivate"

    @property
    def deletion_is_final(self) -> str:
        """What the product's documents say of it; who is only switched off can be switched on again."""
        if self.keeps_deleted:
            return ""
        words = self.preset.delete.effects
        return words[:1].lower() + words[1:] if words else super().deletion_is_final

    @cached_property
    def client(self) -> ScimClient:
        """The application, with its open connections; raise ConnectorError."""
        if problem := url_problem(self.settings.url):
            raise ConnectorError(problem, code="settings")
        return ScimClient(self.settings, hurries=lambda: self.urgent)

    @cached_property
    def application(self) -> Application:
        """The application, and what it says of itself; raise ConnectorError."""
        return Application(self.settings, self.client)

    @cached_property
    def users(self) -> Users:
        """What works on users; raise ConnectorError."""
        return Users(self.config, self.application)

    @cached_property
    def teams(self) -> Groups:
        """What works on groups; raise ConnectorError."""
        return Groups(self.application)

    def close(self) -> None:
        """Close the connections."""
        if "client" in self.__dict__:
            self.client.close()

    # --- Looking at it -----------------------------------------------------------------------------------------------

    def test(self) -> ConnectionTest:
        """Look at the address, sign in, ask what it can do, and look at a user and a group."""
        if problem := url_problem(self.settings.url):
            return ConnectionTest([ConnectionStep(ADDRESS, False, problem)])
        checked = self.settings.checked
        words = "It can be asked." if checked else UNCHECKED_WORDS
        reached = ConnectionStep(ADDRESS, True, words, caution=not checked)
        steps: list[ConnectionStep] = []
        found: tuple[Sequence[str], Sequence[str]] = ((), ())
        started = time.perf_counter()
        name = ADDRESS
        try:
            self.client.sign_in()
            offered = discovery.features(self.client, self.settings, anew=True)
            steps.append(reached)
            name = PEOPLE
            words = self._first("Users", "userName")
            steps.append(ConnectionStep(SIGN_IN, True, "The application takes it."))
            unwanted = self.settings.passwords and offered.passwords is False
            steps.append(
                ConnectionStep(CAN, True, f"{offered.words} {TAKES_NONE if unwanted else ''}".strip(), caution=unwanted)
            )
            steps.append(ConnectionStep(PEOPLE, True, words))
            name = TEAMS
            if self.preset.group.supported:
                steps.append(ConnectionStep(TEAMS, True, self._first("Groups", "displayName")))
            schema = discovery.schema(self.client, self.settings)
            found = (schema.paths, schema.required)
        except ConnectorError as error:
            if error.code == "login":
                steps, name = [reached], SIGN_IN
            steps.append(ConnectionStep(name, False, error.message))
        seconds = time.perf_counter() - started
        return ConnectionTest(steps, latency_ms=seconds * 1000, attributes=found[0], required=found[1])

    def _first(self, place: str, name: str) -> str:
        """Return in words what a list begins with, which is as well the test that it may be read."""
        page = self.client.list(place, self._first_page)
        resources, total = member(page, "Resources"), member(page, "totalResults")
        if resources is None and not isinstance(total, int):
            raise ConnectorError(listing.NO_LIST, code="answer")
        word = place.lower()
        counted = (
            f"{total:,} {word if total != 1 else word[:-1]}."
            if isinstance(total, int) and self.preset.paging.total
            else ""
        )
        first = resources[0] if isinstance(resources, list) and resources else None
        if first is None:
            return counted or f"It shows no {word}."
        filled = ", ".join(one for one in first if one not in ("schemas", "meta") and first[one] not in (None, [], ""))
        return f"{counted} The first is {member(first, name) or 'nameless'}. The application shows: {filled}.".strip()

    @property
    def _first_page(self) -> Mapping[str, str]:
        return (
            {"cursor": "", "count": "1"} if self.preset.paging.mode == "cursor" else {"startIndex": "1", "count": "1"}
        )

    def inspect(self, name: str) -> Inspection | None:
        """Return the user of that name, or else the group, as the application shows it."""
        return inspected(self.users, self.teams, name)

    # --- Accounts ----------------------------------------------------------------------------------------------------

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the account by its id, or else by what the portal calls its user."""
        return self.users.find(entry)

    def find_many(self, entries: Sequence[Entry]) -> Mapping[int, RemoteAccount | None]:
        """Ask for all newcomers at once, and for the others several at a time; who cannot be told is left out."""
        found: dict[int, RemoteAccount | None] = {}
        starts = range(0, len(entries), ASKED_AT_ONCE)
        portions = [entries[start : start + ASKED_AT_ONCE] for start in starts]
        for start, absent in zip(starts, self.client.together(self.users.absent, portions), strict=True):
            found |= dict.fromkeys((start + number for number in absent), None)
        left = [number for number in range(len(entries)) if number not in found]
        for number, answer in zip(left, self.client.together(self._found, [entries[at] for at in left]), strict=True):
            if isinstance(answer, Unavailable) and answer.whole_directory:
                raise answer
            if not isinstance(answer, ConnectorError):
                found[number] = answer
        self._seen = {one.ref: one for one in found.values() if one is not None}
        self._seen_at = time.monotonic()
        return found

    def _found(self, entry: Entry) -> RemoteAccount | ConnectorError | None:
        try:
            return self.users.find(entry)
        except ConnectorError as error:
            return error

    def writes_together(self, capability: Capability) -> bool:
        """Creations and updates do, as far as several requests may be under way."""
        return self.settings.in_flight > 1 and capability in (Capability.CREATE, Capability.UPDATE)

    def write_many(self, writes: Sequence[Write]) -> Sequence[RemoteAccount | ConnectorError]:
        """Write several at a time; who was looked up just before is not read again."""
        fresh = time.monotonic() - self._seen_at < JUST_NOW
        seen, self._seen = self._seen if fresh else {}, {}
        return self.client.together(lambda write: self._written(write, seen.get(write.entry.ref)), writes)

    def _written(self, write: Write, found: RemoteAccount | None) -> RemoteAccount | ConnectorError:
        try:
            if write.capability is Capability.CREATE:
                return self.users.create(write.entry, write.password)
            return self.users.update(write.entry, found)
        except ConnectorError as error:
            return error

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Create the user."""
        return self.users.create(entry, password)

    def adopt(self, entry: Entry, found: RemoteAccount) -> RemoteAccount:
        """Write externalId where it is blank."""
        return self.users.adopt(entry, found)

    def update(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        """Send what differs."""
        return self.users.update(entry, found)

    def disable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount | None:
        """Let the user be inactive."""
        self.users.switch(entry, found, on=False)
        return None

    def enable(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount | None:
        """Let the user be active again."""
        return self.users.switch(entry, found, on=True)

    def delete(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Delete the user."""
        self.users.delete(entry)

    def set_password(self, entry: Entry, password: str) -> None:
        """Set the user's password."""
        self.users.set_password(entry, password)

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream every user."""
        return self._pages(page_size, {})

    def _pages(self, size: int, query: Mapping[str, str]) -> Iterator[Page]:
        users = self.users
        for page in listing.pages(self.application, "Users", size, query):
            yield Page(users.accounts(page.resources), page.last, whole=page.whole)

    def look_up(self, refs: Sequence[str]) -> Sequence[RemoteAccount]:
        """Read these users."""
        return self.users.look_up(refs)

    def count(self) -> int | None:
        """Return how many users the application says that it has."""
        if not self.preset.paging.total:
            return None
        total = member(self.client.list("Users", self._first_page), "totalResults")
        return total if isinstance(total, int) else None

    # --- Changes -----------------------------------------------------------------------------------------------------

    def cursor(self) -> Cursor | None:
        """Return a while ago, by the application's own clock."""
        if self.lacks(Capability.INCREMENTAL):
            return None
        if self.client.ahead is None:
            self.client.list("Users", self._first_page)
        now = dt.datetime.now(dt.UTC) + (self.client.ahead or dt.timedelta())
        return {"since": (now - OVERLAP).isoformat(timespec="seconds")}

    def changes(self, cursor: Cursor, page_size: int = 1000) -> Iterator[Page]:
        """Stream the users who changed since then; who was removed, only a whole import shows."""
        try:
            since = dt.datetime.fromisoformat(str(cursor["since"]))
        except (KeyError, ValueError):
            raise CursorLost("Nobody knows since when changes are to be read.") from None
        yield from self._pages(page_size, {"filter": f'meta.lastModified gt "{since:%Y-%m-%dT%H:%M:%SZ}"'})

    # --- Groups ------------------------------------------------------------------------------------------------------

    def groups(self, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream every group."""
        return self.teams.pages(page_size)

    def members(self, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        """Stream the ids of a group's members."""
        return self.teams.members(group, page_size)

    def find_group(self, group: GroupEntry) -> RemoteGroup | None:
        """Return the group by its id, or else by what the portal calls it."""
        return self.teams.find(group)

    def create_group(self, group: GroupEntry) -> RemoteGroup:
        """Create the group."""
        return self.teams.create(group)

    def adopt_group(self, group: GroupEntry, found: RemoteGroup) -> None:
        """Write externalId where it is blank."""
        self.teams.adopt(group)

    def update_group(self, group: GroupEntry) -> RemoteGroup:
        """Rename the group."""
        return self.teams.rename(group)

    def delete_group(self, group: GroupEntry) -> None:
        """Delete the group."""
        self.teams.delete(group)

    def add_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Put accounts into the group."""
        return self.teams.add(group, members)

    def remove_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Take accounts out of the group."""
        return self.teams.remove(group, members)


def _lacking(capability: Capability, settings: Mapping[str, Any]) -> str:
    """Return what the product, or the settings, lack for a capability; "" for nothing."""
    preset = preset_of(settings)
    group = preset.group
    match capability:
        case Capability.SET_PASSWORD if "password" in preset.user.unsupported:
            return NEVER_PASSWORDS
        case Capability.SET_PASSWORD if not settings.get("passwords"):
            return NO_PASSWORDS
        case Capability.DELETE if preset.delete.user == "never":
            return NEVER_DELETES
        case Capability.INCREMENTAL if not preset.filter.allows("user", "meta.lastModified"):
            return NO_TIMES
        case Capability.INCREMENTAL if not settings.get("trusts_modified"):
            return NO_TRUST
        case Capability.IMPORT_GROUPS if group.members_by not in ("get", "attributes"):
            return HIDES_MEMBERS
        case Capability.IMPORT_GROUPS if not preset.paging.complete:
            return MAY_LEAVE_OUT
        case Capability.CREATE_GROUP if not group.create:
            return NO_GROUPS
        case Capability.UPDATE_GROUP if not group.rename:
            return NO_GROUPS
        case Capability.DELETE_GROUP if preset.delete.group == "never":
            return NEVER_DELETES_GROUPS
    if capability in _OF_GROUPS and not group.supported:
        return NO_GROUPS
    return ""


_OF_GROUPS = frozenset(
    {
        Capability.IMPORT_GROUPS,
        Capability.CREATE_GROUP,
        Capability.UPDATE_GROUP,
        Capability.DELETE_GROUP,
        Capability.MEMBERS,
    }
)
