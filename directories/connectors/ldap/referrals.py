"""Continuation references: what a server says of those parts of the tree that are elsewhere (RFC 4511, 4.5.3).

They are never followed. Whether they matter depends on the question: a crawl that meets one has not seen everything,
while an entry that was found is found whatever else is elsewhere.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from directories.connectors.ldap import names
from directories.connectors.ldap.errors import REFERRAL, refused

# Active Directory refers every search from the root of a domain to its own partitions, which hold no people:
# [MS-ADTS] 3.1.1.1.5 (configuration) and 3.1.1.1.11 (the application partitions of DNS).
_OWN_PARTITIONS = ("dc=domaindnszones", "dc=forestdnszones", "cn=configuration")


def elsewhere(references: Iterable[str]) -> list[str]:
    """Return those references behind which people may be."""
    return [url for url in references if not _dn(url).casefold().startswith(_OWN_PARTITIONS)]


def demand_all(references: Sequence[str]) -> None:
    """Raise ConnectorError when a search from its own base did not see everything: an error is never an absence."""
    if elsewhere(references):
        raise refused({"result": REFERRAL})


def demand_absent(references: Sequence[str], base: str) -> None:
    """Raise ConnectorError when what was not found may be in a part of ``base`` that is elsewhere."""
    demand_all([url for url in references if not _dn(url) or names.below(_dn(url), base)])


def _dn(url: str) -> str:
    """Return the DN in an LDAP URL (RFC 4516), "" when there is none: then it is the one that was asked for."""
    path = url.partition("://")[2].partition("/")[2]
    return unquote(path.partition("?")[0]).strip()
