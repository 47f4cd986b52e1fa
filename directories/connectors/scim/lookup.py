"""Finding one user or group: by its id, by what the portal calls it, or by its name. Nothing here writes.

What an application answers is compared with what was asked for: some take no notice of a filter and give everybody.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from directories.connectors.base import ConnectorError, NotFound, Unavailable
from directories.connectors.scim.client import NOT_SCIM, Json, ScimClient
from directories.connectors.scim.discovery import Application
from directories.connectors.scim.paths import AttributePath, member, parse, read

SEVERAL = (
    "The application has several entries that may be the one that is wanted. Keep one of them there, or let each have "
    "its own identifier, name and e-mail address, and then retry."
)
ANOTHER = "The application answered with another entry than the one that was asked for. Ask its makers, and then retry."
CUT = (
    "The application takes no notice of what it is asked for and shows only a part of its list, so nobody can tell "
    "whether the account or group is there. Let its list be filtered by externalId or by name, and then retry."
)
Kind = Literal["user", "group"]
PLACES: Mapping[Kind, str] = {"user": "Users", "group": "Groups"}
EXTERNAL_ID = parse("externalId")
NAMES = (parse("userName"), parse("displayName"))


def by_id(client: ScimClient, kind: Kind, ref: str, query: Mapping[str, str] | None = None) -> Json | None:
    """Return the resource with that id, None when there is none; raise ConnectorError.

    Only 404 says that there is none: a page that a gateway shows instead may be answered with 200.
    """
    try:
        found = client.get(PLACES[kind], ref, query=query)
    except NotFound:
        return None
    if not ref_of(found):
        raise Unavailable(NOT_SCIM)
    if ref_of(found) != ref:
        raise ConnectorError(ANOTHER, code="answer")
    return found


def by_values(
    application: Application, kind: Kind, wanted: Mapping[str, str], query: Mapping[str, str] | None = None
) -> Json | None:
    """Return the resource that has one of the values, by their paths, the first of them that anybody has.

    Raise ConnectorError when several have it, or when the lists left out somebody who may have it.
    """
    if application.offered.filters is False:
        return None
    rules, client = application.settings.preset.filter, application.client
    known = [(parse(name), value) for name, value in wanted.items() if value and rules.allows(kind, _asked(name))]
    at_once = rules.combine == "any" and rules.allows(kind, *(_asked(path.text) for path, _ in known))
    cut = False
    for some in [known] if at_once and known else [[one] for one in known]:
        text = " or ".join(f"{_asked(path.text)} eq {orjson.dumps(value).decode()}" for path, value in some)
        if rules.max_length and len(text) > rules.max_length:
            continue
        page = client.list(PLACES[kind], {**(query or {}), "filter": text})
        resources = _listed(page)
        for path, value in some:
            if found := [one for one in resources if _has(one, path, value)]:
                return _only(found, path, value)
        cut = cut or _is_cut(page, resources)
    if cut:
        raise ConnectorError(CUT, code="filter")
    return None


def by_values_at_once(
    application: Application, kind: Kind, wanted: Sequence[Mapping[str, str]]
) -> Sequence[Sequence[Json]] | None:
    """Return for each of several whom its values may mean, in one request; None where that cannot be told at once."""
    rules, names = application.settings.preset.filter, {name for one in wanted for name in one}
    if rules.combine != "any" or application.offered.filters is False:
        return None
    if not rules.allows(kind, *map(_asked, names)):
        return None
    terms = [
        f"{_asked(name)} eq {orjson.dumps(value).decode()}" for one in wanted for name, value in one.items() if value
    ]
    text = " or ".join(terms)
    if rules.max_length and len(text) > rules.max_length:
        return None
    page = application.client.list(PLACES[kind], {"filter": text})
    resources, total = _listed(page), member(page, "totalResults")
    if total != len(resources):
        return None
    return [
        [one for one in resources if any(value and _has(one, parse(name), value) for name, value in names_.items())]
        for names_ in wanted
    ]


def _asked(name: str) -> str:
    """Return an attribute as a filter names it: whichever of several e-mail addresses has the value will do."""
    path = parse(name)
    return f"{path.whole}.{path.part}" if path.part else path.whole


def _listed(page: Json) -> list[Json]:
    """Return the resources of a list, which an empty one may leave out (RFC 7644 3.4.2); raise Unavailable."""
    resources = member(page, "Resources")
    if resources is None and isinstance(member(page, "totalResults"), int):
        return []
    if not isinstance(resources, list) or not all(isinstance(one, dict) and ref_of(one) for one in resources):
        raise Unavailable(NOT_SCIM)
    return resources


def _is_cut(page: Json, resources: Sequence[Json]) -> bool:
    """Return whether there is more than a page shows."""
    total = member(page, "totalResults")
    return bool(member(page, "nextCursor")) or (isinstance(total, int) and total > len(resources))


def _has(resource: Json, path: AttributePath, value: str) -> bool:
    """Return whether a resource has a value: externalId is compared as it is (RFC 7643 3.1), names without case."""
    held = read(resource, path if not path.chosen else parse(f"{path.whole}.{path.part}"))
    for one in held if isinstance(held, tuple) else (held,):
        if str(one) == value or (path != EXTERNAL_ID and str(one).casefold() == value.casefold()):
            return True
    return False


def _only(found: Sequence[Json], path: AttributePath, value: str) -> Json:
    """Return the one that is meant: of several with the same name the one that has it letter by letter.

    Raise ConnectorError for several with anything else: one of them is a stranger.
    """
    exact = [one for one in found if read(one, path) == value]
    if len(found) > 1 and path in NAMES and len(exact) == 1:
        return exact[0]
    if len(found) > 1:
        raise ConnectorError(SEVERAL, code="ambiguous")
    return found[0]


def ref_of(resource: Mapping[str, Any]) -> str:
    """Return the id of a resource, "" where it does not say one."""
    ref = member(resource, "id")
    return ref if isinstance(ref, str) else ""
