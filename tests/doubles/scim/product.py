"""A product as its preset describes it, on top of a real SCIM server (scim2-server).

It answers as the product would: refuses what the preset forbids, and notes that as a violation; hides what the product
hides; says "done" to what the product does not do. A violation is the client's fault, so a test that did not mean one
fails at its end (``tests.doubles.scim.server``).
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from scim2_models import Meta, ScimProvider
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.utils import load_default_provider
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Request, Response

from directories.connectors.scim.presets import ScimPreset
from directories.connectors.scim.rate import Sending
from tests.doubles.scim.limits import StrictLimits

TOKEN = "token-of-the-server-below"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
COMPARISON = re.compile(r'^\(?\s*([\w.:$-]+(?:\[[^\]]*\][\w.]*)?)\s+(\w\w)\s+("(?:[^"\\]|\\.)*"|true|false)\s*\)?$')
MEMBER = re.compile(r'value\s+eq\s+("(?:[^"\\]|\\.)*")')
# How answers look where a product's differ. No preset says it: the portal reads every form.
SMALL_LETTERS = {"entra"}  # "resources" for "Resources" (RFC 7643 2.1 compares names without case)
SAYS_NOTHING = {"entra"}  # a PATCH answers 204
DISCOVERED = {"schemas": "Schemas", "resource_types": "ResourceTypes"}

Data = dict[str, Any]


class Seen(NamedTuple):
    """One request that came, and the status it got."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    status: int


