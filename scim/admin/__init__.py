"""The pages of SCIM applications; importing registers them."""

from scim.admin import clients, put_back

__all__ = ["clients", "put_back"]
