"""``make run``: the portal with everything it needs as one foreground program.

It makes the secrets once, brings the data up to date, runs the programs of the Procfile and says where to sign in.
A program that ends is started again. Ctrl-C, SIGTERM and a closed terminal stop all of it, and so do a port that is
taken and a configuration that is broken.
"""

import errno
import fcntl
import json
import math
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet

from config.env import BASE_DIR
from config.supervisor import CannotRun, Supervisor, programs

READY_SECONDS = 60  # after which it is said that this takes long
ROOT_IS_FINE = "ignore:You're running the worker with superuser privileges"  # in a container, for a try


def write_secrets(path: Path) -> bool:
    """Write fresh secrets to ``path``, readable by its owner only; False when the file is there already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (
        "# Secrets of this portal, made by `make run`. Losing ENCRYPTION_KEYS loses every stored credential.\n"
        f"SECRET_KEY={secrets.token_urlsafe(50)}\n"
        f"ENCRYPTION_KEYS={Fernet.generate_key().decode()}\n"
        "HTTPS=false\n"
    )
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return True


def listen_error(host: str, port: int) -> int:
    """Return the number of the error that listening on the port ends with now, 0 for none."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            return error.errno or errno.EADDRNOTAVAIL
    return 0


def port_number(text: str) -> int:
    """Return the port that ``text`` names; raise CannotRun when it is none."""
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise CannotRun(f"PORT is no port number: {text}. Choose one, for example: make run PORT=9000")
    return int(text)


def check_port(host: str, port: int) -> None:
    """Raise CannotRun when the portal cannot listen on the port."""
    match listen_error(host, port):
        case 0:
            return
        case errno.EADDRINUSE | errno.EACCES as error:
            reason = "is taken by another program" if error == errno.EADDRINUSE else "is for root only"
            free = next(other for other in range(9000, 65536) if not listen_error(host, other))
            raise CannotRun(f"Port {port} {reason}. Choose another one, for example: make run PORT={free}")
        case _:
            raise CannotRun(f"HOST is no address of this machine: {host}. Leave it out, or set it to 127.0.0.1.")


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the data folder; raise CannotRun when another ``make run`` holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun("This portal runs already (in another terminal?). Stop it there first.") from None
        yield


def prepare() -> str:
    """Migrate, collect static files and load the demo; return the administrator's password when it is new."""
    done = subprocess.run(
        [sys.executable, "manage.py", "prepare"], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise CannotRun("The portal's data could not be brought up to date; the lines above say why.")
    password: str = json.loads(done.stdout)["password"]
    return password


def welcome(address: str, password: str) -> str:
    """Return the lines that a newcomer reads first."""
    login = (
        f"  Password: {password}\n            (shown this once and stored nowhere in clear)"
        if password
        else "  Password: as before; to set a new one: .venv/bin/python manage.py changepassword admin"
    )
    return f"\n  Rollcall is ready: {address}\n\n  User name: admin\n{login}\n\n  Ctrl-C stops it; the data stays.\n"


def own_address(host: str, port: int) -> str:
    """Return where this machine itself reaches the portal."""
    return f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0', '::') else host}:{port}"  # noqa: S104


def announce(address: str, password: str) -> None:
    """Print the welcome as soon as the portal says that all its parts are ready."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy of the machine is for other hosts
    # Other names than the loopback ones are refused unless ALLOWED_HOSTS has them.
    asked = urllib.request.Request(f"{address}/readyz", headers={"Host": "localhost"})  # noqa: S310 (our own address)
    slow_at = time.monotonic() + READY_SECONDS
    while True:
        try:
            with opener.open(asked, timeout=5):
                print(welcome(address, password), flush=True)  # noqa: T201
                return
        except OSError:
            if time.monotonic() > slow_at:
                print(f"The portal is still not ready: {address}/readyz says why.", flush=True)  # noqa: T201
                slow_at = math.inf
            time.sleep(0.5)


def may_start_again(name: str, host: str, port: int) -> None:
    """Raise CannotRun when one of the portal's programs ended for a reason that a new start does not repair."""
    if name == "web":
        check_port(host, port)
    command = [sys.executable, "manage.py", "check"]
    if subprocess.run(command, cwd=BASE_DIR, stdout=subprocess.DEVNULL, check=False).returncode:  # noqa: S603
        raise CannotRun("The portal's configuration is broken; the lines above say why. Correct it and start again.")


def run(host: str, port: int, password: str) -> None:
    """Run the Procfile until a signal; raise CannotRun when its programs cannot run."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {"LOG_LEVEL": "WARNING", "PYTHONWARNINGS": ROOT_IS_FINE} | os.environ
    environment |= {"PATH": path, "PYTHONUNBUFFERED": "1"}
    supervisor = Supervisor(
        programs(BASE_DIR / "Procfile"), environment, BASE_DIR, check=lambda name: may_start_again(name, host, port)
    )
    threading.Thread(target=announce, args=(own_address(host, port), password), daemon=True).start()
    supervisor.run()


def main() -> int:
    """Start the embedded portal."""
    os.umask(0o077)  # its files hold people, sessions and stored credentials: nobody else on this machine reads them
    folder = Path(os.environ.get("ROLLCALL_VAR_DIR", BASE_DIR / "var"))
    try:
        with only_one(folder):
            host, port = os.environ.get("HOST", "127.0.0.1"), port_number(os.environ.get("PORT", "8000"))
            check_port(host, port)
            write_secrets(Path(os.environ.get("ROLLCALL_ENV_FILE", BASE_DIR / "var" / "rollcall.env")))
            run(host, port, prepare())
    except CannotRun as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
