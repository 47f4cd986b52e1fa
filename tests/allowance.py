"""Loaded by pytest beside ``tests.plugin``: what each test may take, so that the runs stay as short as they are.

Counted are processor seconds, of the test with its own fixtures and of the programs that it waited for, because the
clock says more of the machine than of the test. What tests share (servers, the migrated database) counts for none. A
busy machine takes up to twice as many for the same work; therefore a test that takes more than it may is named at the
end, and fails the run when it takes many times as many.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.plugin import is_fast

FAST_SECONDS, OTHER_SECONDS = 0.5, 30.0
TOO_MUCH = 10
SHOWN = 10

_BEGUN = pytest.StashKey[float]()
_shared = [0.0, 0.0]  # processor seconds that shared fixtures took so far, and when the outermost of them began, or 0


class Cost(NamedTuple):
    """Processor seconds of one test: those that it took, and may take."""

    took: float
    may: float
    test: str

    @property
    def words(self) -> str:
        """What is to be said of it."""
        if self.took > TOO_MUCH * self.may:
            return f"  FAILED, it may take {self.may:g} s"
        return f"  more than {self.may:g} s" if self.took > self.may else ""


def spent() -> float:
    """Return the processor seconds of this process and of the children that it waited for, without what is shared."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system - _shared[0]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
    """Count what a fixture for several tests takes for none of them."""
    if fixturedef.scope == "function" or _shared[1]:
        return (yield)
    _shared[1] = spent()
    try:
        return (yield)
    finally:
        _shared[0] += spent() - _shared[1]
        _shared[1] = 0.0


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Remember when the test began."""
    item.stash[_BEGUN] = spent()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Let the test's last report say what it took."""
    try:
        return (yield)
    finally:
        may = FAST_SECONDS if is_fast(item) else OTHER_SECONDS
        item.user_properties.append(("cost", (spent() - item.stash[_BEGUN], may, item.nodeid)))


def _costs(config: pytest.Config) -> list[Cost]:
    """Return what all tests took, the most first; none in a worker, which reports to the first process."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = [report for found in reporter.stats.values() for report in found] if reporter else []
    last = [report for report in reports if getattr(report, "when", "") == "teardown"]
    return sorted((Cost(*dict(report.user_properties)["cost"]) for report in last), reverse=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a test took many times what it may."""
    too_much = any(cost.took > TOO_MUCH * cost.may for cost in _costs(session.config))
    if too_much and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the tests that took most, and those that took more than they may."""
    costs = _costs(config)
    over = [cost for cost in costs if cost.words]
    terminalreporter.section(f"{sum(cost.took for cost in costs):.0f} processor seconds, the longest tests")
    for cost in sorted({*costs[:SHOWN], *over}, reverse=True):
        terminalreporter.line(f"{cost.took:7.2f} s {cost.test}{cost.words}")
    if over:
        terminalreporter.line("Make these cheaper that take more than they may, or mark them as heavy.", yellow=True)
