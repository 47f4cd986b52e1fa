"""Imports from an OpenLDAP and deliveries to it, through a gateway that is 20 ms away from the portal and direct.

The portal's web server, the gateway and the step that is measured are processes of their own; the gateway reaches the
web server through a line that adds half of a round trip each way (``distant``).
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import django

from tests import servers
from tests.bench import directory, distant
from tests.bench.steps import NAME, ROOT, run_step

AWAY = 0.020  # seconds a round trip
GOAL = "; to reach: 0.7 of direct"


def measured_in(variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Measure the same steps direct and through the gateway."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        program, server = directory.started(folder / "openldap", count)
        note = folder / "settings.json"
        note.write_text(json.dumps(directory.settings(server)))
        written = max(500, count // 50)
        try:
            run_step(variables, "tests.bench.steps", "prepare_ldap", str(note))
            direct = steps(variables, server, written)
            with portal_and_gateway(variables, folder, server):
                run_step(variables, "tests.bench.gateway", "prepare")
                through = steps(variables, server, written)
        finally:
            program.stop()
    for what, rate in through.items():
        yield (f"{what}, direct", f"{direct[what]:,.0f} /s", "1.00", "")
        yield (f"{what}, through a gateway 20 ms away", f"{rate:,.0f} /s{GOAL}", f"{rate / direct[what]:.2f}", "")


def steps(variables: dict[str, str], server: servers.Server, written: int) -> dict[str, float]:
    """Return the rates of a first and an unchanged import, and of creates and updates."""
    found: dict[str, float] = {}
    run_step(variables, "tests.bench.steps", "forget")
    for what in ("First import", "Unchanged import"):
        step = run_step(variables, "tests.bench.steps", "import")
        found[what] = step["rows"] / step["seconds"]
    step = run_step(variables, "tests.bench.steps", "outbound", str(written))
    link = directory.link(server)
    directory.empty(link)
    link.unbind()
    return {**found, "Creates": step["creates"], "Updates": step["updates"]}


@contextmanager
def portal_and_gateway(variables: dict[str, str], folder: Path, server: servers.Server) -> Iterator[None]:
    """Run the web server and an enrolled gateway that knows the directory."""
    port = servers.free_port()
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--threads", "8"]
    web = subprocess.Popen(command, env={**variables, "WEB_THREADS": "8"}, cwd=ROOT)
    gateway: subprocess.Popen[bytes] | None = None
    try:
        _wait(port)
        with distant.proxy("127.0.0.1", port, AWAY) as far:
            file = write_file(folder, far, directory.settings(server))
            code = subprocess.run(
                [sys.executable, "-m", "tests.bench.gateway", "code"],
                env=variables, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
            ).stdout.splitlines()[-1]  # fmt: skip
            program = [sys.executable, "-m", "directories.gateway"]
            subprocess.run([*program, "enrol", str(file), "--code", json.loads(code)["code"]], cwd=ROOT, check=True)
            gateway = subprocess.Popen([*program, "run", str(file)], cwd=ROOT)
            run_step(variables, "tests.bench.gateway", "wait")
            yield
    finally:
        for process in (gateway, web):
            if process is not None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def write_file(folder: Path, port: int, settings: dict[str, Any]) -> Path:
    """Write the gateway's file."""
    from directories.described.document import dump

    secret = folder / "ldap-password"
    secret.write_text(settings["password"])
    plain = {name: value for name, value in settings.items() if name != "password"}
    there = {
        "kind": "ldap",
        "settings": {**plain, "container": directory.OUT},
        "secrets": {"password": f"file:{secret}"},
    }
    file = folder / "gateway.yaml"
    document = {"portal": f"http://127.0.0.1:{port}", "key": str(folder / "gateway.key"), "directories": {NAME: there}}
    file.write_text(dump(document))
    return file


def _wait(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5)
            return
        time.sleep(0.1)
    raise SystemExit("The web server did not start.")


def code() -> dict[str, str]:
    """Make a one-time code."""
    from provisioning.gateway import enrolment
    from provisioning.gateway.models import Gateway

    return {"code": enrolment.new_code(Gateway.objects.create(name="bench"), "bench")}


def wait() -> dict[str, float]:
    """Wait until the gateway has spoken."""
    from provisioning.gateway.models import Machine

    while not Machine.objects.exclude(about={}).exists():
        time.sleep(0.1)
    return {}


def prepare() -> dict[str, float]:
    """Let the directory be reached through the gateway, with everything else as it is."""
    from directories.models import Directory

    Directory.objects.filter(name=NAME).update(kind="gateway", settings={"gateway": "bench", "name": NAME}, secrets={})
    return {}


STEPS = {"code": code, "wait": wait, "prepare": prepare}

if __name__ == "__main__":
    django.setup()
    print(json.dumps(STEPS[sys.argv[1]]()))
