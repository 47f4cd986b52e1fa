"""Sources of truth that answer in JSON over HTTP."""

from directories.connectors.http_json.connector import HttpJson

__all__ = ["HttpJson"]
