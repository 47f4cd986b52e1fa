"""Sources of truth that a script of the operator's reads."""

from directories.connectors.script.connector import Script

__all__ = ["Script"]
