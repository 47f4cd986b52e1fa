"""What sets a SCIM application apart, as data: one YAML file a product, with its sources and the day they were read.

A preset says what the product's documents say and RFC 7643, 7644 and 9865 leave open: how lists end, what may be
filtered, how a group takes members, how fast it may be asked. The connector asks a preset and never for a product's
name, so that a product needs a file and no code. A key that nobody knows, and a value that nobody can use, are refused
with file and line.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

FOLDER = Path(__file__).parent / "presets"
GENERIC = "generic"

UNKNOWN_KEY = "Nobody reads this key. Correct its spelling or take it out."
MISSING_KEY = "This key is missing."
SAME_PERIOD = {1: "a second", 60: "a minute", 3600: "an hour", 86400: "a day"}

Positive = Annotated[int, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]


class PresetError(ValueError):
    """A preset cannot be used: which file, which line, what is wrong."""


class _Strict:
    """What stands in a file is taken as it is: no unknown key, and no text for a number."""

    __slots__ = ()
    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class PresetSource(_Strict):
    """A public document, the day on which it was read, and what it alone says where two disagree."""

    url: Text
    seen_on: dt.date
    says: str = ""


@dataclass(frozen=True, slots=True)
class DiscoveryRules(_Strict):
    """Which of the documents of RFC 7644 section 4 can be read, and under which name the first is."""

    service_provider_config: bool = True
    service_provider_config_path: Text = "ServiceProviderConfig"
    schemas: bool = True
    resource_types: bool = True


@dataclass(frozen=True, slots=True)
class Auth(_Strict):
    """How the portal may sign in, the usual way first; ``token_url`` and ``scope`` are what OAuth 2 takes there."""

    ways: Annotated[tuple[Literal["bearer", "basic", "oauth2"], ...], Field(min_length=1)]
    token_url: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Paging(_Strict):
    """How a list comes in pages."""

    # RFC 7644's startIndex and count, RFC 9865's cursor (which begins with a blank one), or one answer.
    mode: Literal["index", "cursor", "none"]
    max: Positive  # the largest page
    # Whoever is in no page of a list that came to its end is not there. Else nobody is ever taken for a leaver.
    complete: bool
    total: bool = True  # each page says how many there are (totalResults)


@dataclass(frozen=True, slots=True)
class Filter(_Strict):
    """What may be asked of a list: ``eq`` on the attributes of ``user`` and ``group``, or with ``any`` every filter.

    ``combine``: whether two of them may be joined, and ``alone`` those that may not be joined with another.
    ``max_length`` is in characters, 0: nobody says.
    """

    user: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    any: bool = False
    combine: Literal["none", "and", "any"] = "none"
    alone: tuple[str, ...] = ()
    max_length: Annotated[int, Field(ge=0)] = 0

    def allows(self, resource: Literal["user", "group"], *attributes: str) -> bool:
        """Return whether ``eq`` may be asked of these attributes of a user or group, joined by "and"."""
        asked = {name.casefold() for name in attributes}
        if len(asked) > 1 and (self.combine == "none" or asked & {name.casefold() for name in self.alone}):
            return False
        named = self.user if resource == "user" else self.group
        return self.any or asked <= {name.casefold() for name in named}


@dataclass(frozen=True, slots=True)
class UserName(_Strict):
    """What a user name must look like: a regular expression for all of it, and its most characters (0: nobody says)."""

    pattern: str = ""
    max: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class UserHandling(_Strict):
    """What a user may be sent."""

    update: Literal["patch", "put"] = "patch"  # the method that changes one
    active_by: Literal["patch", "put"] = "patch"  # the method that switches one off or on
    multi_value_max: Mapping[str, Positive] = field(default_factory=dict)  # the most values of an attribute
    primary: tuple[str, ...] = ()  # attributes of which one value must be marked as primary
    required: tuple[str, ...] = ()  # without these a user is not created
    unsupported: tuple[str, ...] = ()  # whoever sends one of these is refused
    username: UserName = field(default_factory=UserName)
    clear: Literal["remove", "null", "empty", "never"] = "remove"  # how an attribute loses its value
    conflict_is_not_duplicate: tuple[str, ...] = ()  # regular expressions for a 409 that means something else
    pending_ignores: bool = False  # whoever did not confirm yet takes a change with 200 and stays as they were


@dataclass(frozen=True, slots=True)
class GroupHandling(_Strict):
    """How a group is made and how it takes members."""

    supported: bool = True  # there are groups
    create: bool = True
    rename: bool = True
    update: Literal["patch", "put"] = "patch"
    patchable: tuple[str, ...] = ()  # the attributes that a PATCH may change, () for all; nothing else is sent
    # How members are seen: by reading the group, by reading it with attributes=members, or never all of them.
    members_by: Literal["get", "attributes", "none"] = "get"
    add_per_request: Positive = 100  # the most members of one PATCH
    remove_per_request: Positive = 100
    adds_in_one_operation: bool = True  # as the list of one operation; else each in one of its own
    # One operation a member, whose path has a filter; one operation whose path joins such filters by "or"; or one
    # operation whose value is the list of members.
    remove_by: Literal["path", "path_or", "value"] = "path"
    member_as: Literal["object", "id"] = "object"  # in an operation for one member: the list of one object, or the id
    max_bytes: Annotated[int, Field(ge=0)] = 0  # the largest body, 0: nobody says


@dataclass(frozen=True, slots=True)
class Deletion(_Strict):
    """What DELETE does: ``delete`` removes, ``deactivate`` only switches off, ``never``: it is refused.

    ``effects`` says for people what is gone with a user, in sentences.
    """

    user: Literal["delete", "deactivate", "never"] = "delete"
    group: Literal["delete", "deactivate", "never"] = "delete"
    effects: str = ""


@dataclass(frozen=True, slots=True)
class LimitMatch(_Strict):
    """Which requests a limit counts: by method (() for all), path, and size of the body in bytes.

    ``path`` is below the base address; ``*`` stands for anything, and "" for every path.
    """

    methods: tuple[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], ...] = ()
    path: str = ""
    body_over: Annotated[int, Field(ge=0)] = 0
    body_up_to: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class RateLimit(_Strict):
    """At most ``limit`` requests in ``per`` seconds.

    ``burst``: how many may come at once when none came for a while; 0: nobody says, and they are spread. ``scope``
    says who shares it: every request of the customer's organisation there, whoever sends it (``organisation``), those
    to one ``endpoint`` (/Users, /Groups), those of one ``method`` to one endpoint, or those to one ``resource``.
    ``what`` names what is counted, for people ("creations"); ``counts``: where it is ``members``, a request counts as
    many times as it brings people into a group or takes them out.
    """

    limit: Positive
    per: Positive
    what: Text
    match: LimitMatch = field(default_factory=LimitMatch)
    burst: Annotated[int, Field(ge=0)] = 0
    counts: Literal["requests", "members"] = "requests"
    scope: Literal["organisation", "endpoint", "method", "resource"] = "organisation"

    @property
    def words(self) -> str:
        """The limit for people, as in "180 creations a minute"."""
        return f"{self.limit:,} {self.what} {SAME_PERIOD.get(self.per) or f'in {self.per} seconds'}"


@dataclass(frozen=True, slots=True)
class ScimPreset(_Strict):
    """All that is known of one product."""

    name: Text  # of the file
    label: Text  # of the product
    source: Annotated[tuple[PresetSource, ...], Field(min_length=1)]
    auth: Auth
    paging: Paging
    filter: Filter
    base_url: str = ""  # what an address looks like there
    notes: str = ""  # what to do in the product, in sentences for people
    discovery: DiscoveryRules = field(default_factory=DiscoveryRules)
    headers: Mapping[str, str] = field(default_factory=dict)  # that come with every request
    user: UserHandling = field(default_factory=UserHandling)
    group: GroupHandling = field(default_factory=GroupHandling)
    delete: Deletion = field(default_factory=Deletion)
    after_deactivate: Literal["readable", "absent"] = "readable"  # or a user who is not active answers 404
    rate: tuple[RateLimit, ...] = ()
    in_flight: Positive = 4  # the most requests at one time
    quirks: tuple[str, ...] = ()  # what surprises, in sentences for people


_ADAPTER = TypeAdapter(ScimPreset)


def all_names() -> tuple[str, ...]:
    """Return the names of all presets by label; the one for every other product comes last."""
    return tuple(sorted(_presets(), key=lambda name: (name == GENERIC, _presets()[name].label.casefold())))


def load(name: str) -> ScimPreset:
    """Return the preset of this name; raise KeyError for one that is not there, and PresetError."""
    return _presets()[name]


@cache
def _presets() -> Mapping[str, ScimPreset]:
    return {path.stem: parse(path.read_text(encoding="utf-8"), path) for path in sorted(FOLDER.glob("*.yaml"))}


def parse(text: str, path: Path) -> ScimPreset:
    """Return the preset that a file's text says; raise PresetError."""
    try:
        root = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PresetError(f"{path.name}, line {line}: This is no YAML: {error.problem}.") from None
    if not isinstance(root, CommentedMap):
        raise PresetError(f"{path.name}, line 1: A preset is a list of keys with values.")
    try:
        found = _ADAPTER.validate_json(json.dumps({"name": path.stem, **root}, default=str))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        problems = [(tuple(one["loc"]), _message(one["type"], one["msg"])) for one in wrong]
    else:
        problems = list(_contradictions(found))
        if not problems:
            return found
    lines = sorted((_line(root, place), place, message) for place, message in problems)
    where = (f"{path.name}, line {line}: {'.'.join(map(str, place))}: {message}" for line, place, message in lines)
    raise PresetError("\n".join(where))


