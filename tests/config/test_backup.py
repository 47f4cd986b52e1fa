"""A backup of PostgreSQL is restored by the commands of docs/backup.md; that of SQLite in ``test_run``."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet
from django.db import connection

from directories.models import Directory
from provisioning.models import User
from tests import servers
from tests.fixtures.documented import run_documented
from tests.fixtures.portal import Portal

NAME = "restored_from_backup"
COUNTED = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"


def counts(url: str) -> dict[str, int]:
    """Return the number of rows of each table."""
    with psycopg.connect(url) as database:
        tables = [name for (name,) in database.execute(COUNTED)]
        found = {}
        for name in tables:
            row = database.execute(f'SELECT count(*) FROM "{name}"'.encode()).fetchone()
            found[name] = row[0] if row else -1
    return found


@pytest.fixture
def environment(portal: Portal, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The shell of whoever backs up and restores; the restored database is thrown away."""
    url = portal.environment["DATABASE_URL"]
    tools = Path(servers.Postgres.find("pg_dump")).parent
    path = os.pathsep.join([str(Path(sys.executable).parent), str(tools), os.environ["PATH"]])
    yield portal.environment | {
        "PATH": path,
        "BACKUP": str(tmp_path / "backup"),
        "ADMIN_URL": f"{url.rpartition('/')[0]}/postgres",
        "OWNER": connection.settings_dict["USER"],
        "ROLLCALL_VAR_DIR": str(tmp_path / "var"),
    }
    with psycopg.connect(f"{url.rpartition('/')[0]}/postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)".encode())


@pytest.mark.heavy
def test_a_backup_is_restored_as_the_document_says(portal: Portal, environment: Mapping[str, str]) -> None:
    directory = Directory.objects.create(name="CRM", kind="sqlite", enabled=True, secrets={"password": "hunter2"})
    User.objects.create_user("anna", display_name="Anna Łovelace")
    done = run_documented("backup.md", "back up postgresql", environment)
    assert done.returncode == 0, done.stderr
    backup = Path(environment["BACKUP"])
    assert "provisioning_user" in (backup / "contents.txt").read_text()
    assert (backup / "rollcall.dump").stat().st_mode & 0o077 == 0
    before = counts(environment["DATABASE_URL"])
    User.objects.create_user("since")

    there = dict(environment) | {"DATABASE_URL": f"{environment['DATABASE_URL'].rpartition('/')[0]}/{NAME}"}
    done = run_documented("backup.md", "restore postgresql", there)
    assert done.returncode == 0, done.stderr
    assert counts(there["DATABASE_URL"]) == before
    again = run_documented("backup.md", "restore postgresql", there)
    assert again.returncode != 0
    assert "already exists" in again.stderr

    done = run_documented("backup.md", "begin again", there)
    assert done.returncode == 0, done.stderr
    assert f"{directory.name} is kept back." in done.stdout
    with psycopg.connect(there["DATABASE_URL"]) as database:
        names = database.execute("SELECT username, display_name FROM provisioning_user").fetchall()
        new = database.execute("SELECT nextval(pg_get_serial_sequence('provisioning_user', 'id'))").fetchone()
    assert names == [("anna", "Anna Łovelace")]
    assert new == (User.objects.get(username="anna").pk + 1,)

    portal.environment = there | {"ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    with pytest.raises(AssertionError, match="1 secrets could not be decrypted"):
        portal.manage("reencrypt", "--check")
