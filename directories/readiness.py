"""Pure: what a directory does as it is configured, in one sentence, and what about it cannot work."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from directories.attributes import Kind
from directories.config import Features
from directories.connectors.base import Capability
from directories.forms.feature_reasons import push_warning
from directories.mapping import AttributeRule, writes_state
from directories.models import (
    InitialPassword,
    MappingDirection,
    OnLeave,
    ProvisioningSettings,
    PushGroups,
    Schedule,
    TemplateOperation,
)
from directories.query_templates import fold


@dataclass(frozen=True, slots=True)
class DirectorySetup:
    """A directory as it would be saved.

    ``lacking`` says what is missing for the capabilities that the directory does not have, in its connector's words.
    ``reads`` are the directory attributes that the import statements give (None: every one) and ``writes`` those that
    the outbound statements use by operation label, both as the admin wrote them. ``portal_names`` need no mapping.
    ``kept_by_server`` are attributes, case folded, that only the directory itself writes.
    """

    enabled: bool
    features: ProvisioningSettings | Features
    lacking: Mapping[Capability, str] = field(default_factory=dict)
    rules: Sequence[AttributeRule] = ()
    has_check: bool = True
    reads: Sequence[str] | None = None
    writes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    portal_names: Collection[str] = ()
    next_import_at: dt.datetime | None = None
    kept_by_server: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """``active`` says what is on; ``warnings`` what cannot work and what to do about it."""

    active: str
    warnings: Sequence[str]


KEPT = (
    "only the directory itself writes this attribute, so the portal cannot. Map it “In: to the portal”, or not at all. "
    "How accounts are disabled is chosen under Connection (Disabling)."
)
FEATURES = (
    ("import_users", "import"),
    ("create_users", "create"),
    ("update_users", "update"),
    ("deactivate_users", "deactivate"),
    ("delete_users", "delete"),
    ("set_passwords", "passwords"),
    ("sync_groups", "group sync"),
)


def assess(situation: DirectorySetup, now: dt.datetime) -> Readiness:
    """Return what is active and what cannot work; ``now`` is in the portal's time zone."""
    warnings = [*_outbound(situation), *_leaving(situation), *_inbound(situation), *_passwords(situation)]
    warnings += _groups(situation)
    active = summary(situation.features, situation.next_import_at, now, enabled=situation.enabled)
    return Readiness(active, warnings)


def summary(
    features: ProvisioningSettings | Features, next_import_at: dt.datetime | None, now: dt.datetime, *, enabled: bool
) -> str:
    """Return what of a directory is on, in one sentence; ``now`` is in the portal's time zone."""
    on = [word for name, word in FEATURES if getattr(features, name)]
    if not on:
        return "Nothing is switched on yet."
    sentence = f"{listed(on).capitalize()} {'is' if len(on) == 1 else 'are'} on"
    if not enabled:
        return f"{sentence}, but the directory is switched off: nothing moves until you enable it."
    if features.import_users and next_import_at:
        return f"{sentence}; next import {moment(next_import_at, now)}."
    return f"{sentence}."


def moment(at: dt.datetime, now: dt.datetime) -> str:
    """Return ``at`` as people say it, in the time zone of ``now``: "today at 02:00"."""
    local = at.astimezone(now.tzinfo)
    days = (local.date() - now.date()).days
    names = {-1: "yesterday", 0: "today", 1: "tomorrow"}
    day = names.get(days) or (f"on {local:%A}" if 1 < days < 7 else f"on {local.day} {local:%B %Y}")
    return f"{day} at {local:%H:%M}"


def _outbound(situation: DirectorySetup) -> list[str]:
    features, lacking = situation.features, situation.lacking
    found = []
    if features.create_users and Capability.CREATE in lacking:
        found.append(f"Create is on but new users cannot be added to the directory. {lacking[Capability.CREATE]}")
    if features.update_users and Capability.UPDATE in lacking:
        found.append(f"Update is on but changes do not reach the directory. {lacking[Capability.UPDATE]}")
    if features.create_users and not situation.has_check:
        found.append(
            "Create is on but there is no check query: a user who is already in the directory may be added twice. "
            "Write one under Query templates."
        )
    return found + _unmapped(situation) + _kept(situation)


def _kept(situation: DirectorySetup) -> list[str]:
    """Name mapped attributes that only the directory writes."""
    kept = [rule.directory_attribute for rule in situation.rules if keeps(situation.kept_by_server, rule)]
    return [f"{name}: {KEPT}" for name in kept]


def keeps(kept_by_server: Collection[str], rule: AttributeRule) -> bool:
    """Return whether a value of the portal would be sent to an attribute that only the directory itself writes."""
    return rule.direction != MappingDirection.IN and rule.directory_attribute.casefold() in kept_by_server


def _unmapped(situation: DirectorySetup) -> list[str]:
    """Name what outbound statements use that has no value to give."""
    known = {fold(rule.directory_attribute) for rule in situation.rules if rule.direction != MappingDirection.IN}
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


