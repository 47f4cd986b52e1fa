"""gunicorn's own log, written as the portal's."""

import logging
from typing import Any

from gunicorn.glogging import Logger

from config.env import log_format
from config.logs.formatter import PortalFormatter


class WebServerLogger(Logger):  # type: ignore[misc]  # the package has no types
    """Gives gunicorn's handlers the portal's format, which masks secrets."""

    def _set_handler(self, log: logging.Logger, output: str | None, fmt: logging.Formatter, stream: Any = None) -> None:
        super()._set_handler(log, output, PortalFormatter(log_format()), stream)
