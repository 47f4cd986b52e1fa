"""Certificate authorities from the settings as files, because libpq reads them from nowhere else."""

import atexit
import hashlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def _folder(process: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rollcall-ca-"))
    atexit.register(_remove, folder, process)
    return folder


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:  # a forked child inherits the parent's exit handlers
        shutil.rmtree(folder, ignore_errors=True)


def ca_file(pem: str) -> str:
    """Return the path of a file that holds ``pem``; the folder is only this user's and goes with the process."""
    path = _folder(os.getpid()) / f"{hashlib.sha256(pem.encode()).hexdigest()}.pem"
    if not path.exists():
        path.write_text(pem)
    return str(path)
