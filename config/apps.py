"""The portal's own Django application: health endpoints and the start page."""

import importlib
import logging
from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks

from config import connections
from config.env import log_format
from config.logs.formatter import JSON


class PagesConfig(SimpleAdminConfig):
    """Django's admin, whose pages ``config.urls`` reads: workers, beat and the listener need none of them to start."""

    def ready(self) -> None:
        """Check the pages once they are read."""
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_pages, checks.Tags.admin)


def _check_pages(**options: Any) -> list[checks.CheckMessage]:
    importlib.import_module("config.urls")
    return check_admin_app(**options)


class ConfigConfig(AppConfig):
    """Holds what belongs to the portal as a whole and to no other app."""

    name = "config"
    label = "portal"

    def ready(self) -> None:
        """Register the look-ups of every field, and follow requests and sign-ins."""
        importlib.import_module("config.database.lookups")
        importlib.import_module("config.second_factor.told")
        importlib.import_module("config.overviews.mails")
        importlib.import_module("config.roles.notices")
        connections.watch()
        if log_format() == JSON:
            logging.captureWarnings(True)  # else they would be lines of their own
