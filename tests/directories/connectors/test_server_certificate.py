"""What is said of a certificate that trusting it would not help."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from directories.connectors.server_certificate import EXPIRED, NO_AUTHORITY, OTHER_NAME, look

NOW = dt.datetime.now(dt.UTC)
Serve = Callable[..., int]


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """``serve(issuer=..., until=..., host=...)``: the port of a server that shows such a certificate."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(issuer: str = "server", until: dt.timedelta = dt.timedelta(days=1), host: str = "localhost") -> int:
        key, signing = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        builder = x509.CertificateBuilder().subject_name(named("server")).issuer_name(named(issuer))
        builder = builder.public_key(key.public_key()).serial_number(7)
        builder = builder.not_valid_before(NOW - dt.timedelta(days=9)).not_valid_after(NOW + until)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        made = builder.sign(key if issuer == "server" else signing, hashes.SHA256())
        path = tmp_path / "server.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(secret + made.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)

        def answer() -> None:
            while True:
                try:
                    opened, _ = listening.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(opened, server_side=True).close()
                except OSError:
                    opened.close()

        threading.Thread(target=answer, daemon=True).start()
        return int(listening.getsockname()[1])

    yield serve
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        ({}, ""),
        ({"until": dt.timedelta(days=-1)}, EXPIRED),
        ({"host": "db.example.org"}, OTHER_NAME),
        ({"issuer": "Example CA"}, NO_AUTHORITY),
    ],
)
def test_what_is_said(serve: Serve, made: dict[str, str], problem: str) -> None:
    shown = look("localhost", serve(**made), 5)
    assert shown is not None
    assert (shown.problem, bool(shown.pem)) == (problem, not problem)
    assert (shown.subject, shown.issuer) == ("CN=server", "CN=Example CA" if "issuer" in made else "itself")
    assert len(shown.fingerprint) == 95


def test_a_port_without_tls_shows_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            listening.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        assert look("127.0.0.1", listening.getsockname()[1], 5) is None
