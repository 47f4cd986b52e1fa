"""The primary contract: the first that holds by an order of fields, the same every time, and why in a sentence."""

import datetime as dt
import random
from decimal import Decimal
from typing import Any

from provisioning.contracts.primary import By, Candidate, PrimaryChoice, choose

FTE, HOURS = By("fte", "FTE", descending=True), By("hours", "hours a week", descending=True)
STARTS = By("starts", "start", open=dt.date.min)
ENDS = By("ends", "end", descending=True, open=dt.date.max)


def contract(number: str, active: bool = True, **values: Any) -> Candidate:
    return Candidate(number, active, values)


def test_without_a_contract_there_is_none() -> None:
    assert choose([], [FTE]) == PrimaryChoice(None, "There is no contract.")


def test_the_only_contract_is_it_whether_it_holds_or_not() -> None:
    assert choose([contract("1")], [FTE]) == PrimaryChoice(0, "It is the only contract.")
    assert choose([contract("1", active=False)], [FTE]).place == 0


def test_the_only_one_that_holds_goes_before_all_others() -> None:
    found = choose([contract("1", active=False, fte=1), contract("2", fte=0.1)], [FTE])
    assert found == PrimaryChoice(1, "It is the only one of 2 contracts that holds now.")


def test_the_first_field_that_differs_decides() -> None:
    pool = [contract("1", fte=Decimal("0.500"), hours=20), contract("2", fte=Decimal("0.800"), hours=10)]
    assert choose(pool, [FTE, HOURS]) == PrimaryChoice(1, "Of 2 contracts that hold now it has the highest FTE: 0.8.")
    assert choose(pool, [HOURS, FTE]).place == 0


def test_what_is_the_same_is_said() -> None:
    pool = [contract("1", fte=1, hours=36), contract("2", fte=1, hours=40)]
    assert choose(pool, [FTE, HOURS]).why == (
        "Of 2 contracts that hold now it has the highest hours a week: 40 (FTE is the same)."
    )


def test_a_missing_value_comes_last_in_both_directions() -> None:
    pool = [contract("1"), contract("2", sequence=9)]
    assert choose(pool, [By("sequence", "sequence")]).place == 1
    assert choose(pool, [By("sequence", "sequence", descending=True)]).place == 1


def test_an_open_end_is_the_latest_and_an_open_start_the_earliest() -> None:
    pool = [contract("1", ends=dt.date(2030, 1, 1), starts=dt.date(2020, 1, 1)), contract("2")]
    assert choose(pool, [ENDS]) == PrimaryChoice(1, "Of 2 contracts that hold now it has the latest end: open.")
    assert choose(pool, [STARTS]).place == 1


def test_when_none_holds_one_is_still_chosen() -> None:
    pool = [contract("1", active=False, fte=0.2), contract("2", active=False, fte=0.9)]
    found = choose(pool, [FTE])
    assert found.place == 1
    assert found.why == "Of 2 contracts, none of which holds now, it has the highest FTE: 0.9."


def test_ties_are_decided_by_the_number_in_any_order_of_reading() -> None:
    pool = [contract(str(number), fte=1) for number in range(1, 201)]
    for _ in range(5):
        random.shuffle(pool)
        found = choose(pool, [FTE])
        assert pool[found.place or 0].number == "1"
    assert "first number, 1" in found.why
    ten_first = choose([contract("10", fte=1), contract("9", fte=1)], [FTE])
    assert ten_first.place == 1, "numbers are compared as numbers"


def test_texts_have_no_case_and_may_stand_beside_numbers() -> None:
    by = By("grade", "grade")
    assert choose([contract("1", grade="b"), contract("2", grade="A")], [by]).place == 1
    assert choose([contract("1", grade="b"), contract("2", grade=7)], [by]).place == 1
    assert choose([contract("1", grade=True), contract("2", grade=dt.date(2026, 1, 1))], [by]).place == 0


def test_a_field_that_nobody_has_decides_nothing() -> None:
    assert choose([contract("2"), contract("1")], [FTE, HOURS]).place == 1
