"""What certificate a server shows: for somebody who is asked whether to trust it, and until when it is valid."""

import datetime as dt
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

EXPIRED = "It is not valid today, so the portal cannot trust it. It has to be renewed there."
OTHER_NAME = "It is for another name, so the portal cannot trust it here. Use a name that it has as the host."
NO_AUTHORITY = (
    "The server does not show the certificate of the authority that issued it. Ask the people who run the server for "
    "that certificate, and paste it under Certificate authority."
)
_DATES, _NAMES = {9, 10}, {62, 64}  # OpenSSL's numbers: X509_V_ERR_CERT_NOT_YET_VALID and so on
Greeting = Callable[[socket.socket], None]


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate in words. ``pem`` is what trusting it means as the authority, "" with the ``problem``."""

    subject: str
    issuer: str
    valid_from: str
    valid_until: str
    fingerprint: str
    pem: str = ""
    problem: str = ""


def look(host: str, port: int, seconds: float, greet: Greeting = lambda opened: None) -> ServerCertificate | None:
    """Return the certificate that the server shows, None when there is none. ``greet`` leads up to the handshake."""
    try:
        found = _shown(host, port, seconds, greet)
        if found is None:
            return None
        pem = found.public_bytes(Encoding.PEM).decode()
        problem = _problem(pem, host, port, seconds, greet)
    except (OSError, ValueError):
        return None
    return ServerCertificate(
        subject=found.subject.rfc4514_string() or "no name",
        issuer="itself" if found.issuer == found.subject else found.issuer.rfc4514_string(),
        valid_from=f"{found.not_valid_before_utc:%Y-%m-%d}",
        valid_until=f"{found.not_valid_after_utc:%Y-%m-%d}",
        fingerprint=found.fingerprint(SHA256()).hex(":").upper(),
        pem="" if problem else pem,
        problem=problem,
    )


def shown_until(host: str, port: int, seconds: float, greet: Greeting = lambda opened: None) -> dt.datetime | None:
    """Return until when the certificate is valid that the server shows, None when it shows none."""
    try:
        found = _shown(host, port, seconds, greet)
    except (OSError, ValueError):
        return None
    return found.not_valid_after_utc if found else None


def valid_until(pem: str) -> dt.datetime | None:
    """Return until when the first of the certificates of a text in PEM form is valid, None when there is none."""
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return None
    return min((one.not_valid_after_utc for one in found), default=None)


def _shown(host: str, port: int, seconds: float, greet: Greeting) -> x509.Certificate | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with _hands_shaken(context, host, port, seconds, greet) as shaken:
        der = shaken.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der) if der else None


def _problem(pem: str, host: str, port: int, seconds: float, greet: Greeting) -> str:
    """Return why a connection would not work either if this certificate were the authority, "" if it would."""
    context = ssl.create_default_context(cadata=pem)
    context.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN  # Python 3.13 sets it; the drivers' own TLS does not
    try:
        with _hands_shaken(context, host, port, seconds, greet):
            return ""
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _DATES:
            return EXPIRED
        return OTHER_NAME if error.verify_code in _NAMES else NO_AUTHORITY


def _hands_shaken(context: ssl.SSLContext, host: str, port: int, seconds: float, greet: Greeting) -> ssl.SSLSocket:
    opened = socket.create_connection((host, port), timeout=seconds)
    try:
        greet(opened)
        return context.wrap_socket(opened, server_hostname=host)
    except BaseException:
        opened.close()
        raise
