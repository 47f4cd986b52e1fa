"""Who is meant by a manager: an id of this service, or the user name, as some clients send."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.db.models import Q

from provisioning.models import User
from provisioning.models.people import fold
from scim import schemas
from scim.models import Client
from scim.visibility import visible


def named(client: Client, text: str) -> User | None:
    """Return the user of that id or user name, None when the client sees none."""
    if not text:
        return None
    wanted = Q(username_key=fold(text))
    with suppress(ValueError):
        wanted |= Q(scim_id=uuid.UUID(text))
    return visible(client).filter(wanted).first()


def resolve(kept: Mapping[str, Any], manager: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept, with a manager whom nobody on the roll answers to as it was sent."""
    extension = {**kept.get(schemas.ENTERPRISE, {}), "manager": dict(manager)}
    return {**kept, schemas.ENTERPRISE: extension}
