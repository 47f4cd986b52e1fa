"""A SCIM connector over a real SCIM server."""

from typing import Any

from directories.connectors.base import ConnectorConfig
from directories.connectors.scim import Scim
from tests.directories.connectors.contract import Names
from tests.fixtures.scim_server import TOKEN, ScimServer

FIRST, LAST, MAIL = "name.givenName", "name.familyName", 'emails[type eq "work"].value'


class ScimSubject:
    """Any other SCIM 2.0 application, in which people sign in with a password too."""

    names = Names(FIRST, LAST, MAIL)
    attributes: tuple[str, ...] = (FIRST, LAST, MAIL)

    def __init__(self, server: ScimServer) -> None:
        self.server = server

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of its page."""
        return {"product": "generic", "url": self.server.url, "auth": "bearer", "secret": TOKEN, "passwords": True}

    def open(self, *, with_passwords: bool = False, attributes: tuple[str, ...] = (), **settings: Any) -> Scim:
        """Return a connector; ``settings`` replace those of their names."""
        config = ConnectorConfig(
            {**self.settings, **settings}, attributes=attributes or self.attributes, with_passwords=with_passwords
        )
        return Scim(config)

    def enabled(self, key: str) -> bool | None:
        """Return what the server holds."""
        user = self.server.user(key)
        return user.get("active") if user else None
