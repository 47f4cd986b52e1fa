"""One-time links are kept out of every log. No Django in here: the web server uses it too."""

import logging
import re
from contextlib import suppress

LINK = re.compile(r"(/welcome/[^/\s]+/)[^/?#\s\"']+")


class WithoutLinks(logging.Filter):
    """Puts "…" in place of the secret part of a one-time link, wherever a line names one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass.

        What a malformed call was to log is shown as it stands: ``logging`` would write its values unmasked.
        """
        try:
            text = record.getMessage()
        except Exception:
            text = _as_it_stands(record)
            record.msg, record.args = text, ()
        if "/welcome/" in text:
            record.msg, record.args = LINK.sub(r"\1…", text), ()
        return True


def _as_it_stands(record: logging.LogRecord) -> str:
    with suppress(Exception):
        return f"{record.msg} {record.args!r}"
    return f"The log call in line {record.lineno} of {record.filename} cannot be shown."
