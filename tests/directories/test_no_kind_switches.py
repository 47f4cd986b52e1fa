"""What differs between databases stands in their dialects; nothing else asks which database it is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from directories.connectors.sql.dialects import DIALECTS
from directories.query_templates import LANGUAGES

ROOT = Path(__file__).parents[2]
OWN = (
    "directories/connectors/sql/dialects",
    "directories/query_templates/languages.py",
    "config/database",  # these ask for the portal's own database, as Django names it
)
PACKAGES = ("config", "directories", "provisioning", "reports", "scim")
NAMES = {*DIALECTS, *LANGUAGES}


def switches(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that compare with, or look up, the name of a database."""
    for node in ast.walk(tree):
        found: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            left = ast.unparse(node.left)
            found = [] if left.endswith("vendor") else [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            found = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.MatchValue):
            found = [node.value]
        for one in found:
            values = one.elts if isinstance(one, ast.Set | ast.Tuple | ast.List) else [one]
            if any(isinstance(value, ast.Constant) and value.value in NAMES for value in values):
                yield node.lineno if isinstance(node, ast.expr) else 0


@pytest.mark.heavy
def test_nobody_else_asks_which_database_it_is() -> None:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(OWN) and "/migrations/" not in name:
                found += [f"{name}:{line}" for line in switches(ast.parse(path.read_text()))]
    assert found == []


def test_the_search_finds_switches() -> None:
    source = """
a = kind == "postgresql"
b = kind in {"mysql", "mariadb"}
c = {"sqlite": 1}
d = connection.vendor == "postgresql"
"""
    assert sorted(switches(ast.parse(source))) == [2, 3, 4]
