"""Writing users for an application, in the caller's transaction, which a ScimError undoes as a whole.

The signals of ``User.save`` notify the directories, and each change has its line in the report. What differs is found
before anything is written: a request that changes nothing writes nothing.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.hashers import check_password
from django.db import IntegrityError
from django.utils import timezone

from config.database import bulk
from directories.attributes import Kind, Value
from provisioning import services, usernames
from provisioning.models import User
from provisioning.models.people import fold
from provisioning.profile.facts import NEW, differences, facts
from reports.journal import Line, record
from reports.models import Direction, Operation, Result
from scim.access.visibility import is_staff
from scim.errors import conflict, invalid_value, printable, switched_off
from scim.models import Client, UserLink
from scim.resources.rules import Rules
from scim.users import leavers, matching
from scim.users.draft import ACTIVE, MANAGER, USERNAME, Draft
from scim.users.managers import lasting, resolve

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")  # .local and other names of an Active Directory are addresses too
_JSON = {Kind.CUSTOM_PROFILE: "custom_profile", Kind.CUSTOM: "custom_attributes"}


@dataclass(slots=True)
class UserChange:
    """What a request does to one user: the columns that differ, and what the client knows of them.

    ``link_columns`` are what the client reads back. ``said_active`` is the state that it gives, None for none;
    ``leaver`` somebody else, who had the user name and gives it up.
    """

    user: User
    link: UserLink
    columns: dict[str, Any] = field(default_factory=dict)
    link_columns: dict[str, Any] = field(default_factory=dict)
    password: str = field(default="", repr=False)
    said_active: bool | None = None
    leaver: User | None = None

    def __bool__(self) -> bool:
        return bool(self.columns or self.link_columns or self.password)


def create(client: Client, draft: Draft, rules: Rules) -> tuple[User, UserLink | None]:
    """Add a user, or claim one whom the matching rule recognises; raise ScimError 400, 403 or 409."""
    if not client.create_users:
        raise switched_off("Creating users")
    found = matching.match(client, draft)
    if found is not None and not found.leaver:
        return _claim(client, found, draft, rules), None
    if problem := usernames.problem(draft.username):
        raise invalid_value(problem)
    message = f"{client} added %s."
    if found is not None:
        former = _give_up_name(client, found.user, draft)
        message += f" It is a new person: {former} had the user name before, and no externalId says that both are one."
    user = User(username=draft.username)
    user.set_unusable_password()
    link = UserLink(client=client, owned=True)
    change = _difference(client, user, link, draft)
    change.columns["is_active"] = link.said_active = draft.active is not False
    _set(change)
    with _names_once():
        services.add_user(user, client.name)
    link.user = user
    if not user.is_active:
        leavers.follow(client, link, user)
    _save_link(link, ())
    _report(client, user, {}, rules, said=(Operation.CREATE, message % user))
    if change.password:
        services.set_password(user, change.password, client.name)
    return user, link


def update(client: Client, user: User, draft: Draft, rules: Rules, links: dict[int, UserLink]) -> bool:
    """Make a user what the draft says; return whether anything changed. Raise ScimError 400, 403 or 409.

    ``links`` holds what the client knows of the user, read when the user was locked, and will know.
    """
    link = links.setdefault(user.pk, UserLink(client=client, user=user))
    change = _difference(client, user, link, draft)
    _permitted(client, change)
    return _write(client, change, draft, rules)


def _claim(client: Client, found: matching.MatchedUser, draft: Draft, rules: Rules) -> User:
    """Let the client have a user who is in the portal; what it does not say stays as it is.

    Whom it had deleted itself it switches on again. Anybody else who is inactive was switched off by somebody else,
    and stays so.
    """
    user, link = found.user, found.link or UserLink(client=client, user=found.user)
    returns = link.deleted_at is not None
    if returns:
        link.said_active = False
    draft.values = {target: value for target, value in draft.values.items() if value not in (None, "")}
    if draft.active is None:
        draft.values[ACTIVE] = True
    change = _difference(client, user, link, draft)
    if not client.update_users:
        if "username" in change.columns and draft.user_name != user.username:
            change.link_columns["user_name"] = draft.user_name
        change.columns = {name: value for name, value in change.columns.items() if name == "is_active"}
        change.password = ""
    if not client.deactivate_users and not returns:
        change.columns.pop("is_active", None)
    message = f"{client} claimed {user}, who was on the roll already."
    if returns:
        change.link_columns |= {"deleted_at": None, "leaves_at": None}
        message = f"{client} brought {user} back, whom it had deleted: the externalId is the same."
    elif draft.active and not user.is_active:
        message += " They were inactive before and stay so: activate them in the portal if they are to have access."
    change.link_columns.setdefault("external_id", link.external_id)
    _line(client, user, Operation.LINK, message, {})
    _write(client, change, draft, rules)
    return user


def _difference(client: Client, user: User, link: UserLink, draft: Draft) -> UserChange:
    """Return what the draft would change; raise ScimError 400 or 409. Nothing is written."""
    columns = _wanted(client, user, link, draft)
    kept = draft.kept
    if draft.manager and draft.values.get(MANAGER) and _unseen(columns["manager"]):
        kept = resolve(kept, draft.manager)
    change = UserChange(user, link, said_active=draft.active)
    change.columns = {name: value for name, value in columns.items() if getattr(user, name) != value}
    _check_addresses([change.columns.get("email"), *_addresses(kept).difference(_addresses(link.kept))])
    known: dict[str, Any] = {"kept": kept, "user_name": _alias(change, draft)}
    if draft.external_id is not None:
        known["external_id"] = draft.external_id
    change.link_columns = {name: value for name, value in known.items() if getattr(link, name) != value}
    if draft.password and not (user.pk and check_password(draft.password, user.password)):
        change.password = draft.password
    return change


def _wanted(client: Client, user: User, link: UserLink, draft: Draft) -> dict[str, Any]:
    """Return the columns of the user that the draft speaks of, but for the user name: see ``_alias``."""
    columns: dict[str, Any] = {name: dict(getattr(user, name)) for name in _JSON.values()}
    for target, value in draft.values.items():
        kind, name = target
        if kind in _JSON:
            _put(columns[_JSON[kind]], name, value)
        elif target == ACTIVE:
            # Only a change of the client's own state switches somebody on: what was switched off elsewhere stays off.
            if value is False or link.said_active is False:
                columns["is_active"] = value
        elif target == MANAGER:
            columns["manager"] = lasting(client, user, str(value or ""))
        elif target != USERNAME:
            columns[name] = value or ""
    return columns


def _unseen(manager: User | None) -> bool:
    """Return whether a manager is nobody whom a client may see, so that what it sent is kept for it."""
    return manager is None or is_staff(manager)


def _addresses(kept: Mapping[str, Any]) -> set[str]:
    """Return the e-mail addresses that no row of the mapping names."""
    return {str(each["value"]) for each in kept.get("emails", ()) if each.get("value")}


def _check_addresses(addresses: Iterable[str | None]) -> None:
    for address in addresses:
        if address and not _ADDRESS.fullmatch(address):
            raise invalid_value(f"{printable(address, 100)} is no e-mail address.")


def _alias(change: UserChange, draft: Draft) -> str:
    """Return what the client alone calls the user, "" where that is the portal's user name.

    A user whom the client brought is renamed in the portal, but for a change of case. A name that somebody else has is
    a conflict, unless that is a leaver.
    """
    user, link = change.user, change.link
    called = link.user_name or user.username
    if user.pk and fold(draft.user_name) != fold(called):
        holder = matching.holder_of(link.client, draft, besides=user)
        if holder is not None and not matching.gives_up(holder, draft):
            raise matching.taken(holder)
        change.leaver = holder
        if link.owned and draft.username != user.username:
            if problem := usernames.problem(draft.username):
                raise invalid_value(problem)
            change.columns["username"] = draft.username
    name = change.columns.get("username", user.username)
    return draft.user_name if draft.user_name != name else ""


def _give_up_name(client: Client, leaver: User, draft: Draft) -> str:
    """Take the draft's user name from somebody who left; return who that was. Their record stays, for its history."""
    who = str(leaver)
    UserLink.objects.filter(user=leaver, user_name_key=fold(draft.user_name)).update(user_name="", user_name_key="")
    if fold(leaver.username) == fold(draft.username):
        before, after = leaver.username, _former(leaver.username)
        services.rename_user(leaver, after)
        services.write_user(leaver, client.name, ["username"])
        message = (
            f"{who} left before, so the user name {before} is free for a new person. The record is called {after}."
        )
        _line(client, leaver, Operation.UPDATE, message, {"User name": (before, after)})
    return who


