"""Whether a database server can be reached at all: its name, its port and its TLS, tried without the driver."""

import socket
from contextlib import closing

from directories.connectors.allowed import check_host
from directories.connectors.base import ConnectionStep, ConnectorError
from directories.connectors.sql.settings import SqlSettings

NAME, PORT, TLS = "Name", "Port", "TLS"


def reach(settings: SqlSettings) -> list[ConnectionStep]:
    """Return the steps up to an open port, and whether TLS is as the settings want it where that can be asked."""
    if not settings.host:
        return [ConnectionStep(NAME, False, "Type the name or address of the server.")]
    try:
        check_host(settings.host, settings.port)
    except ConnectorError as error:
        return [ConnectionStep(NAME, False, error.message)]
    try:
        addresses = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        message = f"No server called {settings.host} is known. Check the spelling, or ask for its address."
        return [ConnectionStep(NAME, False, message)]
    steps = [ConnectionStep(NAME, True, f"{settings.host} is {addresses[0][4][0]}.")]
    try:
        opened = socket.create_connection((settings.host, settings.port), timeout=settings.connect_timeout)
    except TimeoutError:
        message = f"Nothing answered on port {settings.port} within {settings.connect_timeout} seconds. A firewall "
        return [*steps, ConnectionStep(PORT, False, message + "may be in between; check host and port.")]
    except OSError:
        message = f"Nothing listens on port {settings.port}. Check the port, and that the database server runs."
        return [*steps, ConnectionStep(PORT, False, message)]
    with closing(opened):
        steps.append(ConnectionStep(PORT, True, f"Port {settings.port} is open."))
        if settings.tls_mode != "disable":
            steps += settings.dialect.probe_tls(opened)
    return steps
