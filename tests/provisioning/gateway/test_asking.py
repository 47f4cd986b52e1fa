"""How long the portal waits for a gateway, without one and by a clock of the test's own."""

import itertools

import pytest

from directories.connectors.base import ConnectorConfig, Unavailable
from directories.connectors.gateway import ThroughGateway
from directories.connectors.gateway.description import Description
from provisioning.gateway import bell, mailbox, post
from provisioning.gateway.models import CallState
from provisioning.gateway.post import Mailed


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    passing = Clock()
    monkeypatch.setattr(post, "time", passing)
    monkeypatch.setattr(bell, "time", passing)
    monkeypatch.setattr(bell, "_told", lambda: None)
    return passing


@pytest.mark.parametrize("patience", [1.0, 30.0, 70.0, 600.0])
def test_leases_outlast_the_longest_wait_for_a_gateway(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    states = itertools.chain([CallState.WAITING] * 5, itertools.repeat(CallState.TAKEN))
    monkeypatch.setattr(mailbox, "part", lambda number, position: None)
    monkeypatch.setattr(mailbox, "keep_waiting", lambda number: next(states))
    monkeypatch.setattr(mailbox, "take_back", lambda number: False)  # a machine took it in that very moment
    with pytest.raises(Unavailable, match="took too long"):
        Mailed()._part("Head office", 1, 0, patience)
    monkeypatch.setattr(ThroughGateway, "__init__", lambda connector, config: None)
    connector = ThroughGateway(ConnectorConfig({}))
    connector.description = Description(patience=patience)
    assert clock.now < connector.patience
