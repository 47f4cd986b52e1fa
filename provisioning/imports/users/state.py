"""Pure: whether a row may switch its person on or off.

What was decided in the portal stays decided. Only a change of the source's own state switches somebody on: each account
keeps what its row said last, and under which rule that was read. A row that says the same as before, or whose state is
read by another rule than before, asks for nothing; one that is seen for the first time may only switch off.

``Account.seen_state`` holds "absent" for a person whom a complete import missed, else "on" or "off", and after a blank
the digest of the mapping that led to it (none for the state that the connector itself reports); "" is not known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from directories.attributes import Kind
from directories.mapping import OUT, AttributeRule

ACTIVE = "profile.active"
ABSENT = "absent"
ON, OFF = "on", "off"


@dataclass(frozen=True, slots=True)
class SourceState:
    """What a row says of its person: active or not, None for nothing, and the rule by which that was read."""

    active: bool | None
    rule: str = ""

    @property
    def stored(self) -> str:
        """The state as accounts keep it, "" when the row says nothing."""
        if self.active is None:
            return ""
        return f"{ON if self.active else OFF} {self.rule}".rstrip()


NOTHING = SourceState(None)


def leading(rules: Iterable[AttributeRule]) -> tuple[AttributeRule, ...]:
    """Return the rows of a mapping that lead to the person's state."""
    return tuple(
        rule
        for rule in rules
        if rule.kind == Kind.PROFILE and rule.portal_attribute == "active" and rule.direction != OUT
    )


def rule_digest(rules: Iterable[AttributeRule]) -> str:
    """Return what stands for the rows of a mapping that lead to the person's state, "" without any."""
    found = [(rule.directory_attribute.casefold(), rule.expression.strip()) for rule in leading(rules)]
    return blake2b(repr(found).encode(), digest_size=8).hexdigest() if found else ""


def state_of(values: Mapping[str, Any], enabled: bool | None, rule: str) -> SourceState:
    """Return what a row says: its mapped state, or what the connector reports where the mapping gives none."""
    mapped = values.get(ACTIVE)
    if mapped is None and enabled is None:
        return NOTHING
    return SourceState(enabled) if mapped is None else SourceState(bool(mapped), rule)


def asked(now: SourceState, before: str) -> bool | None:
    """Return the state that the row asks for, None when it asks for nothing; ``before`` is what the account kept."""
    if before == ABSENT:  # the row is back, and so is its person
        return now.active is not False
    if now.active is None or now.stored == before:
        return None
    state, _, rule = before.partition(" ")
    if now.active and (state != OFF or rule != now.rule):
        return None
    return now.active
