"""The roll as plain data: which attributes the portal knows, and what one user's values are.

Values are what JSON holds (text, numbers, true and false), so that the snapshot of a deleted user gives the same
person, and the same digest, as the user did. A field left blank is None: a directory then gets NULL, not an empty text.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from directories.attributes import PROFILE_ATTRIBUTES, Kind, Person, PortalAttribute, Type, Value
from directories.mapping import Catalogue
from provisioning.models import Account, AttributeDefinition, User
from provisioning.profile.values import formatted

_COMPUTED = frozenset({"manager", "active"})
_FIELDS = tuple(attribute.name for attribute in PROFILE_ATTRIBUTES if attribute.name not in _COMPUTED)


def attribute_of(definition: AttributeDefinition) -> PortalAttribute:
    """Return the definition as the portal attribute that it makes."""
    return PortalAttribute(
        Kind.CUSTOM_PROFILE,
        definition.name,
        definition.label,
        Type(definition.type),
        None,
        tuple(definition.choices),
        definition.required,
    )


def catalogue() -> Catalogue:
    """Return every profile and custom profile attribute by kind and name, in one query.

    Custom attributes are free keys on one user and are not listed.
    """
    defined = map(attribute_of, AttributeDefinition.objects.all())
    return {(one.kind, one.name): formatted(one) for one in (*PROFILE_ATTRIBUTES, *defined)}


def labels() -> dict[str, str]:
    """Return what labels of attributes stand for: "kind.name" by label, in one query."""
    return {one.label: f"{kind}.{name}" for (kind, name), one in catalogue().items()}


def person_of(user: User) -> Person:
    """Return the user's values; load users with ``select_related("manager")``, whose name is one of them."""
    profile: dict[str, Value] = {name: getattr(user, name) or None for name in _FIELDS}
    profile["manager"] = user.manager.username if user.manager else None
    profile["active"] = wanted(user)
    return Person(profile, _filled(user.custom_profile), _filled(user.custom_attributes))


def wanted(user: User) -> bool:
    """Return whether directories should hold an enabled account for the user."""
    return user.is_active and user.provisioned


def snapshot(person: Person) -> dict[str, Any]:
    """Return the person as JSON for ``Account.person``."""
    return {
        "profile": dict(person.profile),
        "custom_profile": dict(person.custom_profile),
        "custom": dict(person.custom),
    }


def from_snapshot(stored: Mapping[str, Any]) -> Person:
    """Return the person that ``snapshot`` stored."""
    return Person(stored.get("profile", {}), stored.get("custom_profile", {}), stored.get("custom", {}))


def person_behind(account: Account) -> Person:
    """Return the person of an account; a user that was deleted is what the account kept, and not active.

    Nor is one active to whom the directory gives no account any more.
    """
    if account.user is not None:
        held = person_of(account.user)
        return held if account.in_scope else replace(held, profile={**held.profile, "active": False})
    kept = from_snapshot(account.person or {"profile": {"username": account.key}})
    return replace(kept, profile={**kept.profile, "active": False})


def _filled(values: Mapping[str, Any]) -> dict[str, Value]:
    return {name: None if value == "" else value for name, value in values.items()}
