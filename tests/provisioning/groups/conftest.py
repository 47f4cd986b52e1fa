"""Fixtures of the tests of groups."""

from tests.provisioning.groups.push import mem

__all__ = ["mem"]
