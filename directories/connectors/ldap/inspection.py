"""Looking into one entry: what an administrator sees who types a user name."""

from collections.abc import Sequence

import ldap3
from ldap3.utils.conv import escape_filter_chars

from directories.connectors.base import ConnectorError, Inspection
from directories.connectors.ldap import dn
from directories.connectors.ldap.reading import Reading
from directories.connectors.ldap.session import Found, Raw
from directories.connectors.ldap.settings import SUBTREE
from directories.connectors.ldap.shown import COMPUTED, groups_of, shown

_ALSO = ("sAMAccountName", "uid", "userPrincipalName", "mail", "cn")
_GROUP_ATTRIBUTE = "memberOf"


class Inspecting(Reading):
    """An LDAP server whose entries can be shown."""

    def inspect(self, name: str) -> Inspection | None:
        """Find the entry as an import and a delivery would, or else by any name that people know it by."""
        name = name.strip()
        if not name:
            return None
        settings, notes = self.settings, []
        typed = escape_filter_chars(name)
        found = self._look(f"(&{settings.user_filter}({settings.identifier}={typed}))")
        if not found.entries:
            by_name = "".join(f"({each}={typed})" for each in dict.fromkeys((settings.identifier, *_ALSO)))
            found = self._look(f"(|{by_name})", scope=ldap3.SUBTREE)
            notes = self._left_out(found.entries, name)
        if len(found.entries) > 1:
            where = " and ".join(raw.dn for raw in found.entries[:3])
            words = f"{len(found.entries)} entries have this name: {where}. Type something that only one of them has."
            raise ConnectorError(words, code="ambiguous")
        return self._inspection(found.entries[0], notes) if found.entries else None

    def _look(self, search_filter: str, scope: str | None = None) -> Found:
        asked = ("*", "+", *COMPUTED, *self.wanted, self._group_attribute)
        return self.session.search(search_filter, tuple(dict.fromkeys(asked)), scope=scope)  # type: ignore[arg-type]

    @property
    def _group_attribute(self) -> str:
        return str(self.config.settings.get("group_attribute") or _GROUP_ATTRIBUTE).strip()

    def _left_out(self, entries: Sequence[Raw], name: str) -> list[str]:
        """Return why an import does not bring the entry by the name that was typed."""
        if len(entries) != 1:
            return []
        settings, raw = self.settings, entries[0]
        within = dn.below(raw.dn, settings.base_dn)
        if settings.scope != SUBTREE and not dn.same(dn.parent(raw.dn), settings.base_dn):
            return ["It is not directly below the base DN, so an import leaves it out (Scope, under Connection)."]
        if not within or not self.look_up([self.account(raw).ref]):
            return ["The user filter does not find it, so an import leaves it out (User filter, under Connection)."]
        return [f"Found by another attribute: its {settings.identifier} is not {name}."]

    def _inspection(self, raw: Raw, notes: Sequence[str]) -> Inspection:
        attribute = self._group_attribute
        settings = self.settings
        return Inspection(
            *(self.account(raw), raw.dn, settings.identifier, settings.id_attribute, shown(raw)),
            *(attribute, groups_of(raw, attribute), notes),
        )
