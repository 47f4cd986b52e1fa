"""Premises of their own: a network namespace with an OpenLDAP on its loopback address, which only gateways in it reach.

The portal listens with HTTPS at one end of a cable (veth); gateways come from the other end.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from directories.described.document import dump
from tests import servers
from tests.directory_servers import SUFFIX, OpenLDAP
from tests.fixtures.waiting import ROOT


class Premises:
    """The namespace. ``outside`` is the portal's address on the cable, ``inside`` that of the other end."""

    def __init__(self) -> None:
        number = os.getpid()
        self.name = f"rc{number}"
        start = f"10.{200 + number % 50}.{number // 50 % 250}"
        self.outside, self.inside = f"{start}.1", f"{start}.2"
        self.processes: list[subprocess.Popen[bytes]] = []

    def build(self) -> None:
        """Lay the cable; skip the test where this process may not."""
        cable = (f"o{self.name}"[:15], f"i{self.name}"[:15])
        steps = [
            f"ip netns add {self.name}",
            f"ip link add {cable[0]} type veth peer name {cable[1]} netns {self.name}",
            f"ip addr add {self.outside}/30 dev {cable[0]}",
            f"ip link set {cable[0]} up",
            f"ip -n {self.name} addr add {self.inside}/30 dev {cable[1]}",
            f"ip -n {self.name} link set {cable[1]} up",
            f"ip -n {self.name} link set lo up",
        ]
        for step in steps:
            done = subprocess.run(step.split(), capture_output=True, check=False)
            if done.returncode != 0:
                self.leave()
                pytest.skip(f"No network of its own can be made here: {done.stderr.decode()}")

    def leave(self) -> None:
        """End everything, and take the namespace away."""
        for process in self.processes:
            kill(process)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)

    def inside_of(self, *command: str) -> list[str]:
        """Return the command that runs another one in the namespace."""
        return ["ip", "netns", "exec", self.name, *command]

    def gateway(self, file: Path, command: str, *more: str) -> "subprocess.Popen[bytes]":
        """Start the gateway's program in the namespace; Django cannot be imported by it."""
        code = (
            "import sys; sys.modules['django'] = None; from directories.gateway.__main__ import main;"
            " sys.exit(main(sys.argv[1:]))"
        )
        with file.with_suffix(".log").open("ab") as log:
            process = subprocess.Popen(
                self.inside_of(sys.executable, "-c", code, command, str(file), *more),
                cwd=ROOT,
                env={"PATH": os.environ.get("PATH", ""), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process group at once."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class HiddenLDAP(OpenLDAP):
    """An OpenLDAP in a namespace."""

    premises: Premises

    def fill(self, people: Sequence[tuple[str, str, str]]) -> None:
        """Write people (user name, first and last name) into it before it starts."""
        tree = self.folder / "people.ldif"
        tree.write_text(
            "\n".join(
                f"dn: uid={uid},{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {first} {last}\n"
                f"givenName: {first}\nsn: {last}\nmail: {uid}@example.org\n"
                for uid, first, last in people
            )
        )
        self.give(tree)
        self.run([self.find("slapadd"), "-q", "-f", str(self.folder / "slapd.conf"), "-l", str(tree)])

    def spawn(self, command: list[str]) -> "subprocess.Popen[bytes]":
        """Start the server itself in the namespace, still as its own account."""
        owner = self.owner()
        if owner is None or command[0] != self.find("slapd"):
            return super().spawn(command)
        as_owner = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                self.premises.inside_of(*as_owner, *command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check(self) -> None:
        """Connect from within."""
        code = f"import socket; socket.create_connection(('127.0.0.1', {self.port}), 2)"
        subprocess.run(self.premises.inside_of(sys.executable, "-c", code), check=True, capture_output=True)

    def people(self) -> list[Mapping[str, str]]:
        """Return everybody as the database file has them, read without a network."""
        command = [self.find("slapcat"), "-f", str(self.folder / "slapd.conf"), "-o", "ldif-wrap=no"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        entries = [
            dict(line.split(": ", 1) for line in part.splitlines() if ": " in line) for part in text.split("\n\n")
        ]
        return [entry for entry in entries if "uid" in entry]


def gateway_file(folder: Path, name: str, portal: str, ca: Path, ldap: OpenLDAP) -> Path:
    """Write a gateway's file."""
    secret = folder / "ldap-password"
    secret.write_text(ldap.password)
    settings: dict[str, Any] = {
        "preset": "openldap",
        "host": f"127.0.0.1:{ldap.tls_port}",
        "encryption": "ldaps",
        "ca": (ldap.folder / "server.crt").read_text(),
        "user": ldap.user,
        "base_dn": SUFFIX,
    }
    file = folder / f"{name}.yaml"
    directory = {"kind": "ldap", "settings": settings, "secrets": {"password": f"file:{secret}"}}
    document = {
        "portal": portal,
        "key": str(folder / f"{name}.key"),
        "name": name,
        "ca": str(ca),
        "directories": {"Staff": directory},
    }
    file.write_text(dump(document))
    return file


class Certificate(servers.Program):
    """Makes the portal's certificate."""

    name, package, binary = "portal", "openssl", "openssl"
    address = "127.0.0.1"

    def certificate_names(self) -> str:
        """The end of the cable."""
        return f"IP:{self.address}"
