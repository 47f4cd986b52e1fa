"""The gateway's key file, and the enrolment that makes it: a key pair of its own, and the portal's public key.

The one-time code proves each end to the other: the portal learns the gateway's key with it, and answers with its own
key and a MAC under the code, which nobody in between has.
"""

import hashlib
import hmac
import os
import ssl
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson

from directories.gateway import messages
from directories.gateway.settings import GatewaySettings

ENROL = "/api/v1/gateway/enrol"
SECONDS = 30.0
LARGEST = 65_536
EXISTS = "The key file {path} is there already. Remove it to enrol this gateway anew."
NO_KEY = "The key file {path} is not there, or cannot be read. Enrol the gateway first."
OPEN_KEY = "Others may read the key file {path}. Take that right from them: chmod 600 {path}"
AWAY = "The portal cannot be reached at {portal}. Check the address, and that HTTPS to it is allowed from here."
REFUSED = "The portal refused the code. Make another one on the gateway's page; each counts once, and for an hour."
TOO_MANY = "The portal takes no code from this network for some minutes: too many were wrong. Try again later."
NOT_THE_PORTAL = "What answered is not the portal that made the code. Check the address, and who is in between."


class EnrolmentFailed(Exception):
    """The gateway was not enrolled; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class GatewayKeys:
    """Who this machine is to the portal, and whom it believes."""

    machine: int
    private: str = field(repr=False)
    portal: str


def proof_of(code: str, *parts: str) -> str:
    """Return what only who has the code can say of the parts."""
    return hmac.new(code.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def enrol(settings: GatewaySettings, code: str, version: str) -> str:
    """Make a key pair, enrol it, write the key file, and return the gateway's name; raise EnrolmentFailed."""
    if settings.key.exists():
        raise EnrolmentFailed(EXISTS.format(path=settings.key))
    private = messages.new_key()
    public = messages.public_text(messages.private_key(private))
    wanted = {"code": code.strip(), "public_key": public, "name": settings.name, "version": version}
    found = _answer(settings, wanted)
    keys = GatewayKeys(machine=found["machine"], private=private, portal=found["portal_key"])
    proof = proof_of(wanted["code"], public, keys.portal, str(keys.machine))
    if not hmac.compare_digest(proof, found["proof"]):
        raise EnrolmentFailed(NOT_THE_PORTAL)
    write(settings.key, keys)
    return str(found["gateway"])


def _answer(settings: GatewaySettings, wanted: dict[str, str]) -> dict[str, Any]:
    try:
        with client(settings) as http, http.stream("POST", settings.portal + ENROL, json=wanted) as answer:
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > LARGEST:
                    raise EnrolmentFailed(NOT_THE_PORTAL)
    except httpx2.HTTPError:
        raise EnrolmentFailed(AWAY.format(portal=settings.portal)) from None
    if answer.status_code == 429:
        raise EnrolmentFailed(TOO_MANY)
    if answer.status_code in (400, 403):
        raise EnrolmentFailed(REFUSED)
    try:
        found = orjson.loads(body)
        right = answer.status_code == 201 and type(found["machine"]) is int
        right = right and all(type(found[name]) is str for name in ("portal_key", "proof", "gateway"))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        right = False
    if not right:
        raise EnrolmentFailed(NOT_THE_PORTAL)
    return dict(found)


def client(settings: GatewaySettings, most: int = 64) -> httpx2.Client:
    """Return the way to the portal: its certificate is checked, and no redirect is followed."""
    context = ssl.create_default_context(cafile=str(settings.ca) if settings.ca else None)
    limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=60.0)
    return httpx2.Client(verify=context, timeout=SECONDS, limits=limits, follow_redirects=False)


def read(path: Path) -> GatewayKeys:
    """Return what the key file holds; raise EnrolmentFailed."""
    try:
        others = path.stat().st_mode & 0o077
        found = orjson.loads(path.read_bytes())
        keys = GatewayKeys(int(found["machine"]), str(found["private"]), str(found["portal"]))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise EnrolmentFailed(NO_KEY.format(path=path)) from None
    if others:
        raise EnrolmentFailed(OPEN_KEY.format(path=path))
    return keys


def write(path: Path, keys: GatewayKeys) -> None:
    """Write the key file, for its owner alone and never over another one; raise EnrolmentFailed."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(orjson.dumps(asdict(keys)))
    except OSError:
        raise EnrolmentFailed(f"The key file {path} cannot be written. Make its folder, or name another one.") from None