def _message(kind: str, message: str) -> str:
    return {"unexpected_keyword_argument": UNKNOWN_KEY, "missing": MISSING_KEY}.get(kind, f"{message}.")


def _line(root: CommentedMap, place: tuple[int | str, ...]) -> int:
    """Return the line of a key, counted from 1, or of the nearest key around it that is there."""
    line, node = 0, root
    for part in place:
        try:
            line = node.lc.key(part)[0] if isinstance(node, CommentedMap) else node.lc.item(part)[0]
            node = node[part]
        except (KeyError, IndexError, TypeError):
            break
        if not isinstance(node, CommentedMap | CommentedSeq):
            break
    return int(line) + 1


def _contradictions(preset: ScimPreset) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Give what no single value shows: where it stands, and what is wrong."""
    if preset.name != preset.name.lower() or not preset.name.isidentifier():
        yield (), "The name of the file is small letters, digits and _."
    if not (preset.filter.any or preset.filter.user):
        yield ("filter", "user"), "Nobody can be looked up before they are made: name an attribute."
    if problem := _pattern_problem(preset.user.username.pattern):
        yield ("user", "username", "pattern"), problem
    for index, pattern in enumerate(preset.user.conflict_is_not_duplicate):
        if problem := _pattern_problem(pattern):
            yield ("user", "conflict_is_not_duplicate", index), problem
    for index, limit in enumerate(preset.rate):
        if limit.match.body_up_to and limit.match.body_over >= limit.match.body_up_to:
            yield ("rate", index, "match"), "No body is over the one and up to the other."


def _pattern_problem(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"This is no regular expression: {error}."
    return ""
