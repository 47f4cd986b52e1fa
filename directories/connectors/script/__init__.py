"""Scripts of the operator's: sources of truth that they read, and accounts that they keep."""

from directories.connectors.script.connector import Script
from directories.connectors.script.target import ScriptTarget

__all__ = ["Script", "ScriptTarget"]
