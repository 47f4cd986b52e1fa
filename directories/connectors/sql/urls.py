"""The address of a database, pasted in whatever form the admin has it: SQLAlchemy, libpq or JDBC."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from directories.connectors.sql.dialects import DIALECTS, POSTGRESQL
from directories.connectors.sql.dialects.base import Dialect

_SCHEMES = {scheme: dialect for dialect in DIALECTS.values() for scheme in dialect.schemes}
_TLS = {
    "disable": "disable",
    "disabled": "disable",
    "false": "disable",
    "off": "disable",
    "0": "disable",
    "allow": "require",
    "prefer": "require",
    "preferred": "require",
    "require": "require",
    "required": "require",
    "trust": "require",
    "true": "require",
    "1": "require",
    "strict": "verify-full",
    "verify-ca": "verify-full",
    "verify_ca": "verify-full",
    "verify-full": "verify-full",
    "verify_identity": "verify-full",
}
_TLS_KEYS = ("sslmode", "ssl-mode", "tls", "ssl", "usessl", "encrypt")
UNREADABLE = (
    "This address cannot be read. It should look like postgresql://user@host:5432/database "
    "or jdbc:postgresql://host:5432/database."
)


def parse_url(text: str) -> dict[str, Any]:
    """Return the settings that an address holds, with its ``kind``; raise ValueError with words for the admin.

    Takes ``postgresql+psycopg://user:password@host:5432/APPSDB?sslmode=require``, libpq's ``host=... dbname=...``,
    ``jdbc:postgresql://host:5432/APPSDB``, the form ``jdbc:postgresql:@host:5432/APPSDB`` that guides of other products
    show, ``jdbc:sqlserver://host;databaseName=X`` and ``jdbc:oracle:thin:@//host:1521/SERVICE``. A password in the
    address becomes the setting ``password``.
    """
    text = text.strip()
    if re.match(r"^\w+\s*=", text) and "://" not in text:
        return _keywords(text)
    match = re.match(r"^(?:jdbc:)?([a-z0-9]+)(?:\+[a-z0-9_]+)?:(?:thin:)?(.*)$", text, re.IGNORECASE | re.DOTALL)
    dialect = _SCHEMES.get(match[1].lower()) if match else None
    if match is None or dialect is None:
        raise ValueError(UNREADABLE)
    if dialect.in_file:
        return {"kind": dialect.kind, "database": _path(match[2])}
    return _network(dialect, match[2])


def _path(rest: str) -> str:
    path = unquote(rest.partition("?")[0].removeprefix("file:"))
    # SQLAlchemy writes sqlite:///relative and sqlite:////absolute; JDBC writes jdbc:sqlite:path.
    path = path[2:].removeprefix("/") if path.startswith("//") else path
    if not path or path == ":memory:":
        raise ValueError("Name the SQLite file, for example sqlite:////srv/data/appsdb.sqlite3.")
    return path


def _network(dialect: Dialect, rest: str) -> dict[str, Any]:
    """Read ``user:password@host:port/database?name=value``, and ``host:port;name=value`` as JDBC writes it."""
    address, *properties = rest.lstrip("/").removeprefix("@").lstrip("/").split(";")
    try:
        parts = urlsplit(f"//{address}")
        port = parts.port or dialect.port
    except ValueError:
        raise ValueError(UNREADABLE) from None
    options = {key.lower(): value for key, value in parse_qsl(parts.query, keep_blank_values=True)}
    for item in properties:
        key, _, value = item.partition("=")
        options[key.strip().lower()] = value
    host = parts.hostname or _first(options, "host", "servername")
    if not host or "," in parts.netloc:
        raise ValueError(UNREADABLE)
    database = unquote(parts.path.strip("/")) or _first(options, "databasename", "database")
    user = unquote(parts.username or "") or _first(options, "user", "username")
    password = unquote(parts.password or "") or _first(options, "password")
    found = {"kind": dialect.kind, "host": host, "port": port, "database": database}
    return found | _login(user, password) | _tls(options)


def _first(options: Mapping[str, str], *names: str) -> str:
    """Return the first of these options that has a value, "" when none has."""
    return next((options[name] for name in names if options.get(name)), "")


def _login(user: str, password: str) -> dict[str, Any]:
    return {key: value for key, value in (("user", user), ("password", password)) if value}


def _tls(options: dict[str, str]) -> dict[str, Any]:
    value = next((options[key].lower() for key in _TLS_KEYS if key in options), None)
    return {"tls_mode": _TLS[value]} if value in _TLS else {}


def _keywords(text: str) -> dict[str, Any]:
    """Read libpq's ``host=db port=5432 dbname=APPSDB user=portal``; values may be quoted."""
    pairs = re.findall(r"(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))", text)
    options = {key.lower(): re.sub(r"\\(.)", r"\1", quoted) or bare for key, quoted, bare in pairs}
    port = options.get("port", str(POSTGRESQL.port))
    if not options.get("host") or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(UNREADABLE)
    found = {
        "kind": POSTGRESQL.kind,
        "host": options["host"],
        "port": int(port),
        "database": options.get("dbname", ""),
    }
    return found | _login(options.get("user", ""), options.get("password", "")) | _tls(options)
