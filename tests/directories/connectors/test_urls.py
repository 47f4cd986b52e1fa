"""Pasted addresses."""

import pytest

from directories.connectors.sql.urls import parse_url

POSTGRES = {"kind": "postgresql", "host": "db", "port": 5432, "database": "APPSDB"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jdbc:postgresql://db:5432/APPSDB", POSTGRES),
        ("jdbc:postgresql:@db:5432/APPSDB", POSTGRES),
        ("jdbc:postgresql://db/APPSDB", POSTGRES),
        (
            "jdbc:postgresql://db/APPSDB?user=portal&password=p%26w&ssl=true",
            POSTGRES | {"user": "portal", "password": "p&w", "tls_mode": "require"},
        ),
        (
            " postgresql+psycopg://portal:p%40w@db:5433/APPSDB?sslmode=verify-full ",
            POSTGRES | {"port": 5433, "user": "portal", "password": "p@w", "tls_mode": "verify-full"},
        ),
        ("postgres://[::1]/APPSDB", POSTGRES | {"host": "::1"}),
        (
            "host=db port=5432 dbname='APPSDB' user=portal password='it\\'s' sslmode=disable",
            POSTGRES | {"user": "portal", "password": "it's", "tls_mode": "disable"},
        ),
        ("jdbc:mysql://db/APPSDB?useSSL=false", POSTGRES | {"kind": "mysql", "port": 3306, "tls_mode": "disable"}),
        ("mariadb://u@db:3307/APPSDB", POSTGRES | {"kind": "mariadb", "port": 3307, "user": "u"}),
        (
            "jdbc:sqlserver://db:1433;databaseName=APPSDB;encrypt=true;user=sa",
            POSTGRES | {"kind": "mssql", "port": 1433, "user": "sa", "tls_mode": "require"},
        ),
        ("jdbc:oracle:thin:@//db:1521/APPSDB", POSTGRES | {"kind": "oracle", "port": 1521}),
        ("sqlite:////srv/apps.db", {"kind": "sqlite", "database": "/srv/apps.db"}),
        ("jdbc:sqlite:/srv/apps.db", {"kind": "sqlite", "database": "/srv/apps.db"}),
    ],
)
def test_addresses(text: str, expected: dict[str, object]) -> None:
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "APPSDB",
        "http://db/x",
        "jdbc:postgresql://",
        "postgresql://u:s3cret@db:99999/x",
        "mysql://a,b/x",
        "sqlite://",
    ],
)
def test_what_is_no_address_is_refused_without_showing_a_password(text: str) -> None:
    with pytest.raises(ValueError, match=r"address cannot be read|Name the SQLite file") as caught:
        parse_url(text)
    assert "s3cret" not in str(caught.value)
