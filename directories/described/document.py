"""YAML with line numbers: a document as plain data, and where each part of it stands.

Values are read as YAML 1.2 reads them: 02:30 is a text and not the number 150, "no" is not false, 007 stays as it is.
What is written is quoted wherever an older reader would see something else.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError, MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver

Location = tuple[str | int, ...]
MAX_CHARACTERS = 5_000_000
MAX_DEPTH = 20
CUT = (
    " YAML takes what follows a blank and # for a comment, so it cut the text there: write |- after the dash or colon, "
    "and the text on the next line."
)
_COMMENT = re.compile(r"[ \t]+#")
_ESCAPED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # no block can hold these
_CORE = "tag:yaml.org,2002:"
_TEXT = f"{_CORE}str"
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, the line that it is on (counted from 1) and its path in the document."""

    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}: " + (f"{self.path}: " if self.path else "")
        return where + self.message


class DocumentError(Exception):
    """The document cannot be used. ``problems`` are in the order of their lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


class Document:
    """A file as plain data (``data``), and the lines that its parts stand on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: dict[Location, tuple[int, Node]] = {}
        self._problems: list[Problem] = []
        root = _compose(text)
        self.data: Any = None if root is None else self._plain(root, (), 1)
        if self._problems:
            raise DocumentError(self._problems)

    def problem(self, path: Location, message: str, inner_line: int = 1) -> Problem:
        """Return the problem at ``path``, or at what is nearest to it; ``inner_line`` counts within a block of text."""
        known = next(path[:end] for end in range(len(path), -1, -1) if path[:end] in self._places or end == 0)
        line, node = self._places.get(known, (1, None))
        if known == path and isinstance(node, ScalarNode):
            if node.style == "|":
                line = _line(node) + inner_line
            elif node.style is None and _COMMENT.match(self._text, node.end_mark.index):
                message += CUT
        return Problem(line, _written(path), message)

    def _plain(self, node: Node, path: Location, line: int) -> Any:
        self._places[path] = line, node
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._plain(item, (*path, index), _line(item)) for index, item in enumerate(node.value)]
        return _scalar(str(node.tag), str(node.value))

    def _mapping(self, node: MappingNode, path: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            inner = (*path, str(key.value))
            if not isinstance(key, ScalarNode):
                self._problems.append(Problem(_line(key), _written(path), "A key must be a word."))
            elif key.value in found:
                self._problems.append(Problem(_line(key), _written(inner), "This key stands here twice. Remove one."))
            else:
                found[key.value] = self._plain(value, inner, _line(key))
        return found


def dump(data: Mapping[str, Any]) -> str:
    """Return the data as YAML, in the order given; a text of several lines becomes a block."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 1_000_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


class _Representer(SafeRepresenter):
    """Writes a text of several lines as a block, and quotes what a reader of YAML 1.1 would take for something else."""

    def represent_str(self, data: Any) -> ScalarNode:
        style = None
        if _ESCAPED.search(data):
            style = '"'
        elif "\n" in data:
            style = "|"
        elif str(_YAML_1_1.resolve(ScalarNode, data, (True, False))) != _TEXT:
            style = "'"
        return self.represent_scalar(_TEXT, data, style=style)


_Representer.add_representer(str, _Representer.represent_str)
_YAML_1_1 = VersionedResolver(version=(1, 1))


class _Composer(Composer):
    """Refuses aliases, of which a few lines could grow without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.parser.check_event(AliasEvent):
            mark = self.parser.peek_event().start_mark
            raise ComposerError(problem="Aliases (*name) are not supported: write the value itself", problem_mark=mark)
        return super().compose_node(parent, index)


def _compose(text: str) -> Node | None:
    """Return the tree of the text; raises DocumentError where it cannot be read."""
    if len(text) > MAX_CHARACTERS:
        raise DocumentError([Problem(1, "", f"The file is longer than {MAX_CHARACTERS} characters.")])
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Composer
    yaml.max_depth = MAX_DEPTH
    line, problem = 1, "a character is not allowed"
    try:
        root: Node | None = yaml.compose(text)
    except YAMLError as error:
        if isinstance(error, MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            line, problem = mark.line + 1 if mark else 1, str(error.problem or error.context)
        if isinstance(error, MaxDepthExceededError):
            problem = "it is nested too deeply"
        raise DocumentError([Problem(line, "", f"This is not YAML that can be used here: {problem}.")]) from None
    return root


def _scalar(tag: str, text: str) -> Any:
    """Return the value of a scalar: what is quoted or has a tag of its own is a text."""
    if tag == _TEXT or not tag.startswith(_CORE):
        return text
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _written(path: Location) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
