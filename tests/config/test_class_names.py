"""A class has a name of its own in the whole product, so that searching for the name finds one thing."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("provisioning", "directories", "reports", "scim", "config")
DEMANDED = {"Migration", "Command"}  # Django looks for these names


def used_twice(sources: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the places by the name of each top-level class that several of the sources (place, text) have."""
    places: dict[str, list[str]] = defaultdict(list)
    for place, text in sources:
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{place}:{node.lineno}")
    return {name: found for name, found in places.items() if len(found) > 1 and name not in DEMANDED}


def test_a_name_that_is_used_twice_is_seen() -> None:
    one, other = "class Page:\n    class Inner: ...", "import re\nclass Page(str): ...\nclass Command: ..."
    assert used_twice([("a.py", one), ("b.py", other), ("c.py", "class Inner: ...\nclass Command: ...")]) == {
        "Page": ["a.py:1", "b.py:2"]
    }


@pytest.mark.heavy
def test_no_class_name_is_used_for_two_things() -> None:
    paths = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
    found = used_twice((str(path.relative_to(REPOSITORY)), path.read_text(encoding="utf-8")) for path in paths)
    assert not found, "name each for what it is"
