"""Real servers for the tests: each is made in a temporary folder on a free port, once per test run.

Whoever asks first starts a server (under a file lock) and leaves a note beside its data; every other worker of the run
reads the note. A keeper process (``python -m tests.servers FOLDER``) waits for the run to end, however it ends, Ctrl-C
and SIGKILL included, and then stops everything that left a note and removes the folder.

A new kind of server is one more subclass of ``Program``.
"""

import fcntl
import hashlib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import psycopg
import pymysql
import redis

ROOT = Path(__file__).resolve().parents[1]
APPS = ("config", "directories", "provisioning", "reports", "scim")
KEPT = 4  # migrated databases of earlier runs
_IMPORT = re.compile(r"^(?:from|import) ([\w.]+)(?: import ([\w, ]+))?", re.MULTILINE)
START_SECONDS = 60
STOP_SECONDS = 15
PROGRAM_FOLDERS = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/sbin"]


Kind = TypeVar("Kind", bound="Program")


class Missing(Exception):
    """A server program is not installed on this machine."""


@dataclass(frozen=True)
class Server:
    """A running server and how to reach it. ``ca`` is the PEM of the certificate it shows, when it speaks TLS."""

    name: str
    host: str
    port: int
    user: str = ""
    password: str = ""
    pid: int = 0
    folder: str = ""
    ca: str = ""

    @property
    def url(self) -> str:
        """The address as one line."""
        login = f"{self.user}:{self.password}@" if self.user else ""
        return f"{self.name}://{login}{self.host}:{self.port}"


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        port: int = listener.getsockname()[1]
        return port


