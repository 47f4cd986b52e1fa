"""Filters on the database against a plain reading of RFC 7644 section 3.4.2.2 over the resources as they are sent."""

import datetime as dt
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scim2_models.path import Comparison, FilterNode, LogicalExpr, Not, Present, ValuePath

from provisioning.models import AttributeDefinition, User
from scim.errors import ScimError
from scim.filters import parse, to_q
from scim.lists import search
from scim.models import UserLink
from scim.resources import attributes
from scim.resources.attributes import Schema
from scim.resources.projection import Projection
from scim.users import api as users

pytestmark = pytest.mark.heavy

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CUSTOM = "urn:ietf:params:scim:schemas:extension:rollcall:2.0:User"
WORDS = [
    "",
    "a",
    "A",
    "Anna",
    "anna b",
    "100%",
    "a_b",
    "axb",
    'q"t',
    "back\\s",
    "Straße",
    "ÉMILE",
    "émile",
    "x' OR 1=1",
]


KEPT: dict[int, dict[str, Any]] = {  # what clients sent beside the mapped values, and other labels for those
    1: {"emails": [{"type": "home", "value": "anna@home", "primary": True}, {"type": "work", "value": "Anna b"}]},
    2: {
        "emails": [{"~": "work", "type": "home", "primary": False}],
        "phoneNumbers": [{"type": "fax", "value": "100%"}],
    },
    3: {"emails": [{"~": "work"}, {"value": "a_b"}], "phoneNumbers": [{"~": "mobile", "type": "pager"}]},
}


@pytest.fixture
def crowd(scim):
    AttributeDefinition.objects.create(name="badge", label="Badge", type="number")
    AttributeDefinition.objects.create(name="vip", label="VIP", type="boolean")
    AttributeDefinition.objects.create(name="shoe", label="Shoe", type="text")
    people = []
    for n, word in enumerate(WORDS * 2):
        profile: dict[str, Any] = {}
        if n % 3:
            profile = {"badge": n, "vip": n % 2 == 0, "shoe": word}
        people.append(
            User(
                username=f"Person{n}",
                first_name=word,
                last_name=WORDS[-n % len(WORDS)],
                display_name=word.upper() if n % 2 else "",
                title=WORDS[(n + 3) % len(WORDS)],
                email=f"Mail{n}@example.org" if n % 4 else "",
                phone=word if n % 2 else "",
                mobile=WORDS[(n + 5) % len(WORDS)],
                locality=word,
                is_active=n % 5 != 0,
                custom_profile=profile,
            )
        )
    User.objects.bulk_create(people)
    for n, user in enumerate(people):
        if n % 3 == 0:
            UserLink.objects.create(client=scim.client, user=user, external_id=WORDS[n % len(WORDS)])
        if n % 5 == 1:
            name = f"Alias {n}"
            UserLink.objects.update_or_create(client=scim.client, user=user, defaults={"user_name": name})
        if n % 2:
            User.objects.filter(pk=user.pk).update(manager=people[0])
        if n % 4 in KEPT:
            kept = KEPT[n % 4]
            UserLink.objects.update_or_create(client=scim.client, user=user, defaults={"kept": kept})
        User.objects.filter(pk=user.pk).update(updated_at=dt.datetime(2026, 1, 1 + n, tzinfo=dt.UTC))
    User.objects.create(username="admin", is_staff=True)
    return scim


def resources(client) -> list[dict[str, Any]]:
    schema = users.schema(client)
    rows = users.visible(client).select_related("manager").order_by("pk")
    return users.read_page(client, list(rows), Projection.read({}, schema))


# --- The plain reading --------------------------------------------------------------------------------------------


def values(resource: Any, path: str) -> list[Any]:
    """Return what stands at a path, without what is unassigned."""
    lowered = path.casefold()
    for urn in (ENTERPRISE, CUSTOM):
        if lowered.startswith(urn.casefold() + ":"):
            return values(member(resource, urn) or {}, path[len(urn) + 1 :])
    found = [resource]
    for name in path.split("."):
        found = [inner for each in found for inner in listed(member(each, name))]
    return [each for each in found if each not in (None, "", [], {})]


def member(resource: Any, name: str) -> Any:
    if not isinstance(resource, dict):
        return None
    return next((value for key, value in resource.items() if key.casefold() == name.casefold()), None)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def matches(node: FilterNode, resource: Any, schema: Schema, inside: str = "") -> bool:
    if isinstance(node, LogicalExpr):
        results = [matches(term, resource, schema, inside) for term in node.terms]
        return all(results) if node.op == "and" else any(results)
    if isinstance(node, Not):
        return not matches(node.expr, resource, schema, inside)
    if isinstance(node, ValuePath):
        path = str(node.attr_path)
        return any(matches(node.val_filter, each, schema, path) for each in values(resource, path))
    assert isinstance(node, Present | Comparison)
    attribute = schema.find(f"{inside}.{node.attr_path}" if inside else str(node.attr_path))
    assert attribute
    path = attribute.path.removeprefix(f"{inside}.") if inside else attribute.path
    if isinstance(node, Present):
        return bool(values(resource, path))
    if attribute.type == "complex":
        attribute = attribute.find("value")
        assert attribute
        path = f"{path}.value"
    held = values(resource, path)
    if node.op == "ne":
        return not equal(held, node.value, attribute)
    if node.op == "eq":
        return equal(held, node.value, attribute)
    if node.value is None:
        return False
    return any(compare(node.op, comparable(each, attribute), comparable(node.value, attribute)) for each in held)