def _former(username: str) -> str:
    """Return a free name that says whose it was."""
    stem = f"{username[:100]} (left {timezone.localdate():%Y-%m-%d}"
    taken = set(User.objects.filter(username_key__startswith=fold(stem)).values_list("username_key", flat=True))
    names = (f"{stem}, {number})" if number > 1 else f"{stem})" for number in range(1, len(taken) + 2))
    return next(name for name in names if fold(name) not in taken)


def _put(values: dict[str, Any], name: str, value: Value) -> None:
    if value in (None, ""):
        values.pop(name, None)
    else:
        values[name] = value.isoformat() if isinstance(value, dt.date) else value


def _permitted(client: Client, change: UserChange) -> None:
    """Hold a change to the client's switches; refuse it when nothing that is allowed is left of it.

    So a PUT that switches somebody off goes through although it says more than may be updated, and one that says
    ``active`` goes through although that may not be changed.
    """
    off = ""
    state = {name: value for name, value in change.columns.items() if name == "is_active"}
    if state and not client.deactivate_users:
        change.columns.pop("is_active")
        off = "Deactivating and reactivating users"
    if not client.update_users and (change.link_columns or change.password or change.columns.keys() - state.keys()):
        change.columns = {name: value for name, value in change.columns.items() if name in state}
        change.link_columns, change.password = {}, ""
        change.leaver = None  # who keeps the name that nobody takes
        off = off or "Updating users"
    if off and not change:
        raise switched_off(off)


