"""The registry of connectors: every module or package in here that holds a ``Connector`` with a ``kind``."""

import importlib
import pkgutil
from functools import cache

from directories.connectors.base import Connector


@cache
def registry() -> dict[str, type[Connector]]:
    """Return the connector classes by kind, by label; those that are not recommended come last."""
    found: dict[str, type[Connector]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Connector) and "kind" in vars(value):
                found[value.kind] = value
    return dict(sorted(found.items(), key=lambda item: (not item[1].recommended, item[1].label)))


def connector_class(kind: str) -> type[Connector]:
    """Return the connector class of ``kind``; raise KeyError when no module declares it."""
    return registry()[kind]
