"""What an application says of itself (RFC 7644 section 4): what it can do, and which attributes it has.

Many applications say less, or more, than is true, so nothing here is an error: what is not said is as the preset says.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from directories.connectors.base import ConnectorError, NotFound, Unavailable
from directories.connectors.scim.client import ScimClient
from directories.connectors.scim.paths import CORE, member
from directories.connectors.scim.settings import ScimSettings

REMEMBERED = 600.0  # seconds
_MOST = 100  # applications of which that is remembered
_known: dict[str, tuple[float, "Offered"]] = {}
# RFC 7643 section 8.2: the types of values that people's attributes are mostly asked for by.
_TYPES = {"emails": ("work", "home"), "phoneNumbers": ("work", "mobile"), "addresses": ("work",)}
_PARTS_OF_ADDRESS = ("streetAddress", "locality", "region", "postalCode", "country")
# What is not written by a mapping: the portal does it, or nobody outside can.
_OWN = frozenset(
    [
        "id",
        "meta",
        "schemas",
        "groups",
        "password",
        "externalid",
        "active",
        "ims",
        "photos",
        "x509certificates",
        "members",
    ]
)
USUAL = (
    "userName",
    "name.givenName",
    "name.familyName",
    "displayName",
    "title",
    'emails[type eq "work"].value',
    'phoneNumbers[type eq "work"].value',
)


@dataclass(frozen=True, slots=True)
class Offered:
    """What the application offers; None: it does not say. ``largest_page`` is in resources."""

    patch: bool | None = None
    filters: bool | None = None
    passwords: bool | None = None
    cursors: bool | None = None
    indexes: bool | None = None
    largest_page: int | None = None

    @property
    def words(self) -> str:
        """The features for people, in a sentence."""
        said = {
            "change single values": self.patch,
            "look accounts up": self.filters,
            "take passwords": self.passwords,
            "give lists by cursor": self.cursors,
        }
        can = [word for word, offered in said.items() if offered]
        cannot = [word for word, offered in said.items() if offered is False]
        parts = [f"It can {_listed(can)}." if can else "", f"It cannot {_listed(cannot)}." if cannot else ""]
        return " ".join(part for part in parts if part) or "It says nothing of what it can do."


class Application:
    """One application with its open connections, and what it says of itself."""

    def __init__(self, settings: ScimSettings, client: ScimClient) -> None:
        self.settings, self.client = settings, client

    @property
    def offered(self) -> Offered:
        """What it says that it offers, or was found not to; raise Unavailable."""
        return features(self.client, self.settings)

    def changes_whole(self, rule: str) -> bool:
        """Return whether resources are changed by PUT, where the preset says so (``rule``) or PATCH is missing."""
        chosen = self.settings.update or rule
        return chosen == "put" or (not self.settings.update and self.offered.patch is False)


@dataclass(frozen=True, slots=True)
class UserSchema:
    """The attributes of users: their paths, and which of them the application requires."""

    paths: Sequence[str]
    required: Sequence[str]


def features(client: ScimClient, settings: ScimSettings, *, anew: bool = False) -> Offered:
    """Return what the application offers, which is remembered for a while; raise Unavailable."""
    known = _known.get(settings.url)
    if known and not anew and time.monotonic() - known[0] < REMEMBERED:
        return known[1]
    found = Offered()
    if settings.preset.discovery.service_provider_config:
        try:
            found = _features(client.get(settings.preset.discovery.service_provider_config_path))
        except Unavailable:
            raise
        except ConnectorError:
            found = Offered()
    _remember(settings, found)
    return found


def has_no_patch(settings: ScimSettings) -> None:
    """Remember that the application refused PATCH altogether."""
    known = _known.get(settings.url)
    _remember(settings, replace(known[1] if known else Offered(), patch=False))


def forget() -> None:
    """Forget what every application said."""
    _known.clear()


def _remember(settings: ScimSettings, found: Offered) -> None:
    if len(_known) >= _MOST:
        _known.clear()
    _known[settings.url] = (time.monotonic(), found)


def _features(said: Mapping[str, Any]) -> Offered:
    filters, paging = member(said, "filter"), member(said, "pagination")
    largest = member(filters, "maxResults")
    return Offered(
        patch=_flag(member(said, "patch"), "supported"),
        filters=_flag(filters, "supported"),
        passwords=_flag(member(said, "changePassword"), "supported"),
        cursors=_flag(paging, "cursor"),
        indexes=_flag(paging, "index"),
        largest_page=largest if isinstance(largest, int) and largest > 0 else None,
    )


def _flag(said: Any, name: str) -> bool | None:
    found = member(said, name)
    return found if isinstance(found, bool) else None


# --- Schemas ---------------------------------------------------------------------------------------------------------


def schema(client: ScimClient, settings: ScimSettings) -> UserSchema:
    """Return the attributes that users have there; raise Unavailable. Without an answer they are the usual ones."""
    required = list(settings.preset.user.required)
    if not settings.preset.discovery.schemas:
        return UserSchema(USUAL, required)
    try:
        listed = member(client.get("Schemas"), "Resources")
        used = _of_users(client, settings)
    except NotFound:
        return UserSchema(USUAL, required)
    except Unavailable:
        raise
    except ConnectorError:
        return UserSchema(USUAL, required)
    found: dict[str, bool] = {}
    for one in listed if isinstance(listed, list) else ():
        urn = str(member(one, "id") or "")
        if urn.casefold() in used:
            prefix = "" if urn.casefold() == CORE[0].casefold() else f"{urn}:"
            found |= {f"{prefix}{path}": wanted for path, wanted in _attributes(member(one, "attributes"))}
    if not found:
        return UserSchema(USUAL, required)
    wanted = [*required, *(path for path, is_required in found.items() if is_required and path not in required)]
    return UserSchema([*found], wanted)


def _of_users(client: ScimClient, settings: ScimSettings) -> set[str]:
    """Return the schemas of users in small letters: the core one and its extensions."""
    used = {CORE[0].casefold()}
    if settings.preset.discovery.resource_types:
        try:
            listed = member(client.get("ResourceTypes"), "Resources")
        except NotFound:
            listed = None
        for one in listed if isinstance(listed, list) else ():
            if str(member(one, "endpoint") or "").strip("/").casefold() == "users":
                extensions = member(one, "schemaExtensions")
                used |= {
                    str(member(each, "schema") or "").casefold()
                    for each in (extensions if isinstance(extensions, list) else ())
                }
    if len(used) == 1:
        used.add("urn:ietf:params:scim:schemas:extension:enterprise:2.0:user")
    return used


def _attributes(said: Any) -> Iterator[tuple[str, bool]]:
    """Give the paths of attributes that can be written, and whether each is required."""
    for one in said if isinstance(said, list) else ():
        name = str(member(one, "name") or "")
        if not name or name.casefold() in _OWN or member(one, "mutability") == "readOnly":
            continue
        required = bool(member(one, "required"))
        parts = member(one, "subAttributes")
        if member(one, "type") != "complex" or not isinstance(parts, list):
            yield name, required
        elif member(one, "multiValued"):
            typed = not parts or any(member(part, "name") == "type" for part in parts)
            yield from ((path, required) for path in (_of_several(name) if typed else [f"{name}.value"]))
        else:
            for part in parts:
                inner = str(member(part, "name") or "")
                needed = required and bool(member(part, "required"))
                shown = inner not in ("", "$ref") and (needed or inner != "formatted")
                if shown and member(part, "mutability") != "readOnly":
                    yield f"{name}.{inner}", needed


def _of_several(name: str) -> Iterator[str]:
    if name == "addresses":
        yield from (f'addresses[type eq "work"].{part}' for part in _PARTS_OF_ADDRESS)
    elif name in _TYPES:
        yield from (f'{name}[type eq "{kind}"].value' for kind in _TYPES[name])
    else:
        yield f"{name}.value"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
