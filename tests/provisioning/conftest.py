"""Fixtures of the provisioning tests."""

from tests.provisioning.crew import crews

__all__ = ["crews"]
