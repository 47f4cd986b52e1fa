"""Pure: what a directory does as it is configured, in one sentence, and what about it cannot work."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from directories.attributes import Kind
from directories.connectors.base import Capability
from directories.mapping import AttributeRule
from directories.models import Direction, InitialPassword, OnLeave, PushGroups, Schedule
from directories.query_templates import fold


class Features(Protocol):
    """The provisioning settings that readiness looks at: the model and its frozen copy both have them."""

    import_users: bool
    create_users: bool
    update_users: bool
    deactivate_users: bool
    delete_users: bool
    deactivate_missing: bool
    import_passwords: bool
    on_deactivate: str
    on_delete: str
    match_attribute: str
    initial_password: str
    fixed_password: str | None
    schedule: str
    set_passwords: bool
    sync_groups: bool
    import_groups: bool
    push_groups: str
    delete_groups: bool


@dataclass(frozen=True, slots=True)
class Situation:
    """A directory as it would be saved.

    ``reads`` are the directory attributes that the import statements give and ``writes`` those that the outbound
    statements use by operation label, both as the admin wrote them. ``portal_names`` need no mapping.
    ``uses_templates`` is False for connectors without query templates.
    """

    enabled: bool
    features: Features
    capabilities: Collection[Capability]
    rules: Sequence[AttributeRule] = ()
    uses_templates: bool = True
    has_check: bool = True
    has_password_column: bool = True
    reads: Sequence[str] = ()
    writes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    portal_names: Collection[str] = ()
    next_import_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """``active`` says what is on; ``warnings`` what cannot work and what to do about it."""

    active: str
    warnings: Sequence[str]


FEATURES = (
    ("import_users", "import"),
    ("create_users", "create"),
    ("update_users", "update"),
    ("deactivate_users", "deactivate"),
    ("delete_users", "delete"),
    ("set_passwords", "passwords"),
    ("sync_groups", "group sync"),
)


def assess(situation: Situation, now: dt.datetime) -> Readiness:
    """Return what is active and what cannot work; ``now`` is in the portal's time zone."""
    warnings = [*_outbound(situation), *_leaving(situation), *_inbound(situation), *_passwords(situation)]
    warnings += _groups(situation)
    return Readiness(_active(situation, now), warnings)


def _active(situation: Situation, now: dt.datetime) -> str:
    on = [word for name, word in FEATURES if getattr(situation.features, name)]
    if not on:
        return "Nothing is switched on yet: choose what should flow under Features & schedule."
    sentence = f"{listed(on).capitalize()} {'is' if len(on) == 1 else 'are'} on"
    if not situation.enabled:
        return f"{sentence}, but the directory is switched off: nothing moves until you enable it."
    if situation.features.import_users and situation.next_import_at:
        return f"{sentence}; next import {moment(situation.next_import_at, now)}."
    return f"{sentence}."


def moment(at: dt.datetime, now: dt.datetime) -> str:
    """Return ``at`` as people say it, in the time zone of ``now``: "today at 02:00"."""
    local = at.astimezone(now.tzinfo)
    days = (local.date() - now.date()).days
    names = {-1: "yesterday", 0: "today", 1: "tomorrow"}
    day = names.get(days) or (f"on {local:%A}" if 1 < days < 7 else f"on {local.day} {local:%B %Y}")
    return f"{day} at {local:%H:%M}"


def _outbound(situation: Situation) -> list[str]:
    features, can = situation.features, situation.capabilities
    found = []
    if features.create_users and Capability.CREATE not in can:
        found.append(_cannot(situation, "Create", "create", "new users cannot be added to the directory"))
    if features.update_users and Capability.UPDATE not in can:
        found.append(_cannot(situation, "Update", "update", "changes do not reach the directory"))
    if features.create_users and situation.uses_templates and not situation.has_check:
        found.append(
            "Create is on but there is no check query: a user who is already in the directory may be added twice. "
            "Write one under Query templates."
        )
    return found + _unmapped(situation)


def _cannot(situation: Situation, feature: str, operation: str, consequence: str) -> str:
    if not situation.uses_templates:
        return f"{feature} is on but this kind of directory cannot do it: {consequence}."
    article = "an" if operation[0] in "aeiou" else "a"
    return (
        f"{feature} is on but there is no {operation} query: {consequence}. Write {article} {operation} query under "
        f"Query templates, or switch {feature.lower()} off."
    )


def _unmapped(situation: Situation) -> list[str]:
    """Name what outbound statements use that has no value to give."""
    known = {fold(rule.directory_attribute) for rule in situation.rules if rule.direction != Direction.IN}
    known |= {fold(name) for name in situation.portal_names}
    found = []
    for label, names in situation.writes.items():
        missing = [name for name in names if fold(name) not in known]
        if missing:
            verb, pronoun = ("is", "it") if len(missing) == 1 else ("are", "them")
            found.append(
                f"{listed(missing)} in “{label}” {verb} not mapped to a portal attribute: NULL would be written. "
                f"Map {pronoun} under Attribute mapping."
            )
    return found


