"""Writing users for an application, in the caller's transaction, which a ScimError undoes as a whole.

The signals of ``User.save`` tell the directories, and each change has its line in the report. What differs is found
before anything is written: a request that changes nothing writes nothing.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.hashers import check_password
from django.db import IntegrityError
from django.utils import timezone

from directories.attributes import Kind, Value
from provisioning import services, usernames
from provisioning.identities import users as roll
from provisioning.models import User
from provisioning.models.people import FoldedField, fold
from reports.journal import Line, record
from reports.models import Direction, Operation, Result
from scim.errors import conflict, invalid_value, switched_off
from scim.models import Client, UserLink
from scim.rules import Rules
from scim.users import leavers, matching
from scim.users.draft import ACTIVE, MANAGER, USERNAME, Draft
from scim.users.managers import lasting, resolve
from scim.visibility import is_staff

_JSON = {Kind.CUSTOM_PROFILE: "custom_profile", Kind.CUSTOM: "custom_attributes"}


@dataclass(slots=True)
class Change:
    """What a request does to one user: the columns that differ, and what the client keeps."""

    user: User
    link: UserLink
    columns: dict[str, Any] = field(default_factory=dict)
    link_columns: dict[str, Any] = field(default_factory=dict)
    password: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.columns or self.link_columns or self.password)


def create(client: Client, draft: Draft, rules: Rules) -> tuple[User, UserLink | None]:
    """Add a user, or claim one whom the matching rule recognises; raise ScimError 400, 403 or 409.

    With a user who is new comes what the client knows of them, and there is nothing else to be read.
    """
    if not client.create_users:
        raise switched_off("Creating users")
    found = matching.match(client, draft)
    if found is not None:
        return _claim(client, found, draft, rules), None
    if problem := usernames.problem(draft.username):
        raise invalid_value(problem)
    user = User(username=draft.username)
    user.changed_by = client.name
    user.set_unusable_password()
    link = UserLink(client=client, owned=True)
    change = _difference(client, user, link, draft, rules)
    user.is_active = draft.active is not False
    _set(change)
    try:
        user.save()
    except IntegrityError:  # the whole request is undone, so it needs no savepoint here
        raise conflict("A user of this userName exists already.") from None
    link.user = user
    _save_link(link)
    _report(client, user, {}, rules, said=(Operation.CREATE, f"{client} added {user}."))
    if change.password:
        services.set_password(user, change.password, client.name)
    if not user.is_active:
        leavers.follow(client, link, user)
    return user, link


def update(client: Client, user: User, draft: Draft, rules: Rules, links: dict[int, UserLink]) -> bool:
    """Make a user what the draft says; return whether anything changed. Raise ScimError 400, 403 or 409.

    ``links`` holds what the client knows of the user, read when the user was locked, and will know.
    """
    link = links.setdefault(user.pk, UserLink(client=client, user=user))
    change = _difference(client, user, link, draft, rules)
    _permitted(client, change)
    return _write(client, change, rules)


def _claim(client: Client, found: matching.Found, draft: Draft, rules: Rules) -> User:
    """Let the client have a user who is on the roll; what it does not say stays as it is."""
    user, link = found.user, found.link or UserLink(client=client, user=found.user)
    draft.values = {target: value for target, value in draft.values.items() if value not in (None, "")}
    change = _difference(client, user, link, draft, rules)
    if draft.active is not False and not user.is_active:
        change.columns["is_active"] = True
    if not client.update_users:
        change.columns = {name: value for name, value in change.columns.items() if name == "is_active"}
        change.password = ""
    if not client.deactivate_users and link.deleted_at is None:
        change.columns.pop("is_active", None)
    if link.deleted_at is not None:
        change.link_columns |= {"deleted_at": None, "leaves_at": None}
    change.link_columns.setdefault("external_id", link.external_id)
    words = f"{client} claimed {user}, who was on the roll already."
    _line(client, user, Operation.LINK, words, {})
    _write(client, change, rules)
    return user


def _difference(client: Client, user: User, link: UserLink, draft: Draft, rules: Rules) -> Change:
    change = Change(user, link)
    kept, columns = draft.kept, change.columns
    jsons = {name: dict(getattr(user, name)) for name in _JSON.values()}
    for (kind, name), value in draft.values.items():
        if kind in _JSON:
            _put(jsons[_JSON[kind]], name, value)
        elif (kind, name) == ACTIVE:
            columns["is_active"] = value
        elif (kind, name) == MANAGER:
            manager = lasting(client, user, str(value or ""))
            columns["manager"] = manager
            if value and draft.manager and (manager is None or is_staff(manager)):
                kept = resolve(kept, draft.manager)
        elif (kind, name) != USERNAME:
            columns[name] = value or ""
    columns |= jsons
    change.columns = {name: value for name, value in columns.items() if getattr(user, name) != value}
    _compare_link(client, change, draft, kept)
    if draft.password and not (user.pk and check_password(draft.password, user.password)):
        change.password = draft.password
    return change


def _compare_link(client: Client, change: Change, draft: Draft, kept: dict[str, Any]) -> None:
    user, link = change.user, change.link
    wanted: dict[str, Any] = {"kept": kept}
    if draft.external_id is not None:
        wanted["external_id"] = draft.external_id
    alias = draft.user_name if fold(draft.user_name) != fold(user.username) else ""
    if fold(alias) != fold(link.user_name):
        if alias and user.pk and matching.taken(client, user, alias):
            raise conflict("A user of this userName exists already.")
        wanted["user_name"] = alias
    change.link_columns = {name: value for name, value in wanted.items() if getattr(link, name) != value}


def _put(values: dict[str, Any], name: str, value: Value) -> None:
    if value in (None, ""):
        values.pop(name, None)
    else:
        values[name] = value.isoformat() if isinstance(value, dt.date) else value


def _permitted(client: Client, change: Change) -> None:
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
        off = off or "Updating users"
    if off and not change:
        raise switched_off(off)


def _write(client: Client, change: Change, rules: Rules) -> bool:
    """Write the user, the link and the line of the report, as far as anything differs."""
    if not change:
        return False
    user, link = change.user, change.link
    before = roll.facts(user, rules.catalogue)
    was_active = user.is_active
    _set(change)
    user.changed_by = client.name
    if change.password:
        user.save()
    elif change.columns:
        user.save(update_fields=_written(change.columns))
    else:
        user.updated_at = timezone.now()
        User.objects.filter(pk=user.pk).update(updated_at=user.updated_at)
    if change.link_columns or link.pk is None:
        _save_link(link)
    _report(client, user, before, rules, said=_said(client, user, change))
    if change.password:
        services.set_password(user, change.password, client.name)
    if user.is_active != was_active:
        leavers.follow(client, link, user)
    return True


def _written(names: Iterable[str]) -> list[str]:
    """Return the columns to write: those that differ, and what follows from them."""
    changed = {*names}
    folded = [each.name for each in User._meta.fields if isinstance(each, FoldedField) and each.source in changed]
    return [*changed, *folded, "updated_at"]


def _set(change: Change) -> None:
    for name, value in change.columns.items():
        setattr(change.user, name, value)
    for name, value in change.link_columns.items():
        setattr(change.link, name, value)
    if change.password:
        change.user.set_password(change.password)


def _save_link(link: UserLink) -> None:
    try:
        link.save()
    except IntegrityError:
        raise conflict("A user of this userName exists already.") from None


def _said(client: Client, user: User, change: Change) -> tuple[Operation, str]:
    if set(change.columns) == {"is_active"}:
        on = user.is_active
        return (Operation.ENABLE if on else Operation.DISABLE), f"{client} {'' if on else 'de'}activated {user}."
    return Operation.UPDATE, f"{client} changed {user}."


def _report(
    client: Client, user: User, before: Mapping[str, Any], rules: Rules, *, said: tuple[Operation, str]
) -> None:
    """Record what differs in the portal; what only the client keeps is no news to anybody."""
    changes = roll.differences(dict(before) or roll.NEW, roll.facts(user, rules.catalogue))
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


def delete(client: Client, user: User) -> None:
    """Take a user away from the client: gone for it at once, deactivated, and deleted when its settings say so."""
    if not client.delete_users:
        raise switched_off("Deleting users")
    link = UserLink.objects.filter(client=client, user=user).first() or UserLink(client=client, user=user)
    link.deleted_at = timezone.now()
    leavers.leave_groups(client, user)
    if client.delete_deactivated and not client.recycle_days:
        _line(client, user, Operation.DELETE, f"{client} deleted {user}.", {})
        services.delete_users([user.pk], client.name)
        return
    was_active, user.is_active = user.is_active, False
    if was_active:
        user.changed_by = client.name
        user.save()
    leavers.follow(client, link, user)
    _save_link(link)
    when = f"{user} leaves the roll on {link.leaves_at:%Y-%m-%d}" if link.leaves_at else f"{user} stays, deactivated"
    changes = {"Active": ("yes", "no")} if was_active else {}
    _line(client, user, Operation.DELETE, f"{client} deleted {user}: {when}.", changes)