def _leaving(situation: DirectorySetup) -> list[str]:
    features, lacking = situation.features, situation.lacking
    needs = {OnLeave.DISABLE: Capability.DISABLE, OnLeave.DELETE: Capability.DELETE}
    found = []
    for on, label, chosen in (
        (features.deactivate_users, "Deactivate", OnLeave(features.on_deactivate)),
        (features.delete_users, "Delete", OnLeave(features.on_delete)),
    ):
        if chosen is OnLeave.DISABLE and _disables_by_update(situation):
            continue
        if on and chosen in needs and needs[chosen] in lacking:
            found.append(
                f"{label} is on and set to {chosen.value} the account, but accounts stay as they are. "
                f"{lacking[needs[chosen]]} Or choose differently under Features & schedule."
            )
        elif on and chosen is OnLeave.LEAVE:
            found.append(f"{label} is on but set to leave the account as it is, so nothing will happen.")
    if deletes_later(features) and Capability.DISABLE in lacking and not _disables_by_update(situation):
        found.append(
            f"Accounts are to be deleted after {features.delete_after_days} days, but cannot be disabled until then, "
            f"so they stay open. {lacking[Capability.DISABLE]} Or leave the days blank under Features & schedule."
        )
    disables = features.deactivate_users and features.on_deactivate == OnLeave.DISABLE
    if disables and Capability.DISABLE not in lacking and Capability.ENABLE in lacking:
        found.append(f"A user who is activated again stays disabled in the directory. {lacking[Capability.ENABLE]}")
    return found


def deletes_later(features: ProvisioningSettings | Features) -> bool:
    """Return whether accounts are deleted some days after their users have left."""
    on = features.deactivate_users and features.on_deactivate == OnLeave.DELETE
    return bool(features.delete_after_days) and (on or (features.delete_users and features.on_delete == OnLeave.DELETE))


def _disables_by_update(situation: DirectorySetup) -> bool:
    """Return whether the update query writes if a user is active, where there is no query for that alone."""
    lacking, names = situation.lacking, situation.writes.get(TemplateOperation.UPDATE.label, ())
    without = Capability.DISABLE in lacking and Capability.UPDATE not in lacking
    return without and bool(names) and writes_state(situation.rules, names)


def _inbound(situation: DirectorySetup) -> list[str]:
    features = situation.features
    if not features.import_users:
        found = []
        if features.schedule != Schedule.OFF:
            found.append("A schedule is set but import is off: no import will start.")
        if features.deactivate_missing:
            found.append("“Deactivate users missing from the source” needs import, which is off.")
        return found
    if Capability.IMPORT in situation.lacking:
        return [f"Import is on but nothing can be read. {situation.lacking[Capability.IMPORT]}"]
    inward = [rule for rule in situation.rules if rule.direction != MappingDirection.OUT]
    found = []
    if not inward:
        found.append("Import is on but no attribute is mapped into the portal: only user names would arrive.")
    mapped = [rule.directory_attribute for rule in inward]
    read = {name.casefold() for name in (mapped if situation.reads is None else situation.reads)}
    unread = [name for name in mapped if name.casefold() not in read]
    if unread:
        verb = "stays" if len(unread) == 1 else "stay"
        found.append(
            f"{listed(unread)} {verb} empty in the portal, because no import query reads "
            f"{'it' if len(unread) == 1 else 'them'}. Add a SELECT under Query templates."
        )
    return found + _matching(situation, inward)


def _matching(situation: DirectorySetup, inward: Sequence[AttributeRule]) -> list[str]:
    mapped = {f"{rule.kind}.{rule.portal_attribute}" for rule in inward} | {f"{Kind.PROFILE}.username"}
    unread = [path.partition(".")[2] for path in situation.features.match_attributes if path not in mapped]
    if not unread:
        return []
    if len(unread) < len(situation.features.match_attributes):
        names = listed([name.replace("_", " ") for name in unread])
        return [f"Imported rows never find their user by {names}, because nothing is mapped to it."]
    name = unread[0]
    return [
        f"Imported rows find their user by {name.replace('_', ' ')}, but nothing is mapped to it: every row would look "
        "like a new user. Map it, or choose another attribute under Attribute mapping."
    ]


def _passwords(situation: DirectorySetup) -> list[str]:
    features = situation.features
    found = []
    if features.import_passwords and Capability.IMPORT_PASSWORDS in situation.lacking:
        found.append(f"Passwords are to be imported but none arrive. {situation.lacking[Capability.IMPORT_PASSWORDS]}")
    if features.create_users and features.initial_password == InitialPassword.FIXED and not features.fixed_password:
        found.append("New accounts shall get a fixed password but none is stored: type it under Features & schedule.")
    return found


def _groups(situation: DirectorySetup) -> list[str]:
    """Name what group sync is set to do and cannot. Whether a group is chosen for the directory is not known here."""
    features, lacking = situation.features, situation.lacking
    if not features.sync_groups:
        return []
    found = []
    if features.import_groups and features.import_users and Capability.IMPORT_GROUPS in lacking:
        found.append(f"Groups are to be imported but cannot be read. {lacking[Capability.IMPORT_GROUPS]}")
    if features.push_groups == PushGroups.ALL and (warning := push_warning(lacking)):
        found.append(f"Every group is to be sent. {warning}")
    if features.delete_groups and Capability.DELETE_GROUP in lacking:
        found.append(f"Groups are to be deleted but cannot be. {lacking[Capability.DELETE_GROUP]}")
    if features.import_groups and not features.import_users and features.push_groups == PushGroups.NONE:
        found.append("Group sync is on, but groups come with an import of users, which is off, and none are sent.")
    return found


def listed(words: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
