"""Lists: GET on a collection or on the root, and POST /.search (RFC 7644 sections 3.4.2 and 3.4.3).

All of them are one question, a ``Query``, asked of one type or of all. A list of all types gives people first and then
groups, each in the order that was asked for.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import orjson
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from provisioning.models import Group, User
from scim import groups
from scim.errors import ScimError, invalid_syntax, switched_off
from scim.filters import order_by, parse, to_q
from scim.lists import counts
from scim.lists.paging import ListPage, ListSource, Order, PageRequest, page
from scim.models import Client
from scim.resources.attributes import Schema
from scim.resources.comparing import folded
from scim.resources.projection import Projection
from scim.responses import CONTENT_TYPE, respond
from scim.users import api as users
from scim.users import queries

REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
_NAMES = {
    name.casefold(): name
    for name in (
        *("filter", "sortBy", "sortOrder", "startIndex", "count", "cursor"),
        *("attributes", "excludedAttributes"),
    )
}
_ORDERS = {"": False, "ascending": False, "descending": True}
_NAME = re.compile(r'userName eq "([^"\\\x00-\x1f\ud800-\udfff]{1,255})"', re.IGNORECASE)
_TEXTS = ("filter", "sortBy", "sortOrder")


Documents = tuple[list[dict[str, Any]], Iterator[bytes] | None]  # or, where members are many, a stream in their place


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """A type of resource that can be listed: its model, its attributes and whom a client sees."""

    model: type[User] | type[Group]
    schema: Callable[[Client], Schema]
    visible: Callable[[Client], "QuerySet[Any, Any]"]
    total: Callable[[Client], int]
    read: Callable[[Client, Sequence[Any], Projection], Documents]


def _read_users(client: Client, rows: Sequence[User], projection: Projection) -> Documents:
    return users.read_page(client, rows, projection), None


def _read_groups(client: Client, rows: Sequence[Group], projection: Projection) -> Documents:
    found = groups.read(client, rows, projection)
    return found.documents or [], found.stream


USERS = ResourceKind(
    User, users.schema, lambda client: users.visible(client).select_related("manager"), counts.users, _read_users
)
GROUPS = ResourceKind(Group, groups.schema, groups.visible, counts.groups, _read_groups)
EVERYTHING = (USERS, GROUPS)


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked."""

    values: Mapping[str, Any]
    filter: str
    sort_by: str
    descending: bool
    page: PageRequest

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Query":
        """Read the parameters of a URL; raise ScimError 400."""
        known = {_NAMES[name.casefold()]: value for name, value in values.items() if name.casefold() in _NAMES}
        for name in _TEXTS:
            if not isinstance(known.get(name) or "", str):
                raise ScimError(400, f"{name} must be text.", "invalidValue")
        direction = (known.get("sortOrder") or "").casefold()
        if direction not in _ORDERS:
            raise ScimError(400, "sortOrder must be ascending or descending.", "invalidValue")
        sort_by = (known.get("sortBy") or "").strip()
        return cls(known, (known.get("filter") or "").strip(), sort_by, _ORDERS[direction], PageRequest.read(known))

    @classmethod
    def read_body(cls, body: Mapping[str, Any]) -> "Query":
        """Read a SearchRequest; raise ScimError 400."""
        known = {name.casefold(): value for name, value in body.items()}
        if known.get("schemas") != [REQUEST]:
            raise invalid_syntax(f"The body is no search request: schemas must be {REQUEST}.")
        return cls.read(body)

    def fingerprint(self, client: Client, kinds: Sequence[ResourceKind]) -> str:
        """Return what a cursor belongs to: the same list in the same order."""
        names = [kind.model.__name__ for kind in kinds]
        return json.dumps([client.pk, client.reach, names, self.filter, self.sort_by.casefold(), self.descending])


def listed(client: Client, kinds: Sequence[ResourceKind], query: Query) -> HttpResponseBase:
    """Return the page that the query asks for."""
    if not client.read:
        raise switched_off("Reading")
    schemas = [kind.schema(client) for kind in kinds]
    found = _called(client, kinds, query) or page(
        _sources(client, kinds, schemas, query), query.page, query.fingerprint(client, kinds)
    )
    documents: list[Any] = []
    streams: list[Iterator[bytes]] = []
    for kind, schema in zip(kinds, schemas, strict=True):
        rows = [row for row in found.rows if isinstance(row, kind.model)]
        ready, stream = kind.read(client, rows, Projection.read(query.values, schema))
        documents += ready
        streams += [stream] if stream else []
    return _streamed(found, documents, streams) if streams else respond(found.body(documents))


def _called(client: Client, kinds: Sequence[ResourceKind], query: Query) -> ListPage | None:
    """Return the first page of ``userName eq "..."``, which clients ask before all they do; None for other questions.

    The answer is that of ``filters``, by a query that need not be compiled.
    """
    known = _NAME.fullmatch(query.filter) if list(kinds) == [USERS] and not query.sort_by else None
    if known is None or query.page.cursor is not None or query.page.start_index > 1:
        return None
    rows = queries.called(client, folded(known[1]))
    return ListPage(rows, len(rows), 1) if len(rows) <= query.page.count else None


def _sources(
    client: Client, kinds: Sequence[ResourceKind], schemas: Sequence[Schema], query: Query
) -> list[ListSource]:
    orders = _orders(schemas, query)
    if not query.filter:
        return [
            ListSource(kind.visible(client), order, partial(kind.total, client))
            for kind, order in zip(kinds, orders, strict=True)
        ]
    node = parse(query.filter)
    return [
        ListSource(
            kind.visible(client).filter(to_q(node, schema, [each for each in schemas if each is not schema])), order
        )
        for kind, schema, order in zip(kinds, schemas, orders, strict=True)
    ]


def _orders(schemas: Iterable[Schema], query: Query) -> list[Order]:
    """Return the order of each type; a type without the attribute keeps its own, but one type must have it."""
    found: list[Order | ScimError] = []
    for schema in schemas:
        try:
            found.append(order_by(schema, query.sort_by, descending=query.descending))
        except ScimError as error:
            found.append(error)
    errors = [each for each in found if isinstance(each, ScimError)]
    if len(errors) == len(found):
        raise errors[0]
    return [Order() if isinstance(each, ScimError) else each for each in found]


def _streamed(found: ListPage, documents: list[Any], streams: list[Iterator[bytes]]) -> HttpResponseBase:
    """Return the page in pieces: groups with very many members are never held as a whole."""
    ready = [orjson.dumps(documents)[1:-1] + b","] if documents else []
    pieces = groups.listing(found.body([]), len(found.rows), chain(ready, *streams))
    response = StreamingHttpResponse(pieces, content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    return response