class Refusal(Exception):
    """The product refuses a request; ``violation`` where its preset says that it would."""

    def __init__(
        self, status: int, detail: str, scim_type: str = "", *, violation: bool = True, after: int = 0
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.scim_type = status, detail, scim_type
        self.violation, self.after = violation, after


@dataclass(slots=True)
class Change:
    """Who a PATCH brings into a group and takes out of it, and what else it changes."""

    added: list[str]
    removed: list[str]
    others: list[Data]


@cache
def _provider() -> ScimProvider:
    return load_default_provider()


class Product:
    """One product with nobody in it. ``seen`` are the requests that came, ``violations`` what its preset forbids."""

    def __init__(self, preset: ScimPreset, clock: Callable[[], float]) -> None:
        self.preset = preset
        self.limits = StrictLimits(preset, clock)
        self.reset()

    def reset(self) -> None:
        """Forget everybody and everything."""
        self.limits.reset()
        self.seen: list[Seen] = []
        self.violations: list[str] = []
        self.pending: set[str] = set()  # who did not confirm an invitation yet
        self.invites = False  # new users have to confirm an invitation
        self.lag = 0  # how many lists do not show yet who was created just before
        self._hidden: dict[str, int] = {}
        self._extensions: dict[str, Data] = {}
        self.storage = InMemoryStorage()
        service = ScimService(_provider(), secret="a secret of the tests")
        self._server = BearerTokenApplication(self.storage, _provider(), service=service, bearer_tokens=[TOKEN])

    # --- What tests ask it -------------------------------------------------------------------------------------------

    def users(self) -> list[Data]:
        """Return every user, as the product holds it."""
        return self._all("Users")

    def groups(self) -> list[Data]:
        """Return every group with its members, as the product holds it."""
        return self._all("Groups")

    def fill(self, count: int) -> list[str]:
        """Put people in by a back door, user0 and so on; return their ids."""
        model: Any = _provider().model_for_endpoint("/Users")
        now = dt.datetime.now(dt.UTC)
        meta = Meta(resource_type="User", created=now, last_modified=now, version='W/"0"')
        people = {f"id-{number}": {"userName": f"user{number}", "active": True} for number in range(count)}
        self.storage.resources = [
            *self.storage.resources,
            *(model.model_validate(one).model_copy(update={"id": ref, "meta": meta}) for ref, one in people.items()),
        ]
        return list(people)

    def found_group(self, name: str = "Team") -> str:
        """Make a group by a back door; return its id."""
        made = self._inner("POST", "/Groups", body={"schemas": [GROUP], "displayName": name})[1]
        assert made is not None
        return str(made["id"])

    def sent(self, method: str, start: str = "/") -> list[Seen]:
        """Return the requests of a method whose paths begin so, those that were refused too."""
        return [one for one in self.seen if one.method == method and one.path.startswith(start)]

    # --- Answers -----------------------------------------------------------------------------------------------------

    def answer(self, request: Request, path: str) -> Response:
        """Return what the product answers; ``path`` is below its base address."""
        query = dict(parse_qsl(request.query_string.decode(), keep_blank_values=True))
        raw = request.get_data()
        try:
            body = json.loads(raw) if raw else None
            response = self._answered(request, path, query, body, len(raw))
        except Refusal as refusal:
            if refusal.violation:
                self.violations.append(f"{request.method} {path} {dict(query) or ''}: {refusal.detail}")
            response = _refused(refusal)
        self.seen.append(Seen(request.method, path, query, body, response.status_code))
        return response

    def _answered(self, request: Request, path: str, query: Mapping[str, str], body: Any, size: int) -> Response:
        self._must_have_headers(request)
        kind, _, ref = path.strip("/").partition("/")
        kind = {"users": "Users", "groups": "Groups"}.get(kind.casefold(), kind)
        change = self._change(body) if kind == "Groups" and request.method == "PATCH" else Change([], [], [])
        self._count(Sending(request.method, path, size, len(change.added) + len(change.removed)))
        if kind in ("Users", "Groups"):
            if kind == "Groups" and not self.preset.group.supported:
                raise Refusal(404, "There are no groups.")
            return self._resource(kind, ref, request.method, query, body, change, size)
        return self._discovery(kind, request.method)

    def _must_have_headers(self, request: Request) -> None:
        for name, value in self.preset.headers.items():
            sent = request.headers.get(name, "")
            if name == "Content-Type" and not request.get_data():
                continue
            if name == "User-Agent" and not sent:
                raise Refusal(403, "The header User-Agent is missing.")
            if name in ("Accept", "Content-Type") and value not in sent:
                raise Refusal(415, f"The header {name} is {sent!r} and should be {value!r}.")

    def _count(self, sending: Sending) -> None:
        wait = self.limits.refusal(sending)
        if wait is not None:
            raise Refusal(429, f"{sending.method} {sending.path} is one request too many.", after=wait)

    def _discovery(self, kind: str, method: str) -> Response:
        offered = self.preset.discovery
        if kind == offered.service_provider_config_path and offered.service_provider_config and method == "GET":
            return _said(200, self._own_words())
        if method == "GET" and any(getattr(offered, name) and kind == place for name, place in DISCOVERED.items()):
            return _said(*self._inner("GET", f"/{kind}"))
        raise Refusal(404, f"There is no /{kind}.")

    def _own_words(self) -> Data:
        preset = self.preset
        methods = {preset.user.update, preset.user.active_by, preset.group.update}
        found: Data = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": {"supported": "patch" in methods},
            "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": preset.filter.any or bool(preset.filter.user), "maxResults": preset.paging.max},
            "changePassword": {"supported": "password" in preset.user.required},
            "sort": {"supported": False},
            "etag": {"supported": False},
            "authenticationSchemes": [
                {"type": "oauthbearertoken", "name": "Token", "description": "A token.", "primary": True}
            ],
        }
        if preset.paging.mode == "cursor":
            found["pagination"] = {"cursor": True, "index": False, "maxPageSize": preset.paging.max}
        return found

    # --- Resources ---------------------------------------------------------------------------------------------------

    def _resource(
        self, kind: str, ref: str, method: str, query: Mapping[str, str], body: Any, change: Change, size: int
    ) -> Response:
        match method, bool(ref):
            case "GET", False:
                return self._list(kind, query)
            case "GET", True:
                return _said(200, self._shown(kind, self._there(kind, ref), query))
            case "POST", False:
                return self._create(kind, body, size)
            case "PUT" | "PATCH", True:
                held = self._there(kind, ref, back=body)
                if kind == "Groups":
                    return self._change_group(ref, held, method, body, change, size)
                return self._change_user(ref, held, method, body)
            case "DELETE", True:
                return self._delete(kind, ref)
        raise Refusal(405, f"{method} {kind} is not offered.")

    def _there(self, kind: str, ref: str, back: Any = None) -> Data:
        """Return a resource; ``back`` is what may switch it on again where it cannot be seen."""
        status, found = self._inner("GET", f"/{kind}/{ref}")
        if status == 200 and found is not None:
            hidden = self.preset.after_deactivate == "absent" and found.get("active") is False
            if kind == "Groups" or not hidden or (back is not None and _switches_on(back)):
                return self._whole(found)
        raise Refusal(404, "There is none with this id.", violation=False)

    def _shown(self, kind: str, found: Data, query: Mapping[str, str]) -> Data:
        if kind == "Users":
            return found
        by_name = self.preset.group.members_by == "attributes" and "members" in query.get("attributes", "").split(",")
        hidden = self.preset.group.members_by != "get" and not by_name
        if hidden or "members" in query.get("excludedAttributes", "").split(","):
            return {name: value for name, value in found.items() if name != "members"}
        return found

    def _list(self, kind: str, query: Mapping[str, str]) -> Response:
        paging = self.preset.paging
        comparisons = self._comparisons(kind, query.get("filter", ""))
        status, page = self._inner(
            "GET", f"/{kind}", {"filter": self._passed_on(query["filter"], comparisons)} if comparisons else {}
        )
        if status != 200 or page is None:
            raise Refusal(400, "The filter cannot be read.", "invalidFilter")
        found = [self._whole(one) for one in page.get("Resources", [])]
        found = [one for one in found if self._is_seen(kind, one) and self._is_in_group(one, comparisons)]
        resources = [self._shown(kind, one, query) for one in found]
        size = min(int(query.get("count", paging.max)), paging.max)
        match paging.mode:
            case "none":
                return _said(200, self._page(resources, totalResults=len(resources)))
            case "index":
                if "cursor" in query:
                    raise Refusal(400, "There are no cursors.")
                start = max(int(query.get("startIndex", 1)), 1) - 1
                cut = resources[start : start + size]
                return _said(200, self._page(cut, totalResults=len(resources), startIndex=start + 1))
        if "startIndex" in query:
            raise Refusal(400, "Lists are read with a cursor.")
        if "cursor" not in query:  # a list that is cut without a word
            return _said(200, self._page(resources[:size], totalResults=len(resources[:size])))
        start = int(query["cursor"] or 0)
        following = {"nextCursor": str(start + size)} if start + size < len(resources) else {}
        return _said(200, self._page(resources[start : start + size], **following))

    def _page(self, resources: list[Data], **numbers: Any) -> Data:
        return {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "itemsPerPage": len(resources),
            "resources" if self.preset.name in SMALL_LETTERS else "Resources": resources,
            **numbers,
        }

    def _is_seen(self, kind: str, one: Data) -> bool:
        """Return whether a list shows this: not whom it hides, nor at once who is new."""
        if self._hidden.get(one["id"], 0) > 0:
            self._hidden[one["id"]] -= 1
            return False
        return kind == "Groups" or self.preset.after_deactivate != "absent" or one.get("active") is not False

    def _comparisons(self, kind: str, text: str) -> list[tuple[str, str]]:
        """Return the attributes that a filter compares and their values; refuse what the preset does not allow."""
        rules = self.preset.filter
        if not text:
            return []
        if rules.max_length and len(text) > rules.max_length:
            raise Refusal(400, "The filter is too long.", "invalidFilter")
        parts = re.split(r"\s+(?:and|or)\s+", text)
        if len(parts) > 1 and (rules.combine == "none" or (rules.combine == "and" and re.search(r"\sor\s", text))):
            raise Refusal(400, f"Filters cannot be joined so: {text}", "invalidFilter")
        found = [COMPARISON.match(part) for part in parts]
        if rules.any and not all(found):
            return [("", "")]
        names = [one[1] if one else "" for one in found]
        simple = re.compile(r"\[[^\]]*\]")
        resource = "user" if kind == "Users" else "group"
        if not all(one and one[2] == "eq" for one in found) and not rules.any:
            raise Refusal(400, f"This filter is not taken: {text}", "invalidFilter")
        if not rules.allows(resource, *(simple.sub("", name) for name in names)):
            raise Refusal(400, f"Nobody may ask by {' and '.join(names)}.", "invalidFilter")
        return [(one[1], json.loads(one[3])) for one in found if one]

    @staticmethod
    def _passed_on(text: str, comparisons: list[tuple[str, str]]) -> str:
        """Return the filter for the server below, which does not keep the groups of users."""
        if "groups.value" not in (name for name, _ in comparisons):
            return text
        kept = [f"{name} eq {json.dumps(value)}" for name, value in comparisons if name != "groups.value"]
        return " and ".join(kept) or "id pr"

    def _is_in_group(self, user: Data, comparisons: list[tuple[str, str]]) -> bool:
        asked = [value for name, value in comparisons if name == "groups.value"]
        held = [self._inner("GET", f"/Groups/{group}")[1] or {} for group in asked]
        return all(any(one["value"] == user["id"] for one in group.get("members", [])) for group in held)

    # --- Users -------------------------------------------------------------------------------------------------------

    def _create(self, kind: str, body: Data, size: int) -> Response:
        if kind == "Groups":
            rules = self.preset.group
            self._must_be_small(size)
            if not rules.create:
                raise Refusal(405, "Groups are not made from outside.")
            if body.get("members"):
                raise Refusal(400, "A new group has no members.")
        else:
            self._must_fit(body)
        sent, extensions = _apart(body)
        status, found = self._inner("POST", f"/{kind}", body=sent)
        if status == 201 and found is not None:
            self._extensions[found["id"]] = extensions
            self._hidden[found["id"]] = self.lag
            if self.invites and kind == "Users":
                self.pending.add(found["id"])
            return _said(201, self._shown(kind, self._whole(found), {}))
        return _said(status, found)

    def _must_fit(self, user: Data, *, new: bool = True) -> None:
        """Refuse a user whom the preset does not allow."""
        rules = self.preset.user
        missing = [name for name in rules.required if _at(user, name) in (None, "", [])] if new else []
        if missing and rules.conflict_is_not_duplicate:
            raise Refusal(409, f"{rules.conflict_is_not_duplicate[0]}: {', '.join(missing)}")
        if missing:
            raise Refusal(400, f"These are required: {', '.join(missing)}", "invalidValue")
        for name in rules.unsupported:
            if _at(user, name) is not None:
                raise Refusal(400, f"{name} is not supported.", "invalidValue")
        for name, most in rules.multi_value_max.items():
            if len(user.get(name) or []) > most:
                raise Refusal(400, f"There are more than {most} {name}.", "invalidValue")
        for name in rules.primary:
            if user.get(name) and not any(one.get("primary") for one in user[name]):
                raise Refusal(400, f"No one of {name} is primary.", "invalidValue")
        shape, name = rules.username, str(user.get("userName") or "")
        if (shape.pattern and not re.fullmatch(shape.pattern, name)) or (shape.max and len(name) > shape.max):
            raise Refusal(400, "The user name is not as it must be.", "invalidValue")

    def _change_user(self, ref: str, held: Data, method: str, body: Data) -> Response:
        rules = self.preset.user
        active_alone = method == "PATCH" and _changes_active_alone(body)
        wanted = rules.active_by if active_alone else rules.update
        if method.lower() != wanted and not (active_alone and rules.update == method.lower()):
            raise Refusal(405, f"Users are changed with {wanted.upper()}.")
        if method == "PATCH":
            self._must_be_patch(body)
        if ref in self.pending and rules.pending_ignores:
            return _said(200, held)
        if method == "PUT":
            self._must_fit({**body, "password": "kept"} if "password" in rules.required else body)
            rest, extensions = _apart(body)
            self._extensions[ref] = extensions
            status, found = self._inner("PUT", f"/Users/{ref}", body=rest)
        else:
            left = [one for one in _operations(body) if not self._in_extension(ref, one)]
            patch = {**body, "Operations": left}
            status, found = self._inner("PATCH", f"/Users/{ref}", body=patch) if left else (200, held)
            if status < 300:
                self._must_fit(self._whole(found or held), new=False)
        return self._changed("Users", ref, method, status, found)

    def _must_be_patch(self, body: Data) -> None:
        rules = self.preset.user
        for one in _operations(body):
            op, path, value = str(one.get("op")).lower(), str(one.get("path") or ""), one.get("value")
            if not path:
                raise Refusal(400, "An operation has no path.", "invalidPath")
            name = path.partition("[")[0].split(":")[-1]
            if name in rules.unsupported:
                raise Refusal(400, f"{name} is not supported.", "invalidPath")
            if rules.clear != "remove" and op == "remove" and "[" not in path:
                raise Refusal(400, f"{name} does not lose its value by being removed.", "mutability")
            if rules.clear != "null" and op != "remove" and value is None:
                raise Refusal(400, f"{name} does not lose its value by null.", "invalidValue")

    def _in_extension(self, ref: str, operation: Data) -> bool:
        """Do what an operation changes of an extension that the server below does not know; return whether it did."""
        path = str(operation.get("path") or "")
        urn, _, name = path.rpartition(":")
        if not urn.startswith("urn:") or urn == ENTERPRISE or ":core:" in urn:
            return False
        held = self._extensions.setdefault(ref, {}).setdefault(urn, {})
        if str(operation["op"]).lower() == "remove":
            held.pop(name, None)
        else:
            held[name] = operation["value"]
        return True

    def _delete(self, kind: str, ref: str) -> Response:
        self._there(kind, ref)
        rule = self.preset.delete.user if kind == "Users" else self.preset.delete.group
        match rule:
            case "never":
                raise Refusal(405, f"{kind} are not deleted from outside.")
            case "deactivate":
                off = {"op": "replace", "path": "active", "value": False}
                self._inner("PATCH", f"/{kind}/{ref}", body=_patch([off]))
            case _:
                self._inner("DELETE", f"/{kind}/{ref}")
                self._leave_groups(ref)
        return Response(status=204)

    def _leave_groups(self, user: str) -> None:
        for group in self._all("Groups"):
            if any(one["value"] == user for one in group.get("members", [])):
                left = [one["value"] for one in group["members"] if one["value"] != user]
                self._set_members(group["id"], left)

    # --- Groups ------------------------------------------------------------------------------------------------------

    def _change(self, body: Any) -> Change:
        """Return what a PATCH of a group does."""
        change = Change([], [], [])
        for one in _operations(body or {}):
            op, path, value = str(one.get("op")).lower(), str(one.get("path") or ""), one.get("value")
            of_members = path.casefold() == "members" or path.casefold().startswith("members[")
            if not of_members:
                change.others.append(one)
            elif op == "add":
                change.added += _refs(value)
            elif op == "remove":
                change.removed += _refs(value) if path.casefold() == "members" else list(_filtered(path))
        return change

    def _change_group(self, ref: str, held: Data, method: str, body: Data, change: Change, size: int) -> Response:
        rules = self.preset.group
        self._must_be_small(size)
        if method.lower() != rules.update:
            raise Refusal(405, f"Groups are changed with {rules.update.upper()}.")
        if method == "PUT":
            status, found = self._inner("PUT", f"/Groups/{ref}", body=body)
            return self._changed("Groups", ref, method, status, found)
        self._must_be_group_patch(_operations(body), change)
        self._must_be_users([*change.added, *change.removed])
        members = [one["value"] for one in held.get("members", [])]
        wanted = [*members, *(one for one in dict.fromkeys(change.added) if one not in members)]
        wanted = [one for one in wanted if one not in change.removed]
        if wanted != members:
            self._set_members(ref, wanted)
        others = _patch(change.others)
        status, found = self._inner("PATCH", f"/Groups/{ref}", body=others) if change.others else (200, None)
        return self._changed("Groups", ref, method, status, found)

    def _must_be_group_patch(self, operations: list[Data], change: Change) -> None:
        rules = self.preset.group
        kinds = [bool(change.added), bool(change.removed), bool(change.others)]
        if sum(kinds) > 1:
            raise Refusal(400, "A request changes one thing at a time.", "invalidSyntax")
        if len(change.added) > rules.add_per_request or len(change.removed) > rules.remove_per_request:
            raise Refusal(400, f"{len(change.added) + len(change.removed)} members are too many at once.", "tooMany")
        for one in change.others:
            names = [str(one["path"])] if one.get("path") else list(one.get("value") or {})
            if rules.patchable and not set(names) <= set(rules.patchable):
                raise Refusal(400, f"A group's {', '.join(names)} cannot be changed.", "invalidPath")
            if "displayName" in names and not rules.rename:
                raise Refusal(405, "Groups are not renamed from outside.")
        adding = [one for one in operations if _is_for_members(one, "add")]
        if rules.adds_in_one_operation and len(adding) > 1:
            raise Refusal(400, "Members are added in one operation.", "invalidSyntax")
        for one in adding:
            if not rules.adds_in_one_operation and len(_refs(one["value"])) > 1:
                raise Refusal(400, "An operation adds one member.", "invalidValue")
            if (rules.member_as == "id") != isinstance(one["value"], str) and not rules.adds_in_one_operation:
                raise Refusal(400, "A member is not written so.", "invalidValue")
        for one in operations:
            if _is_for_members(one, "replace"):
                raise Refusal(400, "The members of a group are not set at once.", "invalidSyntax")
        self._must_remove_rightly([one for one in operations if _is_for_members(one, "remove")])

    def _must_remove_rightly(self, removing: list[Data]) -> None:
        rules = self.preset.group
        if rules.remove_by != "path" and len(removing) > 1:
            raise Refusal(400, "Members are removed in one operation.", "invalidSyntax")
        for one in removing:
            path = str(one["path"])
            if path.casefold() == "members" and not one.get("value"):
                raise Refusal(400, "The members of a group are not taken away at once.", "invalidSyntax")
            if (rules.remove_by == "value") != (path.casefold() == "members"):
                raise Refusal(400, f"Members are not removed so: {path}", "invalidPath")
            if rules.remove_by == "path" and len(list(_filtered(path))) != 1:
                raise Refusal(400, f"An operation removes one member: {path}", "invalidPath")

    def _must_be_small(self, size: int) -> None:
        if self.preset.group.max_bytes and size > self.preset.group.max_bytes:
            raise Refusal(413, f"{size} bytes are too many.")

    def _must_be_users(self, refs: list[str]) -> None:
        """Refuse members whom the product does not know: one of them makes all fail."""
        known = {one.id for one in self.storage.resources}
        if unknown := [ref for ref in refs if ref not in known]:
            raise Refusal(404, f"Resource '{unknown[0]}' does not exist.", violation=False)

    def _set_members(self, ref: str, users: list[str]) -> None:
        """Write who is in a group straight into the storage: a large group costs the server below a second."""
        members = [{"value": one, "type": "User"} for one in users] or None
        model: Any = _provider().model_for_endpoint("/Groups")
        changed = model.model_validate({"displayName": "any", "members": members}).members
        self.storage.resources = [
            one.model_copy(update={"members": changed}) if one.id == ref else one for one in self.storage.resources
        ]

    # --- The server below --------------------------------------------------------------------------------------------

    def _changed(self, kind: str, ref: str, method: str, status: int, found: Data | None) -> Response:
        if status >= 300:
            return _said(status, found)
        if self.preset.name in SAYS_NOTHING and method == "PATCH":
            return Response(status=204)
        return _said(200, self._shown(kind, self._whole(self._inner("GET", f"/{kind}/{ref}")[1] or {}), {}))

    def _whole(self, found: Data) -> Data:
        """Return a resource of the server below with the extensions that it does not know."""
        extensions = self._extensions.get(found.get("id", "")) or {}
        return {**found, **extensions, "schemas": [*found.get("schemas", []), *extensions]}

    def _all(self, kind: str) -> list[Data]:
        _, page = self._inner("GET", f"/{kind}", {"count": "1000000"})
        return [self._whole(one) for one in (page or {}).get("Resources", [])]

    def _inner(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Data | None = None
    ) -> tuple[int, Data | None]:
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/scim+json"}
        content = None if body is None else json.dumps(body).encode()
        builder = EnvironBuilder(
            path=path,
            method=method,
            query_string=query,
            data=content,
            headers=headers,
            content_type="application/scim+json",
        )
        parts, status, _ = run_wsgi_app(self._server, builder.get_environ())
        raw = b"".join(parts)
        return int(status.split()[0]), json.loads(raw) if raw else None


