"""What browsers reach: the address, HTTPS, static files."""

import datetime as dt
import filecmp
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core import checks
from django.utils import timezone

from config.doctor.mistakes import Mistake, red, yellow
from directories.connectors.server_certificate import shown_until

LOOPBACK = {"localhost", "127.0.0.1", "[::1]", "::1"}
CERTIFICATE_DAYS = 14
SECONDS = 5.0  # that the portal's own address has to show its certificate
TOKEN_LENGTH = 16
COLLECT = "Run: manage.py collectstatic --noinput"


def django_checks() -> Iterator[Mistake]:
    """Django's own checks of the code and the settings."""
    for message in checks.run_checks():
        if message.level >= checks.ERROR and not message.is_silenced():
            yield red(f"Django's check {message.id} fails: {message.msg}", message.hint or "Run: manage.py check")


def debug() -> Iterator[Mistake]:
    """Error pages tell nothing of the inside."""
    if settings.DEBUG:
        yield red("DEBUG is on: whoever meets an error reads the portal's inside.", "Set DEBUG=false and start again.")


def allowed_hosts() -> Iterator[Mistake]:
    """The portal answers to its own names, and to no others."""
    if "*" in settings.ALLOWED_HOSTS:
        yield red(
            "ALLOWED_HOSTS has *: links in mails can be made to lead elsewhere.",
            "Name the portal's own host names instead.",
        )
    elif settings.HTTPS and not _names():
        yield red(
            "The portal answers to the names of this machine itself only.",
            "Set ALLOWED_HOSTS to the host name that people type.",
        )


def https() -> Iterator[Mistake]:
    """Nothing travels in the clear but on the machine itself, and redirects to HTTPS end."""
    if not settings.HTTPS and _names():
        yield red(
            "HTTPS is off, and other machines may use the portal: passwords travel in the clear.",
            "Put a proxy that speaks HTTPS before it, and set HTTPS=true and BEHIND_PROXY=true.",
        )
    if settings.HTTPS and not settings.BEHIND_PROXY:
        yield yellow(
            "HTTPS is on, but no proxy is trusted: all clients may count as one address, or be redirected for ever.",
            "Set BEHIND_PROXY=true when the proxy always sets X-Forwarded-Proto and adds to X-Forwarded-For.",
        )


def portal_url() -> Iterator[Mistake]:
    """Links in mails and of commands lead to the portal."""
    host = urlsplit(settings.PORTAL_URL).hostname or ""
    if host in LOOPBACK and (settings.HTTPS or settings.EMAIL_HOST):
        yield yellow(
            f"Links that the portal sends lead to {settings.PORTAL_URL}, which others cannot open.",
            "Set PORTAL_URL to the address that people type.",
        )
    elif settings.HTTPS and not settings.PORTAL_URL.startswith("https://"):
        yield yellow("Links that the portal sends begin with http://.", "Let PORTAL_URL begin with https://.")


def own_certificate() -> Iterator[Mistake]:
    """The certificate that the portal's address shows is not about to expire; one that is not to be had is no news."""
    parts = urlsplit(settings.PORTAL_URL)
    if parts.scheme != "https" or not parts.hostname:
        return
    until = shown_until(parts.hostname, parts.port or 443, SECONDS)
    if until is None or until > timezone.now() + dt.timedelta(days=CERTIFICATE_DAYS):
        return
    day = f"{timezone.localtime(until):%Y-%m-%d}"
    if until <= timezone.now():
        yield red(f"The certificate of {settings.PORTAL_URL} expired on {day}.", "Renew it on the proxy.")
    else:
        yield yellow(f"The certificate of {settings.PORTAL_URL} expires on {day}.", "Renew it on the proxy.")


def metrics_token() -> Iterator[Mistake]:
    """The token of the numbers cannot be guessed."""
    if 0 < len(settings.METRICS_TOKEN) < TOKEN_LENGTH:
        yield yellow("METRICS_TOKEN is so short that it can be guessed.", "Set it to 32 or more random characters.")


def static_files() -> Iterator[Mistake]:
    """Styles and scripts of the pages were collected, from this version of the code."""
    root = Path(settings.STATIC_ROOT)
    try:
        collected = json.loads((root / "staticfiles.json").read_bytes())["paths"]
    except (OSError, ValueError, KeyError):
        yield red(f"Styles and scripts of the pages are not in {root}.", COLLECT)
        return
    sources: dict[str, Path] = {}  # of a name that stands in several places the first counts, as for collectstatic
    for finder in get_finders():
        for name, storage in finder.list([]):
            sources.setdefault(name, Path(storage.path(name)))
    if not all(name in collected and _same(path, root / name) for name, path in sources.items()):
        yield red(f"Styles and scripts in {root} are of another version of the portal.", COLLECT)


def _same(source: Path, copy: Path) -> bool:
    try:
        return filecmp.cmp(source, copy, shallow=False)
    except OSError:
        return False


def _names() -> set[str]:
    """Return the host names that the portal answers to, without those of the machine itself."""
    return set(settings.ALLOWED_HOSTS) - LOOPBACK