def _leaving(situation: Situation) -> list[str]:
    features, can = situation.features, situation.capabilities
    needs = {OnLeave.DISABLE: Capability.DISABLE, OnLeave.DELETE: Capability.DELETE}
    found = []
    for on, label, chosen in (
        (features.deactivate_users, "Deactivate", OnLeave(features.on_deactivate)),
        (features.delete_users, "Delete", OnLeave(features.on_delete)),
    ):
        if on and chosen in needs and needs[chosen] not in can:
            found.append(f"{label} is on and set to {chosen.value} the account, but {_lacking(situation, chosen)}")
        elif on and chosen is OnLeave.LEAVE:
            found.append(f"{label} is on but set to leave the account as it is, so nothing will happen.")
    disables = features.deactivate_users and features.on_deactivate == OnLeave.DISABLE
    if disables and Capability.DISABLE in can and Capability.ENABLE not in can:
        found.append(
            "There is a disable query but no enable query: a user who is activated again stays disabled in the "
            "directory."
        )
    return found


def _lacking(situation: Situation, chosen: OnLeave) -> str:
    if not situation.uses_templates:
        return "the directory cannot do that as it is set up: accounts stay as they are. Choose differently."
    return (
        f"there is no {chosen.value} query: accounts stay as they are. Write one under Query templates, or choose "
        "differently under Features & schedule."
    )


def _inbound(situation: Situation) -> list[str]:
    features = situation.features
    if not features.import_users:
        found = []
        if features.schedule != Schedule.OFF:
            found.append("A schedule is set but import is off: no import will start.")
        if features.deactivate_missing:
            found.append("“Deactivate users missing from the source” needs import, which is off.")
        return found
    if Capability.IMPORT not in situation.capabilities:
        if not situation.uses_templates:
            return ["Import is on but the connection is not complete."]
        return ["Import is on but the user table or the user name column is not named under Connection."]
    inward = [rule for rule in situation.rules if rule.direction != Direction.OUT]
    found = []
    if not inward:
        found.append("Import is on but no attribute is mapped into the portal: only user names would arrive.")
    read = {name.casefold() for name in situation.reads}
    unread = [r.directory_attribute for r in inward if r.directory_attribute.casefold() not in read]
    if unread and situation.uses_templates:
        verb = "stays" if len(unread) == 1 else "stay"
        found.append(
            f"{listed(unread)} {verb} empty in the portal, because no import query reads "
            f"{'it' if len(unread) == 1 else 'them'}. Add a SELECT under Query templates."
        )
    return found + _matching(situation, inward)


def _matching(situation: Situation, inward: Sequence[AttributeRule]) -> list[str]:
    kind, _, name = situation.features.match_attribute.partition(".")
    if (kind, name) == (Kind.PROFILE, "username") or any((r.kind, r.portal_attribute) == (kind, name) for r in inward):
        return []
    return [
        f"Imported rows find their user by {name.replace('_', ' ')}, but nothing is mapped to it: every row would look "
        "like a new user. Map it, or choose another attribute under Attribute mapping."
    ]


def _passwords(situation: Situation) -> list[str]:
    features = situation.features
    found = []
    if features.import_passwords and not situation.has_password_column:
        found.append("Passwords are to be imported but no password column is named under Connection.")
    if features.create_users and features.initial_password == InitialPassword.FIXED and not features.fixed_password:
        found.append("New accounts shall get a fixed password but none is stored: type it under Features & schedule.")
    return found


def _groups(situation: Situation) -> list[str]:
    """Name what group sync is set to do and cannot. Whether a group is chosen for the directory is not known here."""
    features, can = situation.features, situation.capabilities
    if not features.sync_groups:
        return []
    where = (
        "Write its queries under Query templates." if situation.uses_templates else "Look at Groups under Connection."
    )
    found = []
    if features.import_groups and features.import_users and Capability.IMPORT_GROUPS not in can:
        found.append(f"Groups are to be imported, but the directory's groups cannot be read. {where}")
    if features.push_groups == PushGroups.ALL and not {Capability.CREATE_GROUP, Capability.MEMBERS} <= set(can):
        found.append(f"Every group is to be sent, but the directory cannot create groups and change members. {where}")
    if features.delete_groups and Capability.DELETE_GROUP not in can:
        found.append(f"Groups are to be deleted, but the directory cannot delete them. {where}")
    if features.import_groups and not features.import_users and features.push_groups == PushGroups.NONE:
        found.append("Group sync is on, but groups come with an import of users, which is off, and none are sent.")
    return found


def listed(words: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
