"""Settings, URLs and the Celery application of the portal.

SCIM's resource models are imported before anything else, though others use them: pydantic reads the docstring of each
attribute from its source (``use_attribute_docstrings``), and looks for that source in all loaded modules, once for
every frame of the stack. Deep in the admin's own imports this took as long as the rest of a process's start.
``inspect`` does not remember that it found none for frames without a file, so it is told about those beforehand.
"""

import gc
import inspect
import os

# Starting, migrating, an import of many people: each makes millions of objects and hardly any cycles, and looking for
# those after every few hundred objects took from a twelfth to a third of the time.
gc.set_threshold(50_000, 20, 20)

# What Python's own imports and generated functions call their files, and the module that it is.
FILELESS = {
    "<frozen importlib._bootstrap>": "importlib._bootstrap",
    "<frozen importlib._bootstrap_external>": "importlib._bootstrap_external",
    "<frozen runpy>": "runpy",
    "<string>": "",
}
inspect.modulesbyfile |= {os.path.abspath(file): module for file, module in FILELESS.items()}

import scim2_tester  # noqa: E402, F401 # with scim2_models and scim2_client

from config.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
