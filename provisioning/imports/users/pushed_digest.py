"""Nothing echoes back: an imported account whose row already holds what would be pushed counts as pushed."""

from collections.abc import Mapping
from typing import Any

from directories.attributes import Person
from directories.connectors.base import ConnectorError, RemoteAccount
from directories.mapping import Mapper
from provisioning.imports.users.plan import USERNAME, KnownUser, parts
from provisioning.imports.users.state import ACTIVE
from provisioning.models import User
from provisioning.outbound.compare import differences
from provisioning.outbound.digests import state_digest
from provisioning.profile.person import person_of


class Echo:
    """Compares what the outbound mapping would write for a user with the row that they came from."""

    def __init__(self, mapper: Mapper) -> None:
        self.mapper = mapper
        self._blank = person_of(User())

    def pushed(self, user: KnownUser | None, username: str, after: Mapping[str, Any], remote: RemoteAccount) -> str:
        """Return the outbound digest of the user as planned when the row holds just that, else ""."""
        values = {**(user.values if user else {}), **after}
        values.setdefault(USERNAME, username)
        active = values.get(ACTIVE, True) is not False and (user is None or user.provisioned)
        if not active:
            return state_digest({}, False) if remote.enabled is False else ""
        try:
            desired = self.mapper.outbound(self._person(values, active))
        except ConnectorError:
            return ""
        _, differs = differences(desired, remote.attributes, {})
        return "" if differs or remote.enabled is False else state_digest(desired, True)

    def _person(self, values: Mapping[str, Any], active: bool) -> Person:
        profile: dict[str, Any] = {**self._blank.profile}
        custom_profile: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        kinds = {"profile": profile, "custom_profile": custom_profile, "custom": custom}
        for path, value in values.items():
            kind, name = parts(path)
            kinds[kind][name] = value
        profile["active"] = active
        return Person(profile, custom_profile, custom)
