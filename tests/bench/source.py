"""The directory that the benches read and write, and the floors: the least that anybody could do with its rows."""

import time
from typing import Any

import psycopg

COLUMNS = ("username", "password", "firstname", "lastname", "email_address")
CHECK = "SELECT username FROM users WHERE username = %s"
INSERT = "INSERT INTO users VALUES (%s, %s, %s, %s, %s)"
UPDATE = "UPDATE users SET firstname = %s, lastname = %s, email_address = %s WHERE username = %s"


def fill(dsn: str, count: int) -> None:
    """Make the seed's table with ``count`` people."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS users")
        connection.execute(f"CREATE TABLE users ({', '.join(f'{name} varchar(255)' for name in COLUMNS)})")
        connection.execute(
            "INSERT INTO users SELECT 'person' || n, 'secret', 'First' || n, 'Last' || n, n || '@example.org'"
            " FROM generate_series(1, %s) AS n",
            [count],
        )
        connection.execute("CREATE UNIQUE INDEX users_by_name ON users (username)")
        connection.execute("VACUUM ANALYZE users")


def touch(dsn: str, percent: int) -> int:
    """Change ``percent`` of the people and return how many that are."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(
            "UPDATE users SET lastname = lastname || 'x' WHERE hashtext(username) %% 100 BETWEEN 0 AND %s",
            [percent - 1],
        )
        return cursor.rowcount


def copy_rate(dsn: str) -> float:
    """Return rows a second of the import's floor: a streamed read and a COPY of the same rows."""
    with psycopg.connect(dsn) as reader, psycopg.connect(dsn) as writer:
        writer.execute("DROP TABLE IF EXISTS floor")
        writer.execute("CREATE TABLE floor AS TABLE users WITH NO DATA")
        rows, begun = 0, time.perf_counter()
        with (
            reader.cursor(name="floor") as source,
            writer.cursor().copy(f"COPY floor ({', '.join(COLUMNS)}) FROM STDIN") as target,
        ):
            source.itersize = 2000
            for row in source.execute("SELECT * FROM users"):
                target.write_row(row)
                rows += 1
        writer.commit()
        return rows / (time.perf_counter() - begun)


def loop_rates(dsn: str, count: int) -> tuple[float, float]:
    """Return creates and updates a second of the outbound floor: check, write and commit, one person at a time."""
    with psycopg.connect(dsn) as connection:
        connection.execute("TRUNCATE users")
        connection.commit()
        created = _loop(
            connection, INSERT, [(f"raw{n}", "secret", f"F{n}", f"L{n}", f"r{n}@example.org") for n in range(count)]
        )
        updated = _loop(connection, UPDATE, [(f"G{n}", f"M{n}", f"s{n}@example.org", f"raw{n}") for n in range(count)])
        connection.execute("TRUNCATE users")
        connection.commit()
    return created, updated


def _loop(connection: "psycopg.Connection[Any]", sql: str, rows: list[tuple[str, ...]]) -> float:
    begun = time.perf_counter()
    for row in rows:
        connection.execute(CHECK, [row[0] if sql is INSERT else row[-1]]).fetchone()
        connection.execute(sql, row)
        connection.commit()
    return len(rows) / (time.perf_counter() - begun)
