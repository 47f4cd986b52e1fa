"""A typed Python client of the API, written from its description: one file, standard library only.

``manage.py api_client`` writes it; a test holds the one in docs/samples to the description as it is.
"""

import json
import keyword
from collections.abc import Iterator, Mapping
from typing import Any

from drf_spectacular.generators import SchemaGenerator

Json = Mapping[str, Any]
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
HEADERS = {"Idempotency-Key": "idempotency_key", "If-Match": "if_match"}
HEAD = '''"""A client of Rollcall's REST API, made by `manage.py api_client`: copy it, it needs nothing but Python 3.11.

    portal = Rollcall("https://portal.example.org", token)
    for user in portal.list_users(filter='department eq "Care"'):
        print(user["username"])
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NotRequired, TypedDict, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen


class Refused(Exception):
    """The portal refused a request: its status, what is wrong in words, and which fields are wrong."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail', '')}")
        self.status = status
        self.detail = str(problem.get("detail", ""))
        self.errors: Any = problem.get("errors", {})

'''
CLIENT = '''
class Rollcall:
    """The portal at an address, asked with a token of its page API tokens; ``etag`` is the version last answered."""

    def __init__(self, portal: str, token: str, *, timeout: float = 30.0) -> None:
        self.base = portal.rstrip("/")
        self.token = token
        self.timeout = timeout
        self.etag = ""

    def send(self, method: str, address: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        """Send one request; return the status and what was answered."""
        request = Request(address, data=body, method=method, headers=dict(headers))
        try:
            with urlopen(request, timeout=self.timeout) as answer:
                self.etag = str(answer.headers.get("ETag", ""))
                return int(answer.status), bytes(answer.read())
        except HTTPError as error:
            return error.code, error.read()

    def _ask(
        self,
        method: str,
        address: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        asked = {name: _written(value) for name, value in (parameters or {}).items() if value not in ("", None)}
        if not address.startswith(self.base):
            address = self.base + address
        if asked:
            address = f"{address}?{urlencode(asked)}"
        sent = {name: value for name, value in (headers or {}).items() if value}
        sent |= {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        status, answer = self.send(method, address, sent, content)
        if status >= 400:
            raise Refused(status, _problem(answer))
        return json.loads(answer) if answer else None

    def _rows(self, address: str, filter: str, limit: int) -> Iterator[Any]:
        page = self._ask("GET", address, parameters={"filter": filter, "limit": limit})
        while True:
            yield from page["items"]
            if not page["next"]:
                return
            page = self._ask("GET", page["next"])
'''
TAIL = """

def _written(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _problem(answer: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
"""


def source() -> str:
    """Return the client as Python."""
    description = SchemaGenerator().get_schema(request=None, public=True)
    schemas = description["components"]["schemas"]
    types = [part for name, schema in schemas.items() if not _is_page(name) for part in _type(name, schema)]
    methods = [
        part
        for address, operations in description["paths"].items()
        for method, operation in operations.items()
        for part in _method(address, method, operation)
    ]
    return "\n".join([HEAD.rstrip("\n"), *types, "\n", CLIENT.strip("\n"), *methods, TAIL])


def _is_page(name: str) -> bool:
    return name.endswith("Page") or name == "Problem"


def _type(name: str, schema: Json) -> Iterator[str]:
    """Write a type of the description: an object, or one of some words."""
    yield "\n"
    if "enum" in schema:
        yield f"{name} = {_literal(schema)}"
        return
    required = set(schema.get("required", ()))
    sent = name.endswith("Request")
    yield f"class {name}(TypedDict):"
    if words := schema.get("description"):
        yield f'    """{_line(words)}"""\n'
    for field, held in schema.get("properties", {}).items():
        kind = _kind(held)
        yield f"    {field}: {kind if field in required or not sent else f'NotRequired[{kind}]'}"


