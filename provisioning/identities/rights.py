"""Who may sign in to the portal and with which rights: what changed of that goes into the chain of evidence."""

from collections.abc import Iterable
from typing import Any

from provisioning.models import User
from reports import evidence
from reports.models import EvidenceKind

LABELS = ("May sign in", "Superuser", "Active")


def saved(user: User, actor: str) -> None:
    """Append what differs from what was read of a user who was saved just now, in the same transaction."""
    before = user.stored_rights or (False, False, user.is_active)
    after = user.rights
    if before != after and (any(before[:2]) or any(after[:2])) and None not in before:
        pairs = zip(LABELS, before, after, strict=True)
        told([(user, {name: [old, new] for name, old, new in pairs if old != new})], actor)


def told(users: Iterable[tuple[User, dict[str, list[Any]]]], actor: str) -> None:
    """Append what changed of each user's rights, before and after, in the caller's transaction."""
    rows = [
        {
            "subject": f"rights of user {user.pk}",
            "what": f"The rights of {user} changed.",
            "by": actor,
            "changes": changes,
        }
        for user, changes in users
    ]
    evidence.append_many(EvidenceKind.CONFIGURATION, rows)
