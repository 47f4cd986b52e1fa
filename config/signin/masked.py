"""One-time links are kept out of every log. No Django in here: the web server uses it too."""

import logging
import re

LINK = re.compile(r"(/welcome/[^/\s]+/)[^/?#\s\"']+")


class WithoutLinks(logging.Filter):
    """Puts "…" in place of the secret part of a one-time link, wherever a line names one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        text = record.getMessage()
        if "/welcome/" in text:
            record.msg, record.args = LINK.sub(r"\1…", text), ()
        return True
