"""Managers: an application names one by the id of its user (RFC 7643 section 4.3), the portal by the user name."""

from collections import OrderedDict
from threading import Lock

from directories.connectors.base import ConnectorError, Unavailable
from directories.connectors.scim.client import Json
from directories.connectors.scim.discovery import Application
from directories.connectors.scim.lookup import by_id, by_values, ref_of
from directories.connectors.scim.paths import AttributePath, parse, read

MANAGER_NAMES = frozenset({"manager", "manager.value"})
REMEMBERED = 10_000
NOT_THERE_YET = "The user's manager is not in the application yet. The portal fills it in by itself once they are."
_USER_NAME = parse("userName")


def is_manager(path: AttributePath) -> bool:
    """Return whether a path holds the id of a manager's user, whatever its schema."""
    return ".".join(filter(None, [path.attribute, path.sub])).casefold() in MANAGER_NAMES


class Managers:
    """Translates between ids and user names. What was looked up is remembered for a while; threads may share it."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._names: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def note(self, resource: Json) -> None:
        """Remember a user that was read anyway."""
        self._remember(ref_of(resource), str(read(resource, _USER_NAME) or ""))

    def name_of(self, ref: str) -> str:
        """Return the user name of the user with that id, "" when it is not there or cannot be seen."""
        with self._lock:
            if ref in self._names:
                return self._names[ref]
        try:
            found = by_id(self._application.client, "user", ref)
        except Unavailable:
            raise
        except ConnectorError:
            found = None
        name = str(read(found, _USER_NAME) or "") if found else ""
        self._remember(ref, name)
        return name

    def ref_of(self, name: str) -> str:
        """Return the id of the user of that name, "" when there is none."""
        found = by_values(self._application, "user", {"userName": name})
        return ref_of(found) if found else ""

    def _remember(self, ref: str, name: str) -> None:
        with self._lock:
            self._names[ref] = name
            if len(self._names) > REMEMBERED:
                self._names.popitem(last=False)