def _said(status: int, data: Data | None) -> Response:
    return Response(json.dumps(data) if data is not None else b"", status, content_type="application/scim+json")


def _refused(refusal: Refusal) -> Response:
    data: Data = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": str(refusal.status),
        "detail": refusal.detail,
    }
    if refusal.scim_type:
        data["scimType"] = refusal.scim_type
    response = _said(HTTPStatus(refusal.status), data)
    if refusal.after:
        response.headers["Retry-After"] = str(refusal.after)
    return response


def _patch(operations: list[Data]) -> Data:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations}


def _operations(body: Data) -> list[Data]:
    return list(body.get("Operations") or body.get("operations") or [])


def _is_for_members(operation: Data, op: str) -> bool:
    return str(operation.get("op")).lower() == op and str(operation.get("path") or "").partition("[")[0] == "members"


def _refs(value: Any) -> list[str]:
    """Return the ids of the members that an operation's value names."""
    several = value if isinstance(value, list) else [value] if value else []
    return [one["value"] if isinstance(one, dict) else str(one) for one in several]


def _filtered(path: str) -> Iterator[str]:
    for text in MEMBER.findall(path):
        yield json.loads(text)


def _apart(body: Data) -> tuple[Data, Data]:
    """Return a resource without the extensions that the server below does not know, and those."""
    extensions = {name: value for name, value in body.items() if name.startswith("urn:") and name != ENTERPRISE}
    rest = {name: value for name, value in body.items() if name not in extensions and name not in ("meta", "id")}
    return {**rest, "schemas": [one for one in rest.get("schemas", []) if one not in extensions]}, extensions


def _at(resource: Data, name: str) -> Any:
    """Return what stands at a path of a preset: name.givenName, or urn:…:User:mailNickname."""
    urn, _, attribute = name.rpartition(":") if name.startswith("urn:") else ("", "", name)
    held: Any = (resource.get(urn) or {}) if urn else resource
    for part in attribute.split("."):
        held = (
            [one.get(part) for one in held if one.get(part) is not None] or None
            if isinstance(held, list)
            else (held or {}).get(part)
        )
    return held


def _changes_active_alone(body: Data) -> bool:
    changes = [
        {str(one["path"]): one.get("value")} if one.get("path") else dict(one.get("value") or {})
        for one in _operations(body)
    ]
    return bool(changes) and all(set(one) == {"active"} for one in changes)


def _switches_on(body: Data) -> bool:
    if body.get("active") is True:
        return True
    values = [one.get("value") for one in _operations(body) if one.get("path") in (None, "active")]
    return any(one is True or (isinstance(one, dict) and one.get("active") is True) for one in values)
