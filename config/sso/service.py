"""What the portal asks an identity provider itself: where its parts are, its keys, tokens, and who somebody is.

Through the one door for outgoing HTTP, so that an address that somebody typed opens nothing inside the network.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from config.sso.models import IdentityProvider
from directories.connectors.errors import ConnectorError
from directories.connectors.outgoing import HttpDoor, address_problem

WELL_KNOWN = "/.well-known/openid-configuration"
SECONDS = 10.0
LARGEST = 1024 * 1024  # bytes of one answer
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
JSON = {"Accept": "application/json"}


class ProviderFailed(Exception):
    """The provider cannot be asked, or does not answer as OpenID Connect wants it; the text is for administrators."""


class ProviderService:
    """One provider over one connection. A context manager that always closes."""

    def __init__(self, provider: IdentityProvider) -> None:
        self.provider = provider
        try:
            self._door = HttpDoor(seconds=SECONDS, largest=LARGEST, authority=provider.authority)
        except ConnectorError as error:
            raise ProviderFailed(str(error)) from None

    def __enter__(self) -> "ProviderService":
        return self

    def __exit__(self, *_: object) -> None:
        self._door.close()

    def configuration(self) -> Mapping[str, Any]:
        """Return the provider's own description (OpenID Connect Discovery 1.0, section 4)."""
        found = self._get(self.provider.issuer.rstrip("/") + WELL_KNOWN, JSON)
        if found.get("issuer") != self.provider.issuer:  # section 4.3: exactly
            raise ProviderFailed(f"It names itself {found.get('issuer')}. Type the issuer exactly so.")
        for name in NEEDED:
            if not isinstance(found.get(name), str) or address_problem(found[name]):
                raise ProviderFailed(f"Its description has no {name}.")
        if urlsplit(self.provider.issuer).scheme == "https":
            for name in NEEDED:
                if urlsplit(found[name]).scheme != "https":
                    raise ProviderFailed(f"Its {name} is not encrypted.")
        return found

    def keys(self, configuration: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the keys with which it signs."""
        return self._get(configuration["jwks_uri"], JSON)

    def tokens(self, configuration: Mapping[str, Any], fields: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what it gives for a code (RFC 6749 4.1.3, with the verifier of RFC 7636)."""
        methods = configuration.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        client_id = self.provider.client_id
        try:
            secret = self.provider.secret or ""
        except ConnectorError as error:
            raise ProviderFailed(str(error)) from None
        headers = {**JSON, "Content-Type": "application/x-www-form-urlencoded"}
        sent = {"grant_type": "authorization_code", **fields}
        if secret and "client_secret_basic" in methods:
            pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            sent |= {"client_id": client_id, **({"client_secret": secret} if secret else {})}
        return self._read("POST", configuration["token_endpoint"], headers, urlencode(sent).encode())

    def userinfo(self, configuration: Mapping[str, Any], access_token: str) -> Mapping[str, Any]:
        """Return what it says of the person; nothing where it has no such endpoint."""
        address = configuration.get("userinfo_endpoint")
        if not isinstance(address, str) or address_problem(address):
            return {}
        return self._get(address, {**JSON, "Authorization": f"Bearer {access_token}"})

    def _get(self, url: str, headers: Mapping[str, str]) -> Mapping[str, Any]:
        return self._read("GET", url, headers)

    def _read(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Mapping[str, Any]:
        try:
            answer = self._door.post(url, content, headers) if method == "POST" else self._door.get(url, headers)
        except ConnectorError as error:
            raise ProviderFailed(str(error)) from None
        if answer.status != 200:
            raise ProviderFailed(f"It answered with {answer.status} at {urlsplit(url).path}.")
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ProviderFailed(f"Its answer at {urlsplit(url).path} is no JSON object.")
        return found