class Program:
    """How one kind of server is prepared in a folder, started, found ready and stopped."""

    name: ClassVar[str]
    package: ClassVar[str]
    binary: ClassVar[str]
    account: ClassVar[str] = "nobody"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM  # at the end of the run, when the data does not matter
    gentle_signal: ClassVar[signal.Signals] = signal.SIGTERM
    user: ClassVar[str] = ""
    copied: ClassVar[bool] = False  # whether a copy of what is prepared takes less time than preparing it

    def __init__(self, folder: Path, port: int = 0, password: str = "") -> None:
        self.folder = folder
        self.port = port or free_port()
        self.password = password or secrets.token_urlsafe(12)

    def prepare(self) -> None:
        """Make what the server needs in its folder before its first start."""

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise any exception while the server is not ready to serve."""
        raise NotImplementedError

    @classmethod
    def find(cls, binary: str) -> str:
        """Return the path of one of the server's programs; raise Missing."""
        path = shutil.which(binary, path=os.pathsep.join([os.environ.get("PATH", ""), *PROGRAM_FOLDERS]))
        if path is None:
            raise Missing(f"{binary} is not installed: run `make test`, or `apt-get install {cls.package}`.")
        return path

    def owner(self) -> pwd.struct_passwd | None:
        """Return the unprivileged account to run as, None when this process is not root."""
        if os.geteuid() != 0:
            return None
        with suppress(KeyError):
            return pwd.getpwnam(self.account)
        return pwd.getpwnam("nobody")

    def spawn(self, command: list[str]) -> "subprocess.Popen[bytes]":
        """Start ``command`` in its own session (Ctrl-C must not reach it), as the unprivileged owner."""
        owner = self.owner()
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                user=owner.pw_uid if owner else None,
                group=owner.pw_gid if owner else None,
                extra_groups=[] if owner else None,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": str(self.folder)},
            )

    def run(self, command: list[str]) -> None:
        """Run a preparing command to its end; raise RuntimeError with the log when it fails."""
        if self.spawn(command).wait() != 0:
            raise RuntimeError(f"{command[0]} failed:\n{self.log()}")

    def log(self) -> str:
        """Return the end of what the server wrote."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def give(self, *paths: Path) -> None:
        """Hand the paths to the account that the server runs as."""
        if owner := self.owner():
            for path in paths:
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def install(self) -> Self:
        """Make the folder and what the server needs in it."""
        self.find(self.binary)
        self.folder.mkdir(parents=True)
        self.give(self.folder)
        self.prepare()
        return self

    def install_copy(self, prepared: Path) -> Self:
        """Install what another server of this kind, with the same password, prepared and never started."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--archive", str(prepared), str(self.folder)], check=True)
        return self

    def start(self) -> Server:
        """Start the server and wait until it serves."""
        process = self.spawn(self.command())
        self.note(process.pid)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self.check()
                break
            except Exception as error:
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{self.name} did not start ({error}):\n{self.log()}") from error
                time.sleep(0.05)
        return self.server(process.pid)

    def server(self, pid: int) -> Server:
        """Describe the running server."""
        ca = self.folder / "server.crt"
        return Server(
            name=self.name,
            host="127.0.0.1",
            port=self.port,
            user=self.user,
            password=self.password,
            pid=pid,
            folder=str(self.folder),
            ca=ca.read_text() if ca.exists() else "",
        )

    def note(self, pid: int) -> None:
        """Tell the keeper what to stop."""
        (self.folder / "stop.json").write_text(json.dumps({"pid": pid, "signal": int(self.stop_signal)}))

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return (self.folder / "stop.json").exists()

    def stop(self) -> None:
        """Stop the server and keep its data, so that ``start`` brings it back."""
        stop_noted(self.folder / "stop.json", self.gentle_signal)

    def certificate_names(self) -> str:
        """Return the names and addresses that the certificate is for."""
        return "DNS:localhost,IP:127.0.0.1"

    def certificate(self) -> None:
        """Write ``server.crt`` and ``server.key``, signed by itself for ``certificate_names``."""
        key, certificate = self.folder / "server.key", self.folder / "server.crt"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-days", "30", "-subj", "/CN=localhost", "-addext", f"subjectAltName={self.certificate_names()}"),
                *("-keyout", str(key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        key.chmod(0o600)
        self.give(key, certificate)


class Postgres(Program):
    """PostgreSQL with durability off. It refuses to run as root."""

    name, package, binary, account, user = "postgresql", "postgresql", "postgres", "postgres", "rollcall"
    stop_signal = signal.SIGQUIT
    gentle_signal = signal.SIGINT
    copied = True

    @classmethod
    def find(cls, binary: str) -> str:
        """Look into Debian's versioned folders first: they are not on the PATH."""
        for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
            if (folder / binary).exists():
                return str(folder / binary)
        return super().find(binary)

    def prepare(self) -> None:
        """Make an empty cluster."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        self.give(secret)
        self.certificate()
        self.run(
            [
                *(self.find("initdb"), "-D", str(self.folder / "data"), "-U", self.user, "--pwfile", str(secret)),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
            ]
        )

    def command(self) -> list[str]:
        """Listen on the loopback address and, because sockets need a place, in the folder."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "300",
            "shared_buffers": "256MB",
            "max_wal_size": "4GB",
            "jit": "off",  # compiling a statement takes longer than any table of the tests
            "ssl": "on",
            "ssl_cert_file": str(self.folder / "server.crt"),
            "ssl_key_file": str(self.folder / "server.key"),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self.find("postgres"), "-D", str(self.folder / "data"), *options]

    def check(self) -> None:
        """Connect."""
        psycopg.connect(
            host="127.0.0.1", port=self.port, user=self.user, password=self.password, dbname="postgres"
        ).close()


class MariaDB(Program):
    """MariaDB with durability off."""

    name, package, binary, account, user = "mariadb", "mariadb-server", "mariadbd", "mysql", "rollcall"
    stop_signal = signal.SIGKILL

    def prepare(self) -> None:
        """Make an empty data folder and the user that the tests sign in as."""
        self.certificate()
        setup = self.folder / "setup.sql"
        setup.write_text(
            f"CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO '{self.user}'@'%' WITH GRANT OPTION;\n"
        )
        self.give(setup)
        (self.folder / "data").mkdir()
        self.give(self.folder / "data")
        self.run(
            [
                *(self.find("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder / 'data'}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
            ]
        )

    def command(self) -> list[str]:
        """Listen on the loopback address."""
        return [
            self.find("mariadbd"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--init-file={self.folder / 'setup.sql'}",
            f"--ssl-cert={self.folder / 'server.crt'}",
            f"--ssl-key={self.folder / 'server.key'}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=64M",
            "--character-set-server=utf8mb4",
        ]

    def check(self) -> None:
        """Connect."""
        pymysql.connect(host="127.0.0.1", port=self.port, user=self.user, password=self.password).close()


class Redis(Program):
    """Redis that keeps nothing on disk."""

    name, package, binary, account = "redis", "redis-server", "redis-server", "redis"

    def command(self) -> list[str]:
        """Listen on the loopback address."""
        return [self.find("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), "--save", ""]

    def check(self) -> None:
        """Ping."""
        with redis.Redis(port=self.port) as client:
            client.ping()


def shared_folder() -> Path:
    """Return the folder of this test run, which every worker shares."""
    return Path(os.environ["ROLLCALL_TEST_FOLDER"])


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one worker of the run at a time do what is called ``name``."""
    with (shared_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def once(name: str, make: Callable[[], Any]) -> Any:
    """Return what ``make`` returned when the first worker of the run called it (anything that JSON can hold)."""
    note = shared_folder() / f"{name}.json"
    with locked(name):
        if not note.exists():
            note.write_text(json.dumps(make()))
        return json.loads(note.read_text())


def installed(program: type[Kind], folder: Path, port: int = 0, password: str = "") -> Kind:
    """Return a new server of that kind. What is prepared for it is prepared once a run and copied, where that helps."""
    if not program.copied:
        return program(folder, port, password).install()
    prepared = shared_folder() / f"{program.name}-prepared"
    password = str(once(prepared.name, lambda: program(prepared, password=password).install().password))
    return program(folder, port, password).install_copy(prepared)


def shared(program: type[Program], port: int = 0, password: str = "") -> Server:
    """Return the run's one server of that kind; the first to ask starts it."""
    folder = shared_folder() / program.name
    return Server(**once(program.name, lambda: asdict(installed(program, folder, port, password).start())))


def template() -> str:
    """Return the name of the run's migrated database, from which every worker's own is made."""
    return str(once("template", _migrate))


def _migrate() -> str:
    login = f"{Postgres.user}:{os.environ['ROLLCALL_TEST_PASSWORD']}@127.0.0.1:{os.environ['ROLLCALL_TEST_PORT']}"
    with psycopg.connect(f"postgresql://{login}/postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS template")
        connection.execute("CREATE DATABASE template")
    kept = _kept()
    if kept.exists():
        _run([Postgres.find("pg_restore"), f"--dbname=postgresql://{login}/template", str(kept)])
        return "template"
    _run([sys.executable, "manage.py", "migrate", "--verbosity=0"], DATABASE_URL=f"postgres://{login}/template")
    with psycopg.connect(f"postgresql://{login}/template", autocommit=True) as connection:
        connection.execute(_KEEP_WHAT_MIGRATIONS_WROTE)
    _keep(f"postgresql://{login}/template", kept)
    return "template"


def _kept() -> Path:
    """Return where the migrated database of an earlier run is: of the same migrations, what they import, libraries and
    server.
    """
    migrations = {path for app in APPS for path in (ROOT / app).rglob("migrations/*.py")}
    modules = {path for migration in migrations for path in imported(migration.read_text())}
    libraries = sorted(f"{one.name} {one.version}" for one in distributions())
    told = hashlib.sha256("\n".join([Postgres.find("postgres"), *libraries]).encode())
    for path in sorted(migrations | modules | {ROOT / "config" / "settings.py", Path(__file__)}):
        told.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return ROOT / ".pytest_cache" / f"migrated-{told.hexdigest()[:24]}.dump"


def imported(text: str) -> Iterator[Path]:
    """Yield the files of the portal's own modules that a migration imports."""
    for module, names in _IMPORT.findall(text):
        if module.partition(".")[0] in APPS:
            parts = [module, *(f"{module}.{name.strip()}" for name in names.split(","))]
            files = (ROOT / f"{part.replace('.', '/')}{end}" for part in parts for end in (".py", "/__init__.py"))
            yield from (file for file in files if file.exists())


def _keep(address: str, kept: Path) -> None:
    """Keep the migrated database for later runs, and no more than a few of other migrations or libraries."""
    kept.parent.mkdir(exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}")
    _run([Postgres.find("pg_dump"), "--format=custom", f"--file={part}", f"--dbname={address}"])
    part.replace(kept)
    for old in sorted(kept.parent.glob("migrated-*"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)


def _run(command: list[str], **variables: str) -> None:
    """Run a command that makes the database of the tests."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"The database of the tests could not be migrated:\n{done.stderr}")


_KEEP_WHAT_MIGRATIONS_WROTE = """
CREATE SCHEMA migrated;
DO $$
DECLARE
    name text;
    filled boolean;
BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE migrated.%I AS TABLE public.%I', name, name);
        END IF;
    END LOOP;
END $$
"""

# Writers are waited for first, as a TRUNCATE would; that of a hundred tables takes a hundred times longer than this.
_RESTORE = """
DO $$
DECLARE
    name text;
    filled boolean;
BEGIN
    SET LOCAL session_replication_role = replica;  -- no triggers, also none of foreign keys
    FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('LOCK TABLE public.%I IN EXCLUSIVE MODE', name);
    END LOOP;
    FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
        IF filled THEN
            EXECUTE format('DELETE FROM public.%I', name);
        END IF;
        IF to_regclass(format('migrated.%I', name)) IS NOT NULL THEN
            EXECUTE format('INSERT INTO public.%I TABLE migrated.%I', name, name);
        END IF;
    END LOOP;
END $$
"""


def restore(execute: Callable[[str], Any]) -> None:
    """Make a database that came from the template as it came; ``execute`` runs a statement in it as a superuser."""
    execute(_RESTORE)


def alive(pid: int) -> bool:
    """Tell whether the process runs (a zombie that nobody has waited for does not)."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stop_noted(note: Path, gentle: signal.Signals | None = None) -> None:
    """Stop the server whose note this is, by SIGKILL when it takes too long."""
    order = json.loads(note.read_text())
    note.unlink()
    for number in (gentle or order["signal"], signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(order["pid"], number)
        until = time.monotonic() + STOP_SECONDS
        while alive(order["pid"]) and time.monotonic() < until:
            time.sleep(0.02)


def keep(folder: Path) -> None:
    """Wait until the run's end of the pipe closes, then stop every server of the run and remove the folder."""
    sys.stdin.buffer.read()
    for note in folder.rglob("stop.json"):
        stop_noted(note)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
