"""Django application ``directories``."""

from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from directories.connectors import allowed, outgoing
from directories.connectors.push import store
from directories.connectors.scim import rate


class DirectoriesConfig(AppConfig):
    """See the package's docstring."""

    name = "directories"

    def ready(self) -> None:
        """Say what may be a directory: never the portal's own files, of which beat's schedule may be SQLite too."""
        from directories import rate_stores
        from directories.deliveries import Kept

        allowed.allow(
            folder=Path(settings.SQLITE_FOLDER),
            local_hosts=settings.ALLOW_LOCAL_DIRECTORIES,
            source_files=Path(settings.SOURCE_FILES_FOLDER),
            source_scripts=Path(settings.SOURCE_SCRIPTS_FOLDER) if settings.SOURCE_SCRIPTS_FOLDER else None,
        )
        outgoing.allow(settings.OUTGOING_NETWORKS)
        store.keep_in(Kept())
        rate.keep_in(rate_stores.store())
        allowed.keep_private(Path(settings.CELERY_BEAT_SCHEDULE_FILENAME))
        for database in settings.DATABASES.values():
            if database["ENGINE"] == "django.db.backends.sqlite3":
                allowed.keep_private(Path(database["NAME"]))
