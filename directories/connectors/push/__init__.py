"""Sources of truth that push their people to the portal."""

from directories.connectors.push.connector import Push

__all__ = ["Push"]