def equal(held: list[Any], value: Any, attribute: Any) -> bool:
    if value is None:
        return not held
    return any(comparable(each, attribute) == comparable(value, attribute) for each in held)


def comparable(value: Any, attribute: Any) -> Any:
    if attribute.type == "dateTime":
        return dt.datetime.fromisoformat(value)
    if attribute.type == "boolean" and isinstance(value, str):
        return {"true": True, "false": False}[value.casefold()]
    if attribute.type in ("integer", "decimal"):
        return float(value)
    if isinstance(value, str) and not attribute.case_exact:
        return unicodedata.normalize("NFKC", value).casefold()
    return value


def compare(operator: str, held: Any, value: Any) -> bool:
    return {
        "co": lambda: value in held,
        "sw": lambda: held.startswith(value),
        "ew": lambda: held.endswith(value),
        "gt": lambda: held > value,
        "ge": lambda: held >= value,
        "lt": lambda: held < value,
        "le": lambda: held <= value,
    }[operator]()


# --- Filters ------------------------------------------------------------------------------------------------------

TEXTS = [
    "userName",
    "USERNAME",
    "externalId",
    "name.givenName",
    "name.familyName",
    "displayName",
    "title",
    "emails",
    "emails.value",
    "emails.type",
    "phoneNumbers.value",
    "addresses.locality",
    "urn:ietf:params:scim:schemas:core:2.0:User:title",
    f"{CUSTOM}:shoe",
]
quoted = json.dumps
word = st.sampled_from([*WORDS, "Person1", "person1", "PERSON2", "Alias 1", "alias 6", "mail1@EXAMPLE.org", "work"])
text = st.one_of(
    word, word.map(lambda w: w[1:]), word.map(lambda w: w[:2]), word.map(str.swapcase), st.text(max_size=4)
)
usable = text.filter(lambda w: "\x00" not in w)
ordering = ["gt", "ge", "lt", "le"]


def comparison(paths, operators, value):
    return st.builds(lambda p, o, v: f"{p} {o} {quoted(v)}", st.sampled_from(paths), st.sampled_from(operators), value)


moment = st.integers(0, 40).map(lambda n: (dt.datetime(2025, 12, 25, tzinfo=dt.UTC) + dt.timedelta(n)).isoformat())
leaf = st.one_of(
    comparison(TEXTS, ["eq", "ne", "co", "sw", "ew"], usable),
    comparison(
        ["userName", "name.familyName", "emails.value"], ordering, st.sampled_from(["anna", "b", "Person2", "mail2"])
    ),
    comparison(["active", f"{CUSTOM}:vip"], ["eq", "ne"], st.sampled_from([True, False, "True", "false"])),
    comparison([f"{CUSTOM}:badge"], ["eq", "ne", *ordering], st.sampled_from([0, 1, 7, 7.5, -3])),
    comparison(["meta.lastModified"], ["eq", "ne", *ordering], moment),
    comparison(["title", "externalId", "emails", "active", f"{CUSTOM}:shoe"], ["eq", "ne"], st.none()),
    comparison([f"{ENTERPRISE}:manager.value", f"{ENTERPRISE}:manager", "id"], ["eq", "ne"], st.just("nobody")),
    st.sampled_from([*TEXTS, f"{ENTERPRISE}:manager", "active", "meta.lastModified", f"{CUSTOM}:badge"]).map(
        "{} pr".format
    ),
)
part = st.one_of(
    comparison(
        ["type", "value"],
        ["eq", "ne", "co", "sw"],
        st.sampled_from(["work", "Mobile", "home", "a", "Anna", "100%", "mail1"]),
    ),
    st.sampled_from(["type pr", "value pr", "primary eq true", "primary eq false", "primary pr"]),
)


def combined(inner):
    joined = st.builds(lambda a, word, b: f"({a}) {word} ({b})", inner, st.sampled_from(["and", "or", "AND"]), inner)
    return st.one_of(joined, inner.map("not ({})".format))


value_path = st.builds(
    lambda name, inside: f"{name}[{inside}]",
    st.sampled_from(["emails", "phoneNumbers"]),
    st.recursive(part, combined, max_leaves=3),
)
filters = st.recursive(st.one_of(leaf, leaf, value_path), combined, max_leaves=6)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=filters)
def test_the_database_answers_as_the_rfc_reads(crowd, text):
    schema = attributes.users(crowd.client)
    if not hasattr(crowd, "resources"):
        crowd.resources = resources(crowd.client)
    node = parse(text)
    expected = {each["id"] for each in crowd.resources if matches(node, each, schema)}
    found = users.visible(crowd.client).filter(to_q(node, schema))
    assert {str(key) for key in found.values_list("scim_id", flat=True)} == expected
    query = search.Query.read({"filter": text, "count": 3, "startIndex": 2})
    page = json.loads(search.listed(crowd.client, [search.USERS], query).content)
    assert page["totalResults"] == len(expected)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.text(), st.from_regex(r'[a-zA-Z.:\[\]() "\\]{0,40}', fullmatch=True), filters.map(lambda f: f[:-1])
    )
)
def test_whatever_comes_is_answered_or_refused(crowd, text):
    schema = attributes.users(crowd.client)
    refusal = None
    try:
        list(users.visible(crowd.client).filter(to_q(parse(text), schema))[:1])
    except ScimError as error:
        refusal = error
    assert refusal is None or (refusal.status, refusal.scim_type) == (400, "invalidFilter")
