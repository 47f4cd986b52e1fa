"""Reads the environment and refuses to start on a missing or weak secret, and on what cannot be read.

Every setting of the portal is an environment variable. For the embedded default, ``make run`` writes the
secrets that it generates to ``var/rollcall.env`` (mode 600), which is read here; a variable that is set in the
environment wins over the file.
"""

import warnings
import zoneinfo
from pathlib import Path
from typing import Any

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


class Environment(environ.Env):  # type: ignore[misc]  # the package has no types
    """Reads values; one that cannot be read is a sentence with the variable's name."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        """Return the value; raise ImproperlyConfigured."""
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError:
            raise ImproperlyConfigured(f"{var} is not a number. Correct it, or leave it out.") from None


env = Environment()
env_file = Path(env.str("ROLLCALL_ENV_FILE", default=str(BASE_DIR / "var" / "rollcall.env")))
if env_file.is_file():
    env.read_env(str(env_file))


def secret_key() -> str:
    """Return ``SECRET_KEY``; raise ImproperlyConfigured when it is missing or easy to guess."""
    value: str = env.str("SECRET_KEY", default="")
    if len(value) < 50 or len(set(value)) < 10 or value.startswith("django-insecure"):
        raise ImproperlyConfigured(
            "SECRET_KEY is missing or weak. Set it to 50 or more random characters, for example the output of: "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    return value


def encryption_keys() -> list[str]:
    """Return ``ENCRYPTION_KEYS``, newest first; raise ImproperlyConfigured unless each is a Fernet key."""
    keys = [key.strip() for key in env.list("ENCRYPTION_KEYS", default=[]) if key.strip()]
    try:
        for key in keys:
            Fernet(key)
    except ValueError:
        keys = []
    if not keys:
        raise ImproperlyConfigured(
            "ENCRYPTION_KEYS is missing or not a list of Fernet keys. Credentials are encrypted with the first key and "
            "read with all of them. Make one with: "
            "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        )
    return keys


def days_kept(name: str, least: int = 30) -> int:
    """Return for how many days something is kept, 0 for ever; raise ImproperlyConfigured when that is too short."""
    days: int = env.int(name, default=0)
    if days and days < least:
        raise ImproperlyConfigured(f"{name} is {days}. Set it to {least} days or more, or to 0, which keeps all.")
    return days


def database(default: str) -> dict[str, Any]:
    """Return what ``DATABASE_URL`` says; raise ImproperlyConfigured unless it is a PostgreSQL or SQLite database's."""
    try:
        with warnings.catch_warnings(action="ignore"):  # a warning would show the password
            found: dict[str, Any] = env.db_url_config(env.str("DATABASE_URL", default=default))
    except ValueError:
        found = {}
    if found.get("ENGINE") not in {"django.db.backends.postgresql", "django.db.backends.sqlite3"}:
        raise ImproperlyConfigured(
            "DATABASE_URL is not the address of a PostgreSQL or SQLite database. Write it like this, with other "
            "characters than letters and digits of the password as %XX: postgres://user:password@host:5432/rollcall"
        )
    return found


def log_format() -> str:
    """Return ``LOG_FORMAT``, with HTTPS "json" by default; raise ImproperlyConfigured for another word."""
    name: str = env.str("LOG_FORMAT", default="json" if env.bool("HTTPS", default=True) else "text")
    if name not in {"json", "text"}:
        raise ImproperlyConfigured("LOG_FORMAT is neither json nor text. Set it to one of them.")
    return name


def time_zone() -> str:
    """Return ``TIME_ZONE``; raise ImproperlyConfigured when this machine knows no such zone."""
    name: str = env.str("TIME_ZONE", default="UTC")
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ImproperlyConfigured("TIME_ZONE is no time zone. Write it like this: Europe/Berlin") from None
    return name
