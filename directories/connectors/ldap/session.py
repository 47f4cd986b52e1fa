"""One open connection to a directory server: requests out, entries in, refusals in a helpdesk's words."""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.protocol.rfc4527 import post_read_control

from directories.connectors.allowed import check_host
from directories.connectors.base import ConnectorError, Unavailable
from directories.connectors.ldap import decoding
from directories.connectors.ldap.decoding import Raw
from directories.connectors.ldap.errors import (
    FORGOTTEN,
    LDAP_ERRORS,
    LOST_PLACE,
    NO_SUCH_OBJECT,
    SUCCESS,
    NoBase,
    broken,
    refused,
    unavailable,
)
from directories.connectors.ldap.settings import LDAPS, LEVEL, STARTTLS, Address, LdapSettings

IDLE_SECONDS = 120.0
PAGED = "1.2.840.113556.1.4.319"
Control = tuple[str, bool, bytes | None]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to a search; ``cookie`` is not empty while a paged search has more to give.

    ``references`` are the addresses of parts of the tree that are elsewhere (see ``referrals``).
    """

    entries: list[Raw] = field(default_factory=list)
    cookie: bytes = b""
    references: Sequence[str] = ()


class _Tls(ldap3.Tls):
    """TLS by Python's own rules: ldap3's do not know addresses in certificates and hide why a handshake failed."""

    def __init__(self, settings: LdapSettings) -> None:
        super().__init__()
        self.failure: ssl.SSLError | None = None
        self._context = ssl.create_default_context(cadata=settings.ca or None)
        if not settings.checked:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Shake hands with the server and check its certificate for the name that the admin wrote."""
        try:
            connection.socket = self._context.wrap_socket(connection.socket, server_hostname=connection.server.host)
        except ssl.SSLError as error:
            self.failure = error
            raise


class _Server(ldap3.Server):
    """A server, or exactly the one of those behind its name that ``known`` is the resolved address of."""

    known: Sequence[Any] | None = None

    def candidate_addresses(self) -> Sequence[Any]:
        """Return the resolved addresses to try."""
        return [self.known] if self.known else super().candidate_addresses()  # type: ignore[no-untyped-call]


def connect(settings: LdapSettings, address: Address, known: Sequence[Any] | None = None) -> ldap3.Connection:
    """Return a connection to one server on which the portal is logged in; raise ConnectorError."""
    connection = opened(settings, address, known)
    with _closing_on_error(connection):
        log_in(connection)
    return connection


def opened(settings: LdapSettings, address: Address, known: Sequence[Any] | None = None) -> ldap3.Connection:
    """Return a connection that is encrypted as the settings want it, before any login; raise ConnectorError."""
    check_host(address.host, address.port)
    try:
        tls = _Tls(settings)
    except ssl.SSLError:
        raise ConnectorError("The certificate authority is not a certificate in PEM form.", code="settings") from None
    server = _Server(
        address.host,
        address.port,
        use_ssl=settings.encryption == LDAPS,
        tls=tls,
        get_info=ldap3.NONE,
        connect_timeout=settings.connect_timeout,
    )
    server.known = known
    connection = ldap3.Connection(
        server,
        settings.user,
        settings.password,
        check_names=False,  # names are sent as they are written here: ldap3 would escape them once more
        auto_referrals=False,
        auto_range=True,
        receive_timeout=settings.statement_timeout,
    )
    decoding.use(connection)
    try:
        connection.open(read_server_info=False)
        if settings.encryption == STARTTLS:
            connection.start_tls(read_server_info=False)
    except LDAP_ERRORS as error:
        _drop(connection)
        raise broken(tls.failure or error) from None
    return connection


def log_in(connection: ldap3.Connection) -> None:
    """Log in with the settings' user; raise ConnectorError."""
    if not (connection.user and connection.password):
        # A bind with an empty password succeeds as nobody in particular (RFC 4513, 5.1.2).
        raise ConnectorError("Type the login and its password on the directory's page.", code="settings")
    try:
        done = connection.bind(read_server_info=False)
    except LDAP_ERRORS as error:
        raise broken(error) from None
    if not done:
        raise refused(connection.result)


