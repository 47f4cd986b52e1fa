"""The ids of resources (RFC 7643 section 3.1), which are UUIDs in one spelling: any other is no id of ours."""

import uuid

from scim.errors import not_found


def parsed(text: str) -> uuid.UUID | None:
    """Return the id that a client wrote, None when it is none."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def id_of(text: str) -> uuid.UUID:
    """Return the id in an address; raise ScimError 404."""
    found = parsed(text)
    if found is None:
        raise not_found()
    return found
