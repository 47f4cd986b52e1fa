"""Pure: what is sent of an event, in either envelope, with nothing in it that the subscription did not ask for.

Standard Webhooks 1.0 (https://www.standardwebhooks.com) signs the body with a shared secret. A security event token
(RFC 8417) is a signed JWT; its events are those of RFC 9967, of which the ``notice`` forms are sent: they name what
changed, and the receiver reads the values from the SCIM service with its own rights.
"""

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from joserfc import jws
from joserfc.jwk import ECKey
from standardwebhooks import Webhook

from provisioning.events.kinds import family
from provisioning.profile.facts import CHILDREN, MEMBER

ALGORITHM = "ES256"
SCIM_EVENT = "urn:ietf:params:scim:event:prov"  # RFC 9967 section 2.4
TEST_EVENT = "urn:rollcall:event:test"
SCIM_EVENTS: Mapping[str, str] = {
    "user.created": f"{SCIM_EVENT}:create:notice",
    "user.updated": f"{SCIM_EVENT}:patch:notice",
    "user.activated": f"{SCIM_EVENT}:activate",
    "user.deactivated": f"{SCIM_EVENT}:deactivate",
    "user.deleted": f"{SCIM_EVENT}:delete",
    "group.created": f"{SCIM_EVENT}:create:notice",
    "group.updated": f"{SCIM_EVENT}:patch:notice",
    "group.deleted": f"{SCIM_EVENT}:delete",
    "membership.added": f"{SCIM_EVENT}:patch:notice",
    "membership.removed": f"{SCIM_EVENT}:patch:notice",
}
# What attributes of a user ("profile.email") are called in the SCIM service, which fills it; and labels of a group.
SCIM_NAMES: dict[str, str] = {}
GROUP_NAMES = {"Name": "displayName", "Description": "description", CHILDREN: "members"}


@dataclass(frozen=True, slots=True)
class Told:
    """An event, as far as envelopes know of it. ``user`` and ``group`` are what was known of them."""

    ident: UUID
    kind: str
    at: dt.datetime
    identifier: str = ""
    application: str = ""
    actor: str = ""
    message: str = ""
    changes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    user: Mapping[str, Any] = field(default_factory=dict)
    group: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request body with its headers."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)


def webhook(told: Told, fields: Collection[str], labels: Mapping[str, str], secrets: Sequence[str]) -> Sent:
    """Return a signed webhook. ``labels`` maps labels to "kind.name"; each of ``secrets`` signs (a rotation overlaps).

    The time that is signed is now: receivers refuse what was signed long ago, however old the event is.
    """
    data: dict[str, Any] = {"id": str(told.ident)}
    if told.actor:
        data["actor"] = told.actor
    if told.user:
        data["user"] = {"id": told.user["id"], **_values(told.user, fields)}
    if told.group:
        data["group"] = {"id": told.group["id"], "name": told.group["name"]}
    if told.application:
        data["directory"] = told.application
    if changes := _changes(told, fields, labels):
        data["changes"] = changes
    if told.message:
        data["message"] = told.message
    body = {"type": told.kind, "timestamp": _text(told.at), "data": data}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    now = dt.datetime.now(dt.UTC)
    ident = message_id(told.ident)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": ident,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(ident, now, text) for secret in secrets),
    }
    return Sent(text.encode(), headers)


def security_event(
    told: Told, fields: Collection[str], labels: Mapping[str, str], *, issuer: str, audience: str, key: ECKey
) -> Sent:
    """Return a security event token (RFC 8417), as RFC 8935 pushes it."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "jti": str(told.ident),
        "iat": int(dt.datetime.now(dt.UTC).timestamp()),
        "toe": int(told.at.timestamp()),
        "events": {SCIM_EVENTS.get(told.kind, TEST_EVENT): _scim_payload(told, fields, labels)},
    }
    if audience:
        claims["aud"] = audience
    if subject := _scim_subject(told):
        claims["sub_id"] = subject  # RFC 9967 section 2.1: here, and no "sub"
    header = {"alg": ALGORITHM, "typ": "secevent+jwt", "kid": key.kid}
    token = jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=[ALGORITHM])
    headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
    return Sent(token.encode(), headers)


def message_id(ident: UUID) -> str:
    """Return an event's id as webhooks carry it."""
    return f"evt_{ident.hex}"


def _scim_subject(told: Told) -> dict[str, str]:
    of = "user" if family(told.kind) == "user" else "group"
    resource, path = (told.user, "Users") if of == "user" else (told.group, "Groups")
    return {"format": "scim", "uri": f"/{path}/{resource['id']}"} if resource.get("id") else {}


def names_something(kind: str, changes: Collection[str], fields: Collection[str], labels: Mapping[str, str]) -> bool:
    """Return whether a security event token can tell of this: one about a change names what changed, or is not sent."""
    return not SCIM_EVENTS.get(kind, "").endswith(":notice") or bool(_scim_names(kind, changes, fields, labels))


def _scim_payload(told: Told, fields: Collection[str], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return what a notice has to have and nothing else may have: the attributes (RFC 9967 section 2.4)."""
    if not SCIM_EVENTS.get(told.kind, "").endswith(":notice"):
        return {}
    return {"attributes": _scim_names(told.kind, told.changes, fields, labels)}


def _scim_names(kind: str, changes: Collection[str], fields: Collection[str], labels: Mapping[str, str]) -> list[str]:
    match family(kind):
        case "membership":
            names = ["members"]
        case "group":
            names = [GROUP_NAMES[label] for label in changes if label in GROUP_NAMES]
        case _:
            changed = (labels.get(label, "") for label in changes)
            names = [SCIM_NAMES[key] for key in changed if key in fields and key in SCIM_NAMES]
    created = ["id"] if SCIM_EVENTS[kind].endswith(":create:notice") else []
    return list(dict.fromkeys([*created, *names]))


def _values(user: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """Return the chosen attributes of a user, by kind where it is not the usual one."""
    found: dict[str, Any] = {}
    for key in fields:
        kind, _, name = key.partition(".")
        if kind == "profile":
            found[name] = user.get(kind, {}).get(name)
        else:
            found.setdefault("custom", {})[name] = user.get(kind, {}).get(name)
    return found


def _changes(told: Told, fields: Collection[str], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return what changed of the chosen attributes; of groups and memberships all of it, which names groups alone."""
    if family(told.kind) in ("group", "membership"):
        return {"name" if label == MEMBER else label.lower(): _pair(pair) for label, pair in told.changes.items()}
    found = {}
    for label, pair in told.changes.items():
        key = labels.get(label, "")
        if key in fields:
            found[key.removeprefix("profile.")] = _pair(pair)
    return found


def _pair(pair: Sequence[Any]) -> dict[str, Any]:
    return {"before": pair[0], "after": pair[1]}


def _text(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
