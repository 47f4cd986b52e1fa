"""Who is meant by a manager: an id of this service, or the user name, as some clients send."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.db.models import Q

from provisioning.models import User
from provisioning.models.people import fold
from scim.access.visibility import is_staff, visible
from scim.models import Client
from scim.resources import schemas


def lasting(client: Client, user: User, text: str) -> User | None:
    """Return the manager whom the text names, or the present one when that is nobody the client could take away.

    A manager whom the client does not see is not shown to it either: what it then leaves out, or cannot name, is no
    wish to clear it. One who has left its sight is shown by id, and comes back with the next PUT.
    """
    found, there = named(client, text), user.manager
    if found is None and there is not None and (is_staff(there) or str(there.scim_id) == text):
        return there
    return found


def named(client: Client, text: str) -> User | None:
    """Return the user of that id or user name, None when the client sees none."""
    if not text:
        return None
    wanted = Q(username_key=fold(text))
    with suppress(ValueError):
        wanted |= Q(scim_id=uuid.UUID(text))
    return visible(client).filter(wanted).first()


def resolve(kept: Mapping[str, Any], manager: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept, with a manager whom nobody in the portal answers to as it was sent."""
    extension = {**kept.get(schemas.ENTERPRISE, {}), "manager": dict(manager)}
    return {**kept, schemas.ENTERPRISE: extension}
