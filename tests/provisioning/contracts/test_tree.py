"""The tree of departments and who manages whom, with the cycles that HR systems hold."""

from provisioning.contracts.managers import DepartmentHead, FoundManager, manager_of
from provisioning.contracts.tree import cycles, in_order, subtree, upwards, would_be_cycle

TREE: dict[str, str | None] = {"board": None, "it": "board", "hr": "board", "dev": "it", "ops": "it"}


def test_a_cycle_is_found_with_all_its_departments_and_no_others() -> None:
    parents = {**TREE, "a": "b", "b": "c", "c": "a", "below": "a", "own": "own"}
    assert sorted(map(sorted, cycles(parents))) == [["a", "b", "c"], ["own"]]
    assert cycles(TREE) == []


def test_a_parent_that_is_not_there_is_no_cycle() -> None:
    assert cycles({"a": "gone", "b": "a"}) == []
    assert list(upwards("b", {"a": "gone", "b": "a"})) == ["b", "a"]


def test_a_department_cannot_hang_below_itself() -> None:
    assert would_be_cycle("it", "dev", TREE) == ["dev", "it"]
    assert would_be_cycle("it", "it", TREE) == ["it"]
    assert would_be_cycle("it", "hr", TREE) == []
    assert would_be_cycle("it", None, TREE) == []


def test_a_subtree_has_all_that_is_below() -> None:
    assert subtree(["it"], TREE) == {"it", "dev", "ops"}
    assert subtree(["a"], {"a": "b", "b": "a", "c": "a"}) == {"a", "b", "c"}, "a cycle ends too"


def test_the_tree_is_read_from_the_top_and_a_cycle_comes_last() -> None:
    parents = {**TREE, "x": "y", "y": "x"}
    assert in_order(parents, str) == [
        ("board", 0),
        ("hr", 1),
        ("it", 1),
        ("dev", 2),
        ("ops", 2),
        ("x", 0),
        ("y", 0),
    ]


def test_a_deep_tree_does_not_fail() -> None:
    parents: dict[int, int | None] = {number: number - 1 or None for number in range(1, 20_001)}
    assert len(in_order(parents, int)) == 20_000
    assert len(subtree([1], parents)) == 20_000
    assert cycles(parents) == []


DEPARTMENTS = {
    1: DepartmentHead("Board", head=10),
    2: DepartmentHead("IT", head=20),
    3: DepartmentHead("Development"),
    4: DepartmentHead("Ring A"),
    5: DepartmentHead("Ring B"),
}
PARENTS: dict[int, int | None] = {1: None, 2: 1, 3: 2, 4: 5, 5: 4}


def managed(person: int, of_contract: int | None, department: int | None) -> FoundManager:
    return manager_of(person, of_contract, department, DEPARTMENTS, PARENTS)


def test_the_contracts_own_manager_goes_first() -> None:
    assert managed(99, 50, 2).manager == 50


def test_else_the_head_of_the_department_and_else_of_the_parent() -> None:
    assert managed(99, None, 2) == FoundManager(20, "head of IT")
    assert managed(99, None, 3) == FoundManager(20, "head of IT")


def test_the_head_of_a_department_is_managed_by_the_one_above() -> None:
    assert managed(20, None, 2) == FoundManager(10, "head of Board")
    assert managed(20, 20, 3) == FoundManager(10, "head of Board"), "nobody is their own manager"


def test_the_head_of_the_top_has_no_manager() -> None:
    assert managed(10, None, 1).manager is None


def test_departments_in_a_circle_and_managers_in_a_circle_end() -> None:
    assert managed(99, None, 4).manager is None
    assert (managed(98, 99, 4).manager, managed(99, 98, 4).manager) == (99, 98)


def test_a_department_that_is_not_there_names_nobody() -> None:
    assert managed(99, None, 77).manager is None
