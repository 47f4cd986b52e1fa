"""The fixtures of imports, for histories that an import is part of."""

from tests.provisioning.imports.conftest import source

__all__ = ["source"]
