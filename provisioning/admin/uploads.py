"""Where an uploaded users file waits between its preview and its import."""

import re
import time
import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from import_export.tmp_storages import BaseStorage

from directories.encryption import decrypt, encrypt

KEPT_SECONDS = 24 * 3600


class UploadStorage(BaseStorage):  # type: ignore[misc]
    """An encrypted file under ``ROLLCALL_VAR_DIR``, named by chance: its name comes back from a form."""

    def save(self, data: bytes) -> None:
        """Keep the file, and drop those that nobody came back for."""
        folder = _folder()
        for old in folder.iterdir():
            if old.stat().st_mtime < time.time() - KEPT_SECONDS:
                old.unlink(missing_ok=True)
        self.name = uuid.uuid4().hex
        path = folder / self.name
        path.touch(mode=0o600)
        path.write_text(encrypt(data.decode("latin-1")))  # it may hold passwords

    def read(self) -> Any:
        """Return the file; raise FileNotFoundError when it is gone or was never ours."""
        return decrypt(self._path().read_text()).encode("latin-1")

    def remove(self) -> None:
        """Drop the file."""
        self._path().unlink(missing_ok=True)

    def _path(self) -> Path:
        if not re.fullmatch(r"[0-9a-f]{32}", self.name or ""):
            raise FileNotFoundError("No such upload.")
        return _folder() / str(self.name)


def _folder() -> Path:
    folder = Path(settings.VAR_DIR) / "uploads"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
