"""The pages of SCIM applications; importing registers them."""

from scim.admin import clients

__all__ = ["clients"]
