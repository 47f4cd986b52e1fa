"""Limits, without a database."""

import pytest

from provisioning.guard.limits import Counted, Limit, exceeded, objections
from provisioning.guard.losses import LossKind


@pytest.mark.parametrize(
    ("number", "known", "limit", "words"),
    [
        (50, 1000, Limit(50, 10), ""),
        (51, 10_000, Limit(50, 10), "the limit is 50"),
        (11, 100, Limit(50, 10), "the limit is 10 %"),
        (10, 100, Limit(50, 10), ""),
        (5, 5, Limit(50, 10), ""),  # a share of few is no accident
        (6, 6, Limit(50, 10), "the limit is 10 %"),
        (6, 6, Limit(50, 100), ""),
        (1, 10_000, Limit(0, 10), "the limit is 0"),
        (1, 10_000, Limit(50, 0), "the limit is 0 %"),  # it always asks
    ],
)
def test_what_is_over_a_limit(number: int, known: int, limit: Limit, words: str) -> None:
    assert exceeded(number, known, limit) == words


def test_what_was_lost_before_counts_by_kind_and_scope() -> None:
    def lost(kind: LossKind, scope: str = "") -> Counted:
        return Counted(kind, 6, 94, Limit(50, 10), f"6 of {kind}", scope, gone=kind == LossKind.OFF)

    before = {(LossKind.OFF, ""): 6, (LossKind.CHANGED, "profile.email"): 45}
    found = objections([lost(LossKind.OFF), lost(LossKind.CHANGED), lost(LossKind.CHANGED, "profile.email")], before)
    assert [(one.kind, one.scope, one.words) for one in found] == [
        (LossKind.OFF, "", "6 of off, after 6 in the last 24 hours; the limit is 10 %."),
        (LossKind.CHANGED, "profile.email", "6 of changed, after 45 in the last 24 hours; the limit is 50."),
    ]


def test_nothing_lost_is_nothing_to_ask_about() -> None:
    assert objections([Counted(LossKind.OFF, 0, 10, Limit(0, 0), "Nobody")], {(LossKind.OFF, ""): 99}) == []
