"""YAML with line numbers: a document as plain data, and where each part of it stands.

Values are read as YAML 1.2 reads them: 02:30 is a text and not the number 150, "no" is not false. What is written is
quoted wherever an older reader would see something else.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]
MAX_CHARACTERS = 5_000_000
MAX_DEPTH = 20
CUT = (
    " YAML takes what follows a blank and # for a comment, so it cut the text there: write |- after the dash or colon, "
    "and the text on the next line."
)
_COMMENT = re.compile(r"[ \t]+#")
_LINE_ENDS = re.compile("[\r\x85\u2028\u2029\ufeff]")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, the line that it is on (counted from 1) and its path in the document."""

    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}: " + (f"{self.path}: " if self.path else "")
        return where + self.message


class BlueprintError(Exception):
    """A blueprint cannot be applied; nothing was changed. ``problems`` are in the order of their lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


class Document:
    """A blueprint as plain data (``data``), and the lines that its parts stand on."""

    def __init__(self, text: str) -> None:
        self._nodes: dict[Path, yaml.Node] = {}
        self._keys: dict[Path, int] = {}
        self._problems: list[Problem] = []
        self._lines = [*text.split("\n"), ""]
        self.data: Any = self._read(text)

    def problem(self, path: Path, message: str, inner_line: int = 1) -> Problem:
        """Return the problem at ``path``, or at what is nearest to it; ``inner_line`` counts within a block of text."""
        known = next(path[:end] for end in range(len(path), -1, -1) if path[:end] in self._nodes or end == 0)
        if known == path and self._cut(path):
            message += CUT
        return Problem(self._line(known, inner_line if known == path else 1), _written(path), message)

    def _cut(self, path: Path) -> bool:
        """Whether a text without quotes ended at what YAML takes for a comment."""
        node = self._nodes.get(path)
        if not isinstance(node, yaml.ScalarNode) or node.style is not None:
            return False
        return bool(_COMMENT.match(self._lines[node.end_mark.line][node.end_mark.column :]))

    def _line(self, path: Path, inner_line: int) -> int:
        node = self._nodes.get(path)
        if node is None:
            return 1
        if isinstance(node, yaml.ScalarNode) and node.style == "|":
            return int(node.start_mark.line) + 1 + inner_line
        return self._keys.get(path, int(node.start_mark.line) + 1)

    def _read(self, text: str) -> Any:
        if len(text) > MAX_CHARACTERS:
            raise BlueprintError([Problem(1, "", f"The blueprint is longer than {MAX_CHARACTERS} characters.")])
        try:
            _refuse_aliases(text)
            root = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise BlueprintError([Problem(line, "", f"This is not YAML: {error.problem or error.context}.")]) from None
        except yaml.YAMLError:
            raise BlueprintError([Problem(1, "", "This is not YAML: a character is not allowed.")]) from None
        except RecursionError:
            raise BlueprintError([Problem(1, "", "The blueprint is nested too deeply.")]) from None
        data = None if root is None else self._plain(root, ())
        if self._problems:
            raise BlueprintError(self._problems)
        return data

    def _plain(self, node: yaml.Node, path: Path) -> Any:
        self._nodes[path] = node
        if len(path) > MAX_DEPTH:
            raise BlueprintError([self.problem(path, "The blueprint is nested too deeply.")])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = int(key.start_mark.line) + 1
            if not isinstance(key, yaml.ScalarNode):
                self._problems.append(Problem(line, _written(path), "A key must be a word."))
                continue
            inner = (*path, str(key.value))
            if key.value in found:
                self._problems.append(Problem(line, _written(inner), "This key stands here twice."))
                continue
            self._keys[inner] = line
            found[key.value] = self._plain(value, inner)
        return found


def dump(data: Mapping[str, Any]) -> str:
    """Return the data as YAML, in the order given; a text of several lines becomes a block."""
    return yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1_000_000
    )


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}


_RESOLVERS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})", "-+0123456789"),
    ("float", r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?", "-+0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
)
for _name, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), list(_first))


class _Dumper(yaml.SafeDumper):
    """SafeDumper that indents lists and writes several lines as a block."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # PyYAML writes NEL and the like as they are, and reads them as line ends.
    style = '"' if _LINE_ENDS.search(value) else "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent)


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text)
        case "float":
            return float(text)
    return text


def _refuse_aliases(text: str) -> None:
    """An alias of an alias grows without bound, and nobody needs one here."""
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise BlueprintError([Problem(line, "", "Aliases (*name) are not supported.")])


def _written(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