class LdapSession:
    """A connection that is made when it is first needed, to the first server that answers."""

    def __init__(
        self, settings: LdapSettings, connection: ldap3.Connection | None = None, controls: Sequence[Control] = ()
    ) -> None:
        self.settings = settings
        self._controls = tuple(controls)  # sent with every search
        self._connection = connection
        self._address: Address | None = None
        self._used = time.monotonic()

    @property
    def protected(self) -> bool:
        """Whether what is sent cannot be read on the way."""
        return self.settings.encryption != "none"

    @property
    def connection(self) -> ldap3.Connection:
        """The open connection; raise ConnectorError when no server can be used.

        One that was not used for a while is made again: servers close those (Active Directory after 15 minutes).
        """
        if time.monotonic() - self._used > IDLE_SECONDS:
            self.discard()
        self._used = time.monotonic()
        if self._connection is None:
            self._connection = self.new()
        return self._connection

    def new(self) -> ldap3.Connection:
        """Return another connection, which the caller closes."""
        failure: ConnectorError | None = None
        # While one connection is open, others go to the same server: what two servers say does not fit together. A
        # name may stand for several, as an Active Directory domain's own name does for all its controllers.
        known = self._connection.server.current_address if self._connection else None
        for address in [self._address] if self._connection and self._address else self.settings.servers:
            try:
                connection = connect(self.settings, address, known)
                self._address = address
                return connection
            except Unavailable as error:
                failure = failure or error
                if error.code == "login":  # another server of the same directory would say the same, and lock it out
                    break
        raise failure or ConnectorError("Name the directory server on the directory's page.", code="settings")

    def run(self, request: Callable[[Any], Any], *, fails: Callable[..., ConnectorError] = refused) -> None:
        """Send one request and wait for its success; raise ConnectorError."""
        connection = self.connection
        try:
            request(connection)
        except LDAP_ERRORS as error:
            self.discard()
            raise broken(error) from None
        if connection.result["result"] != SUCCESS:
            raise fails(connection.result)

    def modify(
        self,
        dn: str,
        changes: Mapping[str, Any],
        *,
        shown: Sequence[str] = (),
        fails: Callable[..., ConnectorError] = refused,
    ) -> Raw | None:
        """Change an entry; return it with the ``shown`` attributes as the server then holds it, if it says so.

        It does by the post-read control of RFC 4527: what was really written, and no further round trip.
        The control is not critical: a server that does not know it changes the entry and shows nothing.
        """
        controls = [post_read_control(shown)] if shown else None
        self.run(lambda connection: connection.modify(dn, changes, controls=controls), fails=fails)
        answered = (self.connection.result.get("controls") or {}).get(decoding.POST_READ) or {}
        raw = answered.get("value")
        return raw if isinstance(raw, Raw) else None

    def read(self, base: str, attributes: Sequence[str] = ("*",)) -> Raw | None:
        """Return one entry by its DN, None when it is not there."""
        with suppress(NoBase):
            found = self.search("(objectClass=*)", attributes, base=base, scope=ldap3.BASE)
            return found.entries[0] if found.entries else None
        return None

    def search(
        self,
        search_filter: str,
        attributes: Sequence[str],
        *,
        base: str | None = None,
        scope: Literal["BASE", "LEVEL", "SUBTREE"] | None = None,
        controls: Sequence[Control] = (),
        connection: ldap3.Connection | None = None,
        page: int = 0,
        cookie: bytes = b"",
    ) -> SearchResult:
        """Return the entries of a search, or of one page of it; raise ConnectorError for what the server cut short."""
        used = connection or self.connection
        try:
            used.search(
                self.settings.base_dn if base is None else base,
                search_filter,
                scope or (ldap3.LEVEL if self.settings.scope == LEVEL else ldap3.SUBTREE),
                attributes=list(attributes),
                paged_size=page or None,
                paged_cookie=cookie or None,
                paged_criticality=bool(page),
                controls=[*self._controls, *controls] or None,
            )
        except LDAP_ERRORS as error:
            if connection is None:
                self.discard()
            raise broken(error) from None
        if cookie and used.result["result"] in FORGOTTEN:
            raise unavailable("cookie", LOST_PLACE)
        return _answer(used.result, used.response)

    def discard(self) -> None:
        """Give up a connection that may be broken."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _drop(connection)

    def drop(self, connection: ldap3.Connection) -> None:
        """Close a connection that ``new`` gave."""
        _drop(connection)

    def close(self) -> None:
        """Log out."""
        self.discard()


def _answer(result: Mapping[str, Any], response: Sequence[Mapping[str, Any]] | None) -> SearchResult:
    if result["result"] != SUCCESS:
        raise NoBase() if result["result"] == NO_SUCH_OBJECT else refused(result)
    entries: list[Raw] = []
    references: list[str] = []
    for item in response or ():
        if entry := item.get("entry"):
            entries.append(entry)
        elif item["type"] == "searchResEntry":
            raw = item["raw_attributes"]
            entries.append(Raw(item["dn"], {name.lower(): values for name, values in raw.items()}, tuple(raw)))
        elif item["type"] == "searchResRef":
            references += item["uri"]
    control = (result.get("controls") or {}).get(PAGED) or {}
    return SearchResult(entries, (control.get("value") or {}).get("cookie") or b"", references)


@contextmanager
def _closing_on_error(connection: ldap3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _drop(connection)
        raise


def _drop(connection: ldap3.Connection) -> None:
    with suppress(LDAPException, OSError, AttributeError):
        connection.unbind()
