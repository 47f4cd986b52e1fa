"""Attributes that name another entry by its DN: the portal knows that person by user name."""

from collections import OrderedDict
from collections.abc import Callable

from directories.connectors.base import ConnectorError, Unavailable
from directories.connectors.ldap.errors import unavailable
from directories.connectors.ldap.session import LdapSession

MANAGER = "manager"
REMEMBERED = 10_000
NOT_THERE_YET = "The user's manager is not in the directory yet. The portal fills it in by itself once they are."


class References:
    """Translates between the DN of an entry and its unique identifier; what was looked up is remembered for a while."""

    def __init__(self, session: LdapSession, named: Callable[[str], str]) -> None:
        self._session = session
        self._named = named  # the filter that finds whoever has a user name
        self._names: OrderedDict[str, str] = OrderedDict()

    def name_of(self, dn: str) -> str:
        """Return the unique identifier of the entry with that DN, "" when it is not there or cannot be seen."""
        if dn not in self._names:
            identifier = self._session.settings.identifier
            try:
                raw = self._session.read(dn, (identifier,))
            except Unavailable:
                raise
            except ConnectorError:
                raw = None
            self._names[dn] = raw.text(identifier).strip() if raw else ""
            if len(self._names) > REMEMBERED:
                self._names.popitem(last=False)
        return self._names[dn]

    def dn_of(self, name: str) -> str:
        """Return the DN of the one entry with that unique identifier, "" when there is none or more than one."""
        settings = self._session.settings
        query = f"(&{settings.user_filter}{self._named(name)})"
        found = self._session.search(query, (settings.identifier,)).entries
        return found[0].dn if len(found) == 1 else ""


def not_there_yet() -> Unavailable:
    """Return the error for a manager who has no account yet: only this account waits, and is tried again."""
    error = unavailable(MANAGER, NOT_THERE_YET)
    error.whole_directory = False
    return error
