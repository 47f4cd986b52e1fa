"""Directories that only a gateway reaches."""

from directories.connectors.gateway.connector import ThroughGateway

__all__ = ["ThroughGateway"]
