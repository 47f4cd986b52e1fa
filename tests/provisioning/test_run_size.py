"""How many accounts are written together, by what runs took."""

import pytest

from provisioning.outbound.accounts.run_size import FIRST, RunSize


def sizes(fixed: float, each: float, runs: int = 12, fewest: int = 2, most: int = 200) -> list[int]:
    """Return the sizes of runs at a directory that takes ``fixed`` seconds for a run and ``each`` for an account."""
    found, known = [], RunSize()
    for _ in range(runs):
        size = known.next(fewest, most)
        found.append(size)
        known.took(size, fixed + each * size)
    return found


def test_the_first_run_is_short() -> None:
    assert sizes(0, 0.01)[0] == FIRST
    assert sizes(0, 0.01, most=4)[0] == 4


@pytest.mark.parametrize("fixed", [0.0, 0.05, 0.44, 0.8, 2.0, 5.0])
def test_a_long_way_makes_no_run_shorter(fixed: float) -> None:
    """An account takes 5 ms, so 100 are worth it, however long each run is under way."""
    found = sizes(fixed, 0.005, 40)
    assert 60 <= sum(found[-16:]) / 16 <= 130, found


@pytest.mark.parametrize("each", [0.1, 0.5, 2.0])
def test_a_slow_directory_holds_nobody_up(each: float) -> None:
    found = sizes(0.02, each)
    assert max(size * each for size in found[1:]) <= max(0.6, 2 * each), found


def test_they_are_never_fewer_than_are_done_at_a_time() -> None:
    assert min(sizes(0.0, 3.0, fewest=4)[1:]) == 4
