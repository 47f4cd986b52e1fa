"""Django application ``directories``."""

from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from directories.connectors.sql.connect import keep_private


class DirectoriesConfig(AppConfig):
    """See the package's docstring."""

    name = "directories"

    def ready(self) -> None:
        """Keep the portal's own files out of reach of SQLite directories; from Python 3.13, beat's schedule is one."""
        keep_private(Path(settings.CELERY_BEAT_SCHEDULE_FILENAME))
        for database in settings.DATABASES.values():
            if database["ENGINE"] == "django.db.backends.sqlite3":
                keep_private(Path(database["NAME"]))
