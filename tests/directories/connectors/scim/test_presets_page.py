"""The documentation of presets tells what the files hold, and every key that they may have."""

import dataclasses
import re
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

from directories.connectors.scim.presets import ScimPreset, all_names, load
from directories.connectors.scim.rate import forecast

PAGE = Path(__file__).parents[4] / "docs" / "scim-presets.md"
BEGIN, END = "<!-- presets: begin (the table is held against the files by a test) -->\n", "<!-- presets: end -->"
MEMBERS = {"get": "yes", "attributes": "when asked for"}
DELETES = {"delete": "deletes", "deactivate": "switches off", "never": "is refused"}


def table() -> str:
    """Return the table of all presets."""
    lines = [
        "| File | Product | Pages | Members shown | Members at once | Deleting a user | 10,000 people come in |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in all_names():
        preset = load(name)
        group, paging = preset.group, preset.paging
        shown = MEMBERS.get(group.members_by, "no") if group.supported else "no groups"
        at_once = f"{group.add_per_request:,} in, {group.remove_per_request:,} out" if group.supported else "–"
        load_ = forecast(preset, 10_000)
        cells = [
            f"`{name}`",
            preset.label,
            f"{paging.mode}, {paging.max:,}" + ("" if paging.complete else ", may be cut"),
            shown,
            at_once,
            DELETES[preset.delete.user],
            load_.words if load_.slowest else "–",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def keys(of: type[Any]) -> set[str]:
    """Return the names of all keys that a preset may have, at any depth."""
    found = set()
    for name, hint in get_type_hints(of).items():
        if name.startswith("_"):
            continue
        found.add(name)
        for kind in (hint, *get_args(hint)):
            if dataclasses.is_dataclass(kind) and isinstance(kind, type) and not isinstance(kind, UnionType):
                found |= keys(kind)
    return found


def test_the_table_tells_what_the_files_hold() -> None:
    text = PAGE.read_text()
    told = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert told == table(), f"put this into {PAGE.name}:\n{table()}"


def test_every_key_is_explained() -> None:
    explained = {word for quoted in re.findall(r"`([a-z_.]+)`", PAGE.read_text()) for word in quoted.split(".")}
    assert keys(ScimPreset) - {"name"} <= explained
