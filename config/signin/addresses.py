"""The address that a request comes from, by what proxies that are trusted say of it."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

NETWORK = 64  # bits of an IPv6 address that one customer has at the least


def client_address(request: HttpRequest) -> str:
    """Return the client's address; "" when nothing tells it, as behind a socket without a proxy.

    Each proxy adds the address that it was asked from at the end of X-Forwarded-For, so of ``TRUSTED_PROXIES`` entries
    from the end the first is the client's. What stands before it was sent by the client and is not believed.
    """
    trusted = settings.TRUSTED_PROXIES
    passed = request.headers.get("X-Forwarded-For", "").split(",") if trusted else []
    told = _address(passed[-min(trusted, len(passed))]) if passed else ""
    return told or _address(request.META.get("REMOTE_ADDR", ""))


def network_of(address: str) -> str:
    """Return what counts as one place: an IPv4 address, or the network of an IPv6 address."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network(f"{address}/{NETWORK}", strict=False))


def _address(text: str) -> str:
    """Return an address as it is usually written, without a port; "" for what is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
