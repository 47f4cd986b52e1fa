"""Users of a SCIM application: created, changed, switched off and removed as its preset says that it takes them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from directories.attributes import Value
from directories.connectors.base import AGAIN, ConnectorConfig, ConnectorError, Entry, NotFound, RemoteAccount
from directories.connectors.scim import discovery
from directories.connectors.scim.client import Json, Refused
from directories.connectors.scim.discovery import Application
from directories.connectors.scim.lookup import by_id, by_values, by_values_at_once, ref_of
from directories.connectors.scim.managers import NOT_THERE_YET, Managers, is_manager
from directories.connectors.scim.paths import (
    CORE,
    AttributePath,
    applied,
    member,
    operations,
    parse,
    parse_known,
    put,
    read,
    written,
)

ABSENT = "The account is not in the application."
NO_ID = (
    "The application says that it created the account, and does not show it. Look there whether it has it, and then "
    "retry."
)
ANOTHER = "The application answered with another account than the one that was sent. Ask its makers, and then retry."
MISSING = "The application wants a value of {names}. Map it, or fill it in for this person."
NO_PASSWORD = "The application makes no account without a password. Switch Give passwords on, under Connection."
UNSUPPORTED = "The application does not take {name}. Take it out of the attribute mapping."
TOO_MANY = "The application takes {most} of {name}. Leave so many in the attribute mapping."
PENDING = f"The person has not confirmed the invitation yet, and until then the application changes nothing. {AGAIN}"
BAD_NAME = "The user name does not look as the application wants it. Map userName to something else."
_NOT_SENT = ("meta", "groups")  # what only the application writes
USER_NAME, ACTIVE, EXTERNAL_ID = parse("userName"), parse("active"), parse("externalId")


class Users:
    """The users of one application. ``config.attributes`` are the mapped paths, of which accounts are made."""

    def __init__(self, config: ConnectorConfig, application: Application) -> None:
        self.application, self.settings, self.client = application, application.settings, application.client
        self.rules = self.settings.preset.user
        self.mapped = parse_known(config.attributes)
        self.managers = Managers(application)

    # --- Looking -----------------------------------------------------------------------------------------------------

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the account with the entry's id, or with what the portal calls its user.

        Before it has an id, it may also be found by its user name or, where that is wanted, its e-mail address.
        """
        if entry.ref and (found := by_id(self.client, "user", entry.ref)):
            return self.account(found, entry)
        found = by_values(self.application, "user", self._called(entry))
        if found and self.application.changes_whole(self.rules.update):  # what a list leaves out would be lost
            found = by_id(self.client, "user", ref_of(found)) or found
        return self.account(found, entry) if found else None

    def _called(self, entry: Entry) -> dict[str, str]:
        """Return by which values an account may be found, the surest first."""
        wanted = {"externalId": self._external_id(entry)}
        if not entry.ref:
            wanted |= {"userName": self._user_name(entry), **self._email(entry)}
        return wanted

    def absent(self, entries: Sequence[Entry]) -> list[int]:
        """Return which of those without an id are certainly not there, by their position, in one request."""
        new = [(number, self._called(entry)) for number, entry in enumerate(entries) if not entry.ref]
        found = by_values_at_once(self.application, "user", [wanted for _, wanted in new]) if len(new) > 1 else None
        return [number for (number, _), held in zip(new, found or (), strict=False) if not held]

    def look_up(self, refs: Sequence[str]) -> list[RemoteAccount]:
        """Return those accounts that there are."""
        found = self.client.together(lambda ref: by_id(self.client, "user", ref), refs)
        return self.accounts([one for one in found if one])

    def accounts(self, resources: Sequence[Json]) -> list[RemoteAccount]:
        """Return a page of users as accounts; managers who are not among those read so far are asked for together."""
        if paths := [path for path in self.mapped if is_manager(path)]:
            for one in resources:
                self.managers.note(one)
            refs = dict.fromkeys(str(ref) for path in paths for one in resources if (ref := read(one, path)))
            self.client.together(self.managers.name_of, list(refs))
        return [self.account(one) for one in resources]

    def account(
        self, resource: Json, entry: Entry | None = None, *, ignored: Sequence[str] = (), waits: str = ""
    ) -> RemoteAccount:
        """Return a user as an account; ``entry`` is what the portal knows of somebody who was asked for."""
        name = (entry.key if entry else "") or str(read(resource, USER_NAME) or "")
        if ignored and self.rules.pending_ignores:
            ignored, waits = (), PENDING
        return RemoteAccount(
            ref=ref_of(resource),
            key=name,
            attributes={path.text: self._value(resource, path, entry) for path in self.mapped},
            enabled=_truth(member(resource, "active")),
            problem="" if name else "The user has no user name.",
            ignored=ignored,
            waits=waits,
            manager_ref=next((str(read(resource, path) or "") for path in self.mapped if is_manager(path)), ""),
            raw=resource,
        )

    def _value(self, resource: Json, path: AttributePath, entry: Entry | None) -> Value:
        """Return what a user holds at a path; of a manager the user name."""
        held = read(resource, path)
        if not held or not is_manager(path):
            return held
        if entry is not None and entry.manager_ref == held:
            return entry.attributes.get(path.text) or entry.person.get("manager")
        return self.managers.name_of(str(held)) or None

    # --- Writing -----------------------------------------------------------------------------------------------------

    def create(self, entry: Entry, password: str | None) -> RemoteAccount:
        """Create the user, or switch on again who only could not be seen; return it as the application holds it."""
        if entry.ref and (hidden := self._switched_on(entry.ref)):
            back = self.update(entry, self.account(hidden, entry))
            if password and self.settings.passwords:
                self.set_password(entry, password)
            return back
        sent, waits = self._wanted(entry)
        resource: Json = {"schemas": [CORE[0]]}
        for path, value in sent:
            put(resource, path, value)
        if password and self.settings.passwords:
            resource["password"] = password
        elif "password" in self.rules.required:
            raise ConnectorError(NO_PASSWORD, code="required")
        self._must_fit(resource)
        answer = self.client.post("Users", resource)
        if not ref_of(answer):
            found = self.find(replace(entry, ref=""))
            if found is None:
                raise ConnectorError(NO_ID, code="no_id")
            answer = dict(found.raw) if isinstance(found.raw, dict) else {}
        elif not self._is_theirs(answer, resource):
            raise ConnectorError(ANOTHER, code="answer")
        mapped = [(path, value) for path, value in sent if path.text in entry.attributes]
        return self.account(answer, entry, ignored=_ignored(answer, mapped), waits=waits)

    def _switched_on(self, ref: str) -> Json | None:
        """Switch a user on who may be there and cannot be seen until then; return it, None when there is none."""
        if self.settings.preset.after_deactivate != "absent":
            return None
        try:
            self.client.patch("Users", ref, operations=[{"op": "replace", "path": "active", "value": True}])
        except NotFound:
            return None
        return by_id(self.client, "user", ref)

    def adopt(self, entry: Entry, found: RemoteAccount) -> RemoteAccount:
        """Write what the portal calls the user where externalId is blank; return the account as it is held then.

        One that has another is left as it is: it may be what another system calls the user.
        """
        held = self._held(entry, found)
        if member(held, "externalId") or _mapped(entry, "externalId") or "externalId" in self.rules.unsupported:
            return found
        try:
            return self.account(self._change(held, [(EXTERNAL_ID, self._external_id(entry))]), entry)
        except Refused:
            return found  # the application takes it from nobody

    def update(self, entry: Entry, found: RemoteAccount | None) -> RemoteAccount:
        """Send what differs from what the application holds, and compare its answer with that."""
        held = self._held(entry, found)
        wanted, waits = self._from_mapping(entry)
        changes = [(path, value) for path, value in wanted if _differs(held, path, value)]
        kept = [path.text for path, value in changes if value is None and self.rules.clear == "never"]
        changes = [(path, value) for path, value in changes if path.text not in kept]
        if not changes:
            return self.account(held, entry, ignored=kept, waits=waits)
        self._must_fit(_with(held, changes))
        answer = self._change(held, changes)
        return self.account(answer, entry, ignored=[*kept, *_ignored(answer, changes)], waits=waits)

    def switch(self, entry: Entry, found: RemoteAccount | None, *, on: bool) -> RemoteAccount:
        """Let the account be used, or not any more."""
        held = self._held(entry, found)
        if _truth(member(held, "active")) is on:
            return self.account(held, entry)
        answer = self._change(held, [(ACTIVE, on)], rule=self.rules.active_by, read_back=on)
        return self.account(answer, entry)

    def delete(self, entry: Entry) -> None:
        """Remove the account; what is absent is gone."""
        try:
            self.client.delete("Users", entry.ref or self._held(entry, None)["id"])
        except NotFound:
            return

    def set_password(self, entry: Entry, password: str) -> None:
        """Set the password."""
        ref = entry.ref or ref_of(self._held(entry, None))
        self.client.patch("Users", ref, operations=[{"op": "replace", "path": "password", "value": password}])

    def _held(self, entry: Entry, found: RemoteAccount | None) -> Json:
        """Return the user as the application holds it; raise NotFound."""
        found = found or self.find(entry)
        if found is None or not isinstance(found.raw, dict):
            raise NotFound(ABSENT)
        return found.raw

    def _change(
        self,
        held: Json,
        changes: Sequence[tuple[AttributePath, Any]],
        *,
        rule: str = "",
        read_back: bool = True,
    ) -> Json:
        """Change a user by the method of the rule, and return it as the application holds it then."""
        ref = ref_of(held)
        answer: Json = {}
        urgent = changes == [(ACTIVE, False)]
        by_put = self.application.changes_whole(rule or self.rules.update)
        if not by_put:
            wanted = operations(held, changes, clear=self.rules.clear, primary=self.rules.primary)
            try:
                answer = self.client.patch("Users", ref, operations=wanted, urgent=urgent)
            except Refused as error:
                if error.status not in (405, 501) or self.settings.update == "patch":
                    raise
                discovery.has_no_patch(self.settings)
                by_put, held = True, by_id(self.client, "user", ref) or held
        if by_put:
            answer = self.client.put("Users", ref, resource=_with(held, changes), urgent=urgent)
        if ref_of(answer) != ref:  # many answer 204, and some with something else
            answer = (by_id(self.client, "user", ref) if read_back else None) or _with(held, changes)
        return answer

    # --- What is sent ------------------------------------------------------------------------------------------------

    def _from_mapping(self, entry: Entry) -> tuple[list[tuple[AttributePath, Any]], str]:
        """Return what a user is to hold of what is mapped, and why a part of it has to wait, "" for nothing."""
        sent: list[tuple[AttributePath, Any]] = []
        waits = ""
        for name, plain in entry.attributes.items():
            path = parse(name)
            value = written(path, plain)
            if value is not None and is_manager(path):
                value = entry.manager_ref or self.managers.ref_of(str(value))
                if not value:
                    waits = NOT_THERE_YET
                    continue
            sent.append((path, value))
        return sent, waits

    def _wanted(self, entry: Entry) -> tuple[list[tuple[AttributePath, Any]], str]:
        """Return what a new user is to hold: what is mapped, and what every user needs; and why a part has to wait."""
        sent, waits = self._from_mapping(entry)
        there = {path.wire.casefold() for path, value in sent if value is not None}
        own = [(USER_NAME, entry.key), (EXTERNAL_ID, self._external_id(entry)), (ACTIVE, True)]
        sent += [(path, value) for path, value in own if path.wire.casefold() not in there]
        return [(path, value) for path, value in sent if value is not None], waits

    def _external_id(self, entry: Entry) -> str:
        """Return what the portal calls the user for ever, or what is mapped for it."""
        return str(_mapped(entry, "externalId") or entry.portal_id or entry.key)

    def _user_name(self, entry: Entry) -> str:
        return str(_mapped(entry, "userName") or entry.key)

    def _email(self, entry: Entry) -> dict[str, str]:
        if not self.settings.by_email:
            return {}
        mapped = ((parse(name), value) for name, value in entry.attributes.items())
        return {path.text: str(value) for path, value in mapped if path.attribute.casefold() == "emails" and value}

    def _must_fit(self, resource: Json) -> None:
        """Raise ConnectorError for what the product is known to refuse."""
        rules, name = self.rules, str(read(resource, USER_NAME) or "")
        # A password is never shown, and only a new user has to have one.
        wanted = [one for one in rules.required if one != "password"]
        missing = [one for one in wanted if read(resource, parse(one)) in (None, "")]
        if missing:
            raise ConnectorError(MISSING.format(names=", ".join(missing)), code="required")
        if (rules.username.pattern and not re.fullmatch(rules.username.pattern, name)) or (
            rules.username.max and len(name) > rules.username.max
        ):
            raise ConnectorError(BAD_NAME, code="user_name")
        for attribute, most in rules.multi_value_max.items():
            held = member(resource, attribute)
            if isinstance(held, list) and len(held) > most:
                raise ConnectorError(TOO_MANY.format(most=most, name=attribute), code="mapping")
        for attribute in rules.primary:
            held = member(resource, attribute)
            if isinstance(held, list) and held and not any(member(one, "primary") for one in held):
                held[0]["primary"] = True
        for wrong in rules.unsupported:
            path = parse(wrong)
            if any(path.whole == one.whole and path.sub in ("", one.part) for one in self.mapped):
                raise ConnectorError(UNSUPPORTED.format(name=wrong), code="mapping")

    def _is_theirs(self, answer: Json, sent: Json) -> bool:
        """Return whether an answer is about the user that was sent, as far as it says who it is about."""
        for name in ("externalId", "userName"):
            held, wanted = member(answer, name), member(sent, name)
            if held and wanted and str(held).casefold() == str(wanted).casefold():
                return True
        return not (member(answer, "userName") or member(answer, "externalId"))