def _kind(schema: Json) -> str:
    """Return a schema as a Python type."""
    found = _bare(schema)
    return f"{found} | None" if schema.get("nullable") and not found.endswith("None") and found != "Any" else found


def _bare(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    parts = schema.get("allOf") or schema.get("oneOf")
    if parts:
        kinds = [_kind(part) for part in parts if part != {"$ref": "#/components/schemas/NullEnum"}]
        return " | ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return _literal(schema)
    if schema.get("type") == "array":
        return f"list[{_kind(schema['items'])}]"
    if schema.get("type") == "object":
        inside = schema.get("additionalProperties")
        return f"dict[str, {_kind(inside) if isinstance(inside, Mapping) and inside else 'Any'}]"
    return PLAIN.get(str(schema.get("type")), "Any")


def _literal(schema: Json) -> str:
    return f"Literal[{', '.join(json.dumps(one) if one is not None else 'None' for one in schema['enum'])}]"


def _method(address: str, method: str, operation: Json) -> Iterator[str]:
    """Write the method of an operation."""
    parameters = operation.get("parameters", ())
    in_path = [one for one in parameters if one["in"] == "path"]
    arguments = [f"{_name(one['name'])}: {_kind(one['schema'])}" for one in in_path]
    path = f"{address}"
    for one in in_path:
        path = path.replace(f"{{{one['name']}}}", f"{{quote(str({_name(one['name'])}), safe='')}}")
    where = f'f"{path}"' if in_path else f'"{path}"'
    yield ""
    if any(one["name"] == "cursor" for one in parameters):
        row = _row(operation)
        signature = ", ".join(["self", *arguments, "*", 'filter: str = ""', "limit: int = 100"])
        yield f"    def {operation['operationId']}({signature}) -> Iterator[{row}]:"
        yield f'        """{_line(operation["description"])}"""'
        yield f"        return cast(Iterator[{row}], self._rows({where}, filter, limit))"
        return
    body = _content(operation.get("requestBody"))
    if body:
        arguments.append(f"body: {_kind(body)}")
    headers = {one["name"]: HEADERS[one["name"]] for one in parameters if one["name"] in HEADERS}
    needed = {one["name"] for one in parameters if one.get("required")}
    named = [f"{name}: str" if header in needed else f'{name}: str = ""' for header, name in headers.items()]
    asked = [one for one in parameters if one["in"] == "query"]
    named += [f"{_name(one['name'])}: {_kind(one['schema'])} | None = None" for one in asked]
    signature = ", ".join(["self", *arguments, *(["*", *named] if named else [])])
    answered = next((_content(one) for status, one in operation["responses"].items() if status < "3"), None)
    returns = _kind(answered) if answered else "None"
    sent = ", ".join(f'"{header}": {name}' for header, name in headers.items())
    query = ", ".join(f'"{one["name"]}": {_name(one["name"])}' for one in asked)
    more = [f"parameters={{{query}}}"] if asked else []
    more += ["headers=headers"] if headers else []
    more += ["body=body"] if body else []
    call = f"self._ask({', '.join([json.dumps(method.upper()), where, *more])})"
    yield f"    def {operation['operationId']}({signature}) -> {returns}:"
    yield f'        """{_line(operation["description"])}"""'
    if headers:
        yield f"        headers = {{{sent}}}"
    yield f"        return cast({returns}, {call})" if answered else f"        {call}"


def _row(operation: Json) -> str:
    """Return what a page of a list has rows of."""
    page = _content(operation["responses"]["200"]) or {}
    return _kind(page).removesuffix("Page")


def _content(described: Json | None) -> Json | None:
    if not described or "application/json" not in described.get("content", {}):
        return None
    schema: Json = described["content"]["application/json"]["schema"]
    return schema


def _name(parameter: str) -> str:
    return f"{parameter}_" if keyword.iskeyword(parameter) else parameter


def _line(words: str) -> str:
    return " ".join(str(words).split()).replace("\\", "\\\\").replace('"', "'")
