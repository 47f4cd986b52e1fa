"""Certificates that expire: looked at once a day, each told of 30, 7 and 1 day before, and when it is too late.

No page waits for a server: what is shown is what the daily look found. Of a server that is away, or that shows no
certificate any more, the last one that was seen counts.
"""

import datetime as dt
import logging
from collections.abc import Iterator

from django.db.models import Q
from django.utils import timezone

from directories.config import load, open_connector
from directories.connectors.base import ConnectorError
from directories.connectors.server_certificate import valid_until
from directories.models import Directory
from provisioning.notices.causes import DANGER, Cause, FoundSubject, register
from provisioning.notices.models import Certificates

DAY = dt.timedelta(days=1)
STAGES = (1, 7, 30)  # days before: each is a notice of its own
MOST = 200  # subjects, and directories that one look asks
SERVER = "The certificate of {name}'s server"
AUTHORITY = "A certificate authority that {name} is trusted by"
RENEW = {
    SERVER: "Have it renewed there: the portal cannot connect after that.",
    AUTHORITY: "Paste the new one under Certificate authority: the portal cannot connect after that.",
}

log = logging.getLogger(__name__)


def look_at_due() -> None:
    """Look at the certificates of the directories in use that nobody looked at for a day."""
    due = Q(certificates=None) | Q(certificates__looked_at__lte=timezone.now() - DAY)
    for directory in Directory.objects.filter(due, enabled=True).order_by("pk")[:MOST]:
        look(directory)


def look(directory: Directory) -> None:
    """Note until when the certificates of a directory are valid."""
    pem = str((directory.settings or {}).get("ca") or "")
    values = {"authority_until": valid_until(pem) if pem else None, "looked_at": timezone.now()}
    try:
        with open_connector(load(directory.pk)) as connector:
            until = connector.certificate_until()
    except ConnectorError as error:
        log.info("The certificate of directory %s was not looked at (%s).", directory.pk, error.code)
        until = None
    if until is not None:
        values["server_until"] = until
    Certificates.objects.update_or_create(directory=directory, defaults=values)


def _expiring() -> Iterator[FoundSubject]:
    now = timezone.now()
    soon = now + max(STAGES) * DAY
    rows = Certificates.objects.filter(Q(server_until__lte=soon) | Q(authority_until__lte=soon))
    rows = rows.filter(directory__enabled=True).select_related("directory").order_by("pk")
    for row in rows[:MOST]:
        for name, words, until in (
            ("server", SERVER, row.server_until),
            ("authority", AUTHORITY, row.authority_until),
        ):
            if until is not None and until <= soon:
                yield _found(row, f"{name} of {row.directory_id}", words, until, until - now)


def _found(row: Certificates, subject: str, words: str, until: dt.datetime, left: dt.timedelta) -> FoundSubject:
    day = f"{timezone.localtime(until):%Y-%m-%d}"
    stage = next((days for days in STAGES if left <= days * DAY), max(STAGES)) if left > dt.timedelta(0) else 0
    when = f"expires on {day}" if stage else f"expired on {day}"
    path = f"/directories/directory/{row.directory_id}/change/"
    return FoundSubject(f"{subject} {stage}", f"{words.format(name=row.directory.name)} {when}", RENEW[words], path)


CERTIFICATES = Cause("certificate", "Certificates that expire", DANGER, "directories.view_directory", _expiring)
register(CERTIFICATES)
