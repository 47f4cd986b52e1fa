"""The connection test of an LDAP directory: which part fails, and what to do about it."""

import datetime as dt
import socket
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from directories.connectors.allowed import check_host
from directories.connectors.base import ConnectionStep, ConnectionTest, ConnectorError
from directories.connectors.ldap import names
from directories.connectors.ldap.decoding import Raw
from directories.connectors.ldap.errors import NoBase
from directories.connectors.ldap.referrals import demand_all
from directories.connectors.ldap.session import Control, LdapSession, log_in, opened
from directories.connectors.ldap.settings import (
    LDAPS,
    NO_STATE,
    NONE,
    STARTTLS,
    UAC,
    UNPROTECTED,
    Address,
    LdapSettings,
)
from directories.connectors.server_certificate import ServerCertificate, look, shown_until
from directories.connectors.shared_fields import UNCHECKED_WORDS

NAME, PORT, TLS, LOGIN, BASE, FILTER, READ, WRITE = (
    *("Name", "Port", "TLS", "Login", "Base DN", "User filter", "Right to read", "Right to write"),
)
STEPS = (NAME, PORT, TLS, LOGIN, BASE, FILTER, READ, WRITE)
_SAMPLES = 3
_BASES = 3
# Offered for mapping even while no entry has them.
COMMON = (
    *("cn", "sn", "givenName", "displayName", "mail", "telephoneNumber", "mobile", "title", "departmentNumber"),
    *("employeeNumber", "employeeType", "o", "ou", "manager", "street", "l", "st", "postalCode", "preferredLanguage"),
)
COMMON_AD = (
    *("cn", "sn", "givenName", "displayName", "mail", "sAMAccountName", "userPrincipalName", "telephoneNumber"),
    *(
        "mobile",
        "title",
        "department",
        "division",
        "company",
        "employeeID",
        "employeeNumber",
        "employeeType",
        "manager",
    ),
    *("streetAddress", "l", "st", "postalCode", "co", "proxyAddresses", "memberOf", "accountExpires"),
)
_HIDDEN = frozenset({"userpassword", "unicodepwd", "jpegphoto", "thumbnailphoto", "ntsecuritydescriptor"})


def diagnose(settings: LdapSettings, controls: Sequence[Control]) -> ConnectionTest:
    """Try one part after another on a connection of its own; stop at the first that fails."""
    found = _Diagnosis(settings, controls).run()
    reached = {step.name: step for step in found.steps}
    missing = ConnectionStep("", None, "Not reached.")
    return replace(found, steps=[reached.get(name) or replace(missing, name=name) for name in STEPS])


def certificates_until(settings: LdapSettings) -> dt.datetime | None:
    """Return until when the first of the servers' certificates is valid, None without TLS or when all are away."""
    if settings.encryption == NONE:
        return None
    found = []
    for address in settings.servers:
        check_host(address.host, address.port)
        greet = {"greet": _start_tls} if settings.encryption == STARTTLS else {}
        found.append(shown_until(address.host, address.port, settings.connect_timeout, **greet))
    return min((until for until in found if until), default=None)


def _start_tls(opened: socket.socket) -> None:
    """Ask for TLS (RFC 4511, 4.14): message 1, an extended request with the object identifier of StartTLS."""
    name = b"1.3.6.1.4.1.1466.20037"
    request = b"\x80" + bytes([len(name)]) + name
    message = b"\x02\x01\x01\x77" + bytes([len(request)]) + request
    opened.sendall(b"\x30" + bytes([len(message)]) + message)
    opened.recv(4096)


