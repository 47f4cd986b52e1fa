"""docs/architecture.md shows the code as it is: its picture of the packages, every step of its flows, its one door."""

import ast
import importlib
import re
from pathlib import Path

import grimp
import pytest

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs" / "architecture.md"
ROOTS = ("config", "scim", "provisioning", "directories", "reports")
Edges = set[tuple[str, str]]


@pytest.fixture(scope="module")
def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOTS, cache_dir=None)


def pictures(text: str) -> list[str]:
    return re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)


def arrows(picture: str) -> list[tuple[str, str, str]]:
    """Return from, arrow and to of a picture's lines; boxes that have a label go by it."""
    labels = dict(re.findall(r'(\w+)\["?([\w.]+)', picture))
    found = re.findall(r"(\w[\w.]*)(?:\[[^\]]*\])? (-->|-\.->)(?:\|[^|]*\|)? (\w[\w.]*)", picture)
    return [(labels.get(start, start), arrow, labels.get(end, end)) for start, arrow, end in found]


def home(module: str, packages: set[str]) -> str | None:
    """Return the package of the picture that a module belongs to: the one of the longest name."""
    found = [package for package in packages if module == package or module.startswith(f"{package}.")]
    return max(found, key=len, default=None)


def reduced(edges: Edges) -> Edges:
    """Leave out what follows from the other arrows."""

    def reaches(start: str, end: str, without: tuple[str, str]) -> bool:
        seen, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            for edge in edges - {without}:
                if edge[0] == here and edge[1] not in seen:
                    seen.add(edge[1])
                    waiting.append(edge[1])
        return end in seen

    return {edge for edge in edges if not reaches(*edge, without=edge)}


@pytest.mark.heavy
def test_the_picture_is_the_import_graph(text: str, graph: grimp.ImportGraph) -> None:
    drawn = {(start, end) for start, _, end in arrows(pictures(text)[0])}
    packages = {package for arrow in drawn for package in arrow}
    edges = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            start, end = home(module, packages), home(imported, packages)
            if start and end and start != end:
                edges.add((start, end))
    assert drawn == reduced(edges)
    assert not [edge for edge in edges if edge[::-1] in edges], "two packages import each other"


def test_every_step_of_the_flows_exists_and_knows_the_next(text: str, graph: grimp.ImportGraph) -> None:
    flows = [arrows(picture) for picture in pictures(text)[1:]]
    assert len(flows) == 3
    for start, arrow, end in (step for flow in flows for step in flow):
        modules = []
        for name in (start, end):
            module, function = name.rsplit(".", 1)
            modules.append(module)
            assert hasattr(importlib.import_module(module), function), name
        if arrow == "-->" and modules[0] != modules[1]:  # a dotted arrow is a message or a signal
            assert graph.chain_exists(*modules), f"{start} does not know {end}"


ROLL = {"User", "Group", "Membership", "Nesting"}
QUERIES = {"create", "get_or_create", "update_or_create", "bulk_create", "update", "bulk_update", "delete"}
MAY_WRITE = ("provisioning/identities/", "provisioning/imports/", "provisioning/models/")


def names_in(node: ast.expr) -> list[str]:
    """Return the names of a chain such as ``User.objects.filter(...).delete``, the last one first."""
    found = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            found.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return found
    return [*found, node.id]


def writes_of_the_roll(source: str) -> list[int]:
    """Return the lines that write users, groups or memberships by themselves, as far as names tell."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        names = names_in(call.func)
        subject = names_in(call.args[0]) if call.args else []
        touched = [keyword.arg for keyword in call.keywords] == ["updated_at"]
        if (
            (len(names) > 1 and names[0] in QUERIES and names[-1] in ROLL and not touched)
            or (names[-1:] == ["bulk"] and subject[-1:] and subject[-1] in ROLL)
            or (names[:2] in (["save", "user"], ["save", "group"], ["save", "person"]))
            or (names[:2] in (["set", "groups"], ["add", "groups"], ["remove", "groups"], ["clear", "groups"]))
        ):
            found.append(call.lineno)
    return found


@pytest.mark.parametrize(
    "source",
    [
        "User.objects.filter(pk=1).update(is_active=False)",
        "Membership.objects.bulk_create(rows)",
        "bulk.delete(Membership.objects.filter(pk=1))",
        "self.user.save(update_fields=['password'])",
        "user.groups.set(roles)",
    ],
)
def test_a_write_of_the_roll_is_seen(source: str) -> None:
    assert writes_of_the_roll(source) == [1]


@pytest.mark.heavy
def test_users_groups_and_memberships_are_written_in_one_place() -> None:
    elsewhere = {}
    for path in (
        path for root in ROOTS for path in (REPOSITORY / root).rglob("*.py") if "migrations" not in path.parts
    ):
        place = str(path.relative_to(REPOSITORY))
        lines = writes_of_the_roll(path.read_text(encoding="utf-8"))
        if lines and not place.startswith(MAY_WRITE):
            elsewhere[place] = lines
    assert not elsewhere, "call provisioning.services there"