def _write(client: Client, change: UserChange, draft: Draft, rules: Rules) -> bool:
    """Write the user, the link and the line of the report; return whether anything differs that the client reads."""
    user, link = change.user, change.link
    before = facts(user, rules.catalogue) if change else {}
    was_active = user.is_active
    news = change.said_active is not None and link.said_active is not change.said_active
    link.said_active = change.said_active if news else link.said_active
    if change.leaver is not None:
        _give_up_name(client, change.leaver, draft)
    _set(change)
    columns = {*change.columns, "password"} if change.password else {*change.columns}
    if columns:
        with _names_once():
            services.write_user(user, client.name, columns)
    elif change:
        user.updated_at = timezone.now()
        User.objects.filter(pk=user.pk).update(updated_at=user.updated_at)
    off = change.said_active is False and client.deactivate_users
    if user.is_active != was_active or (off and not user.is_active):
        leavers.follow(client, link, user)
    if change.link_columns or news or (change and link.pk is None):
        _save_link(link, [*change.link_columns, "said_active"])
    if change:
        _report(client, user, before, rules, said=_said(client, user, change))
    if change.password:
        services.set_password(user, change.password, client.name)
    return bool(change)


@contextmanager
def _names_once() -> Iterator[None]:
    """Turn the database's refusal of a name into a conflict; the whole request is undone, so it needs no savepoint."""
    try:
        yield
    except IntegrityError:
        raise conflict("A user of this userName exists already.") from None


def _set(change: UserChange) -> None:
    for name, value in change.columns.items():
        if name == "username":
            services.rename_user(change.user, value, by=change.link)
        else:
            setattr(change.user, name, value)
    for name, value in change.link_columns.items():
        setattr(change.link, name, value)
    if change.password:
        change.user.set_password(change.password)


def keep_names(before: Mapping[int, str], by: object = None, **_: object) -> None:
    """Let applications call users by the names that they had, until they rename them too: a receiver of ``renamed``."""
    links = UserLink.objects.filter(user__in=before, deleted_at=None, user_name_key="")
    called = list(links.exclude(pk=by.pk) if isinstance(by, UserLink) and by.pk else links)
    for link in called:
        link.user_name = before[link.user_id]
        link.user_name_key = fold(link.user_name)
    UserLink.objects.bulk_update(called, ["user_name", "user_name_key"], batch_size=1000)


def _save_link(link: UserLink, changed: Iterable[str]) -> None:
    """Write what the client knows of a user: a new link, whose id nobody asks for, or the columns that differ."""
    with _names_once():
        if link.pk is None:
            names = [each.attname for each in UserLink._meta.concrete_fields if not each.primary_key]
            bulk.insert(UserLink, [{name: getattr(link, name) for name in names}])
        else:
            folded = ["user_name_key"] if "user_name" in changed else []
            bulk.update([link], [*changed, *folded])


def _said(client: Client, user: User, change: UserChange) -> tuple[Operation, str]:
    if set(change.columns) == {"is_active"}:
        on = user.is_active
        return (Operation.ENABLE if on else Operation.DISABLE), f"{client} {'' if on else 'de'}activated {user}."
    return Operation.UPDATE, f"{client} changed {user}."


def _report(
    client: Client, user: User, before: Mapping[str, Any], rules: Rules, *, said: tuple[Operation, str]
) -> None:
    """Record what differs in the portal; what only the client keeps is no news to anybody."""
    changes = differences(dict(before) or NEW, facts(user, rules.catalogue))
    if changes or not before:
        _line(client, user, *said, changes)


def _line(client: Client, user: User, operation: Operation, words: str, changes: Mapping[str, tuple[Any, Any]]) -> None:
    record(
        Line(
            user.username,
            client.name,
            Direction.IN,
            operation,
            Result.SUCCESS,
            words,
            changes,
            client.name,
            user_id=user.pk,
        )
    )


def delete(client: Client, user: User, link: UserLink | None) -> None:
    """Take a user away from the client: gone for it at once, deactivated, and deleted when its settings say so."""
    if not client.delete_users:
        raise switched_off("Deleting users")
    link = link or UserLink(client=client, user=user)
    link.deleted_at, link.said_active = timezone.now(), False
    leavers.leave_groups(client, user)
    alone = services.remove_manager(user, client.name)
    if client.delete_deactivated and not client.recycle_days:
        _line(client, user, Operation.DELETE, f"{client} deleted {user}.", {})
        services.delete_users([user.pk], client.name)
        return
    was_active, user.is_active = user.is_active, False
    if was_active:
        services.write_user(user, client.name, ["is_active"])
    leavers.follow(client, link, user)
    _save_link(link, ["deleted_at", "said_active"])
    when = f"{user} leaves the roll on {link.leaves_at:%Y-%m-%d}" if link.leaves_at else f"{user} stays, deactivated"
    changes = {"Active": ("yes", "no")} if was_active else {}
    message = f" {alone} {'person has' if alone == 1 else 'people have'} no manager now." if alone else ""
    _line(client, user, Operation.DELETE, f"{client} deleted {user}: {when}.{message}", changes)
