"""Fixtures: directories under test."""

import datetime as dt
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

pytest.register_assert_rewrite("tests.directories.connectors.contract", "tests.directories.connectors.group_contract")

from directories.connectors import allowed  # noqa: E402
from directories.connectors.push import store  # noqa: E402
from tests.directories.connectors.ldap_subject import LdapSubject  # noqa: E402 - after the rewrite is registered
from tests.directories.connectors.record_subjects import (  # noqa: E402
    HttpSubject,
    JsonSubject,
    PushSubject,
    ScriptSubject,
    TableSubject,
    http_subject,
)
from tests.directories.connectors.scim_subject import ScimSubject  # noqa: E402
from tests.directories.connectors.script_target_subject import ScriptTargetSubject  # noqa: E402
from tests.directories.connectors.sql_subject import SqlSubject  # noqa: E402 - after the rewrite is registered
from tests.fixtures.databases import Database  # noqa: E402
from tests.fixtures.ldap import LdapDirectory  # noqa: E402
from tests.fixtures.scim_server import ScimServer  # noqa: E402


@pytest.fixture(params=["pg", "mariadb", "sqlite"])
def sql(request: pytest.FixtureRequest) -> SqlSubject:
    """A SQL directory, once on each kind of database."""
    return SqlSubject(request.getfixturevalue(f"{request.param}_directory"))


@pytest.fixture
def pg(pg_directory: Database) -> SqlSubject:
    """A SQL directory on PostgreSQL."""
    return SqlSubject(pg_directory)


@pytest.fixture
def mariadb_sql(mariadb_directory: Database) -> SqlSubject:
    """A SQL directory on MariaDB."""
    return SqlSubject(mariadb_directory)


@pytest.fixture
def sqlite_sql(sqlite_directory: Database) -> SqlSubject:
    """A SQL directory in a SQLite file."""
    return SqlSubject(sqlite_directory)


@pytest.fixture
def ldap(ldap_directory: LdapDirectory) -> LdapSubject:
    """A directory on OpenLDAP."""
    return LdapSubject(ldap_directory)


@pytest.fixture
def ad(ad_directory: LdapDirectory) -> LdapSubject:
    """A directory on Samba's domain controller."""
    return LdapSubject(ad_directory)


@pytest.fixture
def scim(scim_server: ScimServer) -> ScimSubject:
    """An application that speaks SCIM."""
    return ScimSubject(scim_server)


@pytest.fixture
def http_source() -> Iterator[HttpSubject]:
    """A source of truth on an HTTP server."""
    with http_subject() as subject:
        yield subject


@pytest.fixture
def files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder below which files of sources are read."""
    folder = tmp_path / "sources"
    folder.mkdir()
    monkeypatch.setattr(allowed, "_source_files", folder)
    return folder


@pytest.fixture
def table_source(files_folder: Path) -> TableSubject:
    """A source of truth in a CSV file."""
    return TableSubject(files_folder)


@pytest.fixture
def json_source(files_folder: Path) -> JsonSubject:
    """A source of truth in a JSON file."""
    return JsonSubject(files_folder)


@pytest.fixture
def scripts_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the operator's scripts."""
    folder = tmp_path / "scripts"
    folder.mkdir(mode=0o755)
    monkeypatch.setattr(allowed, "_source_scripts", folder)
    return folder


@pytest.fixture
def script_source(scripts_folder: Path) -> ScriptSubject:
    """A source of truth that a script reads."""
    return ScriptSubject(scripts_folder)


@pytest.fixture
def script_target(scripts_folder: Path) -> ScriptTargetSubject:
    """Accounts that a script keeps."""
    return ScriptTargetSubject(scripts_folder)


@pytest.fixture
def push_source(monkeypatch: pytest.MonkeyPatch) -> PushSubject:
    """A source of truth that pushes."""
    subject = PushSubject()
    monkeypatch.setattr(store, "_stores", [subject])
    return subject


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key with a certificate of its own for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path
