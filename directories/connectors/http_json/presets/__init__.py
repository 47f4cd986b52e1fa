"""What is known of some products' APIs, as data: one YAML file each, with its sources and the day they were read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML


@dataclass(frozen=True, slots=True)
class ServicePreset:
    """``settings`` stand for boxes that are blank; ``notes`` say what to do in the product."""

    label: str
    notes: str
    seen_on: str
    sources: tuple[str, ...]
    settings: Mapping[str, str]


@cache
def presets() -> Mapping[str, ServicePreset]:
    """Return every preset by the name of its file, in the order of their labels."""
    found = {path.stem: _read(path) for path in Path(__file__).parent.glob("*.yaml")}
    return dict(sorted(found.items(), key=lambda item: item[1].label.casefold()))


def _read(path: Path) -> ServicePreset:
    data = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return ServicePreset(
        label=str(data["label"]),
        notes=" ".join(str(data["notes"]).split()),
        seen_on=str(data["seen_on"]),
        sources=tuple(map(str, data["sources"])),
        settings={str(name): str(value) for name, value in data["settings"].items()},
    )
