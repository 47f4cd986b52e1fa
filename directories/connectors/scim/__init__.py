"""SCIM 2.0 applications; what sets a product apart stands in its preset, as data."""

from directories.connectors.scim.connector import Scim

__all__ = ["Scim"]
