"""What a PATCH makes of a resource (RFC 7644 section 3.5.2), as a pure function."""

from scim.patch.engine import patched

__all__ = ["patched"]
