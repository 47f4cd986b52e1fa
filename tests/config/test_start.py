"""What makes the start of every process short."""

import importlib._bootstrap as bootstrap
import inspect


def test_the_module_of_a_function_without_a_file_is_known() -> None:
    """Otherwise ``inspect`` looks through all loaded modules, for each frame below each of SCIM's resource models."""
    assert inspect.getmodule(bootstrap._find_and_load.__code__) is bootstrap