def _mapped(entry: Entry, name: str) -> Value:
    wanted = parse(name)
    return next((value for text, value in entry.attributes.items() if parse(text).wire == wanted.wire), None)


def _truth(value: Any) -> bool | None:
    """Return whether a user is active: some applications write that as text."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().casefold())
    return value if isinstance(value, bool) else None


def _differs(held: Mapping[str, Any], path: AttributePath, value: Any) -> bool:
    """Return whether a value is to be sent: letter by letter, unlike what an answer is compared with."""
    there = read(held, path)
    if isinstance(value, list):
        return sorted(map(str, value)) != sorted(map(str, there if isinstance(there, tuple) else (there,)))
    return there != value and not (value is None and there == "")


def _ignored(answer: Mapping[str, Any], sent: Iterable[tuple[AttributePath, Any]]) -> list[str]:
    """Return the paths of what was sent and is not there after all."""
    return [path.text for path, value in sent if path.wire != "password" and not applied(answer, path, value)]


def _with(held: Json, changes: Iterable[tuple[AttributePath, Any]]) -> Json:
    """Return a user as it is to be, with everything that nobody maps as it was."""
    resource = {name: deepcopy(value) for name, value in held.items() if name not in _NOT_SENT}
    for path, value in changes:
        put(resource, path, value)
    return resource
