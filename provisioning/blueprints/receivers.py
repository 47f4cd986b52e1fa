"""Receivers of events in blueprints: what each hears of and how it is sent. Secrets are references, never in it.

An address may be a key itself, as the paths of many services are: an export writes it in clear only as far as it is the
name of a host alone.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from django.db.models import Q
from pydantic import Field, PlainValidator, SecretStr, StringConstraints

from directories.connectors.outgoing import address_problem
from directories.described.references import Placeholders, resolve
from directories.described.schema import LEFT_OUT, SecretReference, Strict, Text
from provisioning.blueprints.sections import Section
from provisioning.blueprints.state import BlueprintItem
from provisioning.blueprints.writing import PartRefused, WrittenPart, stored
from provisioning.events import filters, rotation, subscriptions
from provisioning.events.kinds import KINDS
from provisioning.events.models import Envelope, Subscription
from provisioning.profile.person import catalogue

NAME = "receivers"
SECRETS = ("secret", "token")
PLAIN = tuple(name for name in subscriptions.STATED if name != "name")
SHORTEST, LONGEST = 24, 64  # bytes of a secret, as Standard Webhooks wants it
NO_ADDRESS = "Say where events are sent."
NO_KINDS = "Say which events are sent."
NOT_OF_SCIM = "Security event tokens tell of users, groups and memberships only. Take the rest out, or send webhooks."
TOKEN_AGAIN = "The address leads to another host. Say where the token for it is found."
BAD_SECRET = "A secret is whsec_ and 24 to 64 bytes in Base64 behind it. Leave it out, and the portal makes one."
NO_FIELD = "There is no attribute {} that can be sent."


def _address(value: Any) -> SecretStr:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("Write the address, or where it is found: env:NAME or file:/path.")
    text = value.strip()
    found = resolve(text) if text.partition(":")[0] in ("env", "file") else SecretStr(text)
    if problem := address_problem(found.get_secret_value()):
        raise ValueError(problem)
    return found


class ReceiverSchema(Strict):
    """A receiver. What is left out stays as it is; a list that is written is complete."""

    name: Annotated[Text, Field(max_length=100)]
    url: Annotated[SecretStr, PlainValidator(_address)] = LEFT_OUT
    envelope: Envelope = LEFT_OUT
    kinds: list[Literal[tuple(KINDS)]] = LEFT_OUT  # type: ignore[valid-type]
    filter: Annotated[str, StringConstraints(strip_whitespace=True)] = LEFT_OUT
    fields_sent: list[Text] = Field(LEFT_OUT, alias="fields")
    audience: Annotated[str, StringConstraints(strip_whitespace=True, max_length=255)] = LEFT_OUT
    authority: str = LEFT_OUT
    give_up_days: Annotated[int, Field(ge=1, le=30)] = LEFT_OUT
    enabled: bool = LEFT_OUT
    secret: SecretReference = LEFT_OUT
    token: SecretReference = LEFT_OUT


def describe(held: Subscription) -> BlueprintItem:
    """Describe a receiver whole."""
    known = rotation.secrets_of(held)
    return {
        "name": held.name,
        "url": SecretStr(held.url),
        **{name: getattr(held, name) for name in PLAIN},
        "envelope": str(held.envelope),
        **{name: SecretStr(str(known[name])) for name in SECRETS if known.get(name)},
    }


def write(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Create or change the receiver of that name; secrets that the blueprint does not name stay."""
    held = stored(Subscription.objects.all(), wanted, Q(name__iexact=wanted["name"]))
    return change(held, wanted, actor)


def change(held: Subscription | None, wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Change a receiver that the caller has locked, or create one; raise PartRefused. A blank token is none."""
    before = describe(held) if held else None
    after = {**(before or _fresh(wanted["name"])), **wanted}
    after["envelope"] = str(after["envelope"])
    for path, words in _problems(before, after, wanted):
        raise PartRefused(words, *path)
    if before == after:
        return WrittenPart("receiver", before, after)
    held = held or Subscription(enabled=after["enabled"])
    changed = [name for name in after if before is None or before.get(name) != after[name]]
    if changed != ["enabled"]:
        _fill(held, after)
        subscriptions.save(held, actor)
    if held.enabled != after["enabled"]:
        subscriptions.switch(held, after["enabled"], actor)
    return WrittenPart("receiver", before, after)


def export(placeholders: Placeholders) -> list[BlueprintItem]:
    """Return every receiver, with references in place of secrets and of addresses that may be one."""
    usual, found = _fresh(""), []
    for held in Subscription.objects.order_by("name"):
        described, host = describe(held), subscriptions.shown_address(held.url)
        url = host if held.url.rstrip("/") == host else placeholders.reference(held.name, "address")
        short = {name: described[name] for name in PLAIN if described[name] != usual[name]}
        references = {name: placeholders.reference(held.name, name) for name in SECRETS if name in described}
        found.append({"name": held.name, "url": url, **short, **references})
    return found


SECTION = Section(NAME, ReceiverSchema, write, export, "events.change_subscription")


def _fresh(name: str) -> BlueprintItem:
    new = Subscription(name=name)
    return {"name": name, "url": SecretStr(""), **{field: getattr(new, field) for field in PLAIN}}


def _fill(held: Subscription, after: BlueprintItem) -> None:
    for name in subscriptions.STATED:
        if name != "enabled":
            setattr(held, name, after[name])
    held.url = after["url"].get_secret_value()
    for name in SECRETS:
        value, known = after.get(name), rotation.secrets_of(held)
        if value is None or known.get(name) == value.get_secret_value():
            continue
        if name == "secret":
            rotation.replace(held, value.get_secret_value())
        else:
            held.secrets = {**known, name: value.get_secret_value()}


def _problems(
    before: BlueprintItem | None, after: BlueprintItem, wanted: BlueprintItem
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Give what cannot be: where it stands, and what to do."""
    url = after["url"].get_secret_value()
    if not url:
        yield ("name",), NO_ADDRESS
    if not after["kinds"]:
        yield ("kinds" if "kinds" in wanted else "name",), NO_KINDS
    if not subscriptions.can_tell(after["envelope"], after["kinds"]):
        yield ("kinds" if "kinds" in wanted else "envelope",), NOT_OF_SCIM
    kept = before if before and before.get("token") and "token" not in wanted else None
    if kept and subscriptions.shown_address(kept["url"].get_secret_value()) != subscriptions.shown_address(url):
        yield ("url",), TOKEN_AGAIN
    if "token" in wanted and not subscriptions.is_token(wanted["token"].get_secret_value()):
        yield ("token",), subscriptions.BAD_TOKEN
    if "secret" in wanted and not _is_secret(wanted["secret"].get_secret_value()):
        yield ("secret",), BAD_SECRET
    known = catalogue()
    names = {f"{kind.value}.{name}" for kind, name in known}
    for index, name in enumerate(wanted.get("fields", ())):
        if name not in names:
            yield ("fields", index), NO_FIELD.format(name)
    try:
        filters.checked(wanted.get("filter", ""), [name for _, name in known])
    except ValueError as error:
        yield ("filter",), str(error)


def _is_secret(text: str) -> bool:
    try:
        raw = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith("whsec_") and SHORTEST <= len(raw) <= LONGEST