class _Diagnosis:
    def __init__(self, settings: LdapSettings, controls: Sequence[Control]) -> None:
        self.settings = settings
        self.controls = controls
        self.steps: list[ConnectionStep] = []
        self.test = ConnectionTest(self.steps)

    def run(self) -> ConnectionTest:
        address = self._reachable()
        if address is None:
            return self.test
        try:
            connection = opened(self.settings, address)
        except ConnectorError as error:
            self.test = replace(self.test, certificate=self._certificate(address))
            return self._failed(TLS, error)
        session = LdapSession(self.settings, connection, self.controls)
        try:
            caution = self.settings.encryption == NONE or not self.settings.checked
            self.steps.append(ConnectionStep(TLS, True, self._tls_message(), caution))
            try:
                log_in(connection)
            except ConnectorError as error:
                return self._failed(LOGIN, error)
            self.steps.append(ConnectionStep(LOGIN, True, f"Logged in as {self.settings.user}."))
            return self._logged_in(session)
        finally:
            session.close()

    def _certificate(self, address: Address) -> ServerCertificate | None:
        if self.settings.encryption == NONE or not self.settings.checked:
            return None
        greet = {"greet": _start_tls} if self.settings.encryption == STARTTLS else {}
        return look(address.host, address.port, self.settings.connect_timeout, **greet)

    def _failed(self, name: str, error: ConnectorError) -> ConnectionTest:
        self.steps.append(ConnectionStep(name, False, error.message))
        return self.test

    def _reachable(self) -> Address | None:
        """Return the first server whose port is open; say of each what is wrong with it."""
        if not self.settings.servers:
            self.steps.append(ConnectionStep(NAME, False, "Type the name or address of the server."))
            return None
        resolved: list[str] = []
        unknown: list[str] = []
        closed: list[str] = []
        for address in self.settings.servers:
            try:
                check_host(address.host, address.port)
            except ConnectorError as error:
                self.steps.append(ConnectionStep(NAME, False, error.message))
                return None
            try:
                found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                unknown.append(address.host)
                continue
            resolved.append(f"{address.host} is {found[0][4][0]}.")
            try:
                with closing(socket.create_connection((address.host, address.port), self.settings.connect_timeout)):
                    self._named(resolved, unknown)
                    skipped = f" Not reached: {', '.join(closed)}." if closed else ""
                    message = f"Port {address.port} of {address.host} is open.{skipped}"
                    self.steps.append(ConnectionStep(PORT, True, message))
                    return address
            except OSError:
                closed.append(f"{address.host} port {address.port}")
        if self._named(resolved, unknown):
            message = f"Nothing answers at {', '.join(closed)}. Check address and port, whether the server runs, and "
            self.steps.append(ConnectionStep(PORT, False, message + "whether a firewall is in between."))
        return None

    def _named(self, resolved: Sequence[str], unknown: Sequence[str]) -> bool:
        missing = f"No server called {' or '.join(unknown)} is known. Check the spelling." if unknown else ""
        self.steps.append(ConnectionStep(NAME, bool(resolved), " ".join([*resolved, missing]).strip()))
        return bool(resolved)

    def _tls_message(self) -> str:
        if self.settings.encryption == NONE:
            return UNPROTECTED
        if not self.settings.checked:
            return UNCHECKED_WORDS
        kind = {LDAPS: "LDAPS", STARTTLS: "StartTLS"}[self.settings.encryption]
        return f"{kind}; the server's certificate and name are right."

    def _logged_in(self, session: LdapSession) -> ConnectionTest:
        version, latency = self._server(session)
        self.test = replace(self.test, version=version, latency_ms=latency)
        try:
            if not self.settings.base_dn:
                raise ConnectorError("Say where the users are: take a base DN that the server has, or type one.")
            base = session.read(self.settings.base_dn, ("*", "allowedChildClassesEffective"))
            if base is None:
                raise NoBase()
        except ConnectorError as error:
            self.test = replace(self.test, suggestions={"base_dn": self._bases(session)})
            return self._failed(BASE, error)
        self.steps.append(ConnectionStep(BASE, True, f"{base.dn} is there."))
        try:
            entries, more = self._first_page(session)
        except ConnectorError as error:
            return self._failed(FILTER, error)
        count = f"{len(entries):,}{' or more' if more else ''}"
        noun = "user" if count == "1" else "users"
        message = f"The filter finds {count} {noun}." if entries else "The filter finds no user (yet)."
        self.steps.append(ConnectionStep(FILTER, True, message))
        self.steps.append(self._may_read(entries))
        self.steps.append(self._may_write(session))
        return replace(self.test, attributes=self._attributes(entries))

    def _bases(self, session: LdapSession) -> list[str]:
        """Return what the server says that it has: of Active Directory only the domain, where users are."""
        root = session.read("", ("defaultNamingContext", "namingContexts"))
        bases = (root.get("defaultNamingContext") or root.get("namingContexts")) if root else ()
        return [base.decode(errors="replace") for base in bases[:_BASES]]

    def _server(self, session: LdapSession) -> tuple[str, float]:
        """Return what the server calls itself, and the shortest of a few round trips in milliseconds."""
        asked = ("vendorName", "vendorVersion", "domainControllerFunctionality", "dnsHostName", "namingContexts")
        times = []
        root: Raw | None = None
        for _ in range(_SAMPLES):
            started = time.perf_counter()
            root = session.read("", asked)
            times.append((time.perf_counter() - started) * 1000)
        if root is not None and root.get("domainControllerFunctionality"):
            return f"Active Directory, {root.text('dnsHostName')}", min(times)
        own = f"{root.text('vendorName')} {root.text('vendorVersion')}".strip() if root else ""
        return own or "LDAP version 3", min(times)

    def _first_page(self, session: LdapSession) -> tuple[list[Raw], bool]:
        settings = self.settings
        asked = ("*", settings.id_attribute, settings.identifier, settings.state_attribute)
        found = session.search(
            settings.user_filter,
            [name for name in asked if name != NO_STATE],
            page=settings.page_size,
        )
        demand_all(found.references)
        return found.entries, bool(found.cookie)

    def _may_read(self, entries: Sequence[Raw]) -> ConnectionStep:
        for name in (self.settings.id_attribute, self.settings.identifier):
            without = sum(not raw.get(name) for raw in entries)
            if without and without == len(entries):
                message = f"No entry shows its {name}. Give the portal's login the right to read it, or choose another."
                return ConnectionStep(READ, False, message)
            if without:
                message = f"{without:,} of these entries have no {name} and cannot be imported."
                return ConnectionStep(READ, True, message)
        return ConnectionStep(READ, True, "The portal's login sees what an import needs.")

    def _may_write(self, session: LdapSession) -> ConnectionStep:
        """Active Directory tells what may be added below an entry; other servers tell when it is tried."""
        container = names.from_template(self.settings.container, {})
        if self.settings.state_attribute != UAC:
            return ConnectionStep(WRITE, True, "Not tried: this server tells only when something is written.")
        try:
            found = session.read(container, ("allowedChildClassesEffective",))
        except ConnectorError as error:
            return ConnectionStep(WRITE, False, error.message)
        if found is None:
            message = f"The container {container} is not there, or the portal's login may not see it."
            return ConnectionStep(WRITE, self.settings.create_containers, message)
        if b"user" in found.get("allowedChildClassesEffective"):
            return ConnectionStep(WRITE, True, "The portal's login may add users in the container.")
        message = "The portal's login may not add users in the container. Enough for import, not for provisioning."
        return ConnectionStep(WRITE, True, message)

    def _attributes(self, entries: Sequence[Raw]) -> list[str]:
        common = COMMON_AD if self.settings.state_attribute == UAC else COMMON
        found = {name.lower(): name for name in (self.settings.identifier, *common)}
        for raw in entries:
            for name in raw.names:
                found.setdefault(name.lower(), name)
        return [name for key, name in found.items() if key not in _HIDDEN]
