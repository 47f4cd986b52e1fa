"""Fixtures of the provisioning tests."""

import pytest

from provisioning.outbound import batch
from tests.provisioning.crew import crews

__all__ = ["crews"]


@pytest.fixture(autouse=True)
def whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a delivery in the test's own process do all that it claimed, however slow the machine is."""
    monkeypatch.setattr(batch, "SHARE_SECONDS", float("inf"))
    monkeypatch.setattr(batch, "LOOK_SECONDS", float("inf"))
