"""Sources of truth in files that somebody puts into a folder."""

from directories.connectors.files.connector import Files

__all__ = ["Files"]
