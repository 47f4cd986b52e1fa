"""The registry of connectors: every module of this package that declares a ``Connector`` with a ``kind``."""

import importlib
import pkgutil
from functools import cache
from typing import Any

from directories.connectors.base import Connector


@cache
def registry() -> dict[str, type[Connector]]:
    """Return the connector classes by kind, by label; those with a caveat in brackets ("not tested") come last."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found: dict[str, type[Connector]] = {}
    waiting: list[Any] = [Connector]
    while waiting:
        for subclass in waiting.pop().__subclasses__():
            waiting.append(subclass)
            if "kind" in vars(subclass):
                found[subclass.kind] = subclass
    return dict(sorted(found.items(), key=lambda item: ("(" in item[1].label, item[1].label)))


def connector_class(kind: str) -> type[Connector]:
    """Return the connector class of ``kind``; raise KeyError when no module declares it."""
    return registry()[kind]
