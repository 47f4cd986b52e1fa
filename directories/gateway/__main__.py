"""``python -m directories.gateway COMMAND FILE``: the gateway's program. ``config/bin/rollcall-gateway`` calls it.

``check`` reads the file, ``enrol`` asks for the one-time code and makes the key file, ``test`` tries each directory,
and ``run`` works until it is stopped.
"""

import argparse
import getpass
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import FrameType

from directories.connectors import allowed, outgoing
from directories.connectors.base import ConnectorError
from directories.described.document import DocumentError
from directories.gateway import keys
from directories.gateway.keys import EnrolmentFailed
from directories.gateway.portal import Portal
from directories.gateway.program import GatewayProgram
from directories.gateway.settings import GatewaySettings, load
from directories.gateway.work import ConnectorWork

FAILED, WRONG, REFUSED = 1, 2, 3  # exit codes; systemd does not start it again after the third
EVERYWHERE = ("0.0.0.0/0", "::/0")  # whoever writes the file decides which addresses are opened


def version() -> str:
    """Return the version of the portal that this gateway is a part of."""
    try:
        return metadata.version("rollcall")
    except metadata.PackageNotFoundError:
        import tomllib

        text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8")
        return str(tomllib.loads(text)["project"]["version"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one command and return the exit code."""
    parser = argparse.ArgumentParser(prog="rollcall-gateway", description=__doc__)
    parser.add_argument("command", choices=["check", "enrol", "test", "run"])
    parser.add_argument("file", type=Path, help="the gateway's YAML file")
    parser.add_argument("--code", default="", help="the one-time code; it is asked for when it is left out")
    found = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        settings = load(found.file, socket.gethostname()[:64])
    except DocumentError as error:
        _say(f"{found.file} cannot be used.\n{error}")
        return WRONG
    open_addresses(settings)
    try:
        return _do(found.command, settings, found.code)
    except EnrolmentFailed as error:
        _say(str(error))
        return FAILED


def open_addresses(settings: GatewaySettings) -> None:
    """Let connectors open what the file names, wherever that is: these addresses are the operator's own words."""
    outgoing.allow(EVERYWHERE)
    allowed.allow(folder=None, local_hosts=True, source_files=settings.files, source_scripts=settings.scripts)
    allowed.keep_private(settings.key)


def _do(command: str, settings: GatewaySettings, code: str) -> int:
    match command:
        case "check":
            _say(f"The file is right. Directories: {', '.join(settings.directories)}.")
            return 0
        case "enrol":
            code = code or getpass.getpass("One-time code: ")
            name = keys.enrol(settings, code, version())
            _say(f"This machine is enrolled for {name}. Start it: rollcall-gateway run")
            return 0
        case "test":
            return _test(settings)
    return _run(settings)


def _test(settings: GatewaySettings) -> int:
    well = True
    for name, directory in settings.directories.items():
        try:
            with directory.connector(directory.config) as connector:
                steps = connector.test().steps
        except ConnectorError as error:
            _say(f"{name}: {error.message}")
            well = False
            continue
        for step in steps:
            _say(f"{name}: {step.name}: {step.words}")
        well = well and all(step.ok for step in steps)
    return 0 if well else FAILED


def _run(settings: GatewaySettings) -> int:
    own = keys.read(settings.key)
    portal = Portal(settings, own)
    gateway = GatewayProgram(portal, ConnectorWork(settings.directories), version())

    def stop(number: int, frame: FrameType | None) -> None:
        gateway.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    logging.info("The gateway asks %s for work on %s.", settings.portal, ", ".join(settings.directories))
    gateway.run()
    portal.close()
    return REFUSED if gateway.refusal else 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
