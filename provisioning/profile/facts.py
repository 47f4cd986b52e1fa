"""What is known of a user, by the labels that people know it by: what the report compares before and after a change."""

from typing import Any

from directories.attributes import Kind
from directories.mapping import Catalogue
from provisioning.models import User

Facts = dict[str, Any]
ACTIVE = "Active"
MANAGER = "Manager (user name)"
MEMBER = "Member of"  # the label under which lines tell of a membership; their ``group_id`` says of which group
CHILDREN = "Groups in it"
_SWITCHES = {
    "is_active": ACTIVE,
    "provisioned": "Provision to directories",
    "is_staff": "May sign in",
    "is_superuser": "Superuser",
}
NEW: Facts = {ACTIVE: "yes", "Provision to directories": "yes", "May sign in": "no", "Superuser": "no"}


def facts(user: User, known: Catalogue) -> Facts:
    """Return the user's values by the label that people know them by; blanks are left out."""
    found: Facts = {}
    for (kind, name), attribute in known.items():
        if kind == Kind.CUSTOM_PROFILE:
            found[attribute.label] = user.custom_profile.get(name)
        elif name == "manager":
            found[attribute.label] = user.manager.username if user.manager_id and user.manager else None
        elif name != "active":
            found[attribute.label] = getattr(user, name)
    found |= {label: getattr(user, name) for name, label in _SWITCHES.items()}
    found |= {free_label(name): value for name, value in user.custom_attributes.items()}
    return {label: _shown(value) for label, value in found.items() if value not in (None, "")}


def free_label(name: str) -> str:
    """Return what a free attribute of one user is called."""
    return f"{name} (custom)"


def differences(before: Facts, after: Facts) -> dict[str, tuple[Any, Any]]:
    """Return what differs, by label."""
    labels = dict.fromkeys([*before, *after])
    return {label: (before.get(label), after.get(label)) for label in labels if before.get(label) != after.get(label)}


def _shown(value: Any) -> Any:
    return ("yes" if value else "no") if isinstance(value, bool) else value
