"""The condition of a rule as rows of a form: blocks of lines, each line a field, an operator and values.

What is nested deeper than blocks can show is written as one line of the filter language instead.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from provisioning.rules import conditions, fields
from provisioning.rules.conditions import (
    EVERYBODY,
    OPERATORS,
    REFERENCES,
    All,
    Either,
    Field,
    FieldKind,
    Known,
    Leaf,
    Node,
    Not,
    Same,
    operator_words,
    read,
    shown,
)
from provisioning.rules.matching import Window
from provisioning.rules.preview import PeopleFound, count

APART = ";"  # stands between several values of a line
ROWS, LINE = "rows", "line"
ALL, ANY, NONE, SAME = "all", "any", "none", "same"
BLOCKS: Mapping[str, str] = {
    ALL: "All of these hold",
    ANY: "One of these holds",
    NONE: "None of these holds",
    SAME: "All of these hold of the same contract",
}
INPUTS = {FieldKind.DATE: "date", FieldKind.NUMBER: "text"}


@dataclass(slots=True)
class RowLine:
    """One line as the form has it."""

    key: str = ""
    operator: str = "eq"
    value: str = ""


@dataclass(slots=True)
class RowBlock:
    """Lines that belong together."""

    kind: str = ALL
    lines: list[RowLine] = field(default_factory=list)


@dataclass(slots=True)
class Rows:
    """A whole condition: ``join`` says whether all blocks must hold or one; ``line`` is used in mode LINE."""

    join: str = ALL
    blocks: list[RowBlock] = field(default_factory=list)
    mode: str = ROWS
    line: str = ""


def posted(data: QueryDict) -> Rows:
    """Return the rows of a form."""
    kinds = [kind if kind in BLOCKS else ALL for kind in data.getlist("block")]
    rows = Rows(
        join=ANY if data.get("join") == ANY else ALL,
        blocks=[RowBlock(kind) for kind in kinds],
        mode=LINE if data.get("mode") == LINE else ROWS,
        line=data.get("line", ""),
    )
    lines = (data.getlist(f"line_{name}") for name in ("block", "field", "operator", "value"))
    for place, key, operator, value in zip(*lines, strict=False):
        if place.isdecimal() and int(place) < len(rows.blocks):
            rows.blocks[int(place)].lines.append(RowLine(key, operator, value))
    return rows


def act(rows: Rows, done: str, known: Known) -> list[str]:
    """Do what a button asks for: add or remove a line or block, or read the one line; return what is wrong."""
    name, _, where = done.partition(":")
    places = [int(one) for one in where.split(".") if one.isdecimal()]
    match name, places:
        case "block", _:
            rows.blocks.append(RowBlock(lines=[RowLine()]))
        case "line", [block] if block < len(rows.blocks):
            rows.blocks[block].lines.append(RowLine())
        case "drop", [block, line] if block < len(rows.blocks) and line < len(rows.blocks[block].lines):
            del rows.blocks[block].lines[line]
            if not rows.blocks[block].lines:
                del rows.blocks[block]
        case "read", _:
            try:
                node = conditions.parse(rows.line, known)
            except ValueError as error:
                return [str(error)]
            again = rows_of(node, known)
            rows.join, rows.blocks, rows.mode = again.join, again.blocks, again.mode
    return []


def node_of(rows: Rows, known: Known) -> tuple[Node, list[str]]:
    """Return the condition that the rows say, and what is wrong with it."""
    if rows.mode == LINE:
        try:
            return conditions.parse(rows.line, known), []
        except ValueError as error:
            return EVERYBODY, [str(error)]
    wrong: list[str] = []
    parts = []
    for block in rows.blocks:
        leaves = [leaf for line in block.lines if line.key and (leaf := _leaf(line, known, wrong)) is not None]
        if leaves:
            parts.append(_block(block.kind, leaves))
    if rows.join == ANY:
        node: Node = conditions.either(parts) if parts else EVERYBODY
    else:
        flat = [one for part in parts for one in (part.parts if isinstance(part, All) else (part,))]
        node = flat[0] if len(flat) == 1 else All(tuple(flat))
    return node, wrong or conditions.problems(node, known)


def _leaf(line: RowLine, known: Known, wrong: list[str]) -> Leaf | None:
    held = known.field(line.key)
    if held is None:
        wrong.append(f"There is no field {line.key}. Choose another one, or remove the line.")
        return None
    operator = line.operator if line.operator in OPERATORS[held.kind] else OPERATORS[held.kind][0]
    values = []
    for text in line.value.split(APART) if operator != "pr" else ():
        if text.strip():
            try:
                values.append(read(text.strip(), held, known))
            except ValueError as error:
                wrong.append(str(error))
    return Leaf(line.key, operator, tuple(values))


def _block(kind: str, leaves: Sequence[Node]) -> Node:
    one = leaves[0] if len(leaves) == 1 else None
    match kind:
        case "any":
            return conditions.either(leaves)
        case "none":
            return Not(one or Either(tuple(leaves)))
        case "same":
            return Same(one or All(tuple(leaves)))
    return one or All(tuple(leaves))


def rows_of(node: Node, known: Known) -> Rows:
    """Return a condition as rows; one that they cannot show is in mode LINE."""
    try:
        line = conditions.render(node, known)
    except ValueError:
        line = ""
    parts: Sequence[Node]
    join, parts = (ANY, node.parts) if isinstance(node, Either) else (ALL, (node,))
    if isinstance(node, All):
        parts = node.parts
    if isinstance(node, Either) and all(isinstance(part, Leaf) for part in node.parts):
        join, parts = ALL, (node,)
    blocks: list[RowBlock] = []
    for part in parts:
        block = _shown(part, known)
        if block is None:
            return Rows(mode=LINE, line=line)
        if join == ALL and block.kind == ALL and blocks and blocks[-1].kind == ALL:
            blocks[-1].lines += block.lines
        else:
            blocks.append(block)
    return Rows(join, blocks, ROWS, line)


def _shown(node: Node, known: Known) -> RowBlock | None:
    kind, inner = ALL, node
    match node:
        case Same(part):
            kind, inner = SAME, part
        case Not(part):
            kind, inner = NONE, part
        case Either():
            kind = ANY
    parts: Sequence[Node] = (inner,)
    if isinstance(inner, Either if kind in (ANY, NONE) else All):
        parts = inner.parts
    lines = [_line(part, known) for part in parts if isinstance(part, Leaf)]
    found = [line for line in lines if line is not None]
    return RowBlock(kind, found) if len(found) == len(parts) else None


def _line(leaf: Leaf, known: Known) -> RowLine | None:
    texts = [shown(value, known.field(leaf.key), known) for value in leaf.values]
    if any(APART in text for text in texts):
        return None
    return RowLine(leaf.key, leaf.operator, f"{APART} ".join(texts))


@dataclass(frozen=True, slots=True)
class ShownLine:
    """One line with what its boxes offer; ``input`` is the type of the last one, ``listed`` the id of its list."""

    line: RowLine
    place: str
    operators: Sequence[tuple[str, str]]
    input: str
    listed: str


def shown_blocks(rows: Rows, known: Known) -> Iterator[tuple[RowBlock, Sequence[ShownLine]]]:
    """Yield the blocks as a page shows them."""
    for number, block in enumerate(rows.blocks):
        yield block, [_offered(line, f"{number}.{place}", known) for place, line in enumerate(block.lines)]


def built(
    rows: Rows, known: Known, fragment: str, window: Window = (0, 0), wrong: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what the builder and its result show; ``fragment`` is the address that a change is sent to."""
    node, found = node_of(rows, known)
    problems = list(wrong) or found
    text = rows.line
    if not problems and rows.mode == ROWS:
        text = conditions.render(node, known)
    return {
        "rows": rows,
        "blocks": list(shown_blocks(rows, known)),
        "kinds": BLOCKS.items(),
        "fields": [(key, held.label) for key, held in known.fields.items()],
        "fragment": fragment,
        "problems": problems,
        "words": "" if problems else conditions.words(node, known),
        "text": text,
        "found": PeopleFound() if problems else count(node, window, known),
    }


def answer(request: HttpRequest, address: str, window: Window = (0, 0)) -> HttpResponse:
    """Show the builder, or only its result, as a form has it now; ``address`` is that of this answer."""
    known, rows = fields.known(), posted(request.POST)
    wrong = act(rows, request.POST.get("do", ""), known)
    part = "result" if request.GET.get("part") == "result" else "builder"
    return render(request, f"provisioning/rules/{part}.html", built(rows, known, address, window, wrong))


def _offered(line: RowLine, place: str, known: Known) -> ShownLine:
    held: Field | None = known.field(line.key)
    kind = held.kind if held else FieldKind.TEXT
    several = line.operator in ("eq", "ne")
    return ShownLine(
        line=line,
        place=place,
        operators=[(one, operator_words(one, kind)) for one in OPERATORS[kind]],
        input="" if line.operator == "pr" else "text" if several else INPUTS.get(kind, "text"),
        listed=("groups" if kind == FieldKind.GROUP else "departments") if kind in REFERENCES else "",
    )
